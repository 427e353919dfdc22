// SPDX-License-Identifier: MIT
// client_certificate.h: the certificate by which the client of a TLS connection proves who it is,
// and its private key, both as texts in PEM.
//
// The first certificate is the client's own; those of authorities may follow, up to one that the
// server knows.

#ifndef CARILLON_BASE_CLIENT_CERTIFICATE_H
#define CARILLON_BASE_CLIENT_CERTIFICATE_H

#include "base/err.h"

#include <openssl/types.h>

// Whether there is a private key in the text which needs no passphrase. ERR_SYNTAX with a sentence;
// no sentence here shows anything of a key.
MUST_CHECK enum err private_key_check(const char *key, struct fault *f);

// Whether a connection can use the two. ERR_SYNTAX: one of them cannot be read; ERR_CONFLICT: the
// key is that of another certificate; ERR_UNSUPPORTED: OpenSSL takes no such certificate.
MUST_CHECK enum err client_certificate_check(const char *pem, const char *key, struct fault *f);

// Has the connection, whose handshake has not begun, show the certificate when it is asked for one.
// The same errors; the connection must then not be used.
MUST_CHECK enum err client_certificate_use(SSL *ssl, const char *pem, const char *key,
                                           struct fault *f);

#endif
