// SPDX-License-Identifier: MIT
// server_transport.c: bytes in and out of a connection's socket.
//
// Everything that the server reads from a client and writes to one goes through here, so this is
// the place where a connection through TLS differs from one in plain text.

#include "api/server_inside_priv.h"

#include <sys/socket.h>
#include <unistd.h>

ssize_t transport_read(struct transport *t, char *bytes, size_t count)
{
    return recv(t->fd, bytes, count, MSG_DONTWAIT);
}

ssize_t transport_write(struct transport *t, struct iovec *parts, int count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    return sendmsg(t->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void transport_end(struct transport *t)
{
    shutdown(t->fd, SHUT_WR);
}

void transport_close(struct transport *t)
{
    close(t->fd);
    t->fd = -1;
}
