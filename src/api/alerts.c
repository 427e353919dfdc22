// SPDX-License-Identifier: MIT
// alerts.c: the handlers of alerts: of one job, of all, one of them and that it was
// seen.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"
#include "api/registry_priv.h"
#include "store/outbox.h"

#include <inttypes.h>

#define ALERTS_LIMIT_DEFAULT 50
#define DELIVERIES_MAX 500 // More than there are channels that an alert goes to.

static enum err list_alert(void *context, const struct alert *a)
{
    struct page *page = context;
    const struct cursor own = {.at = a->created_at, .id = a->id};
    return page_has_room(page) ? page_add(page, json_alert(a), own) : ERR_LIMIT;
}

static enum err answer_list(struct api_request *r, job_id job, struct problem *p)
{
    struct alert_query q = {.job = job, .limit = ALERTS_LIMIT_DEFAULT};
    struct cursor before = {.at = WALL_NEVER, .id = INT64_MAX};
    enum err err = query_choices(r, "kind", &alert_kind_words, &q.kinds, p);
    if (!err)
        err = query_number(r, "incident_id", 1, INT64_MAX, &q.incident, p);
    if (!err)
        err = query_limit(r, &q.limit, p);
    if (!err)
        err = query_cursor(r, CURSOR_ALERTS, &before, p);
    if (err)
        return err;

    struct page page;
    page_begin(&page, CURSOR_ALERTS, "alerts", q.limit++);
    page.is_of_all = job == 0;
    q.before = (struct alert_cursor){.created_at = before.at, .id = before.id};
    err = service_list_alerts(r->api->service, &q, list_alert, &page, &p->what);
    return page_end(r, &page, err);
}

enum err handle_alerts(struct api_request *r, struct problem *p)
{
    job_id job = 0;
    enum err err = query_job_id(r, "job_id", &job, p);
    return err ? err : answer_list(r, job, p);
}

enum err handle_job_alerts(struct api_request *r, struct problem *p)
{
    struct job *j;
    enum err err = service_get_job(r->api->service, r->job, &j, &p->what);
    if (err == ERR_NOT_FOUND)
        return service_refuse(&p->what, err, PROBLEM_NOT_FOUND, NULL,
                              "there is no such job; alerts of a deleted one are listed by "
                              "GET /observability/alerts?job_id=%" PRId64,
                              r->job);
    if (err)
        return err;
    job_free(j);
    return answer_list(r, r->job, p);
}

static enum err keep_alert(void *context, const struct alert *a)
{
    *(json_t **)context = json_alert(a);
    return ERR_OK;
}

// An alert on its way to its deliveries.
struct alert_errand {
    struct errand errand;
    json_t *json; // NULL: it has been answered.
};

static void free_errand(struct errand *errand)
{
    json_decref(((struct alert_errand *)errand)->json);
    free(errand);
}

static enum err add_delivery(void *deliveries, const struct delivery *d)
{
    json_array_append_new(deliveries, json_delivery(d));
    return ERR_OK;
}

static enum err add_deliveries(struct errand *errand, struct store_registry *registry,
                               struct problem *p, struct fault *f)
{
    struct alert_errand *e = (struct alert_errand *)errand;
    struct api_request *r = errand->request;
    const struct delivery_query q = {.alert = r->alert, .state = -1, .limit = DELIVERIES_MAX};
    json_t *json = e->json, *deliveries = json_array();
    (void)p;
    json_object_set_new(json, "deliveries", deliveries);
    enum err err = store_delivery_list(registry, &q, add_delivery, deliveries, f);
    if (err)
        return err;
    e->json = NULL;
    answer_json(r, 200, json);
    return ERR_OK;
}

enum err handle_alert(struct api_request *r, struct problem *p)
{
    json_t *json = NULL;
    enum err err = service_get_alert(r->api->service, r->alert, keep_alert, &json, &p->what);
    if (err)
        return err;
    if (request_tag(r)) { // Channels are of all teams.
        answer_json(r, 200, json);
        return ERR_OK;
    }
    struct alert_errand *e = xcalloc(1, sizeof *e);
    e->errand = (struct errand){
        .request = r, .act = add_deliveries, .free = free_errand, .what = "deliveries"};
    e->json = json;
    return errand_hand_on(&e->errand, p);
}

// --- Acknowledging -------------------------------------------------------------------------------

// On a thread for questions.
static void show(void *request)
{
    struct api_request *r = request;
    struct problem problem = {0};
    if (handle_alert(r, &problem))
        answer_problem(r, &problem);
}

// On the service's thread, which reads nothing: who was first, and when, the database knows.
static void acknowledged(struct api_request *r, const struct service_result *result)
{
    struct problem problem = {0};
    (void)result;
    if (service_ask(r->api->service, show, r) == ERR_OK)
        return;
    service_refuse(&problem.what, ERR_LIMIT, PROBLEM_BUSY, NULL,
                   "the alert is acknowledged, but too many requests wait for the database to show "
                   "it; try again");
    answer_problem(r, &problem);
}

static enum err keep_numbers(void *context, const struct alert *a)
{
    *(struct alert *)context = (struct alert){.id = a->id,
                                              .job = a->job,
                                              .incident_id = a->incident_id,
                                              .acknowledged_at = a->acknowledged_at};
    return ERR_OK;
}

enum err handle_ack_alert(struct api_request *r, struct problem *p)
{
    struct alert a = {0};
    enum err err = service_get_alert(r->api->service, r->alert, keep_numbers, &a, &p->what);
    if (err)
        return err;
    if (a.acknowledged_at)
        return handle_alert(r, p);
    r->succeed = acknowledged;
    return service_ack_alert(r->api->service, &r->actor, &a, change_done, r, &p->what);
}
