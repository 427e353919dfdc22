// SPDX-License-Identifier: MIT
// tokens.c: the handlers of tokens: list, create, revoke. For administrators.
//
// The table of tokens is the room `access`'s, and its thread asks the database.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/registry_priv.h"
#include "store/registry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LASTS_S_MAX 3153600000 // A hundred years.

struct token_errand {
    struct errand errand;
    struct access_token token; // To be created. The name and the tag are the body's.
    int64_t id;                // To be revoked.
    char secret[TOKEN_TEXT_BYTES];
};

static struct token_errand *errand_new(struct api_request *r, errand_act *act)
{
    struct token_errand *e = xcalloc(1, sizeof *e);
    e->errand =
        (struct errand){.request = r, .act = act, .what = "tokens", .taken = PROBLEM_TOKEN_NAME};
    return e;
}

// --- As JSON -------------------------------------------------------------------------------------

static json_t *limit_json(int64_t limit)
{
    return limit ? json_integer(limit) : json_null();
}

static json_t *token_json(const struct access_token *t)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_integer(t->id));
    json_object_set_new(o, "name", json_text(t->name));
    json_object_set_new(o, "scope", json_string(token_scope_name(t->scope)));
    json_object_set_new(o, "tag", json_text(t->tag));
    json_object_set_new(o, "is_live", json_boolean(token_is_live(t, clock_wall_ms())));
    json_object_set_new(o, "created_at", json_time(t->created_at));
    json_object_set_new(o, "expires_at", json_time(t->expires_at));
    json_object_set_new(o, "revoked_at", json_time(t->revoked_at));
    json_object_set_new(o, "last_used_at", json_time(t->last_used_at));
    json_object_set_new(o, "last_address", json_text(t->last_address));
    json_object_set_new(o, "executions_per_second", limit_json(t->executions_per_second));
    json_object_set_new(o, "max_jobs", limit_json(t->max_jobs));
    json_object_set_new(o, "max_bytes", limit_json(t->max_bytes));
    return o;
}

// --- GET /tokens ---------------------------------------------------------------------------------

static enum err add(void *list, const struct access_token *t)
{
    json_array_append_new(list, token_json(t));
    return ERR_OK;
}

static enum err list(struct errand *e, struct store_registry *registry, struct problem *p,
                     struct fault *f)
{
    (void)p;
    json_t *tokens = json_array();
    enum err err = store_token_list(registry, add, tokens, f);
    if (err)
        json_decref(tokens);
    else
        answer_json(e->request, 200, json_pack("{s:o}", "tokens", tokens));
    return err;
}

enum err handle_list_tokens(struct api_request *r, struct problem *p)
{
    return errand_hand_on(&errand_new(r, list)->errand, p);
}

// --- POST /tokens --------------------------------------------------------------------------------

static enum err read_scope(const json_t *body, struct access_token *t, struct problem *p)
{
    const char *word = NULL;
    int scope = SCOPE_NONE;
    enum err err = member_text(body, "scope", &word, p);
    if (err)
        return err;
    if (!word || !enum_find(&token_scope_words, word, &scope) || scope == SCOPE_NONE)
        return refuse_field(p, ERR_RANGE, "scope", "scope must be read, trigger, write or admin");
    t->scope = (enum token_scope)scope;
    if (t->tag && t->scope == SCOPE_ADMIN)
        return refuse_field(p, ERR_RANGE, "tag", "an admin is bound to no tag");
    return ERR_OK;
}

static enum err check_text(const char *name, const char *text, size_t bytes_max, struct problem *p)
{
    if (text && token_text_is_fine(text, bytes_max))
        return ERR_OK;
    return refuse_field(p, ERR_RANGE, name,
                        "%s must have 1 to %zu bytes, without control characters", name, bytes_max);
}

static enum err read_token(const json_t *body, struct access_token *t, struct problem *p)
{
    static const char *const members[] = {
        "name",     "scope",     "tag", "expires_in_s", "executions_per_second",
        "max_jobs", "max_bytes", NULL};
    int64_t lasts_s = 0, executions = 0;
    enum err err = members_check(body, members, p);
    if (!err)
        err = member_text(body, "name", &t->name, p);
    if (!err)
        err = check_text("name", t->name, TOKEN_NAME_BYTES_MAX, p);
    if (!err)
        err = member_text(body, "tag", &t->tag, p);
    if (!err && t->tag)
        err = check_text("tag", t->tag, TOKEN_TAG_BYTES_MAX, p);
    if (!err)
        err = read_scope(body, t, p);
    if (!err)
        err = member_integer(body, "expires_in_s", 1, LASTS_S_MAX, &lasts_s, p);
    if (!err)
        err =
            member_integer(body, "executions_per_second", 1, TOKEN_EXECUTIONS_MAX, &executions, p);
    if (!err)
        err = member_integer(body, "max_jobs", 1, TOKEN_JOBS_MAX, &t->max_jobs, p);
    if (!err)
        err = member_integer(body, "max_bytes", 1, TOKEN_JOBS_BYTES_MAX, &t->max_bytes, p);
    t->executions_per_second = (uint32_t)executions;
    t->created_at = clock_wall_ms();
    t->expires_at = lasts_s ? t->created_at + lasts_s * 1000 : WALL_NEVER;
    return err;
}

static enum err create(struct errand *errand, struct store_registry *registry, struct problem *p,
                       struct fault *f)
{
    struct token_errand *e = (struct token_errand *)errand;
    struct api_request *r = errand->request;
    (void)p;
    char location[48];
    enum err err = token_draw(e->secret, f);
    if (!err)
        err = token_digest(e->secret, e->token.digest, f);
    if (!err)
        err = store_token_insert(registry, &r->actor, &e->token, &e->token.id, f);
    if (err)
        return err;
    access_forget(r->api->access);
    json_t *json = token_json(&e->token);
    json_object_set_new(json, "secret", json_string(e->secret));
    snprintf(location, sizeof location, "/tokens/%" PRId64, e->token.id);
    exchange_add_header(r->exchange, "Location", location);
    errand_log("token.created", r, "token", e->token.id);
    answer_json(r, 201, json);
    return ERR_OK;
}

enum err handle_create_token(struct api_request *r, struct problem *p)
{
    struct token_errand *e = errand_new(r, create);
    enum err err = read_token(r->body, &e->token, p);
    if (!err)
        return errand_hand_on(&e->errand, p);
    errand_free(&e->errand);
    return err;
}

// --- DELETE /tokens/:token -----------------------------------------------------------------------

static enum err revoke(struct errand *errand, struct store_registry *registry, struct problem *p,
                       struct fault *f)
{
    struct token_errand *e = (struct token_errand *)errand;
    struct api_request *r = errand->request;
    (void)p;
    enum err err = store_token_revoke(registry, &r->actor, e->id, clock_wall_ms(), f);
    if (err)
        return err;
    access_forget(r->api->access);
    errand_log("token.revoked", r, "token", e->id);
    answer_nothing(r, 204);
    return ERR_OK;
}

enum err handle_revoke_token(struct api_request *r, struct problem *p)
{
    struct token_errand *e = errand_new(r, revoke);
    enum err err = errand_id(r, "token", &e->id, p);
    if (!err)
        return errand_hand_on(&e->errand, p);
    errand_free(&e->errand);
    return err;
}
