// SPDX-License-Identifier: MIT
// cluster.h: who may plan which jobs.
//
// Jobs are spread over shards, and one node at a time owns a shard. The `solo` adapter is the
// single node which owns every shard: it holds a lock on a file beside the database for as long as
// the process lives, so a second server on the same database cannot start.

#ifndef CARILLON_CLUSTER_CLUSTER_H
#define CARILLON_CLUSTER_CLUSTER_H

#include "base/err.h"

struct cluster;

// Takes the lock file "<db_path>.lock". ERR_BUSY names the process that holds it, where the kernel
// knows; ERR_SYSTEM when the file cannot be made. The kernel releases the lock when the process
// ends, however it ends. Once at a time in a process, which must not open the file otherwise.
MUST_CHECK enum err cluster_solo_open(const char *db_path, struct cluster **out, struct fault *f);

void cluster_close(struct cluster *c); // NULL is a no-op.

#endif
