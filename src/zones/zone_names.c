// SPDX-License-Identifier: MIT
// zone_names.c: allowed names, and suggestions for misspelt ones.
//
// Nearness is the number of edits between two names without regard to case. Cities also count by
// themselves, so that "Berlin" and "America/Berlin" lead to "Europe/Berlin".

#include "zones/zone_names_priv.h"

#include "base/near.h"

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

static const char *city(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static unsigned distance(const char *wanted, const char *name)
{
    unsigned whole = near_edits(wanted, name);
    unsigned by_city = near_edits(city(wanted), city(name)) + (strchr(wanted, '/') ? 2 : 1);
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
