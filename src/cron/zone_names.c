// SPDX-License-Identifier: MIT
// zone_names.c: allowed names, and suggestions for misspelt ones.
//
// Nearness is the number of edits between two names without regard to case. Cities also count by
// themselves, so that "Berlin" and "America/Berlin" lead to "Europe/Berlin".

#include "cron/zone_names_priv.h"

#include "cron/ascii_priv.h"

#include <stdio.h>
#include <string.h>

static bool begins(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

bool zone__name_allowed(const char *name)
{
    static const char *const refused[] = {"posixrules", "localtime", "Factory"};
    static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789_+-/";
    size_t length = strlen(name);
    if (length == 0 || length >= ZONE_NAME_BYTES || strspn(name, characters) != length)
        return false;
    if (name[0] == '/' || name[length - 1] == '/' || strstr(name, "//"))
        return false;
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (!strcmp(name, refused[i]))
            return false;
    return !begins(name, "posix/") && !begins(name, "right/");
}

static char folded(char c)
{
    return c == ' ' ? '_' : ascii_upper(c);
}

// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
static unsigned edits(const char *a, const char *b)
{
    unsigned rows[3][ZONE_NAME_BYTES];
    size_t columns = strlen(b);
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (unsigned j = 0; j <= columns; j++)
        last[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= columns; j++) {
            unsigned differs = folded(a[i - 1]) != folded(b[j - 1]);
            now[j] = MIN(MIN(last[j], now[j - 1]) + 1, last[j - 1] + differs);
            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
                folded(a[i - 2]) == folded(b[j - 1]))
                now[j] = MIN(now[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[columns];
}

static const char *city(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static unsigned distance(const char *wanted, const char *name)
{
    unsigned whole = edits(wanted, name);
    unsigned by_city = edits(city(wanted), city(name)) + (strchr(wanted, '/') ? 2 : 1);
    return MIN(whole, by_city);
}

size_t zone__nearest(const char *wanted, const char (*names)[ZONE_NAME_BYTES], size_t count,
                     char out[static ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES])
{
    char text[ZONE_NAME_BYTES]; // More than the longest name need not be compared.
    snprintf(text, sizeof text, "%s", wanted);
    unsigned limit = 1 + (unsigned)strlen(city(text)) / 4;
    unsigned distances[ZONE_SUGGESTIONS_MAX];
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned d = distance(text, names[i]);
        size_t at = found;
        while (at > 0 && distances[at - 1] > d)
            at--;
        if (d > limit || at == ZONE_SUGGESTIONS_MAX)
            continue;
        found = MIN(found + 1, (size_t)ZONE_SUGGESTIONS_MAX);
        memmove(distances + at + 1, distances + at, (found - at - 1) * sizeof *distances);
        memmove(out + at + 1, out + at, (found - at - 1) * sizeof *out);
        distances[at] = d;
        memcpy(out[at], names[i], ZONE_NAME_BYTES);
    }
    return found;
}
