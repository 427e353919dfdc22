// SPDX-License-Identifier: MIT
// test_command.c: create, update, pause, delete and trigger, at every moment of an execution's
// life.
//
// The rig refuses a second row for a key in every one of these stories.

#include "core_test.h"
#include "zones/zones.h"

#include <string.h>

#define AT (T0 + MINUTE)
#define EVERY_MINUTE "0 * * * * *"

// A job every minute; the time is 1 s before its first instant, and the row is planned and durable.
static struct rig *rig_planned(job_id *id)
{
    struct rig *r = rig_started();
    *id = rig_create(r, job_of(EVERY_MINUTE));
    rig_run(r, MINUTE - SECOND);
    assert_state(r, *id, AT, PENDING);
    return r;
}

// --- Create ---

static void creating_inside_the_lookahead_plans_in_the_batch_of_the_change(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    rig_create(r, job_of("0 0 12 * * *"));
    rig_run(r, MINUTE - SECOND);
    rig_tick(r); // The watermark is beyond the next minute now.
    rig_record(r);
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    const struct batch *b = r->out.batch;
    assert_int_equal(b->changes[0].kind, CHANGE_SHARD);
    assert_int_equal(b->changes[1].kind, CHANGE_JOB_PUT);
    assert_int_equal(b->changes[2].kind, CHANGE_VERSION);
    assert_int_equal(b->changes[3].kind, CHANGE_EXECUTION_INSERT);
    assert_int_equal(b->changes[3].execution.key.scheduled_at, AT);
    rig_crash(r, 100); // Not durable: neither is there.
    assert_int_equal(rig_rows(r, id), 0);
    assert_int_equal(rig_create(r, job_of(EVERY_MINUTE)), id);
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

static void the_instant_of_creation_is_not_owed_and_the_next_is(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("* * * * * *")); // At T0 exactly.
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].at, T0 + SECOND);
    rig_row(r, id, T0 + SECOND);
    rig_free(r);
}

static void a_new_job_gets_its_number_version_and_times(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    assert_int_equal(r->reply.version, 1);
    struct job *j = rig_job(r, id);
    assert_int_equal(j->version, 1);
    assert_int_equal(j->created_at, T0);
    assert_int_equal(j->updated_at, T0);
    assert_int_equal(j->effective_from, T0);
    job_free(j);
    assert_int_equal(rig_create(r, job_of(EVERY_MINUTE)), id + 1);
    rig_free(r);
}

// An id that was given before a crash is not given again, even when its job is gone.
static void ids_are_never_given_twice(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    assert_int_equal(rig_delete(r, id), ERR_OK);
    rig_record(r);
    rig_crash(r, 100);
    assert_int_equal(rig_create(r, job_of(EVERY_MINUTE)), id + 1);
    rig_free(r);
}

// --- Pause and resume ---

static void paused_before_the_instant_it_is_cancelled_at_the_instant(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    rig_run(r, SECOND - 1);
    assert_state(r, id, AT, PENDING);
    rig_run(r, 1);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_CANCELLED);
    assert_string_equal(e.reason, "the job was paused");
    rig_run(r, 10 * MINUTE);
    assert_int_equal(rig_rows(r, id), 1);
    assert_int_equal(r->send_count, 0);
    rig_free(r);
}

static void paused_and_resumed_before_the_instant_it_fires(void **state)
{
    (void)state;
    for (int crash = 0; crash <= 1; crash++) {
        job_id id;
        struct rig *r = rig_planned(&id);
        assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
        rig_run(r, 300);
        if (crash)
            rig_crash(r, 100);
        assert_int_equal(rig_resume(r, id), ERR_OK);
        if (crash) {
            rig_record(r);
            rig_crash(r, 100);
        }
        rig_run(r, SECOND);
        assert_int_equal(r->send_count, 1);
        assert_int_equal(r->sends[0].at, AT);
        assert_int_equal(rig_rows(r, id), 1);
        rig_free(r);
    }
}

// The row is durable, the resumption is not: were it sent, a crash could leave a paused job whose
// target was called.
static void a_resumption_that_is_not_durable_sends_nothing(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    rig_record(r);
    assert_int_equal(rig_resume(r, id), ERR_OK);
    rig_pass(r, SECOND);
    rig_tick(r);
    assert_int_equal(r->send_count, 0);
    rig_record(r);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

// Resumed after the instant, before any tick saw it pass: it passed while the job was paused.
static void resumed_after_the_instant_it_stays_cancelled(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    rig_record(r);
    rig_pass(r, SECOND + 20);
    assert_int_equal(rig_resume(r, id), ERR_OK);
    rig_run(r, SECOND);
    assert_state(r, id, AT, CANCELLED);
    assert_int_equal(r->send_count, 0);
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

// Paused after the instant, before any tick saw it pass: it was owed, but no attempt starts after
// the pause. It does not vanish.
static void paused_after_the_instant_before_the_request_it_is_cancelled(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    rig_record(r);
    r->limits.due_max = 1;
    rig_pass(r, SECOND + 20);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    size_t sent = r->send_count; // The step of the pause itself may still send it.
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, sent);
    assert_true(sent == 1 || rig_row(r, id, AT).state == EXECUTION_CANCELLED);
    rig_free(r);
}

static void a_pause_ends_what_waits_for_its_retry(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    rig_run(r, SECOND);
    rig_answer(r, 0, 500);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    rig_run(r, MINUTE);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_CANCELLED);
    assert_string_equal(e.error, "answered with HTTP status 500"); // The last failure is kept.
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

static void a_pause_with_an_end_resumes_by_itself(void **state)
{
    (void)state;
    for (int crash = 0; crash <= 1; crash++) {
        struct rig *r = rig_started();
        job_id id = rig_create(r, job_of("*/10 * * * * *"));
        rig_run(r, 5 * SECOND);
        assert_int_equal(rig_pause(r, id, T0 + 25 * SECOND), ERR_OK);
        rig_run(r, 2 * SECOND);
        if (crash)
            rig_crash(r, SECOND);
        rig_run(r, 40 * SECOND - (r->now.wall - T0));
        struct job *j = rig_job(r, id);
        assert_true(j->is_active);
        assert_int_equal(j->effective_from, T0 + 25 * SECOND);
        assert_int_equal(j->version, 3);
        assert_true(j->paused_until == WALL_NEVER);
        job_free(j);
        assert_int_equal(r->send_count, 2); // 30 s, 40 s.
        assert_int_equal(r->sends[0].at, T0 + 30 * SECOND);
        rig_free(r);
    }
}

// The end of the pause and an instant behind it are seen late, by one tick, one command or one
// start: the instant is owed, since the job was active again when it came.
static void an_instant_after_the_end_of_a_pause_is_owed_however_late_it_is_seen(void **state)
{
    (void)state;
    enum { BY_TICK, BY_COMMAND, BY_START, WAYS };
    for (int way = 0; way < WAYS; way++) {
        job_id id;
        struct rig *r = rig_planned(&id);
        assert_int_equal(rig_pause(r, id, AT - 500), ERR_OK); // Inside the lookahead.
        rig_record(r);
        if (way == BY_START)
            rig_crash(r, SECOND + 50);
        else
            rig_pass(r, SECOND + 50);
        struct job *j = rig_job(r, id);
        if (way == BY_COMMAND)
            assert_int_equal(rig_update(r, id, j), ERR_OK);
        else
            job_free(j);
        rig_run(r, SECOND);
        if (way != BY_COMMAND)
            assert_int_equal(r->send_count, 1);
        assert_int_equal(rig_rows(r, id), 1);
        rig_free(r);
    }
}

// An instant between the pause and its end was not owed.
static void an_instant_inside_a_pause_is_not_owed_however_late_it_is_seen(void **state)
{
    (void)state;
    for (int crash = 0; crash <= 1; crash++) {
        job_id id;
        struct rig *r = rig_planned(&id);
        assert_int_equal(rig_pause(r, id, AT + 300), ERR_OK);
        rig_record(r);
        if (crash)
            rig_crash(r, SECOND + 500);
        else
            rig_pass(r, SECOND + 500);
        rig_run(r, SECOND);
        assert_int_equal(r->send_count, 0);
        assert_state(r, id, AT, CANCELLED);
        rig_run(r, MINUTE);
        assert_int_equal(r->send_count, 1);
        rig_free(r);
    }
}

// --- Update ---

// Inside the lookahead: the new schedule's instants are there, the old one's are not fired.
static void an_update_inside_the_lookahead_swaps_the_schedules_at_once(void **state)
{
    (void)state;
    for (int crash = 0; crash <= 1; crash++) {
        struct rig *r = rig_started();
        job_id id = rig_create(r, job_of("20 * * * * *"));
        rig_run(r, 19 * SECOND); // 20 s is planned.
        assert_state(r, id, T0 + 20 * SECOND, PENDING);
        struct job *j = rig_job(r, id);
        job_set_text(&j->schedule, "19,40 * * * * *"); // 19 s is now: not owed.
        assert_int_equal(rig_update(r, id, j), ERR_OK);
        job_id other = rig_create(r, job_of("20 * * * * *"));
        rig_record(r);
        if (crash)
            rig_crash(r, 10);
        rig_run(r, 2 * SECOND);
        assert_state(r, id, T0 + 20 * SECOND, CANCELLED);
        assert_string_equal(rig_row(r, id, T0 + 20 * SECOND).reason, "the schedule was changed");
        assert_int_equal(r->send_count, 1); // The other's.
        assert_int_equal(r->sends[0].key.job, other);
        rig_run(r, 20 * SECOND);
        assert_int_equal(r->send_count, 2);
        assert_int_equal(r->sends[1].key.scheduled_at, T0 + 40 * SECOND);
        rig_free(r);
    }
}

static void an_update_plans_the_new_schedule_up_to_the_watermark(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("0 0 12 * * *"));
    rig_run(r, 19 * SECOND);
    rig_tick(r);
    struct job *j = rig_job(r, id);
    job_set_text(&j->schedule, "20 * * * * *");
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    assert_state(r, id, T0 + 20 * SECOND, PENDING); // In the batch of the change.
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

// A to B and back to A before the instant: the row that A planned is still the one.
static void there_and_back_again_fires_once(void **state)
{
    (void)state;
    for (int crash = 0; crash <= 1; crash++) {
        job_id id;
        struct rig *r = rig_planned(&id);
        struct job *j = rig_job(r, id);
        job_set_text(&j->schedule, "30 * * * * *");
        assert_int_equal(rig_update(r, id, j), ERR_OK);
        rig_run(r, 100);
        if (crash)
            rig_crash(r, 100);
        j = rig_job(r, id);
        job_set_text(&j->schedule, EVERY_MINUTE);
        assert_int_equal(rig_update(r, id, j), ERR_OK);
        rig_run(r, SECOND);
        assert_int_equal(rig_rows(r, id), 1);
        assert_int_equal(r->send_count, 1);
        rig_free(r);
    }
}

// The instant is in both schedules: one row, one request.
static void an_instant_of_both_schedules_fires_once(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    struct job *j = rig_job(r, id);
    job_set_text(&j->schedule, "0,30 * * * * *");
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(rig_rows(r, id), 1);
    rig_free(r);
}

// The planner is behind (the store stalled, or the process was stopped): the old version's rows up
// to now are planned by the update, and a crash just after it does not plan them again.
static void an_update_settles_what_the_old_version_still_owed(void **state)
{
    (void)state;
    for (int replan = 0; replan <= 1; replan++) {
        struct rig *r = rig_started();
        job_id id = rig_create(r, job_of("* * * * * *"));
        rig_run(r, 5 * SECOND);
        rig_pass(r, 4 * SECOND);
        struct job *j = rig_job(r, id);
        if (replan)
            job_set_text(&j->schedule, "*/5 * * * * *");
        job_set_text(&j->name, "a new name");
        assert_int_equal(rig_update(r, id, j), ERR_OK);
        rig_record(r);
        rig_crash(r, 100);
        rig_run(r, 3 * SECOND);
        for (int s = 1; s <= 12; s++)
            assert_int_equal(rig_find(r, id, T0 + s * SECOND, true, &(struct execution){0}),
                             s <= 9 || s == 10 || !replan);
        rig_free(r);
    }
}

// A change of policy does not touch what is planned.
static void a_new_policy_replans_nothing(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    struct job *j = rig_job(r, id);
    j->max_retries = 0;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    assert_int_equal(r->reply.version, 2);
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 1);
    rig_answer(r, 0, 500);
    assert_state(r, id, AT, FAILED); // By the new policy.
    rig_free(r);
}

// Changes the job from `before`, which is at this version, to `schedule` and `api`. Returns how
// many versions have begun by then.
static size_t versions_after(struct rig *r, job_id id, int64_t version, const char *schedule,
                             const char *api)
{
    struct job *before = job_of(EVERY_MINUTE);
    struct job *after = job_of(schedule);
    before->version = version;
    job_set_text(&after->api, api);
    struct command c = {.kind = COMMAND_UPDATE,
                        .id = id,
                        .version_expected = version,
                        .before = before,
                        .job = after,
                        .zone = zone_utc()};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    assert_int_equal(r->reply.err, ERR_OK);
    job_free(before);
    return rig_changes(r, CHANGE_VERSION);
}

static void a_version_begins_with_what_decides_and_with_nothing_else(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    assert_int_equal(rig_changes(r, CHANGE_VERSION), 1);
    assert_int_equal(versions_after(r, id, 1, EVERY_MINUTE, "http://other/"), 1);
    assert_int_equal(versions_after(r, id, 2, "0 0 13 * * *", "http://other/"), 2);
    assert_int_equal(rig_update(r, id, job_of("0 0 13 * * *")), ERR_OK);
    assert_int_equal(rig_changes(r, CHANGE_VERSION), 3); // From what is not known.
    assert_int_equal(rig_delete(r, id), ERR_OK);
    assert_int_equal(rig_changes(r, CHANGE_VERSION), 4);
    rig_free(r);
}

static void a_bad_schedule_changes_nothing(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    assert_int_equal(rig_update(r, id, job_of("61 * * * * *")), ERR_RANGE);
    struct command c = {.kind = COMMAND_CREATE, .job = job_of("nonsense"), .zone = zone_utc()};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    assert_int_equal(r->reply.err, ERR_SYNTAX);
    assert_int_equal(rig_changes(r, CHANGE_JOB_PUT), 1);
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(core_status(r->core).jobs, 1);
    rig_free(r);
}

// The planner is behind: refusing an update must not plan a part of what is owed, since nothing
// would remember that it has rows.
static void a_refused_update_plans_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("* * * * * *"));
    rig_run(r, 5 * SECOND);
    rig_pass(r, 4 * SECOND);
    assert_int_equal(rig_update(r, id, job_of("61 * * * * *")), ERR_RANGE);
    rig_record(r);
    rig_crash(r, 100);
    rig_run(r, SECOND);
    for (int s = 1; s <= 10; s++)
        rig_row(r, id, T0 + s * SECOND);
    rig_free(r);
}

static void a_finished_job_given_a_new_instant_goes_on(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("2026-11-24T10:00:10"));
    rig_run(r, 10 * SECOND);
    rig_answer(r, 0, 200);
    struct job *j = rig_job(r, id);
    assert_true(j->finished);
    j->is_active = true;
    job_set_text(&j->schedule, "2026-11-24T10:00:20");
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    j = rig_job(r, id);
    assert_true(j->is_active && !j->finished);
    job_free(j);
    rig_run(r, 10 * SECOND);
    assert_int_equal(r->send_count, 2);
    rig_answer(r, 1, 200);

    j = rig_job(r, id); // Resumed with nothing left to do: refused, and nothing has changed.
    j->is_active = true;
    assert_int_equal(rig_update(r, id, j), ERR_RANGE);
    j = rig_job(r, id);
    assert_true(!j->is_active && j->finished);
    job_free(j);
    rig_free(r);
}

// --- Versions, limits, refusals ---

static void a_version_that_is_not_the_current_one_is_a_conflict(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    struct command c = {.kind = COMMAND_UPDATE,
                        .id = id,
                        .version_expected = 7,
                        .job = job_of(EVERY_MINUTE),
                        .zone = zone_utc()};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    assert_int_equal(r->reply.err, ERR_CONFLICT);
    c = (struct command){.kind = COMMAND_DELETE, .id = id, .version_expected = 2};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    assert_int_equal(r->reply.err, ERR_CONFLICT);
    c = (struct command){.kind = COMMAND_DELETE, .id = id, .version_expected = 1};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    assert_int_equal(r->reply.err, ERR_OK);
    rig_free(r);
}

static void unknown_jobs_are_not_found(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    static const job_id ids[] = {0, -1, 1, 99, INT64_MAX};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(rig_update(r, ids[i], job_of(EVERY_MINUTE)), ERR_NOT_FOUND);
        assert_int_equal(rig_delete(r, ids[i]), ERR_NOT_FOUND);
        assert_int_equal(rig_trigger(r, ids[i], NULL), ERR_NOT_FOUND);
    }
    rig_free(r);
}

static void limits_are_ordinary_errors(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.jobs_max = 2;
    r->limits.open_max = 6;
    rig_start(r);
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    rig_create(r, job_of(EVERY_MINUTE));
    struct command c = {.kind = COMMAND_CREATE, .job = job_of(EVERY_MINUTE), .zone = zone_utc()};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    assert_int_equal(r->reply.err, ERR_LIMIT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    assert_int_equal(rig_trigger(r, id, NULL), ERR_LIMIT);
    rig_free(r);
}

static enum err create_with_body(struct rig *r, size_t bytes)
{
    char *body = xmalloc(bytes + 1);
    memset(body, 'b', bytes);
    body[bytes] = '\0';
    struct command c = {.kind = COMMAND_CREATE, .job = job_of(EVERY_MINUTE), .zone = zone_utc()};
    job_set_text(&c.job->body, body);
    free(body);
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    return r->reply.err;
}

static enum err change_body(struct rig *r, job_id id, const char *body)
{
    struct command c = {.kind = COMMAND_UPDATE, .id = id, .job = job_of(EVERY_MINUTE)};
    c.zone = zone_utc();
    job_set_text(&c.job->body, body);
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    return r->reply.err;
}

// A client could else fill the memory with bodies, however many jobs are allowed.
static void the_texts_of_all_jobs_are_bounded_and_can_always_become_shorter(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.texts_bytes_max = 10000;
    rig_start(r);
    assert_int_equal(create_with_body(r, 9000), ERR_OK);
    job_id id = r->reply.job;
    assert_int_equal(create_with_body(r, 2000), ERR_SPACE);
    assert_int_equal(core_status(r->core).jobs, 1);
    assert_int_equal(create_with_body(r, 10), ERR_OK);
    assert_int_equal(change_body(r, r->reply.job, "longer, and still no more than is left"),
                     ERR_OK);
    assert_int_equal(change_body(r, id, "short"), ERR_OK);
    assert_int_equal(create_with_body(r, 2000), ERR_OK);
    assert_int_equal(rig_delete(r, r->reply.job), ERR_OK);
    assert_int_equal(create_with_body(r, 9000), ERR_OK); // The deleted one's bytes are free.
    rig_free(r);
}

// --- Delete ---

static void a_deleted_job_has_its_planned_rows_cancelled_in_the_same_batch(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    assert_int_equal(rig_delete(r, id), ERR_OK);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_CANCELLED);
    assert_string_equal(e.reason, "the job was deleted");
    assert_int_equal(core_status(r->core).jobs, 0);
    assert_int_equal(core_status(r->core).open, 0);
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 0);
    assert_int_equal(rig_trigger(r, id, NULL), ERR_NOT_FOUND);
    rig_free(r);
}

static void deleted_while_flying_the_result_is_recorded_and_not_retried(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        enum execution_state state;
    } cases[] = {{200, EXECUTION_SUCCESS}, {500, EXECUTION_CANCELLED}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        job_id id;
        struct rig *r = rig_planned(&id);
        rig_run(r, SECOND);
        assert_int_equal(rig_delete(r, id), ERR_OK);
        assert_int_equal(rig_trigger(r, id, NULL), ERR_NOT_FOUND);
        rig_run(r, 100);
        rig_answer(r, 0, cases[i].status);
        assert_int_equal(rig_row(r, id, AT).state, cases[i].state);
        assert_int_equal(rig_row(r, id, AT).http_status, cases[i].status);
        rig_run(r, HOUR);
        assert_int_equal(r->send_count, 1);
        assert_int_equal(core_status(r->core).jobs, 0);
        rig_free(r);
    }
}

// Many executions of one job, in every phase at once.
static void deletion_reaches_every_phase(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("* * * * * *");
    j->max_in_flight = 2;
    job_id id = rig_create(r, j);
    rig_run(r, 2 * SECOND);
    rig_answer(r, 0,
               500); // The first waits for its retry; then two fly, and others wait for a place.
    rig_run(r, 4 * SECOND);
    rig_trigger(r, id, NULL); // And one waits for its row.
    struct core_status s = core_status(r->core);
    assert_int_equal(s.in_flight, 2);
    assert_true(s.waiting >= 2);
    size_t sent = r->send_count;
    assert_int_equal(rig_delete(r, id), ERR_OK);
    assert_int_equal(core_status(r->core).open, 2);
    assert_int_equal(core_status(r->core).waiting, 0);
    rig_record(r);
    rig_answer(r, sent - 1, 200);
    rig_answer(r, sent - 2, 200);
    assert_int_equal(r->send_count, sent);
    assert_int_equal(core_status(r->core).open, 0);
    rig_free(r);
}

// --- Trigger ---

static void a_trigger_runs_at_once_under_a_key_of_its_own(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    rig_pass(r, SECOND); // At the very instant of the schedule.
    assert_int_equal(rig_trigger(r, id, "its own body"), ERR_OK);
    assert_true(r->reply.key.series < 0);
    assert_int_equal(r->send_count, 0); // Not before its row is durable.
    rig_record(r);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].trigger, TRIGGER_MANUAL);
    assert_string_equal(r->sends[0].body, "its own body");
    rig_tick(r);
    assert_int_equal(r->send_count, 2); // The scheduled one.
    assert_int_equal(r->sends[1].key.series, 0);
    rig_answer(r, 0, 200);
    struct execution e;
    assert_true(rig_find_manual(r, id, -r->sends[0].key.series, &e));
    assert_int_equal(e.state, EXECUTION_SUCCESS);
    rig_free(r);
}

static void a_trigger_works_on_a_paused_job_and_retries_there(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    int64_t number = -r->reply.key.series;
    rig_record(r);
    rig_answer(r, 0, 500);
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK); // Pausing again does not stop it.
    rig_answer(r, 1, 200);
    struct execution e;
    assert_true(rig_find_manual(r, id, number, &e));
    assert_int_equal(e.state, EXECUTION_SUCCESS);
    rig_free(r);
}

// Each trigger is an execution of its own, also within one millisecond, also after a crash.
static void triggers_never_share_a_key(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    for (int i = 0; i < 3; i++)
        rig_trigger(r, id, NULL);
    rig_record(r);
    rig_crash(r, 0);
    for (int i = 0; i < 3; i++)
        rig_trigger(r, id, NULL);
    rig_record(r);
    assert_int_equal(rig_rows(r, id), 6);
    rig_free(r);
}

// --- Zones ---

static void a_zone_read_again_changes_what_is_not_planned_yet(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    const struct zone *old, *new;
    assert_int_equal(zone_find("Europe/Paris", &old, NULL), ERR_OK);
    assert_int_equal(zone_find("Asia/Kolkata", &new, NULL), ERR_OK);
    struct command c = {.kind = COMMAND_CREATE, .job = job_of("0 0 12 * * *"), .zone = old};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    assert_int_equal(r->reply.err, ERR_OK);
    rig_run(r, 30 * MINUTE); // Noon in Paris is at 11:00Z, in Kolkata at 06:30Z the next day.
    rig_step(r, &(struct event){.kind = EVENT_ZONE, .zone_old = old, .zone_new = new});
    rig_run(r, 24 * HOUR);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].at, T0 + 20 * HOUR + 30 * MINUTE);
    rig_free(r);
}

// A release of the zone data touches many jobs: they follow in slices, and what is due goes
// between.
static void new_rules_reach_every_job_in_slices(void **state)
{
    (void)state;
    enum { ZONED = 7 };
    struct rig *r = rig_new();
    r->limits.step_max = 2;
    rig_start(r);
    const struct zone *old, *new;
    assert_int_equal(zone_find("Europe/Paris", &old, NULL), ERR_OK);
    assert_int_equal(zone_find("Asia/Kolkata", &new, NULL), ERR_OK);
    for (int i = 0; i < ZONED; i++) {
        struct command c = {.kind = COMMAND_CREATE, .job = job_of("0 0 12 * * *"), .zone = old};
        rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    }
    rig_run(r, MINUTE);
    rig_step(r, &(struct event){.kind = EVENT_ZONE, .zone_old = old, .zone_new = new});
    assert_int_equal(r->out.wake_wall, r->now.wall); // There is more to do at once.
    rig_run(r, 24 * HOUR);
    assert_int_equal(r->send_count, ZONED);
    for (int i = 0; i < ZONED; i++)
        assert_int_equal(r->sends[i].at, T0 + 20 * HOUR + 30 * MINUTE);
    rig_free(r);
}

// Noon in Paris is at 11:00Z by the rules by which the row was planned. The next life reads others,
// by which noon is at 12:00Z; a life that goes on keeps to its row.
static void a_start_with_new_rules_gives_up_the_rows_which_they_lack(void **state)
{
    (void)state;
    for (int restart = 0; restart <= 1; restart++) {
        struct rig *r = rig_started();
        const struct zone *old;
        assert_int_equal(zone_find("Europe/Paris", &old, NULL), ERR_OK);
        struct command c = {.kind = COMMAND_CREATE, .job = job_of("0 0 12 * * *"), .zone = old};
        rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
        job_id id = r->reply.job;
        rig_run(r, HOUR - SECOND);
        assert_state(r, id, T0 + HOUR, PENDING);
        if (restart) // The rig starts every job in UTC.
            rig_crash(r, 100);
        else
            rig_step(r,
                     &(struct event){.kind = EVENT_ZONE, .zone_old = old, .zone_new = zone_utc()});
        rig_run(r, 2 * SECOND);
        assert_int_equal(r->send_count, restart ? 0 : 1);
        struct execution e = rig_row(r, id, T0 + HOUR);
        assert_int_equal(e.state == EXECUTION_CANCELLED, restart);
        rig_run(r, HOUR);
        assert_int_equal(r->sends[r->send_count - 1].key.scheduled_at, T0 + 2 * HOUR);
        rig_free(r);
    }
}

// The client's request was checked by the old rules, and its command comes when all jobs have the
// new ones.
static void a_command_that_was_checked_by_old_rules_gets_the_new_ones(void **state)
{
    (void)state;
    const struct zone *old, *new;
    assert_int_equal(zone_find("Europe/Paris", &old, NULL), ERR_OK);
    assert_int_equal(zone_find("Asia/Tokyo", &new, NULL), ERR_OK);
    struct rig *r = rig_started();
    rig_step(r, &(struct event){.kind = EVENT_ZONE, .zone_old = old, .zone_new = new});
    rig_tick(r);
    struct command c = {.kind = COMMAND_CREATE, .job = job_of("0 0 12 * * *"), .zone = old};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    assert_int_equal(r->reply.err, ERR_OK);
    job_id id = r->reply.job;
    rig_run(r, 24 * HOUR);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].at, T0 + 17 * HOUR); // Noon in Tokyo is at 03:00Z.
    c = (struct command){
        .kind = COMMAND_UPDATE, .id = id, .job = job_of("0 0 13 * * *"), .zone = old};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    rig_run(r, 24 * HOUR);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(r->sends[1].at, T0 + 42 * HOUR);
    rig_free(r);
}

// --- The audit ---

// The only entry in what is not durable yet.
static const struct audit_entry *entry_of(const struct rig *r)
{
    const struct audit_entry *found = NULL;
    for (size_t i = 0; i < r->out.batch->count; i++) {
        if (r->out.batch->changes[i].kind != CHANGE_AUDIT)
            continue;
        assert_null(found);
        found = &r->out.batch->changes[i].audit;
    }
    return found;
}

static void command_that_is_carried_out_is_recorded_with_its_effects(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    rig_record(r);
    char address[] = "192.0.2.7";
    struct audit_entry entry = {.by = {.address = address}, .action = AUDIT_JOB_TRIGGER};
    struct command c = {.kind = COMMAND_TRIGGER, .id = id, .audit = &entry};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    memset(address, 'x', sizeof address - 1); // The texts were copied.
    assert_int_equal(r->reply.err, ERR_OK);
    const struct audit_entry *e = entry_of(r);
    char execution[EXECUTION_ID_BYTES];
    execution_id_format(&r->reply.key, execution);
    assert_int_equal(e->id, 0);
    assert_int_equal(e->at, r->now.wall);
    assert_int_equal(e->job, id);
    assert_int_equal(e->action, AUDIT_JOB_TRIGGER);
    assert_string_equal(e->by.address, "192.0.2.7");
    assert_string_equal(e->subject, execution);
    rig_crash(r, 100); // As little is there of the entry as of the execution.
    assert_int_equal(rig_changes(r, CHANGE_AUDIT), 0);
    rig_free(r);
}

static void command_that_is_refused_is_not_recorded(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_planned(&id);
    struct audit_entry entry = {.action = AUDIT_JOB_DELETE};
    const struct command refused[] = {
        {.kind = COMMAND_DELETE, .id = id + 1, .audit = &entry},
        {.kind = COMMAND_DELETE, .id = id, .version_expected = 7, .audit = &entry},
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct command c = refused[i];
        rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
        assert_int_not_equal(r->reply.err, ERR_OK);
    }
    struct command never = {.kind = COMMAND_CREATE,
                            .job = job_of("2020-01-01T00:00:00Z"),
                            .zone = zone_utc(),
                            .audit = &entry};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &never});
    assert_int_equal(r->reply.err, ERR_RANGE);
    assert_null(entry_of(r));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_that_was_checked_by_old_rules_gets_the_new_ones),
        cmocka_unit_test(creating_inside_the_lookahead_plans_in_the_batch_of_the_change),
        cmocka_unit_test(the_instant_of_creation_is_not_owed_and_the_next_is),
        cmocka_unit_test(a_new_job_gets_its_number_version_and_times),
        cmocka_unit_test(ids_are_never_given_twice),
        cmocka_unit_test(paused_before_the_instant_it_is_cancelled_at_the_instant),
        cmocka_unit_test(paused_and_resumed_before_the_instant_it_fires),
        cmocka_unit_test(a_resumption_that_is_not_durable_sends_nothing),
        cmocka_unit_test(resumed_after_the_instant_it_stays_cancelled),
        cmocka_unit_test(paused_after_the_instant_before_the_request_it_is_cancelled),
        cmocka_unit_test(a_pause_ends_what_waits_for_its_retry),
        cmocka_unit_test(a_pause_with_an_end_resumes_by_itself),
        cmocka_unit_test(an_instant_after_the_end_of_a_pause_is_owed_however_late_it_is_seen),
        cmocka_unit_test(an_instant_inside_a_pause_is_not_owed_however_late_it_is_seen),
        cmocka_unit_test(an_update_inside_the_lookahead_swaps_the_schedules_at_once),
        cmocka_unit_test(an_update_plans_the_new_schedule_up_to_the_watermark),
        cmocka_unit_test(there_and_back_again_fires_once),
        cmocka_unit_test(an_instant_of_both_schedules_fires_once),
        cmocka_unit_test(an_update_settles_what_the_old_version_still_owed),
        cmocka_unit_test(a_new_policy_replans_nothing),
        cmocka_unit_test(a_version_begins_with_what_decides_and_with_nothing_else),
        cmocka_unit_test(a_bad_schedule_changes_nothing),
        cmocka_unit_test(a_refused_update_plans_nothing),
        cmocka_unit_test(a_finished_job_given_a_new_instant_goes_on),
        cmocka_unit_test(a_version_that_is_not_the_current_one_is_a_conflict),
        cmocka_unit_test(unknown_jobs_are_not_found),
        cmocka_unit_test(limits_are_ordinary_errors),
        cmocka_unit_test(the_texts_of_all_jobs_are_bounded_and_can_always_become_shorter),
        cmocka_unit_test(a_deleted_job_has_its_planned_rows_cancelled_in_the_same_batch),
        cmocka_unit_test(deleted_while_flying_the_result_is_recorded_and_not_retried),
        cmocka_unit_test(deletion_reaches_every_phase),
        cmocka_unit_test(a_trigger_runs_at_once_under_a_key_of_its_own),
        cmocka_unit_test(a_trigger_works_on_a_paused_job_and_retries_there),
        cmocka_unit_test(triggers_never_share_a_key),
        cmocka_unit_test(a_zone_read_again_changes_what_is_not_planned_yet),
        cmocka_unit_test(new_rules_reach_every_job_in_slices),
        cmocka_unit_test(a_start_with_new_rules_gives_up_the_rows_which_they_lack),
        cmocka_unit_test(command_that_is_carried_out_is_recorded_with_its_effects),
        cmocka_unit_test(command_that_is_refused_is_not_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
