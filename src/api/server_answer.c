// SPDX-License-Identifier: MIT
// server_answer.c: what leaves: heads of answers, writing, the end of an exchange.
//
// An answer is written as soon as it is there, head and body in one call; the loop is asked to say
// when the client takes more only if it did not take all.

#include "api/server_inside_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

// --- The head ------------------------------------------------------------------------------------

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
        {508, "Loop Detected"},
    };
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Answer";
}

// Text that grows towards a known end.
struct line {
    char *at;
    char *end;
};

static void put(struct line *l, const char *text)
{
    size_t bytes = strlen(text);
    assert(bytes <= (size_t)(l->end - l->at));
    memcpy(l->at, text, bytes);
    l->at += bytes;
}

static void put_header(struct line *l, const char *name, const char *value)
{
    put(l, name);
    put(l, ": ");
    put(l, value);
    put(l, "\r\n");
}

static const char *number_text(uint64_t number, char out[static 24])
{
    char *at = out + 23;
    *at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return at;
}

// What an answer's own headers do not add fits into FIXED_BYTES_MAX: the request's id has the most.
#define FIXED_BYTES_MAX (256 + SERVER_REQUEST_ID_BYTES_MAX)

static size_t head_bytes_max(const struct exchange *x, const char *headers)
{
    size_t bytes = FIXED_BYTES_MAX + strlen(headers);
    bytes += x->answer.content_type ? strlen(x->answer.content_type) : 0;
    for (const struct answer_header *h = x->answer.headers; h; h = h->next)
        bytes += strlen(h->name) + strlen(h->value) + strlen(": \r\n");
    return bytes;
}

// These never have a body, nor a length of one.
static bool is_bare(unsigned status)
{
    return status == 204 || status == 304;
}

// The client may have been refused before it had asked for anything.
bool answer__is_to_head(const struct client *c)
{
    const struct guard *g = &c->guard;
    return g->head.target > 0 && strcmp(guard_method(g), "HEAD") == 0;
}

char *answer__head(struct client *c, int64_t length, size_t *bytes)
{
    struct exchange *x = &c->exchange;
    const struct answer *a = &x->answer;
    char number[24];
    const char *headers = c->thread->server->options.headers;
    size_t room = head_bytes_max(x, headers);
    char *head = arena_alloc(&x->arena, room);
    struct line l = {head, head + room};
    put(&l, "HTTP/1.1 ");
    put(&l, number_text(a->status, number));
    put(&l, " ");
    put(&l, reason(a->status));
    put(&l, "\r\n");
    put_header(&l, "Date", server_thread__date(c->thread));
    if (length >= 0 && !is_bare(a->status))
        put_header(&l, "Content-Length", number_text((uint64_t)length, number));
    else if (length < 0 && !c->guard.head.http_1_0)
        put_header(&l, "Transfer-Encoding", "chunked");
    if (a->content_type)
        put_header(&l, "Content-Type", a->content_type);
    put_header(&l, "X-Request-Id", x->request_id);
    put(&l, headers);
    for (const struct answer_header *h = a->headers; h; h = h->next)
        put_header(&l, h->name, h->value);
    if (c->closes)
        put_header(&l, "Connection", "close");
    put(&l, "\r\n");
    *bytes = (size_t)(l.at - head);
    return head;
}

// --- Writing -------------------------------------------------------------------------------------

void output__clear(struct output *o)
{
    free(o->owned);
    *o = (struct output){0};
}

// Steps over `written` bytes of the output.
static void step(struct output *o, size_t written)
{
    while (o->first < o->count && written >= o->parts[o->first].iov_len) {
        written -= o->parts[o->first].iov_len;
        o->first++;
    }
    if (o->first < o->count) {
        struct iovec *part = &o->parts[o->first];
        part->iov_base = (char *)part->iov_base + written;
        part->iov_len -= written;
    }
}

enum flushed output__flush(struct client *c)
{
    struct output *o = &c->output;
    while (o->first < o->count) {
        ssize_t written = transport_write(&c->transport, o->parts + o->first, o->count - o->first);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno == EAGAIN ? FLUSHED_SOME : FLUSHED_FAILED;
        c->since = c->thread->now;
        step(o, (size_t)written);
    }
    output__clear(o);
    return FLUSHED_ALL;
}

// --- The end of an exchange ----------------------------------------------------------------------

// A client that has asked for the end of the connection has usually nothing more to say; to close
// at once is then safe and saves two calls. Otherwise the answer could be lost to a reset.
static bool may_close_at_once(struct client *c)
{
    const struct guard_head *head = &c->guard.head;
    bool asked = (head->http_1_0 || head->wants_close) && c->guard.refusal.status == 0;
    return asked && !c->unread.bytes && !guard_midway(&c->guard) &&
           transport_read(&c->transport, c->thread->received, 1) <= 0;
}

void answer__done(struct client *c)
{
    assert(c->state == CLIENT_ANSWERING);
    bool at_once = c->closes && may_close_at_once(c);
    if (c->exchange.lent)
        c->thread->lent--;
    exchange__reset(&c->exchange);
    if (at_once) {
        client__close(c);
    } else if (c->closes) {
        free(c->unread.bytes);
        c->unread = (struct unread){0};
        transport_end(&c->transport);
        client__move(c, CLIENT_LINGERING);
        client__want(c, EPOLLIN);
    } else {
        client__move(c, CLIENT_IDLE);
    }
}

void answer__go_on(struct client *c)
{
    enum flushed flushed = output__flush(c);
    if (flushed == FLUSHED_ALL)
        answer__done(c);
    else if (flushed == FLUSHED_SOME)
        client__want(c, EPOLLOUT);
    else
        client__close(c);
}

// --- Sending -------------------------------------------------------------------------------------

// A long answer needs memory of the budget. Without it, what was asked for by GET is refused: the
// client may ask again. The answer to a change is sent, since the change has happened.
static void account(struct client *c)
{
    struct exchange *x = &c->exchange;
    struct budget *answers = &c->thread->server->answers;
    atomic_size_t *own = c->host ? &c->host->answers : NULL;
    size_t bytes = x->answer.owned ? x->answer.body_bytes : 0;
    if (bytes <= SERVER_SMALL_BYTES)
        return;
    if (!x->method || strcmp(x->method, "GET") != 0) {
        budget_add(answers, own, bytes);
    } else if (!budget_take(answers, own, bytes)) {
        free(x->answer.owned);
        x->answer = (struct answer){0};
        exchange__refuse(x, 503, "too many long answers are under way");
        return;
    }
    x->answer.budget_bytes = bytes;
}

void answer__send(struct client *c)
{
    struct exchange *x = &c->exchange;
    const struct answer *a = &x->answer;
    if (c->state == CLIENT_GONE) {
        client__close(c);
        return;
    }
    if (atomic_load_explicit(&c->thread->server->draining, memory_order_relaxed))
        c->closes = true;
    account(c);
    struct output *o = &c->output;
    size_t head_bytes;
    char *head = answer__head(c, (int64_t)a->body_bytes, &head_bytes);
    bool bodiless = is_bare(a->status) || answer__is_to_head(c) || a->body_bytes == 0;
    *o =
        (struct output){.parts = {{head, head_bytes}, {(char *)(uintptr_t)a->body, a->body_bytes}}};
    o->count = bodiless ? 1 : 2;
    c->answer_began = c->thread->now;
    client__move(c, CLIENT_ANSWERING);
    answer__go_on(c);
}
