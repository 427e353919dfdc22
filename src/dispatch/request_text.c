// SPDX-License-Identifier: MIT
// request_text.c: text that grows, and numbers written into it.
//
// Every request has a dozen numbers in it; printf would take longer over them than the rest of the
// client takes in all.

#include "dispatch/request_priv.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#define KEPT_BYTES_MAX 16384
#define DIGITS_MAX 20 // A number of 64 bits, with its sign.

static void make_room(struct request_text *t, size_t more)
{
    size_t needed = t->count + more + 1;
    if (needed <= t->capacity)
        return;
    t->capacity = MAX(needed, 2 * t->capacity);
    t->bytes = xrealloc(t->bytes, t->capacity);
}

void request_text_add(struct request_text *t, const char *bytes, size_t count)
{
    make_room(t, count);
    assert(t->count + count < t->capacity);
    if (count > 0) // NULL may stand for nothing, but not for memcpy.
        memcpy(t->bytes + t->count, bytes, count);
    t->count += count;
    t->bytes[t->count] = '\0';
}

void request_text_say(struct request_text *t, const char *words)
{
    request_text_add(t, words, strlen(words));
}

void request_text_number(struct request_text *t, int64_t number)
{
    char digits[DIGITS_MAX];
    char *p = digits + sizeof digits;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do
        *--p = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        *--p = '-';
    request_text_add(t, p, (size_t)(digits + sizeof digits - p));
}

void request_text_hex(struct request_text *t, uint64_t number)
{
    char digits[16];
    for (int i = 15; i >= 0; i--, number >>= 4)
        digits[i] = "0123456789abcdef"[number & 15];
    request_text_add(t, digits, sizeof digits);
}

void request_text_wipe(struct request_text *t)
{
    OPENSSL_cleanse(t->bytes, t->capacity);
    t->count = 0;
}

void request_text_trim(struct request_text *t)
{
    if (t->capacity <= KEPT_BYTES_MAX)
        return;
    free(t->bytes);
    *t = (struct request_text){0};
}
