// SPDX-License-Identifier: MIT
// post.c: opens and closes the post, and wakes its parts.

#include "cluster/post/post_priv.h"

#include "cluster/wakeups_redis_priv.h"
#include "cluster/wakeups_store_priv.h"

#include <assert.h>
#include <string.h>

static void heard(void *context, const char *channel)
{
    struct cluster_post *p = context;
    if (p->works && (!channel || strcmp(channel, POST_COMMANDS) == 0))
        claimer_wake(p);
    if (p->asks && (!channel || strcmp(channel, POST_REPLIES) == 0))
        waiter_wake(p);
    if (p->options.shards_free && (!channel || strcmp(channel, POST_SHARDS) == 0))
        p->options.shards_free(p->options.context);
}

static enum err open_wakeups(struct cluster_post *p, struct fault *f)
{
    struct wakeups_options o = {.heard = heard, .context = p};
    size_t count = 0;
    if (p->works)
        o.channels[count++] = POST_COMMANDS;
    if (p->asks)
        o.channels[count++] = POST_REPLIES;
    if (p->options.shards_free)
        o.channels[count++] = POST_SHARDS;
    if (p->options.redis)
        return wakeups_redis_open(p->options.redis, &o, &p->wakeups, f);
    return wakeups_store_open(p->options.store, &o, &p->wakeups, f);
}

// The parts are there before the wake-ups, which wake them, and their threads run after that, since
// they announce.
enum err cluster_post_open(const struct cluster_post_options *o, struct cluster_post **out,
                           struct fault *f)
{
    assert(o->timeout_ms > 0 && (o->asks || o->hand_on));
    struct cluster_post *p = xcalloc(1, sizeof *p);
    p->options = *o;
    p->shards = store_shard_count(o->store);
    p->asks = o->asks;
    p->works = o->hand_on != NULL;
    sender_init(&p->sender);
    waiter_init(&p->waiter);
    claimer_init(&p->claimer);
    enum err err = open_wakeups(p, f);
    if (!err && p->asks)
        err = waiter_start(p, f);
    if (!err && p->asks)
        err = sender_start(p, f);
    if (!err && p->works)
        err = claimer_start(p, f);
    if (err) {
        cluster_post_close(p);
        return err;
    }
    *out = p;
    return ERR_OK;
}

enum err cluster_post_submit(struct cluster_post *p, const struct command *c, cluster_reply *done,
                             void *context)
{
    assert(p->asks && done);
    struct errand *list = errand_new(c, p->shards, p->options.timeout_ms, done, context);
    enum err err = sender_add(p, list);
    if (err)
        errand_drop(list);
    return err;
}

void cluster_post_tell_free(struct cluster_post *p)
{
    wakeups_announce(p->wakeups, POST_SHARDS);
}

void cluster_post_stop(struct cluster_post *p)
{
    if (!p)
        return;
    sender_stop(&p->sender);
    waiter_stop(&p->waiter);
    claimer_stop(&p->claimer);
}

void cluster_post_close(struct cluster_post *p)
{
    if (!p)
        return;
    cluster_post_stop(p);
    wakeups_close(p->wakeups);
    sender_fini(&p->sender);
    waiter_fini(&p->waiter);
    claimer_fini(&p->claimer);
    free(p);
}
