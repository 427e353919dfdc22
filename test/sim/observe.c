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

static void set_state(struct world *w, const struct execution *e)
{
    while ((int64_t)w->state_count < e->id) {
        w->states = grow(w->states, w->state_count, &w->state_capacity, sizeof *w->states);
        w->states[w->state_count++] = EXECUTION_PENDING;
        w->open++;
    }
    w->open -=
        execution_state_is_terminal(e->state) && !execution_state_is_terminal(w->states[e->id - 1]);
    w->states[e->id - 1] = e->state;
}

bool observe_is_over(const struct world *w, int64_t execution)
{
    assert(execution <= (int64_t)w->state_count);
    return ledger_is_terminal(w->states[execution - 1]);
}

// --- Jitter ---

static struct jitter *place_of(struct world *w, const struct execution_key *k, uint32_t jitter_ms)
{
    uint64_t x = (uint64_t)k->job * 0x9E3779B97F4A7C15u + (uint64_t)k->scheduled_at + jitter_ms;
    x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u;
    return &w->jitters[(x ^ (x >> 32)) % JITTERS];
}

// A row may be planned again after a crash that took it away. It is due when it was due before.
static void check_jitter(struct world *w, const struct execution *e)
{
    const struct version *v = promise_last(w, e->key.job);
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
static bool find_before(const struct world *w, job_id job, struct version *out)
{
    const struct version *v = promise_last(w, job);
    if (!v)
        return false;
    *out = *v;
    if (v->series < w->series)
        version_correct(out, w->series, w->corrected_at);
    return true;
}

static wall_ms last_missed(const struct world *w, job_id job)
{
    const struct durable_job *d =
        job <= (job_id)w->ledger.job_count ? &w->ledger.jobs[job - 1] : NULL;
    return d && d->missed_count ? d->missed[d->missed_count - 1].to : 0;
}

// From where on a change of the job holds: now, or where the clock was before it went back.
static wall_ms begins_at(struct world *w, job_id job, wall_ms before, wall_ms claimed)
{
    wall_ms latest = MAX(MAX(w->now.wall, w->seen), MAX(last_missed(w, job), before));
    if (claimed < w->now.wall || claimed > latest)
        trace_fail(&w->trace, "a change begins %lld ms from now, and may up to %lld ms",
                   (long long)(claimed - w->now.wall), (long long)(latest - w->now.wall));
    return claimed;
}

static void add_version(struct world *w, enum promise_kind kind, job_id job,
                        const struct version *v)
{
    struct version *added = &promise_add(w, kind, job)->version;
    *added = *v;
    added->series = w->series;
    added->asked_at = w->now.wall;
    trace_note(&w->trace, w->now.wall, "  job %lld from %+lld ms: %s%s%s%s, until %+lld ms",
               (long long)job, (long long)(v->at - w->now.wall), v->schedule,
               v->active ? "" : ", paused", v->deleted ? ", deleted" : "",
               v->finished ? ", finished" : "", (long long)(v->paused_until - w->now.wall));
}

static void see_put(struct world *w, const struct job *j)
{
    struct version before = {0}, v = w->asked;
    bool known = find_before(w, j->id, &before);
    if (!w->is_asking || (w->asking == COMMAND_UPDATE) != known) {
        trace_fail(&w->trace, "job %lld is put, and nobody asked for it", (long long)j->id);
        return;
    }
    v.at = begins_at(w, j->id, before.at, j->effective_from);
    v.finished = before.finished && !v.active;
    bool same_overlap = known && before.overlap == v.overlap;
    v.overlap_since = same_overlap ? before.overlap_since : v.at;
    add_version(w, PROMISE_VERSION, j->id, &v);
    if (known && before.host != v.host)
        breaker_forget(w, before.host);
}

static void see_delete(struct world *w, job_id id)
{
    struct version v;
    if (!find_before(w, id, &v) || !w->is_asking || w->asking != COMMAND_DELETE) {
        trace_fail(&w->trace, "job %lld is deleted, and nobody asked for it", (long long)id);
        return;
    }
    v.deleted = true;
    v.at = MAX(MAX(v.at, last_missed(w, id)), MAX(w->now.wall, w->seen));
    add_version(w, PROMISE_VERSION, id, &v);
    breaker_forget(w, v.host);
}

static void see_resume(struct world *w, job_id id, struct version *v)
{
    if (v->paused_until > w->now.wall)
        trace_fail(&w->trace, "job %lld resumes %lld ms early", (long long)id,
                   (long long)(v->paused_until - w->now.wall));
    v->at = MAX(v->at, v->paused_until);
}

static void see_gone(struct world *w, const struct job_state *s, struct version *v)
{
    if (w->gone != s->id)
        trace_fail(&w->trace, "job %lld is paused, and nobody asked for it", (long long)s->id);
    w->gone = 0;
    v->at = begins_at(w, s->id, v->at, s->effective_from);
}

// The end of a pause, an answer of 410, the end of the schedule. All else leaves the version as it
// is.
static void see_state(struct world *w, const struct job_state *s)
{
    struct version v;
    if (!find_before(w, s->id, &v) || s->is_active == (v.active && !v.finished))
        return;
    if (!s->finished) {
        if (s->is_active)
            see_resume(w, s->id, &v);
        else
            see_gone(w, s, &v);
        v.paused_until = WALL_NEVER;
        v.active = s->is_active;
    }
    v.finished = s->finished;
    w->happened.of[HAPPENING_FINISHED] += s->finished;
    add_version(w, PROMISE_EVENT, s->id, &v);
}

// --- The clock ---

static void see_correction(struct world *w, const struct before *b)
{
    dur_ms held = b->watermark - (w->now.wall + w->limits.lookahead_ms);
    bool asked = w->is_asking && w->asking == COMMAND_ACCEPT_CLOCK;
    if (held <= (asked ? 0 : HOLD_MS_MAX))
        trace_fail(&w->trace, "the clock is corrected after a hold of %lld ms", (long long)held);
    count(w, HAPPENING_CORRECTION);
    if (w->series == w->ledger.progress.generation)
        w->latest_before = w->latest;
    struct promise *p = promise_add(w, PROMISE_CORRECTION, 0);
    p->series = ++w->series;
    p->now = w->now.wall;
    w->seen = w->latest = w->corrected_at = w->now.wall;
    w->hold_told = 0;
}

static void see_alert(struct world *w, const struct alert *a, const struct before *b)
{
    if (a->kind == ALERT_TARGET_DOWN || a->kind == ALERT_TARGET_UP)
        breaker_hear(w, a);
    if (a->kind != ALERT_CLOCK)
        return;
    if (strncmp(a->message, "clock corrected", 15) == 0) {
        see_correction(w, b);
    } else if (strncmp(a->message, "clock stepped", 13) == 0) {
        count(w, HAPPENING_HOLD);
        w->hold_told = b->watermark;
    }
}

// Section 7 of the semantics: what a clock that went back asks for.
static void check_clock(struct world *w, const struct before *b, int64_t series_before)
{
    dur_ms held = b->watermark - (w->now.wall + w->limits.lookahead_ms);
    if (!b->stepped_back || held <= STEP_MS)
        return;
    if (held > HOLD_MS_MAX && w->series == series_before)
        trace_fail(&w->trace, "the clock is %lld ms back, and is not corrected", (long long)held);
    if (held <= HOLD_MS_MAX && w->series == series_before && w->hold_told != b->watermark)
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

static void see_change(struct world *w, const struct event *e, const struct change *c,
                       const struct before *b)
{
    switch (c->kind) {
    case CHANGE_JOB_PUT:
        see_put(w, c->job);
        break;
    case CHANGE_JOB_STATE:
        trace_note(&w->trace, w->now.wall, "  job %lld has used %u runs", (long long)c->state.id,
                   c->state.runs);
        see_state(w, &c->state);
        break;
    case CHANGE_JOB_DELETE:
        see_delete(w, c->deleted.id);
        break;
    case CHANGE_EXECUTION_INSERT:
        tell(w, &c->execution, "new");
        room_check(w, &c->execution, true);
        set_state(w, &c->execution);
        check_jitter(w, &c->execution);
        if (c->execution.key.series < 0)
            promise_add(w, PROMISE_TRIGGER, c->execution.key.job)->key = c->execution.key;
        break;
    case CHANGE_EXECUTION_UPDATE:
        tell(w, &c->execution, "...");
        room_check(w, &c->execution, false);
        set_state(w, &c->execution);
        if (e->kind == EVENT_OUTCOME && c->execution.next_attempt_at)
            wire_check_wait(w, &c->execution);
        break;
    case CHANGE_ALERT:
        see_alert(w, &c->alert, b);
        break;
    case CHANGE_ATTEMPT:
    case CHANGE_CLIENT_KEY:
        break;
    }
}

struct before observe_before(struct world *w, const struct event *e)
{
    bool starts = e->kind == EVENT_START;
    struct before b = {.changes = w->out.batch->count, .promised = w->promised};
    b.watermark = starts ? e->progress.watermark : core_status(w->core).watermark;
    dur_ms ahead = w->now.wall - w->now.mono;
    b.stepped_back = starts || ahead - w->wall_ahead < -STEP_MS;
    w->wall_ahead = ahead;
    if (starts && b.watermark > w->now.wall + w->limits.lookahead_ms)
        w->seen = b.watermark + 1;
    w->seen = MAX(w->seen, w->now.wall);
    w->latest = MAX(w->latest, w->now.wall);
    return b;
}

void observe_step(struct world *w, const struct event *e, const struct before *b)
{
    int64_t series = w->series;
    bool changes = e->kind == EVENT_COMMAND && e->command->kind != COMMAND_ACCEPT_CLOCK;
    if (changes && !w->out.replies[0].err && w->out.batch->count == b->changes)
        trace_fail(&w->trace, "P5: a command is accepted, and nothing will be written");
    for (size_t i = b->changes; i < w->out.batch->count && !w->trace.failed; i++)
        see_change(w, e, &w->out.batch->changes[i], b);
    check_clock(w, b, series);
    breaker_check_told(w);
    if (w->gone && !promise_last(w, w->gone)->finished)
        trace_fail(&w->trace, "job %lld goes on after 410", (long long)w->gone);
    w->gone = 0;
}

void observe_start(struct world *w)
{
    const struct ledger *l = &w->ledger;
    w->state_count = 0;
    w->open = 0;
    for (size_t i = 0; i < l->row_count; i++) {
        w->states = grow(w->states, i, &w->state_capacity, sizeof *w->states);
        w->states[i] = l->rows[i].e.state;
        w->open += !execution_state_is_terminal(w->states[i]);
    }
    w->state_count = l->row_count;
    w->seen = 0;
    if (w->series > l->progress.generation)
        w->latest = MAX(w->latest, w->latest_before); // The correction died with the process.
    w->series = l->progress.generation;
    w->hold_told = 0;
    w->wall_ahead = w->now.wall - w->now.mono;
    w->alarm_at = MONO_NEVER;
    w->gone = 0;
}
