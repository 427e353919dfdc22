// SPDX-License-Identifier: MIT
// observer.c: asks the running engine, as long as there is one, and the cluster.

#include "base/metrics.h"
#include "observe/observe.h"

#include <pthread.h>

struct observer {
    pthread_mutex_t lock;  // Held while the engine is asked, so that observer_stop can wait for it.
    struct engine *engine; // NULL once stopped.
    struct engine_status last;
    struct telling_state telling;
    struct cluster *cluster;
    bool (*works)(void *context); // NULL: engine and cluster are asked.
    void *context;
    wall_ms started_at; // For `works`.
    const char *version;
};

struct observer *observer_new(struct engine *e, struct cluster *c, const char *version)
{
    struct observer *o = xcalloc(1, sizeof *o);
    pthread_mutex_init(&o->lock, NULL);
    o->engine = e;
    o->cluster = c;
    o->version = version;
    return o;
}

struct observer *observer_new_probe(bool (*works)(void *context), void *context,
                                    const char *version)
{
    struct observer *o = observer_new(NULL, NULL, version);
    o->works = works;
    o->context = context;
    o->started_at = clock_wall_ms();
    return o;
}

static struct engine_status status_of(struct observer *o)
{
    pthread_mutex_lock(&o->lock);
    if (o->engine)
        o->last = engine_status(o->engine);
    struct engine_status s = o->last;
    pthread_mutex_unlock(&o->lock);
    return s;
}

void observer_telling(struct observer *o, const struct telling_state *t)
{
    pthread_mutex_lock(&o->lock);
    o->telling = *t;
    pthread_mutex_unlock(&o->lock);
}

static struct telling_state telling_of(struct observer *o)
{
    pthread_mutex_lock(&o->lock);
    struct telling_state t = o->telling;
    pthread_mutex_unlock(&o->lock);
    return t;
}

void observer_stop(struct observer *o)
{
    status_of(o);
    pthread_mutex_lock(&o->lock);
    o->engine = NULL;
    pthread_mutex_unlock(&o->lock);
}

void observer_free(struct observer *o)
{
    if (!o)
        return;
    pthread_mutex_destroy(&o->lock);
    free(o);
}

void observer_health(struct observer *o, struct health *out)
{
    if (o->works) {
        *out = (struct health){.level = o->works(o->context) ? HEALTH_OK : HEALTH_FAILING,
                               .status.started_at = o->started_at,
                               .judged_at = clock_wall_ms()};
        return;
    }
    struct health_facts facts = {.engine = status_of(o),
                                 .telling = telling_of(o),
                                 .mono_now = clock_mono_ms(),
                                 .now = clock_wall_ms()};
    cluster_status(o->cluster, &facts.cluster);
    health_judge(&facts, out);
    cluster_status_fini(&facts.cluster);
}

json_t *observer_health_json(struct observer *o, enum health_level *level)
{
    struct health h;
    observer_health(o, &h);
    *level = h.level;
    return health_json(&h, o->version);
}

json_t *observer_cluster_json(struct observer *o)
{
    struct cluster_status s;
    cluster_status(o->cluster, &s);
    json_t *json = cluster_json(&s, clock_mono_ms());
    cluster_status_fini(&s);
    return json;
}

void observer_count(struct observer *o)
{
    struct health h;
    observer_health(o, &h);
    if (o->works)
        return; // There is no cluster to count.
    metric_set(METRIC_cluster_nodes, h.cluster.nodes);
    metric_set(METRIC_cluster_workers, h.cluster.workers);
    metric_set(METRIC_cluster_is_leader, h.cluster.is_leader);
    metric_set(METRIC_shards_owned, h.cluster.owned);
    metric_set(METRIC_shards_unowned, h.cluster.unowned);
    metric_set(METRIC_lease_age_milliseconds, h.cluster.lease_age_ms);
    metric_set(METRIC_clock_offset_milliseconds, h.cluster.clock_offset_us / 1000);
}
