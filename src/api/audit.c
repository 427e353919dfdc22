// SPDX-License-Identifier: MIT
// audit.c: the handler of the audit: what was changed, by whom, newest first.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"

#define AUDIT_LIMIT_DEFAULT 50

// What the server wrote as JSON. Somebody may have edited the row: then it is a text.
static json_t *own_json(const char *text)
{
    json_t *value = text ? json_loads(text, 0, NULL) : NULL;
    return value ? value : json_text(text);
}

static json_t *id_or_null(int64_t id)
{
    return id ? json_integer(id) : json_null();
}

static json_t *json_audit(const struct audit_entry *e)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_integer(e->id));
    json_object_set_new(o, "at", json_time(e->at));
    json_object_set_new(o, "action", json_string(audit_action_name(e->action)));
    json_object_set_new(o, "job_id", id_or_null(e->job));
    json_object_set_new(o, "subject", json_text(e->subject));
    json_object_set_new(o, "token", json_text(e->by.token_name));
    json_object_set_new(o, "token_id", id_or_null(e->by.token));
    json_object_set_new(o, "address", json_text(e->by.address));
    json_object_set_new(o, "request_id", json_text(e->by.request_id));
    json_object_set_new(o, "before", own_json(e->before));
    json_object_set_new(o, "after", own_json(e->after));
    return o;
}

static enum err list_entry(void *context, const struct audit_entry *e)
{
    struct page *page = context;
    const struct cursor own = {.at = e->at, .id = e->id};
    return page_has_room(page) ? page_add(page, json_audit(e), own) : ERR_LIMIT;
}

static enum err read_filters(const struct api_request *r, struct audit_query *q, struct problem *p)
{
    q->token = query_text(r, "token");
    enum err err = query_choice(r, "action", &audit_action_words, &q->action, p);
    if (!err)
        err = query_job_id(r, "job_id", &q->job, p);
    if (!err)
        err = query_time(r, "from", &q->from, p);
    return err ? err : query_time(r, "to", &q->to, p);
}

enum err handle_audit(struct api_request *r, struct problem *p)
{
    size_t limit = AUDIT_LIMIT_DEFAULT;
    struct cursor before = {.at = WALL_NEVER, .id = INT64_MAX};
    struct audit_query q = {.action = -1, .to = WALL_NEVER};
    enum err err = query_limit(r, &limit, p);
    if (!err)
        err = query_cursor(r, CURSOR_AUDIT, &before, p);
    if (!err)
        err = read_filters(r, &q, p);
    if (err)
        return err;

    struct page page;
    q.before = (struct audit_cursor){before.at, before.id};
    q.limit = limit + 1;
    page_begin(&page, CURSOR_AUDIT, "entries", limit);
    err = service_list_audit(r->api->service, &q, list_entry, &page, &p->what);
    return page_end(r, &page, err);
}
