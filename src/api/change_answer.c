// SPDX-License-Identifier: MIT
// change_answer.c: what a client reads of its change once that is durable, or refused.
//
// On the service's thread. The service brings all that the answer shows: nothing is read here.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <inttypes.h>
#include <stdio.h>

void change_done(void *request, const struct service_result *result)
{
    struct api_request *r = request;
    struct problem problem = {0};
    if (result->replayed)
        exchange_add_header(r->exchange, "Idempotency-Replayed", "true");
    if (result->problem)
        answer_problem(r, &(struct problem){.what = *result->problem});
    else if (result->job && bound_check_answer(r, result->job, &problem))
        answer_problem(r, &problem);
    else
        r->succeed(r, result);
}

void answer_created(struct api_request *r, const struct service_result *result)
{
    char location[48];
    snprintf(location, sizeof location, "/jobs/%" PRId64, result->job->id);
    exchange_add_header(r->exchange, "Location", location);
    add_etag(r, result->job->version);
    json_t *json = json_job_ahead(result->job, result->schedule, r->api->public_url);
    signing_show_made(json, r->made);
    json_object_set_new(json, "jobId", json_integer(result->job->id));
    answer_json(r, 201, json);
}

void answer_changed(struct api_request *r, const struct service_result *result)
{
    add_etag(r, result->job->version);
    json_t *json = json_job_ahead(result->job, result->schedule, r->api->public_url);
    signing_show_made(json, r->made);
    answer_json(r, 200, json);
}

void answer_put(struct api_request *r, const struct service_result *result)
{
    if (result->created)
        answer_created(r, result);
    else
        answer_changed(r, result);
}

void answer_deleted(struct api_request *r, const struct service_result *result)
{
    (void)result;
    answer_nothing(r, 204);
}

void answer_triggered(struct api_request *r, const struct service_result *result)
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

void answer_backfilled(struct api_request *r, const struct service_result *result)
{
    char location[64];
    request_charge_executions(r, (size_t)result->count);
    snprintf(location, sizeof location, "/executions?job_id=%" PRId64 "&trigger=replay",
             result->execution.job);
    exchange_add_header(r->exchange, "Location", location);
    json_t *json = json_object();
    json_object_set_new(json, "job_id", json_integer(result->execution.job));
    json_object_set_new(json, "first_execution_id", json_execution_id(&result->execution));
    // The answer to a repeated request does not know it any more.
    json_object_set_new(json, "count", result->count ? json_integer(result->count) : json_null());
    answer_json(r, 202, json);
}
