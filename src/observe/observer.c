// SPDX-License-Identifier: MIT
// observer.c: asks the running engine, as long as there is one.

#include "base/metrics.h"
#include "observe/observe_priv.h"

#include <pthread.h>

struct observer {
    pthread_mutex_t lock;  // Held while the engine is asked, so that observer_stop can wait for it.
    struct engine *engine; // NULL once stopped.
    struct engine_status last;
    const char *version;
};

struct observer *observer_new(struct engine *e, const char *version)
{
    struct observer *o = xcalloc(1, sizeof *o);
    pthread_mutex_init(&o->lock, NULL);
    o->engine = e;
    o->version = version;
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
    struct engine_status s = status_of(o);
    health_judge(&s, clock_wall_ms(), out);
}

json_t *observer_health_json(struct observer *o, enum health_level *level)
{
    struct health h;
    observer_health(o, &h);
    *level = h.level;
    return health_json(&h, o->version);
}

// Gauges are what the engine looks like now.
static void set_gauges(const struct engine_status *s)
{
    metric_set(METRIC_jobs, (int64_t)s->core.jobs);
    metric_set(METRIC_jobs_active, (int64_t)s->core.jobs_active);
    metric_set(METRIC_executions_open, (int64_t)s->core.open);
    metric_set(METRIC_attempts_in_flight, (int64_t)s->core.in_flight);
    metric_set(METRIC_executions_waiting, (int64_t)s->core.waiting);
    metric_set(METRIC_executions_retrying, (int64_t)s->core.retrying);
    metric_set(METRIC_watermark_ms, s->core.watermark);
}

json_t *observer_metrics_json(struct observer *o)
{
    struct engine_status s = status_of(o);
    set_gauges(&s);
    return observe__metrics_json();
}

char *observer_metrics_text(struct observer *o, size_t *bytes)
{
    struct engine_status s = status_of(o);
    set_gauges(&s);
    return observe__metrics_text(o->version, s.started_at, bytes);
}
