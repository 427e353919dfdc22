// SPDX-License-Identifier: MIT
// utf8.c: the forms that a character of UTF-8 can have, as a table.

#include "base/utf8.h"

#include "base/err.h"

static const struct {
    unsigned char first_low, first_high;
    unsigned char second_low, second_high;
    unsigned char bytes;
} forms[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t utf8_character(const char *text, size_t bytes)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t form = 0;
    while (bytes > 0 && form < COUNT_OF(forms) &&
           (c[0] < forms[form].first_low || c[0] > forms[form].first_high))
        form++;
    if (bytes == 0 || form == COUNT_OF(forms) || forms[form].bytes > bytes)
        return 0;
    size_t length = forms[form].bytes;
    if (length > 1 && (c[1] < forms[form].second_low || c[1] > forms[form].second_high))
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

size_t utf8_span(const char *text, size_t bytes)
{
    size_t at = 0;
    for (size_t length; (length = utf8_character(text + at, bytes - at)) > 0;)
        at += length;
    return at;
}
