// SPDX-License-Identifier: MIT
// cluster_priv.h: what an adapter of the cluster implements.
//
// cluster.c is the front. An adapter embeds struct cluster as its first member.

#ifndef CARILLON_CLUSTER_CLUSTER_PRIV_H
#define CARILLON_CLUSTER_CLUSTER_PRIV_H

#include "cluster/cluster.h"

struct cluster_ops {
    enum err (*start)(struct cluster *c, struct store *s, const struct cluster_events *e,
                      struct fault *f);
    bool (*owns)(const struct cluster *c, uint32_t shard);
    void (*given_back)(struct cluster *c, uint32_t shard, int64_t epoch);
    void (*fenced)(struct cluster *c, uint32_t shard, int64_t epoch);
    size_t (*drain)(struct cluster *c, dur_ms timeout_ms);
    void (*look)(struct cluster *c); // NULL: there are no other nodes.
    void (*status)(struct cluster *c, struct cluster_status *out); // *out is zeroed.
    void (*mute)(struct cluster *c); // NULL: there are no events after the start.
    void (*close)(struct cluster *c);
};

struct cluster {
    const struct cluster_ops *ops;
};

#endif
