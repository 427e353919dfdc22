// SPDX-License-Identifier: MIT
// pace.c: how many requests a second leave for one target host.
//
// A pace is a bucket of tokens. Each request takes one; so many come back in a second, and the
// bucket holds a second's worth. Jobs that have the same rate share the pace of their host, and a
// job with a rate of its own neither waits for the others nor slows them.
//
// A token is reserved at the gate and spent as the request leaves, so what piles up behind the gate
// (the store stalls, the breaker opens, a claim is being written) is never more than the bucket
// held, and the rate is kept where it counts: on the wire. Who waits is let in by a timer at the
// instant of the next token, fresh occurrences first; catch-up leaves them three quarters of the
// bucket.
//
// A full bucket without users is as good as a new one. So a pace is made when the first execution
// comes, and the limit costs nothing where there is none. It is forgotten with the process.

#include "core/core_priv.h"

#include <assert.h>
#include <string.h>

#define TOKEN 1000 // The level counts thousandths: a rate of N brings N of them in each ms.

static int64_t size_of(const struct pace *p)
{
    return (int64_t)p->rate * TOKEN;
}

static struct pace *pace_of(struct agenda_node *n)
{
    return (struct pace *)((char *)n - offsetof(struct pace, due));
}

static void refill(const struct core *c, struct pace *p)
{
    dur_ms passed = MIN(c->now.mono - p->at, 1000);
    if (passed <= 0)
        return;
    p->level = MIN(p->level + passed * p->rate, size_of(p));
    p->at = c->now.mono;
}

// When the bucket has so much, if nothing is taken until then.
static mono_ms when_level(const struct core *c, struct pace *p, int64_t level)
{
    refill(c, p);
    return c->now.mono + MAX(level - p->level + p->rate - 1, 0) / p->rate;
}

// When the next of this lane may pass. MONO_NEVER: not before one that has passed has left.
static mono_ms next_pass(const struct core *c, struct pace *p, enum lane lane)
{
    int64_t level = ((int64_t)p->reserved + 1 + p->rate - core__lane_share(p->rate, lane)) * TOKEN;
    return level > size_of(p) ? MONO_NEVER : when_level(c, p, level);
}

bool core__pace_allows(const struct core *c, struct gate *g, enum lane lane)
{
    struct pace *p = (struct pace *)((char *)g - offsetof(struct pace, gate));
    return next_pass(c, p, lane) <= c->now.mono;
}

// --- Which pace an execution has ---

uint32_t core__rate_of(const struct core *c, const struct core_job *j)
{
    uint32_t own = j->policy->max_rate_per_host;
    return own ? own : c->limits.host_rate_max;
}

static bool is_full(const struct core *c, struct pace *p)
{
    refill(c, p);
    return p->level == size_of(p);
}

static void drop(struct core *c, struct pace *p)
{
    assert(p->users == 0 && !p->is_listed);
    agenda_remove(c->paces, &p->due);
    free(p);
}

static void drop_unused(struct core *c, struct host *h)
{
    for (struct pace **link = &h->paces; *link;) {
        struct pace *p = *link;
        if (p->users > 0 || !is_full(c, p)) {
            link = &p->next;
            continue;
        }
        *link = p->next;
        drop(c, p);
    }
}

static struct pace *find(struct core *c, struct host *h, uint32_t rate)
{
    for (struct pace *p = h->paces; p; p = p->next)
        if (p->rate == rate)
            return p;
    drop_unused(c, h);
    struct pace *p = xcalloc(1, sizeof *p);
    *p = (struct pace){.next = h->paces, .host = h, .rate = rate, .at = c->now.mono};
    p->level = size_of(p);
    p->gate = (struct gate){.limit = UINT32_MAX, .is_pace = true};
    h->paces = p;
    return p;
}

void core__pace_set_out(struct core *c, struct open *o)
{
    uint32_t rate = core__rate_of(c, o->job);
    assert(o->host && (!o->pace || o->pace->rate == rate));
    if (o->pace || !rate)
        return;
    o->pace = find(c, o->host, rate);
    o->pace->users++;
}

// --- Who waits ---

// Looks again when the next of those who wait may pass, and lists the pace while somebody does.
static void watch(struct core *c, struct pace *p)
{
    mono_ms at = MONO_NEVER;
    for (enum lane lane = LANE_FRESH; lane < LANES; lane++)
        if (p->gate.waiting[lane].first)
            at = MIN(at, next_pass(c, p, lane));
    if (at != MONO_NEVER)
        agenda_put(c->paces, &p->due, at, (int64_t)p->host->hash << 20 | p->rate);
    else
        agenda_remove(c->paces, &p->due);
    if (p->is_listed != (p->waiting > 0)) {
        if (p->is_listed)
            TAILQ_REMOVE(&c->paced, p, entry);
        else
            TAILQ_INSERT_TAIL(&c->paced, p, entry);
        p->is_listed = p->waiting > 0;
    }
}

void core__pace_join(struct core *c, struct open *o)
{
    o->pace->waiting++;
    watch(c, o->pace);
}

void core__pace_part(struct core *c, struct open *o)
{
    assert(o->pace->waiting > 0);
    o->pace->waiting--;
    watch(c, o->pace);
}

// --- Tokens ---

void core__pace_reserve(struct open *o)
{
    assert(!o->reserved && o->pace->reserved < o->pace->rate);
    o->reserved = true;
    o->pace->reserved++;
}

static void unreserve(struct open *o)
{
    assert(o->pace->reserved > 0);
    o->reserved = false;
    o->pace->reserved--;
}

void core__pace_spend(struct core *c, struct open *o)
{
    struct pace *p = o->pace;
    refill(c, p);
    assert(p->level >= (int64_t)p->reserved * TOKEN);
    unreserve(o);
    p->level -= TOKEN;
    if (p->waiting > 0)
        watch(c, p);
}

void core__pace_leave(struct core *c, struct open *o)
{
    struct pace *p = o->pace;
    if (o->reserved)
        unreserve(o);
    core__gates_pump(c, &p->gate); // The execution still keeps the pace.
    if (p->waiting > 0)
        watch(c, p);
    assert(p->users > 0);
    p->users--;
    o->pace = NULL;
}

void core__paces_due(struct core *c)
{
    struct agenda_node *n;
    while ((n = agenda_pop(c->paces, c->now.mono))) {
        struct pace *p = pace_of(n);
        struct host *h = p->host;
        h->users++;
        core__gates_pump(c, &p->gate);
        watch(c, p);
        core__host_release(c, h);
    }
}

// --- The last job has left the host ---

// A host that comes back within the second finds its buckets as they were.
bool core__paces_linger(struct core *c, struct host *h)
{
    drop_unused(c, h);
    for (struct pace *p = h->paces; p; p = p->next) {
        assert(p->users == 0);
        agenda_put(c->paces, &p->due, when_level(c, p, size_of(p)), h->hash);
    }
    return h->paces != NULL;
}

void core__paces_free(struct host *h)
{
    while (h->paces) {
        struct pace *next = h->paces->next;
        free(h->paces);
        h->paces = next;
    }
}

// --- What waits, for status ---

void core__paces_list(const struct core *c, struct core_status *s)
{
    const struct pace *p;
    TAILQ_FOREACH(p, &c->paced, entry) {
        s->waiting_for_rate += p->waiting;
        if (s->hosts_paced++ >= HOSTS_PACED_SHOWN)
            continue;
        struct host_paced *h = &s->paced[s->hosts_paced - 1];
        *h = (struct host_paced){.rate = p->rate, .waiting = p->waiting};
        memcpy(h->origin, p->host->origin, sizeof h->origin);
    }
}
