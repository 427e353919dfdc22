// SPDX-License-Identifier: MIT
// test_incident.c: what is wrong with a job is told once, and again when it is well.

#include "core_test.h"

#include <string.h>

static struct job *job_of_tens(void)
{
    struct job *j = job_of("*/10 * * * * *");
    j->max_retries = 0;
    return j;
}

// The job's next execution ends with this status.
static void next_ends(struct rig *r, unsigned status)
{
    rig_run(r, 10 * SECOND);
    rig_answer(r, r->send_count - 1, status);
    rig_record(r);
}

static void failures_fold_into_one_incident_until_a_success(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of_tens());
    for (size_t i = 0; i < 3; i++)
        next_ends(r, 500);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 3);
    assert_int_equal(rig_told(r, id), 1);
    struct alert last = rig_alert(r, id, ALERT_FAILURE);
    assert_int_equal(last.telling, TELLING_NONE);
    assert_int_not_equal(last.incident_id, 0);
    assert_int_not_equal(last.incident_id, last.id);
    next_ends(r, 200);
    struct alert well = rig_alert(r, id, ALERT_RECOVERED);
    assert_int_equal(well.telling, TELLING_WAITING);
    assert_int_equal(well.incident_id, last.incident_id);
    assert_int_equal(well.count, 3);
    assert_int_equal(well.from, T0 + 10 * SECOND);
    assert_int_equal(well.to, T0 + 40 * SECOND);
    assert_string_equal(well.subject, "failure");
    assert_int_equal(well.key.scheduled_at, T0 + 40 * SECOND);
    next_ends(r, 200);
    assert_int_equal(rig_alerts(r, id, ALERT_RECOVERED), 1);
    next_ends(r, 500); // A new one.
    assert_int_equal(rig_told(r, id), 3);
    struct alert next = rig_alert(r, id, ALERT_FAILURE);
    assert_int_equal(next.incident_id, next.id);
    rig_free(r);
}

// Below alert_after nobody hears of failures, and of no recovery from them.
static void an_incident_opens_with_its_first_alert(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of_tens();
    j->alert_after = 3;
    job_id id = rig_create(r, j);
    static const unsigned answers[] = {500, 500, 200, 500, 500};
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        next_ends(r, answers[i]);
    assert_int_equal(rig_changes(r, CHANGE_ALERT), 0);
    next_ends(r, 500);
    assert_int_equal(rig_told(r, id), 1);
    next_ends(r, 200);
    assert_int_equal(rig_alert(r, id, ALERT_RECOVERED).count, 3);
    rig_free(r);
}

static void as_many_successes_in_a_row_close_an_incident_as_the_job_says(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of_tens();
    j->alert_recover_after = 3;
    job_id id = rig_create(r, j);
    static const unsigned answers[] = {500, 200, 200, 500, 200, 200};
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        next_ends(r, answers[i]);
    assert_int_equal(rig_told(r, id), 1);
    next_ends(r, 200);
    assert_int_equal(rig_told(r, id), 2);
    assert_int_equal(rig_alert(r, id, ALERT_RECOVERED).count, 2);
    rig_free(r);
}

// The cause is the same: the job does not do its work.
static void missed_occurrences_and_failures_are_one_incident(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of_tens();
    j->catch_up = CATCH_UP_NONE;
    job_id id = rig_create(r, j);
    next_ends(r, 200);
    rig_crash(r, 5 * MINUTE);
    rig_record(r);
    struct alert missed = rig_alert(r, id, ALERT_MISSED);
    assert_int_equal(missed.incident_id, missed.id);
    next_ends(r, 500);
    assert_int_equal(rig_alert(r, id, ALERT_FAILURE).incident_id, missed.id);
    next_ends(r, 200);
    assert_int_equal(rig_alert(r, id, ALERT_RECOVERED).count, missed.count + 1);
    assert_int_equal(rig_told(r, id), 2);
    rig_free(r);
}

static void an_incident_outlives_a_restart_and_a_change_of_its_job(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of_tens());
    next_ends(r, 500);
    rig_crash(r, 1);
    next_ends(r, 500);
    struct job *j = rig_job(r, id);
    assert_non_null(j->trouble);
    job_set_text(&j->trouble, NULL); // What a client sends back says nothing of it.
    j->alert_recover_after = 2;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    next_ends(r, 500);
    assert_int_equal(rig_told(r, id), 1);
    rig_crash(r, 1);
    next_ends(r, 200);
    next_ends(r, 200);
    assert_int_equal(rig_alert(r, id, ALERT_RECOVERED).count, 3);
    rig_free(r);
}

static void a_deleted_job_ends_its_incident_without_a_word(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of_tens());
    next_ends(r, 500);
    rig_run(r, 10 * SECOND);
    assert_int_equal(rig_delete(r, id), ERR_OK);
    rig_answer(r, r->send_count - 1, 500); // The flight still ends, with an alert for the record.
    rig_record(r);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 2);
    assert_int_equal(rig_alert(r, id, ALERT_FAILURE).telling, TELLING_NONE);
    assert_int_equal(rig_told(r, id), 1);
    rig_free(r);
}

static void a_job_that_never_fails_is_not_written_for_it(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of_tens();
    j->alert_remind_s = 60;
    j->alert_recover_after = 5;
    rig_create(r, j);
    for (size_t i = 0; i < 5; i++)
        next_ends(r, 200);
    assert_int_equal(rig_changes(r, CHANGE_JOB_STATE), 0);
    rig_free(r);
}

static void ask_ack(struct rig *r, job_id job, int64_t incident_id)
{
    struct command c = {
        .kind = COMMAND_ACK_ALERT, .id = incident_id, .alert_job = job, .incident_id = incident_id};
    assert_int_equal(rig_ask(r, &c), ERR_OK);
    rig_record(r);
}

// Also over a restart; and an incident that follows is a new one.
static void people_are_reminded_until_somebody_has_seen_it(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("0 0 * * * *");
    j->max_retries = 0;
    j->alert_remind_s = 600;
    job_id id = rig_create(r, j);
    rig_run(r, HOUR);
    rig_answer(r, 0, 500);
    rig_run(r, 599 * SECOND);
    assert_int_equal(rig_alerts(r, id, ALERT_REMINDER), 0);
    rig_run(r, SECOND);
    assert_int_equal(rig_alerts(r, id, ALERT_REMINDER), 1);
    struct alert a = rig_alert(r, id, ALERT_REMINDER);
    assert_int_equal(a.telling, TELLING_WAITING);
    assert_int_equal(a.from, T0 + HOUR);
    assert_int_equal(a.to, 0);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.execution_id, 0);
    rig_crash(r, SECOND);
    rig_run(r, 600 * SECOND);
    assert_int_equal(rig_alerts(r, id, ALERT_REMINDER), 2);
    ask_ack(r, id, a.incident_id);
    rig_crash(r, SECOND);
    rig_run(r, 20 * MINUTE);
    assert_int_equal(rig_alerts(r, id, ALERT_REMINDER), 2);
    rig_run(r, 20 * MINUTE);
    rig_answer(r, r->send_count - 1, 200); // Recovery is told all the same.
    assert_int_equal(rig_alerts(r, id, ALERT_RECOVERED), 1);
    rig_run(r, HOUR);
    rig_answer(r, r->send_count - 1, 500);
    rig_run(r, 11 * MINUTE);
    assert_int_equal(rig_alerts(r, id, ALERT_REMINDER), 3);
    rig_free(r);
}

static void a_reminder_can_be_asked_for_while_an_incident_is_open(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("0 0 * * * *");
    j->max_retries = 0;
    job_id id = rig_create(r, j);
    rig_run(r, HOUR);
    rig_answer(r, 0, 500);
    rig_run(r, 10 * MINUTE);
    j = rig_job(r, id);
    j->alert_remind_s = 60;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_run(r, SECOND);
    assert_int_equal(rig_alerts(r, id, ALERT_REMINDER), 1);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK); // Paused, the job does not do its work.
    rig_run(r, MINUTE);
    assert_int_equal(rig_alerts(r, id, ALERT_REMINDER), 2);
    assert_int_equal(rig_delete(r, id), ERR_OK);
    rig_run(r, 10 * MINUTE);
    assert_int_equal(rig_alerts(r, id, ALERT_REMINDER), 2);
    rig_free(r);
}

// Answers the executions of so many tens of seconds.
static void all_end(struct rig *r, size_t count, unsigned status)
{
    for (size_t i = 0; i < count; i++)
        next_ends(r, status);
}

// Four times within the hour: the last time it is said, and then how it stands, over a restart.
static void incidents_that_come_and_go_are_told_once(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of_tens());
    for (size_t i = 0; i < 3; i++) {
        next_ends(r, 500);
        next_ends(r, 200);
    }
    assert_int_equal(rig_told(r, id), 6);
    next_ends(r, 500);
    struct alert a = rig_alert(r, id, ALERT_FLAPPING);
    assert_int_equal(a.count, 4);
    assert_int_equal(a.from, T0 + 10 * SECOND);
    assert_int_equal(rig_alert(r, id, ALERT_FAILURE).incident_id, a.id);
    for (size_t i = 0; i < 20; i++) {
        next_ends(r, 200);
        next_ends(r, 500);
    }
    rig_crash(r, 1);
    assert_int_equal(rig_told(r, id), 7);
    all_end(r, 179, 200);
    assert_int_equal(rig_told(r, id), 7);
    all_end(r, 3, 200);
    assert_int_equal(rig_told(r, id), 8);
    assert_int_equal(rig_alert(r, id, ALERT_RECOVERED).incident_id, a.id);
    assert_int_equal(rig_alert(r, id, ALERT_RECOVERED).count, 21);
    struct job *j = rig_job(r, id);
    assert_null(j->trouble);
    job_free(j);
    next_ends(r, 500); // Counted anew.
    assert_int_equal(rig_told(r, id), 9);
    assert_int_equal(rig_alerts(r, id, ALERT_FLAPPING), 1);
    rig_free(r);
}

static void a_job_that_flapped_and_only_fails_is_told_of(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of_tens());
    for (size_t i = 0; i < 4; i++) {
        next_ends(r, 200);
        next_ends(r, 500);
    }
    assert_int_equal(rig_told(r, id), 7);
    all_end(r, 182, 500);
    assert_int_equal(rig_alerts(r, id, ALERT_REMINDER), 1);
    next_ends(r, 200); // From now on an incident like any other.
    assert_int_equal(rig_told(r, id), 9);
    rig_free(r);
}

// Three within the hour, and more after it.
static void seldom_incidents_are_no_flapping(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("0 */20 * * * *");
    j->max_retries = 0;
    job_id id = rig_create(r, j);
    for (size_t i = 0; i < 20; i++) {
        rig_run(r, 20 * MINUTE);
        rig_answer(r, i, i % 2 ? 200 : 500);
    }
    assert_int_equal(rig_alerts(r, id, ALERT_FLAPPING), 0);
    assert_int_equal(rig_told(r, id), 20);
    rig_run(r, 2 * HOUR);
    j = rig_job(r, id);
    assert_null(j->trouble); // Nothing is left to remember.
    job_free(j);
    rig_free(r);
}

// --- What a job asks for -------------------------------------------------------------------------

static void so_many_failures_of_the_last_executions_are_an_incident(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of_tens();
    j->alert_after = 1000; // People are told of the rate alone.
    job_set_text(&j->alert_rate, "3/5");
    job_id id = rig_create(r, j);
    static const unsigned answers[] = {500, 200, 500, 200, 200, 500, 200};
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        next_ends(r, answers[i]);
    assert_int_equal(rig_told(r, id), 0); // 2 of the last 5.
    rig_crash(r, 1);
    next_ends(r, 500);
    next_ends(r, 500);
    struct alert a = rig_alert(r, id, ALERT_FAILURE_RATE);
    assert_int_equal(a.count, 3);
    assert_int_equal(a.attempts, 5);
    assert_non_null(a.last_error);
    next_ends(r, 500);
    assert_int_equal(rig_told(r, id), 1);
    next_ends(r, 200);
    next_ends(r, 200);
    assert_int_equal(rig_told(r, id), 1); // Still 3 of 5.
    next_ends(r, 200);
    assert_int_equal(rig_told(r, id), 2);
    a = rig_alert(r, id, ALERT_RECOVERED);
    assert_string_equal(a.subject, "failure_rate");
    assert_int_equal(a.count, 4);
    for (size_t i = 0; i < 5; i++)
        next_ends(r, 200);
    j = rig_job(r, id);
    assert_null(j->trouble); // All were well.
    job_free(j);
    rig_free(r);
}

static void executions_that_take_long_are_an_incident(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("0 * * * * *");
    j->alert_slow_ms = 5000;
    job_id id = rig_create(r, j);
    static const dur_ms lasts[] = {5000, 5001, 20000, 1};
    static const size_t told[] = {0, 1, 1, 2};
    rig_run(r, MINUTE);
    for (size_t i = 0; i < COUNT_OF(lasts); i++) {
        rig_pass(r, lasts[i]);
        rig_answer(r, i, 200);
        assert_int_equal(rig_told(r, id), told[i]);
        rig_run(r, MINUTE - lasts[i]);
    }
    assert_int_equal(rig_alerts(r, id, ALERT_SLOW), 1);
    struct alert a = rig_alert(r, id, ALERT_RECOVERED);
    assert_string_equal(a.subject, "slow");
    assert_int_equal(a.count, 2);
    rig_free(r);
}

static void executions_that_start_late_are_an_incident(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("0 * * * * *");
    j->overlap = OVERLAP_QUEUE;
    j->alert_late_ms = 3000;
    j->timeout_ms = 600000;
    job_id id = rig_create(r, j);
    rig_run(r, 124 * SECOND); // The second one waits for the first, for 4 s.
    rig_answer(r, 0, 200);
    rig_answer(r, 1, 200);
    struct alert a = rig_alert(r, id, ALERT_LATE);
    assert_int_equal(a.from, T0 + 120 * SECOND);
    assert_int_equal(a.to, T0 + 124 * SECOND);
    assert_int_equal(a.key.scheduled_at, T0 + 120 * SECOND);
    rig_run(r, MINUTE);
    rig_answer(r, 2, 200);
    assert_int_equal(rig_told(r, id), 2);
    assert_string_equal(rig_alert(r, id, ALERT_RECOVERED).subject, "late");
    rig_free(r);
}

// Also while the job is paused, and over a restart.
static void a_job_that_is_silent_for_too_long_is_an_incident(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("0 * * * * *");
    j->alert_silent_s = 600;
    j->alert_after = 1000;
    job_id id = rig_create(r, j);
    rig_run(r, MINUTE);
    rig_answer(r, 0, 200);
    rig_record(r);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    rig_record(r);
    rig_crash(r, 1);
    rig_run(r, 599 * SECOND - 1);
    assert_int_equal(rig_told(r, id), 0);
    rig_run(r, SECOND);
    struct alert a = rig_alert(r, id, ALERT_SILENT);
    assert_int_equal(a.from, T0 + MINUTE);
    assert_int_equal(a.created_at, T0 + 11 * MINUTE);
    rig_run(r, HOUR);
    assert_int_equal(rig_told(r, id), 1);
    assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    rig_record(r);
    rig_answer(r, r->send_count - 1, 200);
    assert_string_equal(rig_alert(r, id, ALERT_RECOVERED).subject, "silent");
    rig_run(r, 10 * MINUTE);
    assert_int_equal(rig_alerts(r, id, ALERT_SILENT), 2);
    rig_free(r);
}

// The wait begins when the rule does, and a rule that is taken away is not heard of again.
static void a_rule_comes_and_goes_with_a_change_of_the_job(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("0 0 0 1 1 *"));
    rig_run(r, HOUR);
    struct job *j = rig_job(r, id);
    j->alert_silent_s = 60;
    j->alert_remind_s = 60;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_record(r);
    rig_run(r, MINUTE);
    assert_int_equal(rig_alert(r, id, ALERT_SILENT).from, T0 + HOUR);
    j = rig_job(r, id);
    j->alert_silent_s = 0;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_record(r);
    rig_run(r, HOUR);
    assert_int_equal(rig_told(r, id), 1);
    j = rig_job(r, id);
    assert_null(j->trouble);
    job_free(j);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_fold_into_one_incident_until_a_success),
        cmocka_unit_test(an_incident_opens_with_its_first_alert),
        cmocka_unit_test(as_many_successes_in_a_row_close_an_incident_as_the_job_says),
        cmocka_unit_test(missed_occurrences_and_failures_are_one_incident),
        cmocka_unit_test(an_incident_outlives_a_restart_and_a_change_of_its_job),
        cmocka_unit_test(a_deleted_job_ends_its_incident_without_a_word),
        cmocka_unit_test(a_job_that_never_fails_is_not_written_for_it),
        cmocka_unit_test(people_are_reminded_until_somebody_has_seen_it),
        cmocka_unit_test(a_reminder_can_be_asked_for_while_an_incident_is_open),
        cmocka_unit_test(incidents_that_come_and_go_are_told_once),
        cmocka_unit_test(a_job_that_flapped_and_only_fails_is_told_of),
        cmocka_unit_test(seldom_incidents_are_no_flapping),
        cmocka_unit_test(so_many_failures_of_the_last_executions_are_an_incident),
        cmocka_unit_test(executions_that_take_long_are_an_incident),
        cmocka_unit_test(executions_that_start_late_are_an_incident),
        cmocka_unit_test(a_job_that_is_silent_for_too_long_is_an_incident),
        cmocka_unit_test(a_rule_comes_and_goes_with_a_change_of_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
