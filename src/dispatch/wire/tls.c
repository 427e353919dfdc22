// SPDX-License-Identifier: MIT
// tls.c: OpenSSL on our sockets: who is trusted, the handshake, sessions that are resumed.
//
// A session is kept per target, the one given last; it halves the cost of the next handshake. Only
// HTTP/1.1 is offered, and a target that is not who it should be is never sent a byte of a request.

#include "base/tls.h"
#include "dispatch/wire/wire_priv.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/epoll.h>

static const unsigned char http_1_1[] = "\x08http/1.1";

// --- The context ---------------------------------------------------------------------------------

// OpenSSL calls this when the target has given a session, in TLS 1.3 some time after the handshake.
static int session_given(SSL *ssl, SSL_SESSION *session)
{
    struct connection *n = SSL_get_app_data(ssl);
    SSL_SESSION_free(n->target->session);
    n->target->session = session;
    return 1; // The session is ours now.
}

// OpenSSL calls this when the target has shown its certificates.
static int certificates_shown(X509_STORE_CTX *shown, void *context)
{
    (void)context;
    SSL *ssl = X509_STORE_CTX_get_ex_data(shown, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct connection *n = SSL_get_app_data(ssl);
    return n->target->verified ? trust__verify(n->target->trust, shown) : 1;
}

// OpenSSL calls this at all sorts of moments.
static void something_happened(const SSL *ssl, int where, int what)
{
    struct connection *n = SSL_get_app_data(ssl);
    if (where == SSL_CB_READ_ALERT)
        n->alert = what & 0xff; // The higher byte is how bad it is.
}

// OpenSSL calls this when the target asks for a certificate and the connection has none to show.
static int certificate_asked(SSL *ssl, X509 **certificate, EVP_PKEY **key)
{
    struct connection *n = SSL_get_app_data(ssl);
    (void)certificate, (void)key;
    n->is_asked = true;
    return 0;
}

static void set_up(SSL_CTX *context)
{
    SSL_CTX_set_client_cert_cb(context, certificate_asked);
    SSL_CTX_set_info_callback(context, something_happened);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, certificates_shown, NULL);
    // Who trusts the very certificate of a target need not know who made it.
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, session_given);
    SSL_CTX_set_alpn_protos(context, http_1_1, sizeof http_1_1 - 1);
}

static enum err cannot_read(const char *from, struct fault *f)
{
    const char *reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return fault_set(f, ERR_SYSTEM, "cannot read certificates from %s: %s", from,
                     reason ? reason : "unreadable");
}

enum err tls__open(const char *ca_file, bool ca_only, SSL_CTX **out, struct fault *f)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return fault_set(f, ERR_SYSTEM, "OpenSSL cannot be initialised");
    enum err err = ERR_OK;
    if (!ca_only && !SSL_CTX_set_default_verify_paths(context))
        err = cannot_read("the system's files", f);
    if (!err && ca_file && !SSL_CTX_load_verify_file(context, ca_file))
        err = cannot_read(ca_file, f);
    if (err) {
        SSL_CTX_free(context);
        return err;
    }
    set_up(context);
    *out = context;
    return ERR_OK;
}

// --- The handshake -------------------------------------------------------------------------------

// Whom the certificate has to name. A full stop at the end of a name is the resolver's business.
static void expect_host(SSL *ssl, const struct target *t)
{
    char name[URL_HOST_BYTES_MAX + 1];
    size_t bytes = strlen(t->host);
    memcpy(name, t->host, bytes + 1);
    if (name[bytes - 1] == '.')
        name[bytes - 1] = '\0';

    if (!t->verified) {
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        if (!t->is_address)
            SSL_set_tlsext_host_name(ssl, name);
        return;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int good = t->is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name)
                             : SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, name);
    assert(good); // url_read has judged the host.
    (void)good;
}

enum err tls__begin(struct connection *n, struct fault *f)
{
    SSL *ssl = SSL_new(n->owner->tls);
    assert(ssl); // Only memory can be missing, and then the x-functions stop us as well.
    n->ssl = ssl;
    SSL_set_app_data(ssl, n);
    SSL_set_fd(ssl, n->source.fd);
    SSL_set_connect_state(ssl);
    expect_host(ssl, n->target);
    if (n->target->session)
        SSL_set_session(ssl, n->target->session);
    return n->target->pair ? pair__show(n->target->pair, n->owner->secrets, ssl, f) : ERR_OK;
}

// TLS 1.2 has no alert of its own for a certificate that is missing.
static int alert_of(const struct connection *n)
{
    bool is_missed = n->is_asked && n->alert == SSL_AD_HANDSHAKE_FAILURE;
    return is_missed ? SSL_AD_CERTIFICATE_REQUIRED : n->alert;
}

static const char *words_of(const struct tls_failure *f, int alert)
{
    if (f->verified != X509_V_OK)
        return words_verified(f->verified);
    if (words_refused(alert))
        return words_refused(alert);
    if (f->is_closed)
        return "the target closed the connection";
    return f->reason ? f->reason : "";
}

enum tls_step tls__shake(struct connection *n, const char **reason)
{
    struct tls_failure failure;
    switch (tls_shake(n->ssl, &failure)) {
    case TLS_SHAKEN:
        SSL_certs_clear(n->ssl); // The private key has done its work.
        return TLS_SECURED;
    case TLS_SHAKE_READS:
        connection__want(n, EPOLLIN);
        return TLS_WAITS;
    case TLS_SHAKE_WRITES:
        connection__want(n, EPOLLOUT);
        return TLS_WAITS;
    case TLS_SHAKE_FAILED:
        break;
    }
    *reason = words_of(&failure, alert_of(n));
    return TLS_FAILED;
}

void tls__close(struct connection *n)
{
    if (!n->ssl)
        return;
    tls_end(n->ssl);
    SSL_free(n->ssl);
    n->ssl = NULL;
}
