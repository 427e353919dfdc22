// SPDX-License-Identifier: MIT
// import_run.c: the items of an import are checked, or created a few at a time.
//
// Creating is answered on the service's thread when a job is durable. Several lanes keep that many
// jobs under way, so that one write to the disk makes many of them durable: a lane takes the next
// item, hands its draft over, and goes on when the answer comes. Each item belongs to the lane that
// took it; the last lane to end answers the request.

#include "api/import_priv.h"
#include "api/json_priv.h"
#include "base/stream.h"

#include <assert.h>

#define LANES 16

struct lane {
    struct import *import;
    struct import_item *item; // Under way.
    json_t *said;             // What is said of the item.
    struct job *draft;        // The draft of the item, while the job with its key is put.
};

struct import *import_new(struct api_request *r)
{
    if (atomic_fetch_add(&r->api->imports, 1) >= IMPORTS_MAX) {
        atomic_fetch_sub(&r->api->imports, 1);
        return NULL;
    }
    struct import *im = xcalloc(1, sizeof *im);
    im->request = r;
    return im;
}

void import_free(struct import *im)
{
    for (size_t i = 0; i < im->count; i++) {
        job_free(im->items[i].draft);
        free(im->items[i].note);
        free(im->items[i].result);
    }
    free(im->items);
    atomic_fetch_sub(&im->request->api->imports, 1);
    free(im);
}

// --- The answer ----------------------------------------------------------------------------------

static void write_counts(FILE *out, const struct import *im)
{
    size_t counts[IMPORT_STATUSES] = {0};
    for (size_t i = 0; i < im->count; i++)
        counts[im->items[i].status]++;
    for (enum import_status s = 0; s < IMPORT_STATUSES; s++)
        fprintf(out, ",\"%s\":%zu", import_status_name(s), counts[s]);
}

static void answer(struct import *im)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = stream_open(&text, &bytes);
    fprintf(out, "{\"dry_run\":%s", im->dry_run ? "true" : "false");
    write_counts(out, im);
    fputs(",\"results\":[", out);
    for (size_t i = 0; i < im->count; i++) {
        assert(im->items[i].result);
        fputs(i ? ",\n" : "\n", out);
        fputs(im->items[i].result, out);
        free(im->items[i].result);
        im->items[i].result = NULL;
    }
    fputs("\n]}\n", out);
    stream_close(out);
    struct api_request *r = im->request;
    import_free(im);
    answer_text(r, 200, "application/json", text, bytes);
}

// --- Creating ------------------------------------------------------------------------------------

static void run_lane(struct lane *l);

static void created(void *lane, const struct service_result *result)
{
    struct lane *l = lane;
    job_free(l->draft);
    l->draft = NULL;
    if (result->problem) {
        import_item_refuse(l->import, l->item, l->said, result->problem);
    } else {
        json_object_set_new(l->said, "id", json_integer(result->job->id));
        import_item_end(l->item, l->said, result->created ? IMPORT_CREATED : IMPORT_UPDATED, NULL);
    }
    run_lane(l);
}

static struct import_item *take_item(struct import *im)
{
    for (;;) {
        size_t i = atomic_fetch_add(&im->next, 1);
        if (i >= im->count)
            return NULL;
        if (im->items[i].draft)
            return &im->items[i];
    }
}

static void end_lane(struct lane *l)
{
    struct import *im = l->import;
    free(l);
    if (atomic_fetch_sub(&im->lanes, 1) == 1)
        answer(im);
}

// What the client may set becomes that of the draft, also what the draft does not say: the import
// has the whole job.
static void set_client_members(struct job *j, const struct job *draft)
{
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        if (m->access == ACCESS_CLIENT && m->kind == MEMBER_TEXT)
            job_set_text(job_text_at(m, j), *job_text_at(m, draft));
        else if (m->access == ACCESS_CLIENT)
            job_set_integer(m, j, job_integer(m, draft));
    }
    j->body_is_json = draft->body_is_json;
}

// Secrets that the import does not have stay those of the job as it stands.
static enum err replace(void *lane, struct job *j, struct service_problem *p)
{
    const struct lane *l = lane;
    struct job before = {.api = xstrdup(j->api),
                         .headers = xstrdup(j->headers),
                         .signing = xstrdup(j->signing),
                         .tls_client_cert = xstrdup(j->tls_client_cert),
                         .tls_client_key = xstrdup(j->tls_client_key),
                         .oauth = xstrdup(j->oauth)};
    set_client_members(j, l->draft);
    enum err err = secret_headers_settle(j, &before, p);
    if (!err)
        err = secret_headers_check_target(&before, j, p);
    if (!err)
        err = tls_key_settle(l->import->request->api->secrets, j, &before, p);
    free(before.api);
    free(before.headers);
    free(before.signing);
    free(before.tls_client_cert);
    free(before.tls_client_key);
    free(before.oauth);
    return err;
}

// A draft with a key updates the job that has the key, so that an import can be repeated.
static enum err hand_over(struct lane *l, struct job *draft, struct service_problem *p)
{
    struct service *s = l->import->request->api->service;
    const struct actor *by = &l->import->request->actor;
    enum err err = draft->key ? ERR_OK : secret_headers_settle(draft, NULL, p);
    if (!err && !draft->key)
        err = tls_key_settle(l->import->request->api->secrets, draft, NULL, p);
    if (err)
        job_free(draft);
    if (err || !draft->key)
        return err ? err : service_create_job(s, by, draft, NULL, created, l, p);
    l->draft = draft;
    err = service_put_job_by_key(s, by, draft->key, 0, replace, created, l, p);
    if (err) {
        job_free(l->draft);
        l->draft = NULL;
    }
    return err;
}

// Goes on until a job is under way: then created() goes on, and has perhaps already begun to.
static void run_lane(struct lane *l)
{
    while ((l->item = take_item(l->import))) {
        struct service_problem problem;
        struct job *draft = l->item->draft;
        l->said = import_item_json(l->import, l->item);
        l->item->draft = NULL;
        if (hand_over(l, draft, &problem) == ERR_OK)
            return;
        import_item_refuse(l->import, l->item, l->said, &problem);
    }
    end_lane(l);
}

static void create(struct import *im)
{
    atomic_store(&im->lanes, LANES);
    for (size_t i = 0; i < LANES; i++) {
        struct lane *l = xmalloc(sizeof *l);
        *l = (struct lane){.import = im};
        run_lane(l);
    }
}

// --- Checking ------------------------------------------------------------------------------------

// The job that has the key of the draft, or NULL.
static struct job *find_existing(const struct import *im, const struct job *draft)
{
    struct service_problem ignored;
    struct job *found = NULL;
    if (!draft->key ||
        service_get_job_by_key(im->request->api->service, draft->key, &found, &ignored))
        return NULL;
    return found;
}

static enum err check_draft(const struct import *im, struct job *draft, const struct job *existing,
                            struct service_problem *p)
{
    enum err err = secret_headers_settle(draft, existing, p);
    if (!err && existing)
        err = secret_headers_check_target(existing, draft, p);
    if (!err)
        err = tls_key_settle(im->request->api->secrets, draft, existing, p);
    return err ? err : service_check_job(im->request->api->service, draft, p);
}

static void check(struct import *im)
{
    for (size_t i = 0; i < im->count; i++) {
        struct import_item *item = &im->items[i];
        struct service_problem problem;
        if (!item->draft)
            continue;
        struct job *existing = find_existing(im, item->draft);
        enum err err = check_draft(im, item->draft, existing, &problem);
        json_t *said = import_item_json(im, item);
        if (err)
            import_item_refuse(im, item, said, &problem);
        else
            import_item_end(item, said, existing ? IMPORT_WOULD_UPDATE : IMPORT_WOULD_CREATE, NULL);
        job_free(existing);
        job_free(item->draft);
        item->draft = NULL;
    }
    answer(im);
}

void import_run(struct import *im)
{
    if (im->dry_run)
        check(im);
    else
        create(im);
}
