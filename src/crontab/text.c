// SPDX-License-Identifier: MIT
// text.c: text that grows, and the encodings in which values are put into it.

#include "crontab/crontab_priv.h"

#include <string.h>

void crontab__add_bytes(struct text *t, const char *bytes, size_t count)
{
    size_t needed = t->count + count + 1;
    if (needed > t->capacity) {
        t->capacity = MAX(needed, 2 * t->capacity);
        t->bytes = xrealloc(t->bytes, t->capacity);
    }
    memcpy(t->bytes + t->count, bytes, count);
    t->count += count;
    t->bytes[t->count] = '\0';
}

void crontab__add(struct text *t, const char *text)
{
    crontab__add_bytes(t, text, strlen(text));
}

void crontab__add_base64(struct text *t, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = (const unsigned char *)text;
    for (size_t left = strlen(text); left > 0; left -= MIN(left, 3), from += 3) {
        uint32_t three = (uint32_t)from[0] << 16;
        if (left > 1)
            three |= (uint32_t)from[1] << 8;
        if (left > 2)
            three |= from[2];
        char four[4] = {digits[three >> 18], digits[three >> 12 & 63],
                        left > 1 ? digits[three >> 6 & 63] : '=',
                        left > 2 ? digits[three & 63] : '='};
        crontab__add_bytes(t, four, sizeof four);
    }
}

static bool is_unreserved(char c)
{
    return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') ||
           (c && strchr("-._~", c));
}

void crontab__add_percent(struct text *t, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char byte = (unsigned char)c;
    char code[3] = {'%', digits[byte >> 4], digits[byte & 15]};
    crontab__add_bytes(t, code, sizeof code);
}

void crontab__add_encoded(struct text *t, const char *text)
{
    for (; *text; text++) {
        if (is_unreserved(*text))
            crontab__add_bytes(t, text, 1);
        else if (*text == ' ')
            crontab__add_bytes(t, "+", 1);
        else
            crontab__add_percent(t, *text);
    }
}

void crontab__text_clear(struct text *t)
{
    t->count = 0;
    if (t->bytes)
        t->bytes[0] = '\0';
}

void crontab__text_fini(struct text *t)
{
    free(t->bytes);
    *t = (struct text){0};
}
