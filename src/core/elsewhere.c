// SPDX-License-Identifier: MIT
// elsewhere.c: attempts that are under way at the node which had the shard before.
//
// A node that gives a shard back does not wait for its flights: their rows say who has them and
// until when, and the new owner leaves them alone. Each counts against the limits and for overlap
// as a flight of its own would. The node that has it tells how it ended by a command, and it ends
// as one of ours. When nothing is heard in time, the execution goes on as after a crash.

#include "core/core_priv.h"

#include <assert.h>

static bool is_under_way(const struct open *o)
{
    return o->record.state == EXECUTION_RUNNING && !o->record.damaged && o->record.held_until > 0;
}

// Executions before it were replaced when it was begun.
static void replace_earlier(const struct open *o)
{
    for (struct open *other = o->job->first_open; other; other = other->job_next)
        if (other->phase == PHASE_ELSEWHERE && other->record.key.series >= 0 &&
            other->record.id < o->record.id)
            other->replaced = true;
}

// Before anything else of the shard goes on, so that it takes its places before others get them.
// When nobody had the shard for a while, the command that tells of the outcome has waited as long.
void core__elsewhere_loaded(struct core *c, struct open *o)
{
    if (!is_under_way(o))
        return;
    if (o->job->policy->overlap == OVERLAP_REPLACE && o->record.key.series >= 0)
        replace_earlier(o);
    bool is_late = o->record.trigger == TRIGGER_CATCH_UP || core__is_replay(o);
    o->lane = is_late ? LANE_CATCH_UP : LANE_FRESH;
    o->retried = o->record.retry_count > 0;
    if (o->job->host) { // Else the job is gone.
        core__gates_take(c, o);
        c->counted_elsewhere++;
    }
    dur_ms wait = MAX(o->record.held_until - c->now.wall, OUTCOME_TELL_MS);
    wait = MIN(wait, JOB_MAX(timeout_ms) + OUTCOME_TELL_MS); // The clock may have gone back.
    core__enter_until(c, o, PHASE_ELSEWHERE, c->now.mono + wait);
}

// Whether a later one of its job, which replaces it, is under way.
bool core__is_replaced_elsewhere(const struct open *o)
{
    if (o->job->policy->overlap != OVERLAP_REPLACE || o->record.key.series < 0)
        return false;
    for (const struct open *other = o->job->first_open; other; other = other->job_next)
        if (other->phase == PHASE_ELSEWHERE && other->record.key.series >= 0 &&
            other->record.id > o->record.id)
            return true;
    return false;
}

// The attempt is nobody's any more, and its places are those of any attempt that has ended.
void core__come_back(struct core *c, struct open *o)
{
    assert(o->phase == PHASE_ELSEWHERE && c->counted_elsewhere >= (o->host != NULL));
    c->counted_elsewhere -= o->host != NULL;
    free(o->held_by);
    o->held_by = NULL;
    o->record.held_by = NULL;
    o->record.held_until = 0;
}

// The execution that waits for this attempt to end; NULL: none does.
static struct open *find_among(const struct core_job *j, const struct attempt *a)
{
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (o->record.id == a->execution_id)
            return o->phase == PHASE_ELSEWHERE && o->record.attempts == a->number ? o : NULL;
    return NULL;
}

static struct open *find(struct core *c, job_id job, const struct attempt *a)
{
    const struct core_job *j = core__job_find(c, job);
    struct open *o = j ? find_among(j, a) : NULL;
    return o ? o : find_among(&c->nobody, a);
}

bool core_awaits(struct core *c, job_id job, const struct attempt *a)
{
    return find(c, job, a) != NULL;
}

enum err core__outcome_elsewhere(struct core *c, const struct command *cmd)
{
    struct open *o = find(c, cmd->id, &cmd->outcome->attempt);
    if (!o)
        return ERR_NOT_FOUND;
    core__come_back(c, o);
    core__attempt_ended(c, o, cmd->outcome);
    return ERR_OK;
}

// A queue's turn is kept, or the next ones would overtake. Commands of a shard are claimed when it
// has settled, so nothing was heard before.
static void give_up(struct core *c, struct open *o)
{
    if (!core__shard_is_settled(core__shard_of(c, o->record.key.job))) {
        core__enter_until(c, o, PHASE_ELSEWHERE, c->now.mono + OUTCOME_TELL_MS);
        return;
    }
    bool keeps_turn = o->job->policy->overlap == OVERLAP_QUEUE && o->host;
    core__come_back(c, o);
    if (core__is_completed(o)) {
        core__conclude_completed(c, o);
        return;
    }
    if (o->replaced) {
        core__cancel(c, o, "replaced by the next execution");
        return;
    }
    core__gates_release(c, o, keeps_turn ? 1 : 0);
    core__recover(c, o);
}

void core__elsewhere_due(struct core *c)
{
    size_t done = 0;
    struct agenda_node *n;
    while (!c->draining && done++ < c->limits.due_max && agenda_next(c->elsewhere) <= c->now.mono &&
           (n = agenda_first(c->elsewhere)))
        give_up(c, core__open_of(n));
    c->more |= agenda_next(c->elsewhere) <= c->now.mono;
}

// When the shard goes, so does what was known of the attempt.
void core__forget_elsewhere(struct core *c, struct open *o)
{
    if (o->phase == PHASE_ELSEWHERE)
        c->counted_elsewhere -= o->host != NULL;
}
