// SPDX-License-Identifier: MIT
// lifecycle.c: what befalls a job: its versions begin and end, it is paused and goes on, it is
// over.
//
// A client's change, a target that says it is gone and the end of a pause are the same in kind: the
// version that stands is settled, and the next one begins where it ended. A job ends when its
// schedule has no further instant and its last execution is over.

#include "core/core_priv.h"

// A job without open executions may be ready to go, or to be finished.
void core__job_settle_open(struct core *c, struct core_job *j)
{
    if (j->first_open)
        return;
    core__gate_give(c, j);
    if (j->deleted && j != &c->nobody) {
        core__job_forget(c, j);
    } else if (j->exhausted && j->active) {
        j->active = false;
        j->finished = true;
        j->version++;
        c->jobs_active--;
        core__record_job_move(c, j, JOB_MOVE_FINISHED, NULL);
    }
}

// Puts the job into the plan at its first occurrence that has no row yet.
void core__job_plan_beyond_watermark(struct core *c, struct core_job *j)
{
    if (!j->active)
        return;
    const struct front *f = core__shard_of(c, j->id)->front;
    wall_ms w = f->watermark;
    bool next_too = j->id <= f->watermark_job; // The occurrence at W + 1 has a row.
    core__plan_schedule(c, j, MAX(j->effective_from, w));
    if (next_too && j->plan.position && agenda_when(f->plan, &j->plan) == w + 1)
        core__plan_schedule(c, j, w + 1);
    core__job_settle_open(c, j);
}

void core__job_watch_pause(struct core *c, struct core_job *j)
{
    if (!j->active && j->paused_until != WALL_NEVER)
        agenda_put(c->resumes, &j->resume, j->paused_until, j->id);
    else
        agenda_remove(c->resumes, &j->resume);
}

// What the version that ends has planned beyond its end uses up none of the job's runs: whether it
// is owed is for the next version to say.
static void give_back_runs(struct core *c, struct core_job *j)
{
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (o->record.key.scheduled_at > j->effective_from)
            core__give_back_run(c, o);
}

// The new version of a job begins: its first occurrences may lie before the watermark.
void core__job_begin(struct core *c, struct core_job *j)
{
    j->plan_version++;
    j->exhausted = false;
    agenda_remove(core__shard_of(c, j->id)->front->plan, &j->plan);
    core__job_watch_pause(c, j);
    give_back_runs(c, j);
    if (!j->active)
        return;
    core__plan_schedule(c, j, j->effective_from);
    core__plan_own(c, j, j->effective_from);
    core__job_settle_open(c, j);
}

// What the version that ends does not owe, since it was paused or has another schedule than the one
// before it, stays so, however much later it was due and whatever comes after this version.
void core__job_drop_unowed(struct core *c, struct core_job *j, wall_ms until)
{
    for (struct open *o = j->first_open, *next; o; o = next) {
        next = o->job_next;
        wall_ms at = o->record.key.scheduled_at;
        const char *reason = core__not_owed(o);
        if (reason && o->phase == PHASE_PLANNED && j->changed_at < at && at <= until)
            core__cancel(c, o, reason);
    }
}

// What the version that ends still owes gets its rows; what is due now is judged as it still was.
void core__job_settle(struct core *c, struct core_job *j)
{
    core__plan_own(c, j, c->now.wall);
    core__job_judge_due(c, j, c->now.wall);
    core__job_drop_unowed(c, j, core__seen(c, j->id));
}

static bool is_stoppable(const struct core *c, const struct core_job *j, const struct open *o)
{
    bool manual = o->record.key.series < 0;
    bool planned = o->phase == PHASE_PLANNED && o->record.key.scheduled_at > c->now.wall;
    bool to_come = planned || core__is_early(c, o);
    return !core__is_at_target(o) && (j->deleted || (!manual && !to_come));
}

// No attempt of a stopped job starts any more. What is only planned is left to its instant, since
// the job may be resumed before; a deleted one cannot. All leave the gates' queues before the first
// is cancelled, so that its place does not go to the next.
void core__job_stop(struct core *c, struct core_job *j, const char *reason)
{
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (is_stoppable(c, j, o) && o->phase == PHASE_WAITING)
            core__enter_until(c, o, PHASE_ASIDE, o->record.id);
    for (struct open *o = j->first_open, *next; o; o = next) {
        next = o->job_next;
        if (is_stoppable(c, j, o))
            core__cancel(c, o, reason);
    }
}

// From where on a change holds: from now. When the clock went back, from where it was before, as
// far as there are rows: what lies there may have been carried out.
wall_ms core__job_change_begins(const struct core *c, const struct core_job *j)
{
    const struct front *f = core__shard_of(c, j->id)->front;
    wall_ms planned = f->watermark + (j->id <= f->watermark_job);
    return MAX(j->effective_from, MAX(c->now.wall, MIN(core__seen(c, j->id), planned)));
}

void core__job_pause(struct core *c, struct core_job *j, const char *reason)
{
    if (!j->active)
        return;
    if (!core__shard_is_settled(core__shard_of(c, j->id)))
        core__job_plan_beyond_watermark(
            c, j);                     // The job goes on already, and has no place in the plan.
    core__plan_own(c, j, c->now.wall); // What is due has its row, and is stopped with the others.
    core__job_drop_unowed(c, j, core__seen(c, j->id));
    c->jobs_active--;
    j->active = false;
    j->version++;
    j->changed_at = j->effective_from = core__job_change_begins(c, j);
    j->plan_version++;
    j->paused_until = WALL_NEVER;
    agenda_remove(core__shard_of(c, j->id)->front->plan, &j->plan);
    give_back_runs(c, j);
    core__record_job_move(c, j, JOB_MOVE_PAUSED, reason);
    core__job_stop(c, j, "the job was paused");
}

// Planned or loaded for an instant inside the pause: not owed, however late that is seen.
static bool fell_into_pause(const struct open *o)
{
    return !core__is_begun(o) && o->record.key.series >= 0 &&
           o->record.key.scheduled_at <= o->job->paused_until;
}

// Pauses with an end resume by themselves, at the instant that was asked for.
void core__resume_due(struct core *c)
{
    struct agenda_node *n;
    while (!c->draining && (n = agenda_pop(c->resumes, c->now.wall))) {
        struct core_job *j = (struct core_job *)((char *)n - offsetof(struct core_job, resume));
        for (struct open *o = j->first_open, *next; o; o = next) {
            next = o->job_next;
            if (fell_into_pause(o))
                core__cancel(c, o, "the job was paused");
        }
        j->active = true;
        j->finished = false;
        j->version++;
        j->effective_from = j->changed_at = MAX(j->effective_from, j->paused_until);
        j->paused_until = WALL_NEVER;
        c->jobs_active++;
        core__record_job_move(c, j, JOB_MOVE_RESUMED, NULL);
        core__job_begin(c, j);
    }
}
