// SPDX-License-Identifier: MIT
// test_recover.c: what a start finds unfinished, and what is done about it.

#include "core_test.h"

#include <string.h>

#define AT (T0 + MINUTE)
#define ONCE "2026-11-24T10:01:00"

// A job whose request, sends[0], has just left. Only its row is durable.
static struct rig *rig_flying(struct job *j, job_id *id)
{
    struct rig *r = rig_started();
    *id = rig_create(r, j);
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 1);
    return r;
}

static struct job *job_at_most_once(void)
{
    struct job *j = job_of(ONCE);
    j->type = JOB_ATMOST_ONCE;
    return j;
}

static void a_request_that_was_under_way_is_sent_again_under_its_key(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    rig_crash(r, 200);
    assert_int_equal(r->send_count, 1); // First the claim is made durable.
    rig_record(r);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(r->sends[1].key.scheduled_at, AT);
    assert_int_equal(r->sends[1].attempt, 2); // The number rises: the first one may have arrived.
    assert_int_equal(r->sends[1].epoch, 2);
    rig_answer(r, 1, 200);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_SUCCESS);
    assert_int_equal(e.recoveries, 1);
    assert_int_equal(e.retry_count, 0); // A recovery is no retry.
    rig_free(r);
}

static void an_execution_written_as_running_is_sent_again_too(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    rig_run(r, 5 * SECOND);
    assert_state(r, id, AT, RUNNING);
    rig_crash(r, 200);
    rig_record(r);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(r->sends[1].attempt, 2);
    rig_free(r);
}

static void a_terminal_row_is_never_sent_again(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    rig_answer(r, 0, 200);
    rig_record(r);
    rig_crash(r, 200);
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

// The outcome was not durable, so it never happened.
static void an_outcome_that_is_lost_is_asked_for_again(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    rig_answer(r, 0, 200);
    rig_crash(r, 200);
    rig_record(r);
    assert_int_equal(r->send_count, 2);
    rig_free(r);
}

static void a_loaded_execution_that_is_not_due_waits_for_its_instant(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(ONCE));
    rig_run(r, MINUTE - SECOND);
    rig_crash(r, 100);
    rig_run(r, 899);
    assert_int_equal(r->send_count, 0);
    rig_run(r, 1);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].attempt, 1); // The request was never sent before.
    assert_int_equal(rig_rows(r, id), 1);
    rig_free(r);
}

// The fence on a request is worth something only if no later life can carry it again: the epoch is
// durable before the shard is ours, so what was loaded need not wait for anything.
static void a_loaded_execution_leaves_at_its_time(void **state)
{
    (void)state;
    job_id id;
    struct rig *planned = rig_started();
    rig_create(planned, job_of(ONCE));
    rig_run(planned, MINUTE - SECOND);
    struct rig *waiting = rig_flying(job_of(ONCE), &id);
    rig_answer(waiting, 0, 500);
    rig_record(waiting);
    struct rig *rigs[] = {planned, waiting};
    for (size_t i = 0; i < COUNT_OF(rigs); i++) {
        struct rig *r = rigs[i];
        size_t before = r->send_count;
        rig_crash(r, 100);
        rig_pass(r, 900);
        rig_tick(r);
        assert_int_equal(r->send_count, before + 1);
        assert_int_equal(r->sends[before].epoch, 2);
        rig_free(r);
    }
}

static void a_wait_between_attempts_goes_on_and_counts_what_was_made(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    rig_answer(r, 0, 500);
    rig_run(r, SECOND);
    rig_answer(r, 1, 500); // Two seconds to wait.
    rig_record(r);
    rig_crash(r, 500);
    rig_run(r, 1499);
    assert_int_equal(r->send_count, 2);
    rig_run(r, 1);
    assert_int_equal(r->send_count, 3);
    assert_int_equal(r->sends[2].attempt, 3);
    rig_answer(r, 2, 500);
    rig_run(r, 3 * SECOND);
    rig_answer(r, 3, 500);
    assert_state(r, id, AT, FAILED); // 1 + 3 attempts, crash or no crash.
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 4);
    rig_free(r);
}

// The wait was over while the server was down: the retry may have left before the crash.
static void a_retry_that_may_have_left_is_sent_again_under_a_new_number(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    rig_answer(r, 0, 500);
    rig_run(r, SECOND + 100); // The retry is on the wire.
    rig_crash(r, 100);
    rig_record(r);
    assert_int_equal(r->send_count, 3);
    assert_int_equal(r->sends[2].attempt, 3);
    rig_free(r);
}

static void rig_run_until_sent(struct rig *r, size_t count, dur_ms most)
{
    for (dur_ms d = 0; r->send_count < count && d < most; d += 10)
        rig_run(r, 10);
    assert_int_equal(r->send_count, count);
}

static void a_request_that_kills_the_server_each_time_ends_failed(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    for (size_t i = 1; i <= 3; i++) {
        rig_crash(r, 100);
        rig_run_until_sent(r, 1 + i, 10 * SECOND);
    }
    rig_crash(r, 100);
    rig_record(r);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_FAILED);
    assert_non_null(strstr(e.error, "crash loop"));
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 1);
    assert_int_equal(r->send_count, 4);
    rig_free(r);
}

// What died together does not come back together: one to two seconds for each recovery before.
static void an_execution_rests_before_it_is_recovered_again(void **state)
{
    (void)state;
    enum { JOBS = 20 };
    struct rig *r = rig_started();
    for (int i = 0; i < JOBS; i++)
        rig_create(r, job_of(ONCE));
    rig_run(r, MINUTE);
    rig_crash(r, 100); // The first recovery needs no rest.
    rig_record(r);
    assert_int_equal(r->send_count, 2 * JOBS);
    rig_crash(r, 100);
    wall_ms start = r->now.wall;
    for (dur_ms waited = 0; waited < 2 * SECOND; waited += 10)
        rig_run(r, 10);
    assert_int_equal(r->send_count, 3 * JOBS);
    for (size_t i = 2 * JOBS; i < r->send_count; i++)
        assert_in_range(r->sends[i].at - start, SECOND, 2 * SECOND);
    assert_true(r->sends[2 * JOBS].at < r->sends[3 * JOBS - 1].at);
    rig_free(r);
}

// A server that is started and killed over and over proves nothing against the day's requests.
static void deaths_in_quick_succession_end_no_execution(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    for (int i = 0; i < 20; i++) {
        rig_crash(r, 100);
        rig_run(r, 500);
    }
    assert_state(r, id, AT, RUNNING);
    size_t sent = r->send_count;
    rig_run_until_sent(r, sent + 1, 10 * SECOND);
    rig_answer(r, sent, 200);
    assert_state(r, id, AT, SUCCESS);
    rig_free(r);
}

// A single request kills the server whenever it is sent; the target answers all others. They were
// under way together when it began, and yet only the one which kills pays for it.
static void a_killing_request_takes_no_others_with_it(void **state)
{
    (void)state;
    enum { JOBS = 12, KILLER = 5 };
    job_id ids[JOBS];
    struct rig *r = rig_started();
    for (int i = 0; i < JOBS; i++)
        ids[i] = rig_create(r, job_of(ONCE));
    rig_run(r, MINUTE);
    rig_crash(r, 100);
    size_t seen = r->send_count;
    for (int step = 0; step < 3000; step++) {
        rig_run(r, 10);
        bool killed = false;
        for (size_t i = seen; i < r->send_count; i++)
            killed |= r->sends[i].key.job == ids[KILLER];
        for (; seen < r->send_count; seen++)
            if (!killed)
                rig_answer(r, seen, 200);
        if (killed)
            rig_crash(r, 100);
    }
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(rig_row(r, ids[i], AT).state,
                         i == KILLER ? EXECUTION_FAILED : EXECUTION_SUCCESS);
    rig_free(r);
}

// Crashes before the claim was durable do not count: nothing was sent by those lives.
static void only_lives_that_sent_it_count_as_recoveries(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    for (int i = 0; i < 20; i++)
        rig_crash(r, 10);
    assert_int_equal(r->send_count, 1);
    rig_record(r);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(rig_row(r, id, AT).recoveries, 1);
    rig_free(r);
}

// Recovering twice from the same rows gives the same batch: a crash during recovery is harmless.
static void recovery_is_idempotent(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    rig_crash(r, 100);
    struct execution first = rig_row(r, id, AT);
    rig_crash(r, 0);
    struct execution second = rig_row(r, id, AT);
    assert_int_equal(first.attempts, second.attempts);
    assert_int_equal(first.recoveries, second.recoveries);
    assert_int_equal(first.state, second.state);
    rig_free(r);
}

// --- At most once ---

static void a_claimed_execution_ends_failed_with_outcome_unknown(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_at_most_once(), &id);
    rig_crash(r, 100);
    rig_record(r);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_FAILED);
    assert_non_null(strstr(e.error, "outcome unknown"));
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 1);
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 1); // Never again.
    rig_free(r);
}

static void an_unclaimed_one_was_not_sent_and_still_can_be(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    rig_create(r, job_at_most_once());
    rig_run(r, MINUTE - 500);
    rig_pass(r, 500);
    rig_tick(r); // Claimed, not durably.
    rig_crash(r, 100);
    rig_record(r);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].attempt, 1);
    rig_free(r);
}

static void an_execution_that_does_not_catch_up_is_missed_when_its_time_is_long_past(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_at_most_once();
    j->catch_up = CATCH_UP_NONE;
    job_id id = rig_create(r, j);
    rig_run(r, MINUTE - 500); // The row is durable.
    rig_crash(r, MINUTE);
    rig_record(r);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_MISSED);
    assert_int_equal(e.missed_count, 1);
    assert_int_equal(e.missed_to, AT);
    assert_int_equal(rig_alerts(r, id, ALERT_MISSED), 1);
    assert_int_equal(r->send_count, 0);
    rig_free(r);
}

// No byte left, so the wait for the second try goes on after a crash.
static void a_refused_one_is_tried_again_after_a_crash(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_at_most_once(), &id);
    rig_refuse(r, 0, "connection refused by a.test:80");
    rig_record(r);
    rig_crash(r, 5 * SECOND);
    rig_record(r);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(r->sends[1].attempt, 2);
    rig_crash(r, 100);
    rig_record(r);
    assert_state(r, id, AT, FAILED);
    assert_int_equal(r->send_count, 2);
    rig_free(r);
}

// A job turns into at-most-once while its request is on the wire. That request is then one which
// must not be repeated, so the change itself writes down that it left.
static void a_request_on_the_wire_when_its_job_became_at_most_once_is_not_repeated(void **state)
{
    (void)state;
    for (int retry = 0; retry <= 1; retry++) {
        job_id id;
        struct rig *r = rig_flying(job_of(ONCE), &id);
        if (retry) {
            rig_answer(r, 0, 500);
            rig_run(r, SECOND);
        }
        struct job *j = rig_job(r, id);
        j->type = JOB_ATMOST_ONCE;
        assert_int_equal(rig_update(r, id, j), ERR_OK);
        rig_record(r);
        size_t sent = r->send_count;
        rig_crash(r, 100);
        rig_run(r, MINUTE);
        assert_int_equal(r->send_count, sent);
        assert_state(r, id, AT, FAILED);
        rig_free(r);
    }
}

// --- Jobs that changed meanwhile ---

static void executions_of_a_deleted_job_are_cancelled(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    assert_int_equal(rig_delete(r, id), ERR_OK);
    rig_record(r);
    rig_crash(r, 100);
    rig_record(r);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_CANCELLED);
    assert_string_equal(e.reason, "the job was deleted");
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(core_status(r->core).open, 0);
    rig_free(r);
}

static void executions_of_a_paused_job_are_cancelled_and_manual_ones_go_on(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of("0 * * * * *"), &id);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    assert_int_equal(rig_trigger(r, id, "by hand"), ERR_OK);
    int64_t number = -r->reply.key.series;
    rig_record(r);
    assert_int_equal(r->send_count, 2);
    rig_crash(r, 100);
    rig_record(r);
    assert_state(r, id, AT, CANCELLED);
    assert_int_equal(r->send_count, 3);
    assert_string_equal(r->sends[2].body, "by hand");
    assert_int_equal(r->sends[2].key.series, -number);
    rig_free(r);
}

static void recovered_ones_go_oldest_first(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("* * * * * *"));
    rig_run(r, 10 * SECOND);
    size_t before = r->send_count;
    rig_crash(r, 100);
    rig_record(r);
    for (size_t i = before; i < r->send_count; i++)
        assert_int_equal(r->sends[i].key.scheduled_at, T0 + (wall_ms)(i - before + 1) * SECOND);
    assert_int_equal(r->send_count, before + 10);
    assert_int_equal(rig_rows(r, id), 11); // With the one that is planned.
    rig_free(r);
}

static void each_start_counts_one_epoch(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    for (int i = 2; i < 5; i++) {
        rig_crash(r, 10);
        rig_record(r);
        assert_int_equal(batch_shard(r->durable[r->durable_count - 1], 0)->epoch, i);
    }
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_was_under_way_is_sent_again_under_its_key),
        cmocka_unit_test(an_execution_written_as_running_is_sent_again_too),
        cmocka_unit_test(a_terminal_row_is_never_sent_again),
        cmocka_unit_test(an_outcome_that_is_lost_is_asked_for_again),
        cmocka_unit_test(a_loaded_execution_that_is_not_due_waits_for_its_instant),
        cmocka_unit_test(a_loaded_execution_leaves_at_its_time),
        cmocka_unit_test(a_wait_between_attempts_goes_on_and_counts_what_was_made),
        cmocka_unit_test(a_retry_that_may_have_left_is_sent_again_under_a_new_number),
        cmocka_unit_test(a_request_that_kills_the_server_each_time_ends_failed),
        cmocka_unit_test(an_execution_rests_before_it_is_recovered_again),
        cmocka_unit_test(deaths_in_quick_succession_end_no_execution),
        cmocka_unit_test(a_killing_request_takes_no_others_with_it),
        cmocka_unit_test(only_lives_that_sent_it_count_as_recoveries),
        cmocka_unit_test(recovery_is_idempotent),
        cmocka_unit_test(a_claimed_execution_ends_failed_with_outcome_unknown),
        cmocka_unit_test(an_unclaimed_one_was_not_sent_and_still_can_be),
        cmocka_unit_test(an_execution_that_does_not_catch_up_is_missed_when_its_time_is_long_past),
        cmocka_unit_test(a_refused_one_is_tried_again_after_a_crash),
        cmocka_unit_test(a_request_on_the_wire_when_its_job_became_at_most_once_is_not_repeated),
        cmocka_unit_test(executions_of_a_deleted_job_are_cancelled),
        cmocka_unit_test(executions_of_a_paused_job_are_cancelled_and_manual_ones_go_on),
        cmocka_unit_test(recovered_ones_go_oldest_first),
        cmocka_unit_test(each_start_counts_one_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
