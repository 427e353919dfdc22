// SPDX-License-Identifier: MIT
// held.c: what must wait until its batch is durable: replies to clients, alerts, and what the log
// says of jobs.
//
// Batches become durable in order, so one first-in, first-out list is enough.

#include "engine/engine_priv.h"

#include <string.h>

enum held_kind { HELD_REPLY, HELD_ALERT, HELD_MOVE };

struct held {
    struct held *next;
    uint64_t sequence;
    enum held_kind kind;
    union {
        struct reply reply;
        struct alert alert;    // Owns its texts.
        struct job_state move; // Owns its reason.
    };
};

static struct held *append(struct held_list *l, uint64_t sequence, enum held_kind kind)
{
    struct held *h = xcalloc(1, sizeof *h);
    h->sequence = sequence;
    h->kind = kind;
    if (l->last)
        l->last->next = h;
    else
        l->first = h;
    l->last = h;
    return h;
}

void engine__hold_reply(struct held_list *l, uint64_t sequence, const struct reply *r)
{
    append(l, sequence, HELD_REPLY)->reply = *r;
}

void engine__hold_alert(struct held_list *l, uint64_t sequence, const struct alert *a)
{
    struct held *h = append(l, sequence, HELD_ALERT);
    h->alert = *a;
    h->alert.subject = xstrdup(a->subject);
    h->alert.last_error = xstrdup(a->last_error);
    h->alert.message = xstrdup(a->message);
}

void engine__hold_move(struct held_list *l, uint64_t sequence, const struct job_state *s)
{
    struct held *h = append(l, sequence, HELD_MOVE);
    h->move = *s;
    h->move.paused_reason = xstrdup(s->paused_reason);
}

// `durable`: whether what it is about has happened. An alert about what was not written is dropped;
// its id is given again in the next life.
static void let_go(struct held *h, bool durable)
{
    if (h->kind == HELD_REPLY) {
        if (!durable) {
            h->reply.err = ERR_CLOSED; // Whether it was written is unknown to us.
            job_free(h->reply.row);
            h->reply.row = NULL;
        }
        engine__answer(&h->reply);
    } else if (h->kind == HELD_ALERT) {
        if (durable)
            alert_raise(&h->alert);
        free((char *)h->alert.subject);
        free((char *)h->alert.last_error);
        free((char *)h->alert.message);
    } else {
        if (durable)
            engine__log_move(&h->move);
        free((char *)h->move.paused_reason);
    }
    free(h);
}

void engine__release(struct held_list *l, uint64_t sequence)
{
    while (l->first && l->first->sequence <= sequence) {
        struct held *h = l->first;
        l->first = h->next;
        if (!l->first)
            l->last = NULL;
        let_go(h, true);
    }
}

void engine__refuse_held(struct held_list *l)
{
    while (l->first) {
        struct held *h = l->first;
        l->first = h->next;
        let_go(h, false);
    }
    l->last = NULL;
}
