// SPDX-License-Identifier: MIT
// core.c: the machine's one door: an event comes in, actions go out.

#include "core/core_priv.h"

#include <assert.h>
#include <string.h>

const struct core_limits core_limits_default = {
    .shards = 1,
    .lookahead_ms = 2500, // Plans two seconds at once, in the middle of the one before them,
    .gather_ms = 1000,    // when little is due.
    .gather_max = 32768,  // Two rows for each of 16,384 jobs.
    .in_flight_max = 16384,
    .host_in_flight_max = 1024,
    .jobs_max = 2000000,
    .texts_bytes_max = (uint64_t)512 << 20,
    .open_max = 2000000,
    .step_max = 512,
    .due_max = 64,
    .doubt_ms = 15000,
    .late_ms = 1000, // Rows are planned ahead, so only downtime comes later than this.
    .breaker_losses = 50,
};

// Their executions are cancelled at the start, so most of this does not matter.
static const struct timing timing_of_nobody;
static const struct policy policy_of_nobody = {.alert_after = 1};

struct core *core_new(const struct core_limits *limits)
{
    assert(limits->step_max > 0 && limits->due_max > 0);
    assert(limits->shards > 0 && limits->shards <= SHARDS_MAX);
    assert(limits->in_flight_max > 0 && limits->host_in_flight_max > 0);
    struct core *c = xcalloc(1, sizeof *c);
    c->limits = *limits;
    c->gate.limit = limits->in_flight_max;
    c->nobody.deleted = true;
    c->nobody.timing = &timing_of_nobody;
    c->nobody.policy = &policy_of_nobody;
    intern_init(&c->timings, sizeof(struct timing));
    intern_init(&c->policies, sizeof(struct policy));
    c->steady.plan = agenda_new();
    c->shards = xcalloc(limits->shards, sizeof *c->shards);
    TAILQ_INIT(&c->settled);
    c->resumes = agenda_new();
    c->troubles = agenda_new();
    c->instants = agenda_new();
    c->judged = agenda_new();
    c->aside = agenda_new();
    c->retries = agenda_new();
    c->breakers = agenda_new();
    c->paces = agenda_new();
    TAILQ_INIT(&c->paced);
    c->expected = agenda_new();
    c->elsewhere = agenda_new();
    c->awaiting = agenda_new();
    core__parted_init(c);
    return c;
}

// The requests of the last step, which borrowed the texts, are on their way.
static void take_back_texts(struct core *c)
{
    while (c->lent_count > 0)
        free(c->lent_texts[--c->lent_count]);
}

void core_free(struct core *c)
{
    if (!c)
        return;
    while (c->nobody.first_open)
        core__open_free(c, c->nobody.first_open);
    core__jobs_free(c);
    core__gates_free(c);
    core__tables_free(c);
    take_back_texts(c);
    free(c->lent_texts);
    free(c->rezoning.changes);
    agenda_free(c->steady.plan);
    for (uint32_t i = 0; i < c->limits.shards; i++) {
        core__unusable_free(&c->shards[i]);
        agenda_free(c->shards[i].own.plan);
    }
    free(c->shards);
    agenda_free(c->resumes);
    agenda_free(c->troubles);
    agenda_free(c->instants);
    agenda_free(c->judged);
    agenda_free(c->aside);
    agenda_free(c->retries);
    agenda_free(c->breakers);
    agenda_free(c->paces);
    agenda_free(c->expected);
    agenda_free(c->elsewhere);
    agenda_free(c->awaiting);
    core__parted_fini(c);
    free(c);
}

enum err core_add_job(struct core *c, const struct job *from, const struct zone *zone)
{
    assert(core__shard_of(c, from->id)->state == SHARD_LOADING);
    struct core_job *j;
    struct timing timing;
    enum err err = core__timing_read(from, core__zone_now(c, zone), NULL, &timing);
    if (!err)
        err = core__job_add(c, from, &timing, NULL, &j);
    if (err)
        return err;
    j->plan_version = 1; // Loaded executions have 0: they are checked against the schedule.
    return ERR_OK;
}

enum err core_add_execution(struct core *c, const struct execution *e)
{
    assert(core__shard_of(c, e->key.job)->state == SHARD_LOADING);
    assert(!execution_state_is_terminal(e->state));
    struct core_job *j = core__job_find(c, e->key.job);
    struct open *o = core__open_new(c, j ? j : &c->nobody);
    o->plan_version = 0;
    o->record = *e;
    o->record.is_of_heartbeat = core__is_heartbeat(o->job);
    o->error = xstrdup(e->error);
    o->body = xstrdup(e->request_body);
    o->held_by = xstrdup(e->held_by);
    o->notes = xstrdup(e->notes);
    o->record.notes = o->notes;
    o->record.held_by = o->held_by;
    o->record.error = o->error;
    o->record.request_body = o->body;
    o->record.origin = xstrdup(e->origin);
    o->record.reason = core__cancel_reason_of(e->reason);
    core__linger_loaded(c, o);
    core__enter(c, o, PHASE_LOADED);
    core__elsewhere_loaded(c, o);
    core__completion_loaded(c, o);
    return ERR_OK;
}

static void handle(struct core *c, const struct event *e)
{
    switch (e->kind) {
    case EVENT_TICK:
        break; // Every step looks at the time.
    case EVENT_COMMAND:
        core__resume_due(c);
        core__command(c, e->command);
        break;
    case EVENT_OUTCOME:
        core__outcome(c, e->outcome);
        break;
    case EVENT_RECORDED:
        core__recorded(c, e->sequence);
        break;
    case EVENT_STORE:
        c->heard_from = e->cause ? c->heard_from : c->now.wall;
        core__store_changed(c, e->cause);
        core__gates_pump(c, &c->gate);
        break;
    case EVENT_DISK:
        core__disk_changed(c, e->disk.is_low, e->disk.free_bytes);
        break;
    case EVENT_DRAIN:
        c->draining = true;
        break;
    case EVENT_SHARD_GAINED:
        core__shard_gain(c, &e->shard);
        break;
    case EVENT_SHARD_LOADED:
        core__shard_loaded(c, e->shard_number);
        break;
    case EVENT_SHARD_LOST:
        core__shard_lose(c, e->shard_number);
        break;
    case EVENT_SHARD_GIVE_BACK:
        core__shard_give_back(c, e);
        break;
    case EVENT_LEASE:
        c->lease = e->until;
        core__gates_pump(c, &c->gate);
        break;
    case EVENT_ZONE:
        core__rezone(c, e->zone_old, e->zone_new);
        break;
    }
}

static void look_at_the_time(struct core *c)
{
    core__resume_due(c);
    core__incidents_due(c);
    core__breakers_due(c);
    core__paces_due(c);
    core__elsewhere_due(c);
    core__completions_due(c);
    core__parted_due(c);
    core__due(c); // First what is due, since somebody waits for it; then what comes.
    core__heartbeats_due(c);
    core__plan(c);
    core__shards_settle(c);
    core__rezone_on(c);
    core__write_running(c);
}

static void set_wake(struct core *c, struct actions *out)
{
    wall_ms wall = MIN(core__plan_wake(c), agenda_next(c->resumes));
    wall = MIN(wall, agenda_next(c->troubles));
    mono_ms mono = MIN(agenda_next(c->retries), agenda_next(c->breakers));
    mono = MIN(mono, MIN(agenda_next(c->paces), agenda_next(c->awaiting)));
    if (c->flying.first)
        mono = MIN(mono, c->flying.first->sent_at + RUNNING_WRITE_DELAY_MS);
    wall = MIN(wall, agenda_next(c->instants));
    wall = MIN(wall, c->halted ? WALL_NEVER : agenda_next(c->expected));
    mono = MIN(mono, MIN(agenda_next(c->elsewhere), agenda_next(c->parted.ends)));
    const struct core_shard *oldest = TAILQ_FIRST(&c->settled);
    if (oldest)
        wall = MIN(wall, oldest->written_at + PROGRESS_WRITE_MS);
    out->wake_wall = c->more ? c->now.wall : wall;
    out->wake_mono = mono;
    out->is_planning = core__plan_gathers(c);
    if (c->draining) {
        out->wake_wall = WALL_NEVER;
        out->wake_mono = agenda_next(c->parted.ends);
    }
}

void core_step(struct core *c, const struct event *e, struct now now, struct actions *out)
{
    assert(out->batch && !c->out);
    take_back_texts(c);
    c->now = now;
    c->seen = MAX(c->seen, now.wall);
    c->out = out;
    c->more = false;
    core__check_door(c);
    core__clock_watch(c);
    handle(c, e);
    if (e->kind == EVENT_TICK || e->kind == EVENT_SHARD_LOADED)
        look_at_the_time(c);
    core__machine_tell(c);
    core__record_shards(c);
    set_wake(c, out);
    core__check_door(c);
    c->out = NULL;
}

// The hosts where nothing answers: all are counted, the first are shown.
static void list_down(const struct core *c, struct core_status *s)
{
    for (const struct host *h = c->down; h; h = h->next_down) {
        if (s->hosts_down++ >= HOSTS_DOWN_SHOWN)
            continue;
        struct host_down *d = &s->down[s->hosts_down - 1];
        *d = (struct host_down){.since = h->down_since, .open = h->open};
        memcpy(d->origin, h->origin, sizeof d->origin);
    }
}

struct core_status core_status(const struct core *c)
{
    uint64_t elsewhere = c->counted_elsewhere;
    struct core_status s = {
        .shards = c->shards_ours,
        .watermark = c->steady.shards > 0 ? c->steady.watermark : WALL_NEVER,
        .jobs = c->jobs.count,
        .jobs_active = c->jobs_active,
        .open = c->pool.used,
        .in_flight = c->gate.in_flight - elsewhere + core__parted_count(c),
        .elsewhere = elsewhere,
        .waiting = c->waiting_count,
        .retrying = agenda_count(c->retries),
        .awaiting = agenda_count(c->awaiting),
        .halted = c->halted,
        .draining = c->draining,
        .host_rate_max = c->limits.host_rate_max,
    };
    for (const struct core_shard *b = c->behind; b; b = b->next)
        s.watermark = MIN(s.watermark, b->own.watermark);
    if (s.watermark == WALL_NEVER)
        s.watermark = 0;
    list_down(c, &s);
    core__paces_list(c, &s);
    return s;
}

bool core_has_shard(const struct core *c, uint32_t number)
{
    return number < c->limits.shards && core__shard_is_settled(&c->shards[number]);
}

struct shard core_shard(const struct core *c, uint32_t number)
{
    assert(number < c->limits.shards);
    const struct core_shard *s = &c->shards[number];
    assert(s->front);
    struct shard row = s->row;
    row.watermark = s->front->watermark;
    row.watermark_job = s->front->watermark_job;
    return row;
}

int64_t core_epoch(const struct core *c, uint32_t shard)
{
    return shard < c->limits.shards ? c->shards[shard].row.epoch : 0;
}

bool core_flight(const struct core *c, const struct outcome *out, struct execution_key *key,
                 unsigned *attempt)
{
    const struct open *o = core__open_of_outcome(c, out);
    if (!o)
        return false;
    *key = o->record.key;
    *attempt = o->record.attempts;
    return true;
}
