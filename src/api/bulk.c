// SPDX-License-Identifier: MIT
// bulk.c: POST /jobs/bulk: many operations in one request, each with a result.
//
// With `atomic` the service makes all of them in one transaction or none, and the refusal of one is
// the answer. Without it each is a change of its own: several lanes keep some under way, as in an
// import, and the last lane to end answers. A job may be named once, so that the order in which
// they are made is of no meaning.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BULK_LANES 16

struct bulk_item {
    struct bulk *bulk;
    const json_t *json; // In the body.
    json_t *result;     // NULL until the operation is over.
    char *key;          // The client's Idempotency-Key, made one of this item; NULL: none.
    struct service_operation operation;
};

struct bulk {
    struct api_request *request;
    bool atomic;
    struct bulk_item items[BULK_MAX];
    struct service_operation operations[BULK_MAX]; // A copy of those of the items.
    size_t count;
    size_t failed; // See service_change_jobs.
    struct service_key key;
    atomic_size_t next;
    atomic_size_t lanes;
    atomic_size_t succeeded;
};

struct bulk_lane {
    struct bulk *bulk;
    struct bulk_item *item;
};

static void bulk_free(struct bulk *b)
{
    for (size_t i = 0; i < b->count; i++) {
        json_decref(b->items[i].result);
        free(b->items[i].key);
    }
    free(b);
}

// --- Reading -------------------------------------------------------------------------------------

static const char *const operation_list[SERVICE_OPERATIONS] = {
    [OPERATION_CREATE] = "create", [OPERATION_UPDATE] = "update", [OPERATION_PAUSE] = "pause",
    [OPERATION_RESUME] = "resume", [OPERATION_DELETE] = "delete",
};
static const struct enum_words operation_words = {operation_list, SERVICE_OPERATIONS};

// What may be said of each, beside what is done.
static const char *const members_of[SERVICE_OPERATIONS][5] = {
    [OPERATION_CREATE] = {"op", "job", NULL},
    [OPERATION_UPDATE] = {"op", "id", "job", NULL},
    [OPERATION_PAUSE] = {"op", "id", "reason", "until", NULL},
    [OPERATION_RESUME] = {"op", "id", NULL},
    [OPERATION_DELETE] = {"op", "id", NULL},
};

static bool has_job(enum service_operation_kind kind)
{
    return kind == OPERATION_CREATE || kind == OPERATION_UPDATE;
}

// Points at the operation's member: "/operations/3/job/schedule".
static void place(struct service_problem *p, size_t i, bool is_of_job)
{
    char pointer[sizeof p->pointer];
    bool within = is_of_job && *p->pointer;
    snprintf(pointer, sizeof pointer, "/operations/%zu%s%.80s", i, within ? "/job" : "",
             p->pointer);
    memcpy(p->pointer, pointer, sizeof pointer);
}

static enum err read_kind(const json_t *json, struct service_operation *o, struct problem *p)
{
    const char *word = NULL;
    int kind = 0;
    enum err err = member_text(json, "op", &word, p);
    if (err)
        return err;
    if (!word || !enum_find(&operation_words, word, &kind))
        return refuse_field(p, ERR_SYNTAX, "op",
                            "op must be create, update, pause, resume or delete");
    o->kind = (enum service_operation_kind)kind;
    return members_check(json, members_of[kind], p);
}

static enum err read_pause(struct bulk_item *item, struct problem *p)
{
    struct pause pause = {.until = WALL_NEVER};
    enum err err = member_text(item->json, "reason", &pause.reason, p);
    if (!err)
        err = member_time(item->json, "until", &pause.until, p);
    if (!err)
        err = check_pause(&pause, p);
    item->operation.reason = pause.reason;
    item->operation.until = pause.until;
    return err;
}

static enum err read_item(struct bulk_item *item, struct problem *p)
{
    struct service_operation *o = &item->operation;
    enum err err = read_kind(item->json, o, p);
    bool names = o->kind != OPERATION_CREATE;
    if (!err && names)
        err = member_integer(item->json, "id", 1, JOB_ID_MAX, &o->id, p);
    if (!err && names && o->id == 0)
        err = refuse_field(p, ERR_SYNTAX, "id", "id is missing: the job's id");
    if (!err && has_job(o->kind) && !json_is_object(json_object_get(item->json, "job")))
        err = refuse_field(p, ERR_SYNTAX, "job", "job must be an object");
    return err || o->kind != OPERATION_PAUSE ? err : read_pause(item, p);
}

static enum err check_named_once(const struct bulk *b, size_t i, struct problem *p)
{
    job_id id = b->items[i].operation.id;
    for (size_t k = 0; id && k < i; k++)
        if (b->items[k].operation.id == id)
            return refuse_field(p, ERR_EXISTS, "id", "job %" PRId64 " is named twice", id);
    return ERR_OK;
}

static enum err edit_item(void *context, struct job *j, struct service_problem *p);

static enum err read_items(struct bulk *b, const json_t *list, struct problem *p)
{
    size_t i;
    const json_t *json;
    json_array_foreach(list, i, json) {
        struct bulk_item *item = &b->items[b->count++];
        item->bulk = b;
        item->json = json;
        enum err err = json_is_object(json)
                           ? read_item(item, p)
                           : refuse_field(p, ERR_SYNTAX, NULL, "an operation must be an object");
        if (!err)
            err = check_named_once(b, i, p);
        if (err) {
            place(&p->what, i, false);
            return err;
        }
        item->operation.edit = has_job(item->operation.kind) ? edit_item : NULL;
        item->operation.context = item;
    }
    return ERR_OK;
}

static enum err read_bulk(struct bulk *b, struct problem *p)
{
    static const char *const members[] = {"operations", "atomic", NULL};
    const json_t *body = b->request->body;
    const json_t *list = json_object_get(body, "operations");
    enum err err = members_check(body, members, p);
    if (!err)
        err = member_flag(body, "atomic", &b->atomic, p);
    if (err)
        return err;
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > BULK_MAX)
        return refuse_field(p, ERR_RANGE, "operations",
                            "operations must be a list of 1 to %d operations", BULK_MAX);
    err = read_items(b, list, p);
    return err ? err : decode_client_key(b->request, &b->key, p);
}

// --- What an operation makes of a job ------------------------------------------------------------

static enum err decode(const struct bulk_item *item, struct job *j, struct problem *p)
{
    const json_t *json = json_object_get(item->json, "job");
    bool is_new = item->operation.kind == OPERATION_CREATE;
    struct job before = {
        .api = xstrdup(j->api), .headers = xstrdup(j->headers), .oauth = xstrdup(j->oauth)};
    const struct job_reading how = {.how = is_new ? JOB_CREATE : JOB_MERGE,
                                    .secrets = item->bulk->request->api->secrets};
    enum err err = job_decode(json, &how, j, p);
    if (!err && !is_new)
        err = secret_headers_check_target(&before, j, &p->what);
    if (!err && !is_new)
        err = job_decode_repair(json, j, p);
    free(before.api);
    free(before.headers);
    free(before.oauth);
    return err;
}

static enum err edit_item(void *context, struct job *j, struct service_problem *p)
{
    struct problem problem = {0};
    enum err err = decode(context, j, &problem);
    if (err)
        *p = problem.what;
    return err;
}

// --- The answer ----------------------------------------------------------------------------------

static const unsigned statuses[SERVICE_OPERATIONS] = {
    [OPERATION_CREATE] = 201, [OPERATION_UPDATE] = 200, [OPERATION_PAUSE] = 200,
    [OPERATION_RESUME] = 200, [OPERATION_DELETE] = 204,
};

static void say_done(struct bulk_item *item)
{
    const struct service_operation *o = &item->operation;
    item->result = json_object();
    json_object_set_new(item->result, "status", json_integer(statuses[o->kind]));
    json_object_set_new(item->result, "id", json_integer(o->id));
    json_object_set_new(item->result, "version",
                        o->version ? json_integer(o->version) : json_null());
    atomic_fetch_add(&item->bulk->succeeded, 1);
}

static void say_problem(struct bulk_item *item, const struct service_problem *what)
{
    struct problem problem = {.what = *what};
    const struct api_request *r = item->bulk->request;
    place(&problem.what, (size_t)(item - item->bulk->items), has_job(item->operation.kind));
    item->result = json_object();
    json_object_set_new(item->result, "status", json_integer(problem_status(&problem)));
    json_object_set_new(item->result, "id",
                        item->operation.id ? json_integer(item->operation.id) : json_null());
    json_object_set_new(item->result, "problem",
                        problem_json(&problem, exchange_request_id(r->exchange)));
}

static void answer_bulk(struct bulk *b)
{
    struct api_request *r = b->request;
    size_t succeeded = atomic_load(&b->succeeded);
    json_t *json = json_object(), *results = json_array();
    for (size_t i = 0; i < b->count; i++)
        json_array_append(results, b->items[i].result);
    json_object_set_new(json, "atomic", json_boolean(b->atomic));
    json_object_set_new(json, "succeeded", json_integer((json_int_t)succeeded));
    json_object_set_new(json, "failed", json_integer((json_int_t)(b->count - succeeded)));
    json_object_set_new(json, "results", results);
    bulk_free(b);
    answer_json(r, 200, json);
}

// --- All or none ---------------------------------------------------------------------------------

static void place_failure(const struct bulk *b, struct service_problem *what)
{
    if (b->failed < b->count)
        place(what, b->failed, has_job(b->operations[b->failed].kind));
}

static void all_done(void *context, const struct service_result *result)
{
    struct bulk *b = context;
    struct api_request *r = b->request;
    if (result->replayed)
        exchange_add_header(r->exchange, "Idempotency-Replayed", "true");
    if (result->problem) {
        struct problem problem = {.what = *result->problem};
        place_failure(b, &problem.what);
        bulk_free(b);
        answer_problem(r, &problem);
        return;
    }
    for (size_t i = 0; i < b->count; i++) {
        b->items[i].operation = b->operations[i];
        say_done(&b->items[i]);
    }
    answer_bulk(b);
}

static enum err change_all(struct bulk *b, struct problem *p)
{
    struct api_request *r = b->request;
    for (size_t i = 0; i < b->count; i++)
        b->operations[i] = b->items[i].operation;
    enum err err = service_change_jobs(r->api->service, &r->actor, b->operations, b->count,
                                       &b->failed, &b->key, all_done, b, &p->what);
    if (err) {
        place_failure(b, &p->what);
        bulk_free(b);
    }
    return err;
}

// --- Each by itself ------------------------------------------------------------------------------

static void run_lane(struct bulk_lane *l);

static void one_done(void *lane, const struct service_result *result)
{
    struct bulk_lane *l = lane;
    if (result->problem) {
        say_problem(l->item, result->problem);
    } else {
        l->item->operation.id = result->job ? result->job->id : l->item->operation.id;
        l->item->operation.version = result->job ? result->job->version : 0;
        say_done(l->item);
    }
    run_lane(l);
}

static enum err edit_in_lane(void *lane, struct job *j, struct service_problem *p)
{
    return edit_item(((struct bulk_lane *)lane)->item, j, p);
}

// The key of one creation among many, by its place.
static struct service_key key_of(struct bulk_item *item)
{
    struct service_key key = item->bulk->key;
    if (!key.text)
        return key;
    size_t bytes = strlen(key.text) + 24;
    item->key = xmalloc(bytes);
    snprintf(item->key, bytes, "%s#%zu", key.text, (size_t)(item - item->bulk->items));
    key.text = item->key;
    return key;
}

static enum err create(struct bulk_lane *l, struct service_problem *p)
{
    const struct api_request *r = l->bulk->request;
    struct job *draft = job_new();
    const struct service_key key = key_of(l->item);
    enum err err = edit_item(l->item, draft, p);
    if (!err)
        return service_create_job(r->api->service, &r->actor, draft, &key, one_done, l, p);
    job_free(draft);
    return err;
}

static enum err hand_over(struct bulk_lane *l, struct service_problem *p)
{
    const struct api_request *r = l->bulk->request;
    const struct service_operation *o = &l->item->operation;
    struct service *s = r->api->service;
    const struct actor *by = &r->actor;
    switch (o->kind) {
    case OPERATION_CREATE:
        return create(l, p);
    case OPERATION_UPDATE:
        return service_update_job(s, by, o->id, 0, edit_in_lane, one_done, l, p);
    case OPERATION_PAUSE:
        return service_pause_job(s, by, o->id, 0, o->reason, o->until, one_done, l, p);
    case OPERATION_RESUME:
        return service_resume_job(s, by, o->id, 0, one_done, l, p);
    default:
        return service_delete_job(s, by, o->id, 0, one_done, l, p);
    }
}

// Goes on until a job is under way: then one_done() goes on, and has perhaps already begun to.
static void run_lane(struct bulk_lane *l)
{
    struct bulk *b = l->bulk;
    size_t i;
    while ((i = atomic_fetch_add(&b->next, 1)) < b->count) {
        struct service_problem problem;
        l->item = &b->items[i];
        if (hand_over(l, &problem) == ERR_OK)
            return;
        say_problem(l->item, &problem);
    }
    free(l);
    if (atomic_fetch_sub(&b->lanes, 1) == 1)
        answer_bulk(b);
}

static void change_each(struct bulk *b)
{
    atomic_store(&b->lanes, BULK_LANES);
    for (size_t i = 0; i < BULK_LANES; i++) {
        struct bulk_lane *l = xmalloc(sizeof *l);
        *l = (struct bulk_lane){.bulk = b};
        run_lane(l);
    }
}

enum err handle_bulk(struct api_request *r, struct problem *p)
{
    struct bulk *b = xcalloc(1, sizeof *b);
    b->request = r;
    enum err err = read_bulk(b, p);
    if (err) {
        bulk_free(b);
        return err;
    }
    if (b->atomic)
        return change_all(b, p);
    change_each(b);
    return ERR_OK;
}
