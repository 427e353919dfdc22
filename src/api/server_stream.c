// SPDX-License-Identifier: MIT
// server_stream.c: answers that are written piece by piece.
//
// The owner of the exchange writes into a buffer, from any thread; the connection's thread takes
// the whole buffer at once and sends it as one chunk, and meanwhile the next one fills up. The lock
// is held for as long as it takes to copy. The bound counts what is in the buffer and what was
// taken and is not sent. At most one mail at a time is under way for a stream.

#include "api/server_inside_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

struct stream {
    pthread_mutex_t lock;
    struct exchange_stream_calls calls;
    size_t bytes_max;
    char *bytes; // Written and not taken.
    size_t count;
    size_t capacity;
    size_t under_way; // Taken and not sent.
    bool posted;      // The connection's thread will look at the stream.
    bool starved;     // The owner waits for room.
    bool gone;        // The client.
    bool told;        // The owner was told to end it.
    bool ended;
};

// --- The owner's side ----------------------------------------------------------------------------

void exchange_stream_begin(struct exchange *x, unsigned status, const char *content_type,
                           const struct exchange_stream_calls *calls)
{
    assert(!x->stream && x->answer.status == 0);
    struct stream *s = xcalloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    s->calls = *calls;
    s->bytes_max = x->client->thread->server->options.stream_bytes_max;
    s->posted = true;
    x->answer.status = status;
    x->answer.content_type = arena_text(&x->arena, content_type);
    x->stream = s;
    exchange__hand_back(x);
}

// The lock is held.
static void post(struct exchange *x)
{
    if (x->stream->posted)
        return;
    x->stream->posted = true;
    exchange__hand_back(x);
}

// The lock is held.
static enum err append(struct stream *s, const char *bytes, size_t n)
{
    if (s->gone)
        return ERR_CLOSED;
    if (n > s->bytes_max - MIN(s->bytes_max, s->count + s->under_way)) {
        s->starved = true;
        return ERR_LIMIT;
    }
    if (s->count + n > s->capacity) {
        s->capacity = MAX(s->count + n, MIN(2 * s->capacity, s->bytes_max));
        s->bytes = xrealloc(s->bytes, s->capacity);
    }
    memcpy(s->bytes + s->count, bytes, n);
    s->count += n;
    return ERR_OK;
}

enum err exchange_stream_write(struct exchange *x, const char *bytes, size_t n)
{
    struct stream *s = x->stream;
    assert(n <= s->bytes_max);
    if (n == 0)
        return ERR_OK;
    pthread_mutex_lock(&s->lock);
    assert(!s->ended);
    enum err err = append(s, bytes, n);
    if (!err)
        post(x);
    pthread_mutex_unlock(&s->lock);
    return err;
}

void exchange_stream_end(struct exchange *x)
{
    struct stream *s = x->stream;
    pthread_mutex_lock(&s->lock);
    assert(!s->ended);
    s->ended = true;
    s->starved = false; // Nobody waits any more.
    post(x);
    pthread_mutex_unlock(&s->lock);
}

// --- The connection's side -----------------------------------------------------------------------

void stream__free(struct stream *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    free(s->bytes);
    free(s);
}

// The lock is held.
static void tell_over(struct stream *s)
{
    if (s->told || s->ended)
        return;
    s->told = true;
    s->calls.over(s->calls.context);
}

bool stream__lost(struct client *c)
{
    struct stream *s = c->exchange.stream;
    pthread_mutex_lock(&s->lock);
    s->gone = true;
    s->count = 0;
    tell_over(s);
    bool comes_back = !s->ended || s->posted;
    pthread_mutex_unlock(&s->lock);
    return comes_back;
}

void stream__drain(struct client *c)
{
    struct stream *s = c->exchange.stream;
    pthread_mutex_lock(&s->lock);
    tell_over(s);
    pthread_mutex_unlock(&s->lock);
}

// What was written since the last time, as one chunk. HTTP/1.0 knows none: there the end of the
// connection is the end of the answer.
static void take(struct client *c, struct stream *s)
{
    struct output *o = &c->output;
    bool chunked = !c->guard.head.http_1_0;
    assert(o->count == 0);
    if (!answer__is_to_head(c)) {
        int size_bytes = snprintf(o->chunk_size, sizeof o->chunk_size, "%zx\r\n", s->count);
        o->owned = s->bytes;
        o->parts[0] = (struct iovec){o->chunk_size, chunked ? (size_t)size_bytes : 0};
        o->parts[1] = (struct iovec){s->bytes, s->count};
        o->parts[2] = (struct iovec){(char *)(uintptr_t) "\r\n", chunked ? 2 : 0};
        o->count = 3;
        s->under_way = s->count;
    } else {
        free(s->bytes);
    }
    s->bytes = NULL;
    s->count = s->capacity = 0;
}

static void take_end(struct client *c)
{
    struct output *o = &c->output;
    if (answer__is_to_head(c) || c->guard.head.http_1_0)
        return;
    o->parts[0] = (struct iovec){(char *)(uintptr_t) "0\r\n\r\n", 5};
    o->count = 1;
}

// Prepares what is to be written next. False: there is nothing for now. A stream that has ended is
// not over while its mail is under way, which would find another exchange, or none.
static bool prepare(struct client *c)
{
    struct stream *s = c->exchange.stream;
    pthread_mutex_lock(&s->lock);
    s->under_way = 0;
    bool ended = s->ended && s->count == 0 && !s->posted;
    bool some = s->count > 0;
    if (some)
        take(c, s);
    if (s->starved && s->under_way + s->count <= s->bytes_max / 2) {
        s->starved = false;
        s->calls.room(s->calls.context);
    }
    pthread_mutex_unlock(&s->lock);
    if (ended) {
        take_end(c);
        client__move(c, CLIENT_ANSWERING);
    }
    return some && !ended;
}

// The mail has come. True: it was the last.
static bool take_mail(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->posted = false;
    bool ended = s->ended;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

static void begin(struct client *c)
{
    size_t head_bytes;
    c->closes = true;
    char *head = answer__head(c, -1, &head_bytes);
    c->output = (struct output){.parts = {{head, head_bytes}}, .count = 1};
    c->answer_began = c->thread->now;
    client__move(c, CLIENT_STREAMING);
    client__want(c, EPOLLIN);
    if (atomic_load_explicit(&c->thread->server->draining, memory_order_relaxed))
        stream__drain(c);
}

void stream__go_on(struct client *c)
{
    enum flushed flushed;
    do
        flushed = output__flush(c);
    while (flushed == FLUSHED_ALL && prepare(c));
    if (c->state == CLIENT_ANSWERING)
        answer__go_on(c);
    else if (flushed == FLUSHED_FAILED)
        client__lose(c);
    else
        client__want(c, flushed == FLUSHED_SOME ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void stream__mail(struct client *c)
{
    struct stream *s = c->exchange.stream;
    bool ended = take_mail(s);
    if (c->state == CLIENT_GONE) {
        if (ended)
            client__close(c);
        else if (!s->gone) // The client left before the stream began.
            (void)!stream__lost(c);
        return;
    }
    if (c->state == CLIENT_HANDLED)
        begin(c);
    stream__go_on(c);
}
