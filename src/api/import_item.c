// SPDX-License-Identifier: MIT
// import_item.c: what the client reads about one line or one job of an import.

#include "api/import_priv.h"

#include <stdio.h>

static const char *const status_names[IMPORT_STATUSES] = {
    [IMPORT_CREATED] = "created",
    [IMPORT_WOULD_CREATE] = "would_create",
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
    *item = (struct import_item){.result = json_object(), .status = IMPORT_SKIPPED};
    json_object_set_new(item->result, im->of_crontab ? "line" : "index",
                        json_integer((json_int_t)number));
    for (size_t i = 0; i < COUNT_OF(members); i++)
        json_object_set_new(item->result, members[i], json_null());
    return item;
}

void import_item_take(struct import_item *item, struct job *draft)
{
    json_t *o = item->result;
    item->draft = draft;
    json_object_set_new(o, "name", json_text(draft->name));
    json_object_set_new(o, "schedule", json_text(draft->schedule));
    json_object_set_new(o, "timezone", json_text(draft->timezone));
    json_object_set_new(o, "method", json_string(job_method_name(draft->method)));
    json_object_set_new(o, "api", json_text(draft->api));
}

void import_item_end(struct import_item *item, enum import_status status, const char *reason)
{
    item->status = status;
    json_object_set_new(item->result, "status", json_string(import_status_name(status)));
    if (reason && *reason)
        json_object_set_new(item->result, "reason", json_text(reason));
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
static void point_at(const struct import *im, const struct import_item *item,
                     const struct service_problem *p)
{
    char pointer[sizeof p->pointer + 32];
    snprintf(pointer, sizeof pointer, "/jobs/%td%s", item - im->items, p->pointer);
    json_t *o = item->result;
    json_object_set_new(o, "pointer", json_text(pointer));
    if (p->has_position) {
        json_object_set_new(o, "position", json_integer((json_int_t)p->position));
        json_object_set_new(o, "length", json_integer((json_int_t)p->length));
    }
}

void import_item_refuse(const struct import *im, struct import_item *item,
                        const struct service_problem *p)
{
    char text[FAULT_TEXT_MAX + sizeof p->expected + 16];
    snprintf(text, sizeof text, "%s%s%s", p->detail, *p->expected ? ", expected " : "",
             p->expected);
    import_item_end(item, status_of(im, p->kind), text);
    if (*p->hint)
        json_object_set_new(item->result, "hint", json_text(p->hint));
    if (!im->of_crontab)
        point_at(im, item, p);
}
