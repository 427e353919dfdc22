// SPDX-License-Identifier: MIT
// import_crontab.c: the lines of a crontab as items of an import.

#include "api/import_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"
#include "base/utf8.h"
#include "crontab/crontab.h"
#include "zones/zones.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// --- One line that is a job ----------------------------------------------------------------------

struct adoption {
    struct job *job;
    struct service_problem *problem;
    enum err err;
};

static void add_header(void *context, const char *name, const char *value)
{
    struct adoption *a = context;
    if (!a->err)
        a->err = service_set_header(a->job, name, value, a->problem);
}

// A body goes into JSON whenever somebody looks at the job, so it must be UTF-8.
static bool is_utf8(const char *text)
{
    size_t bytes = strlen(text);
    return utf8_span(text, bytes) == bytes;
}

// A copy whose headers were set one by one, as those of any job.
static enum err adopt(const struct job *draft, struct job **out, struct service_problem *p)
{
    if (draft->body && !is_utf8(draft->body))
        return service_refuse(p, ERR_SYNTAX, PROBLEM_FIELD, "body", "the body is not UTF-8");
    struct adoption a = {.job = job_copy(draft), .problem = p};
    job_set_text(&a.job->headers, NULL);
    service_each_header(draft, add_header, &a);
    if (a.err)
        job_free(a.job);
    else
        *out = a.job;
    return a.err;
}

// --- Any line ------------------------------------------------------------------------------------

// The item ends with what the line itself says of why it is no job.
static void end_at(const struct import *im, struct import_item *item,
                   const struct crontab_line *line, enum import_status status, const char *reason)
{
    json_t *said = import_item_json(im, item);
    json_object_set_new(said, "position", json_integer((json_int_t)line->position));
    json_object_set_new(said, "length", json_integer((json_int_t)line->length));
    if (*line->hint)
        json_object_set_new(said, "hint", json_text(line->hint));
    import_item_end(item, said, status, reason);
}

static void add_variable(const struct import *im, struct import_item *item,
                         const struct crontab_line *line)
{
    const struct zone *zone;
    struct fault f = {0};
    if (line->sets_timezone && zone_find(line->sets_timezone, &zone, &f))
        end_at(im, item, line, IMPORT_INVALID, f.text);
    else
        import_item_end(item, import_item_json(im, item), IMPORT_SKIPPED, line->reason);
}

static void refuse_job(const struct import *im, struct import_item *item,
                       const struct service_problem *p)
{
    import_item_refuse(im, item, import_item_json(im, item), p);
    job_free(item->draft);
    item->draft = NULL;
}

static void add_job(const struct import *im, struct import_item *item,
                    const struct crontab_line *line)
{
    struct service_problem problem;
    struct job_reading how = {.secrets = im->request->api->secrets};
    enum err err = adopt(line->draft, &item->draft, &problem);
    if (!err)
        err = secret_headers_seal(&how, item->draft, &problem);
    if (err)
        refuse_job(im, item, &problem);
    else if (*line->reason)
        item->note = xstrdup(line->reason);
}

static enum err add_line(void *import, const struct crontab_line *line)
{
    struct import *im = import;
    struct import_item *item = import_add(im, line->number);
    if (line->kind == CRONTAB_JOB) {
        add_job(im, item, line);
    } else if (line->kind == CRONTAB_SKIPPED) {
        add_variable(im, item, line);
    } else {
        end_at(im, item, line,
               line->kind == CRONTAB_INVALID ? IMPORT_INVALID : IMPORT_NOT_CONVERTIBLE,
               line->reason);
    }
    return ERR_OK;
}

// --- The whole -----------------------------------------------------------------------------------

static enum err read_options(const struct api_request *r, struct crontab_options *o,
                             struct problem *p)
{
    const struct zone *zone;
    struct fault f = {0};
    int system = 0;
    enum err err = query_flag(r, "system", &system, p);
    o->has_users = system != 0;
    o->timezone = query_text(r, "timezone");
    if (!err && o->timezone && zone_find(o->timezone, &zone, &f))
        err = refuse(p, ERR_NOT_FOUND, REFUSED_PARAMETER, "timezone", "%s", f.text);
    return err;
}

// The items of the crontab. `o` has the variables that are set, and nothing else.
static enum err read_text(struct import *im, const char *text, size_t bytes,
                          struct crontab_options *o, struct problem *p)
{
    struct fault f = {0};
    enum err err = read_options(im->request, o, p);
    if (err)
        return err;
    err = crontab_read(text, bytes, o, add_line, im, &f);
    return err ? refuse_field(p, err, NULL, "%s", f.text) : ERR_OK;
}

enum err import_read_crontab(struct import *im, struct problem *p)
{
    struct crontab_options o = {0};
    size_t bytes;
    const char *text = exchange_body(im->request->exchange, &bytes);
    return read_text(im, text, bytes, &o, p);
}

// --- Keys ----------------------------------------------------------------------------------------

static uint64_t hash_of(const struct job *j)
{
    uint64_t hash = 14695981039346656037u ^ j->method; // FNV-1a.
    for (const char *c = j->api; c && *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return hash;
}

void import_add_keys(struct import *im, const char *prefix)
{
    uint64_t *hashes = xcalloc(MAX(im->count, 1), sizeof *hashes);
    char key[JOB_MAX(key) + 64];
    for (size_t i = 0; i < im->count; i++) {
        struct job *draft = im->items[i].draft;
        size_t before = 0;
        if (!draft)
            continue;
        hashes[i] = hash_of(draft);
        for (size_t k = 0; k < i; k++)
            before += im->items[k].draft && hashes[k] == hashes[i];
        int n = snprintf(key, sizeof key, "%.*s:%016" PRIx64, JOB_MAX(key), prefix, hashes[i]);
        if (before > 0)
            snprintf(key + n, sizeof key - (size_t)n, ":%zu", before + 1);
        job_set_text(&draft->key, key);
    }
    free(hashes);
}

// --- A crontab in an object ----------------------------------------------------------------------

static enum err read_variable(const char *name, const json_t *value, struct crontab_variable *out,
                              struct problem *p)
{
    if (!crontab_is_name(name))
        return refuse_field(p, ERR_SYNTAX, "set", "'%.64s' is no name of a variable", name);
    if (!json_is_string(value))
        return refuse_field(p, ERR_SYNTAX, "set", "the value of %.64s must be a string", name);
    *out = (struct crontab_variable){.name = name, .value = json_string_value(value)};
    return ERR_OK;
}

// The texts stay those of the object.
static enum err read_set(const json_t *object, struct crontab_variable *out, size_t *count,
                         struct problem *p)
{
    json_t *set = json_object_get(object, "set"), *value;
    const char *name;
    enum err err = ERR_OK;
    if (!set || json_is_null(set))
        return ERR_OK;
    if (!json_is_object(set))
        return refuse_field(p, ERR_SYNTAX, "set", "set must be an object of variables");
    if (json_object_size(set) > CRONTAB_SET_MAX)
        return refuse_field(p, ERR_LIMIT, "set", "set may have at most %d variables",
                            CRONTAB_SET_MAX);
    json_object_foreach(set, name, value) {
        if (!err)
            err = read_variable(name, value, &out[(*count)++], p);
    }
    return err;
}

enum err import_read_crontab_object(struct import *im, struct problem *p)
{
    static const char *const members[] = {"crontab", "set", NULL};
    const json_t *object = im->request->body;
    struct crontab_variable set[CRONTAB_SET_MAX];
    struct crontab_options o = {.set = set};
    const char *text = NULL;
    enum err err = members_check(object, members, p);
    if (!err)
        err = member_text(object, "crontab", &text, p);
    if (!err && !text)
        err = refuse_field(p, ERR_SYNTAX, "crontab", "crontab must be a string");
    if (!err)
        err = read_set(object, set, &o.set_count, p);
    return err ? err : read_text(im, text, strlen(text), &o, p);
}
