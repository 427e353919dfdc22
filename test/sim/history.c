// SPDX-License-Identifier: MIT
// history.c: versions of jobs, in the order in which they became durable.

#include "history.h"

#include "almanac.h"

#include <stdio.h>

void history_fini(struct history *h)
{
    for (size_t i = 0; i < h->job_count; i++)
        free(h->jobs[i].versions);
    free(h->jobs);
    free(h->triggers);
    free(h->living);
}

void history_add(struct history *h, job_id id, const struct version *v)
{
    while ((job_id)h->job_count < id) {
        h->jobs = grow(h->jobs, h->job_count, &h->job_capacity, sizeof *h->jobs);
        h->jobs[h->job_count++] = (struct job_history){0};
    }
    struct job_history *j = &h->jobs[id - 1];
    if (j->count == 0) {
        h->living = grow(h->living, h->living_count, &h->living_capacity, sizeof *h->living);
        h->living[h->living_count++] = id;
    }
    j->versions = grow(j->versions, j->count, &j->capacity, sizeof *j->versions);
    j->versions[j->count++] = *v;
    if (j->covered_series == v->series)
        j->covered_to = MIN(j->covered_to, v->at); // What lies behind is judged anew.
}

void history_add_trigger(struct history *h, const struct execution_key *key)
{
    h->triggers = grow(h->triggers, h->trigger_count, &h->trigger_capacity, sizeof *h->triggers);
    h->triggers[h->trigger_count++] = *key;
}

void version_correct(struct version *v, int64_t series, wall_ms now)
{
    v->series = series;
    v->at = v->asked_at = v->overlap_since = now;
    v->active &=
        !v->finished; // A finished job stays so, though some of its instants are to come again.
}

void history_correct(struct history *h, job_id id, int64_t series, wall_ms now)
{
    if (!history_is_live(h, id))
        return;
    struct version v = *history_last(h, id);
    version_correct(&v, series, now);
    history_add(h, id, &v);
}

const struct version *history_last(const struct history *h, job_id id)
{
    if (id < 1 || id > (job_id)h->job_count || h->jobs[id - 1].count == 0)
        return NULL;
    return &h->jobs[id - 1].versions[h->jobs[id - 1].count - 1];
}

bool history_is_live(const struct history *h, job_id id)
{
    const struct version *v = history_last(h, id);
    return v && !v->deleted;
}

// A version owes the instants after its own; a paused one those after the end of its pause.
wall_ms version_owes_from(const struct version *v)
{
    if (v->deleted || (!v->active && v->paused_until == WALL_NEVER))
        return WALL_NEVER;
    return v->active ? v->at : MAX(v->at, v->paused_until);
}

wall_ms version_next(const struct version *v, wall_ms after, wall_ms until)
{
    after = MAX(after, v->start_at - 1);
    until = MIN(until, v->end_at);
    if (after >= until)
        return WALL_NEVER;
    int64_t second = almanac_next(v->schedule, v->paris, after / 1000, until / 1000);
    return second < 0 ? WALL_NEVER : second * 1000;
}

// A deletion ends what the versions before it owe at the clock's time, also when that has gone back
// behind them; what lies between is open.
wall_ms version_ends(const struct job_history *j, size_t index, wall_ms until)
{
    const struct version *v = &j->versions[index], *last = &j->versions[j->count - 1];
    if (last->deleted && last != v && last->series == v->series)
        until = MIN(until, last->asked_at);
    if (v == last || v[1].series != v->series)
        return until;
    return MIN(until, v[1].deleted ? v[1].asked_at : v[1].at);
}

bool history_owes(const struct history *h, const struct execution_key *key)
{
    const struct version *held = NULL;
    wall_ms at = key->scheduled_at;
    for (size_t i = 0; key->job <= (job_id)h->job_count && i < h->jobs[key->job - 1].count; i++) {
        const struct version *v = &h->jobs[key->job - 1].versions[i];
        if (v->series == key->series && v->at < at)
            held = v;
    }
    if (!held || (!held->active && held != history_last(h, key->job)))
        return false; // If its pause had ended, that would be a version of its own.
    return at > version_owes_from(held) && version_next(held, at - 1, at) == at;
}

// --- Policies ---

static const struct {
    const char *text;
    unsigned statuses[6]; // Statuses that targets answer with.
} success_sets[SUCCESS_SETS] = {
    {NULL, {200, 202}},
    {"200-299,302", {200, 202, 302}},
    {"202,404,500-599", {202, 404, 500, 503}},
    {"200,202,410", {200, 202, 410}},
};

bool version_accepts(const struct version *v, unsigned status)
{
    for (size_t i = 0; i < COUNT_OF(success_sets[0].statuses); i++)
        if (status && success_sets[v->success].statuses[i] == status)
            return true;
    return false;
}

uint32_t version_limit(const struct version *v)
{
    return v->overlap == OVERLAP_QUEUE ? 1 : v->max_in_flight;
}

struct job *version_job(const struct version *v)
{
    struct job *j = job_new();
    char api[32] = "";
    if (v->kind != JOB_HEARTBEAT)
        snprintf(api, sizeof api, "http://%c.test/", v->host);
    job_set_text(&j->api, api);
    job_set_text(&j->schedule, v->schedule);
    job_set_text(&j->timezone, v->paris ? "Europe/Paris" : "UTC");
    job_set_text(&j->success_status, success_sets[v->success].text);
    j->is_active = v->active;
    j->paused_until = v->paused_until;
    j->start_at = v->start_at;
    j->end_at = v->end_at;
    j->max_runs = v->max_runs;
#define JOB_TEXT(...)
#define JOB_OF_POLICY(member) j->member = v->member;
#include "ledger/job.def"
    return j;
}
