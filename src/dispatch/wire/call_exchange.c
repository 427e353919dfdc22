// SPDX-License-Identifier: MIT
// call_exchange.c: what goes over a call's connection: its request, and the answer.
//
// A request that goes out on a kept connection can meet one which the target has just closed. When
// nothing of the request was taken by the kernel, nothing was sent, and another connection is used.
// When it was, TCP can still tell: a FIN that leaves every byte of the request unacknowledged was
// sent before any of them arrived. A request whose job may be repeated (request.repeatable) is then
// sent again, once and on a fresh connection, and yet reaches its target only once. An RST proves
// nothing: the acknowledgement may have been about to follow. One that came after the target had
// read the request looks the same, so that is LOST, like every other end.
//
// A request that must not be repeated takes no part in this: its first byte was written, and that
// is the line. Every use of a kept connection is preceded by a look at it, which finds whatever has
// arrived by then, a close or bytes that nobody asked for, and costs a hundredth of a fresh
// connection. What slips through is what crosses the request on its way. Connections are not kept
// for longer than targets usually keep them, so that this is rare.

#include "dispatch/wire/wire_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

// --- Reading -------------------------------------------------------------------------------------

static void take_part(struct call *c)
{
    struct response *r = &c->response;
    if (c->body_bytes < c->kept_bytes) {
        size_t count = MIN(r->part.count, c->kept_bytes - c->body_bytes);
        size_t wanted = MAX(c->body_bytes + count, (size_t)c->excerpt_bytes);
        if (!c->excerpt || c->excerpt->bytes_max < wanted)
            c->excerpt = wire__excerpt_widen(c->owner, c->excerpt, c->body_bytes, wanted);
        memcpy(c->excerpt->bytes + c->body_bytes, r->part.bytes, count);
    }
    c->body_bytes += r->part.count;
}

static void take_location(struct call *c)
{
    const struct response *r = &c->response;
    assert(c->location.count <= LOCATION_BYTES_MAX);
    size_t room = LOCATION_BYTES_MAX - c->location.count;
    request_text_add(&c->location, r->part.bytes, MIN(r->part.count, room));
}

static void answered(struct call *c, bool bytes_left)
{
    // Bytes that nobody asked for, or a request that was not wanted to its end.
    if (bytes_left || c->written < c->request.count)
        c->response.reusable = false;
    c->whole = true;
    if (!call__follow(c))
        call__end(c, END_ANSWERED);
}

static void answer_wrong(struct call *c)
{
    c->damaged = c->response.failure == RESPONSE_MALFORMED;
    if (c->response.head_complete)
        call__cut(c);
    else
        call__end(c, END_UNREADABLE);
}

// True when the call goes on.
static bool take_bytes(struct call *c, const char *bytes, size_t count)
{
    const char *end = bytes + count;
    if (!c->first_byte_at)
        c->first_byte_at = clock_mono_ms();
    enum response_event e;
    while ((e = response__read(&c->response, &bytes, end)) == RESPONSE_PART ||
           e == RESPONSE_LOCATION) {
        if (e == RESPONSE_PART)
            take_part(c);
        else
            take_location(c);
        if (c->body_bytes > RESPONSE_BYTES_MAX) {
            call__cut(c);
            return false;
        }
    }
    if (e == RESPONSE_MORE)
        return true;
    if (e == RESPONSE_DONE)
        answered(c, bytes < end);
    else
        answer_wrong(c);
    return false;
}

// Whether the target closed the connection before it could see any of the request.
static bool is_stale(const struct call *c, int error)
{
    return c->kept && c->repeatable && !error && !c->first_byte_at &&
           connection__unacknowledged(c->connection) >= c->written;
}

// What never arrived was not sent; it is sent once more.
static void repeat(struct call *c)
{
    call__let_go(c, false);
    c->sent = false;
    call__dial(c, clock_mono_ms());
}

// The stream ended, with an error or (0) in order.
static void stream_ended(struct call *c, int error)
{
    struct response *r = &c->response;
    c->whole = !error && response__ends_with_stream(r);
    // TLS 1.3 lets the client write before the server has judged its certificate.
    c->reason = r->head_complete ? NULL : words_refused(c->connection->alert);
    if (c->reason)
        call__end(c, END_TLS);
    else if (is_stale(c, error))
        repeat(c);
    else if (r->head_complete)
        call__cut(c);
    else if (c->write_failed)
        call__trouble(c, TROUBLE_CLOSED_SEND);
    else if (r->line_read)
        call__trouble(c, TROUBLE_CLOSED_MIDDLE);
    else if (error && !c->kept) // On a kept one, RST is what a closed connection answers.
        call__trouble(c, TROUBLE_RESET_EARLY);
    else
        call__trouble(c, TROUBLE_CLOSED_EARLY);
}

static void read_answer(struct call *c)
{
    struct connection *n = c->connection;
    char *bytes = c->owner->received;
    bool more = true;
    while (more) {
        ssize_t got = connection__read(n, bytes, RECEIVE_BYTES);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            stream_ended(c, got < 0 ? errno : 0);
            return;
        }
        // The loop calls again for what a socket holds, but not for what OpenSSL has taken from it.
        more = take_bytes(c, bytes, (size_t)got) && n->ssl;
    }
}

// --- Writing -------------------------------------------------------------------------------------

static void note_begun(struct call *c)
{
    if (c->sent)
        return;
    if (!c->hops || c->hops->taken == 0)
        c->started_wall = clock_wall_ms();
    c->begun_at = clock_mono_ms();
}

// False when the connection took nothing at all: it is closed.
static bool write_request(struct call *c)
{
    struct connection *n = c->connection;
    size_t left = c->request.count - c->written;
    note_begun(c);
    ssize_t took = connection__write(n, c->request.bytes + c->written, left);
    assert(took <= (ssize_t)left);
    if (took > 0) {
        c->sent = true;
        c->written += (size_t)took;
    } else if (errno != EAGAIN) {
        c->write_failed = true;
        connection__want(n, EPOLLIN);
        return c->written > 0;
    }
    bool whole = c->written == c->request.count;
    connection__want(n, whole ? EPOLLIN : EPOLLIN | EPOLLOUT);
    return true;
}

// The connection was there too late. Nothing of the request has left.
static enum trouble lateness(const struct call *c)
{
    bool is_first = !c->hops || c->hops->taken == 0;
    if (c->sent)
        return TROUBLE_NONE;
    if (dispatch_lease_is_over(&c->owner->dispatch))
        return TROUBLE_LEASE;
    return is_first && dispatch_is_late(c->not_after) ? TROUBLE_LATE : TROUBLE_NONE;
}

static void connection_ready(void *context, uint32_t events)
{
    struct connection *n = context;
    struct wire *w = n->owner;
    struct call *c = n->call;
    assert(c && c->connection == n && c->stage == STAGE_ANSWER);
    bool writing = c->written < c->request.count;
    enum trouble late = writing ? lateness(c) : TROUBLE_NONE;
    if (late) {
        call__trouble(c, late);
        wire__report(w);
        return;
    }
    if (events & EPOLLOUT && writing)
        write_request(c);
    // A target that takes no more may have said why, so that is read before it is judged.
    if (events & ~(uint32_t)EPOLLOUT || c->write_failed)
        read_answer(c);
    wire__report(w);
}

// False when the connection was closed before a byte of the request.
bool call__use(struct call *c, struct connection *n)
{
    assert(n->target == c->target && (!c->connection || c->connection == n));
    c->connection = n;
    n->call = c;
    n->source.ready = connection_ready;
    c->stage = STAGE_ANSWER;
    c->write_failed = false;
    response__init(&c->response, c->to_head);
    enum trouble late = lateness(c);
    if (late) {
        call__trouble(c, late);
        return true;
    }
    return write_request(c);
}

// A target that closes at once may have said by an alert why, and that has arrived.
static void hear_last_words(struct connection *n)
{
    char byte;
    if (n->ssl)
        (void)connection__read(n, &byte, 1);
}

void call__begin(struct call *c, struct connection *n)
{
    call__bound_whole(c);
    if (call__use(c, n))
        return;
    hear_last_words(n);
    stream_ended(c, EPIPE);
}
