// SPDX-License-Identifier: MIT
// join.c: the cluster that the server is a node of, and what the cluster says to the engine.
//
// A server on a file is alone: it holds the lock of the file for as long as it lives. A server on a
// database that nodes share joins them with cluster_start. The cluster falls silent before the
// engine ends, and is left after that.

#include "app/app_priv.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

// --- What the cluster says -----------------------------------------------------------------------

static void shard_gained(void *carillon, const struct shard *row)
{
    engine_shard_gained(((struct carillon *)carillon)->engine, row);
}

// No command of the shard is claimed any more.
static void leave_post(const struct carillon *c, uint32_t shard)
{
    if (c->post)
        cluster_post_lost(c->post, shard);
}

static void shard_lost(void *carillon, uint32_t shard)
{
    leave_post(carillon, shard);
    engine_shard_lost(((struct carillon *)carillon)->engine, shard);
}

static void lease_runs(void *carillon, mono_ms until)
{
    struct carillon *c = carillon;
    atomic_store(&c->lease_until, until);
    engine_lease(c->engine, until);
    if (c->leader_lock && !atomic_load(&c->leads_no_more))
        redis_lock_want(c->leader_lock, until);
}

bool app__database_is_away(void *carillon)
{
    return clock_mono_ms() >= atomic_load(&((struct carillon *)carillon)->lease_until);
}

// Requests of the shard that are under way may end here; the rows of their executions say so.
static void give_back(void *carillon, uint32_t shard)
{
    struct carillon *c = carillon;
    leave_post(c, shard);
    engine_shard_give_back(c->engine, shard, c->settings.drain_timeout_ms);
}

// Requests and replies go by the post, and so does this.
static void shards_released(void *carillon)
{
    const struct carillon *c = carillon;
    if (c->post)
        cluster_post_tell_free(c->post);
}

// What one node does for all: retention, and commands that are over.
static void leads(void *carillon, bool is_leader)
{
    struct carillon *c = carillon;
    engine_leader(c->engine, is_leader);
    if (c->post)
        cluster_post_lead(c->post, is_leader);
}

static void node_buried(void *carillon, const char *name, dur_ms silent_ms)
{
    app__raise_alert(carillon, &(struct alert){.kind = ALERT_LEASE_LOST,
                                               .subject = name,
                                               .from = clock_wall_ms() - silent_ms});
}

// --- What the engine says ------------------------------------------------------------------------

void app__shard_fenced(void *carillon, uint32_t shard, int64_t epoch)
{
    cluster_fenced(((struct carillon *)carillon)->cluster, shard, epoch);
}

void app__shard_given_back(void *carillon, uint32_t shard, int64_t epoch)
{
    if (epoch > 0) // Else the shard was lost before.
        cluster_given_back(((struct carillon *)carillon)->cluster, shard, epoch);
}

enum err app__lock_file(struct carillon *c, struct fault *f)
{
    if (app__is_shared(c->settings.db))
        return ERR_OK;
    return cluster_solo_open(c->settings.db, &c->cluster, f);
}

// --- Redis ---------------------------------------------------------------------------------------

#define LEADER_KEY "carillon:leader"

// Waiting for Redis would delay the start, so that a Redis which is down is warned of by the first
// who uses it.
enum err app__open_redis(struct carillon *c, struct fault *f)
{
    if (!c->settings.redis[0])
        return ERR_OK;
    enum err err = redis_server_open(c->settings.redis, &c->redis, f);
    if (!err && c->role->works && app__is_shared(c->settings.db))
        err = redis_lock_open(c->redis, LEADER_KEY, c->settings.lease_ttl_ms, &c->leader_lock, f);
    if (c->leader_lock)
        redis_lock_want(c->leader_lock, 0); // Until there is a lease.
    return err;
}

// The lock goes to a node that stays.
void app__lead_no_more(struct carillon *c)
{
    atomic_store(&c->leads_no_more, true);
    if (c->leader_lock)
        redis_lock_want(c->leader_lock, 0);
}

void app__close_redis(struct carillon *c)
{
    redis_lock_close(c->leader_lock);
    redis_server_close(c->redis);
}

static bool may_lead(void *carillon)
{
    const struct redis_lock *lock = ((struct carillon *)carillon)->leader_lock;
    return !lock || redis_lock_lets_try(lock);
}

// --- Joining -------------------------------------------------------------------------------------

// What people call this node, unless they have said: its machine and the port of its API.
static void name_node(const struct carillon *c, char out[static NODE_NAME_BYTES])
{
    char host[NODE_NAME_BYTES - 8] = "node";
    gethostname(host, sizeof host);
    host[sizeof host - 1] = '\0';
    if (c->settings.node_name[0])
        snprintf(out, NODE_NAME_BYTES, "%.63s", c->settings.node_name);
    else
        snprintf(out, NODE_NAME_BYTES, "%s:%u", host, (unsigned)api_port(c->api));
}

enum err app__open_node(struct carillon *c, struct fault *f)
{
    if (c->cluster)
        return ERR_OK; // The server is alone.
    char name[NODE_NAME_BYTES];
    name_node(c, name);
    snprintf(c->incarnation, sizeof c->incarnation, "%s/%lld", name, (long long)clock_mono_ms());
    const struct cluster_postgres_options o = {
        .url = c->settings.db,
        .name = name,
        .role = c->role->name,
        .version = CARILLON_VERSION,
        .works = c->role->works,
        .ttl_ms = c->settings.lease_ttl_ms,
        .may_lead = may_lead,
        .context = c,
    };
    return cluster_postgres_open(&o, &c->cluster, f);
}

enum err app__join(struct carillon *c, struct fault *f)
{
    const struct cluster_events events = {
        .gained = shard_gained,
        .lost = shard_lost,
        .lease = lease_runs,
        .give_back = give_back,
        .released = shards_released,
        .leader = leads,
        .buried = node_buried,
        .context = c,
    };
    return cluster_start(c->cluster, c->store, &events, f);
}
