// SPDX-License-Identifier: MIT
// breaker.c: a target where nothing answers is left in peace for a while, and somebody is told.
//
// When `breaker_losses` attempts in a row got no answer at all (refused, reset, timed out),
// attempts to that host wait, a second at first and then doubling up to five. After the wait a few
// probe; the first answer, whatever its status, lets everybody go on. Nothing is skipped: what
// waits is late, and what fails meanwhile fails by the job's own rules.
//
// From the first time it opens until it has been closed for a while is one outage, with one alert
// when it begins and one when it ends. It is forgotten with the process: a host that is still dead
// after a start is told of again.

#include "core/core_priv.h"

static const struct host *host_of(const struct gate *g)
{
    return (const struct host *)((const char *)g - offsetof(struct host, gate));
}

bool core__breaker_is_open(const struct core *c, const struct host *h)
{
    return c->limits.breaker_losses > 0 && h->losses >= c->limits.breaker_losses;
}

bool core__breaker_holds(const struct core *c, const struct gate *g)
{
    const struct host *h = host_of(g);
    if (!core__breaker_is_open(c, h))
        return false;
    return c->now.mono < h->closed_until || g->in_flight >= BREAKER_PROBES;
}

// --- Outages ---

static void tell_down(struct core *c, struct host *h, const char *lost)
{
    if (h->down_since)
        return; // The outage is the same.
    h->down_since = h->lost_from;
    h->next_down = c->down;
    c->down = h;
    core__record_server_alert(c, NULL,
                              &(struct alert){.kind = ALERT_TARGET_DOWN,
                                              .subject = h->origin,
                                              .from = h->down_since,
                                              .attempts = h->losses,
                                              .count = h->open,
                                              .last_error = lost});
}

// `answered_at`: 0 when nobody knows whether there are answers again.
static void tell_up(struct core *c, struct host *h, wall_ms answered_at)
{
    struct host **link = &c->down;
    while (*link != h)
        link = &(*link)->next_down;
    *link = h->next_down;
    core__record_server_alert(c, NULL,
                              &(struct alert){.kind = ALERT_TARGET_UP,
                                              .subject = h->origin,
                                              .from = h->down_since,
                                              .to = answered_at});
    h->down_since = 0;
}

void core__breaker_forget(struct core *c, struct host *h)
{
    agenda_remove(c->breakers, &h->breaker);
    h->losses = 0;
    h->wait_ms = 0;
    h->closed_until = 0;
    if (h->down_since)
        tell_up(c, h, 0);
}

// --- Opening and closing ---

static void open_breaker(struct core *c, struct host *h, const char *lost)
{
    tell_down(c, h, lost);
    if (c->now.mono < h->closed_until)
        return; // Open already: this one was under way.
    h->wait_ms = MIN(MAX(h->wait_ms * 2, BREAKER_OPEN_MS_MIN), BREAKER_OPEN_MS_MAX);
    h->closed_until = c->now.mono + h->wait_ms;
    agenda_put(c->breakers, &h->breaker, h->closed_until, h->hash);
}

static void count_loss(struct core *c, struct host *h, const char *lost)
{
    if (h->losses == 0)
        h->lost_from = c->now.wall;
    h->losses += !core__breaker_is_open(c, h);
    if (core__breaker_is_open(c, h))
        open_breaker(c, h, lost);
}

static void count_answer(struct core *c, struct host *h)
{
    bool was_open = core__breaker_is_open(c, h);
    h->losses = 0;
    h->wait_ms = 0;
    h->closed_until = 0;
    if (!was_open)
        return;
    agenda_put(c->breakers, &h->breaker, c->now.mono + BREAKER_CALM_MS, h->hash);
    core__gates_pump(c, &h->gate);
}

void core__breaker_learn(struct core *c, struct host *h, const char *lost)
{
    if (lost)
        count_loss(c, h, lost);
    else
        count_answer(c, h);
}

void core__breakers_due(struct core *c)
{
    struct agenda_node *n;
    while ((n = agenda_pop(c->breakers, c->now.mono))) {
        struct host *h = (struct host *)((char *)n - offsetof(struct host, breaker));
        if (core__breaker_is_open(c, h))
            core__gates_pump(c, &h->gate);
        else
            tell_up(c, h, c->now.wall);
    }
}
