// SPDX-License-Identifier: MIT
// jobs.c: the handlers of one job: read, create, change, run.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "base/log.h"
#include "base/url.h"

#include <string.h>

// --- Reading -------------------------------------------------------------------------------------

static enum err keep_last(void *context, const struct execution *e)
{
    json_object_set_new(context, "last_execution", json_execution(e));
    return ERR_OK;
}

static enum err add_last_execution(struct api_request *r, json_t *job, struct problem *p)
{
    struct execution_query q = {
        .job = r->job,
        .trigger = -1,
        .to = clock_wall_ms(),
        .before = {.scheduled_at = WALL_NEVER, .id = INT64_MAX},
        .limit = 1,
    };
    json_object_set_new(job, "last_execution", json_null());
    return service_list_executions(r->api->service, &q, keep_last, job, &p->what);
}

// Takes the job.
static enum err show(struct api_request *r, struct job *j, struct problem *p)
{
    struct service_schedule schedule;
    bool is_readable = service_read_schedule(j, &schedule);
    json_t *json = json_job_ahead(j, is_readable ? &schedule : NULL, r->api->public_url);
    json_object_set_new(json, "incidents", json_incidents(j));
    if (r->access.caller.scope < SCOPE_TRIGGER) // A ping is as good as a run of the job.
        json_object_set_new(json, "ping_url", json_null());
    r->job = j->id;
    enum err err = add_last_execution(r, json, p);
    if (err)
        json_decref(json);
    else
        answer_tagged(r, j->version, json);
    job_free(j);
    return err;
}

enum err handle_get_job(struct api_request *r, struct problem *p)
{
    struct job *j;
    enum err err = service_get_job(r->api->service, r->job, &j, &p->what);
    return err ? err : show(r, j, p);
}

// "/jobs/by-key/:key"
static const char *key_of(const struct api_request *r)
{
    return exchange_segment(r->exchange, 2);
}

enum err handle_get_job_by_key(struct api_request *r, struct problem *p)
{
    struct job *j;
    enum err err = service_get_job_by_key(r->api->service, key_of(r), &j, &p->what);
    return err ? err : show(r, j, p);
}

// --- Changing ------------------------------------------------------------------------------------
//
// Each decodes what is asked (change_decode.c) and hands it to the service, which answers later
// (change_answer.c).

enum err handle_create_job(struct api_request *r, struct problem *p)
{
    struct job *draft;
    struct service_key key;
    enum err err = decode_create(r, &draft, &key, p);
    if (err)
        return err;
    r->succeed = answer_created;
    return service_create_job(r->api->service, &r->actor, draft, &key, change_done, r, &p->what);
}

static enum err update(struct api_request *r, bool merge, struct problem *p)
{
    int64_t version;
    enum err err = expected_version(r, &version, p);
    if (err)
        return err;
    r->merge = merge;
    r->succeed = answer_changed;
    return service_update_job(r->api->service, &r->actor, r->job, version, decode_edit, change_done,
                              r, &p->what);
}

enum err handle_put_job(struct api_request *r, struct problem *p)
{
    return update(r, false, p);
}

// If-Match asks for a job that is there.
static enum err expected_version_by_key(struct api_request *r, int64_t *version, struct problem *p)
{
    struct job *j;
    *version = 0;
    if (!exchange_header(r->exchange, "If-Match"))
        return ERR_OK;
    enum err err = service_get_job_by_key(r->api->service, key_of(r), &j, &p->what);
    if (err == ERR_NOT_FOUND)
        return service_refuse(&p->what, ERR_CONFLICT, PROBLEM_VERSION, NULL,
                              "no job has this key, and If-Match asks for one");
    if (err)
        return err;
    r->job = j->id;
    job_free(j);
    return expected_version(r, version, p);
}

enum err handle_put_job_by_key(struct api_request *r, struct problem *p)
{
    int64_t version;
    enum err err = expected_version_by_key(r, &version, p);
    if (err)
        return err;
    r->merge = false;
    r->succeed = answer_put;
    return service_put_job_by_key(r->api->service, &r->actor, key_of(r), version, decode_edit,
                                  change_done, r, &p->what);
}

enum err handle_patch_job(struct api_request *r, struct problem *p)
{
    return update(r, true, p);
}

enum err handle_pause_job(struct api_request *r, struct problem *p)
{
    int64_t version;
    struct pause pause;
    enum err err = expected_version(r, &version, p);
    if (!err)
        err = decode_pause(r, &pause, p);
    if (err)
        return err;
    r->succeed = answer_changed;
    return service_pause_job(r->api->service, &r->actor, r->job, version, pause.reason, pause.until,
                             change_done, r, &p->what);
}

enum err handle_resume_job(struct api_request *r, struct problem *p)
{
    int64_t version;
    enum err err = expected_version(r, &version, p);
    if (!err)
        err = decode_resume(r, p);
    if (err)
        return err;
    r->succeed = answer_changed;
    return service_resume_job(r->api->service, &r->actor, r->job, version, change_done, r,
                              &p->what);
}

enum err handle_delete_job(struct api_request *r, struct problem *p)
{
    int64_t version;
    enum err err = expected_version(r, &version, p);
    if (err)
        return err;
    r->succeed = answer_deleted;
    return service_delete_job(r->api->service, &r->actor, r->job, version, change_done, r,
                              &p->what);
}

enum err handle_delete_job_by_key(struct api_request *r, struct problem *p)
{
    struct job *j;
    enum err err = service_get_job_by_key(r->api->service, key_of(r), &j, &p->what);
    if (err)
        return err;
    r->job = j->id;
    job_free(j);
    return handle_delete_job(r, p);
}

enum err handle_trigger_job(struct api_request *r, struct problem *p)
{
    struct trigger trigger;
    struct service_key key;
    enum err err = decode_trigger(r, &trigger, &key, p);
    if (err)
        return err;
    err = request_count_execution(r, p);
    if (err)
        return err;
    r->succeed = answer_triggered;
    return service_trigger_job(r->api->service, &r->actor, r->job, trigger.body, trigger.is_json,
                               &key, change_done, r, &p->what);
}

// --- Trying --------------------------------------------------------------------------------------

static void answer_tried(void *request, const struct service_trial *t)
{
    json_t *json = json_object();
    json_object_set_new(json, "success", json_boolean(t->success));
    json_object_set_new(json, "attempt", json_attempt(t->attempt));
    answer_json(request, 200, json);
}

// All that stays of a request to wherever a client wanted. Credentials may stand in the query, and
// in a URL that is refused.
static void log_test(const struct api_request *r, const struct job *draft)
{
    char *url = NULL;
    if (!draft->api || url_accept(draft->api, &url, NULL))
        return;
    url[strcspn(url, "?#")] = '\0';
    log_info("job.tested", LOG_TEXT("method", job_method_name(draft->method)), LOG_TEXT("url", url),
             LOG_TEXT("token", r->actor.token_name), LOG_TEXT("client", r->actor.address),
             LOG_TEXT("request_id", r->actor.request_id));
    free(url);
}

enum err handle_test_job(struct api_request *r, struct problem *p)
{
    struct job *draft;
    struct service_key ignored;
    enum err err = decode_create(r, &draft, &ignored, p);
    if (err)
        return err;
    err = request_count_execution(r, p);
    if (err) {
        job_free(draft);
        return err;
    }
    log_test(r, draft);
    return service_test_job(r->api->service, draft, answer_tried, r, &p->what);
}
