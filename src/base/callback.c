// SPDX-License-Identifier: MIT
// callback.c: see callback.h.

#include "base/callback.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEY_DIGITS (CALLBACK_KEY_BYTES - 1)
#define HASH_BYTES 32
#define ATTEMPT_MAX UINT16_MAX

bool callback_key_is_whole(const char *key)
{
    return strlen(key) == KEY_DIGITS && strspn(key, "0123456789abcdef") == KEY_DIGITS;
}

enum err callback_key_draw(char out[static CALLBACK_KEY_BYTES], struct fault *f)
{
    uint8_t bits[KEY_DIGITS / 2];
    if (getrandom(bits, sizeof bits, 0) != sizeof bits)
        return fault_set(f, ERR_SYSTEM, "no random numbers: %s", strerror(errno));
    for (size_t i = 0; i < sizeof bits; i++)
        snprintf(out + 2 * i, 3, "%02x", bits[i]);
    OPENSSL_cleanse(bits, sizeof bits);
    return ERR_OK;
}

// 256 bits as 43 characters of base64url.
static void write_hash(const uint8_t hash[static HASH_BYTES], char *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t bit = 0; bit < 8 * HASH_BYTES; bit += 6) {
        size_t at = bit / 8;
        unsigned two = (unsigned)hash[at] << 8 | (at + 1 < HASH_BYTES ? hash[at + 1] : 0);
        *out++ = letters[two >> (10 - bit % 8) & 63];
    }
    *out = '\0';
}

// What is signed cannot be mistaken for anything else that the key might sign.
static void write_token(char out[static CALLBACK_TOKEN_BYTES], const char *key,
                        const char *execution, unsigned attempt)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    char text[128];
    assert(callback_key_is_whole(key) && 0 < attempt && attempt <= ATTEMPT_MAX);
    int bytes = snprintf(text, sizeof text, "completion\n%s\n%u", execution, attempt);
    assert(bytes > 0 && (size_t)bytes < sizeof text);
    const void *done =
        HMAC(EVP_sha256(), key, KEY_DIGITS, (const unsigned char *)text, (size_t)bytes, hash, NULL);
    assert(done); // Only memory can be missing.
    (void)done;
    int used = snprintf(out, CALLBACK_TOKEN_BYTES, "%u-", attempt);
    write_hash(hash, out + used);
}

void callback_url(char out[static CALLBACK_URL_BYTES], const char *base, const char *key,
                  const char *execution, unsigned attempt)
{
    char token[CALLBACK_TOKEN_BYTES];
    size_t bytes = strlen(base);
    write_token(token, key, execution, attempt);
    while (bytes > 0 && base[bytes - 1] == '/')
        bytes--;
    assert(bytes <= CALLBACK_BASE_BYTES);
    snprintf(out, CALLBACK_URL_BYTES, "%.*s/executions/%s/complete?token=%s", (int)bytes, base,
             execution, token);
    OPENSSL_cleanse(token, sizeof token);
}

// As long as the longest, whatever was given, so that the time of the comparison tells nothing.
bool callback_token_read(const char *key, const char *execution, const char *token,
                         unsigned *attempt)
{
    char own[CALLBACK_TOKEN_BYTES] = "", given[CALLBACK_TOKEN_BYTES] = "";
    char *end;
    unsigned long number = strtoul(token, &end, 10);
    if (*token < '1' || *token > '9' || *end != '-' || number > ATTEMPT_MAX ||
        strlen(token) >= sizeof given)
        return false;
    memcpy(given, token, strlen(token));
    write_token(own, key, execution, (unsigned)number);
    bool is_same = CRYPTO_memcmp(own, given, sizeof own) == 0;
    OPENSSL_cleanse(own, sizeof own);
    if (is_same)
        *attempt = (unsigned)number;
    return is_same;
}
