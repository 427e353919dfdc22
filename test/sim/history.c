// SPDX-License-Identifier: MIT
// history.c: versions of jobs, in the order in which they became durable.

#include "history.h"

#include "slow_cron.h"

#include <stdio.h>

void history_fini(struct history *h)
{
    for (size_t i = 0; i < h->job_count; i++)
        free(h->jobs[i].versions);
    free(h->jobs);
    free(h->triggers);
}

void history_add(struct history *h, job_id id, const struct version *v)
{
    while ((job_id)h->job_count < id) {
        h->jobs = grow(h->jobs, h->job_count, &h->job_capacity, sizeof *h->jobs);
        h->jobs[h->job_count++] = (struct job_history){0};
    }
    struct job_history *j = &h->jobs[id - 1];
    j->versions = grow(j->versions, j->count, &j->capacity, sizeof *j->versions);
    j->versions[j->count++] = *v;
}

void history_add_trigger(struct history *h, const struct execution_key *key)
{
    h->triggers = grow(h->triggers, h->trigger_count, &h->trigger_capacity, sizeof *h->triggers);
    h->triggers[h->trigger_count++] = *key;
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

bool history_owes(const struct history *h, job_id id, wall_ms at)
{
    const struct version *held = NULL;
    for (size_t i = 0; id <= (job_id)h->job_count && i < h->jobs[id - 1].count; i++)
        if (h->jobs[id - 1].versions[i].at < at)
            held = &h->jobs[id - 1].versions[i];
    if (!held || at <= version_owes_from(held))
        return false;
    struct slow_cron s;
    slow_cron_read(&s, held->schedule, held->paris);
    return slow_cron_fires(&s, at / 1000);
}

struct job *version_job(const struct version *v)
{
    struct job *j = job_new();
    char api[32];
    snprintf(api, sizeof api, "http://%c.test/", v->host);
    job_set_text(&j->api, api);
    job_set_text(&j->schedule, v->schedule);
    job_set_text(&j->timezone, v->paris ? "Europe/Paris" : "UTC");
    j->is_active = v->active;
    j->paused_until = v->paused_until;
    j->type = v->type;
    j->catch_up = v->catch_up;
    j->catch_up_window_s = v->catch_up_window_s;
    j->max_retries = v->max_retries;
    j->max_in_flight = v->max_in_flight;
    j->timeout_ms = v->timeout_ms;
    return j;
}
