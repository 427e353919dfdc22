// SPDX-License-Identifier: MIT
// explain.c: the handler that says why a job did or did not run: at an instant, or lately.
//
// Without an instant the question is "what about this job?": what it is up to, and what became, or
// will become, of the occurrences around now.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"

#include <stdio.h>
#include <string.h>

// A part tells of an occurrence, or of the job itself.
static void add_part(json_t *o, const struct explanation *e)
{
    bool has_execution = e->execution.id != 0;
    json_object_set_new(o, "at", json_time(e->at));
    json_object_set_new(o, "verdict", json_string(explain_verdict_name(e->verdict)));
    json_object_set_new(o, "detail", json_text(e->detail));
    json_object_set_new(o, "execution",
                        has_execution ? json_execution(&e->execution) : json_null());
    json_object_set_new(o, "previous_run", json_time(e->previous));
    json_object_set_new(o, "next_run", json_time(e->next));
    json_object_set_new(o, "since", json_time(e->since));
    json_object_set_new(o, "until", json_time(e->until));
    json_object_set_new(o, "reason", json_text(e->reason));
}

static json_t *part_json(const struct explanation *e)
{
    json_t *o = e ? json_object() : json_null();
    if (e)
        add_part(o, e);
    return o;
}

static json_t *whole_json(job_id job, const struct explanation *e)
{
    json_t *o = json_object();
    json_object_set_new(o, "job_id", json_integer(job));
    add_part(o, e);
    json_object_set_new(o, "next_runs", json_times(e->runs, e->run_count));
    return o;
}

static enum err explain_instant(struct api_request *r, wall_ms at, struct problem *p)
{
    struct explanation *e;
    enum err err = service_explain(r->api->service, r->job, at, &e, &p->what);
    if (err)
        return err;
    answer_json(r, 200, whole_json(r->job, e));
    explanation_free(e);
    return ERR_OK;
}

// --- The job as it is now ------------------------------------------------------------------------

// Appends what became of an occurrence to what is said of the job. A verdict that both have is said
// once.
static void tell(struct explanation *job, const char *which, const struct explanation *e)
{
    char at[RFC3339_BYTES];
    size_t used = strlen(job->detail);
    bool same = e && e->verdict == job->verdict;
    if (!e)
        return;
    wall_format(e->at, at);
    memcpy(at + 19, "Z", 2); // No occurrence lies between seconds.
    snprintf(job->detail + used, sizeof job->detail - used, "; %s %s%s%s", which, at,
             same ? "" : ": ", same ? "" : e->detail);
}

// *out is NULL when there is none.
static enum err explain_part(struct api_request *r, wall_ms at, struct explanation **out,
                             struct problem *p)
{
    *out = NULL;
    if (at <= 0 || at == WALL_NEVER)
        return ERR_OK;
    return service_explain(r->api->service, r->job, at, out, &p->what);
}

static void answer_job(struct api_request *r, struct explanation *job, struct explanation *last,
                       struct explanation *next)
{
    tell(job, "its last occurrence was at", last);
    tell(job, last ? "the next one is at" : "its first occurrence is at", next);
    json_t *o = whole_json(r->job, job);
    json_object_set_new(o, "last", part_json(last));
    json_object_set_new(o, "next", part_json(next));
    answer_json(r, 200, o);
}

static enum err explain_job(struct api_request *r, struct problem *p)
{
    struct explanation *job, *last = NULL, *next = NULL;
    enum err err = service_explain_job(r->api->service, r->job, &job, &p->what);
    if (err)
        return err;
    err = explain_part(r, job->previous, &last, p);
    if (!err)
        err = explain_part(r, job->next, &next, p);
    if (!err)
        answer_job(r, job, last, next);
    explanation_free(job);
    explanation_free(last);
    explanation_free(next);
    return err;
}

enum err handle_explain(struct api_request *r, struct problem *p)
{
    wall_ms at = WALL_NEVER;
    enum err err = query_time(r, "at", &at, p);
    if (!err && at < 0)
        err = refuse(p, ERR_RANGE, REFUSED_PARAMETER, "at", "at must not lie before 1970");
    if (err)
        return err;
    return at == WALL_NEVER ? explain_job(r, p) : explain_instant(r, at, p);
}
