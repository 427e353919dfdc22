// SPDX-License-Identifier: MIT
// dial.c: host -> connected socket.
//
// The addresses of a host are tried in order: the next one at once when one fails, and beside it
// when it has not answered within PATIENCE_MS (the idea of RFC 8305). The first that connects wins,
// the others are closed. What the policy denies is passed over: it is asked here, about the address
// itself, since a name can resolve to something else each time.

#include "dispatch/wire/wire_priv.h"

#include <assert.h>

#define PATIENCE_MS 250

static void try_next(struct call *c);

static void patience_over(void *context)
{
    try_next(context);
}

static void answered(void *context, const struct addresses *a);

void dial__init(struct call *c)
{
    struct dial *d = &c->dial;
    d->question = (struct question){.answered = answered, .context = c};
    d->patience = (struct deadline){.over = patience_over, .context = c};
    TAILQ_INIT(&d->racers);
}

void dial__stop(struct call *c)
{
    struct dial *d = &c->dial;
    resolver__forget(&d->question);
    deadline__clear(&c->owner->deadlines, &d->patience);
    for (struct connection *n; (n = TAILQ_FIRST(&d->racers));) {
        TAILQ_REMOVE(&d->racers, n, link);
        connection__close(n);
    }
}

// A socket is connected, or has failed.
static void racer_ready(void *context, uint32_t events)
{
    (void)events;
    struct connection *n = context;
    struct wire *w = n->owner;
    struct call *c = n->call;
    int error = connection__error(n);
    assert(!c->connection && !TAILQ_EMPTY(&c->dial.racers));
    TAILQ_REMOVE(&c->dial.racers, n, link);
    if (error) {
        connection__close(n);
        c->dial.error = error;
        try_next(c);
    } else {
        dial__stop(c);
        call__connected(c, n);
    }
    wire__report(w);
}

static void try_next(struct call *c)
{
    struct dial *d = &c->dial;
    struct connection *n = NULL;
    assert(!c->connection && d->next <= d->addresses.count);
    while (!n && d->next < d->addresses.count) {
        const union address *to = &d->addresses.list[d->next++];
        if (!address_policy_allows(c->owner->targets, &to->any, c->target->port)) {
            d->forbidden = to;
            continue;
        }
        n = connection__open(c->target, c, to, racer_ready, &d->error);
    }
    if (n)
        TAILQ_INSERT_TAIL(&d->racers, n, link);
    if (n && d->next < d->addresses.count)
        deadline__set(&c->owner->deadlines, &d->patience, clock_mono_ms() + PATIENCE_MS);
    else if (TAILQ_EMPTY(&d->racers) && d->forbidden && !d->error)
        call__forbidden(c);
    else if (TAILQ_EMPTY(&d->racers))
        call__unconnected(c, d->error);
}

static void answered(void *context, const struct addresses *a)
{
    struct call *c = context;
    if (a->count == 0) {
        call__unconnected(c, 0);
        return;
    }
    c->dial.addresses = *a;
    c->dial.next = 0;
    c->dial.error = 0;
    c->dial.forbidden = NULL;
    call__resolved(c);
    try_next(c);
}

void dial__start(struct call *c)
{
    assert(TAILQ_EMPTY(&c->dial.racers) && !deadline__is_set(&c->dial.patience));
    resolver__ask(c->owner->resolver, c->target->host, &c->dial.question);
}
