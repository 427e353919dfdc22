// SPDX-License-Identifier: MIT
// registry.c: tokens in memory: the plain reading of what store/registry.h says.

#include "store/memory/memory_priv.h"

#include <assert.h>
#include <string.h>

struct memory_registry {
    struct store_registry registry;
    struct memory_store *store;
};

struct memory_store *memory_registry_lock(struct store_registry *r)
{
    struct memory_store *s = ((struct memory_registry *)r)->store;
    pthread_mutex_lock(&s->lock);
    return s;
}

enum err memory_registry_unlock(struct memory_store *s, enum err err)
{
    pthread_mutex_unlock(&s->lock);
    return err;
}

// --- Rows ------------------------------------------------------------------------------------

static void add(struct memory_store *s, const struct access_token *t)
{
    s->tokens = grow(s->tokens, s->token_count, &s->token_capacity, sizeof *s->tokens);
    struct access_token *own = &s->tokens[s->token_count++];
    *own = *t;
    own->name = xstrdup(t->name);
    own->tag = xstrdup(t->tag);
    own->last_address = xstrdup(t->last_address);
}

static void disown(struct access_token *t)
{
    free((char *)(uintptr_t)t->name);
    free((char *)(uintptr_t)t->tag);
    free((char *)(uintptr_t)t->last_address);
}

void memory_tokens_copy(struct memory_store *to, const struct memory_store *from)
{
    for (size_t i = 0; i < from->token_count; i++)
        add(to, &from->tokens[i]);
}

void memory_tokens_free(struct memory_store *s)
{
    for (size_t i = 0; i < s->token_count; i++)
        disown(&s->tokens[i]);
    free(s->tokens);
}

static bool is_over_since(const struct access_token *t, wall_ms before)
{
    return (t->revoked_at && t->revoked_at < before) || t->expires_at < before;
}

static void sweep(struct memory_store *s, wall_ms before)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->token_count; i++) {
        if (is_over_since(&s->tokens[i], before))
            disown(&s->tokens[i]);
        else
            s->tokens[kept++] = s->tokens[i];
    }
    s->token_count = kept;
}

static struct token_counts count(const struct memory_store *s, wall_ms now)
{
    struct token_counts counts = {.all = (int64_t)s->token_count};
    for (size_t i = 0; i < s->token_count; i++) {
        const struct access_token *t = &s->tokens[i];
        counts.live += token_is_live(t, now);
        counts.admins += token_is_live(t, now) && t->scope == SCOPE_ADMIN;
    }
    return counts;
}

static struct access_token *find_id(const struct memory_store *s, int64_t id)
{
    for (size_t i = 0; i < s->token_count; i++)
        if (s->tokens[i].id == id)
            return &s->tokens[i];
    return NULL;
}

// --- The port --------------------------------------------------------------------------------

static enum err check(const struct memory_store *s, const struct access_token *t, struct fault *f)
{
    for (size_t i = 0; i < s->token_count; i++) {
        const struct access_token *other = &s->tokens[i];
        if (memcmp(other->digest, t->digest, sizeof t->digest) == 0)
            return fault_set(f, ERR_CONFLICT, "the token is there already");
        if (token_is_live(other, t->created_at) && strcmp(other->name, t->name) == 0)
            return fault_set(f, ERR_EXISTS, "a token has this name");
    }
    if (count(s, t->created_at).live >= TOKENS_MAX)
        return fault_set(f, ERR_LIMIT, "there are %d tokens already", TOKENS_MAX);
    return ERR_OK;
}

static enum err insert_token(struct store_registry *r, const struct access_token *t,
                             const struct audit_entry *e, int64_t *id, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    enum err err = check(s, t, f);
    if (err)
        return memory_registry_unlock(s, err);
    struct access_token own = *t;
    own.id = s->token_count ? s->tokens[s->token_count - 1].id + 1 : 1;
    add(s, &own);
    sweep(s, t->created_at - TOKEN_KEPT_MS);
    memory_audit_put(s, e);
    *id = own.id;
    return memory_registry_unlock(s, ERR_OK);
}

static enum err revoke_token(struct store_registry *r, int64_t id, wall_ms now,
                             const struct audit_entry *e, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    struct access_token *t = find_id(s, id);
    if (!t || t->revoked_at)
        return memory_registry_unlock(s, fault_set(f, ERR_NOT_FOUND, "there is no such token"));
    t->revoked_at = now;
    memory_audit_put(s, e);
    return memory_registry_unlock(s, ERR_OK);
}

static enum err find_token(struct store_registry *r, const uint8_t *digest, store_each_token *each,
                           void *context, struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    for (size_t i = 0; i < s->token_count; i++)
        if (memcmp(s->tokens[i].digest, digest, TOKEN_DIGEST_BYTES) == 0)
            return memory_registry_unlock(s, each(context, &s->tokens[i]));
    return memory_registry_unlock(s, fault_set(f, ERR_NOT_FOUND, "there is no such token"));
}

static enum err list_tokens(struct store_registry *r, store_each_token *each, void *context,
                            struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    enum err err = ERR_OK;
    (void)f;
    for (size_t i = 0; i < s->token_count && !err; i++)
        err = each(context, &s->tokens[i]);
    return memory_registry_unlock(s, err);
}

static enum err touch_token(struct store_registry *r, int64_t id, wall_ms at, const char *address,
                            struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    struct access_token *t = find_id(s, id);
    (void)f;
    if (t && t->last_used_at < at) {
        free((char *)(uintptr_t)t->last_address);
        t->last_used_at = at;
        t->last_address = xstrdup(address);
    }
    return memory_registry_unlock(s, ERR_OK);
}

static enum err count_tokens(struct store_registry *r, wall_ms now, struct token_counts *out,
                             struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    (void)f;
    *out = count(s, now);
    return memory_registry_unlock(s, ERR_OK);
}

static enum err callback_key(struct store_registry *r, const char *drawn, char *out,
                             struct fault *f)
{
    struct memory_store *s = memory_registry_lock(r);
    if (!*s->callback_key)
        memcpy(s->callback_key, drawn, sizeof s->callback_key);
    return memory_registry_unlock(s, registry_take_key(s->callback_key, out, f));
}

static void close_registry(struct store_registry *r)
{
    free(r);
}

enum err memory_registry_open(struct store *store, struct store_registry **out, struct fault *f)
{
    static const struct store_registry_ops ops = {
        .outbox = &memory_outbox,
        .close = close_registry,
        .insert_token = insert_token,
        .revoke_token = revoke_token,
        .find_token = find_token,
        .list_tokens = list_tokens,
        .touch_token = touch_token,
        .count_tokens = count_tokens,
        .insert_row = memory_insert_row,
        .update_row = memory_update_row,
        .delete_row = memory_delete_row,
        .list_rows = memory_list_rows,
        .note_channel = memory_note_channel,
        .callback_key = callback_key,
    };
    struct memory_registry *r = xcalloc(1, sizeof *r);
    (void)f;
    r->registry.ops = &ops;
    r->store = (struct memory_store *)store;
    *out = &r->registry;
    return ERR_OK;
}
