// SPDX-License-Identifier: MIT
// request.c: what an attempt says to its target beside the job's own words.
//
// The identity of the execution travels in headers, so that a target can tell a repeated request
// (Idempotency-Key, webhook-id), a later attempt (Carillon-Attempt) and an out-of-date sender
// (Carillon-Fence) without reading the body. The job's own lines follow; it may choose its
// Content-Type and User-Agent, the other names are reserved (base/header.h).

#include "dispatch/request_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define KEPT_BYTES_MAX 16384

// --- Growing text --------------------------------------------------------------------------------

static void make_room(struct request_text *t, size_t more)
{
    size_t needed = t->count + more + 1;
    if (needed <= t->capacity)
        return;
    t->capacity = MAX(needed, 2 * t->capacity);
    t->bytes = xrealloc(t->bytes, t->capacity);
}

void request_text_add(struct request_text *t, const char *bytes, size_t count)
{
    make_room(t, count);
    memcpy(t->bytes + t->count, bytes, count);
    t->count += count;
    t->bytes[t->count] = '\0';
}

static void add(struct request_text *t, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(struct request_text *t, const char *format, ...)
{
    char line[512]; // Longer than any line made here: the longest holds an execution id.
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(0 <= n && (size_t)n < sizeof line);
    request_text_add(t, line, (size_t)n);
}

void request_text_trim(struct request_text *t)
{
    if (t->capacity <= KEPT_BYTES_MAX)
        return;
    free(t->bytes);
    *t = (struct request_text){0};
}

// --- The job's own headers -----------------------------------------------------------------------

static bool job_sets(const char *headers, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = headers; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, n) == 0 && line[n] == ':')
            return true;
    }
    return false;
}

static void add_job_headers(struct request_text *t, const char *headers)
{
    const char *line = headers ? headers : "";
    while (*line) {
        size_t n = strcspn(line, "\n");
        size_t kept = n;
        while (kept > 0 && strchr(" \t", line[kept - 1]))
            kept--; // Blanks at the end are no part of a value.
        if (kept > 0) {
            request_text_add(t, line, kept);
            request_text_add(t, "\r\n", 2);
        }
        line += n + (line[n] == '\n');
    }
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
// ids follow from the key: whoever knows the execution can find the trace. "Sampled" is set, since
// a target that records only what its caller records would otherwise never record us. All-zero ids
// are invalid there; the lowest bit is set so that they cannot occur.
static void add_traceparent(struct request_text *t, const struct request *r)
{
    uint64_t sum = join(join(join(0, r->key.job), r->key.scheduled_at), r->key.series);
    uint64_t trace_high = join(sum, 1);
    uint64_t trace_low = join(sum, 2) | 1;
    uint64_t span = join(join(sum, 3), r->attempt) | 1;
    add(t, "traceparent: 00-%016" PRIx64 "%016" PRIx64 "-%016" PRIx64 "-01\r\n", trace_high,
        trace_low, span);
}

static void add_identity(struct request_text *t, const struct request *r, wall_ms now)
{
    char id[EXECUTION_ID_BYTES];
    char scheduled_at[RFC3339_BYTES];
    execution_id_format(&r->key, id);
    wall_format(r->key.scheduled_at, scheduled_at);

    add(t, "Idempotency-Key: \"%s\"\r\nwebhook-id: %s\r\nwebhook-timestamp: %" PRId64 "\r\n", id,
        id, now / 1000);
    add(t, "Carillon-Job: %" PRId64 "\r\nCarillon-Scheduled-At: %s\r\n", r->key.job, scheduled_at);
    add(t, "Carillon-Attempt: %u\r\nCarillon-Fence: %" PRId64 "\r\n", r->attempt, r->fence);
    add_traceparent(t, r);
}

// --- The whole -----------------------------------------------------------------------------------

static void build_body(struct request_parts *parts, const struct request *r)
{
    parts->body.count = 0;
    // A body in a GET has no meaning of its own (RFC 9110, 9.3.1), so none is made up for it.
    parts->has_body = r->body || r->method != METHOD_GET;
    if (r->body) {
        request_text_add(&parts->body, r->body, strlen(r->body));
    } else if (parts->has_body) {
        char id[EXECUTION_ID_BYTES];
        char scheduled_at[RFC3339_BYTES];
        execution_id_format(&r->key, id);
        wall_format(r->key.scheduled_at, scheduled_at);
        add(&parts->body,
            "{\"job_id\":%" PRId64 ",\"execution_id\":\"%s\",\"scheduled_at\":\"%s\","
            "\"attempt\":%u}",
            r->key.job, id, scheduled_at, r->attempt);
    }
}

void request_build(struct request_parts *parts, const struct request *r, const char *version,
                   wall_ms now)
{
    build_body(parts, r);

    struct request_text *t = &parts->headers;
    t->count = 0;
    add_identity(t, r, now);
    if (!job_sets(r->headers, "User-Agent"))
        add(t, "User-Agent: Carillon/%.64s\r\n", version);
    if (parts->has_body && !job_sets(r->headers, "Content-Type"))
        add(t, "Content-Type: application/json\r\n");
    add_job_headers(t, r->headers);
}

void request_trim(struct request_parts *parts)
{
    request_text_trim(&parts->headers);
    request_text_trim(&parts->body);
}

void request_fini(struct request_parts *parts)
{
    free(parts->headers.bytes);
    free(parts->body.bytes);
    *parts = (struct request_parts){0};
}
