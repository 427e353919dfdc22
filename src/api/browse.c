// SPDX-License-Identifier: MIT
// browse.c: the handler of the list of jobs: filters, orders, pages.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"

#include <string.h>

#define JOBS_LIMIT_DEFAULT 100

// --- The order -----------------------------------------------------------------------------------

static const struct sort {
    const char *word;
    enum job_order order;
    bool descending;
    enum cursor_kind cursor;
} sorts[] = {
    {"id", JOBS_BY_ID, false, CURSOR_JOBS},
    {"next_run", JOBS_BY_NEXT_RUN, false, CURSOR_JOBS_BY_NEXT_RUN},
    {"-next_run", JOBS_BY_NEXT_RUN, true, CURSOR_JOBS_BY_NEXT_RUN},
    {"last_run", JOBS_BY_LAST_RUN, false, CURSOR_JOBS_BY_LAST_RUN},
    {"-last_run", JOBS_BY_LAST_RUN, true, CURSOR_JOBS_BY_LAST_RUN},
};

static enum err query_sort(const struct api_request *r, const struct sort **out, struct problem *p)
{
    const char *word = query_text(r, "sort");
    *out = &sorts[0];
    for (size_t i = 0; word && i < COUNT_OF(sorts); i++) {
        *out = &sorts[i];
        if (strcmp(sorts[i].word, word) == 0)
            return ERR_OK;
    }
    if (!word)
        return ERR_OK;
    return refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, "sort",
                  "sort must be id, next_run, -next_run, last_run or -last_run");
}

// --- The list ------------------------------------------------------------------------------------

static enum err list_job(void *context, const struct browsed_job *j)
{
    struct page *page = context;
    if (!page_has_room(page))
        return ERR_LIMIT;
    struct cursor at = {.at = j->cursor.at, .id = j->cursor.id};
    return page_add(page, json_job_listed(j->job, j->next, j->last), at);
}

static enum err read_query(const struct api_request *r, struct browse_query *q,
                           const struct sort **sort, struct problem *p)
{
    struct cursor after = {0};
    enum err err = query_flag(r, "is_active", &q->jobs.is_active, p);
    if (!err)
        err = query_choices(r, "last_status", &execution_state_words, &q->last_states, p);
    if (!err)
        err = query_time(r, "next_run_before", &q->next_before, p);
    if (!err)
        err = query_sort(r, sort, p);
    if (!err)
        err = query_limit(r, &q->limit, p);
    if (!err)
        err = query_cursor(r, (*sort)->cursor, &after, p);
    if (err)
        return err;
    q->order = (*sort)->order;
    q->descending = (*sort)->descending;
    q->after = (struct browse_cursor){.at = after.at, .id = after.id};
    return ERR_OK;
}

// What the service says of an order is about a parameter here.
static enum err refuse_order(enum err err, struct problem *p)
{
    if (p->what.kind == PROBLEM_FIELD)
        p->refusal = REFUSED_PARAMETER;
    return err;
}

enum err handle_list_jobs(struct api_request *r, struct problem *p)
{
    const char *tag = request_tag(r); // An index finds it, whatever else is asked for.
    struct browse_query q = {
        .also_tag = tag ? query_text(r, "tag") : NULL,
        .jobs = {.text = query_text(r, "q"),
                 .tag = tag ? tag : query_text(r, "tag"),
                 .is_active = -1,
                 .now = clock_wall_ms()},
        .next_before = WALL_NEVER,
        .limit = JOBS_LIMIT_DEFAULT,
    };
    const struct sort *sort;
    struct browse_cursor rest;
    enum err err = read_query(r, &q, &sort, p);
    if (err)
        return err;

    struct page page;
    page_begin(&page, sort->cursor, "jobs", q.limit);
    page.is_of_all = true;
    err = service_browse_jobs(r->api->service, &q, list_job, &page, &rest, &p->what);
    if (!err && rest.id)
        page_end_at(&page, (struct cursor){.id = rest.id});
    return refuse_order(page_end(r, &page, err), p);
}
