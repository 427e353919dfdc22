// SPDX-License-Identifier: MIT
// mail.c: changes get to the node that owns the job, and commands of other nodes to the engine.

#include "app/app_priv.h"

static enum err hand_on(void *carillon, const struct command *command, cluster_reply *done,
                        void *reply_context)
{
    struct carillon *c = carillon;
    return engine_submit(c->engine, command, done, reply_context);
}

enum err app__submit(void *carillon, const struct command *command, engine_reply *done,
                     void *reply_context)
{
    struct carillon *c = carillon;
    return cluster_post_submit(c->post, command, done, reply_context);
}

void app__shard_loaded(void *carillon, uint32_t shard, int64_t epoch)
{
    struct carillon *c = carillon;
    if (c->post)
        cluster_post_loaded(c->post, shard, epoch);
}

enum err app__open_post(struct carillon *c, bool asks, bool owns, struct redis_server *redis,
                        dur_ms timeout_ms, struct fault *f)
{
    const struct cluster_post_options o = {.store = c->store,
                                           .redis = redis,
                                           .asks = asks,
                                           .hand_on = owns ? hand_on : NULL,
                                           .context = c,
                                           .timeout_ms = timeout_ms};
    return cluster_post_open(&o, &c->post, f);
}
