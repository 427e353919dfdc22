// SPDX-License-Identifier: MIT
// account.c: what a job owes, from the history of its versions alone.

#include "world.h"

#include <stdlib.h>

// Up to here there are records of a generation. The clock may have been further than where it now
// is, and a generation ended with a watermark that was perhaps not durable.
static wall_ms last_recorded(const struct account *a, int64_t series)
{
    wall_ms last = 0;
    const struct row *r = ledger_first_of(&a->w->ledger, a->job);
    for (; r; r = ledger_next_of(&a->w->ledger, r))
        if (r->e.key.series == series)
            last = MAX(last, MAX(r->e.key.scheduled_at, r->e.missed_to));
    return last;
}

static void add_owed(struct account *a, const struct version *v, wall_ms at, bool certain)
{
    a->owed = grow(a->owed, a->count, &a->capacity, sizeof *a->owed);
    a->owed[a->count++] =
        (struct owed){.series = v->series, .at = at, .certain = certain, .version = v};
}

// A version is certain up to `until`, or to the end of its generation, or to its own; what it may
// owe beyond that is only looked at where there is a record of it.
static void owe_version(struct account *a, size_t index, wall_ms until)
{
    const struct version *v = &a->history->versions[index];
    const struct durable_shard *s = ledger_shard(&a->w->ledger, a->job);
    bool is_over = v->series < s->row.generation;
    bool followed = index + 1 < a->history->count && v[1].series == v->series;
    if (!v->active && (is_over || followed))
        return; // If its pause had ended, that would be a version of its own.
    until = is_over ? s->ended[v->series] : until;
    wall_ms certain = version_ends(a->history, index, until);
    wall_ms possible = MAX(until, last_recorded(a, v->series));
    if (followed)
        possible = MIN(possible, v[1].at);
    wall_ms from = version_owes_from(v);
    for (wall_ms at = version_next(v, from, possible); at != WALL_NEVER;
         at = version_next(v, at, possible))
        add_owed(a, v, at, at <= certain);
}

void account_open(struct account *a, struct world *w, job_id job, wall_ms until)
{
    *a = (struct account){.w = w, .job = job, .history = &w->history.jobs[job - 1]};
    for (size_t i = 0; i < a->history->count; i++)
        owe_version(a, i, until);
}

void account_close(struct account *a)
{
    free(a->owed);
}

static int compare_owed(const void *key, const void *element)
{
    const struct execution_key *k = key;
    const struct owed *o = element;
    if (k->series != o->series)
        return k->series < o->series ? -1 : 1;
    return (k->scheduled_at > o->at) - (k->scheduled_at < o->at);
}

struct owed *account_find(const struct account *a, const struct execution_key *key)
{
    return a->count ? bsearch(key, a->owed, a->count, sizeof *a->owed, compare_owed) : NULL;
}

// Whether the row held one of the job's runs when this occurrence was to be planned: then it was
// planned before, and was not taken back before that. Where clocks step, rows may be planned so far
// ahead that it is not known when they were.
static bool held_run(const struct world *w, const struct row *r, const struct owed *o)
{
    const struct execution *e = &r->e;
    if (e->key.series < 0 || !r->was_planned || e->key.series > o->series)
        return false;
    if (e->key.series < o->series)
        return !row_is_returned(r);
    bool in_time =
        !row_is_returned(r) || w->clock_steps || e->completed_at >= o->at - w->limits.lookahead_ms;
    return e->key.scheduled_at < o->at && in_time;
}

bool account_is_excused(const struct world *w, job_id job, const struct owed *o)
{
    if (!o->version->max_runs)
        return false;
    uint32_t held = 0;
    const struct row *r = ledger_first_of(&w->ledger, job);
    for (; r; r = ledger_next_of(&w->ledger, r))
        held += held_run(w, r, o);
    return held >= o->version->max_runs;
}
