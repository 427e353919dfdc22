// SPDX-License-Identifier: MIT
// ledger.c: tables in memory, and a look at each change before it goes in.

#include "ledger.h"

#include <assert.h>
#include <string.h>

void ledger_init(struct ledger *l, struct trace *t)
{
    *l = (struct ledger){.trace = t, .slot_count = 1 << 12};
    l->slots = xcalloc(l->slot_count, sizeof *l->slots);
}

static void free_texts(struct execution *e)
{
    free((char *)e->error);
    free((char *)e->reason);
    free((char *)e->request_body);
}

void ledger_fini(struct ledger *l)
{
    for (size_t i = 0; i < l->row_count; i++)
        free_texts(&l->rows[i].e);
    for (size_t i = 0; i < l->job_count; i++)
        job_free(l->jobs[i].job);
    free(l->rows);
    free(l->slots);
    free(l->jobs);
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
    while (l->open_from < l->row_count &&
           execution_state_is_terminal(l->rows[l->open_from].e.state))
        l->open_from++;
    return l->open_from;
}

static void insert(struct ledger *l, const struct execution *e)
{
    if (ledger_find(l, &e->key))
        trace_fail(l->trace, "I1: a second row for job %lld at %lld", (long long)e->key.job,
                   (long long)e->key.scheduled_at);
    if (e->id != (int64_t)l->row_count + 1)
        trace_fail(l->trace, "row %lld is not the next one", (long long)e->id);
    if (e->state != EXECUTION_PENDING && e->state != EXECUTION_MISSED)
        trace_fail(l->trace, "row %lld begins as %s", (long long)e->id,
                   execution_state_name(e->state));
    if (l->trace->failed)
        return;
    l->rows = grow(l->rows, l->row_count, &l->row_capacity, sizeof *l->rows);
    l->rows[l->row_count] = (struct row){.e = *e};
    copy_texts(&l->rows[l->row_count].e);
    add_slot(l, l->row_count++);
    link_row(l, e->key.job);
    if (l->row_count * 2 > l->slot_count)
        grow_slots(l);
}

static struct row *row_by_id(struct ledger *l, int64_t id)
{
    if (id >= 1 && id <= (int64_t)l->row_count)
        return &l->rows[id - 1];
    trace_fail(l->trace, "there is no row %lld", (long long)id);
    return NULL;
}

static void check_update(struct ledger *l, const struct execution *old, const struct execution *e)
{
    long long id = (long long)e->id;
    if (!keys_equal(&old->key, &e->key))
        trace_fail(l->trace, "row %lld got another key", id);
    if (execution_state_is_terminal(old->state))
        trace_fail(l->trace, "I4: row %lld was %s and changes", id,
                   execution_state_name(old->state));
    if (old->state != e->state && !execution_may_move(old->state, e->state))
        trace_fail(l->trace, "row %lld moves from %s to %s", id, execution_state_name(old->state),
                   execution_state_name(e->state));
    unsigned retries = l->jobs[e->key.job - 1].job->max_retries;
    if (e->attempts > 1 + retries + e->recoveries)
        trace_fail(l->trace, "I8: row %lld has %u attempts, of %u retries and %u recoveries", id,
                   e->attempts, retries, e->recoveries);
    if (e->attempts < old->attempts || e->recoveries < old->recoveries ||
        e->retry_count < old->retry_count)
        trace_fail(l->trace, "row %lld counts backwards", id);
}

static void update(struct ledger *l, const struct execution *e)
{
    struct row *r = row_by_id(l, e->id);
    if (!r)
        return;
    check_update(l, &r->e, e);
    struct execution old = r->e;
    r->e = *e;
    r->e.request_body = old.request_body; // Updates do not repeat it.
    copy_texts(&r->e);
    free_texts(&old);
}

// --- Alerts and attempts ---

static void add_alert(struct ledger *l, const struct alert *a)
{
    struct row *r = row_by_id(l, a->execution_id);
    if (!r)
        return;
    r->alerts++;
    enum execution_state state = a->kind == ALERT_MISSED ? EXECUTION_MISSED : EXECUTION_FAILED;
    if (r->e.state != state && !execution_may_move(r->e.state, state))
        trace_fail(l->trace, "an alert about row %lld, which is %s", (long long)r->e.id,
                   execution_state_name(r->e.state));
}

static void add_attempt(struct ledger *l, const struct attempt *a)
{
    struct row *r = row_by_id(l, a->execution_id);
    if (r)
        r->attempt_rows++;
}

// I5, once the whole batch is in: what it ended badly has one alert, what it ended well has none.
static void check_alerts(struct ledger *l, const struct batch *b)
{
    for (size_t i = 0; i < b->count && !l->trace->failed; i++) {
        const struct change *c = &b->changes[i];
        if (c->kind != CHANGE_EXECUTION_INSERT && c->kind != CHANGE_EXECUTION_UPDATE)
            continue;
        const struct row *r = &l->rows[c->execution.id - 1];
        bool bad = r->e.state == EXECUTION_FAILED || r->e.state == EXECUTION_MISSED;
        if (r->alerts != bad)
            trace_fail(l->trace, "I5: row %lld is %s and has %u alerts", (long long)r->e.id,
                       execution_state_name(r->e.state), r->alerts);
    }
}

// --- Jobs ---

static void put_job(struct ledger *l, const struct job *j)
{
    while ((int64_t)l->job_count < j->id) {
        l->jobs = grow(l->jobs, l->job_count, &l->job_capacity, sizeof *l->jobs);
        l->jobs[l->job_count++] = (struct durable_job){0};
    }
    struct durable_job *d = &l->jobs[j->id - 1];
    if (d->job && (d->deleted || j->version != d->job->version + 1))
        trace_fail(l->trace, "job %lld is put as version %lld", (long long)j->id,
                   (long long)j->version);
    job_free(d->job);
    d->job = job_copy(j);
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
    d->job->version = s->version;
    d->job->updated_at = s->updated_at;
    d->job->effective_from = s->effective_from;
    d->job->paused_until = s->paused_until;
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
    case CHANGE_CLIENT_KEY:
        break; // Its commands bring none.
    }
}

static void check_progress(struct ledger *l, const struct progress *p)
{
    const struct progress *old = &l->progress;
    if (p->watermark < old->watermark ||
        (p->watermark == old->watermark && p->watermark_job < old->watermark_job))
        trace_fail(l->trace, "I3: the watermark falls from %lld to %lld", (long long)old->watermark,
                   (long long)p->watermark);
    if (p->job_next < old->job_next || p->execution_next < old->execution_next ||
        p->alert_next < old->alert_next || p->epoch < old->epoch)
        trace_fail(l->trace, "an id or the epoch falls");
}

void ledger_apply(struct ledger *l, const struct batch *b)
{
    if (b->count > 0 && !b->has_progress)
        trace_fail(l->trace, "a batch with rows has no watermark");
    for (size_t i = 0; i < b->count && !l->trace->failed; i++)
        apply_change(l, &b->changes[i]);
    check_alerts(l, b);
    if (!b->has_progress)
        return;
    check_progress(l, &b->progress);
    l->progress = b->progress;
}
