// SPDX-License-Identifier: MIT
// hops.c: from an answer to the request that it leads to.

#include "dispatch/hops_priv.h"

#include "base/origin.h"
#include "base/reference.h"
#include "base/url.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define RECORDED_URL_BYTES_MAX 500 // A URL in the record: ten of them must have room there.

// --- The job's headers ---------------------------------------------------------------------------

// Nobody can tell by its name whether a header is a secret. These are parts of the names of those
// that are, as far as is known.
static const char *const credentials[] = {"auth",   "cookie",     "token",  "key",
                                          "secret", "password",   "passwd", "session",
                                          "jwt",    "credential", "csrf",   "signature"};

static bool contains(const char *name, size_t bytes, const char *part)
{
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= bytes; i++)
        if (strncasecmp(name + i, part, n) == 0)
            return true;
    return false;
}

// What is sealed is a secret for certain.
static bool is_for_one_origin(const char *line, size_t bytes)
{
    size_t name = strcspn(line, ":\n");
    if (request_line_is_sealed(line, bytes) || (name == 4 && strncasecmp(line, "Host", 4) == 0))
        return true;
    for (size_t i = 0; i < COUNT_OF(credentials); i++)
        if (contains(line, name, credentials[i]))
            return true;
    return false;
}

// Content-Type and whatever else is said of a body.
static bool is_of_body(const char *line, size_t bytes)
{
    return bytes > 8 && strncasecmp(line, "Content-", 8) == 0;
}

// Takes out the lines that are such ones. `bytes` is without the end of the line.
static void drop_lines(char *headers, bool drops(const char *line, size_t bytes))
{
    char *at = headers;
    for (char *line = headers; line && *line;) {
        size_t bytes = strcspn(line, "\n");
        size_t whole = bytes + (line[bytes] == '\n');
        if (!drops(line, bytes)) {
            memmove(at, line, whole);
            at += whole;
        }
        line += whole;
    }
    if (at)
        *at = '\0';
}

// --- The record ----------------------------------------------------------------------------------

static void record(struct hops *h, unsigned status, const char *url)
{
    h->record_before = h->record.count;
    h->status = status;
    request_text_number(&h->record, status);
    request_text_say(&h->record, " ");
    request_text_add(&h->record, url, MIN(strlen(url), RECORDED_URL_BYTES_MAX));
    request_text_say(&h->record, "\n");
}

// --- Following -----------------------------------------------------------------------------------

static bool is_same_origin(const char *a, const char *b)
{
    char first[ORIGIN_BYTES], second[ORIGIN_BYTES];
    url_origin(a, first);
    url_origin(b, second);
    bool secure = strncasecmp(a, "https:", 6) == 0;
    return strcmp(first, second) == 0 && secure == (strncasecmp(b, "https:", 6) == 0);
}

// Whether something is missing that would lead elsewhere. Steps back (..) could make what is left a
// URL of a length that is allowed.
static bool is_cut(const struct request_text *location)
{
    return location->count >= LOCATION_BYTES_MAX && !memchr(location->bytes, '#', location->count);
}

// Blanks behind the value are no part of it, and those inside it can stand in no URL.
static char *resolve(const char *base, const struct request_text *location, struct fault *f)
{
    if (is_cut(location)) {
        fault_set(f, ERR_LIMIT, "it is longer than %d bytes", URL_BYTES_MAX);
        return NULL;
    }
    char *value = xstrdup(location->bytes);
    size_t bytes = location->count;
    while (bytes > 0 && strchr(" \t", value[bytes - 1]))
        value[--bytes] = '\0';
    char *whole = reference_resolve(base, value);
    char *url = NULL;
    if (url_accept(whole, &url, f))
        url = NULL;
    free(whole);
    free(value);
    return url;
}

// What is for one origin alone: there is nothing to be signed for another receiver, which could
// repeat it to the first, and nobody said that the job is to identify itself to it.
static void leave_secrets(struct request *r)
{
    drop_lines((char *)r->headers, is_for_one_origin);
    free((char *)r->signing);
    free((char *)r->tls_client_cert);
    free((char *)r->tls_client_key);
    r->signing = r->tls_client_cert = r->tls_client_key = NULL;
    free((char *)r->callback);
    r->callback = NULL;
    request_drop_bearer(r);
}

// A GET has no default body.
static void become_get(struct request *r)
{
    free((char *)r->body);
    r->body = NULL;
    r->body_is_json = false;
    r->method = r->method == METHOD_HEAD ? METHOD_HEAD : METHOD_GET;
    drop_lines((char *)r->headers, is_of_body);
}

bool hops_lead_on(const struct hops *h, unsigned status, const struct request_text *location)
{
    bool leads = (301 <= status && status <= 303) || status == 307 || status == 308;
    return h && leads && location->count > 0 && !h->refused.code;
}

bool hops_follow(struct hops *h, unsigned status, const struct request_text *location)
{
    struct request *r = &h->request;
    assert(h->taken <= r->redirects);
    if (h->taken == r->redirects) {
        fault_set(&h->refused, ERR_LIMIT, "%u redirect%s followed before", h->taken,
                  h->taken == 1 ? " was" : "s were");
        return false;
    }
    char *url = resolve(r->api, location, &h->refused);
    if (!url)
        return false;
    if (!is_same_origin(r->api, url))
        leave_secrets(r);
    if (status <= 303)
        become_get(r);
    free((char *)r->api);
    r->api = url;
    h->taken++;
    record(h, status, url);
    return true;
}

const char *hops_location(const struct hops *h, const struct request_text *location,
                          char out[static HOPS_LOCATION_BYTES])
{
    out[0] = '\0';
    if (location->count > 0)
        location_format(location->bytes, location->count, out);
    if (!*out)
        return NULL;
    size_t used = strlen(out);
    if (h && h->refused.code)
        snprintf(out + used, HOPS_LOCATION_BYTES - used, " (not followed: %s)", h->refused.text);
    return out;
}

void hops_step_back(struct hops *h, const char *why)
{
    assert(h->taken > 0);
    h->taken--;
    h->record.count = h->record_before;
    h->record.bytes[h->record.count] = '\0';
    fault_set(&h->refused, ERR_FORBIDDEN, "%s", why);
}

// --- Beginning and end ---------------------------------------------------------------------------

struct hops *hops_new(const struct request *r)
{
    if (r->redirects == 0)
        return NULL;
    struct hops *h = xcalloc(1, sizeof *h);
    struct request kept = *r;
    kept.success_body = kept.failure_body = NULL; // The attempt has these itself.
    request_copy(&h->request, &kept);
    return h;
}

void hops_free(struct hops *h)
{
    if (!h)
        return;
    request_copy_fini(&h->request);
    free(h->record.bytes);
    free(h);
}
