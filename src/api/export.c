// SPDX-License-Identifier: MIT
// export.c: all jobs as one text that POST /import reads back: {"version":1,"jobs":[...]}.
//
// The whole may be far larger than what a server should hold, and a client may take its time, so it
// is a streaming answer: a thread of its own reads a few jobs, writes them, and waits until the
// client has taken what was written. There are few such threads. With `limit` it is a page like
// that of any list.

#include "api/export_priv.h"
#include "api/import_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"
#include "base/metrics.h"
#include "base/stream.h"

#include <stdio.h>
#include <string.h>

#define JOBS_AT_ONCE 100
#define BYTES_AT_ONCE (64 * 1024)
#define BYTES_OF_A_WRITE (16 * 1024) // Less than what may wait for a client.

// --- Jobs as text --------------------------------------------------------------------------------

// Some jobs, one behind the other.
struct portion {
    FILE *out;
    char *text;
    size_t text_bytes;
    size_t bytes; // So far, before the stream is closed.
    size_t bytes_max;
    size_t jobs_max;
    size_t jobs;
    bool goes_on; // Other jobs stand before: a comma comes first.
    job_id last;
    bool more;
};

static void portion_begin(struct portion *p, job_id after, bool goes_on)
{
    p->last = after;
    p->goes_on = goes_on;
    p->out = stream_open(&p->text, &p->text_bytes);
}

static enum err add_job(void *context, const struct job *j)
{
    struct portion *p = context;
    if (p->jobs == p->jobs_max || p->bytes >= p->bytes_max) {
        p->more = true;
        return ERR_LIMIT;
    }
    json_t *json = json_job_writable(j);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    p->bytes += strlen(text);
    fprintf(p->out, "%s%s", p->goes_on || p->jobs ? ",\n" : "\n", text);
    free(text);
    p->last = j->id;
    p->jobs++;
    return ERR_OK;
}

// A row more than there may be tells whether there are others.
static enum err portion_fill(struct portion *p, struct service *s, struct service_problem *problem)
{
    struct job_query q = {.is_active = -1, .after = p->last, .limit = p->jobs_max + 1};
    enum err err = service_list_jobs(s, &q, add_job, p, problem);
    return err == ERR_LIMIT && p->more ? ERR_OK : err;
}

// --- One page ------------------------------------------------------------------------------------

static enum err answer_page(struct api_request *r, job_id after, size_t limit, struct problem *p)
{
    struct portion page = {.bytes_max = PAGE_BYTES_MAX, .jobs_max = limit};
    portion_begin(&page, after, false);
    fprintf(page.out, "{\"version\":%d,\"jobs\":[", EXPORT_VERSION);
    enum err err = portion_fill(&page, r->api->service, &p->what);
    char cursor[CURSOR_BYTES];
    cursor_format(CURSOR_JOBS, &(struct cursor){.id = page.last}, cursor);
    if (page.more)
        fprintf(page.out, "\n],\"next_cursor\":\"%s\"}\n", cursor);
    else
        fputs("\n],\"next_cursor\":null}\n", page.out);
    stream_close(page.out);
    if (err) {
        free(page.text);
        return err;
    }
    if (page.more)
        page_add_link(r, cursor);
    answer_text(r, 200, "application/json", page.text, page.text_bytes);
    return ERR_OK;
}

// --- The whole -----------------------------------------------------------------------------------

// A whole export under way.
struct whole {
    struct export_stream *stream;
    struct json_indenter indenter;
    bool pretty;
    job_id after;
    bool goes_on; // A job has been written.
    bool more;
};

// Writes in pieces, each as soon as there is room for it. ERR_CLOSED: nobody reads any more.
static enum err write_pieces(struct export_stream *s, const char *text, size_t bytes)
{
    enum err err = ERR_OK;
    while (bytes > 0 && !err) {
        size_t piece = MIN(bytes, BYTES_OF_A_WRITE);
        err = export_stream_write(s, text, piece);
        text += piece;
        bytes -= piece;
    }
    return err;
}

static enum err write_text(struct whole *w, const char *text, size_t bytes)
{
    if (!w->pretty)
        return write_pieces(w->stream, text, bytes);
    char *indented = json_indent(&w->indenter, text, bytes, &bytes);
    enum err err = write_pieces(w->stream, indented, bytes);
    free(indented);
    return err;
}

static enum err write_portion(struct whole *w, struct service *service)
{
    struct service_problem problem;
    struct portion p = {.bytes_max = BYTES_AT_ONCE, .jobs_max = JOBS_AT_ONCE};
    portion_begin(&p, w->after, w->goes_on);
    enum err err = portion_fill(&p, service, &problem);
    stream_close(p.out);
    if (!err)
        err = write_text(w, p.text, p.text_bytes);
    free(p.text);
    w->after = p.last;
    w->goes_on = w->goes_on || p.jobs > 0;
    w->more = p.more;
    return err;
}

// What ends early, because the client went away, the server stops or the database fails, is no
// JSON.
void export_write(struct export_stream *s, struct service *service, job_id after, bool pretty)
{
    char text[64];
    struct whole w = {.stream = s, .pretty = pretty, .after = after, .more = true};
    snprintf(text, sizeof text, "{\"version\":%d,\"jobs\":[", EXPORT_VERSION);
    enum err err = write_text(&w, text, strlen(text));
    while (w.more && !err)
        err = write_portion(&w, service);
    static const char end[] = "\n],\"next_cursor\":null}\n";
    if (!err)
        err = write_text(&w, end, strlen(end));
    (void)err; // The last thing that could be said has been.
}

enum err handle_export(struct api_request *r, struct problem *p)
{
    size_t limit = 0;
    struct cursor from = {0};
    enum err err = query_limit(r, &limit, p);
    if (!err)
        err = query_cursor(r, CURSOR_JOBS, &from, p);
    if (err)
        return err;
    return limit ? answer_page(r, from.id, limit, p) : export_start(r, from.id, p);
}
