// SPDX-License-Identifier: MIT
// test_linger.c: the mark before which nothing is open, and what may lie before it all the same.
//
// Every start of the rig checks that it finds what is open by them.

#include "core_test.h"

#define EVERY_SECOND "* * * * * *"

// Answers what was sent, but not what job `but` sent, and lets a second pass.
static void rig_answer_for_a_second(struct rig *r, job_id but)
{
    rig_run(r, SECOND);
    for (size_t i = 0; i < r->send_count; i++)
        if (!r->sends[i].answered && r->sends[i].key.job != but)
            rig_answer(r, i, 200);
    rig_record(r);
}

static void the_mark_follows_what_is_open(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    rig_create(r, job_of(EVERY_SECOND));
    for (int i = 0; i < 20; i++) {
        rig_answer_for_a_second(r, 0);
        wall_ms from = rig_shard(r).open_from;
        assert_true(from > r->now.wall - 3 * SECOND);
        assert_true(from <= r->now.wall + SECOND); // The next row is planned and open.
    }
    rig_crash(r, 0);
    rig_free(r);
}

static void a_long_flight_lingers_and_the_mark_goes_on(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id slow = rig_create(r, job_of("2026-11-24T10:00:05"));
    rig_create(r, job_of(EVERY_SECOND));
    for (int i = 0; i < 20; i++)
        rig_answer_for_a_second(r, slow);
    assert_state(r, slow, T0 + 5 * SECOND, RUNNING);
    assert_true(rig_row(r, slow, T0 + 5 * SECOND).lingers);
    assert_true(rig_shard(r).open_from > T0 + 15 * SECOND);
    size_t sent = r->send_count;
    rig_crash(r, 10);
    rig_record(r);
    assert_true(r->send_count > sent); // The execution was found.
    rig_free(r);
}

static void a_wait_for_a_retry_lingers(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("2026-11-24T10:00:05");
    j->max_retries = 1;
    j->retry_base_ms = HOUR;
    j->retry_cap_ms = HOUR;
    job_id id = rig_create(r, j);
    rig_run(r, 5 * SECOND);
    rig_answer(r, 0, 503);
    rig_run(r, 10 * MINUTE);
    assert_true(rig_row(r, id, T0 + 5 * SECOND).lingers);
    assert_true(rig_shard(r).open_from > T0 + 5 * SECOND);
    rig_crash(r, 0);
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 2);
    rig_free(r);
}

static void what_is_caught_up_lingers_from_the_first(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("2026-11-24T10:10:00"));
    rig_record(r);
    rig_crash(r, 20 * MINUTE);
    rig_record(r);
    assert_true(rig_row(r, id, T0 + 10 * MINUTE).lingers);
    rig_crash(r, 0);
    rig_free(r);
}

static void a_clock_that_steps_back_takes_the_mark_with_it(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("2026-11-24T23:00:00"));
    rig_run(r, 10 * MINUTE);
    assert_true(rig_shard(r).open_from > T0 + 9 * MINUTE);
    r->now.wall -= 5 * MINUTE;
    assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    rig_record(r);
    assert_true(rig_shard(r).open_from <= r->now.wall);
    rig_crash(r, 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mark_follows_what_is_open),
        cmocka_unit_test(a_long_flight_lingers_and_the_mark_goes_on),
        cmocka_unit_test(a_wait_for_a_retry_lingers),
        cmocka_unit_test(what_is_caught_up_lingers_from_the_first),
        cmocka_unit_test(a_clock_that_steps_back_takes_the_mark_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
