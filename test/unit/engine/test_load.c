// SPDX-License-Identifier: MIT
// test_load.c: a start takes over what the last life left: sound jobs go on, of those that cannot
// be used the reason is told, no id is given twice, and what was missed is planned.

#include "../../contract/shard_rows.h"
#include "base/metrics.h"
#include "engine_test.h"

#include <stdio.h>
#include <string.h>

static struct job *stored_job(job_id id, const char *schedule, const char *zone)
{
    struct job *j = rig_job(schedule);
    j->id = id;
    j->version = 1;
    job_set_text(&j->timezone, zone);
    return j;
}

static void put_job(struct batch *b, struct job *j)
{
    batch_add(b, CHANGE_JOB_PUT)->job = j;
}

static void put_execution(struct batch *b, int64_t id, wall_ms at)
{
    batch_add(b, CHANGE_EXECUTION_INSERT)->execution =
        (struct execution){.id = id, .key = {.job = 1, .scheduled_at = at}};
}

// The next ids of the row of the shard are what a test wants them to be.
static struct batch *last_life(wall_ms watermark)
{
    struct batch *b = batch_new(1);
    struct shard *row = shard_row(b, 0);
    row->watermark = watermark;
    row->job_next = row->execution_next = row->alert_next = 1;
    return b;
}

static void store_it(struct batch *b)
{
    struct fault f = {0};
    if (shard_rows_commit(rig.inner, &b, 1, &f))
        fail_msg("%s", f.text);
    batch_free(b);
}

static enum err trigger(job_id id)
{
    struct answer a;
    const struct command c = {.kind = COMMAND_TRIGGER, .id = id};
    assert_int_equal(rig_submit(&c, &a), ERR_OK);
    rig_wait_for(&a);
    return a.reply.err;
}

static char reasons[4][JOB_REASON_BYTES]; // Reasons of the jobs, by their ids.

static enum err note_reason(void *context, const struct job *j)
{
    (void)context;
    snprintf(reasons[j->id], sizeof reasons[j->id], "%s", j->paused_reason ? j->paused_reason : "");
    return ERR_OK;
}

static void jobs_that_cannot_be_used_are_paused_with_the_reason(void **state)
{
    (void)state;
    struct batch *b = last_life(clock_wall_ms());
    put_job(b, stored_job(1, "@yearly", "UTC"));
    put_job(b, stored_job(2, "61 * * * *", "UTC"));
    put_job(b, stored_job(3, "@yearly", "Europe/Atlantis"));
    store_it(b);
    assert_true(rig_start());
    rig_wait_for_alerts(2);
    assert_int_equal(trigger(1), ERR_OK);
    assert_int_equal(trigger(2), ERR_UNUSABLE);
    assert_int_equal(trigger(3), ERR_UNUSABLE);
    assert_int_equal(engine_status(rig.engine).core.jobs, 3);
    rig_stop();
    const struct store_slice all = {.limit = SIZE_MAX};
    struct store_reader *r;
    assert_int_equal(store_reader_open(rig.inner, &r, NULL), ERR_OK);
    assert_int_equal(store_load_jobs(r, &all, note_reason, NULL, NULL), ERR_OK);
    store_reader_close(r);
    assert_string_equal(reasons[1], "");
    assert_non_null(strstr(reasons[2], "its schedule cannot be used: "));
    assert_non_null(strstr(reasons[3], "its time zone cannot be used: "));
    assert_non_null(strstr(reasons[3], "Europe/Atlantis"));
}

// The numbers in the row of the shard say 1, as after an edit by hand.
static void an_id_that_is_taken_is_not_given_again(void **state)
{
    (void)state;
    int64_t recovered = metric_get(METRIC_executions_recovered);
    struct batch *b = last_life(clock_wall_ms());
    put_job(b, stored_job(1, "@yearly", "UTC"));
    put_job(b, stored_job(7, "@yearly", "UTC"));
    put_execution(b, 41, clock_wall_ms());
    store_it(b);
    assert_true(rig_start());
    assert_int_equal(metric_get(METRIC_executions_recovered), recovered + 1);
    assert_int_equal(rig_create("@yearly"), 8);
    rig_trigger(8);
    rig_stop();
    struct last_ids last;
    struct store_reader *r;
    assert_int_equal(store_reader_open(rig.inner, &r, NULL), ERR_OK);
    assert_int_equal(store_read_last_ids(r, 0, &last, NULL), ERR_OK);
    store_reader_close(r);
    assert_int_equal(last.job, 8);
    assert_int_equal(last.execution, 42);
}

// An hour of downtime, and a job that runs each second and catches nothing up.
static void what_was_missed_is_counted_by_its_occurrences(void **state)
{
    (void)state;
    int64_t missed = metric_get(METRIC_executions_missed);
    int64_t caught_up = metric_get(METRIC_executions_caught_up);
    struct batch *b = last_life(clock_wall_ms() - 3600000);
    struct job *j = stored_job(1, "* * * * * *", "UTC");
    j->catch_up = CATCH_UP_NONE;
    put_job(b, j);
    store_it(b);
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    rig_wait_for_sends(1);
    rig_stop();
    const char *log = rig_read_log();
    assert_non_null(strstr(log, "engine.started jobs=1 active=1 unfinished=0 watermark=\""));
    assert_non_null(strstr(log, "engine.caught_up planned="));
    assert_true(metric_get(METRIC_executions_missed) - missed >= 3500);
    assert_int_equal(metric_get(METRIC_executions_caught_up), caught_up);
}

static void a_first_start_is_behind_nothing(void **state)
{
    (void)state;
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    rig_stop();
    const char *log = rig_read_log();
    assert_non_null(strstr(log, "engine.started jobs=0 active=0 unfinished=0 watermark=\"none\" "
                                "behind_ms=0 epoch=1 shards=1\n"));
    assert_null(strstr(log, "engine.caught_up"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST_STORE(jobs_that_cannot_be_used_are_paused_with_the_reason),
        RIG_TEST_STORE(an_id_that_is_taken_is_not_given_again),
        RIG_TEST_STORE(what_was_missed_is_counted_by_its_occurrences),
        RIG_TEST_STORE(a_first_start_is_behind_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
