// SPDX-License-Identifier: MIT
// seal.c: AES-256-GCM around a text.
//
// Nonces are random, which GCM allows for 2^32 texts of one key; no server comes near.

#include "secrets/secrets_priv.h"

#include "base/base64.h"
#include "base/memory.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define FORM "sealed:"
#define FORM_V1 FORM "v1:"
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define AROUND_BYTES (NONCE_BYTES + TAG_BYTES)
#define ASSOCIATED_BYTES 160

// What is authenticated beside the text. Neither an id nor a context has a colon.
static size_t associate(char out[static ASSOCIATED_BYTES], const char *id, const char *context)
{
    int n = snprintf(out, ASSOCIATED_BYTES, "carillon:v1:%s:%s", id, context);
    assert(n > 0 && n < ASSOCIATED_BYTES);
    return (size_t)n;
}

// --- Sealing -------------------------------------------------------------------------------------

// Writes nonce, ciphertext and tag.
static void encrypt(const struct secret_key *k, const char *text, size_t bytes, const char *context,
                    unsigned char *out)
{
    char beside[ASSOCIATED_BYTES];
    int beside_bytes = (int)associate(beside, k->id, context);
    int n;
    unsigned char *at = out + NONCE_BYTES;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool good = c && RAND_bytes(out, NONCE_BYTES) == 1 &&
                EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, k->bytes, out) &&
                EVP_EncryptUpdate(c, NULL, &n, (unsigned char *)beside, beside_bytes) &&
                EVP_EncryptUpdate(c, at, &n, (const unsigned char *)text, (int)bytes) &&
                EVP_EncryptFinal_ex(c, at + bytes, &n) &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, at + bytes);
    assert(good); // Only memory can be missing, and then the x-functions stop us as well.
    (void)good;
    EVP_CIPHER_CTX_free(c);
}

size_t secret_sealed_chars(const struct secret_ring *r, size_t bytes)
{
    return strlen(FORM_V1) + strlen(r->keys[0].id) + 1 + BASE64_CHARS(bytes + AROUND_BYTES);
}

char *secret_seal(const struct secret_ring *r, const char *text, const char *context)
{
    size_t bytes = strlen(text);
    assert(r && r->count > 0 && bytes <= SECRET_BYTES_MAX);
    const struct secret_key *k = &r->keys[0];
    size_t chars = secret_sealed_chars(r, bytes);
    unsigned char *sealed = xmalloc(bytes + AROUND_BYTES);
    char *out = xmalloc(chars + 1);
    encrypt(k, text, bytes, context, sealed);
    int n = snprintf(out, chars + 1, FORM_V1 "%s:", k->id);
    base64_write(sealed, bytes + AROUND_BYTES, out + n);
    free(sealed);
    assert(strlen(out) == chars);
    return out;
}

// --- Opening -------------------------------------------------------------------------------------

bool secret_is_sealed(const char *text)
{
    return strncmp(text, FORM, strlen(FORM)) == 0;
}

// The parts of a sealed text.
struct parts {
    const char *id;
    size_t id_chars;
    const char *base64;
    size_t base64_chars;
};

static bool cut(const char *sealed, size_t chars, struct parts *out)
{
    size_t before = strlen(FORM_V1);
    if (chars <= before || strncmp(sealed, FORM_V1, before) != 0)
        return false;
    const char *id = sealed + before;
    const char *colon = memchr(id, ':', chars - before);
    size_t id_chars = colon ? (size_t)(colon - id) : 0;
    if (id_chars == 0 || id_chars > SECRET_KEY_ID_CHARS_MAX || secrets__id_chars(id) != id_chars)
        return false;
    *out = (struct parts){.id = id,
                          .id_chars = id_chars,
                          .base64 = colon + 1,
                          .base64_chars = chars - before - id_chars - 1};
    return true;
}

// Writes the text and a NUL. False: the tag does not fit.
static bool decrypt(const struct secret_key *k, unsigned char *sealed, size_t bytes,
                    const char *context, char *out)
{
    char beside[ASSOCIATED_BYTES];
    int beside_bytes = (int)associate(beside, k->id, context);
    size_t text_bytes = bytes - AROUND_BYTES;
    unsigned char *at = sealed + NONCE_BYTES, *to = (unsigned char *)out;
    int n;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    assert(c);
    bool good = EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, k->bytes, sealed) &&
                EVP_DecryptUpdate(c, NULL, &n, (unsigned char *)beside, beside_bytes) &&
                EVP_DecryptUpdate(c, to, &n, at, (int)text_bytes) &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, at + text_bytes) &&
                EVP_DecryptFinal_ex(c, to + text_bytes, &n) > 0;
    EVP_CIPHER_CTX_free(c);
    out[text_bytes] = '\0';
    if (!good)
        OPENSSL_cleanse(out, text_bytes);
    return good && memchr(out, '\0', text_bytes) == NULL;
}

static enum err open_with(const struct secret_key *k, const struct parts *p, const char *context,
                          char **out, struct fault *f)
{
    unsigned char *sealed = xmalloc(BASE64_BYTES(p->base64_chars) + 1);
    size_t bytes = 0;
    enum err err = ERR_OK;
    char *text = NULL;
    if (!base64_read(p->base64, p->base64_chars, sealed, &bytes) || bytes < AROUND_BYTES ||
        bytes > SECRET_BYTES_MAX + AROUND_BYTES)
        err = fault_set(f, ERR_SYNTAX, "the sealed text is malformed");
    if (!err) {
        text = xmalloc(bytes - AROUND_BYTES + 1);
        if (!decrypt(k, sealed, bytes, context, text))
            err = fault_set(f, ERR_UNUSABLE,
                            "the sealed text was altered, or key %s is not the one that sealed it",
                            k->id);
    }
    free(sealed);
    if (err)
        free(text);
    else
        *out = text;
    return err;
}

enum err secret_open(const struct secret_ring *r, const char *sealed, size_t chars,
                     const char *context, char **out, struct fault *f)
{
    struct parts p;
    if (!cut(sealed, chars, &p))
        return fault_set(f, ERR_SYNTAX, "the sealed text is malformed");
    const struct secret_key *k = secrets__find(r, p.id, p.id_chars);
    if (!k)
        return fault_set(f, ERR_NOT_FOUND, "the key %.*s that it was sealed with is missing here",
                         (int)p.id_chars, p.id);
    return open_with(k, &p, context, out, f);
}

void secret_free(char *text)
{
    if (!text)
        return;
    OPENSSL_cleanse(text, strlen(text));
    free(text);
}

bool secret_is_current(const struct secret_ring *r, const char *sealed, size_t chars)
{
    struct parts p;
    return r && cut(sealed, chars, &p) && secrets__find(r, p.id, p.id_chars) == &r->keys[0];
}
