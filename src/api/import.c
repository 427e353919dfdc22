// SPDX-License-Identifier: MIT
// import.c: POST /import: the jobs of an export, or the lines of a crontab.
//
// What is wrong with the request as a whole refuses it. What is wrong with one item is said in that
// item's result, and the others go on.

#include "api/import_priv.h"
#include "api/json_priv.h"
#include "api/page_priv.h"

// --- Jobs as GET /export writes them -------------------------------------------------------------

static void add_job(struct import *im, size_t index, const json_t *value)
{
    struct import_item *item = import_add(im, index);
    struct problem problem = {0};
    struct job *draft = job_new();
    struct job_reading how = {
        .how = JOB_CREATE, .secrets = im->request->api->secrets, .settles = true};
    enum err err = json_is_object(value)
                       ? job_decode(value, &how, draft, &problem)
                       : refuse_field(&problem, ERR_SYNTAX, NULL, "a job must be a JSON object");
    if (!err) {
        item->draft = draft;
        return;
    }
    import_item_refuse(im, item, import_item_json(im, item), &problem.what);
    job_free(draft);
}

// A page of an export names the one that follows, which is of no use here.
static enum err read_jobs(struct import *im, struct problem *p)
{
    static const char *const members[] = {"version", "jobs", "next_cursor", NULL};
    int64_t version = EXPORT_VERSION;
    enum err err = members_check(im->request->body, members, p);
    if (!err)
        err = member_integer(im->request->body, "version", EXPORT_VERSION, EXPORT_VERSION, &version,
                             p);
    if (err)
        return err;

    const json_t *jobs = json_object_get(im->request->body, "jobs");
    if (!json_is_array(jobs))
        return refuse_field(p, ERR_SYNTAX, "jobs", "jobs must be an array of jobs");
    if (json_array_size(jobs) > IMPORT_ITEMS_MAX)
        return refuse_field(p, ERR_LIMIT, "jobs",
                            "there are %zu jobs; at most %d are taken at once",
                            json_array_size(jobs), IMPORT_ITEMS_MAX);
    size_t index;
    json_t *value;
    json_array_foreach(jobs, index, value) {
        add_job(im, index, value);
    }
    request_drop_body(im->request); // The drafts have it all.
    return ERR_OK;
}

// --- The request ---------------------------------------------------------------------------------

// An export, or a crontab with what its text cannot say.
static enum err read_json(struct import *im, struct problem *p)
{
    enum err err = body_read_object(im->request, p);
    if (err)
        return err;
    im->of_crontab = json_object_get(im->request->body, "crontab") != NULL;
    return im->of_crontab ? import_read_crontab_object(im, p) : read_jobs(im, p);
}

// A crontab is not text/plain: a web page may send that to any address without asking first.
static enum err read_items(struct import *im, struct problem *p)
{
    int dry_run = 0, skip = 0;
    enum err err = query_flag(im->request, "dry_run", &dry_run, p);
    if (!err)
        err = query_flag(im->request, "skip_existing", &skip, p);
    if (err)
        return err;
    im->dry_run = dry_run != 0;
    im->skips_existing = skip != 0;
    // Not text/plain: a web page may send that to any address without asking first.
    im->of_crontab = body_has_type(im->request, "text/x-crontab");
    if (im->of_crontab)
        return import_read_crontab(im, p);
    if (body_has_type(im->request, "application/json"))
        return read_json(im, p);
    return refuse(p, ERR_UNSUPPORTED, REFUSED_MEDIA_TYPE, NULL,
                  "send a crontab with Content-Type: text/x-crontab, or an export with "
                  "Content-Type: application/json");
}

static enum err add_keys(struct import *im, struct problem *p)
{
    const char *prefix = query_text(im->request, "key_prefix");
    if (prefix && !im->of_crontab)
        return refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, "key_prefix",
                      "key_prefix is for crontabs; the jobs of an export have keys of their own");
    if (prefix)
        import_add_keys(im, prefix);
    return ERR_OK;
}

enum err handle_import(struct api_request *r, struct problem *p)
{
    struct import *im = import_new(r);
    if (!im)
        return service_refuse(&p->what, ERR_LIMIT, PROBLEM_BUSY, NULL,
                              "%d imports are under way; try again in a moment", IMPORTS_MAX);
    enum err err = read_items(im, p);
    if (!err)
        err = add_keys(im, p);
    if (!err && im->skips_existing)
        err = import_skip_existing(im, p);
    if (err)
        import_free(im);
    else
        import_run(im);
    return err;
}
