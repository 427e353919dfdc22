// SPDX-License-Identifier: MIT
// connection.c: sockets, what goes in and out of them.
//
// A request nearly always comes in one read and its answer goes out in one send: then nothing is
// copied and nothing allocated. Only what comes in pieces, or does not go out at once, is kept.

#define _GNU_SOURCE // accept4

#include "target.h"

#include "base/memory.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536
#define ACCEPTS_PER_TURN 64

struct loop *target_loop;
struct agenda *target_agenda;

static struct connection *connections;

static void connection_close(struct connection *c)
{
    struct linger abort = {.l_onoff = 1, .l_linger = 0};
    if (c->resets)
        setsockopt(c->source.fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    if (c->previous)
        c->previous->next = c->next;
    else
        connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    agenda_remove(target_agenda, &c->due);
    loop_remove(target_loop, &c->source);
    close(c->source.fd);
    arrivals_count_connection(-1);
    free(c->in);
    free(c->out);
    free(c);
}

void connections_close(void)
{
    while (connections)
        connection_close(connections);
}

// --- Out -----------------------------------------------------------------------------------------

// What the kernel does not take is kept. An error is met again by the next read.
void connection_say(struct connection *c, const char *bytes, size_t count)
{
    ssize_t n = 0;
    if (c->out_bytes == 0 && count > 0)
        n = send(c->source.fd, bytes, count, MSG_NOSIGNAL);
    n = MAX(n, 0);
    size_t left = count - (size_t)n;
    if (left == 0)
        return;
    c->out = xrealloc(c->out, c->out_bytes + left);
    memcpy(c->out + c->out_bytes, bytes + n, left);
    c->out_bytes += left;
    loop_modify(target_loop, &c->source, EPOLLIN | EPOLLOUT);
}

static void say_more(struct connection *c)
{
    char block[16384];
    memset(block, 'x', sizeof block);
    while (c->big_left > 0 && c->out_bytes == 0) {
        size_t count = (size_t)MIN(c->big_left, (int64_t)sizeof block);
        c->big_left -= (int64_t)count;
        connection_say(c, block, count);
    }
}

void connection_say_big(struct connection *c, int64_t bytes)
{
    c->big_left = bytes;
    say_more(c);
}

static bool has_said_all(const struct connection *c)
{
    return c->out_bytes == 0 && c->big_left == 0 && !c->waits;
}

static void writable(struct connection *c)
{
    ssize_t n = send(c->source.fd, c->out, c->out_bytes, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        connection_close(c);
        return;
    }
    c->out_bytes -= (size_t)MAX(n, 0);
    memmove(c->out, c->out + MAX(n, 0), c->out_bytes);
    if (c->out_bytes > 0)
        return;
    loop_modify(target_loop, &c->source, EPOLLIN);
    say_more(c);
    if (c->closes && has_said_all(c))
        connection_close(c);
}

// --- In ------------------------------------------------------------------------------------------

// Keeps what cannot be served yet. `bytes` may lie in c->in.
static void keep(struct connection *c, const char *bytes, size_t count)
{
    char *kept = count ? xmalloc(count) : NULL;
    if (count)
        memcpy(kept, bytes, count);
    free(c->in);
    c->in = kept;
    c->in_bytes = count;
}

// Serves every whole request in `bytes`. The connection may be gone afterwards.
static void serve(struct connection *c, const char *bytes, size_t count)
{
    while (count > 0 && !c->waits && !c->closes) {
        struct request r;
        ssize_t n = request_read(bytes, count, &r);
        if (n == 0)
            break;
        if (n < 0) {
            c->closes = c->resets = true;
            break;
        }
        behave(c, &r);
        bytes += n;
        count -= (size_t)n;
    }
    if (c->closes && has_said_all(c))
        connection_close(c);
    else if (count > 0 || c->in_bytes > 0)
        keep(c, bytes, count);
}

static void readable(struct connection *c)
{
    static char bytes[READ_BYTES];
    ssize_t n = read(c->source.fd, bytes, sizeof bytes);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        connection_close(c);
        return;
    }
    if (c->in_bytes == 0) {
        serve(c, bytes, (size_t)n);
        return;
    }
    c->in = xrealloc(c->in, c->in_bytes + (size_t)n);
    memcpy(c->in + c->in_bytes, bytes, (size_t)n);
    c->in_bytes += (size_t)n;
    serve(c, c->in, c->in_bytes);
}

// --- Events --------------------------------------------------------------------------------------

static void connection_ready(void *context, uint32_t events)
{
    if (events & EPOLLOUT)
        writable(context);
    else
        readable(context);
}

void connection_due(struct agenda_node *due)
{
    struct connection *c = (struct connection *)((char *)due - offsetof(struct connection, due));
    behave_when_due(c);
    serve(c, c->in, c->in_bytes);
}

void connections_accept(int listener)
{
    int yes = 1;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct connection *c = xcalloc(1, sizeof *c);
        c->source = (struct loop_source){fd, connection_ready, c};
        c->next = connections;
        if (c->next)
            c->next->previous = c;
        connections = c;
        arrivals_count_connection(1);
        if (loop_add(target_loop, &c->source, EPOLLIN, NULL))
            connection_close(c);
    }
}
