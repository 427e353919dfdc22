// SPDX-License-Identifier: MIT
// fake_exchange.c: the functions of an exchange, over a struct that the test fills in.

#include "fake_exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *exchange_method(const struct exchange *x)
{
    return x->method;
}

const char *exchange_target(const struct exchange *x)
{
    return x->target;
}

enum server_door exchange_door(const struct exchange *x)
{
    return x->door;
}

bool exchange_is_tls(const struct exchange *x)
{
    return x->is_tls;
}

size_t exchange_segments(const struct exchange *x)
{
    size_t count = 0;
    while (count < FAKE_MAX && x->segments[count])
        count++;
    return count;
}

const char *exchange_segment(const struct exchange *x, size_t index)
{
    return x->segments[index];
}

size_t exchange_parameters(const struct exchange *x)
{
    size_t count = 0;
    while (count < FAKE_MAX && x->parameters[count].name)
        count++;
    return count;
}

const char *exchange_parameter_name(const struct exchange *x, size_t index)
{
    return x->parameters[index].name;
}

const char *exchange_parameter_value(const struct exchange *x, size_t index)
{
    return x->parameters[index].value;
}

size_t exchange_parameter(const struct exchange *x, const char *name, const char **value)
{
    size_t count = 0;
    for (size_t i = 0; i < exchange_parameters(x); i++) {
        if (strcmp(x->parameters[i].name, name) == 0 && count++ == 0)
            *value = x->parameters[i].value;
    }
    return count;
}

const char *exchange_header(struct exchange *x, const char *name)
{
    for (size_t i = 0; i < FAKE_MAX && x->headers[i].name; i++) {
        if (strcasecmp(x->headers[i].name, name) == 0)
            return x->headers[i].value;
    }
    return NULL;
}

const char *exchange_body(const struct exchange *x, size_t *bytes)
{
    const char *body = x->body ? x->body : "";
    *bytes = strlen(body);
    return body;
}

const char *exchange_request_id(const struct exchange *x)
{
    (void)x;
    return "request-1";
}

const char *exchange_peer(const struct exchange *x)
{
    return x->peer ? x->peer : "127.0.0.1";
}

void exchange_add_header(struct exchange *x, const char *name, const char *value)
{
    strcat(x->answer_headers, name);
    strcat(x->answer_headers, ": ");
    strcat(x->answer_headers, value);
    strcat(x->answer_headers, "\n");
}

void exchange_answer(struct exchange *x, unsigned status, const char *content_type, char *body,
                     size_t bytes)
{
    (void)bytes;
    strcpy(x->content_type, content_type ? content_type : "");
    x->answer = body;
    __atomic_store_n(&x->status, status, __ATOMIC_RELEASE); // Perhaps on another thread.
}

void exchange_answer_static(struct exchange *x, unsigned status, const char *content_type,
                            const char *body, size_t bytes)
{
    exchange_answer(x, status, content_type, strndup(body, bytes), bytes);
}

// --- Streaming: what is written is the answer ----------------------------------------------------

void exchange_stream_begin(struct exchange *x, unsigned status, const char *content_type,
                           const struct exchange_stream_calls *calls)
{
    (void)calls;
    x->status = status;
    strcpy(x->content_type, content_type);
    x->answer = strdup("");
}

enum err exchange_stream_write(struct exchange *x, const char *bytes, size_t n)
{
    size_t had = strlen(x->answer);
    char *longer = malloc(had + n + 1);
    memcpy(longer, x->answer, had);
    memcpy(longer + had, bytes, n);
    longer[had + n] = '\0';
    free(x->answer);
    x->answer = longer;
    return ERR_OK;
}

void exchange_stream_end(struct exchange *x)
{
    (void)x;
}
