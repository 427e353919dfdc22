// SPDX-License-Identifier: MIT
// test_audit.c: every occurrence that a job owed is found, and every one without a record is said.

#include "cli/audit_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define T0 1893456000000 // 2030-01-01T00:00:00Z
#define MINUTE 60000LL
#define AT(minute) (T0 + (minute)*MINUTE)

struct world {
    struct job_versions versions;
    struct job_span *spans;
    struct store_progress progress;
    struct audit audit;
    char gaps[256]; // "3 5 " : the minutes.
};

static void note_gap(void *context, job_id job, wall_ms at)
{
    struct world *w = context;
    assert_int_equal(job, 7);
    size_t used = strlen(w->gaps);
    snprintf(w->gaps + used, sizeof w->gaps - used, "%lld ", (long long)(at - T0) / MINUTE);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->progress.shard.watermark = AT(10);
    w->audit = (struct audit){.gap = note_gap, .context = w};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    free(w->spans);
    job_versions_fini(&w->versions);
    audit_fini(&w->audit);
    free(w);
    return 0;
}

// A version with an occurrence at every full minute.
static struct job_version *version(struct world *w, wall_ms from_at, enum job_phase phase)
{
    static char schedule[] = "* * * * *";
    static char timezone[] = "UTC";
    struct job_version v = {.job = 7,
                            .number = 1,
                            .from_at = from_at,
                            .end_at = WALL_NEVER,
                            .schedule = schedule,
                            .timezone = timezone,
                            .phase = (uint8_t)phase};
    job_versions_add(&w->versions, &v);
    return &w->versions.rows[w->versions.count - 1];
}

static void begin(struct world *w)
{
    assert_int_equal(job_spans_new(&w->versions, &w->spans), ERR_OK);
    for (size_t i = 0; i < w->versions.count; i++)
        w->spans[i].zone = zone_utc();
    audit_job_begin(&w->audit, w->spans, w->versions.count, &w->progress);
}

static void record(struct world *w, wall_ms at, int64_t series)
{
    audit_record(&w->audit, &(struct store_record){.scheduled_at = at, .series = series});
}

static void range(struct world *w, wall_ms from, wall_ms to, int64_t series)
{
    audit_record(&w->audit, &(struct store_record){from, to, series});
}

static void rows(struct world *w, int first, int last)
{
    for (int minute = first; minute <= last; minute++)
        record(w, AT(minute), 0);
}

static void end(struct world *w, const char *gaps, uint64_t occurrences)
{
    audit_job_end(&w->audit);
    assert_string_equal(w->gaps, gaps);
    assert_int_equal(w->audit.totals.occurrences, occurrences);
}

// From the creation, which is not owed, to the watermark, which is.
static void a_whole_ledger_has_no_gap(void **state)
{
    struct world *w = *state;
    version(w, AT(0), JOB_ACTIVE);
    begin(w);
    rows(w, 1, 10);
    end(w, "", 10);
    assert_int_equal(w->audit.totals.rows, 10);
    assert_int_equal(w->audit.totals.jobs, 1);
    assert_int_equal(w->audit.totals.gaps, 0);
}

static void each_missing_row_is_a_gap(void **state)
{
    struct world *w = *state;
    version(w, AT(0), JOB_ACTIVE);
    begin(w);
    rows(w, 2, 4);
    rows(w, 7, 8);
    end(w, "1 5 6 9 10 ", 10);
    assert_int_equal(w->audit.totals.gaps, 5);
}

static void a_job_without_any_row_is_all_gaps(void **state)
{
    struct world *w = *state;
    version(w, AT(7), JOB_ACTIVE);
    begin(w);
    end(w, "8 9 10 ", 3);
}

// What was planned by an earlier version and cancelled stays in the ledger: more is no fault.
static void rows_that_nothing_owes_are_no_gaps(void **state)
{
    struct world *w = *state;
    version(w, AT(8), JOB_ACTIVE);
    begin(w);
    record(w, AT(2), 0);
    record(w, AT(9) - 1000, 0);
    rows(w, 9, 12);
    end(w, "", 2);
}

static void a_missed_range_accounts_for_what_lies_in_it(void **state)
{
    struct world *w = *state;
    version(w, AT(0), JOB_ACTIVE);
    begin(w);
    range(w, AT(2), AT(4), 0);
    range(w, AT(6), AT(6), 0);
    record(w, AT(1), 0);
    record(w, AT(2), 0); // The rows of the ranges themselves.
    record(w, AT(6), 0);
    rows(w, 8, 10);
    end(w, "5 7 ", 10);
    assert_int_equal(w->audit.totals.missed_ranges, 2);
}

static void a_pause_owes_nothing_and_what_follows_does(void **state)
{
    struct world *w = *state;
    version(w, AT(0), JOB_ACTIVE);
    version(w, AT(3), JOB_PAUSED);
    version(w, AT(7), JOB_ACTIVE);
    version(w, AT(9), JOB_DELETED);
    begin(w);
    rows(w, 1, 2);
    record(w, AT(9), 0);
    end(w, "3 8 ", 5);
}

static void another_schedule_owes_other_instants(void **state)
{
    struct world *w = *state;
    version(w, AT(0), JOB_ACTIVE);
    struct job_version *v = version(w, AT(4), JOB_ACTIVE);
    free(v->schedule);
    v->schedule = xstrdup("*/5 * * * *");
    begin(w);
    rows(w, 1, 5);
    end(w, "10 ", 6);
}

static void retention_is_not_asked_for(void **state)
{
    struct world *w = *state;
    w->progress.removed_to = AT(6);
    version(w, AT(0), JOB_ACTIVE);
    begin(w);
    record(w, AT(3), 0); // Not everything of that time need have gone.
    rows(w, 8, 10);
    end(w, "7 ", 4);
}

static void bounds_of_the_job_hold(void **state)
{
    struct world *w = *state;
    struct job_version *v = version(w, AT(0), JOB_ACTIVE);
    v->start_at = AT(4);
    v->end_at = AT(6);
    begin(w);
    rows(w, 4, 5);
    end(w, "6 ", 3);
}

// Two of five runs were used up before; of what retention has passed, runs were used up, too.
static void max_runs_are_owed_and_no_more(void **state)
{
    struct world *w = *state;
    struct job_version *v = version(w, AT(0), JOB_ACTIVE);
    v->max_runs = 5;
    v->runs = 2;
    w->progress.removed_to = AT(1);
    begin(w);
    record(w, AT(2), 0);
    end(w, "3 ", 2);
}

static void a_version_whose_runs_are_used_up_owes_nothing(void **state)
{
    struct world *w = *state;
    struct job_version *v = version(w, AT(0), JOB_ACTIVE);
    v->max_runs = v->runs = 5;
    v->runs++;
    version(w, AT(9), JOB_ACTIVE);
    begin(w);
    end(w, "10 ", 1);
}

// The clock was ahead until minute 5, then set right. Later instants are owed once more, under the
// keys of the new generation.
static void a_corrected_clock_owes_later_instants_again(void **state)
{
    struct world *w = *state;
    w->progress.shard.generation = 1;
    w->progress.shard.corrected_at = AT(5);
    version(w, AT(0), JOB_ACTIVE);
    begin(w);
    range(w, AT(3), AT(8), 0); // When the clock jumped ahead.
    rows(w, 1, 3);
    record(w, AT(6), 1);
    record(w, AT(7), 0);
    record(w, AT(9), 0);
    record(w, AT(9), 1);
    record(w, AT(10), 1);
    end(w, "7 8 ", 10);
}

static void many_jobs_add_up(void **state)
{
    struct world *w = *state;
    version(w, AT(0), JOB_ACTIVE);
    for (int i = 0; i < 3; i++) {
        begin(w);
        range(w, AT(1), AT(2), 0);
        rows(w, 1, 1);
        rows(w, 3, 9);
        audit_job_end(&w->audit);
        free(w->spans);
        w->spans = NULL;
    }
    assert_string_equal(w->gaps, "10 10 10 ");
    assert_int_equal(w->audit.totals.jobs, 3);
    assert_int_equal(w->audit.totals.occurrences, 30);
    assert_int_equal(w->audit.totals.gaps, 3);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_ledger_has_no_gap),
        TEST(each_missing_row_is_a_gap),
        TEST(a_job_without_any_row_is_all_gaps),
        TEST(rows_that_nothing_owes_are_no_gaps),
        TEST(a_missed_range_accounts_for_what_lies_in_it),
        TEST(a_pause_owes_nothing_and_what_follows_does),
        TEST(another_schedule_owes_other_instants),
        TEST(retention_is_not_asked_for),
        TEST(bounds_of_the_job_hold),
        TEST(max_runs_are_owed_and_no_more),
        TEST(a_version_whose_runs_are_used_up_owes_nothing),
        TEST(a_corrected_clock_owes_later_instants_again),
        TEST(many_jobs_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
