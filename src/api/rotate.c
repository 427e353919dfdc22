// SPDX-License-Identifier: MIT
// rotate.c: POST /secrets/rotate: everything that is sealed is sealed again, with the first key.
//
// The jobs are looked at once, page by page; those that hold something under another key, or a
// credential in clear, are updated, each as if a client had sent the same secrets again. Several
// lanes keep that many updates under way; the last lane to end answers. So it works beside all
// else, on one node and in a cluster alike, and may be asked for again whenever it was broken off.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "secrets/signing.h"

#include <string.h>

#define PAGE_JOBS 500
#define LANES 8
#define REASONS_MAX 20 // So many jobs that could not be updated are named.

struct renewal {
    job_id job;
    char *why; // Why it failed; NULL: it did not.
};

struct rotation {
    struct api_request *request;
    struct renewal *list;
    size_t count;
    size_t capacity;
    size_t seen; // Jobs on the page that is being read.
    job_id last;
    atomic_size_t next;  // The first renewal that no lane has taken.
    atomic_size_t lanes; // Lanes that have not ended.
};

struct lane {
    struct rotation *rotation;
    struct renewal *renewal; // Under way.
};

// --- Which jobs ----------------------------------------------------------------------------------

struct look {
    const struct job_reading *how;
    bool finds;
};

static void see_header(void *context, const char *name, const char *value)
{
    struct look *l = context;
    if (secret_is_sealed(value))
        l->finds = l->finds || !secret_is_current(l->how->secrets, value, strlen(value));
    else
        l->finds = l->finds || header_is_to_be_sealed(l->how, name);
}

static bool has_old_key(const struct secret_ring *r, const struct job *j)
{
    const char *at = j->signing ? j->signing : "";
    struct signing_key k;
    while (*at && signing_read(&at, &k, NULL) == ERR_OK)
        if (!secret_is_current(r, k.sealed, k.sealed_chars))
            return true;
    return false;
}

static enum err see_job(void *context, const struct job *j)
{
    struct rotation *o = context;
    struct job_reading how = {.secrets = o->request->api->secrets};
    struct look l = {.how = &how};
    l.finds = has_old_key(how.secrets, j) || tls_key_is_old(how.secrets, j) ||
              oauth_has_old_key(how.secrets, j);
    service_each_header(j, see_header, &l);
    o->seen++;
    o->last = j->id;
    if (!l.finds)
        return ERR_OK;
    o->list = grow(o->list, o->count, &o->capacity, sizeof *o->list);
    o->list[o->count++] = (struct renewal){.job = j->id};
    return ERR_OK;
}

static enum err look_at_jobs(struct rotation *o, struct problem *p)
{
    enum err err = ERR_OK;
    do {
        struct job_query q = {.is_active = -1, .after = o->last, .limit = PAGE_JOBS};
        o->seen = 0;
        err = service_list_jobs(o->request->api->service, &q, see_job, o, &p->what);
    } while (!err && o->seen == PAGE_JOBS);
    return err;
}

// --- The answer ----------------------------------------------------------------------------------

static void rotation_free(struct rotation *o)
{
    for (size_t i = 0; i < o->count; i++)
        free(o->list[i].why);
    free(o->list);
    free(o);
}

static void answer(struct rotation *o)
{
    struct api_request *r = o->request;
    json_t *failures = json_array(), *json = json_object();
    size_t failed = 0;
    for (size_t i = 0; i < o->count; i++) {
        const struct renewal *n = &o->list[i];
        if (n->why && failed++ < REASONS_MAX)
            json_array_append_new(failures, json_pack("{s:I,s:o}", "job_id", (json_int_t)n->job,
                                                      "error", json_text(n->why)));
    }
    json_object_set_new(json, "sealed", json_integer((json_int_t)(o->count - failed)));
    json_object_set_new(json, "failed", json_integer((json_int_t)failed));
    json_object_set_new(json, "failures", failures);
    rotation_free(o);
    answer_json(r, 200, json);
}

// --- The lanes -----------------------------------------------------------------------------------

static enum err seal_again(void *lane, struct job *j, struct service_problem *p)
{
    struct lane *l = lane;
    struct job_reading how = {.secrets = l->rotation->request->api->secrets};
    if (j->damaged)
        return service_refuse(p, ERR_UNUSABLE, PROBLEM_UNUSABLE, NULL,
                              "%s of the job is damaged in the database", j->damaged);
    enum err err = secret_headers_renew(&how, j, p);
    if (!err)
        err = tls_key_renew(how.secrets, j, p);
    if (!err)
        err = signing_renew(how.secrets, j, p);
    return err ? err : oauth_renew(how.secrets, j, p);
}

static void run_lane(struct lane *l);

static void renewed(void *lane, const struct service_result *result)
{
    struct lane *l = lane;
    bool is_gone = result->problem && result->problem->kind == PROBLEM_NOT_FOUND;
    if (result->problem && !is_gone)
        l->renewal->why = xstrdup(result->problem->detail);
    run_lane(l);
}

// Goes on until an update is under way: then renewed() goes on, and has perhaps already begun to.
static void run_lane(struct lane *l)
{
    struct rotation *o = l->rotation;
    const struct api_request *r = o->request;
    size_t i;
    while ((i = atomic_fetch_add(&o->next, 1)) < o->count) {
        struct service_problem problem = {0};
        l->renewal = &o->list[i];
        if (service_update_job(r->api->service, &r->actor, l->renewal->job, 0, seal_again, renewed,
                               l, &problem) == ERR_OK)
            return;
        if (problem.kind != PROBLEM_NOT_FOUND) // Deleted meanwhile.
            l->renewal->why = xstrdup(problem.detail);
    }
    free(l);
    if (atomic_fetch_sub(&o->lanes, 1) == 1)
        answer(o);
}

enum err handle_rotate_secrets(struct api_request *r, struct problem *p)
{
    if (!r->api->secrets)
        return service_refuse(&p->what, ERR_UNSUPPORTED, PROBLEM_FIELD, NULL, "%s", SECRET_NO_KEY);
    struct rotation *o = xcalloc(1, sizeof *o);
    o->request = r;
    enum err err = look_at_jobs(o, p);
    if (err) {
        rotation_free(o);
        return err;
    }
    atomic_store(&o->lanes, LANES);
    for (size_t i = 0; i < LANES; i++) {
        struct lane *l = xmalloc(sizeof *l);
        *l = (struct lane){.rotation = o};
        run_lane(l);
    }
    return ERR_OK;
}
