// SPDX-License-Identifier: MIT
// server_exchange.c: one request and its answer, as the handler sees them.
//
// The exchange is a part of its connection and is used for one request after the other. While it
// is lent, the connection's thread leaves it alone. An answer that is given inside of the handler,
// on the connection's own thread, is only noted, and sent when the handler returns; any other comes
// back through the thread's mail.

#include "api/server_inside_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// --- The request, as it arrives ------------------------------------------------------------------

// How much memory a body of `needed` bytes gets that has `capacity` so far: what it announced, or
// twice as much as before.
static size_t body_room(const struct exchange *x, size_t needed)
{
    const struct guard *g = &x->client->guard;
    size_t announced = (size_t)g->head.content_length + 1;
    size_t body_bytes_max = x->client->thread->server->options.body_bytes_max;
    size_t room = MAX(needed, MIN(2 * x->body_capacity, body_bytes_max + 1));
    if (!g->head.chunked && (announced <= SERVER_SMALL_BYTES || room > announced))
        room = announced;
    return room;
}

// What goes beyond the small bytes that every connection may have comes out of the budget.
static bool take_body_memory(struct exchange *x, size_t room)
{
    size_t wanted = room > SERVER_SMALL_BYTES ? room - SERVER_SMALL_BYTES : 0;
    struct server *s = x->client->thread->server;
    struct host *host = x->client->host;
    if (wanted <= x->body_budget_bytes)
        return true;
    if (!budget_take(&s->bodies, host ? &host->bodies : NULL, wanted - x->body_budget_bytes))
        return false;
    x->body_budget_bytes = wanted;
    return true;
}

bool exchange__append_body(struct exchange *x, const char *bytes, size_t n, unsigned *status,
                           const char **detail)
{
    size_t needed = x->body_bytes + n + 1; // A byte more for the NUL.
    if (needed - 1 > x->client->thread->server->options.body_bytes_max) {
        *status = 413;
        *detail = "the body is too long";
        return false;
    }
    if (needed > x->body_capacity) {
        size_t room = body_room(x, needed);
        if (!take_body_memory(x, room)) {
            *status = 503;
            *detail = "too many long requests are arriving at the same time";
            return false;
        }
        x->body = xrealloc(x->body, room);
        x->body_capacity = room;
    }
    memcpy(x->body + x->body_bytes, bytes, n);
    x->body_bytes += n;
    x->body[x->body_bytes] = '\0';
    return true;
}

static bool is_safe_request_id(const char *id)
{
    size_t bytes = strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._");
    return 1 <= bytes && bytes <= SERVER_REQUEST_ID_BYTES_MAX && id[bytes] == '\0';
}

static void choose_request_id(struct exchange *x)
{
    const char *given = exchange_header(x, "X-Request-Id");
    if (given && is_safe_request_id(given))
        strcpy(x->request_id, given);
    else
        server__request_id(x->client->thread->server, x->request_id);
}

bool exchange__complete(struct exchange *x, const char **detail)
{
    const char *method = guard_method(&x->client->guard);
    x->method = strcmp(method, "HEAD") == 0 ? "GET" : method;
    choose_request_id(x);
    return target_parse(exchange_target(x), &x->arena, &x->target, detail);
}

void exchange__reset(struct exchange *x)
{
    struct server *s = x->client->thread->server;
    struct host *host = x->client->host;
    budget_give(&s->bodies, host ? &host->bodies : NULL, x->body_budget_bytes);
    budget_give(&s->answers, host ? &host->answers : NULL, x->answer.budget_bytes);
    stream__free(x->stream);
    free(x->body);
    free(x->answer.owned);
    arena_clear(&x->arena);
    *x = (struct exchange){.mail.kind = MAIL_EXCHANGE, .client = x->client};
}

// --- The request, for the handler ----------------------------------------------------------------

const char *exchange_method(const struct exchange *x)
{
    return x->method;
}

const char *exchange_target(const struct exchange *x)
{
    return guard_target(&x->client->guard);
}

size_t exchange_segments(const struct exchange *x)
{
    return x->target.segments_count;
}

const char *exchange_segment(const struct exchange *x, size_t index)
{
    assert(index < x->target.segments_count);
    return x->target.segments[index];
}

size_t exchange_parameters(const struct exchange *x)
{
    return x->target.parameters_count;
}

const char *exchange_parameter_name(const struct exchange *x, size_t index)
{
    assert(index < x->target.parameters_count);
    return x->target.parameters[index].name;
}

const char *exchange_parameter_value(const struct exchange *x, size_t index)
{
    assert(index < x->target.parameters_count);
    return x->target.parameters[index].value;
}

size_t exchange_parameter(const struct exchange *x, const char *name, const char **value)
{
    size_t found = 0;
    *value = NULL;
    for (size_t i = 0; i < x->target.parameters_count; i++)
        if (strcmp(x->target.parameters[i].name, name) == 0 && found++ == 0)
            *value = x->target.parameters[i].value;
    return found;
}

static const char *join(struct arena *a, const char *before, const char *value)
{
    size_t capacity = strlen(before) + strlen(", ") + strlen(value) + 1;
    char *joined = arena_alloc(a, capacity);
    snprintf(joined, capacity, "%s, %s", before, value);
    return joined;
}

const char *exchange_header(struct exchange *x, const char *name)
{
    const struct guard *g = &x->client->guard;
    const char *found = NULL;
    for (size_t i = 0; i < g->headers_count; i++) {
        if (strcasecmp(guard_header_name(g, i), name) != 0)
            continue;
        const char *value = guard_header_value(g, i);
        found = found ? join(&x->arena, found, value) : value;
    }
    return found;
}

const char *exchange_body(const struct exchange *x, size_t *bytes)
{
    *bytes = x->body_bytes;
    return x->body ? x->body : "";
}

const char *exchange_request_id(const struct exchange *x)
{
    return x->request_id;
}

enum server_door exchange_door(const struct exchange *x)
{
    return x->client->door;
}

const char *exchange_peer(const struct exchange *x)
{
    return x->client->peer;
}

const char *exchange_caller(const struct exchange *x)
{
    return x->client->caller ? x->client->caller : x->client->peer;
}

bool exchange_is_tls(const struct exchange *x)
{
    return x->client->door == DOOR_MAIN && x->client->thread->server->tls;
}

const char *exchange_local(const struct exchange *x)
{
    return x->client->local;
}

uint16_t exchange_local_port(const struct exchange *x)
{
    return x->client->local_port;
}

void exchange_attach(struct exchange *x, void *attachment)
{
    x->attachment = attachment;
}

void *exchange_attachment(const struct exchange *x)
{
    return x->attachment;
}

// --- The answer ----------------------------------------------------------------------------------

// A control character in a header would be a mistake of our own.
static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

void exchange_add_header(struct exchange *x, const char *name, const char *value)
{
    assert(*name && is_clean(name) && is_clean(value));
    struct answer_header *header = arena_alloc(&x->arena, sizeof *header);
    *header = (struct answer_header){
        .name = arena_text(&x->arena, name),
        .value = arena_text(&x->arena, value),
    };
    struct answer_header **end = &x->answer.headers;
    while (*end)
        end = &(*end)->next;
    *end = header;
}

void exchange__hand_back(struct exchange *x)
{
    struct server_thread *t = x->client->thread;
    if (server_thread__is_current(t) && t->handling == x) {
        x->answered = true;
        return;
    }
    enum err err = mailbox_post_always(t->mailbox, &x->mail.mail);
    assert(!err); // The thread's mailbox is open as long as an exchange is lent.
    (void)err;
}

static void set_answer(struct exchange *x, unsigned status, const char *content_type,
                       const char *body, size_t bytes)
{
    assert(100 < status && status < 1000 && x->answer.status == 0);
    assert(!content_type || is_clean(content_type));
    x->answer.status = status;
    x->answer.content_type = arena_text(&x->arena, content_type);
    x->answer.body = body;
    x->answer.body_bytes = bytes;
}

void exchange_answer(struct exchange *x, unsigned status, const char *content_type, char *body,
                     size_t bytes)
{
    set_answer(x, status, content_type, body, bytes);
    x->answer.owned = body;
    exchange__hand_back(x);
}

void exchange_answer_static(struct exchange *x, unsigned status, const char *content_type,
                            const char *body, size_t bytes)
{
    set_answer(x, status, content_type, body, bytes);
    exchange__hand_back(x);
}

void exchange__refuse(struct exchange *x, unsigned status, const char *detail)
{
    struct server *s = x->client->thread->server;
    if (x->request_id[0] == '\0')
        server__request_id(s, x->request_id);
    bool draining = status == 503 && atomic_load(&s->draining);
    struct refusal r = {status, draining, detail, x->request_id};
    size_t bytes;
    const char *content_type;
    char *body = server__refusal_body(s, &r, &bytes, &content_type);
    if (status == 503)
        exchange_add_header(x, "Retry-After", "1");
    set_answer(x, status, content_type, body, bytes);
    x->answer.owned = body;
    x->answered = true;
}
