// SPDX-License-Identifier: MIT
// test_judge.c: why a job did or did not run at an instant, for every kind of answer.
//
// One job, created on 2030-01-01 at 00:00 with an occurrence at every full hour, on the day on
// which it is 12:00. Retention has come as far as 02:00; the planner is 1.5 s ahead.

#include "service/service_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MIDNIGHT 1893456000000 // 2030-01-01T00:00:00Z
#define HOUR 3600000LL
#define AT(hour) (MIDNIGHT + (wall_ms)((hour)*HOUR))
#define NOON AT(12)

struct world {
    struct job_versions versions;
    struct job_span *spans;
    struct explain_facts facts;
    struct execution execution;
    struct explanation out;
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->facts = (struct explain_facts){
        .now = NOON,
        .progress = {.shard = {.watermark = NOON + 1500}, .removed_to = AT(2)},
    };
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    free(w->out.reason);
    free(w->spans);
    job_versions_fini(&w->versions);
    free(w);
    return 0;
}

// A version of the job from this hour on; the caller may change it.
static struct job_version *version(struct world *w, double hour, enum job_phase phase)
{
    static char schedule[] = "0 * * * *";
    static char timezone[] = "UTC";
    struct job_version v = {
        .job = 7,
        .number = (int64_t)w->versions.count + 1,
        .from_at = AT(hour),
        .end_at = WALL_NEVER,
        .paused_until = WALL_NEVER,
        .schedule = schedule,
        .timezone = timezone,
        .phase = (uint8_t)phase,
    };
    job_versions_add(&w->versions, &v);
    return &w->versions.rows[w->versions.count - 1];
}

static struct execution *row(struct world *w, double hour, enum execution_state state)
{
    w->execution = (struct execution){.id = 1,
                                      .key = {.job = 7, .scheduled_at = AT(hour)},
                                      .state = (uint8_t)state,
                                      .attempts = 1};
    w->facts.execution = &w->execution;
    return &w->execution;
}

static const struct explanation *judge(struct world *w, double hour)
{
    free(w->spans);
    free(w->out.reason);
    w->out = (struct explanation){0};
    assert_int_equal(job_spans_new(&w->versions, &w->spans), ERR_OK);
    for (size_t i = 0; i < w->versions.count; i++)
        w->spans[i].zone = zone_utc();
    w->facts.spans = w->spans;
    w->facts.span_count = w->versions.count;
    w->facts.at = AT(hour);
    service__judge(&w->facts, &w->out);
    assert_true(w->out.detail[0]);
    assert_int_equal(w->out.at, AT(hour));
    return &w->out;
}

static void check(struct world *w, double hour, enum explain_verdict expected)
{
    const struct explanation *e = judge(w, hour);
    if (e->verdict != expected)
        fail_msg("at %g: %s (%s), not %s", hour, explain_verdict_name(e->verdict), e->detail,
                 explain_verdict_name(expected));
}

static void check_says(const struct world *w, const char *words)
{
    if (!strstr(w->out.detail, words))
        fail_msg("\"%s\" does not say \"%s\"", w->out.detail, words);
}

// --- With a row ----------------------------------------------------------------------------------

static const struct {
    enum execution_state state;
    enum explain_verdict verdict;
    const char *error;
    const char *reason;
    const char *words;
} rows[] = {
    {EXECUTION_SUCCESS, EXPLAIN_RAN, NULL, NULL, "succeeded after 1 attempt"},
    {EXECUTION_FAILED, EXPLAIN_RAN, "connection refused", NULL,
     "failed after 1 attempt: connection refused"},
    {EXECUTION_RUNNING, EXPLAIN_RAN, NULL, NULL, "attempt 1 is under way"},
    {EXECUTION_PENDING, EXPLAIN_WAITING, NULL, NULL, "it is due"},
    {EXECUTION_SKIPPED, EXPLAIN_SKIPPED, NULL, "execution 7-1 was not over", "7-1 was not over"},
    {EXECUTION_CANCELLED, EXPLAIN_CANCELLED, NULL, "the job was paused", "the job was paused"},
    {EXECUTION_MISSED, EXPLAIN_MISSED, NULL, "older than the catch-up window", "catch-up window"},
};

static void a_row_says_what_became_of_it(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct execution *e = row(w, 9, rows[i].state);
        e->error = rows[i].error;
        e->reason = rows[i].reason;
        check(w, 9, rows[i].verdict);
        check_says(w, rows[i].words);
    }
}

static void a_retry_to_come_is_said(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    struct execution *e = row(w, 12, EXECUTION_RUNNING);
    e->attempts = 2;
    e->next_attempt_at = NOON + 2500;
    check(w, 12, EXPLAIN_RAN);
    check_says(w, "after 2 attempts the next one follows at 2030-01-01T12:00:02.500Z");
}

static void the_limit_that_holds_back_a_due_execution_is_said(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    row(w, 12, EXECUTION_PENDING);
    w->facts.store_stalled = ERR_BUSY;
    check(w, 12, EXPLAIN_WAITING);
    check_says(w, "another program holds the database");
    w->facts.store_stalled = ERR_STORE_FULL;
    check(w, 12, EXPLAIN_WAITING);
    check_says(w, "the disk is full");
    w->facts.store_stalled = ERR_OK;
    w->facts.draining = true;
    check(w, 12, EXPLAIN_WAITING);
    check_says(w, "started again");
    w->facts.draining = false;
    w->execution.due_at = NOON + 400;
    check(w, 12, EXPLAIN_PLANNED);
    check_says(w, "jitter");
}

static void a_host_where_nothing_answers_is_named(void **state)
{
    struct world *w = *state;
    struct host_down down = {.since = AT(11), .origin = "dead.test:81"};
    version(w, 0, JOB_ACTIVE);
    w->facts.down = &down;
    struct execution *e = row(w, 12, EXECUTION_PENDING);
    check(w, 12, EXPLAIN_WAITING);
    check_says(w, "waits: nothing answers at dead.test:81 since 2030-01-01T11:00:00Z");
    assert_int_equal(w->out.since, AT(11));
    e->state = EXECUTION_RUNNING;
    e->next_attempt_at = NOON;
    check(w, 12, EXPLAIN_WAITING);
    check_says(w, "its next attempt is due, and waits: nothing answers at dead.test:81");
    e->next_attempt_at = NOON + 1;
    check(w, 12, EXPLAIN_RAN);
    e->state = EXECUTION_SUCCESS; // What is over is over, whatever its host does now.
    check(w, 12, EXPLAIN_RAN);
}

static void a_rate_that_is_waited_for_is_named(void **state)
{
    struct world *w = *state;
    struct host_paced paced = {.rate = 5, .waiting = 3, .origin = "slow.test:80"};
    version(w, 0, JOB_ACTIVE);
    w->facts.paced = &paced;
    struct execution *e = row(w, 12, EXECUTION_PENDING);
    check(w, 12, EXPLAIN_WAITING);
    check_says(w, "waits: requests to slow.test:80 leave at 5 a second (max_rate_per_host), and 3 "
                  "executions wait there");
    e->state = EXECUTION_RUNNING;
    e->next_attempt_at = NOON;
    check(w, 12, EXPLAIN_WAITING);
    check_says(w, "its next attempt is due, and waits: requests to slow.test:80");
    e->next_attempt_at = NOON + 1;
    check(w, 12, EXPLAIN_RAN);
}

// A row is planned a little ahead; when the job is paused before its instant, it will not run.
static void a_planned_row_counts_only_while_it_is_owed(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    row(w, 13, EXECUTION_PENDING);
    check(w, 13, EXPLAIN_PLANNED);
    version(w, 12, JOB_PAUSED);
    check(w, 13, EXPLAIN_PAUSED);
    free(w->versions.rows[1].schedule);
    w->versions.rows[1].schedule = xstrdup("30 * * * *");
    w->versions.rows[1].phase = JOB_ACTIVE;
    check(w, 13, EXPLAIN_NOT_SCHEDULED);
}

// --- Without a row -------------------------------------------------------------------------------

static void an_instant_that_is_not_scheduled_has_neighbours(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    const struct explanation *e = judge(w, 9.5);
    assert_int_equal(e->verdict, EXPLAIN_NOT_SCHEDULED);
    assert_int_equal(e->previous, AT(9));
    assert_int_equal(e->next, AT(10));
    check_says(w, "\"0 * * * *\" (UTC) has no occurrence at 2030-01-01T09:30:00Z; "
                  "the one before is at 2030-01-01T09:00:00Z; "
                  "the next one is at 2030-01-01T10:00:00Z");
    e = judge(w, 0.5);
    assert_int_equal(e->previous, 0);
    assert_int_equal(e->next, AT(1));
}

// Neighbours are those which the job had or will have, whatever version they belong to.
static void neighbours_keep_to_what_the_job_was(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    version(w, 5.25, JOB_PAUSED);
    version(w, 8.25, JOB_ACTIVE);
    const struct explanation *e = judge(w, 7);
    assert_int_equal(e->verdict, EXPLAIN_PAUSED);
    assert_int_equal(e->previous, AT(5));
    assert_int_equal(e->next, AT(9));
    e = judge(w, 9);
    assert_int_equal(e->previous, AT(5));
    assert_int_equal(e->next, AT(10));
}

static void a_rare_schedule_has_a_previous_occurrence_too(void **state)
{
    struct world *w = *state;
    struct job_version *v = version(w, 0, JOB_ACTIVE);
    free(v->schedule);
    v->schedule = xstrdup("0 0 29 2 *");
    v->from_at = 0; // 1970
    const struct explanation *e = judge(w, 9.5);
    assert_int_equal(e->previous, 1835395200000); // 2028-02-29
    assert_int_equal(e->next, 1961625600000);     // 2032-02-29
}

static void before_the_first_version_there_was_no_job(void **state)
{
    struct world *w = *state;
    version(w, 3, JOB_ACTIVE);
    check(w, 3, EXPLAIN_NOT_YET_CREATED); // Owed is what comes after the creation.
    check_says(w, "2030-01-01T03:00:00Z");
    check(w, 1, EXPLAIN_NOT_YET_CREATED);
    w->versions.rows[0].number = 4; // Earlier ones have gone.
    check(w, 1, EXPLAIN_EXPIRED);
}

static void a_pause_is_told_whole(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    version(w, 8.25, JOB_PAUSED);
    struct job_version *v = version(w, 9.25, JOB_PAUSED);
    v->reason = xstrdup("the bank is closed");
    v->paused_until = AT(20);
    check(w, 10, EXPLAIN_PAUSED);
    assert_int_equal(w->out.since, AT(8.25));
    assert_int_equal(w->out.until, AT(20));
    assert_string_equal(w->out.reason, "the bank is closed");
    check_says(w, "is paused from 2030-01-01T08:15:00Z to 2030-01-01T20:00:00Z: the bank is");
    check(w, 9, EXPLAIN_PAUSED);
    assert_null(w->out.reason);
    check(w, 10.5, EXPLAIN_NOT_SCHEDULED);

    version(w, 11.5, JOB_ACTIVE);
    check(w, 10, EXPLAIN_PAUSED);
    assert_int_equal(w->out.until, AT(11.5));
    check_says(w, "was paused from");
}

static void after_the_end_nothing_is_owed(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE)->end_at = AT(14);
    check(w, 14, EXPLAIN_FUTURE);
    check(w, 15, EXPLAIN_FINISHED);
    check_says(w, "end_at, 2030-01-01T14:00:00Z");
    version(w, 9.25, JOB_FINISHED);
    check(w, 10, EXPLAIN_FINISHED);
    version(w, 10.25, JOB_DELETED);
    check(w, 11, EXPLAIN_DELETED);
    check_says(w, "2030-01-01T10:15:00Z");
    check(w, 11.5, EXPLAIN_DELETED); // Whether it would have been scheduled does not matter.
}

static void before_start_at_nothing_is_owed(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE)->start_at = AT(5);
    check(w, 4, EXPLAIN_NOT_SCHEDULED);
    check_says(w, "before its start_at, 2030-01-01T05:00:00Z; the next one is at 2030-01-01T05");
    assert_int_equal(w->out.next, AT(5));
}

static void an_instant_that_lies_ahead_is_to_come(void **state)
{
    struct world *w = *state;
    struct job_version *v = version(w, 0, JOB_ACTIVE);
    check(w, 13, EXPLAIN_FUTURE);
    v->max_runs = 20;
    w->facts.runs_left = 2;
    check(w, 14, EXPLAIN_FUTURE);
    check(w, 15, EXPLAIN_FINISHED);
    check_says(w, "all its 20 runs");
}

static void a_missed_range_covers_what_lies_in_it(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    struct execution missed = {.key = {.job = 7, .scheduled_at = AT(5)},
                               .missed_to = AT(8),
                               .missed_count = 4,
                               .state = EXECUTION_MISSED};
    w->facts.missed = &missed;
    check(w, 7, EXPLAIN_MISSED);
    assert_int_equal(w->out.since, AT(5));
    assert_int_equal(w->out.until, AT(8));
    check_says(w, "all 4 occurrences from 2030-01-01T05:00:00Z to 2030-01-01T08:00:00Z");
    check(w, 7.5, EXPLAIN_NOT_SCHEDULED);
}

static void an_instant_that_retention_has_passed_is_not_known(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    check(w, 2, EXPLAIN_EXPIRED);
    check(w, 3, EXPLAIN_LOST);
    check_says(w, "carillon doctor");
    w->versions.rows[0].max_runs = 1; // The runs were used up before.
    check(w, 3, EXPLAIN_FINISHED);
}

static void a_due_instant_that_is_not_planned_waits(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    w->facts.progress.shard.watermark = AT(10.5);
    check(w, 11, EXPLAIN_WAITING);
    check_says(w, "planning is at 2030-01-01T10:30:00Z");
    w->facts.store_stalled = ERR_BUSY;
    check(w, 11, EXPLAIN_WAITING);
    check_says(w, "another program holds the database");
    w->facts.store_stalled = ERR_STORE_FULL;
    check(w, 11, EXPLAIN_WAITING);
    check_says(w, "the disk is full");
    w->facts.store_stalled = ERR_OK;
    w->facts.draining = true;
    check(w, 11, EXPLAIN_WAITING);
    check_says(w, "started again");
}

// The clock was at 12:45 and went back to 12:00, where the job was changed.
static void a_clock_that_went_back_holds(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    w->facts.progress.shard.watermark = AT(13.25);
    check(w, 13, EXPLAIN_HELD_BY_CLOCK);
    assert_int_equal(w->out.until, AT(13.25));
    check(w, 14, EXPLAIN_FUTURE);
    struct job_version *v = version(w, 12.75, JOB_ACTIVE);
    free(v->schedule);
    v->schedule = xstrdup("*/10 * * * *");
    check(w, 12.5, EXPLAIN_HELD_BY_CLOCK);
    check_says(w, "last change holds only from 2030-01-01T12:45:00Z on");
    check(w, 12.4, EXPLAIN_NOT_SCHEDULED);
}

static void every_verdict_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (enum explain_verdict a = 0; a < EXPLAIN_VERDICTS; a++)
        for (enum explain_verdict b = 0; b < a; b++)
            assert_string_not_equal(explain_verdict_name(a), explain_verdict_name(b));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

// --- The job itself ------------------------------------------------------------------------------

static const struct explanation *judge_job(struct world *w, double hour)
{
    judge(w, hour); // Makes the versions ready.
    free(w->out.reason);
    w->out = (struct explanation){0};
    service__judge_present(&w->facts, &w->out);
    return &w->out;
}

static void a_job_is_judged_by_what_it_is_now(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    const struct explanation *e = judge_job(w, 12.5);
    assert_int_equal(e->verdict, EXPLAIN_ACTIVE);
    assert_int_equal(e->previous, AT(12));
    assert_int_equal(e->next, AT(13));

    version(w, 12.25, JOB_PAUSED)->reason = xstrdup("the bank is closed");
    e = judge_job(w, 15.5);
    assert_int_equal(e->verdict, EXPLAIN_PAUSED);
    assert_int_equal(e->since, AT(12.25));
    assert_string_equal(e->reason, "the bank is closed");
    assert_int_equal(e->previous, AT(15)); // Where it would have run.
    assert_int_equal(e->next, AT(16));

    version(w, 16.5, JOB_DELETED);
    e = judge_job(w, 20);
    assert_int_equal(e->verdict, EXPLAIN_DELETED);
    assert_int_equal(e->previous, AT(16));
    assert_int_equal(e->next, WALL_NEVER);
}

static void schedules_that_the_clock_holds_are_said_to_be(void **state)
{
    struct world *w = *state;
    version(w, 0, JOB_ACTIVE);
    w->facts.progress.shard.watermark = AT(14);
    assert_int_equal(judge_job(w, 12)->verdict, EXPLAIN_HELD_BY_CLOCK);
    assert_int_equal(w->out.until, AT(14));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_row_says_what_became_of_it),
        TEST(a_retry_to_come_is_said),
        TEST(the_limit_that_holds_back_a_due_execution_is_said),
        TEST(a_host_where_nothing_answers_is_named),
        TEST(a_rate_that_is_waited_for_is_named),
        TEST(a_planned_row_counts_only_while_it_is_owed),
        TEST(an_instant_that_is_not_scheduled_has_neighbours),
        TEST(neighbours_keep_to_what_the_job_was),
        TEST(a_rare_schedule_has_a_previous_occurrence_too),
        TEST(a_job_is_judged_by_what_it_is_now),
        TEST(schedules_that_the_clock_holds_are_said_to_be),
        TEST(before_the_first_version_there_was_no_job),
        TEST(a_pause_is_told_whole),
        TEST(after_the_end_nothing_is_owed),
        TEST(before_start_at_nothing_is_owed),
        TEST(an_instant_that_lies_ahead_is_to_come),
        TEST(a_missed_range_covers_what_lies_in_it),
        TEST(an_instant_that_retention_has_passed_is_not_known),
        TEST(a_due_instant_that_is_not_planned_waits),
        TEST(a_clock_that_went_back_holds),
        TEST(every_verdict_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
