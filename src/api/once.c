// SPDX-License-Identifier: MIT
// once.c: the header Idempotency-Key of a request.
//
// The same key with the same method, target and body is the same request, repeated; its answer is
// that of the first time, marked by the header Idempotency-Replayed.

#include "api/api_priv.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

static bool is_key(const char *text)
{
    size_t bytes = strlen(text);
    for (const char *c = text; *c; c++)
        if (*c < 0x21 || *c > 0x7e)
            return false;
    return bytes >= 1 && bytes <= CLIENT_KEY_BYTES_MAX;
}

static bool hash_text(EVP_MD_CTX *hash, const char *text, size_t bytes)
{
    uint64_t length = bytes; // Before each part, so that parts cannot be shifted into each other.
    return EVP_DigestUpdate(hash, &length, sizeof length) && EVP_DigestUpdate(hash, text, bytes);
}

static void digest(struct exchange *x, uint8_t out[static CLIENT_KEY_DIGEST_BYTES])
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    size_t bytes;
    const char *body = exchange_body(x, &bytes);
    bool done = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) &&
                hash_text(hash, exchange_method(x), strlen(exchange_method(x))) &&
                hash_text(hash, exchange_target(x), strlen(exchange_target(x))) &&
                hash_text(hash, body, bytes) && EVP_DigestFinal_ex(hash, out, NULL);
    assert(done); // Only memory can be missing, and then the x-functions stop us as well.
    (void)done;
    EVP_MD_CTX_free(hash);
}

enum err request_key(struct api_request *r, struct service_key *key,
                     const struct service_key **once, struct problem *p)
{
    *once = NULL;
    key->text = exchange_header(r->exchange, "Idempotency-Key");
    if (!key->text)
        return ERR_OK;
    if (!is_key(key->text))
        return service_refuse(&p->what, ERR_SYNTAX, PROBLEM_HEADER, NULL,
                              "Idempotency-Key must be 1 to %d visible ASCII characters",
                              CLIENT_KEY_BYTES_MAX);
    digest(r->exchange, key->digest);
    *once = key;
    return ERR_OK;
}
