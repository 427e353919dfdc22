// SPDX-License-Identifier: MIT
// test_timer.c: a timer rings once when its instant has come, and not when there is none.
//
// Instants lie in the past, so nothing here waits for one that does not come at once.

#include "engine/engine_priv.h"

#include <time.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static struct loop *loop;
static struct timer timer;

static int setup(void **state)
{
    return loop_open(&loop, NULL) || engine__timer_open(&timer, loop, *(int *)*state, NULL);
}

static int teardown(void **state)
{
    (void)state;
    engine__timer_close(&timer, loop);
    engine__timer_close(&timer, loop); // A second time does nothing.
    loop_close(loop);
    return 0;
}

static int64_t now_ms(const void *clock)
{
    struct timespec t;
    clock_gettime(*(const int *)clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void a_timer_that_was_never_set_does_not_ring(void **state)
{
    (void)state;
    assert_int_equal(loop_turn(loop, 0), 0);
}

static void an_instant_that_is_over_rings_once(void **state)
{
    static const int64_t ages_ms[] = {0, 1, 999, 1000, 86400000};
    for (size_t i = 0; i < COUNT_OF(ages_ms); i++) {
        engine__timer_set(&timer, now_ms(*state) - ages_ms[i]);
        assert_int_equal(loop_turn(loop, -1), 1);
        assert_int_equal(loop_turn(loop, 0), 0);
    }
}

// All zero is what switches a timer of the kernel off.
static void an_instant_before_all_others_rings_too(void **state)
{
    (void)state;
    static const int64_t instants[] = {0, 1, -1, INT64_MIN};
    for (size_t i = 0; i < COUNT_OF(instants); i++) {
        engine__timer_set(&timer, instants[i]);
        assert_int_equal(loop_turn(loop, -1), 1);
    }
}

static void the_same_instant_rings_again_when_it_is_set_again(void **state)
{
    int64_t past = now_ms(*state) - 5;
    for (int i = 0; i < 3; i++) {
        engine__timer_set(&timer, past);
        engine__timer_set(&timer, past); // Nothing new.
        assert_int_equal(loop_turn(loop, -1), 1);
    }
}

static void a_timer_can_be_moved_and_switched_off(void **state)
{
    int64_t now = now_ms(*state);
    engine__timer_set(&timer, now + 3600000);
    assert_int_equal(loop_turn(loop, 0), 0);
    engine__timer_set(&timer, now - 1);
    assert_int_equal(loop_turn(loop, -1), 1);
    engine__timer_set(&timer, now - 1);
    engine__timer_set(&timer, INT64_MAX);
    assert_int_equal(loop_turn(loop, 0), 0);
}

// Milliseconds are not lost on the way to the kernel: the timer does not ring before its instant.
static void a_timer_rings_no_earlier_than_its_instant(void **state)
{
    for (int64_t wait_ms = 1; wait_ms <= 16; wait_ms *= 2) {
        int64_t at = now_ms(*state) + wait_ms;
        engine__timer_set(&timer, at);
        assert_int_equal(loop_turn(loop, -1), 1);
        assert_true(now_ms(*state) >= at);
    }
}

int main(void)
{
    static int wall = CLOCK_REALTIME, mono = CLOCK_BOOTTIME;
#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, setup, teardown, clock)
    int failed = 0;
    int *const clocks[] = {&wall, &mono};
    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        int *clock = clocks[i];
        const struct CMUnitTest tests[] = {
            TEST(a_timer_that_was_never_set_does_not_ring),
            TEST(an_instant_that_is_over_rings_once),
            TEST(an_instant_before_all_others_rings_too),
            TEST(the_same_instant_rings_again_when_it_is_set_again),
            TEST(a_timer_can_be_moved_and_switched_off),
            TEST(a_timer_rings_no_earlier_than_its_instant),
        };
        failed += cmocka_run_group_tests_name(i ? "timer: mono" : "timer: wall", tests, NULL, NULL);
    }
    return failed;
}
