// SPDX-License-Identifier: MIT
// api.c: opening and closing, and the way of a request from the server to its handler.

#include "api/api_priv.h"
#include "api/events_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"
#include "base/metrics.h"

#include <assert.h>

static enum err check_database(const struct api_request *r, struct problem *p)
{
    const struct api *a = r->api;
    if (!a->database_is_away || !a->database_is_away(a->context))
        return ERR_OK;
    return service_refuse(&p->what, ERR_STORE_AWAY, PROBLEM_STORE_AWAY, NULL,
                          "the database cannot be reached; nothing was changed");
}

// On a thread that may wait for the database. Others may have waited for it in vain before.
static void ask(void *request)
{
    struct api_request *r = request;
    struct problem problem = {0};
    if (check_database(r, &problem) || request_check_bound(r, &problem) ||
        r->route->handle(r, &problem))
        answer_problem(r, &problem);
}

static bool has_quota(const struct api_request *r)
{
    return r->actor.max_jobs || r->actor.max_bytes;
}

static bool asks(const struct api_request *r)
{
    return r->route->asks == ASKS_ALWAYS || request_is_bound(r) ||
           (r->route->asks == ASKS_FOR_KEY &&
            (has_quota(r) || exchange_header(r->exchange, "Idempotency-Key")));
}

enum err request_run(struct api_request *r, struct problem *p)
{
    if (request_names_channels(r))
        return request_check_channels(r, p);
    bool is_question = asks(r);
    enum err err = is_question || r->route->changes ? check_database(r, p) : ERR_OK;
    if (err || !is_question)
        return err ? err : r->route->handle(r, p);
    if (service_ask(r->api->service, ask, r) == ERR_OK)
        return ERR_OK;
    return service_refuse(&p->what, ERR_LIMIT, PROBLEM_BUSY, NULL,
                          "too many requests wait for the database; try again");
}

enum err request_proceed(struct api_request *r, struct problem *p)
{
    enum err err = request_check_loop(r, p);
    if (err)
        return err;
    if (r->route->changes && atomic_load(&r->api->draining))
        return refuse(p, ERR_CLOSED, REFUSED_DRAINING, NULL,
                      "the server is shutting down; nothing was changed");
    err = route_check_parameters(r, p);
    if (!err)
        err = body_read(r, p);
    return err ? err : request_run(r, p);
}

static enum err handle(struct api_request *r, struct problem *p)
{
    enum err err = request_check_site(r, p);
    if (!err)
        err = route_find(r, p);
    if (err)
        return err;
    // Everybody who can reach the door to observe may see what is answered there.
    bool is_free = r->route->scope == SCOPE_NONE || exchange_door(r->exchange) == DOOR_OBSERVE;
    return is_free ? request_proceed(r, p) : request_admit(r, p);
}

static void handle_exchange(void *context, struct exchange *x)
{
    struct api_request *r = xcalloc(1, sizeof *r);
    r->api = context;
    r->exchange = x;
    r->actor.address = exchange_caller(x);
    r->actor.request_id = exchange_request_id(x);
    struct problem problem = {0};
    // Before all else: refusals are indented too.
    if (query_pretty(r, &problem) || handle(r, &problem))
        answer_problem(r, &problem);
}

static char *error_body(void *context, const struct refusal *refusal, size_t *bytes)
{
    metric_add(METRIC_api_requests, 1);
    metric_add(METRIC_api_errors, 1);
    return problem_refusal_body(context, refusal, bytes);
}

// What every answer says: its type is what stands in it, and jobs have credentials, which belong
// into no cache, into no page of another site, and into no address that such a page is told.
static const char headers[] = "X-Content-Type-Options: nosniff\r\n"
                              "Cache-Control: no-store\r\n"
                              "Cross-Origin-Resource-Policy: same-origin\r\n"
                              "Referrer-Policy: no-referrer\r\n";

// Probes call a machine by its address, so it counts for each door where that can be reached.
static enum err parse_names(struct api *a, const struct api_options *o, struct fault *f)
{
    const char *host = o->host ? o->host : "localhost";
    const char *observe = o->observe_host ? o->observe_host : "localhost";
    enum err err = web_names_parse(host, o->allowed_hosts, &a->names, f);
    return err ? err : web_names_parse(observe, o->allowed_hosts, &a->observe_names, f);
}

enum err api_listen(const struct api_options *o, struct api **out, struct fault *f)
{
    static const char *const reserved[] = {"/livez", "/readyz", "/metrics", NULL};
    json_object_seed(0); // Before there are threads.
    struct api *a = xcalloc(1, sizeof *a);
    a->version = o->version;
    a->probes_only = o->probes_only;
    a->database_is_away = o->database_is_away;
    a->context = o->context;
    a->secrets = o->secrets;
    a->callback_key = o->callback_key;
    a->public_url = o->public_url ? o->public_url : "";
    struct server_options options = {
        .host = o->host,
        .port = o->port,
        .unix_path = o->unix_path,
        .unix_mode = o->unix_mode,
        .observe_host = o->observe_host,
        .observe_port = o->observe_port,
        .tls_certificate = o->tls_certificate,
        .tls_key = o->tls_key,
        .tls_client_ca = o->tls_client_ca,
        .threads = o->threads,
        .connections_max = o->connections_max,
        .connections_per_address_max = o->connections_per_address_max,
        .connections_reserved = o->connections_reserved,
        .answers_bytes_max = o->answers_bytes_max,
        .request_timeout_ms = o->request_timeout_ms,
        .reserved_paths = reserved,
        .headers = headers,
        .error_body = error_body,
    };
    enum err err = parse_names(a, o, f);
    if (!err)
        err = server_listen(&options, handle_exchange, a, &a->server, f);
    if (err) {
        free(a);
        return err;
    }
    *out = a;
    return ERR_OK;
}

enum err api_serve(struct api *a, struct service *s, struct access *access,
                   struct observer *observer, struct fault *f)
{
    assert((s || a->probes_only) && access && observer && !a->observer);
    a->service = s;
    a->access = access;
    a->observer = observer;
    enum err err = s ? events_open(a, &a->events, f) : ERR_OK;
    return err ? err : server_serve(a->server, f);
}

uint16_t api_port(const struct api *a)
{
    return server_port(a->server);
}

uint16_t api_observe_port(const struct api *a)
{
    return server_observe_port(a->server);
}

void api_reload(struct api *a)
{
    struct fault f = {0};
    (void)!server_reload(a->server, &f);
}

void api_retire(struct api *a)
{
    atomic_store(&a->retiring, true);
}

void api_drain(struct api *a)
{
    api_retire(a);
    atomic_store(&a->draining, true);
}

void api_close(struct api *a)
{
    if (!a)
        return;
    server_close(a->server);
    events_close(a->events);
    free(a);
}
