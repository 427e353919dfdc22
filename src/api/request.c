// SPDX-License-Identifier: MIT
// request.c: how a request is answered, and the tags by which clients notice changes.

#include "api/api_priv.h"
#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// --- Answers -------------------------------------------------------------------------------------

void request_drop_body(struct api_request *r)
{
    json_decref(r->body);
    r->body = NULL;
}

static void request_free(struct api_request *r)
{
    request_drop_body(r);
    free(r);
}

void answer_text(struct api_request *r, unsigned status, const char *content_type, char *text,
                 size_t bytes)
{
    metric_add(METRIC_api_requests, 1);
    if (status >= 400)
        metric_add(METRIC_api_errors, 1);
    exchange_add_header(r->exchange, "X-Content-Type-Options", "nosniff");
    exchange_answer(r->exchange, status, content_type, text, bytes);
    request_free(r);
}

static void answer_as(struct api_request *r, unsigned status, const char *content_type,
                      json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    assert(text); // Every text in it is UTF-8.
    json_decref(json);
    answer_text(r, status, content_type, text, strlen(text));
}

void answer_json(struct api_request *r, unsigned status, json_t *json)
{
    answer_as(r, status, "application/json", json);
}

void answer_nothing(struct api_request *r, unsigned status)
{
    answer_text(r, status, NULL, NULL, 0);
}

void answer_problem(struct api_request *r, const struct problem *p)
{
    if (problem_retry_after(p))
        exchange_add_header(r->exchange, "Retry-After", problem_retry_after(p));
    if (*p->allow)
        exchange_add_header(r->exchange, "Allow", p->allow);
    json_t *json = problem_json(p, exchange_request_id(r->exchange));
    answer_as(r, problem_status(p), PROBLEM_CONTENT_TYPE, json);
}

void change_done(void *request, const struct service_result *result)
{
    struct api_request *r = request;
    if (result->replayed)
        exchange_add_header(r->exchange, "Idempotency-Replayed", "true");
    if (result->problem)
        answer_problem(r, &(struct problem){.what = *result->problem});
    else
        r->succeed(r, result);
}

// --- Entity tags ---------------------------------------------------------------------------------

void add_etag(struct api_request *r, int64_t version)
{
    char tag[32];
    snprintf(tag, sizeof tag, "\"%" PRId64 "\"", version);
    exchange_add_header(r->exchange, "ETag", tag);
}

// Takes the next tag of a list: "*", "\"7\"", "W/\"7\"". *version is 0 for a tag that we never
// gave. False at the end of the list.
static bool next_tag(const char **list, bool *weak, int64_t *version)
{
    const char *at = *list + strspn(*list, " \t,");
    if (!*at)
        return false;
    *weak = strncmp(at, "W/", 2) == 0;
    at += *weak ? 2 : 0;
    const char *close = *at == '"' ? strchr(at + 1, '"') : NULL;
    const char *end = close ? close + 1 : at + strcspn(at, ",");
    char tag[24] = "";
    *version = 0;
    if (close && close - at <= (ptrdiff_t)sizeof tag) {
        memcpy(tag, at + 1, (size_t)(close - at - 1));
        job_id_parse(tag, version); // A version is written as an id is.
    }
    *list = end;
    return true;
}

static bool is_any(const char *list)
{
    return strcmp(list, "*") == 0;
}

bool etag_matches_weakly(const char *list, int64_t version)
{
    bool weak;
    int64_t tag;
    if (is_any(list))
        return true;
    while (next_tag(&list, &weak, &tag)) {
        if (tag == version)
            return true;
    }
    return false;
}

// Of several tags, the one that the job has now is the one that counts.
static enum err choose_version(struct api_request *r, const char *list, int64_t *version,
                               struct problem *p)
{
    struct job *j;
    enum err err = service_get_job(r->api->service, r->job, &j, &p->what);
    if (err)
        return err;
    int64_t current = j->version;
    job_free(j);

    bool weak;
    int64_t tag;
    while (next_tag(&list, &weak, &tag)) {
        if (tag == current && !weak) {
            *version = current;
            return ERR_OK;
        }
    }
    return service_refuse(&p->what, ERR_CONFLICT, PROBLEM_VERSION, NULL,
                          "the job is at version %" PRId64 ", which If-Match does not name",
                          current);
}

enum err expected_version(struct api_request *r, int64_t *version, struct problem *p)
{
    const char *list = exchange_header(r->exchange, "If-Match");
    *version = 0;
    return !list || is_any(list) ? ERR_OK : choose_version(r, list, version, p);
}
