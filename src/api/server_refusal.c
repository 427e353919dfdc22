// SPDX-License-Identifier: MIT
// server_refusal.c: what a client is told when its request never gets to the handler.

#include "api/server_inside_priv.h"

#include <stdio.h>
#include <string.h>

static void put_hex(char *out, uint32_t number)
{
    for (int i = 7; i >= 0; i--, number >>= 4)
        out[i] = "0123456789abcdef"[number & 15];
}

// Unique within this process by the number, and in practice among processes by the prefix.
void server__request_id(struct server *s, char out[static SERVER_REQUEST_ID_BYTES_MAX + 1])
{
    uint32_t number = atomic_fetch_add_explicit(&s->id_next, 1, memory_order_relaxed);
    put_hex(out, s->id_prefix);
    out[8] = '-';
    put_hex(out + 9, number);
    out[17] = '\0';
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
