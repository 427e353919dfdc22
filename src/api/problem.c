// SPDX-License-Identifier: MIT
// problem.c: every refusal has a row that says its status, its type and its title.
//
// The answer is RFC 9457's problem+json, with the plain key "error" beside it for clients which
// only want one sentence. Nothing of the server's inside gets in: no path, no SQL, no stack.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct problem_type {
    unsigned status;
    const char *slug;
    const char *title;
    const char *retry_after_s; // NULL: trying again does not help.
};

static const struct problem_type service_types[PROBLEM_KINDS] = {
    [PROBLEM_FIELD] = {400, "invalid-field", "A field is not acceptable", NULL},
    [PROBLEM_SCHEDULE] = {400, "invalid-schedule", "The schedule cannot be used", NULL},
    [PROBLEM_TIMEZONE] = {400, "invalid-timezone", "The time zone is unknown", NULL},
    [PROBLEM_URL] = {400, "invalid-url", "The URL cannot be used", NULL},
    [PROBLEM_TARGET] = {400, "target-forbidden", "The URL is none that may be called", NULL},
    [PROBLEM_HEADER] = {400, "invalid-header", "A header cannot be sent", NULL},
    [PROBLEM_NOT_FOUND] = {404, "not-found", "There is no such thing", NULL},
    [PROBLEM_VERSION] = {412, "version-conflict", "It has been changed meanwhile", NULL},
    [PROBLEM_CONTENDED] = {409, "conflict", "Others keep changing it", "1"},
    [PROBLEM_KEY_BUSY] = {409, "idempotency-key-in-use", "The same request is still under way",
                          "1"},
    [PROBLEM_JOB_KEY] = {409, "job-key-taken", "Another job has this key", NULL},
    [PROBLEM_TOKEN_NAME] = {409, "token-name-taken", "Another token has this name", NULL},
    [PROBLEM_CHANNEL] = {409, "channel-taken", "Another channel stands in the way", NULL},
    [PROBLEM_KEY_REUSED] = {422, "idempotency-key-reused", "The key was used with another request",
                            NULL},
    [PROBLEM_LIMIT] = {429, "limit-reached", "The server has all it may have", "60"},
    [PROBLEM_QUOTA] = {429, "quota-reached", "The token has all it may have", "60"},
    [PROBLEM_BUSY] = {503, "busy", "The server has too much to do", "1"},
    [PROBLEM_CLOSED] = {503, "draining", "The server is shutting down", "1"},
    [PROBLEM_AWAY] = {503, "shard-away", "The job is not on this node", "1"},
    [PROBLEM_STORE_LOW] = {507, "storage-low", "The server's disk is nearly full", "60"},
    [PROBLEM_STORE_FULL] = {507, "storage-full", "The server's disk is full", "10"},
    [PROBLEM_NOT_OVER] = {409, "execution-not-over", "The execution is not over", NULL},
    [PROBLEM_SHARDS] = {422, "several-shards", "The jobs are in different shards", NULL},
    [PROBLEM_RANGE] = {409, "missed-range", "The execution stands for several occurrences", NULL},
    [PROBLEM_COMPLETION] = {409, "completion-unexpected", "The execution does not wait for this",
                            NULL},
    [PROBLEM_HEARTBEAT] = {409, "job-is-heartbeat", "The job calls nobody", NULL},
    [PROBLEM_OVER] = {409, "execution-over", "The execution is over", NULL},
    [PROBLEM_UNUSABLE] = {409, "job-unusable", "The job cannot be used", NULL},
    [PROBLEM_STORE_BUSY] = {503, "storage-busy", "Another program holds the server's database",
                            "1"},
    [PROBLEM_STORE_AWAY] = {503, "storage-unreachable", "The server's database cannot be reached",
                            "5"},
    [PROBLEM_MOVED] = {503, "job-moved", "Another node has taken the job over", "1"},
    [PROBLEM_DOUBT] = {503, "outcome-unknown", "Whether it was done is not known", NULL},
    [PROBLEM_STORE] = {503, "storage-unavailable", "The server's database failed", "5"},
    [PROBLEM_DAMAGED] = {500, "storage-damaged", "A row of the database is damaged", NULL},
};

static const struct problem_type api_types[REFUSALS] = {
    [REFUSED_JSON] = {400, "invalid-json", "The body is not valid JSON", NULL},
    [REFUSED_PARAMETER] = {400, "invalid-parameter", "A parameter is not acceptable", NULL},
    [REFUSED_NOT_FOUND] = {404, "not-found", "There is no such thing", NULL},
    [REFUSED_METHOD] = {405, "method-not-allowed", "This cannot be done here", NULL},
    [REFUSED_MEDIA_TYPE] = {415, "unsupported-media-type",
                            "The body is of a type that is not read here", NULL},
    [REFUSED_DRAINING] = {503, "draining", "The server is shutting down", "1"},
    [REFUSED_HOST] = {421, "misdirected-request", "The server has no such name", NULL},
    [REFUSED_LOOP] = {508, "loop-detected", "A job may not change this", NULL},
    [REFUSED_SITE] = {403, "forbidden", "Another site may not do this", NULL},
    [REFUSED_MISSING_TOKEN] = {401, "token-missing", "A token is needed", NULL},
    [REFUSED_TOKEN] = {401, "invalid-token", "The token is not valid", NULL},
    [REFUSED_SCOPE] = {403, "scope-lacking", "The token may not do this", NULL},
    [REFUSED_CALLBACK] = {403, "invalid-callback", "The callback is not valid", NULL},
    [REFUSED_NO_TOKENS] = {403, "no-tokens", "This node knows no tokens", NULL},
    [REFUSED_FAILING] = {429, "too-many-failures", "Too many tokens were not valid", NULL},
    [REFUSED_RATE] = {429, "rate-limited", "Too many requests", NULL},
};

// What the server itself refuses, by status.
static const struct problem_type server_types[] = {
    {400, "malformed-request", "The request is not well formed", NULL},
    {408, "request-timeout", "The request came too slowly", NULL},
    {413, "content-too-large", "The body is too large", NULL},
    {414, "uri-too-long", "The address is too long", NULL},
    {431, "headers-too-large", "The header is too large", NULL},
    {503, "busy", "The server has too much to do", "1"},
};

#define DIGITS_OF(number) #number
#define DIGITS(number) DIGITS_OF(number)

// What is allowed of what there is too much of.
static const struct {
    unsigned status;
    unsigned bytes;
    const char *besides;
} server_limits[] = {
    {413, SERVER_BODY_BYTES_MAX, ""},
    {414, SERVER_URI_BYTES_MAX, ""},
    {431, SERVER_HEAD_BYTES_MAX, " and " DIGITS(SERVER_HEADERS_MAX) " headers"},
};

static const struct problem_type *type_of(const struct problem *p)
{
    return p->refusal ? &api_types[p->refusal] : &service_types[p->what.kind];
}

unsigned problem_status(const struct problem *p)
{
    return type_of(p)->status;
}

const char *problem_retry_after(const struct problem *p)
{
    return type_of(p)->retry_after_s;
}

bool problem_challenge(const struct problem *p, char out[static PROBLEM_CHALLENGE_BYTES])
{
    static const char realm[] = "Bearer realm=\"carillon\"";
    if (p->refusal == REFUSED_MISSING_TOKEN)
        snprintf(out, PROBLEM_CHALLENGE_BYTES, "%s", realm);
    else if (p->refusal == REFUSED_TOKEN)
        snprintf(out, PROBLEM_CHALLENGE_BYTES, "%s, error=\"invalid_token\"", realm);
    else if (p->refusal == REFUSED_SCOPE)
        snprintf(out, PROBLEM_CHALLENGE_BYTES, "%s, error=\"insufficient_scope\", scope=\"%s\"",
                 realm, token_scope_name(p->scope));
    else
        return false;
    return true;
}

enum err refuse(struct problem *p, enum err code, enum api_refusal refusal, const char *member,
                const char *format, ...)
{
    char text[FAULT_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    service_refuse(&p->what, code, PROBLEM_NONE, member, "%s", text);
    p->refusal = refusal;
    return code;
}

static enum err suggest(struct problem *p, const char *meant, enum err err)
{
    if (meant)
        snprintf(p->what.hint, sizeof p->what.hint, "did you mean %s?", meant);
    return err;
}

enum err refuse_unknown_field(struct problem *p, const char *name, const char *meant)
{
    return suggest(p, meant, refuse_field(p, ERR_SYNTAX, name, "unknown field '%.64s'", name));
}

enum err refuse_unknown_parameter(struct problem *p, const char *name, const char *meant)
{
    return suggest(
        p, meant,
        refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, name, "unknown parameter '%.64s'", name));
}

// --- As JSON -------------------------------------------------------------------------------------

static json_t *type_json(const struct problem_type *t, const char *detail, const char *request_id)
{
    char type[64];
    snprintf(type, sizeof type, "/problems/%s", t->slug);
    json_t *o = json_object();
    json_object_set_new(o, "type", json_string(type));
    json_object_set_new(o, "title", json_string(t->title));
    json_object_set_new(o, "status", json_integer(t->status));
    json_object_set_new(o, "detail", json_text(detail));
    json_object_set_new(o, "instance", json_string(request_id));
    json_object_set_new(o, "error", json_text(detail));
    return o;
}

static json_t *error_json(const struct service_problem *w)
{
    json_t *o = json_object();
    if (*w->pointer)
        json_object_set_new(o, "pointer", json_text(w->pointer));
    json_object_set_new(o, "detail", json_text(w->detail));
    if (w->code)
        json_object_set_new(o, "code", json_string(w->code));
    if (w->has_position) {
        json_object_set_new(o, "position", json_integer((json_int_t)w->position));
        json_object_set_new(o, "length", json_integer((json_int_t)w->length));
    }
    if (*w->expected)
        json_object_set_new(o, "expected", json_text(w->expected));
    if (*w->hint)
        json_object_set_new(o, "hint", json_text(w->hint));
    return o;
}

json_t *problem_json(const struct problem *p, const char *request_id)
{
    json_t *o = type_json(type_of(p), p->what.detail, request_id);
    if (*p->what.pointer || p->what.has_position) {
        json_t *errors = json_array();
        json_array_append_new(errors, error_json(&p->what));
        json_object_set_new(o, "errors", errors);
    }
    return o;
}

static void write_detail(const struct refusal *r, size_t bytes, char *out)
{
    snprintf(out, bytes, "%s", r->detail);
    for (size_t i = 0; i < COUNT_OF(server_limits); i++) {
        if (server_limits[i].status == r->status)
            snprintf(out, bytes, "%s; at most %u bytes%s are allowed", r->detail,
                     server_limits[i].bytes, server_limits[i].besides);
    }
}

char *problem_refusal_body(void *api, const struct refusal *r, size_t *bytes)
{
    (void)api;
    char detail[FAULT_TEXT_MAX];
    const struct problem_type *type = &server_types[0];
    for (size_t i = 0; i < COUNT_OF(server_types); i++) {
        if (server_types[i].status == r->status)
            type = &server_types[i];
    }
    if (r->draining)
        type = &api_types[REFUSED_DRAINING];
    write_detail(r, sizeof detail, detail);
    json_t *o = type_json(type, detail, r->request_id);
    json_object_set_new(o, "status", json_integer(r->status));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    *bytes = strlen(text);
    return text;
}
