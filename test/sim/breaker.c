// SPDX-License-Identifier: MIT
// breaker.c: how a host that does not answer is to be left in peace, told once more.
//
// So many losses in a row, and nothing leaves for the host for a second, then two, four, five; in
// between at most eight requests try. The core forgets a host when no job calls it any more and
// nothing is under way to it; here it is forgotten with the last job, and when one comes back, how
// long the host is left in peace is not asked before it has answered. An alert says when it begins,
// another when it is over.

#include "world.h"

#include <string.h>

#define PROBES 8
#define WAIT_MS_MIN 1000
#define WAIT_MS_MAX 5000

static struct host *host_of(struct node *n, char host)
{
    return &n->hosts[host - 'a'];
}

static bool is_open(const struct world *w, const struct host *h)
{
    return w->limits.breaker_losses > 0 && h->losses >= w->limits.breaker_losses;
}

static void forget(struct host *h)
{
    h->losses = 0;
    h->wait_ms = 0;
    h->closed_until = 0;
}

void breaker_start(struct node *n)
{
    for (size_t i = 0; i < HOSTS; i++) {
        forget(&n->hosts[i]);
        n->hosts[i].told = n->hosts[i].uncertain = false;
    }
}

static bool is_called(const struct node *n, char host)
{
    const struct world *w = n->world;
    for (job_id id = 1; id <= (job_id)w->history.job_count; id++) {
        const struct version *v = promise_last(n, id);
        if (v && !v->deleted && v->host == host && node_tenure(n, id)->fed)
            return true;
    }
    return false;
}

void breaker_forget(struct node *n, char host)
{
    if (is_called(n, host))
        return;
    forget(host_of(n, host));
    host_of(n, host)->uncertain = true; // Perhaps something is under way to it.
}

// Which hosts a node knows that has lost shards without knowing that is not known here.
void breaker_doubt(struct node *n)
{
    bool is_stale = false;
    for (unsigned s = 0; s < n->world->ledger.shard_count; s++)
        is_stale |= n->tenures[s].held && node_is_stale(n, s);
    for (size_t i = 0; i < HOSTS && is_stale; i++)
        n->hosts[i].uncertain = true;
}

void breaker_leave(struct node *n)
{
    for (char host = 'a'; host < 'a' + HOSTS; host++)
        breaker_forget(n, host);
}

// Who loses the last shard has none in which the end of an outage could be written.
void breaker_left(struct node *n)
{
    for (char host = 'a'; host < 'a' + HOSTS; host++)
        host_of(n, host)->told &= is_called(n, host);
}

void breaker_learn(struct node *n, const struct flight *f)
{
    struct world *w = n->world;
    struct host *h = host_of(n, f->host);
    if (f->cancelled || !is_called(n, f->host))
        return; // The request was given up, or the core forgets the host with this job.
    if (f->kind == OUTCOME_ANSWERED) {
        h->uncertain = false;
        forget(h);
        return;
    }
    h->losses++;
    if (!is_open(w, h) || w->now.mono < h->closed_until)
        return;
    count(w, HAPPENING_HOST_LEFT_IN_PEACE);
    h->wait_ms = MIN(MAX(2 * h->wait_ms, WAIT_MS_MIN), WAIT_MS_MAX);
    h->closed_until = w->now.mono + h->wait_ms;
}

// Whether an attempt that has its place at the host may wait for one among all: then it leaves
// when it gets that, whatever the breaker does meanwhile.
static bool may_be_held_up(const struct node *n)
{
    const struct world *w = n->world;
    const struct core_limits *l = &w->limits;
    uint32_t shares = HOSTS * MAX(l->host_in_flight_max / 4, 1u);
    return n->was_stalled || n->was_late || l->in_flight_max < HOSTS * l->host_in_flight_max ||
           MAX(l->in_flight_max / 4, 1u) < shares;
}

void breaker_check(struct node *n, char host)
{
    struct world *w = n->world;
    struct host *h = host_of(n, host);
    if (!is_open(w, h) || h->uncertain || may_be_held_up(n))
        return;
    uint32_t in_flight = 0;
    for (size_t i = 0; i < n->flight_end; i++)
        in_flight += n->flights[i].used && !n->flights[i].lost && n->flights[i].host == host;
    if (w->now.mono < h->closed_until)
        trace_fail(&w->trace,
                   "P10: a request leaves for host %c, %lld ms before the breaker closes", host,
                   (long long)(h->closed_until - w->now.mono));
    if (in_flight >= PROBES)
        trace_fail(&w->trace, "P10: more than %d requests try host %c", PROBES, host);
}

void breaker_hear(struct node *n, const struct alert *a)
{
    struct world *w = n->world;
    const char *origin = a->subject ? a->subject : "";
    bool down = a->kind == ALERT_TARGET_DOWN;
    if (!origin[0] || strcmp(origin + 1, ".test:80") != 0 || a->job || a->execution_id) {
        trace_fail(&w->trace, "an alert names no host: %s", origin);
        return;
    }
    struct host *h = host_of(n, origin[0]);
    if (h->told == down && !h->uncertain)
        trace_fail(&w->trace, "P10: told twice: %s", origin);
    if (a->from <= 0 || (down && (a->attempts == 0 || !a->last_error)))
        trace_fail(&w->trace, "P10: an alert does not say what happened at %s", origin);
    h->told = down;
    count(w, down ? HAPPENING_OUTAGE : HAPPENING_OUTAGE_OVER);
}

void breaker_check_told(struct node *n)
{
    struct world *w = n->world;
    for (char host = 'a'; host < 'a' + HOSTS; host++)
        if (is_open(w, host_of(n, host)) && !host_of(n, host)->told && !host_of(n, host)->uncertain)
            trace_fail(&w->trace, "P10: nothing answers at host %c, and nobody is told", host);
}
