// SPDX-License-Identifier: MIT
// rotate.c: POST /secrets/rotate: everything that is sealed is sealed again, with the first key.
//
// The jobs are looked at once, page by page; those that hold something under another key, or a
// credential in clear, are updated, each as if a client had sent the same secrets again. Several
// lanes keep that many updates under way; the last lane to end answers. So it works beside all
// else, on one node and in a cluster alike, and may be asked for again whenever it was broken off.
// Channels come first: there are few.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "base/log.h"
#include "secrets/signing.h"
#include "store/channels.h"

#include <string.h>

#define PAGE_JOBS 500
#define LANES 8
#define REASONS_MAX 20 // So many jobs that could not be updated are named.

struct renewal {
    job_id job;
    char *why; // Why it failed; NULL: it did not.
};

// The row of a channel to be written, with texts of its own.
struct channel_renewal {
    struct channel row;
    char *why; // Why it failed; NULL: it did not.
};

struct rotation {
    struct api_request *request;
    struct renewal *list;
    size_t count;
    size_t capacity;
    size_t seen; // Jobs on the page that is being read.
    job_id last;
    struct channel_renewal *channels; // Channels with secrets under another key.
    size_t channel_count;
    size_t channel_capacity;
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

// --- Channels ------------------------------------------------------------------------------------

static void channel_free(struct channel_renewal *n)
{
    const char *const texts[] = {n->row.name, n->row.config, n->row.secrets, n->row.tags,
                                 n->row.jobs};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        free((char *)(uintptr_t)texts[i]);
    free(n->why);
}

static enum err see_channel(void *context, const struct channel *c)
{
    struct rotation *o = context;
    const struct secret_ring *ring = o->request->api->secrets;
    struct fault f = {0};
    char *text = NULL;
    if (!c->secrets || secret_is_current(ring, c->secrets, strlen(c->secrets)))
        return ERR_OK;
    o->channels = grow(o->channels, o->channel_count, &o->channel_capacity, sizeof *o->channels);
    struct channel_renewal *n = &o->channels[o->channel_count++];
    *n = (struct channel_renewal){.row = *c};
    if (secret_open(ring, c->secrets, strlen(c->secrets), SECRET_CHANNEL, &text, &f))
        n->why = xstrdup(f.text);
    n->row.name = xstrdup(c->name);
    n->row.config = xstrdup(c->config);
    n->row.secrets = text ? secret_seal(ring, text, SECRET_CHANNEL) : NULL;
    n->row.tags = xstrdup(c->tags);
    n->row.jobs = xstrdup(c->jobs);
    n->row.updated_at = clock_wall_ms();
    secret_free(text);
    return ERR_OK;
}

static enum err renew_channels(struct rotation *o, struct store_registry *r, struct fault *f)
{
    enum err err = store_channel_list(r, see_channel, o, f);
    for (size_t i = 0; i < o->channel_count && !err; i++) {
        struct channel_renewal *n = &o->channels[i];
        struct fault why = {0};
        if (!n->why && store_channel_update(r, &o->request->actor, &n->row, &why))
            n->why = xstrdup(why.text);
    }
    return err;
}

// --- The answer ----------------------------------------------------------------------------------

static void rotation_free(struct rotation *o)
{
    for (size_t i = 0; i < o->count; i++)
        free(o->list[i].why);
    free(o->list);
    for (size_t i = 0; i < o->channel_count; i++)
        channel_free(&o->channels[i]);
    free(o->channels);
    free(o);
}

static void add_failure(json_t *failures, const char *name, int64_t id, const char *why)
{
    if (json_array_size(failures) < REASONS_MAX)
        json_array_append_new(
            failures, json_pack("{s:I,s:o}", name, (json_int_t)id, "error", json_text(why)));
}

static void answer(struct rotation *o)
{
    struct api_request *r = o->request;
    json_t *failures = json_array(), *json = json_object();
    size_t jobs = 0, channels = 0;
    for (size_t i = 0; i < o->count; i++) {
        const struct renewal *n = &o->list[i];
        jobs += !n->why;
        if (n->why)
            add_failure(failures, "job_id", n->job, n->why);
    }
    for (size_t i = 0; i < o->channel_count; i++) {
        const struct channel_renewal *n = &o->channels[i];
        channels += !n->why;
        if (n->why)
            add_failure(failures, "channel_id", n->row.id, n->why);
    }
    size_t failed = o->count - jobs + o->channel_count - channels;
    json_object_set_new(json, "sealed", json_integer((json_int_t)jobs));
    json_object_set_new(json, "channels", json_integer((json_int_t)channels));
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

// --- One after the other -------------------------------------------------------------------------

static void fail(struct rotation *o, const struct problem *p)
{
    struct api_request *r = o->request;
    rotation_free(o);
    answer_problem(r, p);
}

static enum err refuse_busy(struct problem *p)
{
    return service_refuse(&p->what, ERR_LIMIT, PROBLEM_BUSY, NULL,
                          "too many requests wait for the database; try again");
}

// On a thread for questions.
static void renew_jobs(void *rotation)
{
    struct rotation *o = rotation;
    struct problem problem = {0};
    if (look_at_jobs(o, &problem)) {
        fail(o, &problem);
        return;
    }
    atomic_store(&o->lanes, LANES);
    for (size_t i = 0; i < LANES; i++) {
        struct lane *l = xmalloc(sizeof *l);
        *l = (struct lane){.rotation = o};
        run_lane(l);
    }
}

// On the thread that has the registry.
static void begin(void *rotation, struct store_registry *registry)
{
    struct rotation *o = rotation;
    struct problem problem = {0};
    struct fault f = {0};
    enum err err = renew_channels(o, registry, &f);
    if (err) {
        log_error("registry.failed", LOG_TEXT("table", "channels"),
                  LOG_TEXT("error", err_text(err)), LOG_TEXT("detail", f.text));
        service_refuse(&problem.what, err, PROBLEM_STORE, NULL, "reading channels failed");
        fail(o, &problem);
    } else if (service_ask(o->request->api->service, renew_jobs, o)) {
        refuse_busy(&problem);
        fail(o, &problem);
    }
}

enum err handle_rotate_secrets(struct api_request *r, struct problem *p)
{
    if (!r->api->secrets)
        return service_refuse(&p->what, ERR_UNSUPPORTED, PROBLEM_FIELD, NULL, "%s", SECRET_NO_KEY);
    struct rotation *o = xcalloc(1, sizeof *o);
    o->request = r;
    if (access_run(r->api->access, begin, o) == ERR_OK)
        return ERR_OK;
    rotation_free(o);
    return refuse_busy(p);
}
