// SPDX-License-Identifier: MIT
// wakeups_redis_priv.h: wake-ups by publish and subscribe of Redis.

#ifndef CARILLON_CLUSTER_WAKEUPS_REDIS_PRIV_H
#define CARILLON_CLUSTER_WAKEUPS_REDIS_PRIV_H

#include "cluster/wakeups_priv.h"
#include "redis/redis.h"

// The server may be away. ERR_SYSTEM when threads cannot be started.
MUST_CHECK enum err wakeups_redis_open(struct redis_server *s, const struct wakeups_options *o,
                                       struct wakeups **out, struct fault *f);

#endif
