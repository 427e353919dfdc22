// SPDX-License-Identifier: MIT
// test_life.c: what is counted and logged of an execution while it lives, and how the engine ends
// with attempts under way.

#include "engine/engine_priv.h"
#include "engine_test.h"

#include "base/metrics.h"
#include "zones/zones.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// How much a metric has grown since the test began.
static int64_t before[METRICS];

static void begin_count(void)
{
    for (enum metric m = 0; m < METRICS; m++)
        before[m] = metric_get(m);
}

static int64_t grown(enum metric m)
{
    return metric_get(m) - before[m];
}

static uint64_t observed(enum histogram h)
{
    struct histogram_values v;
    histogram_get(h, &v);
    return v.count;
}

static void assert_said(const char *log, const char *words)
{
    if (!strstr(log, words))
        fail_msg("the log does not say \"%s\":\n%s", words, log);
}

static size_t times_said(const char *log, const char *words)
{
    size_t count = 0;
    while ((log = strstr(log, words)))
        count++, log += strlen(words);
    return count;
}

// --- Counted -------------------------------------------------------------------------------------

static void a_success_is_counted(void **state)
{
    (void)state;
    begin_count();
    uint64_t attempts = observed(HISTOGRAM_attempt_duration), late = observed(HISTOGRAM_lateness);
    rig_trigger(rig_create("@yearly"));
    rig_answer(1, 200);
    rig_stop();
    assert_int_equal(grown(METRIC_triggers), 1);
    assert_int_equal(grown(METRIC_attempts_started), 1);
    assert_int_equal(grown(METRIC_executions_succeeded), 1);
    assert_int_equal(grown(METRIC_executions_planned), 0);
    assert_int_equal(grown(METRIC_executions_failed), 0);
    assert_int_equal(grown(METRIC_attempts_failed), 0);
    assert_int_equal(grown(METRIC_alerts_raised), 0);
    assert_int_equal(observed(HISTOGRAM_attempt_duration), attempts + 1);
    assert_int_equal(observed(HISTOGRAM_lateness), late); // Nobody was late for a trigger.
}

static job_id create_without_retries(void)
{
    struct answer a;
    struct job *j = rig_job("@yearly");
    j->max_retries = 0;
    const struct command create = {.kind = COMMAND_CREATE, .job = j, .zone = zone_utc()};
    assert_int_equal(rig_submit(&create, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_OK);
    job_free(a.row);
    return a.reply.job;
}

static void a_failure_is_counted_and_raises_its_alert(void **state)
{
    (void)state;
    begin_count();
    rig_trigger(create_without_retries());
    rig_end_attempt(1, OUTCOME_LOST, 0, "connection reset");
    rig_wait_for_alerts(1);
    rig_stop();
    assert_int_equal(grown(METRIC_attempts_started), 1);
    assert_int_equal(grown(METRIC_attempts_failed), 1);
    assert_int_equal(grown(METRIC_executions_failed), 1);
    assert_int_equal(grown(METRIC_executions_succeeded), 0);
    assert_int_equal(grown(METRIC_alerts_raised), 1);
}

// The clock of the machine decides when the second comes; the test waits for the request.
static void an_occurrence_is_counted_with_how_late_it_was(void **state)
{
    (void)state;
    begin_count();
    uint64_t late = observed(HISTOGRAM_lateness);
    rig_create("* * * * * *");
    rig_answer(1, 200);
    rig_stop();
    assert_true(grown(METRIC_executions_planned) >= 1);
    assert_int_equal(grown(METRIC_executions_succeeded), 1);
    assert_int_equal(grown(METRIC_triggers), 0);
    assert_int_equal(grown(METRIC_executions_caught_up), 0);
    assert_int_equal(observed(HISTOGRAM_lateness), late + 1);
}

// Two attempts are under way, and the status says so.
static void send_two(void)
{
    struct engine *e = rig.engine;
    job_id id = rig_create("@yearly");
    rig_trigger(id);
    rig_trigger(id);
    rig_wait_for_sends(2);
    pthread_mutex_lock(&e->lock);
    while (e->status.core.in_flight < 2)
        pthread_cond_wait(&e->turned, &e->lock);
    pthread_mutex_unlock(&e->lock);
}

static void what_is_under_way_shows_in_the_gauges(void **state)
{
    (void)state;
    send_two();
    assert_int_equal(metric_get(METRIC_attempts_in_flight), 2);
    assert_int_equal(metric_get(METRIC_jobs), 1);
    assert_int_equal(metric_get(METRIC_jobs_active), 1);
    assert_int_equal(metric_get(METRIC_executions_open), 2);
    assert_true(metric_get(METRIC_watermark) > 0);
}

// --- Held ----------------------------------------------------------------------------------------

static struct engine_status wait_until_held(void)
{
    struct engine *e = rig.engine;
    pthread_mutex_lock(&e->lock);
    while (e->status.held_at == 0)
        pthread_cond_wait(&e->turned, &e->lock);
    pthread_mutex_unlock(&e->lock);
    return engine_status(e);
}

// Two attempts are held within the minute in which that is told once.
static void an_attempt_that_was_held_is_told_once_and_made_later(void **state)
{
    (void)state;
    begin_count();
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    job_id id = rig_create("@yearly");
    rig_trigger(id);
    rig_trigger(id);
    rig_end_attempt(1, OUTCOME_HELD, 0, "no descriptors are left");
    rig_end_attempt(2, OUTCOME_HELD, 0, "no descriptors are left");
    struct engine_status s = wait_until_held();
    rig_wait_for_sends(4);
    rig_answer(3, 200);
    rig_answer(4, 200);
    rig_stop();
    const char *log = rig_read_log();
    assert_string_equal(s.held_by, "no descriptors are left");
    assert_int_equal(times_said(log, "dispatch.held"), 1);
    assert_said(log, "dispatch.held error=\"no descriptors are left\"");
    assert_int_equal(grown(METRIC_attempts_held), 2);
    assert_int_equal(grown(METRIC_attempts_failed), 0);
    assert_int_equal(grown(METRIC_executions_succeeded), 2);
}

// --- Logged --------------------------------------------------------------------------------------

static void an_execution_is_traced_without_the_query_of_its_url(void **state)
{
    (void)state;
    struct answer a;
    struct job *j = rig_job("@yearly");
    rig_keep_log(LOG_LEVEL_DEBUG);
    assert_true(rig_start());
    job_set_text(&j->api, "http://a/path?token=secret#part");
    const struct command create = {.kind = COMMAND_CREATE, .job = j, .zone = zone_utc()};
    assert_int_equal(rig_submit(&create, &a), ERR_OK);
    rig_wait_for(&a);
    job_free(a.row);
    rig_trigger(a.reply.job);
    rig_answer(1, 204);
    rig_stop();
    const char *log = rig_read_log();
    assert_said(log, "attempt.started job_id=1 execution_id=\"1-");
    assert_said(log, " attempt=1 method=\"POST\" url=\"http://a/path\"\n");
    assert_said(log, "attempt.ended job_id=1 execution_id=\"1-");
    assert_said(log, " attempt=1 http_status=204 ms=17 error=\"\"\n");
    assert_said(log, "execution.ended job_id=1 execution_id=\"1-");
    assert_said(log, " status=\"SUCCESS\" ");
    assert_said(log, " attempts=1 error=\"\"\n");
    assert_int_equal(times_said(log, "secret"), 0);
}

static void an_execution_is_not_traced_unless_debug_asks_for_it(void **state)
{
    (void)state;
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    rig_trigger(rig_create("@yearly"));
    rig_answer(1, 200);
    rig_stop();
    const char *log = rig_read_log();
    assert_int_equal(times_said(log, "attempt."), 0);
    assert_int_equal(times_said(log, "execution."), 0);
}

// The one run of the job comes with the next second, and then its schedule can fire no more.
static void a_job_that_has_finished_is_logged(void **state)
{
    (void)state;
    struct answer a;
    struct job *j = rig_job("* * * * * *");
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    j->max_runs = 1;
    const struct command create = {.kind = COMMAND_CREATE, .job = j, .zone = zone_utc()};
    assert_int_equal(rig_submit(&create, &a), ERR_OK);
    rig_wait_for(&a);
    job_free(a.row);
    rig_answer(1, 200);
    rig_stop();
    const char *log = rig_read_log();
    assert_int_equal(times_said(log, "job.finished"), 1);
    assert_said(log, "job.finished job_id=1 version=");
    assert_said(log, " reason=\"its schedule can fire no more\"\n");
}

// --- Zones ---------------------------------------------------------------------------------------

// `name` has the rules of a zone of the system from now on.
static void copy_zone(const char *folder, const char *name, const char *system)
{
    char from[64], to[64], temporary[64], bytes[8192];
    snprintf(from, sizeof from, "/usr/share/zoneinfo/%s", system);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    snprintf(temporary, sizeof temporary, "%s/new", folder);
    FILE *in = fopen(from, "rbe"), *out = fopen(temporary, "wbe");
    assert_true(in && out);
    size_t count = fread(bytes, 1, sizeof bytes, in);
    assert_int_equal(fwrite(bytes, 1, count, out), count);
    fclose(in);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(temporary, to), 0);
}

// Only one of the zones that jobs use has new rules.
static void zones_with_new_rules_are_told_and_others_are_not(void **state)
{
    (void)state;
    char folder[] = "/tmp/carillon-zones-XXXXXX", path[64];
    const char *const names[] = {"Here", "There"};
    assert_non_null(mkdtemp(folder));
    zone_directory_set(folder);
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct answer a;
        struct command create = {.kind = COMMAND_CREATE, .job = rig_job("@yearly")};
        copy_zone(folder, names[i], "Europe/Paris");
        job_set_text(&create.job->timezone, names[i]);
        assert_int_equal(zone_find(names[i], &create.zone, NULL), ERR_OK);
        assert_int_equal(rig_submit(&create, &a), ERR_OK);
        rig_wait_for(&a);
        assert_int_equal(a.reply.err, ERR_OK);
        job_free(a.row);
    }
    copy_zone(folder, "Here", "Asia/Tokyo");
    assert_int_equal(zone_refresh(NULL), 1);
    engine_zones_changed(rig.engine);
    rig_stop();
    const char *log = rig_read_log();
    assert_said(log, "zone.changed timezone=\"Here\"\n");
    assert_int_equal(times_said(log, "zone.changed"), 1);
    zone_directory_set("/usr/share/zoneinfo");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

// --- The end -------------------------------------------------------------------------------------

static void a_drain_without_time_counts_what_is_left(void **state)
{
    (void)state;
    send_two();
    assert_int_equal(engine_drain(rig.engine, 0), 2);
}

// Answers the attempt once the engine drains.
static void *answer_late(void *unused)
{
    struct engine *e = rig.engine;
    pthread_mutex_lock(&e->lock);
    while (!e->status.core.draining)
        pthread_cond_wait(&e->turned, &e->lock);
    pthread_mutex_unlock(&e->lock);
    rig_answer(1, 200);
    return unused;
}

static void a_drain_waits_for_the_attempts_under_way(void **state)
{
    (void)state;
    pthread_t other;
    begin_count();
    rig_trigger(rig_create("@yearly"));
    rig_wait_for_sends(1);
    assert_int_equal(pthread_create(&other, NULL, answer_late, NULL), 0);
    assert_int_equal(engine_drain(rig.engine, 3600000), 0);
    pthread_join(other, NULL);
    rig_stop();
    assert_int_equal(grown(METRIC_executions_succeeded), 1);
}

static void the_attempt_of_a_job_that_is_deleted_goes_on(void **state)
{
    (void)state;
    struct answer a;
    begin_count();
    job_id id = rig_create("@yearly");
    rig_trigger(id);
    rig_wait_for_sends(1);
    const struct command delete = {.kind = COMMAND_DELETE, .id = id};
    assert_int_equal(rig_submit(&delete, &a), ERR_OK);
    rig_wait_for(&a);
    rig_answer(1, 200);
    rig_stop();
    assert_int_equal(rig.cancels, 0);
    assert_int_equal(grown(METRIC_executions_succeeded), 1);
}

// The shard's attempt is cancelled, its outcome counts for nobody, and commands are refused.
static void a_shard_that_is_lost_takes_its_attempts_along(void **state)
{
    (void)state;
    struct answer a;
    begin_count();
    job_id id = rig_create("@yearly");
    rig_trigger(id);
    rig_wait_for_sends(1);
    engine_shard_lost(rig.engine, 0);
    const struct command trigger = {.kind = COMMAND_TRIGGER, .id = id};
    assert_int_equal(rig_submit(&trigger, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_AWAY);
    rig_answer(1, 200);
    rig_stop();
    assert_int_equal(rig.cancels, 1);
    assert_int_equal(grown(METRIC_executions_succeeded), 0);
}

static void nothing_is_sent_until_there_is_a_lease_again(void **state)
{
    (void)state;
    job_id id = rig_create("@yearly");
    engine_lease(rig.engine, clock_mono_ms());
    rig_trigger(id); // Durable, so that it could have been sent.
    pthread_mutex_lock(&rig.lock);
    assert_int_equal(rig.sends, 0);
    pthread_mutex_unlock(&rig.lock);
    engine_lease(rig.engine, MONO_NEVER);
    rig_wait_for_sends(1);
    rig_answer(1, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_success_is_counted),
        RIG_TEST(a_failure_is_counted_and_raises_its_alert),
        RIG_TEST(an_occurrence_is_counted_with_how_late_it_was),
        RIG_TEST(what_is_under_way_shows_in_the_gauges),
        RIG_TEST_STORE(an_attempt_that_was_held_is_told_once_and_made_later),
        RIG_TEST_STORE(an_execution_is_traced_without_the_query_of_its_url),
        RIG_TEST_STORE(an_execution_is_not_traced_unless_debug_asks_for_it),
        RIG_TEST_STORE(a_job_that_has_finished_is_logged),
        RIG_TEST_STORE(zones_with_new_rules_are_told_and_others_are_not),
        RIG_TEST(a_drain_without_time_counts_what_is_left),
        RIG_TEST(a_drain_waits_for_the_attempts_under_way),
        RIG_TEST(the_attempt_of_a_job_that_is_deleted_goes_on),
        RIG_TEST(a_shard_that_is_lost_takes_its_attempts_along),
        RIG_TEST(nothing_is_sent_until_there_is_a_lease_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
