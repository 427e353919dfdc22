// SPDX-License-Identifier: MIT
// server_request.c: what arrives: the guard's events, bodies, and the handler's call.

#include "api/server_inside_priv.h"

#include <assert.h>
#include <string.h>

// --- Refusals ------------------------------------------------------------------------------------

void request__refuse(struct client *c, unsigned status, const char *detail)
{
    c->closes = true;
    client__move(c, CLIENT_HANDLED);
    exchange__refuse(&c->exchange, status, detail);
    answer__send(c);
}

// What is not asked for on the reserved paths must not take memory from those that are.
static bool is_reserved(const struct client *c)
{
    const struct server_options *o = &c->thread->server->options;
    return target_has_path(guard_target(&c->guard), o->reserved_paths);
}

// --- The head ------------------------------------------------------------------------------------

// The client waits for permission to send its body.
static void permit_body(struct client *c)
{
    static char permission[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec part = {permission, strlen(permission)};
    if (transport_write(&c->transport, &part, 1) != (ssize_t)part.iov_len)
        client__close(c);
}

static void head_came(struct client *c, bool more)
{
    const struct guard_head *head = &c->guard.head;
    c->closes = head->http_1_0 || head->wants_close || !c->host;
    if (!c->host && !is_reserved(c)) {
        request__refuse(c, 503, "too many connections are open");
        return;
    }
    if (!head->chunked && head->content_length == 0)
        return;
    client__move(c, CLIENT_BODY);
    if (head->wants_continue && !head->http_1_0 && !more)
        permit_body(c);
}

// --- The body and the end ------------------------------------------------------------------------

static void piece_came(struct client *c)
{
    unsigned status;
    const char *detail;
    const struct guard *g = &c->guard;
    if (!exchange__append_body(&c->exchange, g->piece, g->piece_bytes, &status, &detail))
        request__refuse(c, status, detail);
}

static void lend(struct client *c)
{
    struct server_thread *t = c->thread;
    struct exchange *x = &c->exchange;
    x->lent = true;
    t->lent++;
    t->handling = x;
    t->server->handler(t->server->context, x);
    t->handling = NULL;
}

void request__handle(struct client *c)
{
    struct server *s = c->thread->server;
    struct exchange *x = &c->exchange;
    const char *detail;
    client__move(c, CLIENT_HANDLED);
    if (!exchange__complete(x, &detail))
        exchange__refuse(x, 400, detail);
    else if (atomic_load_explicit(&s->draining, memory_order_relaxed))
        exchange__refuse(x, 503, "the server is shutting down");
    else if (budget_is_used_up(&s->answers) && !is_reserved(c))
        exchange__refuse(x, 503, "too many long answers are under way");
    else
        lend(c);
    if (x->answered && x->stream)
        stream__mail(c);
    else if (x->answered)
        answer__send(c);
}

// What is reserved does not wait for what others have asked for.
static void request_came(struct client *c)
{
    const struct guard_head *head = &c->guard.head;
    assert(head->chunked || c->exchange.body_bytes == head->content_length);
    client__move(c, CLIENT_READY);
    if (is_reserved(c))
        request__handle(c);
}

// --- Everything together -------------------------------------------------------------------------

// The connection's state follows whether a request has begun.
static void note_begin(struct client *c)
{
    bool midway = guard_midway(&c->guard);
    if (c->state == CLIENT_IDLE && midway)
        client__move(c, CLIENT_HEAD);
    else if (c->state == CLIENT_HEAD && !midway)
        client__move(c, CLIENT_IDLE);
}

size_t request__take(struct client *c, const char *bytes, size_t n)
{
    const char *at = bytes;
    const char *end = bytes + n;
    enum guard_event event = GUARD_PIECE;
    while (client__is_reading(c) && event != GUARD_MORE) {
        event = guard_read(&c->guard, &at, end);
        if (event != GUARD_END)
            note_begin(c);
        if (event == GUARD_HEAD)
            head_came(c, at < end);
        else if (event == GUARD_PIECE)
            piece_came(c);
        else if (event == GUARD_END)
            request_came(c);
        else if (event == GUARD_REFUSED)
            request__refuse(c, c->guard.refusal.status, c->guard.refusal.detail);
    }
    return (size_t)(at - bytes);
}
