// SPDX-License-Identifier: MIT
// server_refusal.c: what a client is told when its request never becomes an exchange.

#include "api/server_exchange_priv.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

// Unique within this process by the number, and in practice among processes by the prefix.
void server__request_id(struct server *s, char out[static SERVER_REQUEST_ID_BYTES_MAX + 1])
{
    unsigned number = atomic_fetch_add_explicit(&s->id_next, 1, memory_order_relaxed);
    snprintf(out, SERVER_REQUEST_ID_BYTES_MAX + 1, "%08x-%08x", (unsigned)s->id_prefix, number);
}

static char *plain_body(const struct refusal *r, size_t *bytes)
{
    size_t capacity = strlen(r->detail) + 2;
    char *text = xmalloc(capacity);
    *bytes = (size_t)snprintf(text, capacity, "%s\n", r->detail);
    return text;
}

char *server__refusal_body(struct server *s, const struct refusal *r, size_t *bytes,
                           const char **content_type)
{
    if (!s->options.error_body) {
        *content_type = "text/plain; charset=utf-8";
        return plain_body(r, bytes);
    }
    *content_type = s->options.error_type;
    return s->options.error_body(s->context, r, bytes);
}

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {400, "Bad Request"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {431, "Request Header Fields Too Large"},
    };
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Refused";
}

// "Tue, 24 Nov 2026 05:27:00 GMT". The names are fixed, not the locale's.
static void format_date(char *out, size_t capacity)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    snprintf(out, capacity, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[utc.tm_wday], utc.tm_mday,
             months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

char *server__refusal_answer(void *context, const struct guard_refusal *guard_refusal,
                             size_t *bytes)
{
    struct server *s = context;
    char id[SERVER_REQUEST_ID_BYTES_MAX + 1];
    server__request_id(s, id);
    struct refusal r = {guard_refusal->status, guard_refusal->detail, id};
    size_t body_bytes;
    const char *content_type;
    char *body = server__refusal_body(s, &r, &body_bytes, &content_type);

    char date[64];
    format_date(date, sizeof date);
    size_t capacity = 512 + strlen(content_type) + body_bytes;
    char *answer = xmalloc(capacity);
    int head = snprintf(answer, capacity,
                        "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: close\r\nX-Request-Id: %s\r\n"
                        "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                        r.status, reason(r.status), date, id, content_type, body_bytes);
    memcpy(answer + head, body, body_bytes);
    *bytes = (size_t)head + body_bytes;
    free(body);
    return answer;
}
