// SPDX-License-Identifier: MIT
// server_exchange.c: one request and its answer.
//
// An exchange belongs to the library's connection, which makes and frees it on its own thread. In
// between it is lent to the handler until exchange_answer. An answer that comes while the handler
// still runs is sent when the handler returns; a later one wakes the sleeping connection.

#include "api/server_exchange_priv.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct exchange *exchange_new(struct server *s, struct MHD_Connection *c, const char *target)
{
    struct exchange *x = xcalloc(1, sizeof *x);
    x->server = s;
    x->connection = c;
    x->target_text = xstrdup(target);
    return x;
}

void exchange_free(struct exchange *x)
{
    if (!x)
        return;
    if (x->response)
        MHD_destroy_response(x->response);
    arena_clear(&x->arena);
    free(x->target_text);
    free(x->body);
    free(x);
}

// The guard bounds the length of a body.
void exchange_append_body(struct exchange *x, const char *bytes, size_t n)
{
    size_t needed = x->body_bytes + n + 1;
    if (needed > x->body_capacity) {
        x->body_capacity = MAX(needed, 2 * x->body_capacity);
        x->body = xrealloc(x->body, x->body_capacity);
    }
    memcpy(x->body + x->body_bytes, bytes, n);
    x->body_bytes += n;
    x->body[x->body_bytes] = '\0';
}

// --- The request, once it is complete ------------------------------------------------------------

static bool is_safe_request_id(const char *id)
{
    size_t bytes = strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._");
    return 1 <= bytes && bytes <= SERVER_REQUEST_ID_BYTES_MAX && id[bytes] == '\0';
}

static void choose_request_id(struct exchange *x)
{
    const char *given = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "X-Request-Id");
    if (given && is_safe_request_id(given))
        strcpy(x->request_id, given);
    else
        server__request_id(x->server, x->request_id);
}

static void find_peer(struct exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, x->peer,
                  sizeof x->peer);
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, x->peer,
                  sizeof x->peer);
}

bool exchange_complete(struct exchange *x, const char *method, const char **detail)
{
    const char *seen_as = strcmp(method, "HEAD") == 0 ? "GET" : method;
    assert(strlen(seen_as) < sizeof x->method); // The guard has measured it.
    strcpy(x->method, seen_as);
    choose_request_id(x);
    find_peer(x);
    return target_parse(x->target_text, &x->arena, &x->target, detail);
}

const char *exchange_method(const struct exchange *x)
{
    return x->method;
}

const char *exchange_target(const struct exchange *x)
{
    return x->target_text;
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

const char *exchange_body(const struct exchange *x, size_t *bytes)
{
    *bytes = x->body_bytes;
    return x->body ? x->body : "";
}

const char *exchange_request_id(const struct exchange *x)
{
    return x->request_id;
}

const char *exchange_peer(const struct exchange *x)
{
    return x->peer;
}

void exchange_attach(struct exchange *x, void *attachment)
{
    x->attachment = attachment;
}

void *exchange_attachment(const struct exchange *x)
{
    return x->attachment;
}

// --- Headers of the request ----------------------------------------------------------------------

struct header_search {
    struct arena *arena;
    const char *name;
    char *joined;
};

// Some versions of the library leave white space at a value's end.
static size_t trimmed_length(const char *value)
{
    size_t length = strlen(value);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
        length--;
    return length;
}

static enum MHD_Result join_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct header_search *search = cls;
    (void)kind;
    if (strcasecmp(name, search->name) != 0)
        return MHD_YES;
    const char *before = search->joined ? search->joined : "";
    const char *between = search->joined ? ", " : "";
    int length = value ? (int)trimmed_length(value) : 0;
    size_t capacity = strlen(before) + strlen(between) + (size_t)length + 1;
    char *joined = arena_alloc(search->arena, capacity);
    snprintf(joined, capacity, "%s%s%.*s", before, between, length, value ? value : "");
    search->joined = joined;
    return MHD_YES;
}

const char *exchange_header(struct exchange *x, const char *name)
{
    struct header_search search = {&x->arena, name, NULL};
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, join_header, &search);
    return search.joined;
}

// --- The answer ----------------------------------------------------------------------------------

void exchange_add_header(struct exchange *x, const char *name, const char *value)
{
    struct answer_header *header = arena_alloc(&x->arena, sizeof *header);
    *header = (struct answer_header){
        .name = arena_text(&x->arena, name),
        .value = arena_text(&x->arena, value),
    };
    struct answer_header **end = &x->headers;
    while (*end)
        end = &(*end)->next;
    *end = header;
}

// The library refuses a header whose name or value would break the head: that is our own mistake.
static void put_header(struct MHD_Response *response, const char *name, const char *value)
{
    enum MHD_Result added = MHD_add_response_header(response, name, value);
    assert(added == MHD_YES);
    (void)added;
}

void exchange_answer(struct exchange *x, unsigned status, const char *content_type, char *body,
                     size_t bytes)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(bytes, body, MHD_RESPMEM_MUST_FREE);
    assert(response);
    if (content_type)
        put_header(response, "Content-Type", content_type);
    put_header(response, "X-Request-Id", x->request_id);
    for (const struct answer_header *h = x->headers; h; h = h->next)
        put_header(response, h->name, h->value);
    x->response = response;
    x->status = status;

    // As soon as the state says ANSWERED the exchange may be gone, unless its connection sleeps.
    struct MHD_Connection *connection = x->connection;
    enum exchange_state before = atomic_exchange(&x->state, EXCHANGE_ANSWERED);
    assert(before != EXCHANGE_ANSWERED);
    if (before == EXCHANGE_WAITING)
        MHD_resume_connection(connection);
}

void exchange_refuse(struct exchange *x, unsigned status, const char *detail)
{
    struct refusal r = {status, detail, x->request_id};
    size_t bytes;
    const char *content_type;
    char *body = server__refusal_body(x->server, &r, &bytes, &content_type);
    exchange_answer(x, status, content_type, body, bytes);
}
