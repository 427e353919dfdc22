// SPDX-License-Identifier: MIT
// certificates.h: certificates as a text in PEM, as clients give them.

#ifndef CARILLON_BASE_CERTIFICATES_H
#define CARILLON_BASE_CERTIFICATES_H

#include "base/err.h"

#include <openssl/types.h>

// Adds each certificate of the text to the store; a NULL store judges the text alone. ERR_SYNTAX
// with a sentence in *f, and the store then has those before the one that is wrong, when there is
// none at all, when one cannot be read, and when something else stands among them, such as a
// private key.
MUST_CHECK enum err certificates_add(const char *pem, X509_STORE *to, struct fault *f);

#endif
