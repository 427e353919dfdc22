// SPDX-License-Identifier: MIT
// cursor.c: positions in lists, as text that clients hand back and need not understand.
//
// A kind, two numbers and a check, in base64url. The check keeps a cursor of one list, or one that
// was cut or typed, from being taken for a position; it is no secret.

#include "api/api_priv.h"
#include "api/page_priv.h"

#include <string.h>

#define RAW_BYTES 21 // Kind, two numbers of 8 bytes, check of 4: 28 characters without padding.
#define TEXT_BYTES (RAW_BYTES / 3 * 4)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void put_number(unsigned char *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t get_number(const unsigned char *in, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return value;
}

// FNV-1a.
static uint32_t check_of(const unsigned char *raw)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < RAW_BYTES - 4; i++)
        hash = (hash ^ raw[i]) * 16777619u;
    return hash;
}

void cursor_format(enum cursor_kind kind, const struct cursor *c, char out[static CURSOR_BYTES])
{
    _Static_assert(TEXT_BYTES < CURSOR_BYTES, "the text and its NUL must fit");
    unsigned char raw[RAW_BYTES];
    raw[0] = (unsigned char)kind;
    put_number(raw + 1, (uint64_t)c->at, 8);
    put_number(raw + 9, (uint64_t)c->id, 8);
    put_number(raw + 17, check_of(raw), 4);
    for (size_t i = 0; i < RAW_BYTES / 3; i++) {
        uint64_t three = get_number(raw + 3 * i, 3);
        for (size_t k = 0; k < 4; k++)
            out[4 * i + k] = alphabet[three >> (18 - 6 * k) & 63];
    }
    out[TEXT_BYTES] = '\0';
}

bool cursor_parse(enum cursor_kind kind, const char *text, struct cursor *out)
{
    if (strlen(text) != TEXT_BYTES)
        return false;
    unsigned char raw[RAW_BYTES];
    for (size_t i = 0; i < RAW_BYTES / 3; i++) {
        uint64_t three = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *found = strchr(alphabet, text[4 * i + k]);
            if (!found)
                return false;
            three = three << 6 | (uint64_t)(found - alphabet);
        }
        put_number(raw + 3 * i, three, 3);
    }
    if (raw[0] != kind || get_number(raw + 17, 4) != check_of(raw))
        return false;
    out->at = (int64_t)get_number(raw + 1, 8);
    out->id = (int64_t)get_number(raw + 9, 8);
    return true;
}
