// SPDX-License-Identifier: MIT
// observe.c: what a step of the core wrote, change by change, against what was to be expected.
//
// Whatever changes what is owed becomes a promise, in the order in which it was written: it holds
// when its batch is durable. And each step must have done about the clock what the clock asked for.

#include "world.h"

#include <assert.h>
#include <string.h>

#define STEP_MS 500 // A smaller change of the clock is ignored.
#define HOLD_MS_MAX 3600000

// --- States of executions, durable or not ---

#define STATE_NONE 255

static uint8_t *state_of(struct node *n, int64_t id)
{
    while ((int64_t)n->state_count <= id) {
        n->states = grow(n->states, n->state_count, &n->state_capacity, sizeof *n->states);
        n->states[n->state_count++] = STATE_NONE;
    }
    return &n->states[id];
}

static void set_state(struct node *n, const struct execution *e)
{
    uint8_t *state = state_of(n, e->id);
    n->open -= *state != STATE_NONE && !execution_state_is_terminal(*state);
    n->open += !execution_state_is_terminal(e->state);
    *state = e->state;
}

bool observe_is_over(const struct node *n, int64_t execution)
{
    assert(execution < (int64_t)n->state_count && n->states[execution] != STATE_NONE);
    return ledger_is_terminal(n->states[execution]);
}

bool observe_is(const struct node *n, int64_t execution, enum execution_state state)
{
    return execution < (int64_t)n->state_count && n->states[execution] == state;
}

// --- Jitter ---

static struct jitter *place_of(struct world *w, const struct execution_key *k, uint32_t jitter_ms)
{
    uint64_t x = (uint64_t)k->job * 0x9E3779B97F4A7C15u + (uint64_t)k->scheduled_at + jitter_ms;
    x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u;
    return &w->jitters[(x ^ (x >> 32)) % JITTERS];
}

// A row may be planned again after a crash that took it away. It is due when it was due before.
static void check_jitter(struct node *n, const struct execution *e)
{
    struct world *w = n->world;
    const struct version *v = promise_last(n, e->key.job);
    if (!v || !v->jitter_ms || e->state == EXECUTION_MISSED || e->key.series < 0)
        return;
    struct jitter *j = place_of(w, &e->key, v->jitter_ms);
    bool known = j->key.job == e->key.job && j->key.scheduled_at == e->key.scheduled_at &&
                 j->jitter_ms == v->jitter_ms;
    if (known && j->due_at != e->due_at)
        trace_fail(&w->trace, "job %lld at %lld is due at another time in this life",
                   (long long)e->key.job, (long long)e->key.scheduled_at);
    *j = (struct jitter){e->key, v->jitter_ms, e->due_at};
}

// --- Jobs ---

// The job as it was before this change. A correction of the clock that is not durable yet has begun
// it anew all the same.
static bool find_before(const struct node *n, job_id job, struct version *out)
{
    const struct version *v = promise_last(n, job);
    if (!v)
        return false;
    *out = *v;
    const struct tenure *t = node_tenure(n, job);
    if (v->series < t->series)
        version_correct(out, t->series, t->corrected_at);
    return true;
}

// Up to where the job is settled by what was given up, or by a ping.
static wall_ms last_settled(const struct world *w, job_id job)
{
    const struct durable_job *d =
        job <= (job_id)w->ledger.job_count ? &w->ledger.jobs[job - 1] : NULL;
    return d ? MAX(d->missed_count ? d->missed[d->missed_count - 1].to : 0, d->pinged_at) : 0;
}

// From where on a change of the job holds: now, or where the clock was before it went back.
static wall_ms begins_at(struct node *n, job_id job, wall_ms before, wall_ms claimed)
{
    struct world *w = n->world;
    wall_ms latest = MAX(MAX(w->now.wall, node_seen(n, job)), MAX(last_settled(w, job), before));
    if (claimed < w->now.wall || claimed > latest)
        trace_fail(&w->trace, "a change begins %lld ms from now, and may up to %lld ms",
                   (long long)(claimed - w->now.wall), (long long)(latest - w->now.wall));
    return claimed;
}

static void add_version(struct node *n, enum promise_kind kind, job_id job, const struct version *v)
{
    struct world *w = n->world;
    struct version *added = &promise_add(n, kind, job)->version;
    *added = *v;
    added->series = node_tenure(n, job)->series;
    added->asked_at = w->now.wall;
    trace_note(&w->trace, w->now.wall, "  job %lld from %+lld ms: %s%s%s%s, until %+lld ms",
               (long long)job, (long long)(v->at - w->now.wall), v->schedule,
               v->active ? "" : ", paused", v->deleted ? ", deleted" : "",
               v->finished ? ", finished" : "", (long long)(v->paused_until - w->now.wall));
}

static void see_put(struct node *n, const struct job *j)
{
    struct world *w = n->world;
    struct version before = {0}, v = w->asked;
    bool known = find_before(n, j->id, &before);
    if (!w->is_asking || (w->asking == COMMAND_UPDATE) != known) {
        trace_fail(&w->trace, "job %lld is put, and nobody asked for it", (long long)j->id);
        return;
    }
    v.at = begins_at(n, j->id, before.at, j->effective_from);
    v.finished = before.finished && !v.active;
    bool same_overlap = known && before.overlap == v.overlap;
    v.overlap_since = same_overlap ? before.overlap_since : v.at;
    add_version(n, PROMISE_VERSION, j->id, &v);
    if (known && before.host != v.host)
        breaker_forget(n, before.host);
}

static void see_delete(struct node *n, job_id id)
{
    struct world *w = n->world;
    struct version v;
    if (!find_before(n, id, &v) || !w->is_asking || w->asking != COMMAND_DELETE) {
        trace_fail(&w->trace, "job %lld is deleted, and nobody asked for it", (long long)id);
        return;
    }
    v.deleted = true;
    v.at = MAX(MAX(v.at, last_settled(w, id)), MAX(w->now.wall, node_seen(n, id)));
    add_version(n, PROMISE_VERSION, id, &v);
    breaker_forget(n, v.host);
}

static void see_resume(struct world *w, job_id id, struct version *v)
{
    if (v->paused_until > w->now.wall)
        trace_fail(&w->trace, "job %lld resumes %lld ms early", (long long)id,
                   (long long)(v->paused_until - w->now.wall));
    v->at = MAX(v->at, v->paused_until);
}

static void see_gone(struct node *n, const struct job_state *s, struct version *v)
{
    struct world *w = n->world;
    if (w->gone != s->id)
        trace_fail(&w->trace, "job %lld is paused, and nobody asked for it", (long long)s->id);
    w->gone = 0;
    v->at = begins_at(n, s->id, v->at, s->effective_from);
}

// The end of a pause, an answer of 410, the end of the schedule. All else leaves the version as it
// is.
static void see_state(struct node *n, const struct job_state *s)
{
    struct world *w = n->world;
    struct version v;
    if (!find_before(n, s->id, &v) || s->is_active == (v.active && !v.finished))
        return;
    if (!s->finished) {
        if (s->is_active)
            see_resume(w, s->id, &v);
        else
            see_gone(n, s, &v);
        v.paused_until = WALL_NEVER;
        v.active = s->is_active;
    }
    v.finished = s->finished;
    w->happened.of[HAPPENING_FINISHED] += s->finished;
    add_version(n, PROMISE_EVENT, s->id, &v);
}

// --- The clock ---

static void see_correction(struct node *n, unsigned shard, const struct before *b)
{
    struct world *w = n->world;
    struct tenure *t = &n->tenures[shard];
    struct shard_seen *s = &w->shards[shard];
    dur_ms held = b->watermarks[shard] - (w->now.wall + w->limits.lookahead_ms);
    bool asked = w->is_asking && w->asking == COMMAND_ACCEPT_CLOCK;
    if (held <= (asked ? 0 : HOLD_MS_MAX))
        trace_fail(&w->trace, "the clock is corrected after a hold of %lld ms", (long long)held);
    count(w, HAPPENING_CORRECTION);
    if (t->series == w->ledger.shards[shard].row.generation)
        s->latest_before = s->latest;
    struct promise *p = promise_add(n, PROMISE_CORRECTION, 0);
    p->shard = shard;
    p->series = s->series = ++t->series;
    p->now = w->now.wall;
    s->latest = t->corrected_at = w->now.wall;
    t->hold_told = 0;
}

// What the clock was in other shards stays so for them.
static void see_corrections(struct node *n, const struct before *b)
{
    bool any = false;
    for (unsigned s = 0; s < n->world->ledger.shard_count; s++) {
        struct tenure *t = &n->tenures[s];
        const struct shard *row =
            t->held && !node_is_stale(n, s) ? batch_shard(n->out.batch, s) : NULL;
        if (!row || row->generation <= t->series)
            continue;
        see_correction(n, s, b);
        any = true;
    }
    for (unsigned s = 0; s < n->world->ledger.shard_count && any; s++) {
        struct tenure *t = &n->tenures[s];
        t->seen = t->series > b->series[s] ? 0 : MAX(t->seen, n->seen);
    }
    n->seen = any ? n->world->now.wall : n->seen;
}

static void count_telling(struct world *w, const struct alert *a)
{
    static const enum happening openings[ALERT_KINDS] = {
        [ALERT_FLAPPING] = HAPPENING_FLAPPING,
        [ALERT_LATE] = HAPPENING_LATE_TOLD,
        [ALERT_SLOW] = HAPPENING_SLOW_TOLD,
        [ALERT_SILENT] = HAPPENING_SILENCE_TOLD,
    };
    if (a->incident_id == a->id)
        count(w, openings[a->kind] ? openings[a->kind] : HAPPENING_INCIDENT);
    else if (a->kind == ALERT_REMINDER || a->kind == ALERT_RECOVERED)
        count(w, a->kind == ALERT_REMINDER ? HAPPENING_REMINDED : HAPPENING_RECOVERED);
    else if (a->incident_id)
        count(w, HAPPENING_FOLDED);
}

static void see_alert(struct node *n, const struct alert *a, const struct before *b)
{
    struct world *w = n->world;
    count_telling(w, a);
    if (a->kind == ALERT_TARGET_DOWN || a->kind == ALERT_TARGET_UP)
        breaker_hear(n, a);
    if (a->kind != ALERT_CLOCK)
        return;
    if (!a->subject || strcmp(a->subject, "clock") != 0)
        trace_fail(&w->trace, "an alert about the clock is about something else");
    if (a->from)
        return; // A correction is seen by its generation.
    count(w, HAPPENING_HOLD);
    for (unsigned s = 0; s < w->ledger.shard_count; s++) // Which are at the same watermark.
        if (n->tenures[s].held && b->watermarks[s] == a->to)
            n->tenures[s].hold_told = a->to;
}

// Section 7 of the semantics: what a clock that went back asks for.
static void check_clock(struct node *n, unsigned shard, const struct before *b)
{
    struct world *w = n->world;
    const struct tenure *t = &n->tenures[shard];
    wall_ms watermark = b->watermarks[shard];
    dur_ms held = watermark - (w->now.wall + w->limits.lookahead_ms);
    bool is_looked_at = b->stepped_back ? b->loaded[shard] : t->loaded && !b->loaded[shard];
    if (!is_looked_at || held <= STEP_MS || t->series != b->series[shard])
        return;
    if (held > HOLD_MS_MAX)
        trace_fail(&w->trace, "the clock is %lld ms back, and is not corrected", (long long)held);
    if (held <= HOLD_MS_MAX && t->hold_told != watermark)
        trace_fail(&w->trace, "the clock is %lld ms back, and nobody is told", (long long)held);
}

// --- A step ---

static void tell(struct world *w, const struct execution *e, const char *what)
{
    char id[EXECUTION_ID_BYTES];
    execution_id_format(&e->key, id);
    trace_note(&w->trace, w->now.wall, "  %s row %lld %s: %s, attempts %u, due %+lld ms, %s", what,
               (long long)e->id, id, execution_state_name(e->state), e->attempts,
               (long long)((e->due_at ? e->due_at : e->key.scheduled_at) - w->now.wall),
               e->reason  ? e->reason
               : e->error ? e->error
                          : "");
}

// The node has lost the shard and does not know it: what it writes comes to nothing. But if it
// tells of the clock there, it does not tell of that again where it goes on.
static void see_change_in_vain(struct node *n, const struct change *c, const struct before *b)
{
    if (c->kind == CHANGE_ALERT && c->alert.kind == ALERT_CLOCK)
        see_alert(n, &c->alert, b);
    if (c->kind == CHANGE_EXECUTION_INSERT || c->kind == CHANGE_EXECUTION_UPDATE)
        set_state(n, &c->execution);
}

static void see_change(struct node *n, const struct event *e, const struct change *c,
                       const struct before *b)
{
    struct world *w = n->world;
    bool is_last = e->kind == EVENT_SHARD_LOST && e->shard_number == c->shard;
    if (!n->tenures[c->shard].held && !is_last) {
        trace_fail(&w->trace, "node %u writes for shard %u, which it has not", n->number, c->shard);
        return;
    }
    if (is_last || node_is_stale(n, c->shard)) {
        see_change_in_vain(n, c, b);
        return;
    }
    switch (c->kind) {
    case CHANGE_JOB_PUT:
        see_put(n, c->job);
        break;
    case CHANGE_JOB_STATE:
        trace_note(&w->trace, w->now.wall, "  job %lld has used %u runs", (long long)c->state.id,
                   c->state.runs);
        see_state(n, &c->state);
        break;
    case CHANGE_JOB_DELETE:
        see_delete(n, c->deleted.id);
        break;
    case CHANGE_EXECUTION_INSERT:
        tell(w, &c->execution, "new");
        room_check(n, &c->execution, true);
        set_state(n, &c->execution);
        check_jitter(n, &c->execution);
        if (c->execution.key.series < 0)
            promise_add(n, PROMISE_TRIGGER, c->execution.key.job)->key = c->execution.key;
        break;
    case CHANGE_EXECUTION_UPDATE:
        tell(w, &c->execution, "...");
        room_check(n, &c->execution, false);
        heart_check(n, &c->execution);
        wait_check(n, &c->execution);
        set_state(n, &c->execution);
        if (e->kind == EVENT_OUTCOME && c->execution.next_attempt_at)
            wire_check_wait(n, &c->execution);
        break;
    case CHANGE_ALERT:
        see_alert(n, &c->alert, b);
        break;
    case CHANGE_ATTEMPT:
    case CHANGE_ALERT_ACK:
    case CHANGE_VERSION:
    case CHANGE_AUDIT:
    case CHANGE_CLIENT_KEY:
    case CHANGE_REPLY:
    case CHANGE_SHARD:
        break;
    }
}

static void see_time(struct node *n, unsigned shard, struct before *b)
{
    struct world *w = n->world;
    const struct tenure *t = &n->tenures[shard];
    b->watermarks[shard] = t->fed ? core_shard(n->core, shard).watermark
                                  : w->ledger.shards[shard].row.watermark; // Nobody moves it.
    b->series[shard] = t->series;
    b->loaded[shard] = t->loaded;
    if (!node_is_stale(n, shard))
        w->shards[shard].latest = MAX(w->shards[shard].latest, w->now.wall);
}

struct before observe_before(struct node *n)
{
    struct world *w = n->world;
    struct before b = {.changes = n->out.batch->count};
    dur_ms ahead = w->now.wall - w->now.mono;
    b.stepped_back = ahead - n->wall_ahead < -STEP_MS;
    n->wall_ahead = ahead;
    n->seen = MAX(n->seen, w->now.wall);
    for (unsigned s = 0; s < w->ledger.shard_count; s++)
        if (n->tenures[s].held)
            see_time(n, s, &b);
    return b;
}

static void see_loading(struct node *n, unsigned shard)
{
    struct tenure *t = &n->tenures[shard];
    bool was_loaded = t->loaded;
    t->loaded = t->held && core_has_shard(n->core, shard);
    if (!t->loaded || was_loaded)
        return;
    t->listens_from = n->world->now.wall;
    claims_load(n);
}

static void see_loaded(struct node *n)
{
    for (unsigned s = 0; s < n->world->ledger.shard_count; s++)
        see_loading(n, s);
}

// Whatever is carried out for a client is recorded, once, about the job of the reply; nothing else
// is.
static void check_audit(struct node *n, const struct event *e, const struct before *b)
{
    struct world *w = n->world;
    bool asks = e->kind == EVENT_COMMAND && e->command->audit;
    const struct reply *r = asks ? &n->out.replies[0] : NULL;
    unsigned entries = 0;
    for (size_t i = b->changes; i < n->out.batch->count; i++) {
        const struct change *c = &n->out.batch->changes[i];
        if (c->kind != CHANGE_AUDIT)
            continue;
        entries++;
        if (!r || c->audit.job != r->job || c->audit.action != e->command->audit->action)
            trace_fail(&w->trace, "an entry of the audit is about something else");
    }
    if (entries != (r && !r->err))
        trace_fail(&w->trace, "a command that is %s has %u entries of the audit",
                   r && !r->err ? "done" : "refused", entries);
}

void observe_step(struct node *n, const struct event *e, const struct before *b)
{
    struct world *w = n->world;
    const struct reply *r = n->out.replies;
    bool cancels = e->kind == EVENT_COMMAND && e->command->kind == COMMAND_CANCEL; // Again, too.
    bool tells = e->kind == EVENT_COMMAND && e->command->kind == COMMAND_COMPLETE; // Again, too.
    bool changes =
        e->kind == EVENT_COMMAND && e->command->kind != COMMAND_ACCEPT_CLOCK && !cancels && !tells;
    if (changes && !r->err && n->out.batch->count == b->changes + r->is_recorded)
        trace_fail(&w->trace, "P5: a command is accepted, and nothing will be written");
    if (cancels && !r->err && !node_is_stale(n, w->asked_shard))
        promise_add(n, PROMISE_CANCEL, e->command->id)->key = e->command->execution;
    heart_listen(n, e);
    if (e->kind == EVENT_COMMAND && e->command->kind == COMMAND_PING)
        heart_hear(n, e->command, r, b->changes);
    if (tells)
        wait_hear(n, e->command, r->err);
    check_audit(n, e, b);
    see_loaded(n);
    see_corrections(n, b);
    for (size_t i = b->changes; i < n->out.batch->count && !w->trace.failed; i++)
        see_change(n, e, &n->out.batch->changes[i], b);
    for (unsigned s = 0; s < w->ledger.shard_count; s++)
        if (n->tenures[s].held && !node_is_stale(n, s))
            check_clock(n, s, b);
    heart_look(n, e);
    breaker_check_told(n);
    if (w->gone && !promise_last(n, w->gone)->finished)
        trace_fail(&w->trace, "job %lld goes on after 410", (long long)w->gone);
    w->gone = 0;
}

void observe_start(struct node *n)
{
    struct world *w = n->world;
    n->state_count = 0;
    n->open = 0;
    n->seen = 0;
    n->wall_ahead = w->now.wall - w->now.mono;
    n->alarm_at = MONO_NEVER;
    n->looks_at = MONO_NEVER;
    n->looked_at = w->now.wall;
    n->late = n->full = (struct deafness){0};
    w->gone = 0;
}

void observe_gain(struct node *n, unsigned shard)
{
    struct world *w = n->world;
    const struct ledger *l = &w->ledger;
    struct shard_seen *seen = &w->shards[shard];
    int64_t series = l->shards[shard].row.generation;
    for (size_t i = 0; i < l->row_count; i++)
        if (ledger_shard_number(l, l->rows[i].e.key.job) == shard)
            set_state(n, &l->rows[i].e);
    if (seen->series > series) // A correction was not durable.
        seen->latest = MAX(seen->latest, seen->latest_before);
    seen->series = series;
    wall_ms watermark = l->shards[shard].row.watermark;
    bool is_ahead = watermark > w->now.wall + w->limits.lookahead_ms;
    n->tenures[shard] = (struct tenure){.held = true,
                                        .seen = is_ahead ? watermark + 1 : 0,
                                        .number = ++w->tenures,
                                        .epoch = l->shards[shard].row.epoch,
                                        .gained_at = w->now.mono,
                                        .series = series};
}

void observe_lose(struct node *n, unsigned shard)
{
    const struct ledger *l = &n->world->ledger;
    for (size_t id = shard; id < n->state_count; id += l->shard_count) {
        n->open -= n->states[id] != STATE_NONE && !execution_state_is_terminal(n->states[id]);
        n->states[id] = STATE_NONE;
    }
}
