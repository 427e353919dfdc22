// SPDX-License-Identifier: MIT
// pool.c: targets, and their connections that wait for the next request.
//
// The connection used last is used first, so that the surplus of a busy moment is left alone and
// expires. Most servers close an idle connection after 5 s or more; ours are not used again after
// IDLE_MS, to be the first. One that has lived for LIFETIME_MS is not kept either: the name may
// have got another address.
//
//   target.idle   per target, the last used first    at most IDLE_PER_TARGET_MAX
//   pool.idle     the same of all, the oldest first  at most pool.idle_max
//   pool.unused   targets nobody uses; they keep their TLS session   at most UNUSED_MAX

#include "dispatch/wire/wire_priv.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define IDLE_MS 4000
#define LIFETIME_MS 300000
#define IDLE_PER_TARGET_MAX 1024
#define UNUSED_MAX 1024
#define SWEPT_AT_ONCE_MAX 32

// --- Targets -------------------------------------------------------------------------------------

static void target_free(struct wire *w, struct target *t)
{
    assert(t->uses == 0 && TAILQ_EMPTY(&t->idle) && TAILQ_EMPTY(&t->line));
    table__remove(&w->pool.targets, &t->entry);
    SSL_SESSION_free(t->session);
    trust__release(w, t->trust);
    pair__release(w, t->pair);
    free(t);
}

static struct trust *trust_of(const struct call *c, const struct url *u)
{
    return u->https && c->tls_verify ? c->trust : NULL;
}

static struct client_pair *pair_of(const struct call *c, const struct url *u)
{
    return u->https ? c->pair : NULL;
}

static struct target *target_new(const struct call *c, const struct url *u, const char *key)
{
    struct target *t = xcalloc(1, sizeof *t);
    t->https = u->https;
    t->verified = c->tls_verify;
    t->trust = trust_of(c, u);
    if (t->trust)
        t->trust->uses++;
    t->pair = pair_of(c, u);
    if (t->pair)
        t->pair->uses++;
    t->is_address = u->is_address;
    t->port = u->port;
    memcpy(t->host, u->host, sizeof t->host);
    strcpy(t->key, key);
    t->entry.key = t->key;
    TAILQ_INIT(&t->idle);
    TAILQ_INIT(&t->line);
    table__add(&c->owner->pool.targets, &t->entry);
    return t;
}

// What must be the same for two requests to share a connection: plain text, TLS by the server's own
// certificates or the job's too, or TLS without any proof; what we prove ourselves by; and host and
// port.
static void write_key(const struct call *c, const struct url *u, const char *origin,
                      char out[static TARGET_ORIGIN + ORIGIN_BYTES])
{
    const struct trust *trust = trust_of(c, u);
    const struct client_pair *pair = pair_of(c, u);
    char kind = !u->https ? 'p' : c->tls_verify ? 's' : 'u'; // Plain, secure, unverified.
    snprintf(out, TARGET_ORIGIN + ORIGIN_BYTES, "%c%08" PRIx32 "%08" PRIx32 "%s", kind,
             trust ? trust->number : 0, pair ? pair->number : 0, origin);
}

struct target *pool__target(const struct call *c, const struct url *u, const char *origin)
{
    struct pool *p = &c->owner->pool;
    char key[TARGET_ORIGIN + ORIGIN_BYTES];
    write_key(c, u, origin, key);
    struct target *t = (struct target *)table__find(&p->targets, key);
    if (!t) {
        t = target_new(c, u, key);
    } else if (t->uses == 0) {
        assert(p->unused_count > 0);
        TAILQ_REMOVE(&p->unused, t, link);
        p->unused_count--;
    }
    t->uses++;
    return t;
}

void target__release(struct wire *w, struct target *t)
{
    struct pool *p = &w->pool;
    assert(!t || t->uses > 0);
    if (!t || --t->uses > 0)
        return;
    TAILQ_INSERT_TAIL(&p->unused, t, link);
    if (++p->unused_count <= UNUSED_MAX)
        return;
    struct target *oldest = TAILQ_FIRST(&p->unused);
    TAILQ_REMOVE(&p->unused, oldest, link);
    p->unused_count--;
    target_free(w, oldest);
}

// --- Idle connections ----------------------------------------------------------------------------

static void take_out(struct connection *n)
{
    struct pool *p = &n->owner->pool;
    assert(!n->call && n->target->idle_count > 0 && p->idle_count > 0);
    TAILQ_REMOVE(&n->target->idle, n, link);
    n->target->idle_count--;
    TAILQ_REMOVE(&p->idle, n, age);
    p->idle_count--;
}

static void drop(struct connection *n)
{
    take_out(n);
    connection__close(n);
}

// Nothing is expected from an idle connection but its end, or news of TLS's own.
static void idle_ready(void *context, uint32_t events)
{
    (void)events;
    struct connection *n = context;
    if (!n->ssl || !connection__is_alive(n))
        drop(n);
}

bool pool__drop_oldest(struct wire *w)
{
    if (TAILQ_EMPTY(&w->pool.idle))
        return false;
    drop(TAILQ_FIRST(&w->pool.idle));
    return true;
}

// A few at a time: closing thousands in one go would hold up what is due meanwhile.
static void sweep(void *context)
{
    struct wire *w = context;
    mono_ms now = clock_mono_ms();
    struct connection *n;
    for (int i = 0; i < SWEPT_AT_ONCE_MAX; i++) {
        n = TAILQ_FIRST(&w->pool.idle);
        if (!n || n->idle_since + IDLE_MS > now)
            break;
        drop(n);
    }
    n = TAILQ_FIRST(&w->pool.idle);
    if (n)
        deadline__set(&w->deadlines, &w->pool.sweep, MAX(n->idle_since + IDLE_MS, now + 1));
}

void pool__put(struct connection *n)
{
    struct wire *w = n->owner;
    struct pool *p = &w->pool;
    struct target *t = n->target;
    mono_ms now = clock_mono_ms();
    assert(n->call && n->call->connection != n && t->uses > 0); // The call has let go of it.
    if (t->idle_count >= IDLE_PER_TARGET_MAX || now - n->opened_at > LIFETIME_MS) {
        connection__close(n);
        return;
    }
    n->call = NULL;
    n->idle_since = now;
    n->source.ready = idle_ready;
    TAILQ_INSERT_HEAD(&t->idle, n, link);
    t->idle_count++;
    TAILQ_INSERT_TAIL(&p->idle, n, age);
    p->idle_count++;
    if (!deadline__is_set(&p->sweep)) // The sweep may come too early; then it is set again.
        deadline__set(&w->deadlines, &p->sweep, now + IDLE_MS);
    if (p->idle_count > p->idle_max)
        pool__drop_oldest(w);
    line__kept(t, w);
}

struct connection *pool__take(struct target *t)
{
    struct connection *n;
    while ((n = TAILQ_FIRST(&t->idle))) {
        bool fresh = clock_mono_ms() - n->idle_since < IDLE_MS;
        if (fresh && connection__is_alive(n)) {
            take_out(n);
            return n;
        }
        drop(n);
    }
    return NULL;
}

// --- Opening and closing -------------------------------------------------------------------------

void pool__init(struct wire *w, size_t idle_max)
{
    struct pool *p = &w->pool;
    p->idle_max = idle_max;
    TAILQ_INIT(&p->unused);
    TAILQ_INIT(&p->idle);
    p->sweep = (struct deadline){.over = sweep, .context = w};
}

void pool__fini(struct wire *w)
{
    struct pool *p = &w->pool;
    while (pool__drop_oldest(w))
        ;
    assert(p->idle_count == 0);
    for (struct target *t; (t = TAILQ_FIRST(&p->unused));) {
        TAILQ_REMOVE(&p->unused, t, link);
        target_free(w, t);
    }
    table__fini(&p->targets);
    if (w->deadlines.agenda)
        deadline__clear(&w->deadlines, &p->sweep);
}
