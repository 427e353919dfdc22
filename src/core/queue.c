// SPDX-License-Identifier: MIT
// queue.c: first come, first served lists of open executions, from which any may leave early.

#include "core/core_priv.h"

#include <assert.h>

void core__queue_put(struct queue *q, struct open *o)
{
    core__queue_put_behind(q, q->last, o);
}

void core__queue_put_behind(struct queue *q, struct open *previous, struct open *o)
{
    assert(!o->queue && (!previous || previous->queue == q));
    o->queue = q;
    o->queue_previous = previous;
    o->queue_next = previous ? previous->queue_next : q->first;
    *(previous ? &previous->queue_next : &q->first) = o;
    *(o->queue_next ? &o->queue_next->queue_previous : &q->last) = o;
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
