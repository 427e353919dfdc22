// SPDX-License-Identifier: MIT
// excerpt.c: repairs UTF-8. Which sequences are characters is said by the table 3-7 of the Unicode
// standard: the second byte of some has a narrower range, which keeps out overlong forms,
// surrogates and what lies beyond U+10FFFF.

#include "dispatch/excerpt_priv.h"

#include <assert.h>
#include <string.h>

static const struct {
    unsigned char first_low, first_high;
    unsigned char second_low, second_high;
    unsigned length;
} characters[] = {
    {0x01, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static const char replacement[] = "\xef\xbf\xbd";

// Bytes of the character at the start of p, 0 when there is none. *cut: it is one as far as it
// goes, but `count` ends before it does.
static size_t character_length(const unsigned char *p, size_t count, bool *cut)
{
    size_t row = 0;
    while (row < COUNT_OF(characters) &&
           !(characters[row].first_low <= p[0] && p[0] <= characters[row].first_high))
        row++;
    if (row == COUNT_OF(characters))
        return 0;

    size_t length = characters[row].length;
    for (size_t i = 1; i < length; i++) {
        if (i == count) {
            *cut = true;
            return 0;
        }
        unsigned char low = i == 1 ? characters[row].second_low : 0x80;
        unsigned char high = i == 1 ? characters[row].second_high : 0xbf;
        if (p[i] < low || p[i] > high)
            return 0;
    }
    return length;
}

void excerpt_format(const char *bytes, size_t count, size_t most, char *out)
{
    size_t used = 0;
    bool cut = false;
    while (count > 0) {
        size_t taken = character_length((const unsigned char *)bytes, count, &cut);
        const char *from = taken ? bytes : replacement;
        size_t length = taken ? taken : strlen(replacement);
        if (cut || used + length > most)
            break;
        memcpy(out + used, from, length);
        used += length;
        bytes += MAX(taken, 1);
        count -= MAX(taken, 1);
    }
    assert(used <= most);
    out[used] = '\0';
}
