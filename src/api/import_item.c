// SPDX-License-Identifier: MIT
// import_item.c: what the client reads about one line or one job of an import.

#include "api/import_priv.h"
#include "api/json_priv.h"

#include <assert.h>
#include <stdio.h>

static const char *const status_names[IMPORT_STATUSES] = {
    [IMPORT_CREATED] = "created",
    [IMPORT_UPDATED] = "updated",
    [IMPORT_WOULD_CREATE] = "would_create",
    [IMPORT_WOULD_UPDATE] = "would_update",
    [IMPORT_SKIPPED] = "skipped",
    [IMPORT_INVALID] = "invalid",
    [IMPORT_NOT_CONVERTIBLE] = "not_convertible",
    [IMPORT_FAILED] = "failed",
};

const char *import_status_name(enum import_status status)
{
    return status_names[status];
}

// Every result has all of them, in this order.
static const char *const members[] = {"status",   "id",     "name", "schedule",
                                      "timezone", "method", "api",  "reason",
                                      "position", "length", "hint"};

struct import_item *import_add(struct import *im, size_t number)
{
    im->items = grow(im->items, im->count, &im->capacity, sizeof *im->items);
    struct import_item *item = &im->items[im->count++];
    *item = (struct import_item){.number = number, .status = IMPORT_SKIPPED};
    return item;
}

static void add_draft(json_t *o, const struct job *draft)
{
    json_object_set_new(o, "name", json_text(draft->name));
    json_object_set_new(o, "schedule", json_text(draft->schedule));
    json_object_set_new(o, "timezone", json_text(draft->timezone));
    json_object_set_new(o, "method", json_string(job_method_name(draft->method)));
    json_object_set_new(o, "api", json_text(draft->api));
}

json_t *import_item_json(const struct import *im, const struct import_item *item)
{
    json_t *o = json_object();
    json_object_set_new(o, im->of_crontab ? "line" : "index",
                        json_integer((json_int_t)item->number));
    for (size_t i = 0; i < COUNT_OF(members); i++)
        json_object_set_new(o, members[i], json_null());
    if (item->draft)
        add_draft(o, item->draft);
    if (item->note)
        json_object_set_new(o, "reason", json_text(item->note));
    return o;
}

void import_item_end(struct import_item *item, json_t *said, enum import_status status,
                     const char *reason)
{
    assert(!item->result);
    item->status = status;
    json_object_set_new(said, "status", json_string(import_status_name(status)));
    if (reason && *reason)
        json_object_set_new(said, "reason", json_text(reason));
    item->result = json_dumps(said, JSON_COMPACT);
    json_decref(said);
}

// A command is not at fault for having a URL that no job may have.
static enum import_status status_of(const struct import *im, enum problem_kind kind)
{
    switch (kind) {
    case PROBLEM_FIELD:
    case PROBLEM_SCHEDULE:
    case PROBLEM_TIMEZONE:
    case PROBLEM_HEADER:
        return IMPORT_INVALID;
    case PROBLEM_URL:
    case PROBLEM_TARGET:
        return im->of_crontab ? IMPORT_NOT_CONVERTIBLE : IMPORT_INVALID;
    default:
        return IMPORT_FAILED;
    }
}

// Where in the list of jobs the problem lies. A line of a crontab has no members to point at.
static void point_at(const struct import_item *item, json_t *o, const struct service_problem *p)
{
    char pointer[sizeof p->pointer + 32];
    snprintf(pointer, sizeof pointer, "/jobs/%zu%s", item->number, p->pointer);
    json_object_set_new(o, "pointer", json_text(pointer));
    if (p->has_position) {
        json_object_set_new(o, "position", json_integer((json_int_t)p->position));
        json_object_set_new(o, "length", json_integer((json_int_t)p->length));
    }
}

void import_item_refuse(const struct import *im, struct import_item *item, json_t *said,
                        const struct service_problem *p)
{
    char text[FAULT_TEXT_MAX + sizeof p->expected + 16];
    snprintf(text, sizeof text, "%s%s%s", p->detail, *p->expected ? ", expected " : "",
             p->expected);
    if (*p->hint)
        json_object_set_new(said, "hint", json_text(p->hint));
    if (!im->of_crontab)
        point_at(item, said, p);
    import_item_end(item, said, status_of(im, p->kind), text);
}
