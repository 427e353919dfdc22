// SPDX-License-Identifier: MIT
// enum_words.c: from the value of an enum to its word, and back.

#include "base/enum_words.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *enum_word(const struct enum_words *w, int value)
{
    assert(0 <= value && value < w->count && w->of[value]);
    return w->of[value];
}

bool enum_find(const struct enum_words *w, const char *word, int *out)
{
    for (int value = 0; value < w->count; value++) {
        if (strcmp(enum_word(w, value), word) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

void enum_list(const struct enum_words *w, char *out, size_t bytes)
{
    size_t used = 0;
    for (int value = 0; value < w->count && used < bytes; value++) {
        const char *between = value == 0 ? "" : value == w->count - 1 ? " or " : ", ";
        used += (size_t)snprintf(out + used, bytes - used, "%s%s", between, enum_word(w, value));
    }
}
