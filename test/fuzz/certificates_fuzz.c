// SPDX-License-Identifier: MIT
// certificates_fuzz.c: any bytes as the certificates in PEM that a job trusts.
//
// A text is judged the same with a store and without one, and what is refused says why. The store
// has what was accepted.

#include "base/certificates.h"

#include <assert.h>
#include <openssl/x509_vfy.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (memchr(data, '\0', bytes))
        return 0;
    char *text = malloc(bytes + 1);
    assert(text);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    X509_STORE *store = X509_STORE_new();
    assert(store);
    struct fault judged = {0}, added = {0};
    enum err err = certificates_add(text, NULL, &judged);
    enum err again = certificates_add(text, store, &added);
    assert(err == again && strcmp(judged.text, added.text) == 0);
    assert((err == ERR_OK) == (judged.text[0] == '\0'));
    assert(err || sk_X509_OBJECT_num(X509_STORE_get0_objects(store)) > 0);
    X509_STORE_free(store);
    free(text);
    return 0;
}
