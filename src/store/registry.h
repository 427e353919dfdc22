// SPDX-License-Identifier: MIT
// registry.h: a door of the store for small tables that belong to no shard: tokens, and the key of
// callbacks.
//
// A registry is a connection of its own, beside the writing thread and beside other nodes, and
// belongs to one thread at a time. Each change is a transaction of its own, and durable when the
// call returns ERR_OK. Changes are few: a file of SQLite has one writer at a time, so each of them
// may hold up a commit for a moment.
//
// ERR_STORE_AWAY, ERR_STORE_FULL and ERR_BUSY: nothing came of the call. ERR_DOUBT: the answer was
// lost, so that the call may have had its effect.

#ifndef CARILLON_STORE_REGISTRY_H
#define CARILLON_STORE_REGISTRY_H

#include "base/callback.h"
#include "store/store.h"

struct store_registry;

MUST_CHECK enum err store_registry_open(struct store *s, struct store_registry **out,
                                        struct fault *f);
// The same for a file that a server is at work on, by its path. Nothing is migrated:
// ERR_STORE_OPEN when the file was written by an older version.
MUST_CHECK enum err store_registry_open_beside(const char *path, struct store_registry **out,
                                               struct fault *f);
void store_registry_close(struct store_registry *r); // Before its store. NULL is a no-op.

// --- Tokens ----------------------------------------------------------------------------------

#define TOKEN_KEPT_MS 31536000000 // A row is kept so long after its token is over: a year.

// `by` asks for the change, and goes into the audit with it, in the same transaction. NULL: nobody
// is known.

// Makes a row of what the token says; its id becomes *id. Rows of tokens that were over long ago go
// in the same transaction. ERR_EXISTS: a live token has the name. ERR_LIMIT: TOKENS_MAX are live.
MUST_CHECK enum err store_token_insert(struct store_registry *r, const struct actor *by,
                                       const struct access_token *t, int64_t *id, struct fault *f);

// ERR_NOT_FOUND: there is no such token, or it is revoked already.
MUST_CHECK enum err store_token_revoke(struct store_registry *r, const struct actor *by, int64_t id,
                                       wall_ms now, struct fault *f);

// What callbacks get is borrowed for the call, and they must not call the registry. An error that
// one returns ends the list and is returned.
typedef enum err store_each_token(void *context, const struct access_token *t);

// Calls back for the token with this digest, live or not; ERR_NOT_FOUND.
MUST_CHECK enum err store_token_find(struct store_registry *r,
                                     const uint8_t digest[static TOKEN_DIGEST_BYTES],
                                     store_each_token *each, void *context, struct fault *f);
MUST_CHECK enum err store_token_list(struct store_registry *r, store_each_token *each,
                                     void *context, struct fault *f); // In order of id.

// Notes that the token was used. Not waited for: the last of these may be lost with the power.
MUST_CHECK enum err store_token_touch(struct store_registry *r, int64_t id, wall_ms at,
                                      const char *address, struct fault *f);

struct token_counts {
    int64_t all;    // Rows; 0: there was never a token.
    int64_t live;   // Neither revoked nor expired,
    int64_t admins; // and these may make others.
};
MUST_CHECK enum err store_token_count(struct store_registry *r, wall_ms now,
                                      struct token_counts *out, struct fault *f);

// --- The key of callbacks --------------------------------------------------------------------

// The database's key for base/callback.h: `drawn` becomes it when there is none. All who ask get
// the same. ERR_STORE_CORRUPT: what stands there is no key.
MUST_CHECK enum err store_callback_key(struct store_registry *r,
                                       const char drawn[static CALLBACK_KEY_BYTES],
                                       char out[static CALLBACK_KEY_BYTES], struct fault *f);

#endif
