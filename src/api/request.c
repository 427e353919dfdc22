// SPDX-License-Identifier: MIT
// request.c: how a request is answered.

#include "api/api_priv.h"
#include "api/json_priv.h"
#include "base/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void request_drop_body(struct api_request *r)
{
    json_decref(r->body);
    r->body = NULL;
}

static void request_free(struct api_request *r)
{
    request_drop_body(r);
    json_decref(r->made);
    free(r);
}

static void count_answer(unsigned status)
{
    metric_add(METRIC_api_requests, 1);
    if (status >= 400)
        metric_add(METRIC_api_errors, 1);
}

// "application/json" and "application/problem+json"
static bool is_json(const char *content_type)
{
    const char *found = content_type ? strstr(content_type, "json") : NULL;
    return found && !found[strlen("json")];
}

static char *indent(char *text, size_t *bytes)
{
    struct json_indenter in = {0};
    char *indented = json_indent(&in, text, *bytes, bytes);
    free(text);
    return indented;
}

void answer_text(struct api_request *r, unsigned status, const char *content_type, char *text,
                 size_t bytes)
{
    if (r->pretty && is_json(content_type))
        text = indent(text, &bytes);
    count_answer(status);
    exchange_answer(r->exchange, status, content_type, text, bytes);
    request_free(r);
}

void answer_static(struct api_request *r, unsigned status, const char *content_type,
                   const char *text, size_t bytes)
{
    count_answer(status);
    exchange_answer_static(r->exchange, status, content_type, text, bytes);
    request_free(r);
}

void answer_stream(struct api_request *r, unsigned status, const char *content_type,
                   const struct exchange_stream_calls *calls)
{
    count_answer(status);
    exchange_stream_begin(r->exchange, status, content_type, calls);
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

void answer_add_age(struct api_request *r)
{
    dur_ms age = service_lists_age(r->api->service);
    char seconds[24];
    if (age < 0)
        return;
    snprintf(seconds, sizeof seconds, "%lld", (long long)(age + 999) / 1000);
    exchange_add_header(r->exchange, "Age", seconds);
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
    char seconds[16], challenge[PROBLEM_CHALLENGE_BYTES];
    snprintf(seconds, sizeof seconds, "%u", p->retry_after_s);
    const char *retry_after = p->retry_after_s ? seconds : problem_retry_after(p);
    if (retry_after)
        exchange_add_header(r->exchange, "Retry-After", retry_after);
    if (problem_challenge(p, challenge))
        exchange_add_header(r->exchange, "WWW-Authenticate", challenge);
    if (*p->allow)
        exchange_add_header(r->exchange, "Allow", p->allow);
    json_t *json = problem_json(p, exchange_request_id(r->exchange));
    answer_as(r, problem_status(p), PROBLEM_CONTENT_TYPE, json);
}
