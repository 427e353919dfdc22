// SPDX-License-Identifier: MIT
// authority.c: keys of an elliptic curve, certificates for a day, files in PEM.

#include "authority.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY_SECONDS 86400

static void add_extension(X509 *x, int kind, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static X509 *begin(EVP_PKEY *key, const char *name)
{
    X509 *x = X509_new();
    uint32_t serial;
    RAND_bytes((unsigned char *)&serial, sizeof serial);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), (long)serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -DAY_SECONDS);
    X509_gmtime_adj(X509_getm_notAfter(x), DAY_SECONDS);
    if (*name)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(x, key);
    return x;
}

static void write_certificate(const char *path, X509 *x)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    PEM_write_X509(file, x);
    fclose(file);
}

void authority_open(struct authority *a, const char *name)
{
    strcpy(a->folder, "/tmp/carillon-authority-XXXXXX");
    assert_non_null(mkdtemp(a->folder));
    snprintf(a->file, sizeof a->file, "%s/authority.pem", a->folder);
    a->key = EVP_EC_gen("P-256");
    a->certificate = begin(a->key, name);
    X509_set_issuer_name(a->certificate, X509_get_subject_name(a->certificate));
    add_extension(a->certificate, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(a->certificate, a->key, EVP_sha256()) > 0);
    write_certificate(a->file, a->certificate);
}

void authority_sign(struct authority *a, const char *file, const char *name,
                    struct signed_files *out)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = begin(key, name);
    X509_set_issuer_name(x, X509_get_subject_name(a->certificate));
    add_extension(x, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    assert_true(X509_sign(x, a->key, EVP_sha256()) > 0);
    snprintf(out->certificate, sizeof out->certificate, "%s/%s.pem", a->folder, file);
    snprintf(out->key, sizeof out->key, "%s/%s.key", a->folder, file);
    write_certificate(out->certificate, x);
    FILE *to = fopen(out->key, "w");
    assert_non_null(to);
    PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL);
    fclose(to);
    X509_free(x);
    EVP_PKEY_free(key);
}

void authority_close(struct authority *a)
{
    DIR *folder = opendir(a->folder);
    assert_non_null(folder);
    for (struct dirent *e = readdir(folder); e; e = readdir(folder)) {
        char path[sizeof a->folder + sizeof e->d_name + 1];
        snprintf(path, sizeof path, "%s/%s", a->folder, e->d_name);
        if (e->d_name[0] != '.')
            unlink(path);
    }
    closedir(folder);
    rmdir(a->folder);
    X509_free(a->certificate);
    EVP_PKEY_free(a->key);
}
