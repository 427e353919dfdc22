// SPDX-License-Identifier: MIT
// unusable.c: jobs that a shard brings and that cannot be used: their rows were edited by hand,
// their time zone is not on this machine, or there are more of them than the server allows.
//
// One such job must not stop all others. It is kept inactive, with the reason in its row and an
// alert, until somebody puts it right or deletes it. Its pause begins where its rows end, since
// what it would have owed after that cannot be computed. What was open is cancelled: neither its
// schedule nor its request can be believed.

#include "core/core_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// A job that was to run, and why it does not; in order of id.
struct unusable {
    struct unusable *next;
    job_id job;
    char *reason; // NULL: there are too many.
};

// Equal for all of them, so that it is kept once. No active job has it.
static const struct timing no_timing;

static void remember(struct core *c, job_id id, const char *reason)
{
    struct core_shard *s = core__shard_of(c, id);
    struct unusable *u = xcalloc(1, sizeof *u);
    u->job = id;
    u->reason = xstrdup(reason);
    struct unusable **link = &s->unusable;
    if (s->unusable_last)
        link = &s->unusable_last->next;
    *link = s->unusable_last = u;
}

void core_add_unusable(struct core *c, const struct job *from, const char *reason)
{
    assert(core__shard_of(c, from->id)->state == SHARD_LOADING);
    struct job row = *from;
    row.is_active = false;
    row.paused_until = WALL_NEVER;
    struct core_job *j = core__job_insert(c, from->id);
    core__job_configure(c, j, &row, &no_timing, NULL);
    j->plan_version = 1;
    j->unusable = true;
    if (from->is_active || (!from->finished && from->paused_until != WALL_NEVER))
        remember(c, from->id, reason);
}

static void make_inactive(struct core *c, struct core_job *j, const char *reason)
{
    const struct front *f = core__shard_of(c, j->id)->front;
    wall_ms planned = f->watermark + (j->id <= f->watermark_job);
    j->version++;
    j->changed_at = j->effective_from = MAX(j->effective_from, planned);
    core__record_job_move(c, j, JOB_MOVE_NONE, reason); // An alert tells of it.
}

static void tell(struct core *c, const struct unusable *u)
{
    struct execution none = {.key = {.job = u->job}};
    core__record_alert(c, &none,
                       &(struct alert){.kind = ALERT_JOB_UNUSABLE,
                                       .last_error = u->reason,
                                       .telling = TELLING_WAITING});
}

static void tell_of_excess(struct core *c, struct core_shard *s, uint64_t count)
{
    char reason[96];
    snprintf(reason, sizeof reason, "the server allows only %lu (jobs_max)",
             (unsigned long)c->limits.jobs_max);
    core__record_server_alert(
        c, s,
        &(struct alert){.kind = ALERT_JOB_UNUSABLE, .count = (int64_t)count, .last_error = reason});
}

void core__unusable_settle(struct core *c, struct core_shard *s)
{
    char excess[96];
    uint64_t excess_count = 0;
    snprintf(excess, sizeof excess, "the server allows only %lu jobs (jobs_max)",
             (unsigned long)c->limits.jobs_max);
    for (const struct unusable *u = s->unusable; u; u = u->next) {
        struct core_job *j = core__job_find(c, u->job);
        make_inactive(c, j, u->reason ? u->reason : excess);
        if (u->reason)
            tell(c, u);
        else
            excess_count++;
    }
    if (excess_count > 0)
        tell_of_excess(c, s, excess_count);
    core__unusable_free(s);
}

void core__unusable_free(struct core_shard *s)
{
    while (s->unusable) {
        struct unusable *next = s->unusable->next;
        free(s->unusable->reason);
        free(s->unusable);
        s->unusable = next;
    }
    s->unusable_last = NULL;
}
