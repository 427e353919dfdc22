// SPDX-License-Identifier: MIT
// plan.c: the planner: rows of (W, W'] and the watermark, a little ahead of time.
//
// The plan agenda yields jobs in order of (next occurrence, id), so a watermark which is such a
// pair says exactly which occurrences have rows, even when a slice ends in the middle of an
// instant. A job that is created or changed plans its own occurrences up to there at once.
//
// An occurrence whose planning comes more than `late_ms` late was missed by downtime (or by a clock
// that stepped, or a process that was stopped): the job's catch-up policy decides then. What is
// given up becomes one MISSED row for a whole range, with one alert.

#include "core/core_priv.h"

#include <assert.h>

#define NEAR_MS 100
#define MISSED_PER_ROW 64 // So many skipped occurrences cost as much of a slice as one row.

bool core__is_planned(const struct core *c, wall_ms at, job_id id)
{
    const struct front *f = core__shard_of(c, id)->front;
    return at <= f->watermark || (at == f->watermark + 1 && id <= f->watermark_job);
}

wall_ms core__timing_next(const struct timing *t, uint32_t runs, wall_ms after)
{
    return job_bounds_next(&t->bounds, runs, &t->schedule, t->zone, after);
}

// The job's first occurrence after `after`, within its bounds.
static wall_ms next_occurrence(const struct core_job *j, wall_ms after)
{
    return core__timing_next(j->timing, j->runs, after);
}

// Puts the job into the plan at its first occurrence after `after`, if there is one.
void core__plan_schedule(struct core *c, struct core_job *j, wall_ms after)
{
    struct agenda *plan = core__shard_of(c, j->id)->front->plan;
    wall_ms next = next_occurrence(j, after);
    j->exhausted = next == WALL_NEVER;
    if (j->exhausted)
        agenda_remove(plan, &j->plan);
    else
        agenda_put(plan, &j->plan, next, j->id);
}

// How much later than its instant an occurrence is due: always the same, also after a restart.
static dur_ms jitter_of(const struct core_job *j, wall_ms at)
{
    uint64_t x = (uint64_t)j->id * 0x9E3779B97F4A7C15u ^ (uint64_t)at;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (dur_ms)((x ^ (x >> 31)) % ((uint64_t)j->policy->jitter_ms + 1));
}

// An occurrence uses up one of the job's runs when it is planned.
static void count_run(struct core *c, struct core_job *j, struct open *o)
{
    if (!j->timing->bounds.max_runs || o->counted)
        return;
    o->counted = true;
    j->runs++;
    core__record_job_state(c, j);
}

bool core__is_begun(const struct open *o)
{
    return o->phase > PHASE_JUDGED;
}

// An execution is taken back before its instant, or a change of the job decides about it anew.
void core__give_back_run(struct core *c, struct open *o)
{
    if (core__is_begun(o) || !o->counted || o->job->deleted)
        return;
    o->counted = false;
    o->job->runs--;
    core__record_job_state(c, o->job);
}

// A row whose instant comes soon should be durable by then.
static void want_soon(struct core *c, const struct open *o)
{
    c->out->batch->awaited |= core__due_at(o) <= c->now.wall + NEAR_MS;
}

static void plan_row(struct core *c, struct core_job *j, wall_ms at, enum execution_trigger trigger)
{
    struct execution row = {
        .key = {.job = j->id,
                .scheduled_at = at,
                .series = core__shard_of(c, j->id)->row.generation},
        .due_at = j->policy->jitter_ms ? at + jitter_of(j, at) : 0,
        .trigger = (uint8_t)trigger,
    };
    struct open *o = core__open_plan(c, j, &row);
    o->lane = trigger == TRIGGER_CATCH_UP ? LANE_CATCH_UP : LANE_FRESH;
    core__enter_until(c, o, PHASE_PLANNED, core__due_at(o));
    count_run(c, j, o);
    want_soon(c, o);
}

// An instant that the watermark claims may have its row from an earlier version of the job: it
// stays the one row, and the new version's from now on. Like a new row, it waits for this batch, so
// that nothing is sent for a change which a crash undoes.
static bool adopt_row(struct core *c, struct core_job *j, wall_ms at)
{
    if (!core__is_planned(c, at, j->id))
        return false;
    for (struct open *o = j->first_open; o; o = o->job_next) {
        if (o->record.key.scheduled_at == at && o->record.key.series >= 0) {
            o->plan_version = j->plan_version;
            o->sequence = c->out->batch->sequence;
            count_run(c, j, o);
            want_soon(c, o);
            return true;
        }
    }
    return false;
}

// A range of occurrences that are given up.
struct missed {
    wall_ms from;
    wall_ms to;
    int64_t count;
};

static void record_missed(struct core *c, struct core_job *j, const struct missed *m,
                          const char *reason)
{
    struct core_shard *s = core__shard_of(c, j->id);
    struct execution e = {
        .id = core__next_id(c, s, &s->row.execution_next),
        .key = {.job = j->id,
                .scheduled_at = m->from,
                .series = core__shard_of(c, j->id)->row.generation},
        .completed_at = c->now.wall,
        .missed_to = m->to,
        .missed_count = m->count,
        .reason = reason,
        .state = EXECUTION_MISSED,
        .trigger = TRIGGER_SCHEDULE,
    };
    struct open row = {.record = e};
    core__record_insert(c, &row);
    core__incident_missed(c, j, &e,
                          &(struct alert){.kind = ALERT_MISSED,
                                          .from = m->from,
                                          .to = m->to,
                                          .count = m->count,
                                          .last_error = reason});
}

// Behind time, at a host where nothing answers and so much waits already that there is no room.
static bool is_hopeless(const struct core *c, const struct core_job *j)
{
    return core__breaker_is_open(c, j->host) && !core__has_room(c, j->host, LANE_CATCH_UP);
}

static const char *reason_to_miss(const struct core *c, const struct core_job *j)
{
    if (is_hopeless(c, j))
        return NO_ROOM;
    if (core__is_heartbeat(j))
        return UNHEARD;
    return j->policy->catch_up == CATCH_UP_ALL ? "older than the catch-up window"
                                               : "not caught up, by the job's policy";
}

// The first instant that the job still wants to catch up: what lies before it is missed.
static wall_ms catch_up_from(const struct core *c, const struct core_job *j)
{
    if (is_hopeless(c, j))
        return c->now.wall + 1;
    wall_ms window = c->now.wall - (dur_ms)j->policy->catch_up_window_s * 1000;
    wall_ms late = c->now.wall - c->limits.late_ms;
    if (core__is_heartbeat(j)) // The ping may still come.
        return MIN(c->now.wall - (dur_ms)j->policy->grace_s * 1000 + 1, late);
    return j->policy->catch_up == CATCH_UP_NONE ? late : MIN(window, late);
}

// Skips from `at` over everything the job does not want; *at becomes the first one it wants, or
// WALL_NEVER. For LATEST that is the last one that is due.
static void skip_unwanted(const struct core *c, const struct core_job *j, wall_ms *at,
                          struct missed *m)
{
    wall_ms wanted_from = catch_up_from(c, j);
    for (;;) {
        wall_ms next = next_occurrence(j, *at);
        bool superseded = j->policy->catch_up == CATCH_UP_LATEST && next <= c->now.wall;
        if (*at >= wanted_from && !superseded)
            return;
        m->from = m->count++ ? m->from : *at;
        m->to = *at;
        *at = next;
        if (next == WALL_NEVER)
            return;
    }
}

static bool is_late(const struct core *c, wall_ms at)
{
    return at < c->now.wall - c->limits.late_ms;
}

static size_t plan_late(struct core *c, struct core_job *j, wall_ms at)
{
    struct missed m = {0};
    skip_unwanted(c, j, &at, &m);
    if (m.count > 0) {
        record_missed(c, j, &m, reason_to_miss(c, j));
        // The range reaches beyond the watermark: remember that it is settled, and what is not
        // owed.
        core__job_drop_unowed(c, j, m.to);
        j->effective_from = MAX(j->effective_from, m.to);
        core__record_job_state(c, j);
        core__incident_settle(c, j);
    }
    j->exhausted = at == WALL_NEVER;
    if (m.count > 0 && !j->exhausted)
        agenda_put(core__shard_of(c, j->id)->front->plan, &j->plan, at,
                   j->id); // In its turn: others may be earlier.
    else if (!j->exhausted) {
        plan_row(c, j, at, TRIGGER_CATCH_UP);
        core__plan_schedule(c, j, at);
    }
    if (j->exhausted)
        core__job_settle_open(c, j);
    return 1 + (size_t)m.count / MISSED_PER_ROW;
}

// Plans what the job has at `at`; returns the work done, in rows.
static size_t plan_job(struct core *c, struct core_job *j, wall_ms at)
{
    bool adopted = adopt_row(c, j, at);
    if (!adopted && is_late(c, at))
        return plan_late(c, j, at);
    if (!adopted)
        plan_row(c, j, at, TRIGGER_SCHEDULE);
    core__plan_schedule(c, j, at);
    return 1;
}

static struct core_job *job_of(struct agenda_node *n)
{
    return (struct core_job *)((char *)n - offsetof(struct core_job, plan));
}

static bool may_plan(const struct core *c, const struct front *f)
{
    return f->shards > 0 && !c->halted && !c->draining && !core__plan_waits(c, f);
}

// How far ahead the first of several rows is planned. While a shard catches up, so far as the
// others: that is where it joins those who do the same.
static dur_ms ahead_of_first(const struct core *c)
{
    return c->limits.lookahead_ms - (c->behind ? 0 : c->limits.gather_ms);
}

// The rows after it are planned farther ahead; not all of very many.
static dur_ms ahead_of(const struct core *c, const struct front *f)
{
    bool gathers = 0 < f->gathered && f->gathered < c->limits.gather_max;
    return gathers ? c->limits.lookahead_ms : ahead_of_first(c);
}

// Returns the work done, in rows, of `most` or a little more.
static size_t plan_rows(struct core *c, struct front *f, size_t most)
{
    size_t done = 0;
    while (may_plan(c, f) && done < most) {
        wall_ms at = agenda_next(f->plan);
        struct agenda_node *n = agenda_pop(f->plan, c->now.wall + ahead_of(c, f));
        if (!n)
            break;
        struct core_job *j = job_of(n);
        size_t work = plan_job(c, j, at);
        done += work;
        f->gathered += work;
        f->watermark = MAX(f->watermark, at - 1);
        if (f->watermark == at - 1)
            f->watermark_job = j->id;
    }
    return done;
}

// The rows of several instants are planned in one go, for one commit: those of one job are
// neighbours in the index by job, whose pages are most of what a grown ledger writes.
static size_t plan_front(struct core *c, struct front *f, size_t most)
{
    f->gathered = f->is_planning ? f->gathered : 0;
    size_t done = plan_rows(c, f, most);
    if (!may_plan(c, f)) {
        f->is_planning = false;
        return done;
    }
    wall_ms reached = MIN(c->now.wall + c->limits.lookahead_ms, agenda_next(f->plan) - 1);
    if (reached > f->watermark) {
        f->watermark = reached;
        f->watermark_job = 0;
    }
    f->is_planning = done >= most;
    c->more |= f->is_planning;
    return done;
}

bool core__plan_gathers(const struct core *c)
{
    return c->steady.is_planning && c->steady.gathered < c->limits.gather_max;
}

// First the shards that are on time, so that they stay so; one that catches up gets what they leave
// of the tick, and at least its share.
void core__plan(struct core *c)
{
    size_t most = c->limits.step_max, done = plan_front(c, &c->steady, most);
    size_t left = MAX(most - MIN(done, most), core__lane_share((uint32_t)most, LANE_CATCH_UP));
    for (struct core_shard *s = c->behind; s; s = s->next) {
        done = plan_front(c, &s->own, left);
        left -= MIN(left, done);
    }
    core__shards_join(c);
}

// Plans this job alone: everything up to `until`, and everything that the watermark claims.
void core__plan_own(struct core *c, struct core_job *j, wall_ms until)
{
    struct agenda *plan = core__shard_of(c, j->id)->front->plan;
    while (j->plan.position) {
        wall_ms at = agenda_when(plan, &j->plan);
        if (at > until && !core__is_planned(c, at, j->id))
            return;
        agenda_remove(plan, &j->plan);
        plan_job(c, j, at);
    }
}

static wall_ms wake_of(const struct core *c, const struct front *f)
{
    wall_ms next = agenda_next(f->plan);
    return !may_plan(c, f) || next == AGENDA_NEVER ? WALL_NEVER : next - ahead_of_first(c);
}

wall_ms core__plan_wake(const struct core *c)
{
    wall_ms wake = wake_of(c, &c->steady);
    for (const struct core_shard *s = c->behind; s; s = s->next)
        wake = MIN(wake, wake_of(c, &s->own));
    return wake;
}
