// SPDX-License-Identifier: MIT
// compose.c: head and body of a request as one piece of text, so that one write sends both.

#include "dispatch/wire/wire_priv.h"

#include <stdio.h>
#include <string.h>

static void add(struct request_text *t, const char *text)
{
    request_text_add(t, text, strlen(text));
}

// The port is left out where the scheme implies it (RFC 9110, 7.2).
static void add_host(struct request_text *t, const struct target *target)
{
    const char *origin = target->key + TARGET_ORIGIN;
    bool usual = target->port == (target->https ? 443 : 80);
    size_t bytes = usual ? (size_t)(strrchr(origin, ':') - origin) : strlen(origin);
    add(t, "Host: ");
    request_text_add(t, origin, bytes);
    add(t, "\r\n");
}

void call__compose(struct call *c, const struct request *r, const struct url *u)
{
    struct request_parts *parts = &c->owner->parts;
    struct request_text *t = &c->request;
    request_build(parts, r, c->owner->version, c->started_wall);

    t->count = 0;
    add(t, job_method_name(r->method));
    add(t, " ");
    add(t, u->target);
    add(t, " HTTP/1.1\r\n");
    add_host(t, c->target);
    request_text_add(t, parts->headers.bytes, parts->headers.count);
    if (parts->has_body) {
        char length[48];
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", parts->body.count);
        add(t, length);
    }
    add(t, "\r\n");
    request_text_add(t, parts->body.bytes, parts->body.count);
    request_trim(parts);
}
