// SPDX-License-Identifier: MIT
// server_listen.c: a listening socket of TCP, with faults that name the address.
//
// The host is an address or "localhost": a name that needs a resolver could mean another address
// tomorrow, and what a server listens on must not.

#include "api/server_inside_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool parse_host(const char *host, uint16_t port, union socket_address *out)
{
    *out = (union socket_address){0};
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        return true;
    }
    return false;
}

static enum err listen_fault(const char *host, uint16_t port, int problem, struct fault *f)
{
    char at[128];
    snprintf(at, sizeof at, strchr(host, ':') ? "[%.64s]:%u" : "%.64s:%u", host, (unsigned)port);
    switch (problem) {
    case EADDRINUSE:
        return fault_set(f, ERR_BUSY, "%s is already in use", at);
    case EACCES:
    case EPERM:
        return fault_set(f, ERR_FORBIDDEN, "not permitted to listen on %s", at);
    case EADDRNOTAVAIL:
        return fault_set(f, ERR_SYSTEM, "cannot listen on %s: this machine has no such address",
                         at);
    default:
        return fault_set(f, ERR_SYSTEM, "cannot listen on %s: %s", at, strerror(problem));
    }
}

// What accepted connections inherit: answers leave at once, a client that vanishes is noticed, and
// the kernel holds no more than this of an answer that is not on its way yet.
static void inherit_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 256 * 1024},
    };
    for (size_t i = 0; i < COUNT_OF(options); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                   sizeof options[i].value);
}

static int open_socket(const union socket_address *address)
{
    bool v6 = address->any.sa_family == AF_INET6;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    // Connections of a former process that linger must not keep us from starting again.
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // "::" means IPv6 alone, whatever the system's default is.
    if (v6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    inherit_options(fd);
    if (bind(fd, &address->any, v6 ? sizeof address->v6 : sizeof address->v4) == 0 &&
        listen(fd, SOMAXCONN) == 0)
        return fd;

    int problem = errno;
    close(fd);
    errno = problem;
    return -1;
}

enum err listener__open(struct listener *l, const char *host, uint16_t port, struct fault *f)
{
    union socket_address address;
    if (!parse_host(host, port, &address))
        return fault_set(f, ERR_SYNTAX, "\"%.64s\" is not an IP address", host);
    int fd = open_socket(&address);
    if (fd < 0)
        return listen_fault(host, port, errno, f);

    socklen_t bytes = sizeof l->bound;
    getsockname(fd, &l->bound.any, &bytes);
    l->fd = fd;
    return ERR_OK;
}
