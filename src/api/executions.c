// SPDX-License-Identifier: MIT
// executions.c: the handlers of executions: of one job, of all, one with its attempts.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"

#include <inttypes.h>

#define JOB_EXECUTIONS_LIMIT_DEFAULT 5
#define EXECUTIONS_LIMIT_DEFAULT 50

static enum err list_execution(void *context, const struct execution *e)
{
    struct page *page = context;
    return page_has_room(page)
               ? page_add(page, json_execution(e), (struct cursor){e->key.scheduled_at, e->id})
               : ERR_LIMIT;
}

// Everything that is or was due. What is only planned is shown when the client asks for it, by
// its state or by a later end.
static struct execution_query whole_query(job_id job, unsigned states, size_t limit)
{
    return (struct execution_query){
        .job = job,
        .states = states,
        .trigger = -1,
        .to = states & EXECUTION_BIT(EXECUTION_PENDING) ? WALL_NEVER : clock_wall_ms(),
        .before = {.scheduled_at = WALL_NEVER, .id = INT64_MAX},
        .limit = limit,
    };
}

static enum err answer_list(struct api_request *r, struct execution_query *q, struct problem *p)
{
    struct cursor before = {.at = WALL_NEVER, .id = INT64_MAX};
    enum err err = query_limit(r, &q->limit, p);
    if (!err)
        err = query_cursor(r, CURSOR_EXECUTIONS, &before, p);
    if (err)
        return err;

    struct page page;
    page_begin(&page, CURSOR_EXECUTIONS, "executions", q->limit++);
    page.is_of_all = q->job == 0;
    q->before = (struct execution_cursor){.scheduled_at = before.at, .id = before.id};
    err = service_list_executions(r->api->service, q, list_execution, &page, &p->what);
    return page_end(r, &page, err);
}

static enum err query_figures(const struct api_request *r, struct execution_query *q,
                              struct problem *p)
{
    int64_t status = 0;
    enum err err = query_number(r, "http_status", 100, 999, &status, p);
    q->http_status = (uint16_t)status;
    return err ? err : query_number(r, "min_lateness_ms", 1, WALL_LAST, &q->lateness_min_ms, p);
}

static enum err read_filters(struct api_request *r, job_id job, size_t limit,
                             struct execution_query *q, struct problem *p)
{
    unsigned states = 0;
    enum err err = query_choices(r, "status", &execution_state_words, &states, p);
    if (err)
        return err;
    *q = whole_query(job, states, limit);
    err = query_choice(r, "trigger", &execution_trigger_words, &q->trigger, p);
    if (!err)
        err = query_time(r, "from", &q->from, p);
    if (!err)
        err = query_time(r, "to", &q->to, p);
    return err ? err : query_figures(r, q, p);
}

static enum err answer_filtered(struct api_request *r, job_id job, size_t limit, struct problem *p)
{
    struct execution_query q;
    enum err err = read_filters(r, job, limit, &q, p);
    return err ? err : answer_list(r, &q, p);
}

enum err query_executions(struct api_request *r, size_t limit, struct execution_query *out,
                          struct problem *p)
{
    job_id job = 0;
    enum err err = query_job_id(r, "job_id", &job, p);
    return err ? err : read_filters(r, job, limit, out, p);
}

// Nothing is found under a deleted job, but all that it did is kept as long as what others did.
enum err handle_job_executions(struct api_request *r, struct problem *p)
{
    struct job *j;
    enum err err = service_get_job(r->api->service, r->job, &j, &p->what);
    if (err == ERR_NOT_FOUND)
        return service_refuse(&p->what, err, PROBLEM_NOT_FOUND, NULL,
                              "there is no such job; what a deleted one did is listed by "
                              "GET /executions?job_id=%" PRId64,
                              r->job);
    if (err)
        return err;
    job_free(j);
    return answer_filtered(r, r->job, JOB_EXECUTIONS_LIMIT_DEFAULT, p);
}

enum err handle_executions(struct api_request *r, struct problem *p)
{
    job_id job = 0;
    enum err err = query_job_id(r, "job_id", &job, p);
    return err ? err : answer_filtered(r, job, EXECUTIONS_LIMIT_DEFAULT, p);
}

enum err handle_recent_executions(struct api_request *r, struct problem *p)
{
    struct execution_query q = whole_query(0, 0, EXECUTIONS_LIMIT_DEFAULT);
    return answer_list(r, &q, p);
}

enum err handle_failed_executions(struct api_request *r, struct problem *p)
{
    struct execution_query q =
        whole_query(0, EXECUTION_BIT(EXECUTION_FAILED), EXECUTIONS_LIMIT_DEFAULT);
    return answer_list(r, &q, p);
}

// --- One, with its attempts ----------------------------------------------------------------------

struct whole {
    json_t *execution;
    json_t *attempts;
};

static enum err keep_execution(void *context, const struct execution *e)
{
    struct whole *whole = context;
    whole->execution = json_execution(e);
    json_object_set_new(whole->execution, "progress", json_progress(e->notes));
    return ERR_OK;
}

static enum err add_attempt(void *context, const struct attempt *a)
{
    struct whole *whole = context;
    json_array_append_new(whole->attempts, json_attempt(a));
    return ERR_OK;
}

enum err handle_execution(struct api_request *r, struct problem *p)
{
    struct whole whole = {.attempts = json_array()};
    enum err err = service_get_execution(r->api->service, &r->execution, keep_execution,
                                         add_attempt, &whole, &p->what);
    if (err) {
        json_decref(whole.execution);
        json_decref(whole.attempts);
        return err;
    }
    json_object_set_new(whole.execution, "attempts", whole.attempts);
    answer_json(r, 200, whole.execution);
    return ERR_OK;
}

// --- Changing ------------------------------------------------------------------------------------

enum err handle_cancel_execution(struct api_request *r, struct problem *p)
{
    r->succeed = answer_triggered;
    return service_cancel_execution(r->api->service, &r->actor, &r->execution, change_done, r,
                                    &p->what);
}
