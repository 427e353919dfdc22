// SPDX-License-Identifier: MIT
// export.c: all jobs as one text that POST /import reads back: {"version":1,"jobs":[...]}.
//
// Jobs are read page by page and written as text at once, so that no more than a page of them is
// held in another form. The whole has a bound; whoever has more jobs asks for pages.

#include "api/api_priv.h"
#include "api/import_priv.h"
#include "base/stream.h"

#define EXPORT_BYTES_MAX (64 * 1024 * 1024)
#define PAGE_JOBS 500

struct export
{
    FILE *out;
    char *text;
    size_t bytes;
    size_t jobs_max;
    size_t jobs;
    size_t seen; // Of the page that is being read.
    job_id last;
    bool more; // There are jobs beyond jobs_max.
};

static enum err write_job(void *context, const struct job *j)
{
    struct export *e = context;
    e->seen++;
    if (e->jobs == e->jobs_max) {
        e->more = true;
        return ERR_OK;
    }
    json_t *json = json_job_writable(j);
    fputs(e->jobs ? ",\n" : "\n", e->out);
    json_dumpf(json, e->out, JSON_COMPACT);
    json_decref(json);
    e->last = j->id;
    e->jobs++;
    return ERR_OK;
}

static enum err write_jobs(struct api_request *r, struct export *e, struct problem *p)
{
    do {
        struct job_query q = {.is_active = -1, .after = e->last, .limit = PAGE_JOBS};
        e->seen = 0;
        enum err err = service_list_jobs(r->api->service, &q, write_job, e, &p->what);
        if (err)
            return err;
        if (ftell(e->out) > EXPORT_BYTES_MAX)
            return refuse(p, ERR_LIMIT, REFUSED_PARAMETER, "limit",
                          "all jobs together are more than %d MiB; ask for pages with limit and "
                          "cursor",
                          EXPORT_BYTES_MAX >> 20);
    } while (e->seen == PAGE_JOBS && !e->more);
    return ERR_OK;
}

static void write_end(struct api_request *r, struct export *e)
{
    char cursor[CURSOR_BYTES];
    cursor_format(CURSOR_JOBS, &(struct cursor){.id = e->last}, cursor);
    if (e->more) {
        page_add_link(r, cursor);
        fprintf(e->out, "\n],\"next_cursor\":\"%s\"}\n", cursor);
    } else {
        fprintf(e->out, "\n],\"next_cursor\":null}\n");
    }
}

enum err handle_export(struct api_request *r, struct problem *p)
{
    struct export e = {.jobs_max = SIZE_MAX};
    struct cursor from = {0};
    enum err err = query_limit(r, &e.jobs_max, p);
    if (!err)
        err = query_cursor(r, CURSOR_JOBS, &from, p);
    if (err)
        return err;

    e.last = from.id;
    e.out = stream_open(&e.text, &e.bytes);
    fprintf(e.out, "{\"version\":%d,\"jobs\":[", EXPORT_VERSION);
    err = write_jobs(r, &e, p);
    if (!err)
        write_end(r, &e);
    stream_close(e.out);
    if (err)
        free(e.text);
    else
        answer_text(r, 200, "application/json", e.text, e.bytes);
    return err;
}
