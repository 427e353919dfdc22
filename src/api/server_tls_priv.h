// SPDX-License-Identifier: MIT
// server_tls_priv.h: the certificate that the server shows, its key, and whose clients it lets in.
//
// The files are read at the start, and again when one of them has changed, which is looked at when
// connections come. A new set of files counts only if it is whole: until then connections get the
// old one, and the log says once what is wrong with the new. TLS 1.2 and 1.3, forward secrecy, no
// renegotiation, no early data; sessions are resumed by tickets, whose keys live half a day at most
// and never longer than the files they belong to.

#ifndef CARILLON_API_SERVER_TLS_PRIV_H
#define CARILLON_API_SERVER_TLS_PRIV_H

#include "base/err.h"
#include "base/time.h"

#include <openssl/types.h>

struct server_tls;

// Paths of files in PEM.
struct server_tls_files {
    const char *certificate; // With those between it and its root, the server's own first.
    const char *key;
    const char
        *client_ca; // Clients must show a certificate that one of these has made; NULL: none.
};

// ERR_SYNTAX with a sentence that names the file which is wrong. The paths are copied.
MUST_CHECK enum err server_tls_open(const struct server_tls_files *files, struct server_tls **out,
                                    struct fault *f);
void server_tls_close(struct server_tls *t); // NULL is a no-op.

// Reads the files again if one of them has changed, or if the keys of tickets are old; looks at
// most every two seconds. For the thread that accepts: it may take milliseconds.
void server_tls_look(struct server_tls *t, mono_ms now);

// Reads the files now. An error leaves all as it was. Both ends are logged.
MUST_CHECK enum err server_tls_reload(struct server_tls *t, struct fault *f);

// The server's side of a connection to be. Any thread.
SSL *server_tls_accept(struct server_tls *t, int fd);

#define TLS_IDENTITY_BYTES 256
// Whom the client's certificate names: "CN=alice,O=Example", or its first other name if that is
// empty. Visible ASCII, cut where it is too long; "" when no certificate was shown.
void server_tls_identity(SSL *ssl, char out[static TLS_IDENTITY_BYTES]);

#endif
