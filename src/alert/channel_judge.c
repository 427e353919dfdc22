// SPDX-License-Identifier: MIT
// channel_judge.c: what a provider's answer means.
//
// Most providers mean what the status says. Slack and those like it say "ok" in the body, Telegram
// {"ok":true}, and the old webhooks of Teams tell of a failure with status 200. How long to wait is
// in the header Retry-After, and also in the body of Telegram (parameters.retry_after) and Discord
// (retry_after), both in seconds. What the provider says is repeated, in a line of bounded length.

#include "alert/channel_priv.h"

#include <string.h>

#define REASON_BYTES_MAX 200

// Where providers put their words, the best place first.
static const char *const reasons[] = {"description", "error", "message", "errors"};

static const char *reason_in(const json_t *object)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        const json_t *value = json_object_get(object, reasons[i]);
        if (json_is_array(value))
            value = json_array_get(value, 0);
        if (json_string_length(value) > 0)
            return json_string_value(value);
    }
    return NULL;
}

static void say_error(enum channel_kind kind, int status, const char *reason,
                      char out[static CHANNEL_ERROR_BYTES])
{
    struct prose p;
    prose_init(&p, &prose_line, REASON_BYTES_MAX);
    prose_say(&p, reason);
    char *line = prose_take(&p);
    snprintf(out, CHANNEL_ERROR_BYTES, "%s answered %d%s%s",
             kind == CHANNEL_EMAIL ? "the mail server" : channel_kind_name(kind), status,
             *line ? ": " : "", line);
    free(line);
}

// --- Status --------------------------------------------------------------------------------------

static enum channel_verdict judge_http(int status)
{
    if (status >= 200 && status < 300)
        return CHANNEL_ARRIVED;
    bool is_for_now = status == 408 || status == 425 || status == 429 || status >= 500;
    return is_for_now ? CHANNEL_AGAIN : CHANNEL_REFUSED;
}

// RFC 5321, 4.2.1: 4yz is for now, 5yz for good.
static enum channel_verdict judge_smtp(int status)
{
    if (status >= 200 && status < 300)
        return CHANNEL_ARRIVED;
    return status >= 500 ? CHANNEL_REFUSED : CHANNEL_AGAIN;
}

// --- Body ----------------------------------------------------------------------------------------

static bool is_ok(const char *body)
{
    body += strspn(body, " \t\r\n\"");
    return strncmp(body, "ok", 2) == 0 && body[2 + strspn(body + 2, " \t\r\n\"")] == '\0';
}

// An answer 2xx: whether its body agrees.
static enum channel_verdict judge_body(enum channel_kind kind, const char *body, const json_t *json)
{
    bool failed_late = kind == CHANNEL_TEAMS && strstr(body, "Webhook message delivery failed");
    if (failed_late)
        return strstr(body, "429") ? CHANNEL_AGAIN : CHANNEL_REFUSED;
    bool is_good = true;
    if (kind == CHANNEL_SLACK)
        is_good = is_ok(body) || json_is_true(json_object_get(json, "success")) ||
                  json_is_true(json_object_get(json, "ok"));
    if (kind == CHANNEL_TELEGRAM)
        is_good = json_is_true(json_object_get(json, "ok")) || !json; // A long one may be cut.
    return is_good ? CHANNEL_ARRIVED : CHANNEL_REFUSED;
}

static dur_ms wait_in(enum channel_kind kind, const json_t *json)
{
    const json_t *at = kind == CHANNEL_TELEGRAM ? json_object_get(json, "parameters") : json;
    bool has_one = kind == CHANNEL_TELEGRAM || kind == CHANNEL_DISCORD;
    const json_t *seconds = has_one ? json_object_get(at, "retry_after") : NULL;
    double ms = json_number_value(seconds) * 1000;
    return (dur_ms)MIN(MAX(ms, 0), CHANNEL_RETRY_AFTER_MS_MAX);
}

static const char *reason_of(enum channel_kind kind, int status, const char *body,
                             const json_t *json)
{
    const char *reason = json ? reason_in(json) : body;
    bool is_no_hook = kind == CHANNEL_SLACK && status < 300 && (!reason || !*reason);
    return is_no_hook ? "its body is not \"ok\"" : reason;
}

enum channel_verdict channel_judge(enum channel_kind kind, int status, const char *body,
                                   dur_ms *retry_after_ms, char error[static CHANNEL_ERROR_BYTES])
{
    error[0] = '\0';
    if (status == 0)
        return CHANNEL_AGAIN;
    body = body ? body : "";
    json_t *json = json_loads(body, 0, NULL);
    enum channel_verdict verdict = kind == CHANNEL_EMAIL ? judge_smtp(status) : judge_http(status);
    if (verdict == CHANNEL_ARRIVED && kind != CHANNEL_EMAIL)
        verdict = judge_body(kind, body, json);
    *retry_after_ms = MIN(MAX(*retry_after_ms, wait_in(kind, json)), CHANNEL_RETRY_AFTER_MS_MAX);
    if (verdict != CHANNEL_ARRIVED)
        say_error(kind, status, reason_of(kind, status, body, json), error);
    json_decref(json);
    return verdict;
}
