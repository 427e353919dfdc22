// SPDX-License-Identifier: MIT
// certificate.c: an elliptic-curve key that signs a certificate for itself.

#include "certificate.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DAY_SECONDS 86400

static void add_extension(X509 *x, int kind, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    assert(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static X509 *self_signed(EVP_PKEY *key, const char *names, bool expired)
{
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -2 * DAY_SECONDS);
    X509_gmtime_adj(X509_getm_notAfter(x), expired ? -DAY_SECONDS : DAY_SECONDS);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, key);
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x, NID_subject_alt_name, names);
    int bytes = X509_sign(x, key, EVP_sha256());
    assert(bytes > 0);
    return x;
}

void certificate_make(struct certificate *c, const char *names, bool expired)
{
    snprintf(c->folder, sizeof c->folder, "/tmp/carillon-certificate-XXXXXX");
    char *made = mkdtemp(c->folder);
    assert(made);
    snprintf(c->certificate_file, sizeof c->certificate_file, "%s/certificate.pem", c->folder);
    snprintf(c->key_file, sizeof c->key_file, "%s/key.pem", c->folder);

    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = self_signed(key, names, expired);
    FILE *file = fopen(c->certificate_file, "w");
    PEM_write_X509(file, x);
    fclose(file);
    file = fopen(c->certificate_file, "r");
    size_t bytes = fread(c->pem, 1, sizeof c->pem - 1, file);
    c->pem[bytes] = '\0';
    fclose(file);
    file = fopen(c->key_file, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(x);
    EVP_PKEY_free(key);
}

void certificate_remove(struct certificate *c)
{
    unlink(c->certificate_file);
    unlink(c->key_file);
    rmdir(c->folder);
}
