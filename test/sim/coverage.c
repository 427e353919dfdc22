// SPDX-License-Identifier: MIT
// coverage.c: I2, after every commit: up to the watermark, each occurrence has a row, or a MISSED
// range covers it.
//
// Each instant is looked at once, when the watermark passes it, and once more when a change of the
// job reaches back behind the watermark. What a generation owed when it ended is left to the
// checker at the end.

#include "world.h"

static void check_instant(struct world *w, job_id job, const struct version *v, wall_ms at)
{
    struct owed o = {.series = v->series, .at = at, .version = v};
    struct execution_key key = {.job = job, .scheduled_at = at, .series = v->series};
    if (ledger_find(&w->ledger, &key) || ledger_missed(&w->ledger, &key) ||
        account_is_excused(w, job, &o))
        return;
    char time[RFC3339_BYTES];
    wall_format(at, time);
    trace_fail(&w->trace, "I2: job %lld (%s) has no record for %s, and the watermark is past it",
               (long long)job, v->schedule, time);
}

static void cover_version(struct world *w, job_id job, size_t index)
{
    struct job_history *j = &w->history.jobs[job - 1];
    const struct version *v = &j->versions[index];
    if (!v->active)
        return; // The end of its pause, when it comes, is a version of its own.
    wall_ms from = MAX(version_owes_from(v), j->covered_to);
    wall_ms until = version_ends(j, index, ledger_shard(&w->ledger, job)->row.watermark);
    while ((from = version_next(v, from, until)) != WALL_NEVER && !w->trace.failed)
        check_instant(w, job, v, from);
}

static void cover_job(struct world *w, job_id job)
{
    struct job_history *j = &w->history.jobs[job - 1];
    const struct shard *p = &ledger_shard(&w->ledger, job)->row;
    if (j->covered_series != p->generation) {
        j->covered_series = p->generation;
        j->covered_to = 0;
    }
    for (size_t i = j->covered_index; i < j->count; i++)
        if (j->versions[i].series == p->generation)
            cover_version(w, job, i);
    j->covered_to = MAX(j->covered_to, p->watermark);
    while (j->covered_index + 1 < j->count &&
           version_ends(j, j->covered_index, WALL_NEVER) <= j->covered_to)
        j->covered_index++;
}

void coverage_check(struct world *w)
{
    struct history *h = &w->history;
    size_t living = 0;
    for (size_t i = 0; i < h->living_count && !w->trace.failed; i++) {
        cover_job(w, h->living[i]);
        h->living[living] = h->living[i];
        living += history_is_live(h, h->living[i]);
    }
    h->living_count = living;
}
