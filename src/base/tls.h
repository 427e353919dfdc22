// SPDX-License-Identifier: MIT
// tls.h: OpenSSL on sockets that do not block, in the way of calls of the socket itself.
//
// For both ends of a connection: what the server of the API and the client of targets do alike.
// Each function leaves OpenSSL's list of errors empty, since that is the thread's, not the
// connection's.

#ifndef CARILLON_BASE_TLS_H
#define CARILLON_BASE_TLS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum tls_shake { TLS_SHAKEN, TLS_SHAKE_READS, TLS_SHAKE_WRITES, TLS_SHAKE_FAILED };

// Why there is no handshake.
struct tls_failure {
    long verified;      // Not X509_V_OK: what is wrong with the certificate of the other end.
    const char *reason; // OpenSSL's words; NULL: the other end closed, or OpenSSL has none.
    bool is_closed;     // The other end closed the connection.
};

// Goes on with the handshake: it is done, waits for the socket, or has failed as *failure says.
enum tls_shake tls_shake(SSL *ssl, struct tls_failure *failure);

// Bytes moved; 0: the other end's stream is over (reading only); -1 and errno, EAGAIN for "not now"
// and EPROTO for what is no TLS.
ssize_t tls_read(SSL *ssl, char *bytes, size_t count);
// What was not taken must be written again with the same bytes.
ssize_t tls_write(SSL *ssl, const char *bytes, size_t count);

// Says good-bye, if the socket takes it now: without it a session cannot be resumed, and the other
// end cannot tell whether something was cut off.
void tls_end(SSL *ssl);

#endif
