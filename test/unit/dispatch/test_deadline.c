// SPDX-License-Identifier: MIT
// test_deadline.c: deadlines are called in order of time, once, unless they are taken back.
//
// All of them lie in the past or at once, so nothing here waits.

#include "dispatch/wire/deadline_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define SEEN_MAX 8

static struct loop *l;
static struct deadlines all;
static int seen[SEEN_MAX];
static int seen_count;
static int done_count;

static void over(void *context)
{
    assert_true(seen_count < SEEN_MAX);
    seen[seen_count++] = *(int *)context;
}

static void all_done(void *context)
{
    *(int *)context += 1;
}

static int setup(void **state)
{
    (void)state;
    seen_count = done_count = 0;
    assert_int_equal(loop_open(&l, NULL), ERR_OK);
    assert_int_equal(deadlines__open(&all, l, all_done, &done_count, NULL), ERR_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    deadlines__close(&all);
    loop_close(l);
    return 0;
}

static void deadlines_come_in_order_of_time_and_once(void **state)
{
    (void)state;
    int numbers[] = {1, 2, 3, 4};
    struct deadline d[4];
    mono_ms now = clock_mono_ms();
    for (size_t i = 0; i < COUNT_OF(d); i++)
        d[i] = (struct deadline){.over = over, .context = &numbers[i]};
    deadline__set(&all, &d[2], now - 10);
    deadline__set(&all, &d[0], now - 30);
    deadline__set(&all, &d[3], now + 3600000);
    deadline__set(&all, &d[1], now - 20);
    assert_int_equal(loop_turn(l, -1), 1);
    assert_int_equal(seen_count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen[i], i + 1);
    assert_int_equal(done_count, 1);
    assert_int_equal(loop_turn(l, 0), 0);
    assert_true(deadline__is_set(&d[3]));
    deadline__clear(&all, &d[3]);
}

static void a_deadline_that_was_taken_back_or_moved_does_not_come(void **state)
{
    (void)state;
    int numbers[] = {1, 2};
    struct deadline a = {.over = over, .context = &numbers[0]};
    struct deadline b = {.over = over, .context = &numbers[1]};
    mono_ms now = clock_mono_ms();
    deadline__set(&all, &a, now - 10);
    deadline__set(&all, &b, now - 5);
    deadline__clear(&all, &a);
    deadline__clear(&all, &a); // A no-op.
    deadline__set(&all, &b, now + 3600000);
    assert_false(deadline__is_set(&a));
    assert_int_equal(loop_turn(l, -1), 1); // The timer had been set for them.
    assert_int_equal(seen_count, 0);
    assert_int_equal(done_count, 1);
    deadline__set(&all, &b, 0); // Sooner than anything can be.
    assert_int_equal(loop_turn(l, -1), 1);
    assert_int_equal(seen_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deadlines_come_in_order_of_time_and_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_that_was_taken_back_or_moved_does_not_come,
                                        setup, teardown),
    };
    return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
