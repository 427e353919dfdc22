// SPDX-License-Identifier: MIT
// server_transport.c: bytes in and out of a connection's socket, in plain text or through TLS.
//
// Everything that the server reads from a client and writes to one goes through here, and nothing
// else in the server knows of the difference but the handshake (server_handshake.c). A write
// through TLS is one record: head and body of a short answer are one, as they are one call without
// TLS.

#include "api/server_inside_priv.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// --- TLS -----------------------------------------------------------------------------------------

// Copies the first bytes of the parts, at most as many as fit into a record.
static size_t gather(const struct iovec *parts, int count, char *out)
{
    size_t bytes = 0;
    for (int i = 0; i < count && bytes < SSL3_RT_MAX_PLAIN_LENGTH; i++) {
        size_t n = MIN(parts[i].iov_len, SSL3_RT_MAX_PLAIN_LENGTH - bytes);
        memcpy(out + bytes, parts[i].iov_base, n);
        bytes += n;
    }
    return bytes;
}

// A record that the socket did not take is asked for again with the same bytes, since the output
// moves on only by what was written.
static ssize_t write_tls(SSL *ssl, const struct iovec *parts, int count)
{
    static _Thread_local char record[SSL3_RT_MAX_PLAIN_LENGTH];
    const char *bytes = parts[0].iov_base;
    size_t n = MIN(parts[0].iov_len, SSL3_RT_MAX_PLAIN_LENGTH);
    if (count > 1 && n < SSL3_RT_MAX_PLAIN_LENGTH) {
        bytes = record;
        n = gather(parts, count, record);
    }
    if (n == 0)
        return 0;
    return tls_write(ssl, bytes, n);
}

static const char *words_of(const struct tls_failure *f)
{
    if (f->verified != X509_V_OK)
        return X509_verify_cert_error_string(f->verified);
    if (f->is_closed)
        return "the client closed the connection";
    return f->reason ? f->reason : "no TLS";
}

enum tls_shake transport_shake(struct transport *t, const char **reason)
{
    struct tls_failure failure;
    enum tls_shake shaken = tls_shake(t->ssl, &failure);
    if (shaken == TLS_SHAKE_FAILED)
        *reason = words_of(&failure);
    return shaken;
}

void transport_strip(struct transport *t)
{
    SSL_free(t->ssl);
    t->ssl = NULL;
}

// --- Both ----------------------------------------------------------------------------------------

ssize_t transport_read(struct transport *t, char *bytes, size_t count)
{
    if (t->ssl)
        return tls_read(t->ssl, bytes, count);
    return recv(t->fd, bytes, count, MSG_DONTWAIT);
}

ssize_t transport_write(struct transport *t, struct iovec *parts, int count)
{
    if (t->ssl)
        return write_tls(t->ssl, parts, count);
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    return sendmsg(t->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void transport_end(struct transport *t)
{
    if (t->ssl)
        tls_end(t->ssl);
    shutdown(t->fd, SHUT_WR);
}

void transport_close(struct transport *t)
{
    if (t->ssl) {
        tls_end(t->ssl);
        transport_strip(t);
    }
    close(t->fd);
    t->fd = -1;
}
