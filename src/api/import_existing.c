// SPDX-License-Identifier: MIT
// import_existing.c: items of an import that are jobs already, for a client that asks to skip them.
//
// A job is taken for the same when schedule, time zone, method and URL are: what a crontab is
// imported again for. The items are sorted once; then all jobs are looked at, page by page, so that
// no more is held than the import itself.

#include "api/import_priv.h"
#include "base/url.h"

#include <stdio.h>
#include <string.h>

#define PAGE_JOBS 500
#define REASON_BYTES 96

struct search {
    struct import *import;
    struct import_item **items; // With a draft, in order of their keys.
    size_t count;
    size_t seen; // Jobs on the page that is being read.
    job_id last;
};

// What stands when nothing is said.
static const char *zone_of(const struct job *j)
{
    return j->timezone ? j->timezone : "UTC";
}

static int compare(const struct job *a, const struct job *b)
{
    int order = strcmp(a->api, b->api);
    if (order == 0)
        order = strcmp(a->schedule, b->schedule);
    if (order == 0)
        order = strcmp(zone_of(a), zone_of(b));
    return order ? order : (int)a->method - (int)b->method;
}

static int compare_items(const void *a, const void *b)
{
    struct import_item *const *left = a, *const *right = b;
    return compare((*left)->draft, (*right)->draft);
}

// Where the first item stands that is not before the job.
static size_t place_of(const struct search *s, const struct job *j)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(s->items[middle]->draft, j) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// An import may have the same job more than once.
static enum err mark(void *context, const struct job *j)
{
    struct search *s = context;
    s->seen++;
    s->last = j->id;
    for (size_t i = place_of(s, j); i < s->count && compare(s->items[i]->draft, j) == 0; i++) {
        if (s->items[i]->existing == 0)
            s->items[i]->existing = j->id;
    }
    return ERR_OK;
}

static enum err look_at_jobs(struct search *s, struct problem *p)
{
    enum err err = ERR_OK;
    do {
        struct job_query q = {.is_active = -1, .after = s->last, .limit = PAGE_JOBS};
        s->seen = 0;
        err = service_list_jobs(s->import->request->api->service, &q, mark, s, &p->what);
    } while (!err && s->seen == PAGE_JOBS);
    return err;
}

// A URL is kept as it is sent, so the draft's has to be put into that form.
static void accept_url(struct job *draft)
{
    char *api = NULL;
    if (url_accept(draft->api, &api, NULL) == ERR_OK)
        job_set_text(&draft->api, api);
    free(api);
}

static void collect(struct search *s)
{
    struct import *im = s->import;
    s->items = xmalloc(MAX(im->count, 1) * sizeof(struct import_item *));
    for (size_t i = 0; i < im->count; i++) {
        struct job *draft = im->items[i].draft;
        if (!draft || !draft->api || !draft->schedule)
            continue; // The item will be refused.
        accept_url(draft);
        s->items[s->count++] = &im->items[i];
    }
    qsort(s->items, s->count, sizeof(struct import_item *), compare_items);
}

static void skip(const struct import *im, struct import_item *item)
{
    char reason[REASON_BYTES];
    json_t *said = import_item_json(im, item);
    snprintf(reason, sizeof reason, "job %lld has the same schedule, time zone, method and URL",
             (long long)item->existing);
    json_object_set_new(said, "id", json_integer(item->existing));
    import_item_end(item, said, IMPORT_SKIPPED, reason);
    job_free(item->draft);
    item->draft = NULL;
}

enum err import_skip_existing(struct import *im, struct problem *p)
{
    struct search s = {.import = im};
    collect(&s);
    enum err err = s.count > 0 ? look_at_jobs(&s, p) : ERR_OK;
    for (size_t i = 0; i < s.count && !err; i++) {
        if (s.items[i]->existing)
            skip(im, s.items[i]);
    }
    free(s.items);
    return err;
}
