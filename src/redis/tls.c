// SPDX-License-Identifier: MIT
// tls.c: TLS on a connection to Redis, where hiredis has it; older releases do not.

#include "redis/redis_priv.h"

#ifdef HAVE_HIREDIS_SSL

#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static enum err failed(struct fault *f, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return fault_set(f, ERR_SYSTEM, "%s: %s", what, reason ? reason : "no reason given");
}

enum err redis__tls_open(const struct redis_place *p, SSL_CTX **out, struct fault *f)
{
    *out = NULL;
    if (!p->tls)
        return ERR_OK;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_default_verify_paths(context)) {
        SSL_CTX_free(context);
        return failed(f, "cannot read the system's certificates");
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    *out = context;
    return ERR_OK;
}

void redis__tls_close(SSL_CTX *context)
{
    SSL_CTX_free(context);
}

enum err redis__tls_begin(redisContext *c, SSL_CTX *context, const char *host, struct fault *f)
{
    if (!context)
        return ERR_OK;
    SSL *ssl = SSL_new(context);
    if (!ssl || !SSL_set_tlsext_host_name(ssl, host) || !SSL_set1_host(ssl, host)) {
        SSL_free(ssl);
        return failed(f, "TLS cannot begin");
    }
    if (redisInitiateSSL(c, ssl) == REDIS_OK) // Has taken `ssl`.
        return ERR_OK;
    SSL_free(ssl);
    return fault_set(f, ERR_SYSTEM, "TLS handshake failed: %s", c->errstr);
}

#else

enum err redis__tls_open(const struct redis_place *p, SSL_CTX **out, struct fault *f)
{
    *out = NULL;
    if (p->tls)
        return fault_set(f, ERR_UNSUPPORTED,
                         "rediss:// needs a hiredis with TLS, which this program was built "
                         "without; use a tunnel, or a socket");
    return ERR_OK;
}

void redis__tls_close(SSL_CTX *context)
{
    (void)context;
}

enum err redis__tls_begin(redisContext *c, SSL_CTX *context, const char *host, struct fault *f)
{
    (void)c, (void)context, (void)host, (void)f;
    return ERR_OK;
}

#endif
