// SPDX-License-Identifier: MIT
// ledger.c: tables in memory, and a look at each change before it goes in (see ledger_rules.c).

#include "ledger.h"

#include <assert.h>
#include <string.h>

void ledger_init(struct ledger *l, unsigned shard_count, struct trace *t)
{
    assert(1 <= shard_count && shard_count <= SHARDS_PLAYED);
    *l = (struct ledger){.trace = t, .shard_count = shard_count, .slot_count = 1 << 12};
    l->slots = xcalloc(l->slot_count, sizeof *l->slots);
}

static void free_texts(struct execution *e)
{
    free((char *)e->error);
    free((char *)e->reason);
    free((char *)e->request_body);
    free((char *)e->held_by);
    free((char *)e->origin);
}

void ledger_fini(struct ledger *l)
{
    for (size_t i = 0; i < l->row_count; i++)
        free_texts(&l->rows[i].e);
    for (size_t i = 0; i < l->job_count; i++) {
        job_free(l->jobs[i].job);
        free(l->jobs[i].missed);
    }
    for (unsigned i = 0; i < l->shard_count; i++)
        free(l->shards[i].ended);
    free(l->rows);
    free(l->places);
    free(l->slots);
    free(l->jobs);
}

bool ledger_is_terminal(unsigned state)
{
    return state != EXECUTION_PENDING && state != EXECUTION_RUNNING;
}

unsigned ledger_shard_number(const struct ledger *l, int64_t id)
{
    return (unsigned)(id % l->shard_count);
}

const struct durable_shard *ledger_shard(const struct ledger *l, job_id job)
{
    return &l->shards[ledger_shard_number(l, job)];
}

// --- Rows by key ---

static bool keys_equal(const struct execution_key *a, const struct execution_key *b)
{
    return a->job == b->job && a->scheduled_at == b->scheduled_at && a->series == b->series;
}

// The slot of this key, or the empty one where it would go.
static size_t slot_of(const struct ledger *l, const struct execution_key *k)
{
    uint64_t x = (uint64_t)k->job * 0x9E3779B97F4A7C15u + (uint64_t)k->scheduled_at;
    x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u + (uint64_t)k->series * 0x94D049BB133111EBu;
    size_t i = (x ^ (x >> 32)) & (l->slot_count - 1);
    while (l->slots[i] && !keys_equal(&l->rows[l->slots[i] - 1].e.key, k))
        i = (i + 1) & (l->slot_count - 1);
    return i;
}

struct row *ledger_find(const struct ledger *l, const struct execution_key *key)
{
    uint32_t slot = l->slots[slot_of(l, key)];
    return slot ? &l->rows[slot - 1] : NULL;
}

static void add_slot(struct ledger *l, size_t row)
{
    l->slots[slot_of(l, &l->rows[row].e.key)] = (uint32_t)row + 1;
}

static void grow_slots(struct ledger *l)
{
    free(l->slots);
    l->slot_count *= 2;
    l->slots = xcalloc(l->slot_count, sizeof *l->slots);
    for (size_t i = 0; i < l->row_count; i++)
        add_slot(l, i);
}

// --- Executions ---

static void copy_texts(struct execution *e)
{
    e->error = xstrdup(e->error);
    e->reason = xstrdup(e->reason);
    e->request_body = xstrdup(e->request_body);
    e->held_by = xstrdup(e->held_by);
    e->origin = xstrdup(e->origin);
}

static void place_row(struct ledger *l, int64_t id)
{
    while ((int64_t)l->place_count <= id) {
        l->places = grow(l->places, l->place_count, &l->place_capacity, sizeof *l->places);
        l->places[l->place_count++] = 0;
    }
    l->places[id] = (uint32_t)l->row_count;
    l->shards[ledger_shard_number(l, id)].execution_last = id;
}

struct row *ledger_row(const struct ledger *l, int64_t id)
{
    uint32_t place = id < (int64_t)l->place_count ? l->places[id] : 0;
    return place ? &l->rows[place - 1] : NULL;
}

// Puts the newest row behind the others of its job.
static void link_row(struct ledger *l, job_id job)
{
    struct durable_job *d = &l->jobs[job - 1];
    *(d->row_last ? &l->rows[d->row_last - 1].next_of_job : &d->row_first) = (uint32_t)l->row_count;
    d->row_last = (uint32_t)l->row_count;
}

struct row *ledger_first_of(const struct ledger *l, job_id job)
{
    uint32_t first = job <= (job_id)l->job_count ? l->jobs[job - 1].row_first : 0;
    return first ? &l->rows[first - 1] : NULL;
}

struct row *ledger_next_of(const struct ledger *l, const struct row *r)
{
    return r->next_of_job ? &l->rows[r->next_of_job - 1] : NULL;
}

size_t ledger_open_from(struct ledger *l)
{
    while (l->open_from < l->row_count && ledger_is_terminal(l->rows[l->open_from].e.state))
        l->open_from++;
    return l->open_from;
}

static void note_missed(struct durable_job *d, const struct execution *e)
{
    d->missed = grow(d->missed, d->missed_count, &d->missed_capacity, sizeof *d->missed);
    d->missed[d->missed_count++] = (struct missed_range){
        .series = e->key.series, .from = e->key.scheduled_at, .to = e->missed_to};
}

// A heartbeat that had notes only has not begun.
static bool is_begun(const struct row *r)
{
    return r->is_heartbeat ? r->was_running : r->e.attempts > 0;
}

bool row_is_returned(const struct row *r)
{
    const struct execution *e = &r->e;
    if (e->state == EXECUTION_MISSED)
        return r->was_planned && !strstr(e->reason, "no room") &&
               !strstr(e->reason, "nobody listened"); // The execution had its turn.
    return e->state == EXECUTION_CANCELLED && !is_begun(r) &&
           (strstr(e->reason, "schedule") || strstr(e->reason, "clock"));
}

// A run that max_runs gets back: it ended without an attempt, certainly before its turn, or
// perhaps.
static void note_return(struct durable_job *d, const struct row *r)
{
    if (!d->job->max_runs || r->e.key.series < 0 || is_begun(r))
        return;
    bool perhaps = r->e.state == EXECUTION_CANCELLED && !row_is_returned(r);
    d->returned += row_is_returned(r);
    d->perhaps += perhaps;
    if (row_is_returned(r) || perhaps)
        d->begun -= r->seen.sends > 0; // By a life that did not write it down.
}

// The row has become terminal: what its job is like just now decides what that asks for.
static void note_end(struct ledger *l, struct row *r)
{
    struct durable_job *d = &l->jobs[r->e.key.job - 1];
    r->was_stopped = d->was_stopped || d->deleted;
    r->catch_up = d->job->catch_up;
    r->catch_up_window_s = d->job->catch_up_window_s;
    if (r->e.state == EXECUTION_MISSED) {
        r->alerts_due = 1;
        note_missed(d, &r->e);
    } else if (r->e.state == EXECUTION_FAILED) {
        r->alerts_due = ++d->failures >= d->job->alert_after;
    } else if (r->e.state == EXECUTION_SUCCESS) {
        d->failures = 0;
    }
    incident_see(l, r);
    note_return(d, r);
}

static void insert(struct ledger *l, const struct execution *e)
{
    ledger_check_insert(l, e);
    if (l->trace->failed)
        return;
    l->rows = grow(l->rows, l->row_count, &l->row_capacity, sizeof *l->rows);
    struct row *r = &l->rows[l->row_count];
    *r = (struct row){.e = *e, .was_planned = e->state == EXECUTION_PENDING};
    copy_texts(&r->e);
    add_slot(l, l->row_count++);
    place_row(l, e->id);
    link_row(l, e->key.job);
    if (l->row_count * 2 > l->slot_count)
        grow_slots(l);
    struct durable_job *d = &l->jobs[e->key.job - 1];
    r->is_heartbeat = d->job->kind == JOB_HEARTBEAT;
    if (e->state == EXECUTION_MISSED)
        note_end(l, r);
    else if (e->key.series >= 0)
        d->planned += d->job->max_runs > 0;
}

static struct row *row_by_id(struct ledger *l, int64_t id)
{
    struct row *r = ledger_row(l, id);
    if (!r)
        trace_fail(l->trace, "there is no row %lld", (long long)id);
    return r;
}

static void update(struct ledger *l, const struct execution *e)
{
    struct row *r = row_by_id(l, e->id);
    if (!r)
        return;
    ledger_check_update(l, r, e);
    struct execution old = r->e;
    r->e = *e;
    r->was_running |= e->state == EXECUTION_RUNNING;
    r->e.request_body = old.request_body; // Updates do not repeat these two.
    r->e.origin = old.origin;
    copy_texts(&r->e);
    free_texts(&old);
    if (ledger_is_terminal(e->state))
        note_end(l, r);
}

bool ledger_missed(const struct ledger *l, const struct execution_key *key)
{
    const struct durable_job *d = &l->jobs[key->job - 1];
    for (size_t i = d->missed_count; i-- > 0;) {
        const struct missed_range *m = &d->missed[i];
        if (m->series == key->series && m->from <= key->scheduled_at && key->scheduled_at <= m->to)
            return true;
    }
    return false;
}

wall_ms row_due_at(const struct row *r)
{
    return r->e.due_at ? r->e.due_at : r->e.key.scheduled_at;
}

// --- Alerts and attempts ---

static void add_alert(struct ledger *l, const struct alert *a)
{
    ledger_check_alert_id(l, a);
    l->shards[ledger_shard_number(l, a->id)].alert_last = a->id;
    if (a->job)
        incident_hear(l, a);
    if (a->kind == ALERT_RECOVERED || a->kind == ALERT_LATE || a->kind == ALERT_SLOW ||
        a->kind == ALERT_FLAPPING)
        return; // An execution that has such an alert may have one of its failure besides.
    bool is_of_server = a->kind != ALERT_FAILURE && a->kind != ALERT_MISSED;
    if (is_of_server && a->execution_id == 0)
        return;
    struct row *r = row_by_id(l, a->execution_id);
    if (!r)
        return;
    r->alerts++;
    ledger_check_alert(l, r, a);
}

static void add_attempt(struct ledger *l, const struct attempt *a)
{
    struct row *r = row_by_id(l, a->execution_id);
    if (r)
        r->attempt_rows++;
}

// --- Jobs ---

static void put_job(struct ledger *l, const struct job *j)
{
    while ((int64_t)l->job_count < j->id) {
        l->jobs = grow(l->jobs, l->job_count, &l->job_capacity, sizeof *l->jobs);
        l->jobs[l->job_count++] = (struct durable_job){0};
    }
    struct durable_job *d = &l->jobs[j->id - 1];
    ledger_check_put(l, d, j);
    if (!d->job)
        l->shards[ledger_shard_number(l, j->id)].job_last = j->id;
    job_free(d->job);
    d->job = job_copy(j);
    d->was_stopped |= !j->is_active;
    incident_rules(d);
}

static struct durable_job *job_by_id(struct ledger *l, job_id id)
{
    if (id >= 1 && id <= (job_id)l->job_count && !l->jobs[id - 1].deleted)
        return &l->jobs[id - 1];
    trace_fail(l->trace, "there is no job %lld", (long long)id);
    return NULL;
}

static void set_state(struct ledger *l, const struct job_state *s)
{
    struct durable_job *d = job_by_id(l, s->id);
    if (!d)
        return;
    ledger_check_state(l, d, s);
    d->was_stopped |= !s->is_active && !s->finished;
    d->job->version = s->version;
    d->job->updated_at = s->updated_at;
    d->job->effective_from = s->effective_from;
    d->job->paused_until = s->paused_until;
    d->job->runs = s->runs;
    d->job->failures = s->failures;
    job_set_text(&d->job->trouble, s->trouble);
    incident_time(d, s->updated_at);
    d->job->is_active = s->is_active;
    d->job->finished = s->finished;
}

static void delete_job(struct ledger *l, job_id id)
{
    struct durable_job *d = job_by_id(l, id);
    if (d)
        d->deleted = true;
}

const struct job *ledger_job(const struct ledger *l, job_id id)
{
    bool known = id >= 1 && id <= (job_id)l->job_count && !l->jobs[id - 1].deleted;
    return known ? l->jobs[id - 1].job : NULL;
}

// --- A batch ---

static void apply_change(struct ledger *l, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_JOB_PUT:
        put_job(l, c->job);
        break;
    case CHANGE_JOB_STATE:
        set_state(l, &c->state);
        break;
    case CHANGE_JOB_DELETE:
        delete_job(l, c->deleted.id);
        break;
    case CHANGE_EXECUTION_INSERT:
        insert(l, &c->execution);
        break;
    case CHANGE_EXECUTION_UPDATE:
        update(l, &c->execution);
        break;
    case CHANGE_ATTEMPT:
        add_attempt(l, &c->attempt);
        break;
    case CHANGE_ALERT:
        add_alert(l, &c->alert);
        break;
    case CHANGE_ALERT_ACK:
        break; // No client of the simulator sees alerts.
    case CHANGE_VERSION:
        break; // See versions_check.
    case CHANGE_AUDIT:
    case CHANGE_CLIENT_KEY:
    case CHANGE_REPLY:
        break; // Commands of the simulator bring no key, and are no rows.
    case CHANGE_SHARD:
        break; // When all others are in.
    }
}

static void set_shard(struct ledger *l, const struct shard *row)
{
    struct durable_shard *s = &l->shards[row->number];
    ledger_check_shard(l, s, row);
    while ((int64_t)s->ended_count < row->generation) {
        s->ended = grow(s->ended, s->ended_count, &s->ended_capacity, sizeof *s->ended);
        bool current = (int64_t)s->ended_count == s->row.generation;
        s->ended[s->ended_count++] = current ? s->row.watermark : 0;
    }
    s->row = *row;
}

void ledger_apply(struct ledger *l, const struct batch *b)
{
    ledger_open_from(l);
    for (size_t i = 0; i < b->count && !l->trace->failed; i++)
        apply_change(l, &b->changes[i]);
    ledger_check_batch(l, b);
    for (size_t i = 0; i < b->count && !l->trace->failed; i++)
        if (b->changes[i].kind == CHANGE_SHARD)
            set_shard(l, &b->changes[i].row);
}

// What was counted and not written is forgotten.
void ledger_take(struct ledger *l, const struct shard *row)
{
    ledger_check_take(l, &l->shards[row->number], row);
    l->shards[row->number].row = *row;
    for (size_t i = row->number; i < l->job_count + 1; i += l->shard_count) {
        struct durable_job *d = i > 0 ? &l->jobs[i - 1] : NULL;
        if (d)
            d->failures = d->job ? d->job->failures : 0;
    }
}
