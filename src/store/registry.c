// SPDX-License-Identifier: MIT
// registry.c: the front of the door for small tables: checks what holds for every adapter.

#include "store/registry.h"
#include "store/store_priv.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

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

// --- The audit -------------------------------------------------------------------------------

static json_t *time_json(wall_ms at)
{
    char text[RFC3339_BYTES];
    if (at == 0 || at == WALL_NEVER)
        return json_null();
    wall_format(at, text);
    return json_string(text);
}

// What the audit tells of a token; the caller frees it.
static char *describe(const struct access_token *t)
{
    json_t *o = json_object();
    json_object_set_new(o, "scope", json_string(token_scope_name(t->scope)));
    if (t->tag)
        json_object_set_new(o, "tag", json_string(t->tag));
    if (t->expires_at != WALL_NEVER)
        json_object_set_new(o, "expires_at", time_json(t->expires_at));
    if (t->executions_per_second)
        json_object_set_new(o, "executions_per_second", json_integer(t->executions_per_second));
    if (t->max_jobs)
        json_object_set_new(o, "max_jobs", json_integer(t->max_jobs));
    if (t->max_bytes)
        json_object_set_new(o, "max_bytes", json_integer(t->max_bytes));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

static struct audit_entry entry_of(const struct actor *by, enum audit_action action, wall_ms at,
                                   const char *subject)
{
    struct audit_entry e = {.at = at, .action = action, .subject = subject};
    if (by)
        e.by = *by;
    return e;
}

// --- Tokens ----------------------------------------------------------------------------------

enum err store_token_insert(struct store_registry *r, const struct actor *by,
                            const struct access_token *t, int64_t *id, struct fault *f)
{
    assert(t->name && *t->name && t->scope > SCOPE_NONE && t->scope < TOKEN_SCOPES);
    assert(t->created_at > 0 && token_is_live(t, t->created_at));
    assert(!t->tag || t->scope < SCOPE_ADMIN);
    struct audit_entry e = entry_of(by, AUDIT_TOKEN_CREATE, t->created_at, t->name);
    char *after = describe(t);
    e.after = after;
    enum err err = r->ops->insert_token(r, t, &e, id, f);
    free(after);
    return err;
}

struct search {
    int64_t id;
    char *name;   // NULL: there is no such token.
    char *before; // What the audit tells of it.
};

static enum err look(void *context, const struct access_token *t)
{
    struct search *s = context;
    if (t->id == s->id && !s->name) {
        s->name = xstrdup(t->name);
        s->before = describe(t);
    }
    return ERR_OK;
}

// The name of a token and its scope never change, so that they are read before.
enum err store_token_revoke(struct store_registry *r, const struct actor *by, int64_t id,
                            wall_ms now, struct fault *f)
{
    struct search s = {.id = id};
    assert(now > 0);
    enum err err = r->ops->list_tokens(r, look, &s, f);
    if (!err && !s.name)
        err = fault_set(f, ERR_NOT_FOUND, "there is no such token");
    if (!err) {
        struct audit_entry e = entry_of(by, AUDIT_TOKEN_REVOKE, now, s.name);
        e.before = s.before;
        err = r->ops->revoke_token(r, id, now, &e, f);
    }
    free(s.name);
    free(s.before);
    return err;
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

enum err store_callback_key(struct store_registry *r, const char drawn[static CALLBACK_KEY_BYTES],
                            char out[static CALLBACK_KEY_BYTES], struct fault *f)
{
    assert(callback_key_is_whole(drawn));
    return r->ops->callback_key(r, drawn, out, f);
}

enum err registry_take_key(const char *stored, char out[static CALLBACK_KEY_BYTES], struct fault *f)
{
    if (!stored || !callback_key_is_whole(stored))
        return fault_set(f, ERR_STORE_CORRUPT, "table callback_key holds no key");
    snprintf(out, CALLBACK_KEY_BYTES, "%s", stored);
    return ERR_OK;
}

enum err store_token_count(struct store_registry *r, wall_ms now, struct token_counts *out,
                           struct fault *f)
{
    return r->ops->count_tokens(r, now, out, f);
}
