// SPDX-License-Identifier: MIT
// breaker.c: a target where nothing answers is left in peace for a while.
//
// When `breaker_losses` attempts in a row got no answer at all (refused, reset, timed out),
// attempts to that host wait, a second at first and then doubling up to five. After the wait a few
// probe; the first answer, whatever its status, lets everybody go on. Nothing is skipped: what
// waits is late, and what fails meanwhile fails by the job's own rules.

#include "core/core_priv.h"

static const struct host *host_of(const struct gate *g)
{
    return (const struct host *)((const char *)g - offsetof(struct host, gate));
}

static bool is_broken(const struct core *c, const struct host *h)
{
    return c->limits.breaker_losses > 0 && h->losses >= c->limits.breaker_losses;
}

bool core__breaker_holds(const struct core *c, const struct gate *g)
{
    const struct host *h = host_of(g);
    if (!is_broken(c, h))
        return false;
    return c->now.mono < h->closed_until || g->in_flight >= BREAKER_PROBES;
}

static void open_breaker(struct core *c, struct host *h)
{
    if (c->now.mono < h->closed_until)
        return; // Open already: this one was under way.
    h->wait_ms = MIN(MAX(h->wait_ms * 2, BREAKER_OPEN_MS_MIN), BREAKER_OPEN_MS_MAX);
    h->closed_until = c->now.mono + h->wait_ms;
    agenda_put(c->breakers, &h->breaker, h->closed_until, h->hash);
}

void core__breaker_learn(struct core *c, struct host *h, bool answered)
{
    if (!answered) {
        h->losses += !is_broken(c, h);
        if (is_broken(c, h))
            open_breaker(c, h);
        return;
    }
    bool was_open = is_broken(c, h);
    h->losses = 0;
    h->wait_ms = 0;
    h->closed_until = 0;
    agenda_remove(c->breakers, &h->breaker);
    if (was_open)
        core__gates_pump(c, &h->gate);
}

void core__breakers_due(struct core *c)
{
    struct agenda_node *n;
    while ((n = agenda_pop(c->breakers, c->now.mono))) {
        struct host *h = (struct host *)((char *)n - offsetof(struct host, breaker));
        core__gates_pump(c, &h->gate);
    }
}
