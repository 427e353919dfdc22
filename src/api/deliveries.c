// SPDX-License-Identifier: MIT
// deliveries.c: the handlers of messages to channels: those of a channel, one, and a test.
//
// A test is a delivery like any other, but tells of no alert and is sent once: so it goes the very
// way that alerts go, and what came of it is read where that of an alert is.

#include "api/json_priv.h"
#include "api/page_priv.h"
#include "api/registry_priv.h"
#include "store/channels.h"
#include "store/outbox.h"

#include <inttypes.h>
#include <stdio.h>

#define DELIVERIES_DEFAULT 50

struct delivery_errand {
    struct errand errand;
    int64_t id; // The channel, or the delivery.
    size_t limit;
    bool is_enabled;
    int64_t under_way; // A test of the channel; 0: there is none.
    char *name;        // The channel's; NULL: it is not known.
    json_t *json;
};

static void free_errand(struct errand *errand)
{
    struct delivery_errand *e = (struct delivery_errand *)errand;
    free(e->name);
    json_decref(e->json);
    free(e);
}

static enum err hand_on(struct api_request *r, const char *what, errand_act *act, struct problem *p)
{
    struct delivery_errand *e = xcalloc(1, sizeof *e);
    e->errand =
        (struct errand){.request = r, .act = act, .free = free_errand, .what = "deliveries"};
    e->limit = DELIVERIES_DEFAULT;
    enum err err = errand_id(r, what, &e->id, p);
    if (!err)
        err = query_limit(r, &e->limit, p);
    if (!err)
        return errand_hand_on(&e->errand, p);
    errand_free(&e->errand);
    return err;
}

// Answers with what was made.
static enum err answer(struct delivery_errand *e, unsigned status, json_t *json)
{
    e->json = NULL;
    answer_json(e->errand.request, status, json);
    return ERR_OK;
}

// --- As JSON -------------------------------------------------------------------------------------

static json_t *or_null(bool is_known, int64_t number)
{
    return is_known ? json_integer(number) : json_null();
}

json_t *json_delivery(const struct delivery *d)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_integer(d->id));
    json_object_set_new(o, "channel_id", json_integer(d->channel));
    json_object_set_new(o, "channel", json_text(d->channel_name));
    json_object_set_new(o, "state", json_string(delivery_state_name(d->state)));
    json_object_set_new(o, "is_test", json_boolean(d->is_test));
    json_object_set_new(o, "alert_count", json_integer(d->alert_count));
    json_object_set_new(o, "attempts", json_integer(d->attempts));
    json_object_set_new(o, "created_at", json_time(d->created_at));
    json_object_set_new(o, "next_attempt_at", json_time(d->next_attempt_at));
    json_object_set_new(o, "finished_at", json_time(d->finished_at));
    json_object_set_new(o, "http_status", or_null(d->http_status > 0, d->http_status));
    json_object_set_new(o, "error", json_text(d->error));
    return o;
}

static json_t *attempt_json(const struct delivery_attempt *a)
{
    json_t *o = json_object();
    json_object_set_new(o, "number", json_integer(a->number));
    json_object_set_new(o, "started_at", json_time(a->started_at));
    json_object_set_new(o, "duration_ms", json_integer(a->duration_ms));
    json_object_set_new(o, "dns_ms", or_null(a->dns_ms >= 0, a->dns_ms));
    json_object_set_new(o, "connect_ms", or_null(a->connect_ms >= 0, a->connect_ms));
    json_object_set_new(o, "tls_ms", or_null(a->tls_ms >= 0, a->tls_ms));
    json_object_set_new(o, "first_byte_ms", or_null(a->first_byte_ms >= 0, a->first_byte_ms));
    json_object_set_new(o, "http_status", or_null(a->http_status > 0, a->http_status));
    json_object_set_new(o, "error", json_text(a->error));
    return o;
}

// --- GET /deliveries/:delivery -------------------------------------------------------------------

static enum err keep(void *context, const struct delivery *d)
{
    struct delivery_errand *e = context;
    json_t *message = d->message ? json_loads(d->message, 0, NULL) : NULL;
    e->json = json_delivery(d);
    json_object_set_new(e->json, "message", message ? message : json_null());
    json_object_set_new(e->json, "tries", json_array());
    return ERR_OK;
}

static enum err add_attempt(void *context, const struct delivery_attempt *a)
{
    struct delivery_errand *e = context;
    json_array_append_new(json_object_get(e->json, "tries"), attempt_json(a));
    return ERR_OK;
}

static enum err get(struct errand *errand, struct store_registry *registry, struct problem *p,
                    struct fault *f)
{
    struct delivery_errand *e = (struct delivery_errand *)errand;
    const struct delivery_query q = {.id = e->id, .state = -1, .limit = 1};
    (void)p;
    enum err err = store_delivery_list(registry, &q, keep, e, f);
    if (!err && !e->json)
        err = fault_set(f, ERR_NOT_FOUND, "there is no such delivery");
    if (!err)
        err = store_delivery_attempts(registry, e->id, add_attempt, e, f);
    return err ? err : answer(e, 200, e->json);
}

enum err handle_get_delivery(struct api_request *r, struct problem *p)
{
    return hand_on(r, "delivery", get, p);
}

// --- GET /channels/:channel/deliveries -----------------------------------------------------------

static enum err look(void *context, const struct channel *c)
{
    struct delivery_errand *e = context;
    e->name = xstrdup(c->name);
    e->is_enabled = c->is_enabled;
    return ERR_OK;
}

static enum err add(void *context, const struct delivery *d)
{
    json_array_append_new(((struct delivery_errand *)context)->json, json_delivery(d));
    return ERR_OK;
}

static enum err list(struct errand *errand, struct store_registry *registry, struct problem *p,
                     struct fault *f)
{
    struct delivery_errand *e = (struct delivery_errand *)errand;
    const struct delivery_query q = {.channel = e->id, .state = -1, .limit = e->limit};
    (void)p;
    e->json = json_array();
    enum err err = store_channel_get(registry, e->id, look, e, f);
    if (!err)
        err = store_delivery_list(registry, &q, add, e, f);
    return err ? err : answer(e, 200, json_pack("{s:o}", "deliveries", e->json));
}

enum err handle_channel_deliveries(struct api_request *r, struct problem *p)
{
    return hand_on(r, "channel", list, p);
}

// --- POST /channels/:channel/test ----------------------------------------------------------------

static enum err look_for_test(void *context, const struct delivery *d)
{
    struct delivery_errand *e = context;
    if (d->is_test && d->channel == e->id)
        e->under_way = d->id;
    return ERR_OK;
}

// A channel is tried once at a time: tests go before alerts, which many of them would keep waiting.
static enum err test(struct errand *errand, struct store_registry *registry, struct problem *p,
                     struct fault *f)
{
    struct delivery_errand *e = (struct delivery_errand *)errand;
    struct api_request *r = errand->request;
    char location[48];
    wall_ms now = clock_wall_ms();
    enum err err = store_channel_get(registry, e->id, look, e, f);
    if (!err && !e->is_enabled)
        err = refuse_field(p, ERR_CONFLICT, NULL, "the channel is not enabled");
    if (err)
        return err;
    err = store_delivery_pending(registry, look_for_test, e, f);
    if (!err && e->under_way)
        err =
            refuse_field(p, ERR_CONFLICT, NULL,
                         "the channel is being tried already: /deliveries/%" PRId64, e->under_way);
    if (err)
        return err;
    struct delivery d = {.channel = e->id,
                         .channel_name = e->name,
                         .state = DELIVERY_PENDING,
                         .is_test = true,
                         .created_at = now,
                         .next_attempt_at = now};
    err = store_delivery_open(registry, 0, &d, f);
    if (err)
        return err;
    snprintf(location, sizeof location, "/deliveries/%" PRId64, d.id);
    exchange_add_header(r->exchange, "Location", location);
    errand_log("channel.tested", r, "channel", e->id);
    return answer(e, 202, json_delivery(&d));
}

enum err handle_test_channel(struct api_request *r, struct problem *p)
{
    return hand_on(r, "channel", test, p);
}
