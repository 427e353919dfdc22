// SPDX-License-Identifier: MIT
// held.c: what must wait until its batch is durable: replies to clients, alerts, and what the log
// says of jobs.
//
// Batches become durable in order, so one first-in, first-out list is enough. When somebody else
// has taken a shard, what waits for its part of the batches leaves the list from wherever it is.

#include "engine/engine_priv.h"

#include <assert.h>
#include <string.h>

enum held_kind { HELD_REPLY, HELD_ALERT, HELD_MOVE };

struct held {
    struct held *next;
    uint64_t sequence;
    uint32_t shard;
    enum held_kind kind;
    union {
        struct reply reply;
        struct alert alert;    // Owns its texts.
        struct job_state move; // Owns its reason.
    };
};

static void put_last(struct held_list *l, struct held *h)
{
    assert((l->first == NULL) == (l->last == NULL));
    assert(!l->last || l->last->sequence <= h->sequence);
    h->next = NULL;
    if (l->last)
        l->last->next = h;
    else
        l->first = h;
    l->last = h;
}

static struct held *append(struct held_list *l, uint64_t sequence, uint32_t shard,
                           enum held_kind kind)
{
    struct held *h = xcalloc(1, sizeof *h);
    h->sequence = sequence;
    h->shard = shard;
    h->kind = kind;
    put_last(l, h);
    return h;
}

void engine__hold_reply(struct held_list *l, uint64_t sequence, uint32_t shard,
                        const struct reply *r)
{
    append(l, sequence, shard, HELD_REPLY)->reply = *r;
}

void engine__hold_alert(struct held_list *l, uint64_t sequence, uint32_t shard,
                        const struct alert *a)
{
    struct held *h = append(l, sequence, shard, HELD_ALERT);
    h->alert = *a;
    h->alert.subject = xstrdup(a->subject);
    h->alert.last_error = xstrdup(a->last_error);
    h->alert.message = xstrdup(a->message);
}

void engine__hold_move(struct held_list *l, uint64_t sequence, uint32_t shard,
                       const struct job_state *s)
{
    struct held *h = append(l, sequence, shard, HELD_MOVE);
    h->move = *s;
    h->move.paused_reason = xstrdup(s->paused_reason);
}

// `err`: why what it is about has not happened, or may not have; ERR_OK: it has. An alert about
// what was not written is dropped; its id is given again in the next life.
static void let_go(struct held *h, enum err err)
{
    if (h->kind == HELD_REPLY) {
        if (err) {
            h->reply.err = err;
            h->reply.is_recorded = false;
            job_free(h->reply.row);
            h->reply.row = NULL;
        }
        engine__answer(&h->reply);
    } else if (h->kind == HELD_ALERT) {
        if (!err)
            alert_raise(&h->alert);
        free((char *)h->alert.subject);
        free((char *)h->alert.last_error);
        free((char *)h->alert.message);
    } else {
        if (!err)
            engine__log_move(&h->move);
        free((char *)h->move.paused_reason);
    }
    free(h);
}

static struct held *take_first(struct held_list *l)
{
    struct held *h = l->first;
    l->first = h->next;
    if (!l->first)
        l->last = NULL;
    return h;
}

// A change whose answer was lost may be durable: that it failed is nothing to tell. A command which
// was refused anyhow changed nothing.
static enum err refusal(const struct held *h, uint64_t doubtful, enum err otherwise)
{
    bool may_be_done = h->sequence <= doubtful && h->kind == HELD_REPLY && !h->reply.err;
    return may_be_done ? ERR_DOUBT : otherwise;
}

void engine__release(struct held_list *l, uint64_t sequence)
{
    while (l->first && l->first->sequence <= sequence)
        let_go(take_first(l), ERR_OK);
}

// A conflict that waited for what it conflicts with is refused like a change: its client is to ask
// the new owner.
void engine__refuse_fenced(struct held_list *l, const struct store_fencing *x)
{
    struct held_list all = *l;
    *l = (struct held_list){0};
    while (all.first) {
        struct held *h = take_first(&all);
        if (h->shard == x->shard && h->sequence <= x->sequence)
            let_go(h, refusal(h, x->doubtful, ERR_FENCED));
        else
            put_last(l, h);
    }
}

void engine__refuse_held(struct held_list *l, uint64_t doubtful)
{
    while (l->first) {
        struct held *h = take_first(l);
        let_go(h, refusal(h, doubtful, ERR_CLOSED));
    }
}
