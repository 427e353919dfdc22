// SPDX-License-Identifier: MIT
// shard.c: a shard comes, catches up, and goes.
//
// A start of the server is nothing else than the gain of what it owns. What the shard holds comes
// in slices between other events, and is settled in slices of a tick: first pauses that have ended,
// then what the last owner left unfinished (recover.c), then the plan. So the shards that were here
// before stay on time; only when there are none is all done at once, since nobody waits.
//
// From then on the shard is planned from its own watermark, with what room the others leave and at
// least a part of each tick, until it is where they are, and joins them.

#include "core/core_priv.h"

#include <assert.h>
#include <string.h>

struct core_shard *core__shard_of(const struct core *c, job_id job)
{
    return &c->shards[shard_of(job, c->limits.shards)];
}

bool core__shard_is_settled(const struct core_shard *s)
{
    return s->state >= SHARD_BEHIND;
}

wall_ms core__seen(const struct core *c, job_id job)
{
    return MAX(c->seen, core__shard_of(c, job)->seen);
}

void core__each_job(struct core *c, const struct front *f,
                    void (*each)(struct core *c, struct core_job *j))
{
    for (struct core_job *j = core__job_next(c, NULL), *next; j; j = next) {
        next = core__job_next(c, j);
        if (!j->deleted && core__shard_of(c, j->id)->front == f)
            each(c, j);
    }
}

struct core_job *core__shard_job_from(const struct core *c, const struct core_shard *s, job_id id)
{
    struct core_job *j;
    while ((j = core__job_from(c, id)) && core__shard_of(c, j->id) != s) {
        uint32_t shards = c->limits.shards, at = shard_of(j->id, shards);
        id = j->id + (s->row.number + shards - at) % shards;
    }
    return j;
}

// --- The lists of those that are on their way ----------------------------------------------------

static void append(struct core_shard **list, struct core_shard *s)
{
    while (*list)
        list = &(*list)->next;
    *list = s;
    s->next = NULL;
}

static void take_out(struct core_shard **list, const struct core_shard *s)
{
    while (*list && *list != s)
        list = &(*list)->next;
    if (*list)
        *list = s->next;
}

// --- It comes ------------------------------------------------------------------------------------

// Whether the shard was taken under a new timeline of the database: another server took its place,
// which may lack the last moments of the one before (store/nodes.h).
static bool begins_timeline(int64_t epoch)
{
    return epoch >> 32 > 0 && (epoch & UINT32_MAX) == 1;
}

void core__shard_gain(struct core *c, const struct shard *row)
{
    assert(row->number < c->limits.shards);
    struct core_shard *s = &c->shards[row->number];
    assert(s->state == SHARD_AWAY && row->tick == 0);
    *s = (struct core_shard){.row = *row, .state = SHARD_LOADING, .front = &s->own};
    s->row.job_next = MAX(row->job_next, 1);
    s->row.execution_next = MAX(row->execution_next, 1);
    s->row.alert_next = MAX(row->alert_next, 1);
    s->own = (struct front){.plan = agenda_new(),
                            .watermark = row->watermark,
                            .watermark_job = row->watermark_job,
                            .shards = 1};
    s->fresh = (struct fresh){.older_from = WALL_NEVER, .newer_from = WALL_NEVER};
    s->heard_from = c->now.wall;
    if (row->watermark > c->now.wall + c->limits.lookahead_ms)
        s->seen = row->watermark + 1; // The clock of the last owner was ahead of ours.
    if (begins_timeline(row->epoch)) {
        s->doubt_from = c->now.wall - c->limits.doubt_ms;
        s->doubt_to = c->now.wall;
    }
    c->shards_ours++;
}

void core__shard_loaded(struct core *c, uint32_t number)
{
    struct core_shard *s = &c->shards[number];
    assert(s->state == SHARD_LOADING);
    s->state = SHARD_SETTLING;
    s->walked = 1;
    append(&c->settling, s);
    // Written soon, in its turn.
    s->written_at = c->now.wall - PROGRESS_WRITE_MS;
    TAILQ_INSERT_HEAD(&c->settled, s, entry);
    core__unusable_settle(c, s);
    core__shards_settle(c);
}

// --- It is settled -------------------------------------------------------------------------------

// False: there is more, and nothing left of this tick.
static bool walk(struct core *c, struct core_shard *s, size_t *left,
                 void (*each)(struct core *c, struct core_job *j))
{
    struct core_job *j;
    while ((j = core__shard_job_from(c, s, s->walked))) {
        if (*left == 0)
            return false;
        --*left;
        s->walked = j->id + 1; // First, since the job may be gone afterwards.
        if (!j->deleted)
            each(c, j);
    }
    s->walked = 1;
    return true;
}

// An older one of its job may be due by now and not be judged yet: its turn at the job comes first.
static bool would_overtake(const struct core *c, const struct open *o)
{
    return o->job->policy->overlap != OVERLAP_ALLOW && agenda_next(c->instants) <= c->now.wall;
}

// In order of id, which is the order of planning: the oldest go first.
static bool recover(struct core *c, struct core_shard *s, size_t *left)
{
    for (; s->loaded.first && *left > 0 && !would_overtake(c, s->loaded.first); --*left)
        core__recover(c, s->loaded.first);
    return !s->loaded.first;
}

static void watch(struct core *c, struct core_job *j)
{
    core__job_watch_pause(c, j);
    core__incident_settle(c, j);
}

// False: it goes on in the next tick.
static bool settle(struct core *c, struct core_shard *s, size_t *left)
{
    if (s->settling == SETTLE_PAUSES && walk(c, s, left, watch)) {
        core__resume_due(c); // First, since what was planned behind the end of a pause is owed.
        s->settling = SETTLE_EXECUTIONS;
    }
    if (s->settling == SETTLE_EXECUTIONS && recover(c, s, left))
        s->settling = SETTLE_PLAN;
    if (s->settling == SETTLE_PLAN && walk(c, s, left, core__job_plan_beyond_watermark))
        s->settling = SETTLED;
    return s->settling == SETTLED;
}

// Nobody is there whom it could hold up: the front is that of all.
static void become_steady(struct core *c, struct core_shard *s)
{
    agenda_free(c->steady.plan);
    c->steady = s->own;
    s->own = (struct front){0};
    s->front = &c->steady;
    s->state = SHARD_STEADY;
}

void core__shards_settle(struct core *c)
{
    size_t left = c->steady.shards > 0 ? c->limits.step_max : SIZE_MAX;
    struct core_shard *s;
    while (!c->draining && (s = c->settling) && settle(c, s, &left)) {
        take_out(&c->settling, s);
        s->state = SHARD_BEHIND;
        if (c->steady.shards == 0)
            become_steady(c, s);
        else
            append(&c->behind, s);
        core__clock_at_gain(c, s->front);
    }
    c->more |= c->settling != NULL;
}

// --- It has caught up ----------------------------------------------------------------------------

// A shard's jobs go to the others' agenda. They are a small part of all, so this is no longer than
// the planning of a tick.
static void join(struct core *c, struct core_shard *s)
{
    struct agenda_node *n;
    wall_ms at = agenda_next(s->own.plan);
    while ((n = agenda_pop(s->own.plan, AGENDA_NEVER))) {
        const struct core_job *j =
            (const struct core_job *)((const char *)n - offsetof(struct core_job, plan));
        agenda_put(c->steady.plan, n, at, j->id);
        at = agenda_next(s->own.plan);
    }
    agenda_free(s->own.plan);
    s->own = (struct front){0};
    s->front = &c->steady;
    s->state = SHARD_STEADY;
    c->steady.shards++;
}

static bool is_at(const struct front *f, const struct front *other)
{
    return f->watermark == other->watermark && f->watermark_job == other->watermark_job;
}

void core__shards_join(struct core *c)
{
    for (struct core_shard *s = c->behind, *next; s; s = next) {
        next = s->next;
        if (c->steady.shards > 0 && !is_at(&s->own, &c->steady))
            continue;
        take_out(&c->behind, s);
        if (c->steady.shards == 0)
            become_steady(c, s);
        else
            join(c, s);
    }
}

// --- It goes -------------------------------------------------------------------------------------

// All leave their places before the first gives up what it holds at the gates, so that
// nothing of that goes to the next. Their rows are for the next owner.
static void silence(struct core *c, struct core_job *j, const struct core_shard *s)
{
    for (struct open *o = j->first_open; o; o = o->job_next) {
        if (core__shard_of(c, o->record.key.job) != s)
            continue;
        if (core__is_flying(o))
            core__cancel_send(c->out, core__ticket(o));
        core__forget_elsewhere(c, o);
        core__enter(c, o, PHASE_GONE);
    }
}

static void drop_executions(struct core *c, struct core_job *j)
{
    for (struct open *o = j->first_open, *next; o; o = next) {
        next = o->job_next;
        if (o->phase != PHASE_GONE)
            continue; // The execution is another shard's, and its job is nobody.
        core__gates_release(c, o, 0);
        core__open_free(c, o);
    }
}

static void drop_job(struct core *c, struct core_job *j, struct core_shard *s)
{
    drop_executions(c, j);
    agenda_remove(s->front->plan, &j->plan);
    agenda_remove(c->resumes, &j->resume);
    c->jobs_active -= j->active;
    core__gate_give(c, j);
    core__job_forget(c, j);
}

static void drop_all(struct core *c, struct core_shard *s)
{
    struct core_job *j;
    for (job_id id = 1; (j = core__shard_job_from(c, s, id)); id = j->id + 1)
        silence(c, j, s);
    silence(c, &c->nobody, s);
    for (job_id id = 1; (j = core__shard_job_from(c, s, id));) {
        id = j->id + 1;
        drop_job(c, j, s);
    }
    drop_executions(c, &c->nobody);
}

// A shard is a small part of all that there is, so it goes at once: what is due of it in the next
// moment must not be sent.
void core__shard_forget(struct core *c, struct core_shard *s)
{
    if (s->state == SHARD_AWAY)
        return;
    if (s->touched)
        core__record_shards(c); // What this step has touched.
    take_out(&c->settling, s);
    take_out(&c->behind, s);
    if (s->state >= SHARD_SETTLING)
        TAILQ_REMOVE(&c->settled, s, entry);
    drop_all(c, s);
    core__unusable_free(s);
    s->front->shards--;
    agenda_free(s->own.plan);
    c->shards_ours--;
    *s = (struct core_shard){.row = {.number = s->row.number}};
}

// What was given back and is another node's in truth takes its flights along.
void core__shard_lose(struct core *c, uint32_t number)
{
    struct core_shard *s = &c->shards[number];
    if (s->state == SHARD_AWAY)
        core__parted_cancel(c, number);
    else
        core__shard_forget(c, s);
}
