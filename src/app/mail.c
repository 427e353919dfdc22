// SPDX-License-Identifier: MIT
// mail.c: changes get to the node that owns the job, and commands of other nodes to the engine.

#include "app/app_priv.h"
#include "base/log.h"

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

// Nobody is to be told: when the outcome does not get there, the execution goes on without it.
static void forget(void *unused, const struct reply *r)
{
    (void)unused;
    job_free(r->row);
}

void app__outcome_elsewhere(void *carillon, const struct command *command)
{
    struct carillon *c = carillon;
    enum err err = c->post ? cluster_post_submit(c->post, command, forget, NULL) : ERR_OK;
    if (err)
        log_warn("command.unsent", LOG_TEXT("error", err_text(err)));
}

static void shards_free(void *carillon)
{
    cluster_look(((struct carillon *)carillon)->cluster);
}

// A node that takes no changes asks as well: it tells how attempts ended whose job is another
// node's by now.
enum err app__open_post(struct carillon *c, struct fault *f)
{
    const struct cluster_post_options o = {.store = c->store,
                                           .redis = c->redis,
                                           .asks = true,
                                           .hand_on = c->role->works ? hand_on : NULL,
                                           .shards_free = c->role->works ? shards_free : NULL,
                                           .context = c,
                                           .timeout_ms = c->settings.command_timeout_ms};
    return app__is_shared(c->settings.db) ? cluster_post_open(&o, &c->post, f) : ERR_OK;
}
