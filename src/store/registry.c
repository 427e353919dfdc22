// SPDX-License-Identifier: MIT
// registry.c: the front of the door for small tables: checks what holds for every adapter.

#include "store/registry.h"
#include "store/store_priv.h"

#include <assert.h>

enum err store_registry_open(struct store *s, struct store_registry **out, struct fault *f)
{
    return s->ops->registry_open(s, out, f);
}

enum err store_registry_open_beside(const char *path, struct store_registry **out, struct fault *f)
{
    return sqlite_registry_open_beside(path, out, f);
}

void store_registry_close(struct store_registry *r)
{
    if (r)
        r->ops->close(r);
}

enum err store_token_insert(struct store_registry *r, const struct access_token *t, int64_t *id,
                            struct fault *f)
{
    assert(t->name && *t->name && t->scope > SCOPE_NONE && t->scope < TOKEN_SCOPES);
    assert(t->created_at > 0 && token_is_live(t, t->created_at));
    assert(!t->tag || t->scope < SCOPE_ADMIN);
    return r->ops->insert_token(r, t, id, f);
}

enum err store_token_revoke(struct store_registry *r, int64_t id, wall_ms now, struct fault *f)
{
    assert(now > 0);
    return r->ops->revoke_token(r, id, now, f);
}

enum err store_token_find(struct store_registry *r, const uint8_t digest[static TOKEN_DIGEST_BYTES],
                          store_each_token *each, void *context, struct fault *f)
{
    return r->ops->find_token(r, digest, each, context, f);
}

enum err store_token_list(struct store_registry *r, store_each_token *each, void *context,
                          struct fault *f)
{
    return r->ops->list_tokens(r, each, context, f);
}

enum err store_token_touch(struct store_registry *r, int64_t id, wall_ms at, const char *address,
                           struct fault *f)
{
    assert(at > 0 && address);
    return r->ops->touch_token(r, id, at, address, f);
}

enum err store_token_count(struct store_registry *r, wall_ms now, struct token_counts *out,
                           struct fault *f)
{
    return r->ops->count_tokens(r, now, out, f);
}
