// SPDX-License-Identifier: MIT
// test_follow.c: an engine whose process follows the clock of a database fires by that clock.
//
// The clock that is followed is far from the machine's, so nothing fires by the wrong one.

#include "engine_test.h"

#define NEW_YEAR 2051222400000 // 2035-01-01T00:00:00Z

// The clock that is followed says so much from now on.
static void set_clock(wall_ms at)
{
    clock_follow(at * 1000 - clock_mono_us());
}

static int setup(void **state)
{
    set_clock(NEW_YEAR - 600000);
    return rig_setup(state);
}

static void second_of_the_followed_clock_fires(void **state)
{
    (void)state;
    rig_create("* * * * * *");
    rig_answer(1, 200);
    rig_wait_for_sends(2); // The timer was set again.
    assert_true(engine_status(rig.engine).turned_at > NEW_YEAR - 600000);
}

// The step is seen with the next renewal of the lease, which wakes the engine.
static void step_of_the_followed_clock_is_seen_with_the_lease(void **state)
{
    (void)state;
    rig_create("@yearly");
    set_clock(NEW_YEAR);
    engine_lease(rig.engine, MONO_NEVER);
    rig_answer(1, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(second_of_the_followed_clock_fires, setup, rig_teardown),
        cmocka_unit_test_setup_teardown(step_of_the_followed_clock_is_seen_with_the_lease, setup,
                                        rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
