// SPDX-License-Identifier: MIT
// registry.c: a request goes to the thread that has the registry, and is answered there.

#include "api/registry_priv.h"

#include "api/page_priv.h"
#include "base/log.h"

#include <stdlib.h>

void errand_free(struct errand *e)
{
    if (e->free)
        e->free(e);
    else
        free(e);
}

// --- What can go wrong ---------------------------------------------------------------------------

static const struct {
    enum err err;
    enum problem_kind kind;
    const char *detail; // NULL: what the store says.
} failures[] = {
    {ERR_NOT_FOUND, PROBLEM_NOT_FOUND, NULL},
    {ERR_LIMIT, PROBLEM_LIMIT, NULL},
    {ERR_CONFLICT, PROBLEM_CONTENDED, "somebody else was first; nothing was changed"},
    {ERR_BUSY, PROBLEM_STORE_BUSY, "another program holds the database; nothing was changed"},
    {ERR_STORE_FULL, PROBLEM_STORE_FULL, "the disk is full; nothing was changed"},
    {ERR_STORE_AWAY, PROBLEM_STORE_AWAY, "the database cannot be reached; nothing was changed"},
    {ERR_DOUBT, PROBLEM_DOUBT, "the answer of the database was lost; a GET says what is"},
};

static void refuse_failure(const struct errand *e, struct problem *p, enum err err,
                           const struct fault *f)
{
    if (err == ERR_EXISTS) {
        service_refuse(&p->what, err, e->taken, NULL, "%s", f->text);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        if (failures[i].err != err)
            continue;
        const char *detail = failures[i].detail ? failures[i].detail : f->text;
        service_refuse(&p->what, err, failures[i].kind, NULL, "%s", detail);
        return;
    }
    log_error("registry.failed", LOG_TEXT("table", e->what), LOG_TEXT("error", err_text(err)),
              LOG_TEXT("detail", f->text));
    service_refuse(&p->what, err, PROBLEM_STORE, NULL, "reading or writing %s failed", e->what);
}

static void run(void *errand, struct store_registry *registry)
{
    struct errand *e = errand;
    struct problem problem = {0};
    struct fault f = {0};
    enum err err = e->act(e, registry, &problem, &f);
    if (err) {
        if (!problem.refusal && !problem.what.kind)
            refuse_failure(e, &problem, err, &f);
        answer_problem(e->request, &problem);
    }
    errand_free(e);
}

enum err errand_hand_on(struct errand *e, struct problem *p)
{
    if (access_run(e->request->api->access, run, e) == ERR_OK)
        return ERR_OK;
    errand_free(e);
    return service_refuse(&p->what, ERR_LIMIT, PROBLEM_BUSY, NULL,
                          "too many requests wait for the database; try again");
}

// -------------------------------------------------------------------------------------------------

void errand_log(const char *event, const struct api_request *r, const char *name, int64_t id)
{
    log_info(event, LOG_INT(name, id), LOG_TEXT("by", r->actor.token_name),
             LOG_TEXT("address", r->actor.address), LOG_TEXT("request_id", r->actor.request_id));
}

enum err errand_id(const struct api_request *r, const char *what, int64_t *out, struct problem *p)
{
    const char *given = exchange_segment(r->exchange, 1);
    if (job_id_parse(given, out))
        return ERR_OK;
    return refuse(p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL,
                  "there is no %s '%.64s'; ids of %ss are positive integers", what, given, what);
}
