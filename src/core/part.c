// SPDX-License-Identifier: MIT
// part.c: a shard is given back in an orderly way, and its flights go on.
//
// The new owner is to have the shard at once, and a target that takes long must not be asked twice.
// So what is on the wire is written down as such, with this node's name and the end of the attempt,
// and leaves the jobs for a table of its own. What comes of it goes to the new owner. Claims that
// were not sent are taken back. All of it is one batch, the last of the epoch; whatever else the
// shard holds stands in its rows already.

#include "core/core_priv.h"

#include <assert.h>

struct parted {
    struct agenda_node due; // In parted.ends.
    struct parted *next;    // In its bucket.
    uint64_t ticket;
    int64_t epoch;
    job_id job;
    int64_t execution; // The id of the execution.
    uint32_t shard;
    uint16_t attempt;
};

void core__parted_init(struct core *c)
{
    c->parted.ends = agenda_new();
}

static struct parted *parted_of(struct agenda_node *n)
{
    return (struct parted *)((char *)n - offsetof(struct parted, due));
}

size_t core__parted_count(const struct core *c)
{
    return agenda_count(c->parted.ends);
}

static struct parted **bucket_of(struct core *c, uint64_t ticket)
{
    return &c->parted.buckets[(ticket >> 32) % PARTED_BUCKETS];
}

static void forget(struct core *c, struct parted *p)
{
    struct parted **link = bucket_of(c, p->ticket);
    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    agenda_remove(c->parted.ends, &p->due);
    free(p);
}

void core__parted_fini(struct core *c)
{
    struct agenda_node *n;
    while ((n = agenda_first(c->parted.ends)))
        forget(c, parted_of(n));
    agenda_free(c->parted.ends);
}

// --- It is given back ----------------------------------------------------------------------------

static dur_ms rest_of_flight(const struct core *c, const struct open *o, wall_ms latest)
{
    mono_ms deadline = o->sent_at + (dur_ms)o->job->policy->timeout_ms + OUTCOME_TELL_MS;
    return MAX(MIN(latest - c->now.wall, deadline - c->now.mono), 0);
}

static void part_flight(struct core *c, struct open *o, const struct event *e)
{
    struct parted *p = xcalloc(1, sizeof *p);
    o->held_by = xstrdup(e->give_back.node);
    o->record.held_by = o->held_by;
    dur_ms rest = rest_of_flight(c, o, e->give_back.flights_until);
    o->record.held_until = c->now.wall + rest;
    if (o->record.state == EXECUTION_PENDING)
        core__set_state(o, EXECUTION_RUNNING);
    core__record_update(c, o);
    *p = (struct parted){.ticket = core__ticket(o),
                         .epoch = core__shard_of(c, o->record.key.job)->row.epoch,
                         .job = o->record.key.job,
                         .execution = o->record.id,
                         .shard = e->give_back.shard,
                         .attempt = o->record.attempts};
    struct parted **bucket = bucket_of(c, p->ticket);
    p->next = *bucket;
    *bucket = p;
    agenda_put(c->parted.ends, &p->due, c->now.mono + rest, p->execution);
}

// The attempt is made by the next owner, under the same number.
static void take_back_claim(struct core *c, struct open *o)
{
    o->claimed = false;
    o->record.attempts--;
    o->record.retry_count -= o->retried;
    o->record.next_attempt_at = c->now.wall; // So the row says that nothing is under way.
    core__record_update(c, o);
}

static void part_with(struct core *c, struct core_job *j, const struct event *e)
{
    for (struct open *o = j->first_open; o; o = o->job_next) {
        if (core__shard_of(c, o->record.key.job)->row.number != e->give_back.shard)
            continue;
        if (core__is_flying(o))
            part_flight(c, o, e);
        else if (o->claimed)
            take_back_claim(c, o);
        core__forget_elsewhere(c, o);
        core__enter(c, o, PHASE_GONE); // Before the first one gives up its places.
    }
}

void core__shard_give_back(struct core *c, const struct event *e)
{
    struct core_shard *s = &c->shards[e->give_back.shard];
    if (s->state > SHARD_LOADING) {
        struct core_job *j;
        for (job_id id = 1; (j = core__shard_job_from(c, s, id)); id = j->id + 1)
            part_with(c, j, e);
        part_with(c, &c->nobody, e);
        core__touch(c, s);
        core__record_shards(c);
        c->out->batch->awaited = true;
    }
    core__shard_forget(c, s);
}

// --- It ends -------------------------------------------------------------------------------------

bool core__parted_outcome(struct core *c, const struct outcome *out)
{
    struct parted *p = *bucket_of(c, out->ticket);
    while (p && (p->ticket != out->ticket || p->epoch != out->epoch || p->shard != out->shard))
        p = p->next;
    if (!p)
        return false;
    struct handoff *h = core__handoff(c->out);
    *h = (struct handoff){.job = p->job, .outcome = *out};
    h->outcome.attempt.execution_id = p->execution;
    h->outcome.attempt.number = p->attempt;
    forget(c, p);
    return true;
}

// Nobody waits for it any more: the new owner goes on.
static void cancel(struct core *c, struct parted *p)
{
    core__cancel_send(c->out, p->ticket);
    forget(c, p);
}

void core__parted_due(struct core *c)
{
    struct agenda_node *n;
    while (agenda_next(c->parted.ends) <= c->now.mono && (n = agenda_first(c->parted.ends)))
        cancel(c, parted_of(n));
}

void core__parted_cancel(struct core *c, uint32_t shard)
{
    for (size_t i = 0; core__parted_count(c) > 0 && i < PARTED_BUCKETS; i++)
        for (struct parted *p = c->parted.buckets[i], *next; p; p = next) {
            next = p->next;
            if (p->shard == shard)
                cancel(c, p);
        }
}
