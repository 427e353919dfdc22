// SPDX-License-Identifier: MIT
// test_policy.c: jitter, bounds, queues and final answers, where they meet edits and each other.

#include "core_test.h"

#include <string.h>

#define AT (T0 + MINUTE)
#define EVERY_MINUTE "0 * * * * *"

// --- Jitter ---

// The row waits for its jitter while the job changes twice. What the first change took away is not
// given back by the second, whose instant lies behind that of the row.
static void an_occurrence_that_a_change_took_away_stays_away_however_late(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of(EVERY_MINUTE);
    j->jitter_ms = 59 * SECOND;
    job_id id = rig_create(r, j);
    rig_run(r, MINUTE - SECOND);
    assert_true(rig_row(r, id, AT).due_at > AT + 2 * SECOND);
    j = rig_job(r, id);
    job_set_text(&j->schedule, "0 0 12 * * *");
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_run(r, 2 * SECOND);
    j = rig_job(r, id);
    j->max_retries = 1;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_run(r, MINUTE);
    assert_state(r, id, AT, CANCELLED);
    assert_int_equal(r->send_count, 0);
    rig_free(r);
}

// --- Bounds ---

static struct rig *rig_with_one_run(job_id *id)
{
    struct rig *r = rig_started();
    struct job *j = job_of(EVERY_MINUTE);
    j->max_runs = 1;
    *id = rig_create(r, j);
    rig_run(r, MINUTE - SECOND); // The run is planned.
    return r;
}

static enum err rig_try_create(struct rig *r, struct job *j)
{
    struct command c = {.kind = COMMAND_CREATE, .job = j, .zone = zone_utc()};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    return r->reply.err;
}

// Nothing is written and no id is used up.
static void a_job_that_would_never_run_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *past = job_of("2026-11-24T09:59:59Z");
    struct job *none = job_of("0 0 0 30 2 *");
    struct job *ended = job_of("0 0 12 * * *");
    ended->end_at = T0 + HOUR;
    struct job *paused = job_of("0 0 0 30 2 *");
    paused->is_active = false;
    struct job *const jobs[] = {past, none, ended, paused};
    for (size_t i = 0; i < COUNT_OF(jobs); i++)
        assert_int_equal(rig_try_create(r, jobs[i]), ERR_RANGE);
    assert_int_equal(r->out.batch->count, 0);
    assert_int_equal(core_status(r->core).jobs, 0);
    assert_int_equal(rig_create(r, job_of(EVERY_MINUTE)), 1);
    rig_free(r);
}

// "H H * * *" has one instant a day, which depends on the id: with an end after six hours some ids
// have one and others have none. Whoever is accepted runs, and whoever is refused would not have.
static void a_hashed_schedule_is_judged_for_the_id_that_the_job_gets(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    unsigned accepted = 0, refused = 0;
    for (int i = 0; i < 40; i++) {
        struct job *j = job_of("0 0 H * * *");
        j->end_at = T0 + 6 * HOUR;
        if (rig_try_create(r, j) == ERR_OK) {
            accepted++;
            j = rig_job(r, r->reply.job);
            assert_false(j->finished);
            job_free(j);
        } else {
            assert_int_equal(r->reply.err, ERR_RANGE);
            refused++;
            rig_create(r, job_of("0 0 0 1 1 *")); // So that the next one has another id.
        }
    }
    assert_true(accepted > 0 && refused > 0);
    rig_free(r);
}

static void a_raised_max_runs_lets_a_finished_job_go_on(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_with_one_run(&id);
    rig_run(r, 2 * SECOND);
    rig_answer(r, 0, 200);
    struct job *j = rig_job(r, id);
    assert_true(j->finished && j->runs == 1);
    j->is_active = true; // Resumed without more runs: refused.
    assert_int_equal(rig_update(r, id, j), ERR_RANGE);
    j = rig_job(r, id);
    j->is_active = true;
    j->max_runs = 3;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    for (size_t run = 1; run <= 2; run++) {
        rig_run(r, MINUTE);
        assert_int_equal(r->send_count, 1 + run);
        rig_answer(r, run, 200);
    }
    rig_run(r, 5 * MINUTE);
    assert_int_equal(r->send_count, 3);
    j = rig_job(r, id);
    assert_true(j->finished && j->runs == 3);
    job_free(j);
    rig_free(r);
}

// The job's last run is planned, but not begun: a change does not take it for used up.
static void a_run_that_is_only_planned_is_not_used_up(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_with_one_run(&id);
    struct job *j = rig_job(r, id);
    assert_int_equal(j->runs, 1);
    job_set_text(&j->schedule, "30 * * * * *");
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

static void max_runs_below_what_was_used_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("* * * * * *"));
    struct job *j = rig_job(r, id);
    j->max_runs = 100;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_run(r, 5 * SECOND);
    j = rig_job(r, id);
    j->max_runs = 1;
    assert_int_equal(rig_update(r, id, j), ERR_RANGE);
    rig_free(r);
}

static void assert_finished_after_one(struct rig *r, job_id id)
{
    assert_int_equal(r->send_count, 1);
    rig_answer(r, 0, 200);
    rig_run(r, 10 * MINUTE);
    assert_int_equal(r->send_count, 1);
    struct job *j = rig_job(r, id);
    assert_true(j->finished && !j->is_active);
    assert_int_equal(j->runs, 1);
    job_free(j);
}

static void a_run_that_an_edit_takes_back_is_not_used_up(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_with_one_run(&id);
    struct job *j = rig_job(r, id);
    job_set_text(&j->schedule, "30 * * * * *");
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_run(r, MINUTE);
    assert_state(r, id, AT, CANCELLED);
    assert_finished_after_one(r, id);
    rig_free(r);
}

static void a_run_that_a_pause_takes_back_is_not_used_up(void **state)
{
    (void)state;
    for (int crash = 0; crash <= 1; crash++) {
        job_id id;
        struct rig *r = rig_with_one_run(&id);
        assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
        rig_run(r, 2 * SECOND);
        if (crash)
            rig_crash(r, 100);
        assert_int_equal(rig_resume(r, id), ERR_OK);
        rig_run(r, MINUTE);
        assert_state(r, id, AT, CANCELLED);
        assert_finished_after_one(r, id);
        rig_free(r);
    }
}

static void a_run_that_an_edit_leaves_is_used_once(void **state)
{
    (void)state;
    for (int crash = 0; crash <= 1; crash++) {
        job_id id;
        struct rig *r = rig_with_one_run(&id);
        struct job *j = rig_job(r, id);
        job_set_text(&j->schedule, "0,30 * * * * *"); // Names that instant too.
        assert_int_equal(rig_update(r, id, j), ERR_OK);
        rig_record(r);
        if (crash)
            rig_crash(r, 100);
        rig_run(r, SECOND);
        assert_int_equal(r->sends[0].key.scheduled_at, AT);
        assert_finished_after_one(r, id);
        rig_free(r);
    }
}

// Like a pause that a client asks for.
static void a_run_that_a_410_takes_back_is_not_used_up(void **state)
{
    (void)state;
    for (int crash = 0; crash <= 1; crash++) {
        struct rig *r = rig_started();
        struct job *j = job_of("* * * * * *");
        j->permanent_4xx = true;
        j->max_runs = 3;
        job_id id = rig_create(r, j);
        rig_run(r, 1100); // The row of the second instant is written.
        rig_answer(r, 0, 410);
        rig_record(r);
        if (crash)
            rig_crash(r, 10);
        assert_int_equal(rig_resume(r, id), ERR_OK);
        j = rig_job(r, id);
        assert_int_equal(j->runs, 2);
        job_free(j);
        rig_free(r);
    }
}

// A run of the clock's old generation is given back as well.
static void a_run_that_a_correction_takes_back_is_not_used_up(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_with_one_run(&id);
    r->now.wall -= 2 * HOUR;
    rig_tick(r);
    rig_run(r, MINUTE);
    assert_finished_after_one(r, id);
    rig_free(r);
}

// An execution that was begun, and then cancelled, is a run.
static void a_run_that_was_begun_is_used_up(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_with_one_run(&id);
    rig_run(r, 3 * SECOND);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    rig_record(r);
    rig_crash(r, 100);
    rig_record(r);
    assert_state(r, id, AT, CANCELLED);
    struct job *j = rig_job(r, id);
    assert_int_equal(j->runs, 1);
    job_free(j);
    rig_free(r);
}

static void a_job_is_never_both_active_and_finished(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("2026-11-24T10:00:10"));
    rig_run(r, 10 * SECOND);
    rig_answer(r, 0, 200);
    rig_record(r);
    assert_int_equal(rig_pause(r, id, r->now.wall + SECOND), ERR_OK);
    rig_run(r, 2 * SECOND);
    for (size_t i = 0; i < r->durable_count; i++) {
        const struct batch *b = r->durable[i];
        for (size_t k = 0; k < b->count; k++)
            if (b->changes[k].kind == CHANGE_JOB_STATE)
                assert_false(b->changes[k].state.is_active && b->changes[k].state.finished);
    }
    rig_free(r);
}

// --- Queues ---

// A change judges what is due at its instant: the oldest first, as without it.
static void a_change_does_not_turn_a_queue_round(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.lookahead_ms = 5000;
    rig_start(r);
    struct job *j = job_of("* * * * * *");
    j->overlap = OVERLAP_QUEUE;
    job_id id = rig_create(r, j);
    rig_tick(r);
    rig_record(r);
    rig_pass(r, 4 * SECOND); // Nobody looks at the time.
    j = rig_job(r, id);
    j->max_retries = 1;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_record(r);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(r->send_count, i + 1);
        assert_int_equal(r->sends[i].key.scheduled_at, T0 + (wall_ms)(i + 1) * SECOND);
        rig_answer(r, i, 200);
        rig_record(r);
    }
    rig_free(r);
}

// Two batches are on their way to the disk. What waits for the first goes on when that is durable,
// also when something that waits for the second came before it.
static void an_execution_does_not_wait_for_a_younger_batch(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    rig_run(r, MINUTE - 2 * SECOND);
    rig_pass(r, SECOND);
    rig_tick(r); // The row is planned, in the batch that stays open.
    struct event first = {.kind = EVENT_RECORDED, .sequence = r->sequence};
    r->durable[r->durable_count++] = r->out.batch;
    r->out.batch = batch_new(++r->sequence);
    assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    rig_pass(r, SECOND);
    rig_tick(r);
    rig_step(r, &first);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].key.scheduled_at, AT);
    rig_free(r);
}

// --- Replaced ---

// The older one was being given up when the server died. Afterwards only the younger one goes on.
static void an_execution_replaced_before_a_crash_is_replaced_after_it(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("*/10 * * * * *");
    j->overlap = OVERLAP_REPLACE;
    job_id id = rig_create(r, j);
    rig_run(r, 22 * SECOND);
    assert_int_equal(r->send_count, 2);
    assert_state(r, id, T0 + 10 * SECOND, RUNNING);
    assert_state(r, id, T0 + 20 * SECOND, RUNNING);
    rig_crash(r, 100);
    rig_record(r);
    assert_int_equal(r->send_count, 3);
    assert_int_equal(r->sends[2].key.scheduled_at, T0 + 20 * SECOND);
    assert_state(r, id, T0 + 10 * SECOND, CANCELLED);
    rig_free(r);
}

// --- Final answers ---

// Neither what waits in the queue nor what is due just now leaves for a target that is gone.
static void after_410_nothing_more_leaves(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("*/10 * * * * *");
    j->overlap = OVERLAP_QUEUE;
    j->permanent_4xx = true;
    job_id id = rig_create(r, j);
    rig_run(r, 29 * SECOND);
    assert_int_equal(r->send_count, 1);
    rig_pass(r, SECOND);
    rig_answer(r, 0, 410);
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 1);
    assert_state(r, id, T0 + 10 * SECOND, FAILED);
    assert_state(r, id, T0 + 20 * SECOND, CANCELLED);
    assert_state(r, id, T0 + 30 * SECOND, CANCELLED);
    j = rig_job(r, id);
    assert_false(j->is_active);
    job_free(j);
    rig_free(r);
}

static struct job *failing_job(void)
{
    struct job *j = job_of("*/10 * * * * *");
    j->overlap = OVERLAP_QUEUE;
    j->max_retries = 0;
    j->auto_pause_after = 3;
    return j;
}

// Nothing of what waits in the queue leaves behind the third failure; resumed, the job may fail as
// often again. A success in between begins the count anew.
static void after_so_many_failures_in_a_row_a_job_is_paused(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, failing_job());
    static const unsigned answers[] = {500, 500, 200, 500, 500, 500};
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        rig_run(r, 10 * SECOND);
        assert_int_equal(r->send_count, i + 1);
        struct job *j = rig_job(r, id);
        assert_true(j->is_active);
        job_free(j);
        if (i + 1 == COUNT_OF(answers))
            rig_run(r, 25 * SECOND); // Two more wait in the queue.
        rig_answer(r, i, answers[i]);
    }
    struct job *j = rig_job(r, id);
    assert_false(j->is_active);
    assert_string_equal(j->paused_reason, "3 executions failed in a row");
    job_free(j);
    assert_int_equal(rig_alerts(r, id, ALERT_JOB_PAUSED), 1);
    assert_state(r, id, T0 + 60 * SECOND, FAILED);
    assert_state(r, id, T0 + 70 * SECOND, CANCELLED);
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, COUNT_OF(answers));

    assert_int_equal(rig_resume(r, id), ERR_OK);
    rig_record(r);
    for (size_t i = 0; i < 3; i++) {
        rig_run(r, 10 * SECOND);
        assert_int_equal(r->send_count, COUNT_OF(answers) + i + 1);
        rig_answer(r, COUNT_OF(answers) + i, 500);
    }
    assert_int_equal(rig_alerts(r, id, ALERT_JOB_PAUSED), 2);
    rig_free(r);
}

static void failures_in_a_row_are_counted_over_a_restart(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, failing_job());
    for (size_t i = 0; i < 2; i++) {
        rig_run(r, 10 * SECOND);
        rig_answer(r, i, 500);
    }
    rig_record(r);
    rig_crash(r, 1);
    rig_run(r, 10 * SECOND);
    rig_answer(r, r->send_count - 1, 500);
    struct job *j = rig_job(r, id);
    assert_false(j->is_active);
    job_free(j);
    rig_free(r);
}

// Whatever the job says of 4xx, and unless it counts the status as a success.
static void a_redirect_is_not_asked_for_again(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        bool lost; // Not answered whole.
        const char *success;
        size_t sends;
        enum execution_state end;
    } cases[] = {
        {300, false, NULL, 1, EXECUTION_FAILED},   {302, false, NULL, 1, EXECUTION_FAILED},
        {399, false, NULL, 1, EXECUTION_FAILED},   {302, true, NULL, 2, EXECUTION_RUNNING},
        {302, false, "302", 1, EXECUTION_SUCCESS}, {299, false, "302", 2, EXECUTION_RUNNING},
        {400, false, NULL, 2, EXECUTION_RUNNING},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig *r = rig_started();
        struct job *j = job_of("2026-11-24T10:00:10Z");
        job_set_text(&j->success_status, cases[i].success);
        job_id id = rig_create(r, j);
        rig_run(r, 11 * SECOND);
        if (cases[i].lost)
            rig_lose(r, 0, "closed");
        else
            rig_answer(r, 0, cases[i].status);
        rig_run(r, 2 * SECOND);
        assert_int_equal(r->send_count, cases[i].sends);
        assert_int_equal(rig_row(r, id, T0 + 10 * SECOND).state, cases[i].end);
        rig_free(r);
    }
}

static void the_error_of_a_redirect_names_where_it_leads(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("2026-11-24T10:00:10Z"));
    rig_run(r, 11 * SECOND);
    rig_redirect(r, 0, 301, "https://b.test/x");
    assert_string_equal(rig_row(r, id, T0 + 10 * SECOND).error,
                        "answered with HTTP status 301, Location: https://b.test/x");
    rig_free(r);
}

// --- Bodies ---

// The status is looked at first. A status that is good by itself is no final answer when the body
// is not, whatever the job says of such statuses.
static void a_body_that_breaks_a_rule_makes_an_ordinary_failure(void **state)
{
    static const struct {
        unsigned status;
        const char *body_error;
        size_t sends;
        enum execution_state end;
        const char *error;
    } cases[] = {
        {200, NULL, 1, EXECUTION_SUCCESS, NULL},
        {200, "its body lacks it", 2, EXECUTION_RUNNING,
         "answered with HTTP status 200, but its body lacks it"},
        {304, "its body lacks it", 2, EXECUTION_RUNNING,
         "answered with HTTP status 304, but its body lacks it"},
        {410, "its body lacks it", 2, EXECUTION_RUNNING,
         "answered with HTTP status 410, but its body lacks it"},
        {404, "its body lacks it", 1, EXECUTION_FAILED, "answered with HTTP status 404"},
        {500, "its body lacks it", 2, EXECUTION_RUNNING, "answered with HTTP status 500"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig *r = rig_started();
        struct job *j = job_of("2026-11-24T10:00:10Z");
        job_set_text(&j->success_status, "200-299,304,410");
        j->permanent_4xx = true;
        job_id id = rig_create(r, j);
        rig_run(r, 11 * SECOND);
        rig_answer_body(r, 0, cases[i].status, cases[i].body_error);
        rig_run(r, 2 * SECOND);
        struct execution row = rig_row(r, id, T0 + 10 * SECOND);
        assert_int_equal(r->send_count, cases[i].sends);
        assert_int_equal(row.state, cases[i].end);
        if (cases[i].error)
            assert_string_equal(row.error, cases[i].error);
        rig_free(r);
    }
}

// At most once means once: whatever the body says, the target has had the request.
static void a_bad_body_does_not_repeat_what_runs_at_most_once(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("2026-11-24T10:00:10Z");
    j->type = JOB_ATMOST_ONCE;
    job_id id = rig_create(r, j);
    rig_run(r, 11 * SECOND);
    rig_answer_body(r, 0, 200, "its body has it");
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 1);
    assert_state(r, id, T0 + 10 * SECOND, FAILED);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_that_would_never_run_is_refused),
        cmocka_unit_test(a_hashed_schedule_is_judged_for_the_id_that_the_job_gets),
        cmocka_unit_test(a_raised_max_runs_lets_a_finished_job_go_on),
        cmocka_unit_test(a_run_that_is_only_planned_is_not_used_up),
        cmocka_unit_test(max_runs_below_what_was_used_is_refused),
        cmocka_unit_test(an_occurrence_that_a_change_took_away_stays_away_however_late),
        cmocka_unit_test(a_run_that_an_edit_takes_back_is_not_used_up),
        cmocka_unit_test(a_run_that_a_pause_takes_back_is_not_used_up),
        cmocka_unit_test(a_run_that_an_edit_leaves_is_used_once),
        cmocka_unit_test(a_run_that_a_410_takes_back_is_not_used_up),
        cmocka_unit_test(a_run_that_a_correction_takes_back_is_not_used_up),
        cmocka_unit_test(a_run_that_was_begun_is_used_up),
        cmocka_unit_test(a_job_is_never_both_active_and_finished),
        cmocka_unit_test(a_change_does_not_turn_a_queue_round),
        cmocka_unit_test(an_execution_does_not_wait_for_a_younger_batch),
        cmocka_unit_test(an_execution_replaced_before_a_crash_is_replaced_after_it),
        cmocka_unit_test(after_410_nothing_more_leaves),
        cmocka_unit_test(after_so_many_failures_in_a_row_a_job_is_paused),
        cmocka_unit_test(failures_in_a_row_are_counted_over_a_restart),
        cmocka_unit_test(a_redirect_is_not_asked_for_again),
        cmocka_unit_test(the_error_of_a_redirect_names_where_it_leads),
        cmocka_unit_test(a_body_that_breaks_a_rule_makes_an_ordinary_failure),
        cmocka_unit_test(a_bad_body_does_not_repeat_what_runs_at_most_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
