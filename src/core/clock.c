// SPDX-License-Identifier: MIT
// clock.c: the wall clock steps.
//
// Forward, or a process that was stopped, is the same as downtime: the planner catches up. Back by
// up to an hour is a hold: the watermark lies ahead of the clock, so nothing is planned until the
// clock has passed it, rows that are planned keep their keys, and nothing fires twice. Back by more
// is a correction, as when a clock that was a year ahead is set right: the generation rises, so
// that the same instants have new keys, and schedules go on at once. Both raise an alert. An
// operator may ask for the correction earlier.

#include "core/core_priv.h"

static dur_ms held_for(const struct core *c)
{
    return c->progress.watermark - (c->now.wall + c->limits.lookahead_ms);
}

static void announce_hold(struct core *c)
{
    c->held_until = c->progress.watermark;
    core__record_server_alert(
        c, &(struct alert){.kind = ALERT_CLOCK, .subject = "clock", .to = c->held_until});
}

static bool is_ahead(const struct core *c, const struct open *o)
{
    return o->phase == PHASE_PLANNED && o->record.key.scheduled_at > c->now.wall;
}

// What was planned for a time that is now to come again. What lies behind is owed as before, also
// when it is due later.
static void give_up_planned(struct core *c, struct core_job *j)
{
    for (struct open *o = j->first_open, *next; o; o = next) {
        next = o->job_next;
        if (is_ahead(c, o))
            core__cancel(c, o, "the clock was corrected");
    }
}

// A job that was changed while the clock was ahead begins now, not when the clock gets there again.
// It has its next instant before the last row is given up, lest it seem to be finished.
static void begin_again(struct core *c, struct core_job *j)
{
    j->changed_at = MIN(j->changed_at, c->now.wall);
    if (j->effective_from > c->now.wall) {
        j->effective_from = c->now.wall;
        core__record_job_state(c, j);
    }
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (is_ahead(c, o))
            core__give_back_run(c, o);
    if (j->active)
        core__plan_schedule(c, j, c->now.wall);
    give_up_planned(c, j);
    core__job_settle_open(c, j); // Its last instant may lie behind now.
}

void core__clock_correct(struct core *c)
{
    c->progress.generation++;
    core__record_server_alert(c, &(struct alert){.kind = ALERT_CLOCK,
                                                 .subject = "clock",
                                                 .from = c->now.wall,
                                                 .count = c->progress.generation});
    c->progress.corrected_at = c->now.wall;
    c->progress.watermark = c->now.wall;
    c->progress.watermark_job = 0;
    c->progress_written_at = c->now.wall;
    c->seen = c->now.wall;
    c->held_until = 0;
    core__each_job(c, begin_again);
}

static void judge_step_back(struct core *c)
{
    if (held_for(c) > CLOCK_HOLD_MS_MAX)
        core__clock_correct(c);
    else if (held_for(c) > CLOCK_STEP_MS && c->held_until != c->progress.watermark)
        announce_hold(c);
}

void core__clock_watch(struct core *c)
{
    dur_ms ahead = c->now.wall - c->now.mono;
    dur_ms moved = ahead - c->wall_ahead;
    if (moved <= CLOCK_STEP_MS && moved >= -CLOCK_STEP_MS) {
        c->wall_ahead = ahead;
        return;
    }
    c->wall_ahead = ahead;
    if (c->started && moved < 0)
        judge_step_back(c);
}

void core__clock_at_start(struct core *c)
{
    c->wall_ahead = c->now.wall - c->now.mono;
    judge_step_back(c);
}
