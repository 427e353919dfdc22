// SPDX-License-Identifier: MIT
// call.c: one attempt, from its first connection to its end.
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

#include "dispatch/shortage_priv.h"
#include "dispatch/wire/wire_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

static void deadline_passed(void *context);
static void connection_ready(void *context, uint32_t events);

struct call *call__new(struct wire *w)
{
    struct call *c = xcalloc(1, sizeof *c);
    c->owner = w;
    c->deadline = (struct deadline){.over = deadline_passed, .context = c};
    dial__init(c);
    return c;
}

void call__free(struct call *c)
{
    free(c->request.bytes);
    free(c->location.bytes);
    free(c);
}

// --- The end -------------------------------------------------------------------------------------

// The connection goes back to the pool if it can carry another request, else it is closed.
void call__let_go(struct call *c, bool reusable)
{
    struct connection *n = c->connection;
    if (!n)
        return;
    c->connection = NULL;
    if (reusable && !c->fresh)
        pool__put(n);
    else
        connection__close(n);
}

void call__end(struct call *c, enum ending ending)
{
    struct wire *w = c->owner;
    line__leave(c);
    dial__stop(c);
    call__let_go(c, ending == END_ANSWERED && c->response.reusable);
    deadline__clear(&w->deadlines, &c->deadline);
    assert(!c->connection && !c->in_line && TAILQ_EMPTY(&c->dial.racers));
    c->ending = ending;
    request_text_trim(&c->request);
    TAILQ_REMOVE(&w->under_way, c, link);
    TAILQ_INSERT_TAIL(&w->ended, c, link);
}

void call__trouble(struct call *c, enum trouble t)
{
    c->trouble = t;
    call__end(c, END_TROUBLE);
}

// The head has told how the target judged the request; a body that is cut does not change that.
static void answer_cut(struct call *c)
{
    c->response.reusable = false;
    if (!call__follow(c))
        call__end(c, END_ANSWERED);
}

// Whether the attempt has its answer, or else no more time for it.
static bool is_answered(const struct call *c)
{
    return c->response.head_complete && !call__leads_on(c);
}

void call__cancel(struct call *c)
{
    if (is_answered(c))
        answer_cut(c);
    else
        call__trouble(c, TROUBLE_CANCELLED);
}

// --- Deadlines -----------------------------------------------------------------------------------

static void deadline_passed(void *context)
{
    struct call *c = context;
    if (is_answered(c))
        answer_cut(c);
    else
        call__end(c, END_TIMEOUT);
}

// The clock is read in whole milliseconds, rounded down; nobody is stopped too early for that.
static mono_ms end_of(mono_ms start, dur_ms bound_ms)
{
    return start + bound_ms + 1;
}

// The stage may take `stage_ms` from `now` on, but no longer than the whole.
static void bound_stage(struct call *c, mono_ms now, dur_ms stage_ms)
{
    mono_ms whole_end = end_of(c->started, c->timeout_ms);
    mono_ms stage_end = end_of(now, stage_ms);
    c->bound_ms = stage_end < whole_end ? stage_ms : c->timeout_ms;
    deadline__set(&c->owner->deadlines, &c->deadline, MIN(stage_end, whole_end));
}

static void bound_whole(struct call *c)
{
    c->bound_ms = c->timeout_ms;
    deadline__set(&c->owner->deadlines, &c->deadline, end_of(c->started, c->timeout_ms));
}

// --- A fresh connection --------------------------------------------------------------------------

static void dial(struct call *c, mono_ms now)
{
    assert(!c->connection && !c->in_line);
    c->kept = false;
    c->written = 0;
    c->dialed_at = now;
    c->stage = STAGE_RESOLVE;
    bound_stage(c, now, c->owner->connect_ms);
    dial__start(c);
}

// What never arrived was not sent; it is sent once more.
static void repeat(struct call *c)
{
    call__let_go(c, false);
    c->sent = false;
    dial(c, clock_mono_ms());
}

// --- Reading -------------------------------------------------------------------------------------

static void take_part(struct call *c)
{
    struct response *r = &c->response;
    if (c->body_bytes < c->excerpt_bytes) {
        if (!c->excerpt)
            c->excerpt = wire__excerpt_take(c->owner, c->excerpt_bytes);
        assert(c->excerpt->bytes_max >= c->excerpt_bytes);
        memcpy(c->excerpt->bytes + c->body_bytes, r->part.bytes,
               MIN(r->part.count, c->excerpt_bytes - c->body_bytes));
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
        answer_cut(c);
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
            answer_cut(c);
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

// The stream ended, with an error or (0) in order.
static void stream_ended(struct call *c, int error)
{
    struct response *r = &c->response;
    c->whole = !error && response__ends_with_stream(r);
    if (is_stale(c, error))
        repeat(c);
    else if (r->head_complete)
        answer_cut(c);
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

static void connection_ready(void *context, uint32_t events)
{
    struct connection *n = context;
    struct wire *w = n->owner;
    struct call *c = n->call;
    assert(c && c->connection == n && c->stage == STAGE_ANSWER);
    bool writing = c->written < c->request.count;
    if (events & EPOLLOUT && writing)
        write_request(c);
    // A target that takes no more may have said why, so that is read before it is judged.
    if (events & ~(uint32_t)EPOLLOUT || c->write_failed)
        read_answer(c);
    wire__report(w);
}

// False when the connection was closed before a byte of the request.
static bool use(struct call *c, struct connection *n)
{
    assert(n->target == c->target && (!c->connection || c->connection == n));
    c->connection = n;
    n->call = c;
    n->source.ready = connection_ready;
    c->stage = STAGE_ANSWER;
    c->write_failed = false;
    response__init(&c->response, c->to_head);
    return write_request(c);
}

static void begin(struct call *c, struct connection *n)
{
    bound_whole(c);
    if (!use(c, n))
        stream_ended(c, EPIPE);
}

// --- What dial.c and TLS say ---------------------------------------------------------------------

void call__resolved(struct call *c)
{
    c->resolved_at = clock_mono_ms();
    c->stage = STAGE_CONNECT;
}

void call__unconnected(struct call *c, int error)
{
    c->error = error;
    if (c->stage == STAGE_RESOLVE) // c-ares does not tell why; a name server has a socket too.
        c->error = shortage_now();
    if (c->stage == STAGE_RESOLVE && !c->error)
        call__trouble(c, TROUBLE_RESOLVE);
    else
        call__end(c, END_CONNECT);
}

static void shake(struct call *c)
{
    switch (tls__shake(c->connection, &c->reason)) {
    case TLS_WAITS:
        break;
    case TLS_FAILED:
        call__end(c, END_TLS);
        break;
    case TLS_SECURED:
        c->secured_at = clock_mono_ms();
        begin(c, c->connection);
        break;
    }
}

static void handshake_ready(void *context, uint32_t events)
{
    (void)events;
    struct connection *n = context;
    struct wire *w = n->owner;
    assert(n->call && n->call->connection == n && n->call->stage == STAGE_TLS);
    shake(n->call);
    wire__report(w);
}

void call__connected(struct call *c, struct connection *n)
{
    assert(!c->connection && n->call == c && n->target == c->target);
    c->connected_at = clock_mono_ms();
    c->connection = n;
    if (!c->target->https) {
        begin(c, n);
        return;
    }
    c->stage = STAGE_TLS;
    bound_stage(c, c->connected_at, c->owner->tls_ms);
    n->source.ready = handshake_ready;
    tls__begin(n);
    shake(c);
}

// --- The start -----------------------------------------------------------------------------------

static void forget_last_request(struct call *c)
{
    c->target = NULL;
    c->body_bytes = c->written = c->location.count = 0;
    c->kept = c->sent = c->write_failed = c->whole = c->damaged = false;
    c->stage = STAGE_RESOLVE;
    c->resolved_at = c->dialed_at = c->connected_at = c->secured_at = 0;
    c->begun_at = c->first_byte_at = 0;
    response__init(&c->response, c->to_head);
}

static bool is_http(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

// The trouble with a URL that url_read refuses.
static enum trouble trouble_of_url(const char *url)
{
    return *url && strstr(url, "://") && !is_http(url) ? TROUBLE_SCHEME : TROUBLE_URL;
}

void call__connect(struct call *c)
{
    struct connection *n;
    while (!c->fresh && (n = pool__take(c->target))) {
        c->kept = true;
        if (use(c, n)) {
            bound_whole(c);
            return;
        }
        call__let_go(c, false); // Nothing was sent: the next one.
    }
    dial(c, clock_mono_ms());
}

void call__set_out(struct call *c, const struct request *r)
{
    struct url url;
    char origin[ORIGIN_BYTES];
    c->to_head = r->method == METHOD_HEAD;
    forget_last_request(c);
    if (url_read(r->api, &url, NULL)) {
        call__trouble(c, trouble_of_url(r->api));
        return;
    }
    url_origin_of(&url, origin);
    c->target = pool__target(c, &url, origin);
    call__compose(c, r, &url);
    if (line__ask(c)) {
        call__connect(c);
        return;
    }
    c->stage = STAGE_CONNECT;
    bound_whole(c);
}

void call__start(struct call *c, const struct send *s)
{
    struct now now = clock_now();
    assert(!c->connection && !c->in_line && !c->hops); // As new, also when used again.
    c->ticket = s->ticket;
    c->hops = hops_new(&s->request);
    c->excerpt = NULL;
    c->turned_back = false;
    c->timeout_ms = s->request.timeout_ms;
    c->repeatable = s->request.repeatable;
    c->tls_verify = s->request.tls_verify;
    c->fresh = s->request.fresh_connection;
    c->excerpt_bytes = MIN(s->request.response_excerpt_bytes, EXCERPT_BYTES_MAX);
    c->started = now.mono;
    c->started_wall = now.wall;
    c->trust = NULL;
    forget_last_request(c);
    if (s->request.tls_ca && !(c->trust = trust__take(c->owner, s->request.tls_ca)))
        call__trouble(c, TROUBLE_TLS_CA);
    else
        call__set_out(c, &s->request);
}
