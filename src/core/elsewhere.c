// SPDX-License-Identifier: MIT
// elsewhere.c: attempts that are under way at the node which had the shard before.
//
// A node that gives a shard back does not wait for its flights: their rows say who has them and
// until when, and the new owner leaves them alone. Each counts against the limits and for overlap
// as a flight of its own would. The node that has it tells how it ended by a command, and it ends
// as one of ours. When nothing is heard in time, the execution goes on as after a crash.

#include "core/core_priv.h"

#include <assert.h>

bool core__is_elsewhere(const struct core *c, const struct open *o)
{
    return o->phase == PHASE_LOADED && !o->record.damaged && o->record.state == EXECUTION_RUNNING &&
           o->record.held_until > c->now.wall;
}

void core__await_elsewhere(struct core *c, struct open *o)
{
    assert(core__is_elsewhere(c, o));
    o->lane = LANE_FRESH;
    o->retried = o->record.retry_count > 0;
    if (o->job->host) { // Else the job is gone.
        core__gates_take(c, o);
        c->counted_elsewhere++;
    }
    core__enter_until(c, o, PHASE_ELSEWHERE, o->record.held_until);
}

// The attempt is nobody's any more, and its places are those of any attempt that has ended.
static void come_back(struct core *c, struct open *o)
{
    assert(o->phase == PHASE_ELSEWHERE && c->counted_elsewhere >= (o->host != NULL));
    c->counted_elsewhere -= o->host != NULL;
    free(o->held_by);
    o->held_by = NULL;
    o->record.held_by = NULL;
    o->record.held_until = 0;
}

static struct open *find(const struct core_job *j, const struct attempt *a)
{
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (o->record.id == a->execution_id)
            return o->phase == PHASE_ELSEWHERE && o->record.attempts == a->number ? o : NULL;
    return NULL;
}

enum err core__outcome_elsewhere(struct core *c, const struct command *cmd)
{
    const struct core_job *j = core__job_find(c, cmd->id);
    struct open *o = find(j ? j : &c->nobody, &cmd->outcome->attempt);
    if (!o)
        return ERR_NOT_FOUND;
    come_back(c, o);
    core__attempt_ended(c, o, cmd->outcome);
    return ERR_OK;
}

// A queue's turn is kept, or the next ones would overtake.
static void give_up(struct core *c, struct open *o)
{
    bool keeps_turn = o->job->policy->overlap == OVERLAP_QUEUE && o->host;
    come_back(c, o);
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
    while (!c->draining && done++ < c->limits.due_max && agenda_next(c->elsewhere) <= c->now.wall &&
           (n = agenda_first(c->elsewhere)))
        give_up(c, core__open_of(n));
    c->more |= agenda_next(c->elsewhere) <= c->now.wall;
}

// When the shard goes, so does what was known of the attempt.
void core__forget_elsewhere(struct core *c, struct open *o)
{
    if (o->phase == PHASE_ELSEWHERE)
        c->counted_elsewhere -= o->host != NULL;
}
