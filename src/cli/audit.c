// SPDX-License-Identifier: MIT
// audit.c: walks along what was owed and what was recorded, both in order of time.
//
// A job with max_runs owes its first runs after a version began, and no more: what was missed does
// not count as a run, so there may be more records than that, but never fewer.

#include "cli/audit_priv.h"

#include <assert.h>

static wall_ms corrected_at(const struct audit *a)
{
    return a->progress.shard.corrected_at;
}

// After the clock was corrected, the same instants have new keys: older ones say nothing.
static bool counts(const struct audit *a, const struct store_record *r, wall_ms at)
{
    return at <= corrected_at(a) || r->series == a->progress.shard.generation;
}

static void enter_span(struct audit *a)
{
    if (a->span_at == a->span_count)
        return;
    const struct job_version *v = a->spans[a->span_at].version;
    a->runs_left = v->max_runs ? v->max_runs - MIN(v->runs, v->max_runs) : UINT32_MAX;
}

// The first occurrence after `after` that the versions from the present one on have.
static wall_ms next_planned(struct audit *a, wall_ms after)
{
    for (; a->span_at < a->span_count; a->span_at++, enter_span(a)) {
        const struct job_span *s = &a->spans[a->span_at];
        wall_ms next =
            a->runs_left ? job_span_next(s, after, a->progress.shard.watermark) : WALL_NEVER;
        if (next == WALL_NEVER)
            continue;
        a->runs_left -= s->version->max_runs > 0;
        return next;
    }
    return WALL_NEVER;
}

// Runs are counted from the beginning of a version, so the search cannot begin behind that.
static wall_ms search_from(const struct audit *a, wall_ms after)
{
    bool counted = a->span_at < a->span_count && a->spans[a->span_at].version->max_runs;
    return counted ? after : MAX(after, a->progress.removed_to);
}

static void move_on(struct audit *a)
{
    do
        a->owed = next_planned(a, search_from(a, a->owed));
    while (a->owed <= a->progress.removed_to);
    a->totals.occurrences += a->owed != WALL_NEVER;
}

void audit_job_begin(struct audit *a, const struct job_span *spans, size_t count,
                     const struct store_progress *p)
{
    a->spans = spans;
    a->span_count = count;
    a->progress = *p;
    a->range_count = a->range_at = a->span_at = 0;
    a->totals.jobs++;
    a->owed = -1;
    enter_span(a);
    move_on(a);
}

static bool is_missed(struct audit *a)
{
    while (a->range_at < a->range_count && a->ranges[a->range_at].missed_to < a->owed)
        a->range_at++;
    for (size_t i = a->range_at; i < a->range_count && a->ranges[i].scheduled_at <= a->owed; i++)
        if (a->owed <= a->ranges[i].missed_to && counts(a, &a->ranges[i], a->owed))
            return true;
    return false;
}

// What was owed before `at` has no row.
static void settle_before(struct audit *a, wall_ms at)
{
    for (; a->owed < at; move_on(a)) {
        if (is_missed(a))
            continue;
        a->totals.gaps++;
        a->gap(a->context, a->spans->version->job, a->owed);
    }
}

void audit_record(struct audit *a, const struct store_record *r)
{
    if (r->missed_to) {
        a->ranges = grow(a->ranges, a->range_count, &a->range_capacity, sizeof *a->ranges);
        a->ranges[a->range_count++] = *r;
        a->totals.missed_ranges++;
        return;
    }
    a->totals.rows++;
    settle_before(a, r->scheduled_at);
    if (a->owed == r->scheduled_at && counts(a, r, a->owed))
        move_on(a);
}

void audit_job_end(struct audit *a)
{
    settle_before(a, WALL_NEVER);
}

void audit_fini(struct audit *a)
{
    free(a->ranges);
}
