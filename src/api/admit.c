// SPDX-License-Identifier: MIT
// admit.c: who sends a request, may they do this, and not too often?
//
// Every route but a few names the scope that it needs (routes.c). The room `access` says whose the
// token is, mostly at once; when it has to read the database it calls back, on its own thread, and
// the request goes on from there. No handler, no body and no parameter is looked at before.

#include "api/api_priv.h"
#include "base/metrics.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

// The token of "Authorization: Bearer TOKEN"; NULL: none is given.
static const char *secret_of(struct api_request *r)
{
    static const char scheme[] = "Bearer ";
    const char *given = exchange_header(r->exchange, "Authorization");
    if (!given || strncasecmp(given, scheme, sizeof scheme - 1) != 0)
        return NULL;
    return given + sizeof scheme - 1 + strspn(given + sizeof scheme - 1, " ");
}

// --- After the answer of the room ----------------------------------------------------------------

static const struct {
    enum err err;
    enum api_refusal refusal;
    const char *detail;
} refusals[] = {
    [ACCESS_MISSING] = {ERR_FORBIDDEN, REFUSED_MISSING_TOKEN,
                        "this needs a token: send it as Authorization: Bearer TOKEN"},
    [ACCESS_INVALID] = {ERR_FORBIDDEN, REFUSED_TOKEN,
                        "there is no such token, or it has expired or was revoked"},
    [ACCESS_FAILING] = {ERR_LIMIT, REFUSED_FAILING,
                        "too many requests from this address had no valid token; wait"},
    [ACCESS_NO_TABLE] = {ERR_FORBIDDEN, REFUSED_NO_TOKENS,
                         "this node has no database, and so no tokens; only its own machine may "
                         "ask it for this"},
};

static enum err refuse_verdict(const struct api_request *r, struct problem *p)
{
    enum access_verdict v = r->access.verdict;
    if (v == ACCESS_BUSY)
        return service_refuse(&p->what, ERR_LIMIT, PROBLEM_BUSY, NULL,
                              "too many requests wait for the database; try again");
    if (v == ACCESS_AWAY)
        return service_refuse(&p->what, ERR_STORE_AWAY, PROBLEM_STORE_AWAY, NULL,
                              "the database cannot be reached; nothing was changed");
    p->retry_after_s = v == ACCESS_FAILING ? r->access.retry_after_s : 0;
    return refuse(p, refusals[v].err, refusals[v].refusal, NULL, "%s", refusals[v].detail);
}

static enum err check_scope(const struct api_request *r, struct problem *p)
{
    const struct access_caller *c = &r->access.caller;
    p->scope = r->route->scope;
    if (c->scope < r->route->scope)
        return refuse(p, ERR_FORBIDDEN, REFUSED_SCOPE, NULL,
                      "the token has the scope %s, and this needs %s", token_scope_name(c->scope),
                      token_scope_name(r->route->scope));
    if (*c->tag && r->route->bound == BOUND_NEVER)
        return refuse(p, ERR_FORBIDDEN, REFUSED_SCOPE, NULL,
                      "the token is bound to the tag '%s', and this tells of all jobs", c->tag);
    return ERR_OK;
}

static enum err go_on(struct api_request *r, struct problem *p)
{
    const struct access_caller *c = &r->access.caller;
    if (r->access.verdict != ACCESS_GRANTED)
        return refuse_verdict(r, p);
    r->actor.token = c->token;
    r->actor.max_jobs = c->max_jobs;
    r->actor.max_bytes = c->max_bytes;
    r->actor.token_name = *c->name ? c->name : NULL;
    enum err err = request_check_rate(r, p);
    if (err)
        return err;
    err = check_scope(r, p);
    if (!err)
        return request_proceed(r, p);
    metric_add(METRIC_access_forbidden, 1);
    return err;
}

static void answered(void *request)
{
    struct api_request *r = request;
    struct problem problem = {0};
    if (go_on(r, &problem))
        answer_problem(r, &problem);
}

// --- The question --------------------------------------------------------------------------------

// What needs no database is about the health of the server, and is wanted most while there is none.
enum err request_admit(struct api_request *r, struct problem *p)
{
    const struct api *a = r->api;
    if (request_has_callback(r)) {
        enum err err = request_check_callback(r, p);
        return err ? err : request_proceed(r, p);
    }
    r->access = (struct access_question){
        .secret = secret_of(r),
        .address = exchange_peer(r->exchange),
        .database_is_away = a->database_is_away && a->database_is_away(a->context),
        .is_health = r->route->asks == ASKS_NEVER && !r->route->changes,
        .answered = answered,
        .context = r,
    };
    return access_ask(r->api->access, &r->access) == ACCESS_LATER ? ERR_OK : go_on(r, p);
}
