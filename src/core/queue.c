// SPDX-License-Identifier: MIT
// queue.c: first come, first served lists of open executions, from which any may leave early.

#include "core/core_priv.h"

#include <assert.h>

void core__queue_put(struct queue *q, struct open *o)
{
    assert(!o->queue);
    o->queue = q;
    o->queue_next = NULL;
    o->queue_previous = q->last;
    if (q->last)
        q->last->queue_next = o;
    else
        q->first = o;
    q->last = o;
}

void core__queue_leave(struct open *o)
{
    struct queue *q = o->queue;
    if (!q)
        return;
    *(o->queue_previous ? &o->queue_previous->queue_next : &q->first) = o->queue_next;
    *(o->queue_next ? &o->queue_next->queue_previous : &q->last) = o->queue_previous;
    o->queue = NULL;
    o->queue_next = o->queue_previous = NULL;
}
