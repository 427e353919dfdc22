// SPDX-License-Identifier: MIT
// compose.c: head and body of a request as one piece of text, so that one write sends both.

#include "dispatch/wire/wire_priv.h"

#include <string.h>

bool call__compose(struct call *c, const struct request *r, const struct url *u)
{
    struct request_parts *parts = &c->owner->parts;
    struct request_text *t = &c->request;
    struct request_target to = {.origin = c->target->key + TARGET_ORIGIN,
                                .https = c->target->https};
    struct request_sender from = {c->owner->version, c->owner->secrets};
    struct fault f = {0};
    t->count = 0;
    if (request_build(parts, r, &to, &from, c->started_wall, &f)) {
        request_trim(parts);
        c->why = xstrdup(f.text);
        return false;
    }
    c->has_secrets = c->has_secrets || parts->has_secrets;
    request_text_say(t, job_method_name(r->method));
    request_text_say(t, " ");
    const char *target = r->api + u->target_at;
    request_text_say(t, *target == '/' ? "" : "/"); // "http://host?query" asks for "/?query".
    request_text_say(t, target);
    request_text_say(t, " HTTP/1.1\r\n");
    request_text_add(t, parts->headers.bytes, parts->headers.count);
    if (parts->has_length) {
        request_text_say(t, "Content-Length: ");
        request_text_number(t, (int64_t)parts->body.count);
        request_text_say(t, "\r\n");
    }
    request_text_say(t, "\r\n");
    request_text_add(t, parts->body.bytes, parts->body.count);
    request_trim(parts);
    return true;
}
