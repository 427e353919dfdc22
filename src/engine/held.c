// SPDX-License-Identifier: MIT
// held.c: what must wait until its batch is durable: replies to clients, and alerts.
//
// Batches become durable in order, so one first-in, first-out list is enough.

#include "engine/engine_priv.h"

#include <string.h>

enum held_kind { HELD_REPLY, HELD_ALERT };

struct held {
    struct held *next;
    uint64_t sequence;
    enum held_kind kind;
    union {
        struct reply reply;
        struct alert alert; // Owns its message.
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
    h->alert.message = xstrdup(a->message);
}

static void release(struct held *h)
{
    if (h->kind == HELD_REPLY) {
        engine__answer(&h->reply);
    } else {
        alert_raise(&h->alert);
        free((char *)h->alert.message);
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
        release(h);
    }
}

void engine__refuse_held(struct held_list *l)
{
    while (l->first) {
        struct held *h = l->first;
        l->first = h->next;
        if (h->kind == HELD_REPLY)
            h->reply.err = ERR_CLOSED; // Whether it was written is unknown to us.
        release(h);
    }
    l->last = NULL;
}
