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

static dur_ms held_for(const struct core *c, const struct front *f)
{
    return f->watermark - (c->now.wall + c->limits.lookahead_ms);
}

// When several shards share the front, the first one tells.
static struct core_shard *shard_with(struct core *c, const struct front *f)
{
    struct core_shard *s = c->shards;
    while (s->front != f)
        s++;
    return s;
}

static void announce_hold(struct core *c, struct front *f)
{
    f->held_until = f->watermark;
    core__record_server_alert(
        c, shard_with(c, f),
        &(struct alert){.kind = ALERT_CLOCK, .subject = "clock", .to = f->held_until});
}

static bool is_ahead(const struct core *c, const struct open *o)
{
    return (o->phase == PHASE_PLANNED || o->phase == PHASE_EXPECTED) &&
           o->record.key.scheduled_at > c->now.wall;
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
// The job gets its next instant before the last row is given up, or it would seem to be finished.
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
    core__job_settle_open(c, j); // The job's last instant may lie behind now.
}

// What others have seen of the clock stays so for their shards.
static void forget_seen(struct core *c, const struct front *f)
{
    for (uint32_t i = 0; i < c->limits.shards; i++) {
        struct core_shard *s = &c->shards[i];
        s->seen = s->front == f ? 0 : MAX(s->seen, c->seen);
    }
    c->seen = c->now.wall;
}

static void begin_generation(struct core *c, const struct front *f)
{
    for (uint32_t i = 0; i < c->limits.shards; i++) {
        struct core_shard *s = &c->shards[i];
        if (s->front != f)
            continue;
        s->row.generation++;
        s->row.corrected_at = c->now.wall;
        core__touch(c, s);
    }
}

void core__clock_correct(struct core *c, struct front *f)
{
    struct core_shard *first = shard_with(c, f);
    begin_generation(c, f);
    core__record_server_alert(c, first,
                              &(struct alert){.kind = ALERT_CLOCK,
                                              .subject = "clock",
                                              .from = c->now.wall,
                                              .count = first->row.generation});
    forget_seen(c, f);
    f->watermark = c->now.wall;
    f->watermark_job = 0;
    f->held_until = 0;
    core__each_job(c, f, begin_again);
}

static void judge_step_back(struct core *c, struct front *f)
{
    if (f->shards == 0)
        return;
    if (held_for(c, f) > CLOCK_HOLD_MS_MAX)
        core__clock_correct(c, f);
    else if (held_for(c, f) > CLOCK_STEP_MS && f->held_until != f->watermark)
        announce_hold(c, f);
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
    if (moved >= 0)
        return;
    judge_step_back(c, &c->steady);
    for (struct core_shard *s = c->behind; s; s = s->next)
        judge_step_back(c, &s->own);
}

void core__clock_at_gain(struct core *c, struct front *f)
{
    judge_step_back(c, f);
}
