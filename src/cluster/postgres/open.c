// SPDX-License-Identifier: MIT
// open.c: opens, starts and closes a node of several; what other threads say to it.

#include "cluster/postgres/postgres_priv.h"

#include "base/log.h"
#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void wake(struct postgres_cluster *p)
{
    p->wakes = true;
    pthread_cond_broadcast(&p->changed);
}

// The condition runs on CLOCK_MONOTONIC, which is behind CLOCK_BOOTTIME after a suspend; so what is
// waited for is a length.
void cluster__wait(struct postgres_cluster *p, mono_ms at)
{
    struct timespec t;
    if (at == MONO_NEVER) {
        pthread_cond_wait(&p->changed, &p->lock);
        return;
    }
    dur_ms left = MAX(at - clock_mono_ms(), 0);
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns = t.tv_nsec + left % 1000 * 1000000;
    t.tv_sec += (time_t)(left / 1000 + ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(&p->changed, &p->lock, &t);
}

// --- Start -----------------------------------------------------------------------------------

static enum err start_threads(struct postgres_cluster *p, struct fault *f)
{
    p->lease_runs = pthread_create(&p->lease_thread, NULL, cluster__lease_run, p) == 0;
    p->cluster_runs = pthread_create(&p->cluster_thread, NULL, cluster__turn_run, p) == 0;
    if (p->lease_runs && p->cluster_runs)
        return ERR_OK;
    return fault_set(f, ERR_SYSTEM, "cannot start the threads of the cluster");
}

static enum err start(struct cluster *c, struct store *s, const struct cluster_events *e,
                      struct fault *f)
{
    struct postgres_cluster *p = (struct postgres_cluster *)c;
    assert(!p->is_registered && !p->lease_runs && e->give_back);
    p->events = *e;
    p->shards = store_shard_count(s);
    enum err err = cluster__register(p, true, f);
    if (!err)
        err = cluster__renew(p, f);
    if (!err)
        err = cluster__look(p, f);
    return err ? err : start_threads(p, f);
}

// --- What other threads say ------------------------------------------------------------------

static bool owns(const struct cluster *c, uint32_t shard)
{
    struct postgres_cluster *p = (struct postgres_cluster *)(uintptr_t)c;
    pthread_mutex_lock(&p->lock);
    bool is_owner = shard < p->shards && p->tenures[shard].place == TENURE_OWNED;
    pthread_mutex_unlock(&p->lock);
    return is_owner;
}

// An answer about an epoch that has ended meanwhile says nothing.
static void move(struct postgres_cluster *p, uint32_t shard, int64_t epoch, enum tenure_place from,
                 enum tenure_place to)
{
    pthread_mutex_lock(&p->lock);
    struct tenure *t = &p->tenures[shard];
    bool is_either = t->place == TENURE_OWNED || t->place == TENURE_GIVING;
    if (t->epoch == epoch && (t->place == from || (to == TENURE_FENCED && is_either))) {
        t->place = to;
        wake(p);
    }
    pthread_mutex_unlock(&p->lock);
}

static void given_back(struct cluster *c, uint32_t shard, int64_t epoch)
{
    move((struct postgres_cluster *)c, shard, epoch, TENURE_GIVING, TENURE_GIVEN_BACK);
}

static void fenced(struct cluster *c, uint32_t shard, int64_t epoch)
{
    move((struct postgres_cluster *)c, shard, epoch, TENURE_OWNED, TENURE_FENCED);
}

static void look(struct cluster *c)
{
    struct postgres_cluster *p = (struct postgres_cluster *)c;
    pthread_mutex_lock(&p->lock);
    p->looks = true;
    wake(p);
    pthread_mutex_unlock(&p->lock);
}

// Under the lock.
static size_t count_left(const struct postgres_cluster *p)
{
    size_t left = 0;
    for (uint32_t n = 0; n < p->shards; n++)
        left += p->tenures[n].place != TENURE_NONE;
    return left;
}

static size_t drain(struct cluster *c, dur_ms timeout_ms)
{
    struct postgres_cluster *p = (struct postgres_cluster *)c;
    mono_ms until = clock_mono_ms() + timeout_ms;
    pthread_mutex_lock(&p->lock);
    p->draining = true;
    wake(p);
    while (p->cluster_runs && clock_mono_ms() < until &&
           (count_left(p) > 0 || (p->is_registered && !p->drain_said)))
        cluster__wait(p, until);
    size_t left = count_left(p);
    pthread_mutex_unlock(&p->lock);
    return left;
}

// --- Open and close --------------------------------------------------------------------------

// Others need not wait for the lease to run out, unless the database cannot be asked anyway.
static void leave(struct postgres_cluster *p)
{
    struct fault f = {0};
    if (!cluster__has_lease(p, clock_mono_ms()))
        return;
    if (nodes_leave(p->sharing, p->self.id, &f) == ERR_OK)
        log_info("cluster.left", LOG_TEXT("name", p->self.name), LOG_TEXT("node", p->self.id));
    else
        log_warn("cluster.call_failed", LOG_TEXT("detail", f.text));
}

static void close_postgres(struct cluster *c)
{
    struct postgres_cluster *p = (struct postgres_cluster *)c;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    wake(p);
    pthread_mutex_unlock(&p->lock);
    if (p->lease_runs)
        pthread_join(p->lease_thread, NULL);
    if (p->cluster_runs)
        pthread_join(p->cluster_thread, NULL);
    leave(p);
    nodes_free(p->renewing);
    nodes_free(p->sharing);
    nodes_view_fini(&p->seen.view);
    sightings_fini(&p->seen.sightings);
    free(p->seen.replicas);
    pthread_rwlock_destroy(&p->telling);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p->url);
    free(p);
}

static const struct cluster_ops ops = {
    .start = start,
    .owns = owns,
    .given_back = given_back,
    .fenced = fenced,
    .drain = drain,
    .look = look,
    .status = cluster__status,
    .mute = cluster__mute,
    .close = close_postgres,
};

static enum err check_options(const struct cluster_postgres_options *o, struct fault *f)
{
    size_t length = strlen(o->name);
    if (length == 0 || length >= NODE_NAME_BYTES)
        return fault_set(f, ERR_RANGE, "the name of a node has 1 to %d bytes", NODE_NAME_BYTES - 1);
    if (o->ttl_ms < CLUSTER_TTL_MIN_MS || o->ttl_ms > CLUSTER_TTL_MAX_MS)
        return fault_set(f, ERR_RANGE, "the length of a lease is %d to %d ms", CLUSTER_TTL_MIN_MS,
                         CLUSTER_TTL_MAX_MS);
    return ERR_OK;
}

static void init_lock(struct postgres_cluster *p)
{
    pthread_condattr_t monotonic;
    pthread_rwlock_init(&p->telling, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

enum err cluster_postgres_open(const struct cluster_postgres_options *o, struct cluster **out,
                               struct fault *f)
{
    enum err err = check_options(o, f);
    if (err)
        return err;
    struct postgres_cluster *p = xcalloc(1, sizeof *p);
    p->cluster.ops = &ops;
    p->self = (struct node){.ttl_ms = o->ttl_ms, .works = o->works};
    snprintf(p->self.name, sizeof p->self.name, "%s", o->name);
    snprintf(p->self.role, sizeof p->self.role, "%s", o->role);
    snprintf(p->self.version, sizeof p->self.version, "%s", o->version);
    p->url = xstrdup(o->url);
    p->may_lead = o->may_lead;
    p->may_lead_context = o->context;
    p->renewing = nodes_new(o->url, MAX(1000, o->ttl_ms / 2));
    p->sharing = nodes_new(o->url, 5000);
    init_lock(p);
    *out = &p->cluster;
    return ERR_OK;
}
