// SPDX-License-Identifier: MIT
// bound.c: tokens that are bound to a tag see and change only jobs that carry it.
//
// What such a token may ask for names a job, mostly: that is read first, and a job without the tag
// is as unknown as one that is not there. A new job gets the tag, and no job loses it. Lists of
// jobs are filtered; lists of executions and of alerts need a job.

#include "api/api_priv.h"
#include "api/page_priv.h"

#include <inttypes.h>

const char *request_tag(const struct api_request *r)
{
    return *r->access.caller.tag ? r->access.caller.tag : NULL;
}

bool request_is_bound(const struct api_request *r)
{
    enum bound b = r->route->bound;
    return request_tag(r) && b != BOUND_FREE && b != BOUND_OWN;
}

static enum err refuse_job(struct problem *p)
{
    return service_refuse(&p->what, ERR_NOT_FOUND, PROBLEM_NOT_FOUND, NULL, "there is no such job");
}

// Takes the job.
static enum err check_job(const struct api_request *r, struct job *j, struct problem *p)
{
    bool has = job_tags_have(j->tags, request_tag(r));
    job_free(j);
    return has ? ERR_OK : refuse_job(p);
}

static enum err check_id(const struct api_request *r, job_id id, struct problem *p)
{
    struct job *j;
    enum err err = service_get_job(r->api->service, id, &j, &p->what);
    return err ? err : check_job(r, j, p);
}

// A job that is put by its key may be a new one.
static enum err check_key(const struct api_request *r, struct problem *p)
{
    struct job *j;
    struct service_problem unknown = {0};
    const char *key = exchange_segment(r->exchange, 2); // "/jobs/by-key/:key"
    enum err err = service_get_job_by_key(r->api->service, key, &j, &unknown);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    if (err)
        p->what = unknown;
    return err ? err : check_job(r, j, p);
}

static enum err check_parameter(const struct api_request *r, struct problem *p)
{
    job_id id = 0;
    enum err err = query_job_id(r, "job_id", &id, p);
    if (!err && id == 0)
        err = refuse(p, ERR_FORBIDDEN, REFUSED_SCOPE, NULL,
                     "the token is bound to the tag '%s': name a job by job_id", request_tag(r));
    return err ? err : check_id(r, id, p);
}

static enum err keep_job(void *id, const struct alert *a)
{
    *(job_id *)id = a->job;
    return ERR_OK;
}

static enum err check_alert(const struct api_request *r, struct problem *p)
{
    job_id id = 0;
    enum err err = service_get_alert(r->api->service, r->alert, keep_job, &id, &p->what);
    return err ? err : check_id(r, id, p);
}

enum err request_check_bound(const struct api_request *r, struct problem *p)
{
    if (!request_is_bound(r))
        return ERR_OK;
    p->scope = r->route->scope;
    switch (r->route->bound) {
    case BOUND_JOB:
        return check_id(r, r->job, p);
    case BOUND_EXECUTION:
        return check_id(r, r->execution.job, p);
    case BOUND_ALERT:
        return check_alert(r, p);
    case BOUND_KEY:
        return check_key(r, p);
    case BOUND_PARAMETER:
        return check_parameter(r, p);
    default:
        return refuse_job(p); // admit.c has refused such a route before.
    }
}

// --- Changes -------------------------------------------------------------------------------------

enum err bound_add_tag(const struct api_request *r, struct job *j, struct problem *p)
{
    const char *tag = request_tag(r);
    if (!tag || job_tags_have(j->tags, tag))
        return ERR_OK;
    json_t *tags = j->tags ? json_loads(j->tags, 0, NULL) : json_array();
    if (!tags)
        return refuse_field(p, ERR_SYNTAX, "tags", "tags must be an array of strings");
    json_array_append_new(tags, json_string(tag));
    char *text = json_dumps(tags, JSON_COMPACT);
    job_set_text(&j->tags, text);
    free(text);
    json_decref(tags);
    return ERR_OK;
}

enum err bound_check_edit(const struct api_request *r, const struct job *before, struct job *after,
                          struct problem *p)
{
    const char *tag = request_tag(r);
    if (!tag)
        return ERR_OK;
    if (before->id == 0)
        return bound_add_tag(r, after, p);
    if (!job_tags_have(before->tags, tag))
        return refuse_job(p);
    if (job_tags_have(after->tags, tag))
        return ERR_OK;
    return refuse_field(p, ERR_FORBIDDEN, "tags",
                        "the token is bound to the tag '%s', and the job must keep it", tag);
}

enum err bound_check_answer(const struct api_request *r, const struct job *j, struct problem *p)
{
    const char *tag = request_tag(r);
    return !tag || job_tags_have(j->tags, tag) ? ERR_OK : refuse_job(p);
}
