// SPDX-License-Identifier: MIT
// jobs.c: the handlers of jobs: read, list, create, change, run.

#include "api/api_priv.h"

#include <inttypes.h>
#include <stdio.h>
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

enum err handle_get_job(struct api_request *r, struct problem *p)
{
    struct job *j;
    enum err err = service_get_job(r->api->service, r->job, &j, &p->what);
    if (err)
        return err;
    json_t *json = json_job_ahead(j, NULL);
    err = add_last_execution(r, json, p);
    if (err)
        json_decref(json);
    else
        answer_tagged(r, j->version, json);
    job_free(j);
    return err;
}

// --- Changing ------------------------------------------------------------------------------------

static void created(struct api_request *r, const struct service_result *result)
{
    char location[48];
    snprintf(location, sizeof location, "/jobs/%" PRId64, result->job->id);
    exchange_add_header(r->exchange, "Location", location);
    add_etag(r, result->job->version);
    json_t *json = json_job_ahead(result->job, result->schedule);
    json_object_set_new(json, "jobId", json_integer(result->job->id));
    answer_json(r, 201, json);
}

enum err handle_create_job(struct api_request *r, struct problem *p)
{
    struct job *draft = job_new();
    enum err err = job_decode(r->body, JOB_CREATE, draft, p);
    if (err) {
        job_free(draft);
        return err;
    }
    struct service_key key;
    const struct service_key *once;
    err = request_key(r, &key, &once, p);
    if (err) {
        job_free(draft);
        return err;
    }
    request_drop_body(r);
    r->succeed = created;
    return service_create_job(r->api->service, draft, once, change_done, r, &p->what);
}

static void changed(struct api_request *r, const struct service_result *result)
{
    add_etag(r, result->job->version);
    answer_json(r, 200, json_job_ahead(result->job, result->schedule));
}

// Called whenever the change has to be merged into the job as it stands: seldom more than once, so
// the body is then read again from its text.
static enum err edit(void *request, struct job *j, struct service_problem *p)
{
    struct api_request *r = request;
    struct problem problem = {0};
    enum err err = r->body ? ERR_OK : body_read_object(r, &problem);
    if (!err)
        err = job_decode(r->body, r->merge ? JOB_MERGE : JOB_REPLACE, j, &problem);
    if (!err)
        err = job_decode_repair(r->body, j, &problem);
    if (err)
        *p = problem.what;
    request_drop_body(r);
    return err;
}

static enum err update(struct api_request *r, bool merge, struct problem *p)
{
    int64_t version;
    enum err err = expected_version(r, &version, p);
    if (err)
        return err;
    r->merge = merge;
    r->succeed = changed;
    return service_update_job(r->api->service, r->job, version, edit, change_done, r, &p->what);
}

enum err handle_put_job(struct api_request *r, struct problem *p)
{
    return update(r, false, p);
}

enum err handle_patch_job(struct api_request *r, struct problem *p)
{
    return update(r, true, p);
}

// The service would name the members of a job that these become.
static enum err check_pause(const char *reason, wall_ms until, struct problem *p)
{
    if (reason && strlen(reason) > JOB_MAX(paused_reason))
        return refuse_field(p, ERR_LIMIT, "reason", "reason has %zu bytes; at most %d are allowed",
                            strlen(reason), JOB_MAX(paused_reason));
    if (until <= clock_wall_ms())
        return refuse_field(p, ERR_RANGE, "until", "until lies in the past");
    return ERR_OK;
}

enum err handle_pause_job(struct api_request *r, struct problem *p)
{
    static const char *const members[] = {"reason", "until", NULL};
    const char *reason = NULL;
    wall_ms until = WALL_NEVER;
    int64_t version;
    enum err err = expected_version(r, &version, p);
    if (!err && r->body)
        err = members_check(r->body, members, p);
    if (!err && r->body)
        err = member_text(r->body, "reason", &reason, p);
    if (!err && r->body)
        err = member_time(r->body, "until", &until, p);
    if (!err)
        err = check_pause(reason, until, p);
    if (err)
        return err;
    r->succeed = changed;
    return service_pause_job(r->api->service, r->job, version, reason, until, change_done, r,
                             &p->what);
}

enum err handle_resume_job(struct api_request *r, struct problem *p)
{
    static const char *const members[] = {NULL};
    int64_t version;
    enum err err = expected_version(r, &version, p);
    if (!err && r->body)
        err = members_check(r->body, members, p);
    if (err)
        return err;
    r->succeed = changed;
    return service_resume_job(r->api->service, r->job, version, change_done, r, &p->what);
}

static void deleted(struct api_request *r, const struct service_result *result)
{
    (void)result;
    answer_nothing(r, 204);
}

enum err handle_delete_job(struct api_request *r, struct problem *p)
{
    int64_t version;
    enum err err = expected_version(r, &version, p);
    if (err)
        return err;
    r->succeed = deleted;
    return service_delete_job(r->api->service, r->job, version, change_done, r, &p->what);
}

// --- Running -------------------------------------------------------------------------------------

static void triggered(struct api_request *r, const struct service_result *result)
{
    char id[EXECUTION_ID_BYTES], location[EXECUTION_ID_BYTES + 16];
    execution_id_format(&result->execution, id);
    snprintf(location, sizeof location, "/executions/%s", id);
    exchange_add_header(r->exchange, "Location", location);
    json_t *json = json_object();
    json_object_set_new(json, "execution_id", json_string(id));
    json_object_set_new(json, "job_id", json_integer(result->execution.job));
    answer_json(r, 202, json);
}

enum err handle_trigger_job(struct api_request *r, struct problem *p)
{
    static const char *const members[] = {"body", NULL};
    enum err err = r->body ? members_check(r->body, members, p) : ERR_OK;
    if (err)
        return err;
    struct service_key key;
    const struct service_key *once;
    err = request_key(r, &key, &once, p);
    if (err)
        return err;
    bool is_json;
    char *payload = member_payload(json_object_get(r->body, "body"), &is_json);
    request_drop_body(r);
    r->succeed = triggered;
    return service_trigger_job(r->api->service, r->job, payload, is_json, once, change_done, r,
                               &p->what);
}
