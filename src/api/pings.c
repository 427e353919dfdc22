// SPDX-License-Identifier: MIT
// pings.c: the handlers of pings: what a monitored task tells of itself, at its heartbeat's
// address.
//
// Whoever knows the key of the address may ping; there is no token. The forms are those which
// clients of such services send: the address alone for a success, and behind it "/start", "/fail",
// "/log" or the exit status. A body is kept as a note. The answer comes when the ping is durable.

#include "api/api_priv.h"
#include "base/utf8.h"

#include <string.h>

#define UNKNOWN_TEXT "there is no heartbeat at this address"

// "0" to "255", as a shell says it.
static bool read_status(const char *text, uint32_t *out)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits])
        return false;
    *out = (uint32_t)strtoul(text, NULL, 10);
    return *out <= UINT8_MAX;
}

// False: the path says nothing that a ping can.
static bool read_word(const struct api_request *r, struct service_ping *out)
{
    const char *word = exchange_segments(r->exchange) > 2 ? exchange_segment(r->exchange, 2) : "";
    int kind = PING_SUCCESS;
    if (*word && !enum_find(&ping_kind_words, word, &kind)) {
        if (!read_status(word, &out->exit_status))
            return false;
        kind = out->exit_status ? PING_FAIL : PING_SUCCESS;
    }
    out->kind = (enum ping_kind)kind;
    return true;
}

static bool is_uuid(const char *text)
{
    for (size_t i = 0; i < RUN_BYTES_MAX; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !text[i] || !strchr("0123456789abcdefABCDEF", text[i]))
            return false;
    }
    return text[RUN_BYTES_MAX] == '\0';
}

static enum err read_run(const struct api_request *r, struct service_ping *out, struct problem *p)
{
    static const char *const names[] = {"rid", "run"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value;
        if (!exchange_parameter(r->exchange, names[i], &value))
            continue;
        if (!is_uuid(value))
            return refuse(p, ERR_SYNTAX, REFUSED_PARAMETER, names[i], "%s must be a UUID",
                          names[i]);
        out->run = value;
    }
    return ERR_OK;
}

// As much of the body as is text and may be kept. NULL: there is none.
static char *read_note(const struct api_request *r, size_t bytes_max)
{
    size_t bytes;
    const char *body = exchange_body(r->exchange, &bytes);
    bytes = utf8_span(body, MIN(bytes, bytes_max));
    const char *nul = bytes ? memchr(body, '\0', bytes) : NULL;
    bytes = nul ? (size_t)(nul - body) : bytes;
    if (bytes == 0)
        return NULL;
    char *note = xmalloc(bytes + 1);
    memcpy(note, body, bytes);
    note[bytes] = '\0';
    return note;
}

static void answer_pinged(struct api_request *r, const struct service_result *result)
{
    (void)result;
    answer_static(r, 200, "text/plain; charset=utf-8", "OK", 2);
}

// Who guesses keys is soon told to wait.
static enum err refuse_unknown(struct api_request *r, struct problem *p)
{
    unsigned retry_after_s;
    if (access_fail(r->api->access, exchange_peer(r->exchange), &retry_after_s))
        return refuse(p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL, UNKNOWN_TEXT);
    p->retry_after_s = retry_after_s;
    return refuse(p, ERR_LIMIT, REFUSED_FAILING, NULL,
                  "too many requests from this address named no heartbeat, or had no valid token; "
                  "wait");
}

static enum err find_job(struct api_request *r, struct job **out, struct problem *p)
{
    const char *key = exchange_segment(r->exchange, 1);
    if (!service_is_ping_key(key))
        return ERR_NOT_FOUND;
    return service_get_job_by_ping_key(r->api->service, key, out, &p->what);
}

enum err handle_ping(struct api_request *r, struct problem *p)
{
    struct job *j;
    struct service_ping ping = {0};
    r->access.address = exchange_peer(r->exchange);
    enum err err = request_check_rate(r, p);
    if (!err && !read_word(r, &ping))
        return refuse(p, ERR_NOT_FOUND, REFUSED_NOT_FOUND, NULL,
                      "a ping ends in nothing, /start, /fail, /log, or an exit status from 0 to "
                      "255");
    if (!err)
        err = read_run(r, &ping, p);
    if (err)
        return err;
    err = find_job(r, &j, p);
    if (err)
        return err == ERR_NOT_FOUND ? refuse_unknown(r, p) : err;
    ping.note = read_note(r, j->response_excerpt_bytes);
    ping.job = j->id;
    job_free(j);
    r->succeed = answer_pinged;
    return service_ping(r->api->service, &r->actor, &ping, change_done, r, &p->what);
}
