// SPDX-License-Identifier: MIT
// test_gate.c: limits on attempts under way, a store that stalls, and the orderly stop.

#include "core_test.h"

#include <stdio.h>
#include <string.h>

static size_t in_flight(const struct rig *r)
{
    return core_status(r->core).in_flight;
}

static void answer_all(struct rig *r)
{
    for (size_t i = 0; i < r->send_count; i++)
        if (!r->sends[i].answered)
            rig_answer(r, i, 200);
    rig_record(r);
}

// --- Limits ---

static void an_execution_over_max_in_flight_waits_in_order_and_is_never_dropped(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("* * * * * *");
    j->max_in_flight = 2;
    job_id id = rig_create(r, j);
    rig_run(r, 6 * SECOND);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(core_status(r->core).waiting, 4);
    for (size_t i = 0; i < 4; i++) {
        rig_answer(r, i, 200); // Each place that is left goes to the oldest that waits.
        assert_int_equal(r->send_count, i + 3);
        assert_int_equal(r->sends[i + 2].key.scheduled_at, T0 + (wall_ms)(i + 3) * SECOND);
        assert_int_equal(in_flight(r), 2);
    }
    assert_int_equal(core_status(r->core).waiting, 0);
    assert_state(r, id, T0 + SECOND, SUCCESS);
    rig_free(r);
}

// Between two attempts an execution holds no place.
static void a_wait_for_a_retry_holds_no_place(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("* * * * * *");
    j->max_in_flight = 1;
    rig_create(r, j);
    rig_run(r, 2 * SECOND);
    assert_int_equal(r->send_count, 1);
    rig_answer(r, 0, 500);
    assert_int_equal(r->send_count, 2); // The second occurrence.
    assert_int_equal(r->sends[1].key.scheduled_at, T0 + 2 * SECOND);
    rig_free(r);
}

static void one_host_does_not_take_the_places_of_another(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.host_in_flight_max = 2;
    rig_start(r);
    for (int i = 0; i < 6; i++) {
        struct job *j = job_of("2026-11-24T10:01:00");
        char api[64];
        snprintf(api, sizeof api, "http://%s.test/%d", i < 4 ? "slow" : "fast", i);
        job_set_text(&j->api, api);
        rig_create(r, j);
    }
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 4);
    assert_string_equal(r->sends[0].api, "http://slow.test/0");
    assert_string_equal(r->sends[1].api, "http://slow.test/1");
    assert_string_equal(r->sends[2].api, "http://fast.test/4");
    assert_string_equal(r->sends[3].api, "http://fast.test/5");
    rig_answer(r, 2, 200); // A place at `fast` is of no use to `slow`.
    assert_int_equal(r->send_count, 4);
    rig_answer(r, 0, 200);
    assert_int_equal(r->send_count, 5);
    assert_string_equal(r->sends[4].api, "http://slow.test/2");
    rig_free(r);
}

static void all_attempts_together_have_a_limit(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.in_flight_max = 3;
    rig_start(r);
    for (int i = 0; i < 8; i++)
        rig_create(r, job_of("2026-11-24T10:01:00"));
    rig_run(r, MINUTE);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(r->send_count, MIN(i + 3, 8));
        rig_answer(r, i, 200);
    }
    rig_free(r);
}

static void a_limit_that_is_raised_lets_in_who_waits(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("* * * * * *");
    j->max_in_flight = 1;
    job_id id = rig_create(r, j);
    rig_run(r, 4 * SECOND);
    assert_int_equal(r->send_count, 1);
    j = rig_job(r, id);
    j->max_in_flight = 3;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    assert_int_equal(r->send_count, 3);
    rig_free(r);
}

// A place is held from the claim on: at-most-once requests count before they leave.
static void a_claim_holds_its_place(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.in_flight_max = 1;
    rig_start(r);
    for (int i = 0; i < 3; i++) {
        struct job *j = job_of("2026-11-24T10:01:00");
        j->type = JOB_ATMOST_ONCE;
        rig_create(r, j);
    }
    rig_run(r, MINUTE - 500);
    rig_pass(r, 500);
    rig_tick(r);
    assert_int_equal(rig_changes(r, CHANGE_EXECUTION_UPDATE), 1);
    for (size_t i = 0; i < 3; i++) {
        rig_record(r);
        assert_int_equal(r->send_count, i + 1);
        rig_answer(r, i, 200);
    }
    rig_free(r);
}

// --- Catch-up ---

static void catch_up_takes_a_quarter_and_leaves_the_rest_to_fresh_ones(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.in_flight_max = 8;
    r->limits.late_ms = 5 * SECOND;
    rig_start(r);
    job_id id = rig_create(r, job_of("* * * * * *"));
    rig_run(r, 1500);
    answer_all(r);
    rig_crash(r, MINUTE);
    rig_run(r, 300);
    size_t before = 1;
    assert_int_equal(r->send_count - before, 2 + 5); // A quarter; and 5 s count as fresh.
    for (size_t i = before; i < before + 2; i++)
        assert_int_equal(r->sends[i].key.scheduled_at, T0 + (wall_ms)(i + 1) * SECOND);
    rig_run(r, SECOND); // Fresh ones leave on time meanwhile.
    const struct sent *last = &r->sends[r->send_count - 1];
    assert_int_equal(last->at, last->key.scheduled_at);
    while (in_flight(r) > 0)
        answer_all(r);
    for (int s = 1; s <= 62; s++)
        assert_state(r, id, T0 + s * SECOND, SUCCESS);
    rig_free(r);
}

static void catch_up_moves_on_even_when_a_quarter_is_less_than_one(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("0 * * * * *");
    j->max_in_flight = 1;
    rig_create(r, j);
    rig_crash(r, 5 * MINUTE);
    rig_run(r, 100);
    assert_int_equal(r->send_count, 0); // The job itself was not durable.
    j = job_of("0 * * * * *");
    j->max_in_flight = 1;
    rig_create(r, j);
    rig_record(r);
    rig_crash(r, 5 * MINUTE);
    rig_run(r, 100);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(r->send_count, i + 1);
        rig_answer(r, i, 200);
    }
    rig_free(r);
}

// --- A store that stalls ---

static void nothing_new_is_sent_while_the_store_is_stalled(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("* * * * * *"));
    rig_run(r, 2 * SECOND);
    assert_int_equal(r->send_count, 2);
    wall_ms planned = core_status(r->core).watermark;
    rig_step(r, &(struct event){.kind = EVENT_STORE, .cause = ERR_BUSY});
    assert_int_equal(core_status(r->core).halted, ERR_BUSY);
    rig_pass(r, 3 * SECOND);
    rig_tick(r);
    rig_answer(r, 0, 500); // A retry comes due as well.
    rig_pass(r, 2 * SECOND);
    rig_tick(r);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(core_status(r->core).watermark, planned);
    rig_step(r, &(struct event){.kind = EVENT_STORE, .cause = ERR_OK});
    rig_run(r, 10);
    assert_int_equal(core_status(r->core).watermark, r->now.wall - 10 + r->limits.lookahead_ms);
    assert_int_equal(r->send_count, 2 + 1 + 5); // The retry, and 3 to 7 s.
    answer_all(r);
    for (int s = 1; s <= 7; s++)
        assert_state(r, id, T0 + s * SECOND, SUCCESS);
    rig_free(r);
}

// --- Drain ---

static void a_drain_lets_flights_end_and_starts_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("* * * * * *"));
    rig_run(r, 2 * SECOND);
    rig_step(r, &(struct event){.kind = EVENT_DRAIN});
    assert_true(core_status(r->core).draining);
    assert_true(r->out.wake_wall == WALL_NEVER && r->out.wake_mono == MONO_NEVER);
    rig_answer(r, 0, 200);
    rig_answer(r, 1, 500);
    rig_pass(r, MINUTE);
    rig_step(r, &(struct event){.kind = EVENT_TICK});
    rig_record(r);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(in_flight(r), 0);
    assert_state(r, id, T0 + SECOND, SUCCESS);
    assert_state(r, id, T0 + 2 * SECOND, RUNNING); // The retry is for the next life.

    struct command c = {.kind = COMMAND_CREATE, .job = job_of("* * * * * *"), .zone = zone_utc()};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    assert_int_equal(r->reply.err, ERR_CLOSED);
    assert_int_equal(rig_trigger(r, id, NULL), ERR_CLOSED);
    assert_int_equal(rig_delete(r, id), ERR_CLOSED);

    rig_crash(r, SECOND);
    rig_run(r, 10);
    assert_int_equal(r->sends[2].key.scheduled_at, T0 + 2 * SECOND);
    assert_int_equal(r->sends[2].attempt, 3);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_execution_over_max_in_flight_waits_in_order_and_is_never_dropped),
        cmocka_unit_test(a_wait_for_a_retry_holds_no_place),
        cmocka_unit_test(one_host_does_not_take_the_places_of_another),
        cmocka_unit_test(all_attempts_together_have_a_limit),
        cmocka_unit_test(a_limit_that_is_raised_lets_in_who_waits),
        cmocka_unit_test(a_claim_holds_its_place),
        cmocka_unit_test(catch_up_takes_a_quarter_and_leaves_the_rest_to_fresh_ones),
        cmocka_unit_test(catch_up_moves_on_even_when_a_quarter_is_less_than_one),
        cmocka_unit_test(nothing_new_is_sent_while_the_store_is_stalled),
        cmocka_unit_test(a_drain_lets_flights_end_and_starts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
