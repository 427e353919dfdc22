// SPDX-License-Identifier: MIT
// upcoming.c: the handler of what all jobs will do next.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"

#include <string.h>

#define UPCOMING_LIMIT_DEFAULT 100

static json_t *run_json(const struct upcoming_run *run)
{
    const struct execution_key key = {.job = run->place.job, .scheduled_at = run->place.at};
    json_t *o = json_object();
    json_object_set_new(o, "scheduled_at", json_time(run->place.at));
    json_object_set_new(o, "job_id", json_integer(run->place.job));
    json_object_set_new(o, "name", json_text(run->name));
    json_object_set_new(o, "execution_id", json_execution_id(&key));
    return o;
}

static enum err list_run(void *context, const struct upcoming_run *run)
{
    struct page *page = context;
    const struct cursor at = {.at = run->place.at, .id = run->place.job};
    return page_has_room(page) ? page_add(page, run_json(run), at) : ERR_LIMIT;
}

static enum err refuse_list(enum err err, struct problem *p)
{
    if (p->what.kind == PROBLEM_FIELD)
        p->refusal = REFUSED_PARAMETER;
    return err;
}

// A token that is bound to a tag sees what its jobs will do.
static enum err bind_tag(const struct api_request *r, struct upcoming_query *q, struct problem *p)
{
    const char *own = request_tag(r);
    if (!own || !q->tag || strcmp(own, q->tag) == 0) {
        q->tag = own ? own : q->tag;
        return ERR_OK;
    }
    return refuse(p, ERR_FORBIDDEN, REFUSED_PARAMETER, "tag",
                  "the token is bound to the tag '%s': leave tag out", own);
}

enum err handle_upcoming(struct api_request *r, struct problem *p)
{
    size_t limit = UPCOMING_LIMIT_DEFAULT;
    struct cursor after = {.at = WALL_NEVER};
    struct upcoming_query q = {
        .text = query_text(r, "q"), .tag = query_text(r, "tag"), .until = WALL_NEVER};
    enum err err = query_time(r, "until", &q.until, p);
    if (!err)
        err = bind_tag(r, &q, p);
    if (!err)
        err = query_limit(r, &limit, p);
    if (!err)
        err = query_cursor(r, CURSOR_UPCOMING, &after, p);
    if (err)
        return err;

    struct page page;
    wall_ms as_of = 0;
    page_begin(&page, CURSOR_UPCOMING, "runs", limit);
    page.is_of_all = true;
    q.after = (struct upcoming_place){.at = MAX(after.at, 0), .job = after.id};
    err = service_list_upcoming(r->api->service, &q, list_run, &page, &as_of, &p->what);
    page_add_time(&page, "as_of", as_of);
    return refuse_list(page_end(r, &page, err), p);
}
