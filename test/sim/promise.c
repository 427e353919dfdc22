// SPDX-License-Identifier: MIT
// promise.c: what will hold once its batch is durable, and what becomes of it.

#include "world.h"

#include <assert.h>
#include <string.h>

struct promise *promise_add(struct node *n, enum promise_kind kind, job_id job)
{
    assert(n->promised < QUEUE_MAX);
    struct promise *p = &n->promises[n->promised++];
    *p = (struct promise){.kind = kind, .sequence = n->out.batch->sequence, .job = job};
    if (kind == PROMISE_VERSION || kind == PROMISE_TRIGGER)
        p->errand = n->world->errands.asked;
    return p;
}

static bool has_version(const struct promise *p, job_id id)
{
    return p->job == id && (p->kind == PROMISE_VERSION || p->kind == PROMISE_EVENT);
}

const struct version *promise_last(const struct node *n, job_id id)
{
    const struct world *w = n->world;
    for (size_t i = n->promised; i-- > 0;)
        if (has_version(&n->promises[i], id))
            return &n->promises[i].version;
    return history_last(&w->history, id);
}

// I10: what was promised is on the disk, perhaps as a later version.
static void check_job(struct world *w, job_id id)
{
    const struct job *j = ledger_job(&w->ledger, id);
    const struct version *v = history_last(&w->history, id);
    if (v->deleted && !j)
        return;
    struct job *wanted = version_job(v);
    bool same = j && !v->deleted && strcmp(j->schedule, wanted->schedule) == 0 &&
                strcmp(j->timezone, wanted->timezone) == 0 && j->type == wanted->type &&
                j->overlap == wanted->overlap && j->max_in_flight == wanted->max_in_flight &&
                j->jitter_ms == wanted->jitter_ms && j->end_at == wanted->end_at &&
                (j->is_active == v->active || j->finished);
    job_free(wanted);
    if (!same)
        trace_fail(&w->trace, "I10: job %lld is not what was promised", (long long)id);
}

// Or it ended otherwise, or waits for its instant or the end of its attempt, and its row says so.
static bool is_cancelled(const struct row *r)
{
    return r && (ledger_is_terminal(r->e.state) || r->e.reason);
}

static void check_promise(struct world *w, const struct promise *p)
{
    if (p->kind == PROMISE_VERSION || p->kind == PROMISE_EVENT)
        check_job(w, p->job);
    if (p->kind == PROMISE_TRIGGER && !ledger_find(&w->ledger, &p->key))
        trace_fail(&w->trace, "I10: a trigger of job %lld left no row", (long long)p->job);
    if (p->kind == PROMISE_CANCEL && !is_cancelled(ledger_find(&w->ledger, &p->key)))
        trace_fail(&w->trace, "I10: an execution of job %lld is not cancelled", (long long)p->job);
}

static void correct(struct world *w, const struct promise *p)
{
    for (job_id id = 1; id <= (job_id)w->history.job_count; id++)
        if (ledger_shard_number(&w->ledger, id) == p->shard)
            history_correct(&w->history, id, p->series, p->now);
}

static void keep(struct world *w, const struct promise *p)
{
    errands_keep(w, p);
    switch (p->kind) {
    case PROMISE_VERSION:
    case PROMISE_EVENT:
        history_add(&w->history, p->job, &p->version);
        break;
    case PROMISE_TRIGGER:
        history_add_trigger(&w->history, &p->key);
        break;
    case PROMISE_CANCEL:
        break;
    case PROMISE_PING:
        heart_keep(w, p);
        break;
    case PROMISE_WORD:
        wait_keep(w, p);
        break;
    case PROMISE_CORRECTION:
        correct(w, p);
        break;
    }
}

void promise_keep(struct node *n, uint64_t sequence)
{
    struct world *w = n->world;
    size_t kept = 0;
    while (kept < n->promised && n->promises[kept].sequence <= sequence)
        keep(w, &n->promises[kept++]);
    for (size_t i = 0; i < kept && !w->trace.failed; i++)
        check_promise(w, &n->promises[i]);
    memmove(n->promises, n->promises + kept, (n->promised - kept) * sizeof *n->promises);
    n->promised -= kept;
}

static unsigned shard_of_promise(const struct node *n, const struct promise *p)
{
    return p->kind == PROMISE_CORRECTION ? p->shard
                                         : ledger_shard_number(&n->world->ledger, p->job);
}

void promise_lose(struct node *n, unsigned shard)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->promised; i++)
        if (shard_of_promise(n, &n->promises[i]) != shard)
            n->promises[kept++] = n->promises[i];
    n->promised = kept;
}

void promise_forget(struct node *n)
{
    n->promised = 0;
}
