// SPDX-License-Identifier: MIT
// tls.c: see tls.h.

#include "base/tls.h"

#include "base/err.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>

enum tls_shake tls_shake(SSL *ssl, struct tls_failure *failure)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(ssl);
    if (rc == 1)
        return TLS_SHAKEN;
    int error = SSL_get_error(ssl, rc);
    if (error == SSL_ERROR_WANT_READ)
        return TLS_SHAKE_READS;
    if (error == SSL_ERROR_WANT_WRITE)
        return TLS_SHAKE_WRITES;
    *failure = (struct tls_failure){.verified = SSL_get_verify_result(ssl),
                                    .is_closed = error != SSL_ERROR_SSL};
    if (!failure->is_closed)
        failure->reason = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return TLS_SHAKE_FAILED;
}

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

ssize_t tls_read(SSL *ssl, char *bytes, size_t count)
{
    ERR_clear_error();
    int rc = SSL_read(ssl, bytes, (int)MIN(count, INT32_MAX));
    ssize_t took = result_of(ssl, rc, errno);
    if (rc <= 0)
        ERR_clear_error();
    return took;
}

ssize_t tls_write(SSL *ssl, const char *bytes, size_t count)
{
    ERR_clear_error();
    int rc = SSL_write(ssl, bytes, (int)MIN(count, INT32_MAX));
    ssize_t took = result_of(ssl, rc, errno);
    if (rc <= 0)
        ERR_clear_error();
    if (took != 0)
        return took;
    errno = EPIPE;
    return -1;
}

void tls_end(SSL *ssl)
{
    ERR_clear_error();
    if (SSL_is_init_finished(ssl) && !(SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(ssl);
    ERR_clear_error();
}
