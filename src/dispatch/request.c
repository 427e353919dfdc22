// SPDX-License-Identifier: MIT
// request.c: what an attempt says to its target beside the job's own words.
//
// The identity of the execution travels in headers, so that a target can tell a repeated request
// (Idempotency-Key, webhook-id), a later attempt (Carillon-Attempt) and an out-of-date sender
// (Carillon-Fence) without reading the body. The job's own lines follow; it may choose its
// Content-Type, User-Agent and Host, the other names are reserved (base/header.h).

#include "dispatch/request_priv.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

// --- The job's own headers -----------------------------------------------------------------------

static bool names(const char *line, const char *name)
{
    size_t n = strlen(name);
    return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

// The line of that name, or NULL.
static const char *job_line(const char *headers, const char *name)
{
    for (const char *line = headers; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (names(line, name))
            return line;
    }
    return NULL;
}

static bool job_sets(const char *headers, const char *name)
{
    return job_line(headers, name) != NULL;
}

static enum err add_job_line(struct request_parts *parts, const char *line, size_t bytes,
                             const struct secret_ring *secrets, struct fault *f)
{
    struct request_text *t = &parts->headers;
    if (request_line_is_sealed(line, bytes)) {
        parts->has_secrets = true;
        return request_open_line(t, line, bytes, secrets, f);
    }
    request_text_add(t, line, bytes);
    request_text_add(t, "\r\n", 2);
    return ERR_OK;
}

static enum err add_job_headers(struct request_parts *parts, const char *headers,
                                const struct secret_ring *secrets, struct fault *f)
{
    const char *line = headers ? headers : "";
    enum err err = ERR_OK;
    while (*line && !err) {
        size_t n = strcspn(line, "\n");
        size_t kept = n;
        while (kept > 0 && strchr(" \t", line[kept - 1]))
            kept--; // Blanks at the end are no part of a value.
        if (kept > 0 && !names(line, "Host"))
            err = add_job_line(parts, line, kept, secrets, f);
        line += n + (line[n] == '\n');
    }
    return err;
}

// --- Identity ------------------------------------------------------------------------------------

// Spreads every bit of `x` over the whole result; no two inputs share one.
static uint64_t scatter(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static uint64_t join(uint64_t sum, int64_t part)
{
    return scatter(sum + UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)part);
}

// W3C Trace Context. All attempts of an execution share a trace, each is a span of its own, and the
// ids follow from the key, so that the execution leads to its trace. "Sampled" is set, since
// a target that records only what its caller records would otherwise never record us. All-zero ids
// are invalid there; the lowest bit is set so that they cannot occur.
static void add_traceparent(struct request_text *t, const struct request *r)
{
    uint64_t sum = join(join(join(0, r->key.job), r->key.scheduled_at), r->key.series);
    uint64_t trace_high = join(sum, 1);
    uint64_t trace_low = join(sum, 2) | 1;
    uint64_t span = join(join(sum, 3), r->attempt) | 1;
    request_text_say(t, "traceparent: 00-");
    request_text_hex(t, trace_high);
    request_text_hex(t, trace_low);
    request_text_say(t, "-");
    request_text_hex(t, span);
    request_text_say(t, "-01\r\n");
}

// The texts that name the execution.
struct identity {
    char id[EXECUTION_ID_BYTES];
    const char *origin;
    char scheduled_at[RFC3339_BYTES];
};

// What is of no execution has an id that none has, or no id at all.
static void name_attempt(const struct request *r, char id[static EXECUTION_ID_BYTES])
{
    id[0] = '\0';
    if (r->is_plain)
        return;
    if (r->is_trial)
        snprintf(id, EXECUTION_ID_BYTES, "test-%lld-%lld", (long long)r->key.scheduled_at,
                 (long long)r->key.series);
    else
        execution_id_format(&r->key, id);
}

// A replay is for the instant of the occurrence that it carries out again; what was manual had
// none.
static wall_ms instant_of(const struct request *r)
{
    struct execution_key origin;
    bool is_of_occurrence =
        r->origin && execution_id_parse(r->origin, &origin) && origin.series >= 0;
    return is_of_occurrence ? origin.scheduled_at : r->key.scheduled_at;
}

static void add_line(struct request_text *t, const char *name, const char *value)
{
    request_text_say(t, name);
    request_text_say(t, value);
    request_text_say(t, "\r\n");
}

static void add_number_line(struct request_text *t, const char *name, int64_t value)
{
    request_text_say(t, name);
    request_text_number(t, value);
    request_text_say(t, "\r\n");
}

static void add_identity(struct request_text *t, const struct request *r,
                         const struct identity *who, wall_ms now)
{
    request_text_say(t, "Idempotency-Key: \"");
    request_text_say(t, who->id);
    request_text_say(t, "\"\r\n");
    add_line(t, "webhook-id: ", who->id);
    add_number_line(t, "webhook-timestamp: ", now / 1000);
    add_number_line(t, "Carillon-Job: ", r->key.job);
    add_line(t, "Carillon-Scheduled-At: ", who->scheduled_at);
    if (who->origin)
        add_line(t, "Carillon-Origin: ", who->origin);
    add_number_line(t, "Carillon-Attempt: ", r->attempt);
    add_number_line(t, "Carillon-Fence: ", r->epoch);
    if (r->callback)
        add_line(t, "Carillon-Callback: ", r->callback);
    add_traceparent(t, r);
}

// --- Where to ---

static bool is_usual_port(const char *port, bool https)
{
    return strcmp(port, https ? "443" : "80") == 0;
}

// The job's own, for a virtual host that its URL cannot name; else what the URL says, without a
// port that the scheme implies (RFC 9110, 7.2).
static void add_host(struct request_text *t, const struct request *r,
                     const struct request_target *to)
{
    const char *own = job_line(r->headers, "Host");
    const char *host = own ? own + strlen("Host:") : to->origin;
    host += strspn(host, " ");
    size_t bytes = strcspn(host, "\n");
    const char *colon = own ? NULL : strrchr(host, ':');
    if (colon && is_usual_port(colon + 1, to->https))
        bytes = (size_t)(colon - host);
    request_text_say(t, "Host: ");
    request_text_add(t, host, bytes);
    request_text_say(t, "\r\n");
}

// --- The whole -----------------------------------------------------------------------------------

static void add_default_body(struct request_text *t, const struct request *r,
                             const struct identity *who)
{
    request_text_say(t, "{\"job_id\":");
    request_text_number(t, r->key.job);
    request_text_say(t, ",\"execution_id\":\"");
    request_text_say(t, who->id);
    request_text_say(t, "\",\"scheduled_at\":\"");
    request_text_say(t, who->scheduled_at);
    request_text_say(t, "\",\"attempt\":");
    request_text_number(t, r->attempt);
    request_text_say(t, "}");
}

// A request without a body says so where the method lets one be expected (RFC 9110, 8.6).
static bool expects_body(enum job_method m)
{
    return m == METHOD_POST || m == METHOD_PUT || m == METHOD_PATCH;
}

// The default body is not made up where a body has no meaning of its own (RFC 9110, 9.3).
static bool has_default_body(enum job_method m)
{
    return expects_body(m) || m == METHOD_DELETE;
}

static const char *type_of_body(const struct request *r)
{
    return r->body && !r->body_is_json ? "text/plain; charset=utf-8" : "application/json";
}

static void build_body(struct request_parts *parts, const struct request *r,
                       const struct identity *who)
{
    parts->body.count = 0;
    if (r->body && r->method != METHOD_HEAD)
        request_text_say(&parts->body, r->body);
    else if (!r->body && has_default_body(r->method))
        add_default_body(&parts->body, r, who);
    parts->has_length = parts->body.count > 0 || expects_body(r->method);
}

enum err request_build(struct request_parts *parts, const struct request *r,
                       const struct request_target *to, const struct request_sender *from,
                       wall_ms now, struct fault *f)
{
    struct identity who = {.origin = r->origin};
    name_attempt(r, who.id);
    wall_format(instant_of(r), who.scheduled_at);
    build_body(parts, r, &who);

    struct request_text *t = &parts->headers;
    t->count = 0;
    parts->body_is_secret = r->is_plain;
    parts->has_secrets = r->is_plain || r->callback;
    add_host(t, r, to);
    if (!r->is_plain)
        add_identity(t, r, &who, now);
    enum err err =
        r->signing ? request_sign(parts, r->signing, who.id, now / 1000, from->secrets, f) : ERR_OK;
    if (err)
        return err;
    if (!job_sets(r->headers, "User-Agent")) {
        request_text_say(t, "User-Agent: ");
        add_line(t, "Carillon/", from->version);
    }
    if (parts->body.count > 0 && !job_sets(r->headers, "Content-Type"))
        add_line(t, "Content-Type: ", type_of_body(r));
    if (r->bearer) {
        parts->has_secrets = true;
        add_line(t, "Authorization: Bearer ", r->bearer);
    }
    return add_job_headers(parts, r->headers, from->secrets, f);
}

// The body of a job's request is no secret: the job shows it.
void request_trim(struct request_parts *parts)
{
    if (parts->has_secrets)
        request_text_wipe(&parts->headers);
    if (parts->body_is_secret)
        request_text_wipe(&parts->body);
    parts->has_secrets = parts->body_is_secret = false;
    request_text_trim(&parts->headers);
    request_text_trim(&parts->body);
    request_text_trim(&parts->signed_text);
}

void request_fini(struct request_parts *parts)
{
    request_trim(parts);
    free(parts->headers.bytes);
    free(parts->body.bytes);
    free(parts->signed_text.bytes);
    *parts = (struct request_parts){0};
}
