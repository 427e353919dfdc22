// SPDX-License-Identifier: MIT
// client_certificate.c: see client_certificate.h.

#include "base/client_certificate.h"

#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

// --- The texts -----------------------------------------------------------------------------------

static BIO *open_text(const char *text)
{
    size_t bytes = strlen(text);
    BIO *b = BIO_new_mem_buf(text, (int)MIN(bytes, (size_t)INT_MAX));
    assert(b); // Only memory can be missing, and then the x-functions stop us as well.
    return b;
}

// OpenSSL would ask on the terminal otherwise.
static int no_passphrase(char *out, int room, int writes, void *is_asked)
{
    (void)out, (void)room, (void)writes;
    *(bool *)is_asked = true;
    return -1;
}

static enum err read_key(const char *text, EVP_PKEY **out, struct fault *f)
{
    bool is_encrypted = false;
    BIO *from = open_text(text);
    *out = PEM_read_bio_PrivateKey(from, NULL, no_passphrase, &is_encrypted);
    BIO_free(from);
    ERR_clear_error();
    if (*out)
        return ERR_OK;
    if (is_encrypted)
        return fault_set(f, ERR_SYNTAX,
                         "the private key is encrypted with a passphrase; give it without one, "
                         "as openssl pkey -in FILE writes it");
    return fault_set(f, ERR_SYNTAX,
                     "there is no private key in it that can be read; one begins with "
                     "-----BEGIN PRIVATE KEY-----");
}

// The first certificate, and those behind it.
static enum err read_certificates(const char *text, X509 **first, STACK_OF(X509) * others,
                                  struct fault *f)
{
    BIO *from = open_text(text);
    *first = PEM_read_bio_X509(from, NULL, NULL, NULL);
    for (X509 *x; *first && (x = PEM_read_bio_X509(from, NULL, NULL, NULL));) {
        int good = sk_X509_push(others, x);
        assert(good);
        (void)good;
    }
    BIO_free(from);
    ERR_clear_error();
    return *first ? ERR_OK : fault_set(f, ERR_SYNTAX, "there is no certificate in it");
}

// --- Both ----------------------------------------------------------------------------------------

static enum err give(SSL *ssl, X509 *first, STACK_OF(X509) * others, EVP_PKEY *key, struct fault *f)
{
    enum err err = ERR_OK;
    if (X509_check_private_key(first, key) != 1) {
        err = fault_set(f, ERR_CONFLICT, "the private key is not that of the first certificate");
    } else if (SSL_use_cert_and_key(ssl, first, key, others, 1) != 1) {
        const char *reason = ERR_reason_error_string(ERR_peek_error());
        err = fault_set(f, ERR_UNSUPPORTED, "no connection can use the certificate: %s",
                        reason ? reason : "OpenSSL gives no reason");
    }
    ERR_clear_error();
    return err;
}

enum err client_certificate_use(SSL *ssl, const char *pem, const char *key, struct fault *f)
{
    X509 *first = NULL;
    EVP_PKEY *private_key = NULL;
    STACK_OF(X509) *others = sk_X509_new_null();
    assert(others);
    enum err err = read_certificates(pem, &first, others, f);
    if (!err)
        err = read_key(key, &private_key, f);
    if (!err)
        err = give(ssl, first, others, private_key, f);
    EVP_PKEY_free(private_key);
    X509_free(first);
    sk_X509_pop_free(others, X509_free);
    return err;
}

enum err private_key_check(const char *key, struct fault *f)
{
    EVP_PKEY *read = NULL;
    enum err err = read_key(key, &read, f);
    EVP_PKEY_free(read);
    return err;
}

enum err client_certificate_check(const char *pem, const char *key, struct fault *f)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context ? SSL_new(context) : NULL;
    assert(ssl);
    enum err err = client_certificate_use(ssl, pem, key, f);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return err;
}
