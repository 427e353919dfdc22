// SPDX-License-Identifier: MIT
// test_writer_sqlite.c: the writing thread on a real database, with readers on other threads.

#include "../../contract/shard_rows.h"
#include "../../contract/writer_witness.h"
#include "store/sqlite/sqlite_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

struct scene {
    char folder[64];
    char path[96];
    struct sqlite_store *store;
    struct store_writer *writer;
    struct writer_witness witness;
};

static void on_committed(void *context, uint64_t sequence)
{
    struct scene *x = context;
    witness_committed(&x->witness, sequence);
}

// The disk gets room as soon as it is found full. Runs on the writing thread, whose connection this
// is.
static void on_stalled(void *context, const struct fault *f, uint64_t doubtful)
{
    struct scene *x = context;
    assert_int_equal(f->code, ERR_STORE_FULL);
    assert_int_equal(doubtful, 0);
    int rc = sqlite3_exec(x->store->db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL);
    assert_int_equal(rc, SQLITE_OK);
    witness_count(&x->witness, &x->witness.stalls);
}

static void on_failed(void *context, const struct fault *f)
{
    struct scene *x = context;
    print_error("%s\n", f->text);
    witness_count(&x->witness, &x->witness.failures);
}

static int setup(void **state)
{
    struct scene *x = xcalloc(1, sizeof *x);
    struct store *s = NULL;
    struct fault f = {0};
    witness_init(&x->witness);
    snprintf(x->folder, sizeof x->folder, "/tmp/carillon-writer-XXXXXX");
    assert_non_null(mkdtemp(x->folder));
    snprintf(x->path, sizeof x->path, "%s/carillon.db", x->folder);
    assert_int_equal(store_open(x->path, &s, &f), ERR_OK);
    x->store = (struct sqlite_store *)s;
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct scene *x = *state;
    store_close(&x->store->store);
    unlink(x->path);
    assert_int_equal(rmdir(x->folder), 0);
    witness_fini(&x->witness);
    free(x);
    return 0;
}

static void start(struct scene *x, struct store_retention r)
{
    const struct store_writer_options o = {.retention = r};
    const struct store_writer_events events = {
        .committed = on_committed, .stalled = on_stalled, .failed = on_failed, .context = x};
    struct fault f = {0};
    assert_int_equal(store_writer_start(&x->store->store, &o, &events, &x->writer, &f), ERR_OK);
}

static struct change *add(struct batch *b, enum change_kind kind)
{
    shard_row(b, 0);
    return batch_add(b, kind);
}

// Batch n inserts executions of job 1 at the instants 10 n + 1 to 10 n + 10, all over at once.
static void put_batch(struct scene *x, uint64_t n)
{
    struct batch *b = batch_new(n);
    if (n == 1) {
        struct job *j = job_new();
        j->id = 1;
        job_set_text(&j->schedule, "* * * * * *");
        job_set_text(&j->timezone, "UTC");
        job_set_text(&j->api, "http://a/");
        add(b, CHANGE_JOB_PUT)->job = j;
    }
    for (int64_t i = 1; i <= 10; i++) {
        int64_t at = 10 * (int64_t)n + i;
        add(b, CHANGE_EXECUTION_INSERT)->execution = (struct execution){
            .id = at,
            .key = {.job = 1, .scheduled_at = at},
            .completed_at = at,
            .state = EXECUTION_SUCCESS,
        };
    }
    shard_row(b, 0)->watermark = shard_row(b, 0)->tick = (int64_t)n;
    store_writer_put(x->writer, b);
}

static uint64_t wait_for(struct scene *x, uint64_t sequence)
{
    uint64_t committed = witness_wait(&x->witness, sequence);
    assert_true(committed >= sequence); // Else the writer has failed.
    return committed;
}

static int64_t count_rows(struct store_reader *r)
{
    int64_t counts[EXECUTION_STATES];
    struct fault f = {0};
    assert_int_equal(store_count_executions(r, 0, WALL_NEVER, counts, &f), ERR_OK);
    return counts[EXECUTION_SUCCESS];
}

// Two threads read while a third writes. Whatever was confirmed before a query began is in its
// answer, and batches are seen whole.
static void *read_along(void *argument)
{
    struct scene *x = argument;
    struct store_reader *r = NULL;
    struct fault f = {0};
    assert_int_equal(store_reader_open(&x->store->store, &r, &f), ERR_OK);
    for (uint64_t seen = 0; seen < 300;) {
        seen = wait_for(x, seen + 1);
        int64_t rows = count_rows(r);
        assert_true(rows >= 10 * (int64_t)seen);
        assert_int_equal(rows % 10, 0);
    }
    store_reader_close(r);
    return NULL;
}

static void readers_see_what_was_confirmed(void **state)
{
    struct scene *x = *state;
    pthread_t readers[2];
    start(x, (struct store_retention){0});
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_along, x), 0);
    for (uint64_t n = 1; n <= 300; n++)
        put_batch(x, n);
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        pthread_join(readers[i], NULL);
    struct store_writer_status s = store_writer_status(x->writer);
    store_writer_stop(x->writer);
    assert_int_equal(s.batches, 300);
    assert_int_equal(s.changes, 3301); // A change of each batch is the row of the shard.
    assert_true(s.commits <= s.batches);
}

static void a_full_disk_that_gets_room_loses_nothing(void **state)
{
    struct scene *x = *state;
    struct store_reader *r = NULL;
    struct fault f = {0};
    assert_int_equal(sqlite3_exec(x->store->db, "PRAGMA max_page_count = 40", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(store_reader_open(&x->store->store, &r, &f), ERR_OK);
    start(x, (struct store_retention){0});
    for (uint64_t n = 1; n <= 1000; n++)
        put_batch(x, n);
    wait_for(x, 1000);
    store_writer_stop(x->writer);
    assert_true(x->witness.stalls >= 1);
    assert_int_equal(count_rows(r), 10000);
    store_reader_close(r);
}

// What is committed while house is kept ends with just as many rows as may stay.
static void old_rows_go_while_new_ones_come(void **state)
{
    struct scene *x = *state;
    struct store_reader *r = NULL;
    struct fault f = {0};
    start(x, (struct store_retention){.executions_max = 50});
    for (uint64_t n = 1; n <= 500; n++)
        put_batch(x, n);
    wait_for(x, 500);
    store_writer_stop(x->writer);
    // Whether the thread has come round to it is its own business; the rest takes a step or two.
    size_t removed;
    do {
        struct store_retention rule = {.executions_max = 50};
        enum err err = store_retain(&x->store->store, &rule, 0, 500, &removed, &f);
        assert_int_equal(err, ERR_OK);
    } while (removed == 500);
    assert_int_equal(store_reader_open(&x->store->store, &r, &f), ERR_OK);
    assert_int_equal(count_rows(r), 50);
    store_reader_close(r);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(readers_see_what_was_confirmed),
        TEST(a_full_disk_that_gets_room_loses_nothing),
        TEST(old_rows_go_while_new_ones_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
