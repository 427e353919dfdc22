// SPDX-License-Identifier: MIT
// connection.c: one socket, in plain text or through TLS.
//
// The loop is asked for EPOLLOUT while connecting or while the kernel takes no more, and for
// EPOLLIN from then on: a kept connection costs no further call to epoll for a request.

#define _GNU_SOURCE // SOCK_NONBLOCK

#include "base/tls.h"
#include "dispatch/shortage_priv.h"
#include "dispatch/wire/wire_priv.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROBE_S 60 // How long a connection is silent before the kernel asks if it is still there.

// --- Opening and closing -------------------------------------------------------------------------

static int open_socket(struct wire *w, int family)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(family, type, 0);
    // A connection that may be of use gives way to one that is needed.
    while (fd < 0 && (errno == EMFILE || errno == ENFILE) && pool__drop_oldest(w))
        fd = socket(family, type, 0);
    return fd;
}

static void set_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, PROBE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, PROBE_S},
    };
    for (size_t i = 0; i < COUNT_OF(options); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                   sizeof options[i].value);
}

static int begin_connect(int fd, union address to, uint16_t port)
{
    bool v6 = to.any.sa_family == AF_INET6;
    if (v6)
        to.v6.sin6_port = htons(port);
    else
        to.v4.sin_port = htons(port);
    int rc = connect(fd, &to.any, v6 ? sizeof to.v6 : sizeof to.v4);
    return rc == 0 || errno == EINPROGRESS ? 0 : errno;
}

struct connection *connection__open(struct target *t, struct call *c, const union address *to,
                                    loop_ready *ready, int *error)
{
    struct wire *w = c->owner;
    assert(c->target == t && t->uses > 0); // The call's own.
    int fd = open_socket(w, to->any.sa_family);
    if (fd < 0) {
        *error = errno;
        return NULL;
    }
    set_options(fd);
    *error = shortage_or_no_route(begin_connect(fd, *to, t->port), to);
    struct connection *n = xcalloc(1, sizeof *n);
    n->source = (struct loop_source){.fd = fd, .ready = ready, .context = n};
    n->events = EPOLLOUT;
    if (!*error && loop_add(w->loop, &n->source, n->events, NULL))
        *error = errno;
    if (*error) {
        close(fd);
        free(n);
        return NULL;
    }
    n->owner = w;
    n->call = c;
    n->alert = -1;
    n->target = t;
    t->uses++;
    n->opened_at = clock_mono_ms();
    return n;
}

void connection__close(struct connection *n)
{
    tls__close(n);
    loop_remove(n->owner->loop, &n->source);
    close(n->source.fd);
    target__release(n->owner, n->target);
    free(n);
}

// --- In use --------------------------------------------------------------------------------------

int connection__error(const struct connection *n)
{
    int error = 0;
    socklen_t bytes = sizeof error;
    if (getsockopt(n->source.fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
        return errno;
    return error;
}

void connection__want(struct connection *n, uint32_t events)
{
    if (n->events == events)
        return;
    n->events = events;
    loop_modify(n->owner->loop, &n->source, events);
}

ssize_t connection__read(struct connection *n, char *bytes, size_t count)
{
    return n->ssl ? tls_read(n->ssl, bytes, count) : recv(n->source.fd, bytes, count, 0);
}

ssize_t connection__write(struct connection *n, const char *bytes, size_t count)
{
    return n->ssl ? tls_write(n->ssl, bytes, count)
                  : send(n->source.fd, bytes, count, MSG_NOSIGNAL);
}

bool connection__is_alive(struct connection *n)
{
    char byte;
    ssize_t got =
        n->ssl ? tls_read(n->ssl, &byte, 1) : recv(n->source.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && errno == EAGAIN;
}

size_t connection__unacknowledged(const struct connection *n)
{
    int bytes = 0;
    return ioctl(n->source.fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}
