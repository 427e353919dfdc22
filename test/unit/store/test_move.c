// SPDX-License-Identifier: MIT
// test_move.c: what travels in a move, and where the shards go on after it.

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "store/move_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- Lines -----------------------------------------------------------------------------------

static void cell_of_any_bytes_is_read_as_it_was_written(void **state)
{
    static const char *const texts[] = {
        "", "plain", "tab\tand\nlines\r\n", "\\N", "\\", "\\t", "\b\f\v", "Zürich", "a\\"};
    struct move_line l = {0};
    char *cell;
    size_t bytes;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        move_line_text(&l, texts[i], strlen(texts[i]));
    move_line_null(&l);
    move_line_integer(&l, INT64_MIN);
    move_line_end(&l);
    assert_int_equal(l.bytes[l.count - 1], '\n');
    assert_ptr_equal(memchr(l.bytes, '\n', l.count), l.bytes + l.count - 1);
    char *rest = l.bytes;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_true(move_line_next(&rest, &cell, &bytes));
        assert_string_equal(cell, texts[i]);
        assert_int_equal(bytes, strlen(texts[i]));
    }
    assert_true(move_line_next(&rest, &cell, &bytes));
    assert_null(cell);
    assert_true(move_line_next(&rest, &cell, &bytes));
    assert_string_equal(cell, "-9223372036854775808");
    assert_false(move_line_next(&rest, &cell, &bytes));
    free(l.bytes);
}

// A server takes neither, and would refuse the whole table.
static void byte_that_is_no_utf8_becomes_a_question_mark(void **state)
{
    struct move_line l = {0};
    (void)state;
    move_line_text(&l, "a\xff\0b", 4);
    move_line_end(&l);
    assert_memory_equal(l.bytes, "a??b\n", 5);
    l.count = 0;
    move_line_bytes(&l, "\x00\x7f\xff", 3);
    move_line_end(&l);
    assert_memory_equal(l.bytes, "\\\\x007fff\n", l.count);
    free(l.bytes);
}

// --- Shards ----------------------------------------------------------------------------------

static struct shard only_shard(int64_t next)
{
    return (struct shard){.watermark = 5000,
                          .watermark_job = 3,
                          .job_next = next,
                          .execution_next = next + 1,
                          .alert_next = 0,
                          .epoch = 9,
                          .tick = 77,
                          .generation = 2,
                          .corrected_at = 4000,
                          .open_from = 4900};
}

// Also what was given to rows that are gone is never given again; and not more is left out than
// has to be.
static void ids_of_all_shards_lie_above_those_of_the_only_one(void **state)
{
    static const int64_t nexts[] = {0, 1, 2, 255, 256, 257, 511, 512, 1000000};
    struct shard rows[SHARDS_MAX];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(nexts); i++) {
        struct shard one = only_shard(nexts[i]);
        move_shards_up(&one, rows, SHARDS_MAX);
        for (uint32_t n = 0; n < SHARDS_MAX; n++) {
            int64_t given = MAX(nexts[i], 1) - 1;
            int64_t id = shard_id(n, rows[n].job_next, SHARDS_MAX);
            assert_true(id > given && id <= given + 2 * SHARDS_MAX);
            assert_true(shard_id(n, rows[n].execution_next, SHARDS_MAX) > nexts[i]);
            assert_true(rows[n].alert_next > 0);
        }
    }
}

static void shards_go_on_from_where_the_only_one_was(void **state)
{
    struct shard one = only_shard(500), rows[SHARDS_MAX];
    (void)state;
    move_shards_up(&one, rows, SHARDS_MAX);
    for (uint32_t n = 0; n < SHARDS_MAX; n++) {
        struct shard expected = one;
        expected.number = n;
        expected.tick = 0;
        expected.job_next = rows[n].job_next;
        expected.execution_next = rows[n].execution_next;
        expected.alert_next = rows[n].alert_next;
        assert_memory_equal(&rows[n], &expected, sizeof expected);
    }
}

static void fill(struct shard *rows, uint32_t count)
{
    struct shard one = only_shard(1);
    move_shards_up(&one, rows, count);
}

static void only_shard_gives_ids_above_those_of_all(void **state)
{
    struct shard rows[4], one;
    (void)state;
    fill(rows, 4);
    rows[2].job_next = 10;
    rows[1].execution_next = 20;
    rows[3].alert_next = 30;
    move_shards_down(rows, 4, 0, &one);
    assert_int_equal(one.job_next, 10 * 4 + 2 + 1);
    assert_int_equal(one.execution_next, 20 * 4 + 1 + 1);
    assert_int_equal(one.alert_next, 30 * 4 + 3 + 1);
}

// The pair counts: of two with one instant, the one whose jobs are not all planned there.
static void only_shard_goes_on_from_the_least_watermark(void **state)
{
    struct shard rows[4], one;
    (void)state;
    fill(rows, 4);
    rows[1].watermark_job = 0;
    rows[1].open_from = 4800;
    rows[2].watermark = 9000;
    rows[3].epoch = 40;
    move_shards_down(rows, 4, 0, &one);
    assert_int_equal(one.watermark, 5000);
    assert_int_equal(one.watermark_job, 0);
    assert_int_equal(one.open_from, 4800);
    assert_int_equal(one.epoch, 41);
    assert_int_equal(one.tick, 0);
    assert_int_equal(one.number, 0);
    assert_int_equal(one.corrected_at, 4000);
    assert_int_equal(move_planned_to(&rows[0], 3), 5001);
    assert_int_equal(move_planned_to(&rows[0], 4), 5000);
}

// Rows of either generation are keys of their instants, as far as there are rows.
static void rows_of_every_generation_count(void **state)
{
    struct shard rows[4], one;
    (void)state;
    fill(rows, 4);
    rows[2].generation = 3;
    rows[2].corrected_at = 4500;
    move_shards_down(rows, 4, 8000, &one);
    assert_int_equal(one.generation, 3);
    assert_int_equal(one.corrected_at, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cell_of_any_bytes_is_read_as_it_was_written),
        cmocka_unit_test(byte_that_is_no_utf8_becomes_a_question_mark),
        cmocka_unit_test(ids_of_all_shards_lie_above_those_of_the_only_one),
        cmocka_unit_test(shards_go_on_from_where_the_only_one_was),
        cmocka_unit_test(only_shard_gives_ids_above_those_of_all),
        cmocka_unit_test(only_shard_goes_on_from_the_least_watermark),
        cmocka_unit_test(rows_of_every_generation_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
