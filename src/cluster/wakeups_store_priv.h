// SPDX-License-Identifier: MIT
// wakeups_store_priv.h: wake-ups by the database itself: NOTIFY and LISTEN of PostgreSQL.

#ifndef CARILLON_CLUSTER_WAKEUPS_STORE_PRIV_H
#define CARILLON_CLUSTER_WAKEUPS_STORE_PRIV_H

#include "cluster/wakeups_priv.h"
#include "store/store.h"

// The server may be away. ERR_SYSTEM when a thread cannot be started.
MUST_CHECK enum err wakeups_store_open(struct store *s, const struct wakeups_options *o,
                                       struct wakeups **out, struct fault *f);

#endif
