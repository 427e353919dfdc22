// SPDX-License-Identifier: MIT
// observability.c: the handlers that say how the server is.

#include "api/api_priv.h"

#include <string.h>

#define RECENT_MS 60000

// Which hosts the jobs of other teams call is no business of a token that is bound to a tag.
static void hide_hosts(json_t *health)
{
    json_t *dispatch = json_object_get(health, "dispatch");
    json_array_clear(json_object_get(dispatch, "down"));
    json_array_clear(json_object_get(dispatch, "paced"));
    json_object_del(dispatch, "reason");
}

// Degraded is still at work; only a failing server is taken out of rotation.
enum err handle_health(struct api_request *r, struct problem *p)
{
    (void)p;
    enum health_level level;
    json_t *json = observer_health_json(r->api->observer, &level);
    if (request_tag(r))
        hide_hosts(json);
    answer_json(r, level == HEALTH_FAILING ? 503 : 200, json);
    return ERR_OK;
}

enum err handle_live(struct api_request *r, struct problem *p)
{
    (void)p;
    answer_json(r, 200, json_pack("{s:s}", "status", "ok"));
    return ERR_OK;
}

enum err handle_ready(struct api_request *r, struct problem *p)
{
    struct health h;
    if (atomic_load(&r->api->retiring))
        return refuse(p, ERR_CLOSED, REFUSED_DRAINING, NULL, "the server is shutting down");
    observer_health(r->api->observer, &h);
    answer_json(r, h.level == HEALTH_FAILING ? 503 : 200,
                json_pack("{s:s}", "status", h.level == HEALTH_FAILING ? "failing" : "ok"));
    return ERR_OK;
}

enum err handle_cluster(struct api_request *r, struct problem *p)
{
    (void)p;
    answer_json(r, 200, observer_cluster_json(r->api->observer));
    return ERR_OK;
}

// --- Metrics -------------------------------------------------------------------------------------

enum err handle_metrics_text(struct api_request *r, struct problem *p)
{
    (void)p;
    struct health h;
    observer_health(r->api->observer, &h);
    observer_count(r->api->observer);
    size_t bytes;
    char *text = observe_metrics_text(r->api->version, h.status.started_at, &bytes);
    answer_text(r, 200, OBSERVE_METRICS_CONTENT_TYPE, text, bytes);
    return ERR_OK;
}

static bool wants_text(struct api_request *r)
{
    const char *accept = exchange_header(r->exchange, "Accept");
    return accept && (strstr(accept, "text/plain") || strstr(accept, "openmetrics"));
}

// By state, of the last minute: what the counters, which begin anew with the server, cannot say.
static enum err recent_json(struct api_request *r, json_t **out, struct problem *p)
{
    int64_t counts[EXECUTION_STATES] = {0};
    wall_ms now = clock_wall_ms();
    enum err err =
        service_count_executions(r->api->service, now - RECENT_MS, now, counts, &p->what);
    if (err)
        return err;
    *out = json_object();
    for (int state = 0; state < EXECUTION_STATES; state++)
        json_object_set_new(*out, execution_state_name((enum execution_state)state),
                            json_integer(counts[state]));
    return ERR_OK;
}

enum err handle_metrics_json(struct api_request *r, struct problem *p)
{
    if (wants_text(r))
        return handle_metrics_text(r, p);
    json_t *recent;
    enum err err = recent_json(r, &recent, p);
    if (err)
        return err;
    observer_count(r->api->observer);
    json_t *json = observe_metrics_json();
    json_object_set_new(json, "executions_last_minute", recent);
    answer_add_age(r);
    answer_json(r, 200, json);
    return ERR_OK;
}
