// SPDX-License-Identifier: MIT
// silences.c: the handlers of silences: list, one, create, delete.
//
// A token that is bound to a tag makes silences for that tag alone, and sees no others.

#include "api/json_priv.h"
#include "api/registry_priv.h"
#include "store/channels.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DURATION_S_MAX 31622400 // A year that has a leap day.
#define WINDOW_S_MAX 604800     // A maintenance window: a week.

struct silence_errand {
    struct errand errand;
    int64_t id;
    struct silence row; // To be made. Its texts are the body's.
    bool is_seen;       // The silence is there for this client.
    json_t *json;
};

static struct silence_errand *errand_new(struct api_request *r, errand_act *act)
{
    struct silence_errand *e = xcalloc(1, sizeof *e);
    e->errand = (struct errand){.request = r, .act = act, .what = "silences"};
    return e;
}

// --- As JSON -------------------------------------------------------------------------------------

static json_t *or_null(int64_t number)
{
    return number ? json_integer(number) : json_null();
}

static json_t *silence_json(const struct silence *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_integer(s->id));
    json_object_set_new(o, "job_id", or_null(s->job));
    json_object_set_new(o, "tag", json_text(s->tag));
    json_object_set_new(o, "kinds", json_alert_kinds(s->kinds));
    json_object_set_new(o, "from", json_time(s->from));
    json_object_set_new(o, "until", json_time(s->until));
    json_object_set_new(o, "schedule", json_text(s->schedule));
    json_object_set_new(o, "timezone", json_text(s->timezone));
    json_object_set_new(o, "duration_s", or_null(s->duration_s));
    json_object_set_new(o, "reason", json_text(s->reason));
    json_object_set_new(o, "is_over", json_boolean(s->until <= clock_wall_ms()));
    json_object_set_new(o, "created_at", json_time(s->created_at));
    json_object_set_new(o, "created_by", json_text(s->created_by));
    return o;
}

static bool is_visible(const struct api_request *r, const struct silence *s)
{
    const char *tag = request_tag(r);
    return !tag || (s->tag && strcmp(s->tag, tag) == 0);
}

// --- Questions -----------------------------------------------------------------------------------

static enum err add(void *context, const struct silence *s)
{
    struct silence_errand *e = context;
    if (is_visible(e->errand.request, s))
        json_array_append_new(e->json, silence_json(s));
    return ERR_OK;
}

static enum err list(struct errand *errand, struct store_registry *registry, struct problem *p,
                     struct fault *f)
{
    struct silence_errand *e = (struct silence_errand *)errand;
    (void)p;
    e->json = json_array();
    enum err err = store_silence_list(registry, add, e, f);
    if (err)
        json_decref(e->json);
    else
        answer_json(errand->request, 200, json_pack("{s:o}", "silences", e->json));
    return err;
}

enum err handle_list_silences(struct api_request *r, struct problem *p)
{
    return errand_hand_on(&errand_new(r, list)->errand, p);
}

static enum err look(void *context, const struct silence *s)
{
    struct silence_errand *e = context;
    e->is_seen = is_visible(e->errand.request, s);
    e->json = e->is_seen ? silence_json(s) : NULL;
    return ERR_OK;
}

// *json is the caller's.
static enum err find(struct silence_errand *e, struct store_registry *registry, struct fault *f)
{
    enum err err = store_silence_get(registry, e->id, look, e, f);
    return err || e->is_seen ? err : fault_set(f, ERR_NOT_FOUND, "there is no such silence");
}

static enum err get(struct errand *errand, struct store_registry *registry, struct problem *p,
                    struct fault *f)
{
    struct silence_errand *e = (struct silence_errand *)errand;
    enum err err = find(e, registry, f);
    (void)p;
    if (!err)
        answer_json(errand->request, 200, e->json);
    return err;
}

static enum err hand_on_with_id(struct api_request *r, errand_act *act, struct problem *p)
{
    struct silence_errand *e = errand_new(r, act);
    enum err err = errand_id(r, "silence", &e->id, p);
    if (!err)
        return errand_hand_on(&e->errand, p);
    errand_free(&e->errand);
    return err;
}

enum err handle_get_silence(struct api_request *r, struct problem *p)
{
    return hand_on_with_id(r, get, p);
}

// --- The body of a new one -----------------------------------------------------------------------

// What is silent.
static enum err read_matcher(const struct api_request *r, struct silence *s, struct problem *p)
{
    const char *bound = request_tag(r);
    enum err err = member_integer(r->body, "job_id", 1, JOB_ID_MAX, &s->job, p);
    if (!err)
        err = member_text(r->body, "tag", &s->tag, p);
    if (!err && s->tag && !token_text_is_fine(s->tag, SERVICE_TAG_BYTES_MAX))
        err =
            refuse_field(p, ERR_RANGE, "tag", "tag must have 1 to %d bytes", SERVICE_TAG_BYTES_MAX);
    if (!err && bound && s->tag && strcmp(s->tag, bound) != 0)
        err = refuse_field(p, ERR_FORBIDDEN, "tag", "the token is bound to the tag '%s'", bound);
    if (!err && bound)
        s->tag = bound;
    return err ? err : alert_kinds_read(r->body, NULL, &s->kinds, p);
}

static enum err read_reason(const json_t *body, struct silence *s, struct problem *p)
{
    enum err err = member_text(body, "reason", &s->reason, p);
    if (err || (s->reason && token_text_is_fine(s->reason, SILENCE_REASON_BYTES_MAX)))
        return err;
    return refuse_field(p, ERR_RANGE, "reason",
                        "reason must say why, in 1 to %d bytes without control characters",
                        SILENCE_REASON_BYTES_MAX);
}

// A window: at each occurrence of the schedule, for so long.
static enum err read_window(const json_t *body, struct silence *s, struct problem *p)
{
    struct service_preview ignored;
    int64_t duration_s = 0;
    enum err err = member_integer(body, "duration_s", 1, WINDOW_S_MAX, &duration_s, p);
    if (!err && !duration_s)
        err = refuse_field(p, ERR_SYNTAX, "duration_s",
                           "duration_s says how long each window of the schedule lasts");
    if (!err)
        err = service_preview_schedule(s->schedule, s->timezone, s->from, 1, &ignored, &p->what);
    if (!err && !s->timezone)
        s->timezone = "UTC";
    s->duration_s = (uint32_t)duration_s;
    return err;
}

// Silent all the time, until an instant or for so long.
static enum err read_end(const json_t *body, struct silence *s, struct problem *p)
{
    int64_t duration_s = 0;
    enum err err = member_integer(body, "duration_s", 1, DURATION_S_MAX, &duration_s, p);
    if (err)
        return err;
    if (s->timezone)
        return refuse_field(p, ERR_CONFLICT, "timezone", "timezone goes with a schedule");
    if ((s->until != WALL_NEVER) == (duration_s > 0))
        return refuse_field(p, ERR_SYNTAX, duration_s ? "duration_s" : "until",
                            "a silence has either until or duration_s");
    if (duration_s > (WALL_LAST - s->from) / 1000)
        return refuse_field(p, ERR_RANGE, "duration_s", "the silence would not end before 10000");
    if (duration_s)
        s->until = s->from + duration_s * 1000;
    return ERR_OK;
}

static enum err read_times(const json_t *body, struct silence *s, struct problem *p)
{
    s->created_at = s->from = clock_wall_ms();
    s->until = WALL_NEVER;
    enum err err = member_time(body, "from", &s->from, p);
    if (!err)
        err = member_time(body, "until", &s->until, p);
    if (!err)
        err = member_text(body, "schedule", &s->schedule, p);
    if (!err)
        err = member_text(body, "timezone", &s->timezone, p);
    if (!err)
        err = s->schedule ? read_window(body, s, p) : read_end(body, s, p);
    if (!err && s->until <= MAX(s->from, s->created_at))
        err = refuse_field(p, ERR_RANGE, "until", "until must lie behind from, and be to come");
    return err;
}

// --- Changes -------------------------------------------------------------------------------------

static enum err create(struct errand *errand, struct store_registry *registry, struct problem *p,
                       struct fault *f)
{
    struct silence_errand *e = (struct silence_errand *)errand;
    struct api_request *r = errand->request;
    char location[48];
    (void)p;
    enum err err = store_silence_insert(registry, &r->actor, &e->row, &e->row.id, f);
    if (err)
        return err;
    snprintf(location, sizeof location, "/silences/%" PRId64, e->row.id);
    exchange_add_header(r->exchange, "Location", location);
    errand_log("silence.created", r, "silence", e->row.id);
    answer_json(r, 201, silence_json(&e->row));
    return ERR_OK;
}

enum err handle_create_silence(struct api_request *r, struct problem *p)
{
    static const char *const members[] = {"job_id",   "tag",      "kinds",      "from",   "until",
                                          "schedule", "timezone", "duration_s", "reason", NULL};
    struct silence_errand *e = errand_new(r, create);
    enum err err = members_check(r->body, members, p);
    if (!err)
        err = read_matcher(r, &e->row, p);
    if (!err)
        err = read_reason(r->body, &e->row, p);
    if (!err)
        err = read_times(r->body, &e->row, p);
    e->row.created_by = r->actor.token_name;
    if (!err)
        return errand_hand_on(&e->errand, p);
    errand_free(&e->errand);
    return err;
}

static enum err delete (struct errand *errand, struct store_registry *registry, struct problem *p,
                        struct fault *f) {
    struct silence_errand *e = (struct silence_errand *)errand;
    struct api_request *r = errand->request;
    (void)p;
    enum err err = find(e, registry, f);
    json_decref(e->json);
    if (!err) err = store_silence_delete(registry, &r->actor, e->id, clock_wall_ms(), f);
    if (err) return err;
    errand_log("silence.deleted", r, "silence", e->id);
    answer_nothing(r, 204);
    return ERR_OK;
}

enum err handle_delete_silence(struct api_request *r, struct problem *p)
{
    return hand_on_with_id(r, delete, p);
}
