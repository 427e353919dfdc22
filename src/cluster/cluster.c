// SPDX-License-Identifier: MIT
// cluster.c: the front of the port; what each call means is the adapter's.

#include "cluster/cluster_priv.h"

#include <assert.h>
#include <stdlib.h>

enum err cluster_start(struct cluster *c, struct store *s, const struct cluster_events *e,
                       struct fault *f)
{
    assert(e->gained && e->lost && e->lease);
    return c->ops->start(c, s, e, f);
}

bool cluster_owns(const struct cluster *c, uint32_t shard)
{
    return c->ops->owns(c, shard);
}

void cluster_given_back(struct cluster *c, uint32_t shard, int64_t epoch)
{
    assert(shard < SHARDS_MAX && epoch > 0);
    c->ops->given_back(c, shard, epoch);
}

void cluster_fenced(struct cluster *c, uint32_t shard, int64_t epoch)
{
    assert(shard < SHARDS_MAX && epoch > 0);
    c->ops->fenced(c, shard, epoch);
}

size_t cluster_drain(struct cluster *c, dur_ms timeout_ms)
{
    return c->ops->drain(c, timeout_ms);
}

void cluster_look(struct cluster *c)
{
    if (c->ops->look)
        c->ops->look(c);
}

void cluster_status(struct cluster *c, struct cluster_status *out)
{
    *out = (struct cluster_status){0};
    c->ops->status(c, out);
}

void cluster_status_fini(struct cluster_status *s)
{
    free(s->nodes);
    free(s->replicas);
    *s = (struct cluster_status){0};
}

void cluster_mute(struct cluster *c)
{
    if (c && c->ops->mute)
        c->ops->mute(c);
}

void cluster_close(struct cluster *c)
{
    if (c)
        c->ops->close(c);
}
