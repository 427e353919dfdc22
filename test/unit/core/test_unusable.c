// SPDX-License-Identifier: MIT
// test_unusable.c: a job that a start cannot use is inactive, says why, and harms no other.

#include "core_test.h"

#include "base/memory.h"

// Two jobs of every minute; the row of the first is edited while the server is down.
static struct rig *rig_with_edited(job_id *edited, job_id *sound)
{
    struct rig *r = rig_started();
    *edited = rig_create(r, job_of("* * * * *"));
    *sound = rig_create(r, job_of("* * * * *"));
    rig_record(r);
    rig_run(r, 90 * SECOND);
    for (size_t i = 0; i < r->send_count; i++)
        rig_answer(r, i, 200);
    rig_record(r);
    r->edited = *edited;
    return r;
}

static void an_unusable_job_is_inactive_with_a_reason_and_one_alert(void **state)
{
    (void)state;
    job_id edited, sound;
    struct rig *r = rig_with_edited(&edited, &sound);
    size_t rows = rig_rows(r, edited);
    size_t sound_rows = rig_rows(r, sound);
    for (int life = 0; life < 3; life++) {
        rig_crash(r, 10 * MINUTE);
        rig_run(r, 90 * SECOND);
        struct job *j = rig_job(r, edited);
        assert_false(j->is_active || j->finished);
        assert_string_equal(j->paused_reason, "it was edited");
        job_free(j);
        assert_int_equal(rig_alerts(r, edited, ALERT_JOB_UNUSABLE), 1);
    }
    assert_int_equal(rig_rows(r, edited), rows);
    assert_true(rig_rows(r, sound) >= sound_rows + 30);
    assert_int_equal(rig_alerts(r, sound, ALERT_JOB_UNUSABLE), 0);
    rig_free(r);
}

// What it would have owed after its last row cannot be computed, so its pause begins there.
static void the_pause_of_an_unusable_job_begins_where_its_rows_end(void **state)
{
    (void)state;
    job_id edited, sound;
    struct rig *r = rig_with_edited(&edited, &sound);
    wall_ms planned = core_status(r->core).watermark;
    rig_crash(r, 10 * MINUTE);
    struct job *j = rig_job(r, edited);
    assert_true(planned <= j->effective_from && j->effective_from <= planned + 1);
    assert_int_equal(j->version, 2);
    job_free(j);
    rig_free(r);
}

static void an_unusable_job_that_was_paused_stays_as_it_is(void **state)
{
    (void)state;
    job_id edited, sound;
    struct rig *r = rig_with_edited(&edited, &sound);
    assert_int_equal(rig_pause(r, edited, WALL_NEVER), ERR_OK);
    rig_record(r);
    rig_crash(r, MINUTE);
    struct job *j = rig_job(r, edited);
    assert_int_equal(j->version, 2);
    job_free(j);
    assert_int_equal(rig_alerts(r, edited, ALERT_JOB_UNUSABLE), 0);
    rig_free(r);
}

static void the_pause_of_an_unusable_job_does_not_end(void **state)
{
    (void)state;
    job_id edited, sound;
    struct rig *r = rig_with_edited(&edited, &sound);
    assert_int_equal(rig_pause(r, edited, r->now.wall + MINUTE), ERR_OK);
    rig_record(r);
    rig_crash(r, 10 * SECOND);
    rig_run(r, 5 * MINUTE);
    struct job *j = rig_job(r, edited);
    assert_false(j->is_active);
    assert_true(j->paused_until == WALL_NEVER);
    job_free(j);
    assert_int_equal(rig_alerts(r, edited, ALERT_JOB_UNUSABLE), 1);
    rig_free(r);
}

// Neither what is to come nor what was under way, nor what a client asked for.
static void nothing_of_an_unusable_job_is_sent(void **state)
{
    (void)state;
    job_id edited, sound;
    struct rig *r = rig_with_edited(&edited, &sound);
    assert_int_equal(rig_trigger(r, edited, NULL), ERR_OK);
    int64_t number = -r->reply.key.series;
    rig_record(r);
    size_t sends = r->send_count;
    assert_int_equal(r->sends[sends - 1].key.job, edited);
    rig_crash(r, SECOND);
    rig_run(r, 3 * MINUTE);
    for (size_t i = sends; i < r->send_count; i++)
        assert_int_equal(r->sends[i].key.job, sound);
    struct execution e;
    assert_true(rig_find_manual(r, edited, number, &e));
    assert_int_equal(e.state, EXECUTION_CANCELLED);
    assert_string_equal(e.reason, "the job cannot be used");
    assert_int_equal(rig_trigger(r, edited, NULL), ERR_UNUSABLE);
    rig_free(r);
}

static void an_update_puts_an_unusable_job_right(void **state)
{
    (void)state;
    job_id edited, sound;
    struct rig *r = rig_with_edited(&edited, &sound);
    rig_crash(r, 10 * MINUTE);
    rig_record(r);
    size_t rows = rig_rows(r, edited);
    assert_int_equal(rig_update(r, edited, job_of("* * * * *")), ERR_OK);
    rig_record(r);
    assert_int_equal(rig_trigger(r, edited, NULL), ERR_OK);
    rig_record(r);
    rig_run(r, 90 * SECOND);
    assert_true(rig_rows(r, edited) >= rows + 2);
    r->edited = 0;
    rig_crash(r, SECOND);
    assert_int_equal(rig_alerts(r, edited, ALERT_JOB_UNUSABLE), 1);
    rig_free(r);
}

static void an_unusable_job_can_be_deleted(void **state)
{
    (void)state;
    job_id edited, sound;
    struct rig *r = rig_with_edited(&edited, &sound);
    rig_crash(r, 10 * MINUTE);
    assert_int_equal(rig_delete(r, edited), ERR_OK);
    rig_record(r);
    assert_int_equal(rig_trigger(r, edited, NULL), ERR_NOT_FOUND);
    assert_int_equal(core_status(r->core).jobs, 1);
    rig_free(r);
}

// --- Too many --------------------------------------------------------------------------------

static void jobs_beyond_the_limit_are_inactive_with_one_alert_in_all(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id ids[5];
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        ids[i] = rig_create(r, job_of("* * * * *"));
    rig_record(r);
    r->limits.jobs_max = 2;
    rig_crash(r, MINUTE);
    rig_record(r);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct job *j = rig_job(r, ids[i]);
        assert_int_equal(j->is_active, i < 2);
        if (i >= 2)
            assert_string_equal(j->paused_reason, "the server allows only 2 jobs (jobs_max)");
        job_free(j);
        assert_int_equal(rig_alerts(r, ids[i], ALERT_JOB_UNUSABLE), 0);
    }
    assert_int_equal(rig_alerts(r, 0, ALERT_JOB_UNUSABLE), 1);
    rig_free(r);
}

static void a_job_beyond_the_limit_becomes_active_when_there_is_room(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id first = rig_create(r, job_of("@yearly"));
    job_id second = rig_create(r, job_of("@yearly"));
    rig_record(r);
    r->limits.jobs_max = 1;
    rig_crash(r, MINUTE);
    rig_record(r);
    assert_int_equal(rig_update(r, second, job_of("@yearly")), ERR_LIMIT);
    assert_int_equal(rig_delete(r, first), ERR_OK);
    rig_record(r);
    assert_int_equal(rig_update(r, second, job_of("@yearly")), ERR_OK);
    assert_int_equal(core_status(r->core).jobs_active, 1);
    rig_free(r);
}

// --- Rows --------------------------------------------------------------------------------------

// Whether it was sent is as little known as the rest of its row.
static void an_execution_whose_row_is_damaged_fails(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("@yearly"));
    assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    int64_t number = -r->reply.key.series;
    rig_record(r);
    size_t sends = r->send_count;
    r->damaged = "its row is damaged: status";
    rig_crash(r, SECOND);
    struct execution e;
    assert_true(rig_find_manual(r, id, number, &e));
    assert_int_equal(e.state, EXECUTION_FAILED);
    assert_string_equal(e.error, r->damaged);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 1);
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, sends);
    rig_free(r);
}

// By hand somebody made a finished job active again: then it is not finished.
static void an_active_job_is_not_finished(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->core = core_new(&r->limits);
    rig_step(r, &(struct event){.kind = EVENT_SHARD_GAINED, .shard = {.job_next = 2}});
    struct job *j = job_of("* * * * *");
    j->id = 1;
    j->version = 1;
    j->finished = true;
    assert_int_equal(core_add_job(r->core, j, zone_utc()), ERR_OK);
    job_free(j);
    rig_step(r, &(struct event){.kind = EVENT_SHARD_LOADED});
    rig_record(r);
    rig_run(r, 90 * SECOND);
    assert_true(rig_rows(r, 1) > 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unusable_job_is_inactive_with_a_reason_and_one_alert),
        cmocka_unit_test(the_pause_of_an_unusable_job_begins_where_its_rows_end),
        cmocka_unit_test(an_unusable_job_that_was_paused_stays_as_it_is),
        cmocka_unit_test(the_pause_of_an_unusable_job_does_not_end),
        cmocka_unit_test(nothing_of_an_unusable_job_is_sent),
        cmocka_unit_test(an_update_puts_an_unusable_job_right),
        cmocka_unit_test(an_unusable_job_can_be_deleted),
        cmocka_unit_test(jobs_beyond_the_limit_are_inactive_with_one_alert_in_all),
        cmocka_unit_test(a_job_beyond_the_limit_becomes_active_when_there_is_room),
        cmocka_unit_test(an_execution_whose_row_is_damaged_fails),
        cmocka_unit_test(an_active_job_is_not_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
