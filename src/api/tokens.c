// SPDX-License-Identifier: MIT
// tokens.c: the handlers of tokens: list, create, revoke. For administrators.
//
// The table of tokens is the room `access`'s, and its thread asks the database.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"
#include "base/log.h"
#include "store/registry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LASTS_S_MAX 3153600000 // A hundred years.

// Something to be done with the table for a request, which is then answered.
struct errand {
    struct api_request *request;
    enum err (*act)(struct errand *e, struct store_registry *r, struct fault *f);
    struct access_token token; // To be created. The name and the tag are the body's.
    int64_t id;                // To be revoked.
    char secret[TOKEN_TEXT_BYTES];
};

// --- What can go wrong ---------------------------------------------------------------------------

static const struct {
    enum err err;
    enum problem_kind kind;
    const char *detail;
} failures[] = {
    {ERR_NOT_FOUND, PROBLEM_NOT_FOUND, "there is no such token, or it is revoked already"},
    {ERR_EXISTS, PROBLEM_TOKEN_NAME, "another token has this name"},
    {ERR_LIMIT, PROBLEM_LIMIT, "there are as many tokens as there may be"},
    {ERR_BUSY, PROBLEM_STORE_BUSY, "another program holds the database; nothing was changed"},
    {ERR_STORE_FULL, PROBLEM_STORE_FULL, "the disk is full; nothing was changed"},
    {ERR_STORE_AWAY, PROBLEM_STORE_AWAY, "the database cannot be reached; nothing was changed"},
    {ERR_DOUBT, PROBLEM_DOUBT, "the answer of the database was lost; GET /tokens says what is"},
};

static enum err refuse_failure(struct problem *p, enum err err, const struct fault *f)
{
    for (size_t i = 0; i < COUNT_OF(failures); i++)
        if (failures[i].err == err)
            return service_refuse(&p->what, err, failures[i].kind, NULL, "%s", failures[i].detail);
    log_error("tokens.failed", LOG_TEXT("error", err_text(err)), LOG_TEXT("detail", f->text));
    return service_refuse(&p->what, err, PROBLEM_STORE, NULL, "reading or writing tokens failed");
}

static void run(void *errand, struct store_registry *registry)
{
    struct errand *e = errand;
    struct problem problem = {0};
    struct fault f = {0};
    enum err err = e->act(e, registry, &f);
    if (err) {
        refuse_failure(&problem, err, &f);
        answer_problem(e->request, &problem);
    }
    free(e);
}

static enum err hand_on(struct errand *e, struct problem *p)
{
    if (access_run(e->request->api->access, run, e) == ERR_OK)
        return ERR_OK;
    free(e);
    return service_refuse(&p->what, ERR_LIMIT, PROBLEM_BUSY, NULL,
                          "too many requests wait for the database; try again");
}

static struct errand *errand_new(struct api_request *r,
                                 enum err (*act)(struct errand *, struct store_registry *,
                                                 struct fault *))
{
    struct errand *e = xcalloc(1, sizeof *e);
    e->request = r;
    e->act = act;
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

static enum err list(struct errand *e, struct store_registry *registry, struct fault *f)
{
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
    return hand_on(errand_new(r, list), p);
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

static void log_change(const char *event, const struct api_request *r, int64_t id)
{
    log_info(event, LOG_INT("token", id), LOG_TEXT("by", r->actor.token_name),
             LOG_TEXT("address", r->actor.address), LOG_TEXT("request_id", r->actor.request_id));
}

static enum err create(struct errand *e, struct store_registry *registry, struct fault *f)
{
    struct api_request *r = e->request;
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
    log_change("token.created", r, e->token.id);
    answer_json(r, 201, json);
    return ERR_OK;
}

enum err handle_create_token(struct api_request *r, struct problem *p)
{
    struct errand *e = errand_new(r, create);
    enum err err = read_token(r->body, &e->token, p);
    if (!err)
        return hand_on(e, p);
    free(e);
    return err;
}

// --- DELETE /tokens/:token -----------------------------------------------------------------------

static enum err revoke(struct errand *e, struct store_registry *registry, struct fault *f)
{
    enum err err = store_token_revoke(registry, &e->request->actor, e->id, clock_wall_ms(), f);
    if (err)
        return err;
    access_forget(e->request->api->access);
    log_change("token.revoked", e->request, e->id);
    answer_nothing(e->request, 204);
    return ERR_OK;
}

enum err handle_revoke_token(struct api_request *r, struct problem *p)
{
    struct errand *e = errand_new(r, revoke);
    const char *given = exchange_segment(r->exchange, 1);
    if (job_id_parse(given, &e->id))
        return hand_on(e, p);
    free(e);
    return refuse(p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL,
                  "there is no token '%.64s'; ids of tokens are positive integers", given);
}
