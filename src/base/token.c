// SPDX-License-Identifier: MIT
// token.c: see token.h.

#include "base/token.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#define PREFIX "car_"
#define PREFIX_LENGTH (sizeof PREFIX - 1)
#define RANDOM_BYTES 32
#define RANDOM_LENGTH 43 // 256 bits, six in each character.
#define CHECK_LENGTH 6
_Static_assert(PREFIX_LENGTH + RANDOM_LENGTH + CHECK_LENGTH == TOKEN_TEXT_LENGTH, "see token.h");

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// CRC-32, as of zlib.
static uint32_t check_of(const char *text, size_t bytes)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= (uint8_t)text[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

static void write_check(char *text)
{
    uint32_t check = check_of(text, TOKEN_TEXT_LENGTH - CHECK_LENGTH);
    for (int i = 0; i < CHECK_LENGTH; i++, check >>= 6)
        text[TOKEN_TEXT_LENGTH - CHECK_LENGTH + i] = letters[check & 63];
}

static void write_bits(const uint8_t bits[static RANDOM_BYTES], char *out)
{
    for (int i = 0; i < RANDOM_LENGTH; i++) {
        int at = i * 6 / 8;
        unsigned two = (unsigned)bits[at] << 8 | (at + 1 < RANDOM_BYTES ? bits[at + 1] : 0);
        out[i] = letters[two >> (10 - i * 6 % 8) & 63];
    }
}

enum err token_draw(char out[static TOKEN_TEXT_BYTES], struct fault *f)
{
    uint8_t bits[RANDOM_BYTES];
    if (getrandom(bits, sizeof bits, 0) != sizeof bits)
        return fault_set(f, ERR_SYSTEM, "no random numbers: %s", strerror(errno));
    memcpy(out, PREFIX, PREFIX_LENGTH);
    write_bits(bits, out + PREFIX_LENGTH);
    write_check(out);
    out[TOKEN_TEXT_LENGTH] = '\0';
    OPENSSL_cleanse(bits, sizeof bits);
    return ERR_OK;
}

bool token_is_whole(const char *text)
{
    char own[TOKEN_TEXT_BYTES];
    if (strlen(text) != TOKEN_TEXT_LENGTH || strncmp(text, PREFIX, PREFIX_LENGTH) != 0 ||
        strspn(text + PREFIX_LENGTH, letters) != TOKEN_TEXT_LENGTH - PREFIX_LENGTH)
        return false;
    memcpy(own, text, sizeof own);
    write_check(own);
    return strcmp(own, text) == 0;
}

enum err token_digest(const char *text, uint8_t out[static TOKEN_DIGEST_BYTES], struct fault *f)
{
    unsigned bytes = 0;
    if (!EVP_Digest(text, strlen(text), out, &bytes, EVP_sha256(), NULL) ||
        bytes != TOKEN_DIGEST_BYTES)
        return fault_set(f, ERR_SYSTEM, "SHA-256 failed");
    return ERR_OK;
}
