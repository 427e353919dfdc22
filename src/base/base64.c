// SPDX-License-Identifier: MIT
// base64.c: three bytes are four characters of six bits each.
//
// Written here since OpenSSL's functions are lenient (blanks, padding in the middle) and count
// padding as bytes.

#include "base/base64.h"

#include <stdint.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_write(const void *bytes, size_t count, char *out)
{
    const unsigned char *from = bytes;
    for (; count >= 3; count -= 3, from += 3) {
        uint32_t bits = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *out++ = letters[bits >> shift & 63];
    }
    if (count > 0) {
        uint32_t bits = (uint32_t)from[0] << 16 | (count > 1 ? (uint32_t)from[1] << 8 : 0);
        *out++ = letters[bits >> 18 & 63];
        *out++ = letters[bits >> 12 & 63];
        *out++ = count > 1 ? letters[bits >> 6 & 63] : '=';
        *out++ = '=';
    }
    *out = '\0';
}

// The six bits of a letter; -1: it is none.
static int bits_of(char c)
{
    if ('A' <= c && c <= 'Z')
        return c - 'A';
    if ('a' <= c && c <= 'z')
        return c - 'a' + 26;
    if ('0' <= c && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// How many characters of the last group are padding.
static size_t padding_of(const char *text, size_t chars)
{
    if (chars == 0 || text[chars - 1] != '=')
        return 0;
    return text[chars - 2] == '=' ? 2 : 1;
}

bool base64_read(const char *text, size_t chars, void *out, size_t *count)
{
    unsigned char *to = out;
    if (chars % 4 != 0)
        return false;
    size_t used = chars - padding_of(text, chars);
    uint32_t bits = 0;
    size_t written = 0;
    for (size_t i = 0; i < used; i++) {
        int value = bits_of(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 > 0)
            to[written++] = (unsigned char)(bits >> (6 - i % 4 * 2) & 255);
    }
    uint32_t unused = used % 4 == 2 ? bits & 15 : used % 4 == 3 ? bits & 3 : 0;
    *count = written;
    return unused == 0;
}
