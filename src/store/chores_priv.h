// SPDX-License-Identifier: MIT
// chores_priv.h: what one node does for all between commits: room for the days to come, and
// retention.
//
// An adapter whose chores wait for locks or take long has a connection of their own for them
// (chores_beside): they are then done by a thread, so that no commit waits for one. The others have
// them done by the writing thread, in writer.c.

#ifndef CARILLON_STORE_CHORES_PRIV_H
#define CARILLON_STORE_CHORES_PRIV_H

#include "store/store.h"

#define CHORE_ROWS 500      // So many go in a step of retention.
#define CHORE_PAUSE_MS 5000 // After there was nothing more to do.

struct chores;

// Starts the thread, which does nothing while it is off. `failed` is called on that thread, for
// what is no cause of a stall.
MUST_CHECK enum err chores_start(struct store *s, const struct store_retention *retention,
                                 void (*failed)(void *context, const struct fault *f),
                                 void *context, struct chores **out, struct fault *f);
void chores_set(struct chores *c, bool is_on); // On any thread.
void chores_stop(struct chores *c);            // Ends after the step under way. NULL is a no-op.

#endif
