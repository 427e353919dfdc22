// SPDX-License-Identifier: MIT
// authority.h: certificates for tests of TLS: one that signs, and others that it has signed.

#ifndef CARILLON_TEST_AUTHORITY_H
#define CARILLON_TEST_AUTHORITY_H

#include <openssl/types.h>

// Paths of PEM files in a folder of the test's own.
struct signed_files {
    char certificate[128];
    char key[128];
};

struct authority {
    char folder[64];
    char file[128]; // With the certificate.
    X509 *certificate;
    EVP_PKEY *key;
};

void authority_open(struct authority *a, const char *name);
void authority_close(struct authority *a); // Removes the folder with all that is in it.

// Makes a certificate for the common name ("" for none), good for 127.0.0.1 and localhost, and its
// key, and writes both to files called `file`, in the place of those that were there.
void authority_sign(struct authority *a, const char *file, const char *name,
                    struct signed_files *out);

#endif
