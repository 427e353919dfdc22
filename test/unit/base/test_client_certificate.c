// SPDX-License-Identifier: MIT
// test_client_certificate.c: a certificate and its private key are used together, or not at all.

#include "base/client_certificate.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

#define TEXT_BYTES 8192

static EVP_PKEY *mine, *others, *weak;
static char certificate[TEXT_BYTES], certificate_of_others[TEXT_BYTES],
    weak_certificate[TEXT_BYTES];
static char key[TEXT_BYTES], key_of_others[TEXT_BYTES], weak_key[TEXT_BYTES];
static char encrypted[TEXT_BYTES], encrypted_before[TEXT_BYTES];

// --- Texts ---------------------------------------------------------------------------------------

static void take(BIO *from, char out[static TEXT_BYTES])
{
    int bytes = BIO_read(from, out, TEXT_BYTES - 1);
    assert_true(bytes > 0);
    out[bytes] = '\0';
    BIO_free(from);
}

static void write_key(EVP_PKEY *k, char out[static TEXT_BYTES])
{
    BIO *to = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_PrivateKey(to, k, NULL, NULL, 0, NULL, NULL));
    take(to, out);
}

// As PKCS #8, and in the older form with a header Proc-Type.
static void write_encrypted(EVP_PKEY *k)
{
    const unsigned char *word = (const unsigned char *)"secret";
    BIO *to = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_PrivateKey(to, k, EVP_aes_128_cbc(), word, 6, NULL, NULL));
    take(to, encrypted);
    to = BIO_new(BIO_s_mem());
    assert_true(
        PEM_write_bio_PrivateKey_traditional(to, k, EVP_aes_128_cbc(), word, 6, NULL, NULL));
    take(to, encrypted_before);
}

static void write_certificate(EVP_PKEY *k, char out[static TEXT_BYTES])
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, k);
    assert_true(X509_sign(x, k, EVP_sha256()) > 0);
    BIO *to = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_X509(to, x));
    take(to, out);
    X509_free(x);
}

static int make_all(void **state)
{
    (void)state;
    mine = EVP_EC_gen("P-256");
    others = EVP_EC_gen("P-256");
    weak = EVP_RSA_gen(512);
    write_key(mine, key);
    write_key(others, key_of_others);
    write_key(weak, weak_key);
    write_encrypted(mine);
    write_certificate(mine, certificate);
    write_certificate(others, certificate_of_others);
    write_certificate(weak, weak_certificate);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    EVP_PKEY_free(mine);
    EVP_PKEY_free(others);
    EVP_PKEY_free(weak);
    return 0;
}

static const char *joined(const char *a, const char *b)
{
    static char text[2 * TEXT_BYTES];
    snprintf(text, sizeof text, "%s%s", a, b);
    return text;
}

// --- Tests ---------------------------------------------------------------------------------------

static void assert_says(enum err err, enum err expected, const struct fault *f, const char *reason)
{
    assert_int_equal(err, expected);
    if (err && !strstr(f->text, reason))
        fail_msg("\"%s\" does not say \"%s\"", f->text, reason);
    assert_int_equal(ERR_peek_error(), 0); // Or it would be taken for one of the next call.
}

static void a_key_is_read_without_a_passphrase(void **state)
{
    (void)state;
    const struct {
        const char *text;
        enum err err;
        const char *reason;
    } cases[] = {
        {key, ERR_OK, ""},
        {weak_key, ERR_OK, ""},
        {encrypted, ERR_SYNTAX, "encrypted with a passphrase"},
        {encrypted_before, ERR_SYNTAX, "encrypted with a passphrase"},
        {certificate, ERR_SYNTAX, "no private key in it"},
        {"", ERR_SYNTAX, "no private key in it"},
        {"-----BEGIN PRIVATE KEY-----\nMEECAQAw\n-----END PRIVATE KEY-----\n", ERR_SYNTAX,
         "no private key in it"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault f = {0};
        assert_says(private_key_check(cases[i].text, &f), cases[i].err, &f, cases[i].reason);
    }
}

static void a_pair_belongs_together(void **state)
{
    (void)state;
    const struct {
        const char *certificate, *key;
        enum err err;
        const char *reason;
    } cases[] = {
        {certificate, key, ERR_OK, ""},
        {certificate, key_of_others, ERR_CONFLICT, "not that of the first certificate"},
        {certificate_of_others, key, ERR_CONFLICT, "not that of the first certificate"},
        {certificate, encrypted, ERR_SYNTAX, "encrypted with a passphrase"},
        {key, key, ERR_SYNTAX, "no certificate in it"},
        {weak_certificate, weak_key, ERR_UNSUPPORTED, "key too small"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault f = {0};
        enum err err = client_certificate_check(cases[i].certificate, cases[i].key, &f);
        assert_says(err, cases[i].err, &f, cases[i].reason);
    }
}

// The first certificate is the client's own, whatever stands behind it.
static void a_connection_shows_the_first_and_those_behind_it(void **state)
{
    (void)state;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    STACK_OF(X509) *others_shown = NULL;
    struct fault f = {0};
    const char *chain = joined(certificate, certificate_of_others);
    assert_says(client_certificate_use(ssl, chain, key, &f), ERR_OK, &f, "");
    assert_int_equal(X509_check_private_key(SSL_get_certificate(ssl), mine), 1);
    SSL_get0_chain_certs(ssl, &others_shown);
    assert_int_equal(sk_X509_num(others_shown), 1);
    assert_int_equal(X509_check_private_key(sk_X509_value(others_shown, 0), others), 1);
    chain = joined(certificate_of_others, certificate);
    assert_says(client_certificate_use(ssl, chain, key, &f), ERR_CONFLICT, &f, "first");
    SSL_free(ssl);
    SSL_CTX_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_read_without_a_passphrase),
        cmocka_unit_test(a_pair_belongs_together),
        cmocka_unit_test(a_connection_shows_the_first_and_those_behind_it),
    };
    return cmocka_run_group_tests_name("client certificate", tests, make_all, free_all);
}
