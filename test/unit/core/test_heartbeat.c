// SPDX-License-Identifier: MIT
// test_heartbeat.c: occurrences that wait for a ping: which one a ping is for, what becomes of
// those that get none, and what of both when the server dies.

#include "core_test.h"

#include <string.h>

#define EVERY_MINUTE "0 * * * * *"
#define AT (T0 + MINUTE)
#define GRACE (20 * SECOND)
#define RUN_A "00000000-0000-4000-8000-00000000000a"
#define RUN_B "00000000-0000-4000-8000-00000000000b"

static struct job *heartbeat(uint32_t grace_s)
{
    struct job *j = job_of(EVERY_MINUTE);
    j->kind = JOB_HEARTBEAT;
    j->grace_s = grace_s;
    job_set_text(&j->api, "");
    return j;
}

// At T0, with the row of AT still to be planned.
static struct rig *rig_of(uint32_t grace_s, job_id *id)
{
    struct rig *r = rig_started();
    *id = rig_create(r, heartbeat(grace_s));
    return r;
}

static void ping_of_run(struct rig *r, job_id id, enum ping_kind kind, const char *run)
{
    struct command c = {.kind = COMMAND_PING, .id = id, .ping = kind, .run = run, .body = "note"};
    assert_int_equal(rig_ask(r, &c), ERR_OK);
}

static void ping(struct rig *r, job_id id, enum ping_kind kind)
{
    ping_of_run(r, id, kind, NULL);
}

static bool is_of(const struct rig *r, wall_ms at)
{
    return r->reply.key.series == 0 && r->reply.key.scheduled_at == at;
}

// The execution of its own that the last ping has got.
static struct execution apart(const struct rig *r)
{
    struct execution e;
    assert_true(r->reply.key.series < 0);
    assert_true(rig_find_manual(r, r->reply.key.job, -r->reply.key.series, &e));
    assert_int_equal(e.trigger, TRIGGER_PING);
    return e;
}

static void nothing_was_sent(struct rig *r)
{
    core_check(r->core);
    assert_int_equal(r->send_count, 0);
    rig_free(r);
}

// --- In time, and not ---

static void a_ping_within_the_grace_ends_the_occurrence(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE + GRACE - 1);
    assert_state(r, id, AT, PENDING);
    ping(r, id, PING_SUCCESS);
    assert_true(is_of(r, AT));
    const struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_SUCCESS);
    assert_int_equal(execution_lateness_ms(&e), GRACE - 1);
    assert_int_equal(e.attempts, 1);
    rig_run(r, SECOND);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 0);
    nothing_was_sent(r);
}

static void no_ping_within_the_grace_is_a_failure_with_its_alert(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE + GRACE - 1);
    assert_state(r, id, AT, PENDING);
    rig_run(r, 1);
    const struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_FAILED);
    assert_string_equal(e.error, "no ping came within grace_s (20 s)");
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 1);
    ping(r, id, PING_SUCCESS); // What has failed stays so, and the late ping is kept.
    assert_int_equal(apart(r).state, EXECUTION_SUCCESS);
    assert_state(r, id, AT, FAILED);
    nothing_was_sent(r);
}

static void one_ping_counts_for_one_occurrence_the_newest(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(150, &id);
    rig_run(r, 3 * MINUTE + SECOND);
    ping(r, id, PING_SUCCESS);
    assert_true(is_of(r, AT + 2 * MINUTE));
    assert_state(r, id, AT, PENDING);
    assert_state(r, id, AT + MINUTE, PENDING);
    ping(r, id, PING_SUCCESS);
    assert_true(is_of(r, AT + MINUTE));
    assert_state(r, id, AT, PENDING);
    rig_run(r, 30 * SECOND);
    assert_state(r, id, AT, FAILED);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 1);
    nothing_was_sent(r);
}

static void a_ping_that_nobody_expects_has_a_row_of_its_own(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, SECOND);
    ping(r, id, PING_SUCCESS);
    assert_int_equal(apart(r).state, EXECUTION_SUCCESS);
    ping(r, id, PING_FAIL);
    assert_int_equal(apart(r).state, EXECUTION_FAILED);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 1);
    ping(r, id, PING_LOG);
    assert_int_equal(apart(r).state, EXECUTION_SKIPPED);
    rig_run(r, MINUTE); // The occurrence waits for a ping of its own.
    assert_state(r, id, AT, PENDING);
    nothing_was_sent(r);
}

// --- A little early ---

static void an_early_ping_ends_the_coming_occurrence_at_its_instant(void **state)
{
    static const enum ping_kind kinds[] = {PING_SUCCESS, PING_FAIL};
    static const enum execution_state ends[] = {EXECUTION_SUCCESS, EXECUTION_FAILED};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        job_id id;
        struct rig *r = rig_of(20, &id);
        rig_run(r, MINUTE - SECOND);
        ping(r, id, kinds[i]);
        assert_true(is_of(r, AT));
        assert_state(r, id, AT, RUNNING); // The job may be changed, and owe this instant anew.
        assert_int_equal(rig_update(r, id, heartbeat(21)), ERR_OK);
        rig_record(r);
        rig_crash(r, 0);
        rig_run(r, SECOND - 1);
        assert_state(r, id, AT, RUNNING);
        ping(r, id, PING_SUCCESS); // A second one is for nobody.
        apart(r);
        rig_run(r, 1);
        assert_int_equal(rig_row(r, id, AT).state, ends[i]);
        nothing_was_sent(r);
    }
}

static void a_ping_too_early_is_not_for_the_coming_occurrence(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE - SECOND - 1);
    ping(r, id, PING_SUCCESS);
    apart(r);
    assert_state(r, id, AT, PENDING);
    nothing_was_sent(r);
}

// A paused job owes no occurrence: the ping is for none.
static void an_early_ping_during_a_pause_is_not_for_the_coming_occurrence(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE - 900);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    ping(r, id, PING_SUCCESS);
    apart(r);
    rig_run(r, SECOND);
    assert_state(r, id, AT, CANCELLED);
    nothing_was_sent(r);
}

static void an_early_start_outlives_a_pause_that_ends_before_its_instant(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE - 900);
    ping(r, id, PING_START);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    rig_run(r, 100);
    assert_state(r, id, AT, RUNNING);
    assert_int_equal(rig_resume(r, id), ERR_OK); // The rig refuses a second row of AT.
    rig_run(r, MINUTE / 2);
    assert_state(r, id, AT, FAILED);
    nothing_was_sent(r);
}

// --- Start, end, exit status ---

static void after_a_start_the_end_is_awaited_for_a_grace_more(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE + 15 * SECOND);
    ping(r, id, PING_START);
    assert_state(r, id, AT, RUNNING);
    rig_run(r, GRACE - 1);
    assert_state(r, id, AT, RUNNING);
    ping(r, id, PING_LOG);
    assert_true(is_of(r, AT));
    rig_run(r, 1);
    const struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_FAILED);
    assert_string_equal(e.error,
                        "the run was started, but no ping of its end came within grace_s (20 s)");
    assert_int_equal(e.attempts, 2);
    nothing_was_sent(r);
}

static void an_exit_status_is_told_by_the_error(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE);
    struct command c = {.kind = COMMAND_PING, .id = id, .ping = PING_FAIL, .exit_status = 137};
    assert_int_equal(rig_ask(r, &c), ERR_OK);
    assert_string_equal(rig_row(r, id, AT).error, "the run ended with exit status 137");
    nothing_was_sent(r);
}

static void runs_that_overlap_are_told_apart_by_their_names(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(600, &id);
    rig_run(r, MINUTE);
    ping_of_run(r, id, PING_START, RUN_A);
    rig_run(r, MINUTE);
    ping_of_run(r, id, PING_START, RUN_B);
    assert_true(is_of(r, AT + MINUTE));
    ping_of_run(r, id, PING_START, RUN_B); // The client has not heard the answer.
    assert_true(is_of(r, AT + MINUTE));
    ping_of_run(r, id, PING_SUCCESS, RUN_A);
    assert_state(r, id, AT, SUCCESS);
    assert_state(r, id, AT + MINUTE, RUNNING);
    ping(r, id, PING_SUCCESS);
    assert_state(r, id, AT + MINUTE, SUCCESS);
    nothing_was_sent(r);
}

static void an_unexpected_start_is_awaited_like_any_other(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, SECOND);
    ping(r, id, PING_START);
    const int64_t number = -r->reply.key.series;
    assert_int_equal(apart(r).state, EXECUTION_RUNNING);
    rig_record(r);
    rig_crash(r, SECOND);
    rig_run(r, GRACE);
    struct execution e;
    assert_true(rig_find_manual(r, id, number, &e));
    assert_int_equal(e.state, EXECUTION_FAILED);
    nothing_was_sent(r);
}

// --- Nobody listens ---

static void a_grace_that_ended_while_the_server_was_down_is_missed(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE + SECOND);
    rig_crash(r, GRACE);
    rig_run(r, SECOND);
    const struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_MISSED);
    assert_string_equal(e.reason,
                        "nobody listened for its ping: the server was down, or stood still");
    assert_int_equal(rig_alerts(r, id, ALERT_MISSED), 1);
    nothing_was_sent(r);
}

static void a_grace_that_goes_on_after_a_start_is_waited_for(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(50, &id);
    rig_run(r, MINUTE - SECOND);
    rig_crash(r, 10 * SECOND);
    rig_run(r, SECOND);
    assert_state(r, id, AT, PENDING);
    rig_run(r, 40 * SECOND);
    const struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_FAILED);
    assert_string_equal(e.error, "no ping came within grace_s (50 s); the server may not have "
                                 "listened before 2026-11-24T10:01:09.000Z");
    nothing_was_sent(r);
}

static void occurrences_of_a_long_downtime_are_one_missed_range(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(90, &id);
    rig_run(r, SECOND);
    rig_crash(r, 10 * MINUTE + 30 * SECOND); // Now it is 10:10:31.
    rig_run(r, SECOND);
    const struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_MISSED);
    assert_int_equal(e.missed_count, 9);
    assert_state(r, id, T0 + 10 * MINUTE, PENDING);
    ping(r, id, PING_SUCCESS);
    assert_true(is_of(r, T0 + 10 * MINUTE));
    nothing_was_sent(r);
}

static void who_stood_still_at_the_end_of_a_grace_blames_nobody(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE + SECOND);
    rig_pass(r, GRACE + 5 * SECOND);
    rig_tick(r);
    assert_state(r, id, AT, MISSED);
    nothing_was_sent(r);
}

static void nobody_fails_while_pings_cannot_be_written(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE + GRACE - SECOND);
    rig_step(r, &(struct event){.kind = EVENT_STORE, .cause = ERR_STORE_FULL});
    rig_pass(r, 2 * SECOND);
    rig_tick(r);
    assert_state(r, id, AT, PENDING);
    rig_step(r, &(struct event){.kind = EVENT_STORE, .cause = ERR_OK});
    rig_tick(r);
    assert_state(r, id, AT, MISSED);
    nothing_was_sent(r);
}

static void a_started_run_goes_on_after_a_crash(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE);
    ping(r, id, PING_START);
    rig_record(r);
    rig_crash(r, 5 * SECOND);
    rig_run(r, SECOND);
    ping(r, id, PING_SUCCESS);
    assert_state(r, id, AT, SUCCESS);
    rig_run(r, MINUTE);
    ping(r, id, PING_START);
    rig_record(r);
    rig_crash(r, GRACE + SECOND);
    rig_run(r, SECOND);
    assert_state(r, id, AT + MINUTE, FAILED);
    assert_non_null(strstr(rig_row(r, id, AT + MINUTE).error, "outcome unknown"));
    nothing_was_sent(r);
}

// --- The job changes ---

static void a_paused_heartbeat_expects_nothing(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    assert_state(r, id, AT, CANCELLED);
    ping(r, id, PING_SUCCESS);
    assert_int_equal(apart(r).state, EXECUTION_SUCCESS);
    rig_run(r, 5 * MINUTE);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 0);
    nothing_was_sent(r);
}

static void another_grace_counts_for_what_waits(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE + SECOND);
    assert_int_equal(rig_update(r, id, heartbeat(5)), ERR_OK);
    rig_run(r, 4 * SECOND - 1);
    assert_state(r, id, AT, PENDING);
    rig_run(r, 1);
    assert_state(r, id, AT, FAILED);
    nothing_was_sent(r);
}

// Somebody listened all the time.
static void a_shorter_grace_that_is_over_already_is_a_failure(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(50, &id);
    rig_run(r, MINUTE + 40 * SECOND);
    assert_int_equal(rig_update(r, id, heartbeat(5)), ERR_OK);
    rig_run(r, 1);
    assert_state(r, id, AT, FAILED);
    rig_run(r, 50 * SECOND);
    assert_state(r, id, AT + MINUTE, FAILED);
    nothing_was_sent(r);
}

static void what_is_started_keeps_its_grace_also_after_a_start_of_the_server(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(50, &id);
    rig_run(r, MINUTE + SECOND);
    ping(r, id, PING_START);
    assert_int_equal(rig_update(r, id, heartbeat(5)), ERR_OK);
    rig_record(r);
    rig_crash(r, 10 * SECOND);
    rig_run(r, 40 * SECOND - 1);
    assert_state(r, id, AT, RUNNING);
    rig_run(r, 1);
    assert_state(r, id, AT, FAILED);
    nothing_was_sent(r);
}

// The rows that a ping needs are planned before the planner comes to them. The next life must not
// plan them again: a store has one row for each key, and takes no batch with a second one.
static void rows_made_for_a_ping_are_made_once(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, SECOND);
    rig_pass(r, MINUTE); // Nobody looks at the time before the ping is heard.
    ping(r, id, PING_SUCCESS);
    assert_true(is_of(r, AT));
    rig_record(r);
    assert_int_equal(rig_changes(r, CHANGE_EXECUTION_INSERT), 1);
    rig_crash(r, SECOND);
    rig_run(r, SECOND);
    assert_int_equal(rig_changes(r, CHANGE_EXECUTION_INSERT), 1);
    assert_state(r, id, AT, SUCCESS);
    nothing_was_sent(r);
}

// A backlog of heartbeats shrinks with their graces only, and other jobs are planned behind it.
static void late_heartbeats_do_not_hold_up_the_planner(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.open_max = 20;
    rig_start(r);
    for (int i = 0; i < 10; i++)
        rig_create(r, heartbeat(3600));
    rig_record(r);
    rig_pass(r, MINUTE + 5 * SECOND);
    rig_tick(r);
    assert_int_equal(core_status(r->core).open, 10);
    nothing_was_sent(r);
}

static void so_many_failures_in_a_row_pause_a_heartbeat(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = heartbeat(90); // The next one waits already when one fails.
    j->auto_pause_after = 2;
    job_id id = rig_create(r, j);
    rig_run(r, 4 * MINUTE);
    assert_state(r, id, AT, FAILED);
    assert_state(r, id, AT + MINUTE, FAILED);
    assert_state(r, id, AT + 2 * MINUTE, CANCELLED);
    assert_int_equal(rig_alerts(r, id, ALERT_JOB_PAUSED), 1);
    struct job *after = rig_job(r, id);
    assert_false(after->is_active);
    job_free(after);
    nothing_was_sent(r);
}

static void a_wait_can_be_cancelled_also_before_its_instant(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, MINUTE - 500);
    ping(r, id, PING_START);
    const struct execution_key key = rig_row(r, id, AT).key;
    assert_int_equal(rig_cancel(r, &key), ERR_OK);
    assert_state(r, id, AT, RUNNING);
    rig_run(r, MINUTE / 2);
    assert_state(r, id, AT, CANCELLED);
    rig_run(r, MINUTE / 2 + SECOND);
    const struct execution_key next = rig_row(r, id, AT + MINUTE).key;
    assert_int_equal(rig_cancel(r, &next), ERR_OK);
    assert_state(r, id, AT + MINUTE, CANCELLED);
    nothing_was_sent(r);
}

static void what_waits_for_a_clock_that_was_ahead_ends_with_its_correction(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    rig_run(r, 3 * HOUR);
    rig_run(r, SECOND);
    const wall_ms at = T0 + 3 * HOUR;
    assert_state(r, id, at, PENDING);
    r->now.wall -= 2 * HOUR;
    rig_tick(r);
    rig_run(r, 2 * MINUTE);
    assert_state(r, id, at, CANCELLED);
    nothing_was_sent(r);
}

static void nothing_of_a_heartbeat_can_be_carried_out(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_of(20, &id);
    assert_int_equal(rig_trigger(r, id, NULL), ERR_FORBIDDEN);
    job_id other = rig_create(r, job_of("0 0 12 * * *"));
    struct command c = {.kind = COMMAND_PING, .id = other};
    assert_int_equal(rig_ask(r, &c), ERR_NOT_FOUND);
    nothing_was_sent(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ping_within_the_grace_ends_the_occurrence),
        cmocka_unit_test(no_ping_within_the_grace_is_a_failure_with_its_alert),
        cmocka_unit_test(one_ping_counts_for_one_occurrence_the_newest),
        cmocka_unit_test(a_ping_that_nobody_expects_has_a_row_of_its_own),
        cmocka_unit_test(an_early_ping_ends_the_coming_occurrence_at_its_instant),
        cmocka_unit_test(a_ping_too_early_is_not_for_the_coming_occurrence),
        cmocka_unit_test(an_early_ping_during_a_pause_is_not_for_the_coming_occurrence),
        cmocka_unit_test(an_early_start_outlives_a_pause_that_ends_before_its_instant),
        cmocka_unit_test(after_a_start_the_end_is_awaited_for_a_grace_more),
        cmocka_unit_test(an_exit_status_is_told_by_the_error),
        cmocka_unit_test(runs_that_overlap_are_told_apart_by_their_names),
        cmocka_unit_test(an_unexpected_start_is_awaited_like_any_other),
        cmocka_unit_test(a_grace_that_ended_while_the_server_was_down_is_missed),
        cmocka_unit_test(a_grace_that_goes_on_after_a_start_is_waited_for),
        cmocka_unit_test(occurrences_of_a_long_downtime_are_one_missed_range),
        cmocka_unit_test(who_stood_still_at_the_end_of_a_grace_blames_nobody),
        cmocka_unit_test(nobody_fails_while_pings_cannot_be_written),
        cmocka_unit_test(a_started_run_goes_on_after_a_crash),
        cmocka_unit_test(a_paused_heartbeat_expects_nothing),
        cmocka_unit_test(another_grace_counts_for_what_waits),
        cmocka_unit_test(a_shorter_grace_that_is_over_already_is_a_failure),
        cmocka_unit_test(what_is_started_keeps_its_grace_also_after_a_start_of_the_server),
        cmocka_unit_test(rows_made_for_a_ping_are_made_once),
        cmocka_unit_test(late_heartbeats_do_not_hold_up_the_planner),
        cmocka_unit_test(so_many_failures_in_a_row_pause_a_heartbeat),
        cmocka_unit_test(a_wait_can_be_cancelled_also_before_its_instant),
        cmocka_unit_test(what_waits_for_a_clock_that_was_ahead_ends_with_its_correction),
        cmocka_unit_test(nothing_of_a_heartbeat_can_be_carried_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
