// SPDX-License-Identifier: MIT
// import_run.c: the items of an import are checked, or created a few at a time.
//
// Creating is answered on the service's thread when a job is durable. Several lanes keep that many
// jobs under way, so that one write to the disk makes many of them durable: a lane takes the next
// item, hands its draft over, and goes on when the answer comes. Each item belongs to the lane that
// took it; the last lane to end answers the request.

#include "api/import_priv.h"

#define LANES 16

struct lane {
    struct import *import;
    struct import_item *item; // Under way.
};

void import_free(struct import *im)
{
    for (size_t i = 0; i < im->count; i++) {
        json_decref(im->items[i].result);
        job_free(im->items[i].draft);
    }
    free(im->items);
    free(im);
}

// --- The answer ----------------------------------------------------------------------------------

static void answer(struct import *im)
{
    json_int_t counts[IMPORT_STATUSES] = {0};
    json_t *results = json_array();
    for (size_t i = 0; i < im->count; i++) {
        counts[im->items[i].status]++;
        json_array_append(results, im->items[i].result);
    }
    json_t *o = json_object();
    json_object_set_new(o, "dry_run", json_boolean(im->dry_run));
    for (enum import_status s = 0; s < IMPORT_STATUSES; s++)
        json_object_set_new(o, import_status_name(s), json_integer(counts[s]));
    json_object_set_new(o, "results", results);
    struct api_request *r = im->request;
    import_free(im);
    answer_json(r, 200, o);
}

// --- Creating ------------------------------------------------------------------------------------

static void run_lane(struct lane *l);

static void created(void *lane, const struct service_result *result)
{
    struct lane *l = lane;
    if (result->problem) {
        import_item_refuse(l->import, l->item, result->problem);
    } else {
        json_object_set_new(l->item->result, "id", json_integer(result->job->id));
        import_item_end(l->item, IMPORT_CREATED, NULL);
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

// Goes on until a job is under way: then created() goes on, and has perhaps already begun to.
static void run_lane(struct lane *l)
{
    while ((l->item = take_item(l->import))) {
        struct service_problem problem;
        struct job *draft = l->item->draft;
        l->item->draft = NULL;
        if (service_create_job(l->import->request->api->service, draft, NULL, created, l,
                               &problem) == ERR_OK)
            return;
        import_item_refuse(l->import, l->item, &problem);
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

static void check(struct import *im)
{
    for (size_t i = 0; i < im->count; i++) {
        struct import_item *item = &im->items[i];
        struct service_problem problem;
        if (!item->draft)
            continue;
        if (service_check_job(im->request->api->service, item->draft, &problem))
            import_item_refuse(im, item, &problem);
        else
            import_item_end(item, IMPORT_WOULD_CREATE, NULL);
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
