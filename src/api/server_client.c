// SPDX-License-Identifier: MIT
// server_client.c: one connection: its states, what its socket says, and its time.
//
// The loop is asked for EPOLLIN while requests are read, and goes on being asked while a handler
// works: most clients say nothing meanwhile, and then a request costs no call of epoll_ctl. Only
// when such a client does send something is the question withdrawn until the answer is out.

#include "api/server_inside_priv.h"
#include "base/metrics.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

// --- States --------------------------------------------------------------------------------------

#define TO(state) (1U << CLIENT_##state)

static const unsigned moves[CLIENT_STATES] = {
    [CLIENT_SHAKING] = TO(IDLE) | TO(HANDLED) | TO(LINGERING) | TO(CLOSED),
    [CLIENT_IDLE] = TO(HEAD) | TO(CLOSED),
    [CLIENT_HEAD] = TO(IDLE) | TO(BODY) | TO(READY) | TO(HANDLED) | TO(CLOSED),
    [CLIENT_BODY] = TO(READY) | TO(HANDLED) | TO(CLOSED),
    [CLIENT_READY] = TO(HANDLED) | TO(CLOSED),
    [CLIENT_HANDLED] = TO(ANSWERING) | TO(STREAMING) | TO(GONE),
    [CLIENT_ANSWERING] = TO(IDLE) | TO(LINGERING) | TO(CLOSED),
    [CLIENT_STREAMING] = TO(ANSWERING) | TO(GONE),
    [CLIENT_LINGERING] = TO(CLOSED),
    [CLIENT_GONE] = TO(CLOSED),
};

void client__move(struct client *c, enum client_state to)
{
    assert(moves[c->state] & (1U << to));
    struct server_thread *t = c->thread;
    TAILQ_REMOVE(&t->places[c->state], c, link);
    TAILQ_INSERT_TAIL(&t->places[to], c, link);
    c->state = to;
    if (to != CLIENT_BODY) // A request has its time from its first byte on.
        c->since = t->now;
}

bool client__is_reading(const struct client *c)
{
    return c->state == CLIENT_IDLE || c->state == CLIENT_HEAD || c->state == CLIENT_BODY;
}

void client__want(struct client *c, uint32_t events)
{
    if (c->events == events)
        return;
    c->events = events;
    loop_modify(c->thread->loop, &c->source, events);
}

// --- What the socket says ------------------------------------------------------------------------

// Keeps what the connection is not ready for yet.
static void put_by(struct client *c, const char *bytes, size_t n)
{
    assert(!c->unread.bytes);
    c->unread = (struct unread){.bytes = xmalloc(n), .count = n};
    memcpy(c->unread.bytes, bytes, n);
}

static void receive(struct client *c, uint32_t events)
{
    (void)events;
    char *bytes = c->thread->received;
    ssize_t got = transport_read(&c->transport, bytes, SERVER_RECEIVE_BYTES);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        client__close(c);
        return;
    }
    size_t taken = request__take(c, bytes, (size_t)got);
    if (taken < (size_t)got && c->state != CLIENT_LINGERING && c->state != CLIENT_CLOSED)
        put_by(c, bytes + taken, (size_t)got - taken);
}

// The client speaks while its request waits or is worked on, or has gone.
static void overhear(struct client *c, uint32_t events)
{
    bool gone = events & (EPOLLHUP | EPOLLERR);
    if (gone && c->state == CLIENT_READY)
        client__close(c);
    else if (gone)
        client__lose(c);
    else
        client__want(c, 0);
}

// Closing a socket with unread bytes would reset the connection and could take the last answer away
// from the client, so the rest is read; within bounds.
static void discard(struct client *c, uint32_t events)
{
    (void)events;
    ssize_t got = transport_read(&c->transport, c->thread->received, SERVER_RECEIVE_BYTES);
    if (got < 0 && errno == EAGAIN)
        return;
    c->discarded += got > 0 ? (size_t)got : 0;
    if (got <= 0 || c->discarded > SERVER_DISCARD_BYTES_MAX)
        client__close(c);
}

static void shake(struct client *c, uint32_t events)
{
    (void)events;
    handshake__go_on(c);
}

static void write_more(struct client *c, uint32_t events)
{
    (void)events;
    answer__go_on(c);
}

// What a client says during a streaming answer is thrown away: the connection ends with the stream.
// A client that breaks the rules of TLS has gone, since nothing of it can be read any more and the
// loop would tell of it for ever.
static void stream_on(struct client *c, uint32_t events)
{
    if (events & EPOLLIN) {
        ssize_t got = transport_read(&c->transport, c->thread->received, SERVER_RECEIVE_BYTES);
        bool broken = got < 0 && errno != EAGAIN;
        c->discarded += got > 0 ? (size_t)got : 0;
        if (got == 0 || broken || c->discarded > SERVER_DISCARD_BYTES_MAX)
            events |= EPOLLHUP;
    }
    if (events & (EPOLLHUP | EPOLLERR))
        client__lose(c);
    else if (events & EPOLLOUT)
        stream__go_on(c);
}

typedef void socket_ready(struct client *c, uint32_t events);

static socket_ready *const readies[CLIENT_STATES] = {
    [CLIENT_SHAKING] = shake,        [CLIENT_IDLE] = receive,        [CLIENT_HEAD] = receive,
    [CLIENT_BODY] = receive,         [CLIENT_READY] = overhear,      [CLIENT_HANDLED] = overhear,
    [CLIENT_ANSWERING] = write_more, [CLIENT_STREAMING] = stream_on, [CLIENT_LINGERING] = discard,
};

static void ready(void *context, uint32_t events)
{
    struct client *c = context;
    assert(readies[c->state]);
    c->thread->now = clock_mono_ms();
    readies[c->state](c, events);
    client__go_on(c);
}

void client__hear(struct client *c)
{
    receive(c, 0);
    client__go_on(c);
}

// Several requests may have come at once; each is taken when the answer to the one before is out.
void client__go_on(struct client *c)
{
    struct unread *u = &c->unread;
    while (u->bytes && client__is_reading(c)) {
        u->at += request__take(c, u->bytes + u->at, u->count - u->at);
        if (u->at == u->count || c->state == CLIENT_LINGERING || c->state == CLIENT_CLOSED) {
            free(u->bytes);
            *u = (struct unread){0};
        }
    }
    if (!client__is_reading(c))
        return;
    client__want(c, EPOLLIN);
    if (c->state == CLIENT_IDLE)
        guard_rest(&c->guard);
}

// --- Time ----------------------------------------------------------------------------------------

// A connection of the reserve is always in a hurry.
static dur_ms request_time(const struct client *c)
{
    const struct server *s = c->thread->server;
    bool pressed = !c->host || census__is_crowded(&s->census, c->host);
    if (pressed && c->state == CLIENT_HEAD)
        return MIN(s->options.pressed_timeout_ms, s->options.request_timeout_ms);
    return s->options.request_timeout_ms;
}

static dur_ms idle_time(const struct client *c)
{
    const struct server_options *o = &c->thread->server->options;
    return c->host ? o->idle_timeout_ms : MIN(o->pressed_timeout_ms, o->idle_timeout_ms);
}

static bool answer_is_late(const struct client *c, mono_ms now)
{
    const struct server *s = c->thread->server;
    const struct answer *a = &c->exchange.answer;
    dur_ms patience = s->options.answer_timeout_ms;
    dur_ms whole = patience + (dur_ms)(a->body_bytes * 1000 / s->options.answer_bytes_per_s);
    if (c->thread->closing || (a->budget_bytes > 0 && budget_is_short(&s->answers)))
        patience = MIN(patience, s->options.pressed_timeout_ms);
    return now - c->since >= patience || now - c->answer_began >= whole;
}

// A stop does not wait for a client that takes its time: what ends early is told from the whole.
static bool stream_is_late(const struct client *c, mono_ms now)
{
    const struct server_thread *t = c->thread;
    const struct server_options *o = &t->server->options;
    bool holds_up = t->closing && now - t->closing_since >= o->pressed_timeout_ms;
    return holds_up || now - c->since >= o->answer_timeout_ms;
}

void client__check_time(struct client *c, mono_ms now)
{
    const struct server_options *o = &c->thread->server->options;
    dur_ms passed = now - c->since;
    c->thread->now = now;
    switch (c->state) {
    case CLIENT_SHAKING:
        if (passed >= o->handshake_timeout_ms)
            handshake__expire(c);
        break;
    case CLIENT_IDLE:
        if (passed >= idle_time(c))
            client__close(c);
        break;
    case CLIENT_HEAD:
    case CLIENT_BODY:
        if (passed >= request_time(c))
            request__refuse(c, 408, "the request took too long to arrive");
        break;
    case CLIENT_ANSWERING:
        if (answer_is_late(c, now))
            client__close(c);
        break;
    case CLIENT_STREAMING:
        if (c->output.count > 0 && stream_is_late(c, now))
            client__lose(c);
        break;
    case CLIENT_LINGERING:
        if (passed >= o->linger_timeout_ms)
            client__close(c);
        break;
    default: // Nobody knows how long a handler needs.
        break;
    }
}

// --- Opening and closing -------------------------------------------------------------------------

static uint16_t format_address(const union socket_address *a, char out[static INET6_ADDRSTRLEN])
{
    if (a->any.sa_family == AF_UNIX) {
        strcpy(out, "unix");
        return 0;
    }
    if (a->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->v6.sin6_addr, out, INET6_ADDRSTRLEN);
        return ntohs(a->v6.sin6_port);
    }
    inet_ntop(AF_INET, &a->v4.sin_addr, out, INET6_ADDRSTRLEN);
    return ntohs(a->v4.sin_port);
}

static void format_peer(const union socket_address *a, char out[static INET6_ADDRSTRLEN])
{
    if (a->any.sa_family == AF_UNIX)
        snprintf(out, INET6_ADDRSTRLEN, "unix:uid=%u", (unsigned)a->of_unix.uid);
    else
        format_address(a, out);
}

static void join_thread(struct client *c)
{
    struct server_thread *t = c->thread;
    TAILQ_INSERT_TAIL(&t->places[c->state], c, link);
    atomic_fetch_add_explicit(&t->connections, 1, memory_order_relaxed);
    metric_add(METRIC_api_connections, 1);
    if (c->host)
        return;
    TAILQ_INSERT_TAIL(&t->reserve, c, reserve_link);
    t->reserve_count++;
}

static void leave_thread(struct client *c)
{
    struct server_thread *t = c->thread;
    atomic_fetch_sub_explicit(&t->connections, 1, memory_order_relaxed);
    metric_add(METRIC_api_connections, -1);
    if (c->host) {
        census__leave(&t->server->census, c->host);
        return;
    }
    TAILQ_REMOVE(&t->reserve, c, reserve_link);
    t->reserve_count--;
}

void client__open(struct server_thread *t, const struct arrival *a, struct host *host)
{
    struct client *c = xcalloc(1, sizeof *c);
    const struct server_options *o = &t->server->options;
    const struct guard_limits limits = {o->uri_bytes_max, o->head_bytes_max, o->headers_max,
                                        o->body_bytes_max};
    c->thread = t;
    c->host = host;
    c->transport.fd = a->fd;
    c->source = (struct loop_source){.fd = a->fd, .ready = ready, .context = c};
    c->events = EPOLLIN;
    c->since = t->now;
    c->exchange.client = c;
    c->door = a->door;
    c->state = CLIENT_IDLE;
    if (c->door == DOOR_MAIN && t->server->tls) {
        c->transport.ssl = server_tls_accept(t->server->tls, a->fd);
        c->state = CLIENT_SHAKING;
    }
    format_peer(&a->peer, c->peer);
    c->local_port = format_address(&a->local, c->local);
    guard_init(&c->guard, &limits);
    exchange__reset(&c->exchange);
    join_thread(c);
    if (loop_add(t->loop, &c->source, c->events, NULL))
        client__close(c);
}

static void shut(struct client *c)
{
    loop_remove(c->thread->loop, &c->source);
    transport_close(&c->transport);
    output__clear(&c->output);
    free(c->unread.bytes);
    c->unread = (struct unread){0};
}

void client__lose(struct client *c)
{
    bool comes_back = c->state != CLIENT_STREAMING || stream__lost(c);
    shut(c);
    client__move(c, CLIENT_GONE);
    if (!comes_back)
        client__close(c);
}

// The client's memory is freed at the end of the turn, so that callers may still look at it.
void client__close(struct client *c)
{
    if (c->state != CLIENT_GONE)
        shut(c);
    if (c->exchange.lent)
        c->thread->lent--;
    exchange__reset(&c->exchange);
    guard_fini(&c->guard);
    free(c->caller);
    leave_thread(c);
    client__move(c, CLIENT_CLOSED);
}
