// SPDX-License-Identifier: MIT
// observer.c: asks the running engine, as long as there is one.

#include "observe/observe.h"

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
