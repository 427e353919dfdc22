// SPDX-License-Identifier: MIT
// guard_socket.c: the bytes on their way from the socket through the guard to libmicrohttpd.
//
// libmicrohttpd offers no sight of a request as it came, only of what it made of it. Version 0.9.75
// takes a lone LF for a line end, joins continued lines into the header's name, cuts a line at a
// NUL, uses the first of two Content-Lengths and ignores one beside Transfer-Encoding; 1.0 is
// stricter, but not in all of this. Both read their sockets by calling recv(), and a program's own
// recv() takes precedence over the C library's. So this file defines recv(): the bytes of guarded
// descriptors go through the guard, all others straight to the kernel. The alternative, a relay in
// front of the library, doubles the system calls of every request. Should a library one day read in
// another way, guard_socket_claim notices, and no request is served.
//
// Who closes which case:
//   here and in guard*.c   line ends, control bytes, continued lines, names, methods, targets,
//                          versions, Host, Content-Length, Transfer-Encoding, chunks, trailers; all
//                          limits (413, 414, 431) and the time from first to last byte (408).
//   server_target.c        percent-encoding of path and query.
//   libmicrohttpd          a connection on which nothing moves (closed without an answer), which
//                          also covers clients that do not read; "Expect: 100-continue".

#include "api/guard_socket_priv.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

struct guard_front {
    struct guard_front_options options;
    struct guard_watch *watch;
};

// PASSING: bytes are scanned and handed on. REFUSED: waits until earlier requests are answered.
// ENDED: the refusal is sent; what still comes is thrown away until the client closes.
enum guard_state { GUARD_PASSING, GUARD_REFUSED, GUARD_ENDED };

struct guard_socket {
    struct guard_front *front;
    int fd;
    enum guard_state state;
    struct guard guard;
    struct guard_refusal refusal;
    uint64_t claimed;
    uint64_t answered;
    struct guard_watched watched;
    mono_ms deadline;      // Of the request that is arriving, or MONO_NEVER.
    uint64_t deadline_for; // The number of that request.
    size_t discarded;
};

// Indexed by descriptor. A row is written before its connection's first recv and after its last.
#define GUARD_SOCKETS_MAX 65536
static struct guard_socket *_Atomic sockets[GUARD_SOCKETS_MAX];

// --- The end of a connection ---------------------------------------------------------------------

static void set_deadline(struct guard_socket *s, mono_ms deadline)
{
    if (s->deadline == deadline)
        return;
    s->deadline = deadline;
    guard_watch_set(s->front->watch, &s->watched, deadline);
}

// The socket's send buffer is empty or nearly so: all earlier answers are out. Should the refusal
// not fit, the client sees the end of the connection alone.
static void send_refusal(struct guard_socket *s)
{
    size_t bytes;
    char *text = s->front->options.answer(s->front->options.context, &s->refusal, &bytes);
    (void)!send(s->fd, text, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    free(text);
    shutdown(s->fd, SHUT_WR);
    s->state = GUARD_ENDED;
}

static void refuse(struct guard_socket *s)
{
    s->state = GUARD_REFUSED;
    set_deadline(s, MONO_NEVER);
    if (s->answered == s->guard.requests)
        send_refusal(s);
}

// Closing a socket with unread bytes would reset the connection and could take the refusal away
// from the client, so the rest is read; within bounds, and the library's idle timeout.
static ssize_t discard(struct guard_socket *s)
{
    char waste[4096];
    while (s->discarded < GUARD_DISCARD_BYTES_MAX) {
        ssize_t got = recvfrom(s->fd, waste, sizeof waste, MSG_DONTWAIT, NULL, NULL);
        if (got <= 0)
            return got;
        s->discarded += (size_t)got;
    }
    errno = ECONNRESET;
    return -1;
}

// --- Reading -------------------------------------------------------------------------------------

// A request has its time from its first byte on, or from the answer before it if that came later:
// until then nobody reads.
static void renew_deadline(struct guard_socket *s)
{
    const struct guard *g = &s->guard;
    if (!guard_midway(g) || s->answered < g->requests)
        set_deadline(s, MONO_NEVER);
    else if (s->deadline == MONO_NEVER || s->deadline_for != g->requests)
        set_deadline(s, clock_mono_ms() + s->front->options.request_timeout_ms);
    s->deadline_for = g->requests;
}

static ssize_t receive(struct guard_socket *s, void *buffer, size_t bytes, int flags)
{
    if (s->state != GUARD_PASSING)
        return discard(s);
    if (s->deadline != MONO_NEVER && clock_mono_ms() >= s->deadline) {
        guard__refuse(&s->refusal, 408, "the request took too long to arrive");
        refuse(s);
        return discard(s);
    }

    ssize_t got = recvfrom(s->fd, buffer, bytes, flags, NULL, NULL);
    if (got <= 0)
        return got;
    size_t good = guard_scan(&s->guard, buffer, (size_t)got, &s->refusal);
    if (s->refusal.status == 0) {
        renew_deadline(s);
        return got;
    }
    refuse(s);
    return good > 0 ? (ssize_t)good : discard(s);
}

// The program's recv(). It is named by its symbol, because the C library's header may already have
// an inline function of that name.
ssize_t guard__recv(int fd, void *buffer, size_t bytes, int flags) __asm__("recv");

ssize_t guard__recv(int fd, void *buffer, size_t bytes, int flags)
{
    struct guard_socket *s = NULL;
    if (0 <= fd && fd < GUARD_SOCKETS_MAX)
        s = atomic_load_explicit(&sockets[fd], memory_order_acquire);
    if (!s)
        return recvfrom(fd, buffer, bytes, flags, NULL, NULL);
    return receive(s, buffer, bytes, flags);
}

// --- Connections ---------------------------------------------------------------------------------

enum err guard_front_open(const struct guard_front_options *o, struct guard_front **out,
                          struct fault *f)
{
    struct guard_watch *watch;
    enum err err = guard_watch_open(&watch, f);
    if (err)
        return err;
    struct guard_front *front = xcalloc(1, sizeof *front);
    *front = (struct guard_front){*o, watch};
    *out = front;
    return ERR_OK;
}

void guard_front_close(struct guard_front *front)
{
    if (!front)
        return;
    guard_watch_close(front->watch);
    free(front);
}

struct guard_socket *guard_socket_open(struct guard_front *front, int fd)
{
    if (fd < 0 || fd >= GUARD_SOCKETS_MAX) {
        shutdown(fd, SHUT_RDWR);
        return NULL;
    }
    struct guard_socket *s = xcalloc(1, sizeof *s);
    s->front = front;
    s->fd = fd;
    s->deadline = MONO_NEVER;
    s->watched = (struct guard_watched){.fd = fd, .deadline = MONO_NEVER};
    guard_init(&s->guard, &front->options.limits);
    atomic_store_explicit(&sockets[fd], s, memory_order_release);
    return s;
}

void guard_socket_close(struct guard_socket *s)
{
    if (!s)
        return;
    atomic_store_explicit(&sockets[s->fd], NULL, memory_order_release);
    set_deadline(s, MONO_NEVER);
    guard_fini(&s->guard);
    free(s);
}

bool guard_socket_claim(struct guard_socket *s)
{
    return s && ++s->claimed <= s->guard.requests;
}

void guard_socket_answered(struct guard_socket *s)
{
    s->answered++;
    assert(s->answered <= s->claimed);
    if (s->state == GUARD_PASSING)
        renew_deadline(s);
    else if (s->state == GUARD_REFUSED && s->answered == s->guard.requests)
        send_refusal(s);
}
