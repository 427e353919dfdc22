// SPDX-License-Identifier: MIT
// explain.c: the handler that says why a job did or did not run at an instant.

#include "api/api_priv.h"

static json_t *explanation_json(job_id job, const struct explanation *e)
{
    bool has_execution = e->execution.id != 0;
    json_t *o = json_object();
    json_object_set_new(o, "job_id", json_integer(job));
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
    json_object_set_new(o, "next_runs", json_times(e->runs, e->run_count));
    return o;
}

enum err handle_explain(struct api_request *r, struct problem *p)
{
    wall_ms at = clock_wall_ms();
    enum err err = query_time(r, "at", &at, p);
    if (!err && at < 0)
        err = refuse(p, ERR_RANGE, REFUSED_PARAMETER, "at", "at must not lie before 1970");
    struct explanation *e;
    if (!err)
        err = service_explain(r->api->service, r->job, at, &e, &p->what);
    if (err)
        return err;
    answer_json(r, 200, explanation_json(r->job, e));
    explanation_free(e);
    return ERR_OK;
}
