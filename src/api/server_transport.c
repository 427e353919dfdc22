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
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// --- TLS -----------------------------------------------------------------------------------------

// What calls of a socket say, for what OpenSSL says. The end of the stream is 0.
static ssize_t result_of(const SSL *ssl, int rc, int system_error)
{
    if (rc > 0)
        return rc;
    switch (SSL_get_error(ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        errno = system_error && system_error != EAGAIN ? system_error : ECONNRESET;
        return -1;
    default:
        errno = EPROTO;
        return -1;
    }
}

static ssize_t read_tls(SSL *ssl, char *bytes, size_t count)
{
    ERR_clear_error();
    int rc = SSL_read(ssl, bytes, (int)MIN(count, SERVER_RECEIVE_BYTES));
    return result_of(ssl, rc, errno);
}

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
    ERR_clear_error();
    int rc = SSL_write(ssl, bytes, (int)n);
    ssize_t took = result_of(ssl, rc, errno);
    if (took != 0)
        return took;
    errno = EPIPE;
    return -1;
}

// Why the handshake failed, in words for the log.
static const char *reason_of(const SSL *ssl, int error)
{
    long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK)
        return X509_verify_cert_error_string(verified);
    if (error != SSL_ERROR_SSL)
        return "the client closed the connection";
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return reason ? reason : "no TLS";
}

enum shaken transport_shake(struct transport *t, const char **reason)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    if (rc == 1)
        return SHAKEN;
    int error = SSL_get_error(t->ssl, rc);
    if (error == SSL_ERROR_WANT_READ)
        return SHAKEN_READS;
    if (error == SSL_ERROR_WANT_WRITE)
        return SHAKEN_WRITES;
    *reason = reason_of(t->ssl, error);
    ERR_clear_error();
    return SHAKEN_FAILED;
}

void transport_strip(struct transport *t)
{
    SSL_free(t->ssl);
    t->ssl = NULL;
}

// Says good-bye, if the socket takes it now: the client knows then that nothing was cut off.
static void end_tls(SSL *ssl)
{
    ERR_clear_error();
    if (SSL_is_init_finished(ssl) && !(SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(ssl);
    ERR_clear_error();
}

// --- Both ----------------------------------------------------------------------------------------

ssize_t transport_read(struct transport *t, char *bytes, size_t count)
{
    if (t->ssl)
        return read_tls(t->ssl, bytes, count);
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
        end_tls(t->ssl);
    shutdown(t->fd, SHUT_WR);
}

void transport_close(struct transport *t)
{
    if (t->ssl) {
        end_tls(t->ssl);
        transport_strip(t);
    }
    close(t->fd);
    t->fd = -1;
}
