// SPDX-License-Identifier: MIT
// cluster.h: the port that says who owns which shards, and until when this node may send.
//
// Jobs are spread over shards, and one node at a time owns a shard. An adapter takes shards for
// this node (store_take_shard, which raises their epochs) and says so; it says when one is lost,
// and how long the lease runs. It never calls the core: what it says goes by mail to the engine.
//
// The `solo` adapter is the single node, which owns every shard for ever: it holds a lock on a file
// beside the database for as long as the process lives, so a second server on the same database
// cannot start.

#ifndef CARILLON_CLUSTER_CLUSTER_H
#define CARILLON_CLUSTER_CLUSTER_H

#include "base/err.h"
#include "base/time.h"
#include "store/store.h"

struct cluster;

// Takes the lock file "<db_path>.lock". ERR_BUSY names the process that holds it, where the kernel
// knows; ERR_SYSTEM when the file cannot be made. The kernel releases the lock when the process
// ends, however it ends. Once at a time in a process, which must not open the file otherwise.
MUST_CHECK enum err cluster_solo_open(const char *db_path, struct cluster **out, struct fault *f);

// Called on some thread of the cluster, or inside cluster_start; they must not block.
struct cluster_events {
    // The shard is ours: its row as it was taken, borrowed for the call.
    void (*gained)(void *context, const struct shard *row);
    // Nothing of it may be sent or written from now on.
    void (*lost)(void *context, uint32_t shard);
    // This node may send before `until`, and not then; MONO_NEVER: for ever.
    void (*lease)(void *context, mono_ms until);
    void *context;
};

// From now on shards come and go. Solo has taken all of them when this returns ERR_OK; else what
// store_take_shard says, and nothing was told. Before the store's writing thread is started. Once.
MUST_CHECK enum err cluster_start(struct cluster *c, struct store *s,
                                  const struct cluster_events *e, struct fault *f);

// Whether this node is the owner, as far as it knows. Any thread.
bool cluster_owns(const struct cluster *c, uint32_t shard);

void cluster_close(struct cluster *c); // NULL is a no-op.

#endif
