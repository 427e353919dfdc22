// SPDX-License-Identifier: MIT
// zone_alias.c: what a name that is no zone's stands for elsewhere.
//
// People write "PST", "Pacific Standard Time" or "+02:00", and none of these is near the name of
// the zone they mean, letter by letter. Abbreviations and the names of Windows are in a table. An
// offset in whole hours leads to "Etc/GMT-2", in which the sign is the other way round.

#include "zones/zone_names_priv.h"

#include "base/ascii.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOURS_EAST_MAX 14
#define HOURS_WEST_MAX 12

static const struct {
    const char *written;
    const char *names[ZONE_SUGGESTIONS_MAX];
} aliases[] = {
#define ALIAS(written, ...) {written, {__VA_ARGS__}},
#include "zones/zone_alias.def"
#undef ALIAS
};

static bool begins(const char *text, const char *word)
{
    for (; *word; text++, word++)
        if (ascii_upper(*text) != ascii_upper(*word))
            return false;
    return true;
}

// "Pacific Daylight Time" as "Pacific".
static void without_suffix(char *name)
{
    static const char *const suffixes[] = {" Standard Time", " Daylight Time", " Summer Time",
                                           " Time"};
    size_t length = strlen(name);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        size_t bytes = strlen(suffixes[i]);
        if (length > bytes && begins(name + length - bytes, suffixes[i])) {
            name[length - bytes] = '\0';
            return;
        }
    }
}

static size_t find_alias(const char *written,
                         char out[static ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES])
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(aliases); i++) {
        if (!begins(written, aliases[i].written) || written[strlen(aliases[i].written)])
            continue;
        for (; count < ZONE_SUGGESTIONS_MAX && aliases[i].names[count]; count++)
            snprintf(out[count], ZONE_NAME_BYTES, "%s", aliases[i].names[count]);
        return count;
    }
    return 0;
}

// Two digits at most, as a number. False if there is none.
static bool take_digits(const char **text, int *out)
{
    int digits = 0;
    *out = 0;
    for (; digits < 2 && ascii_is_digit(**text); digits++, ++*text)
        *out = *out * 10 + (**text - '0');
    return digits > 0;
}

// "+2", "+02:00", "-0330", also after "UTC" or "GMT", as minutes east of UTC.
static bool read_offset(const char *name, int *out)
{
    if (begins(name, "UTC") || begins(name, "GMT"))
        name += 3;
    char sign = *name++;
    int hours, minutes = 0;
    if ((sign != '+' && sign != '-') || !take_digits(&name, &hours))
        return false;
    if (*name == ':')
        name++;
    if (*name && !take_digits(&name, &minutes))
        return false;
    *out = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
    return !*name && minutes < 60;
}

static size_t find_offset(int minutes, char out[static ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES])
{
    int hours = minutes / 60;
    char written[16];
    if (minutes % 60) {
        snprintf(written, sizeof written, "%c%02d:%02d", minutes < 0 ? '-' : '+', abs(hours) % 100,
                 abs(minutes % 60));
        return find_alias(written, out);
    }
    if (hours > HOURS_EAST_MAX || hours < -HOURS_WEST_MAX)
        return 0;
    if (hours == 0)
        snprintf(out[0], ZONE_NAME_BYTES, "UTC");
    else
        snprintf(out[0], ZONE_NAME_BYTES, "Etc/GMT%+d", -hours);
    return 1;
}

size_t zone__alias(const char *wanted, char out[static ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES])
{
    char text[ZONE_NAME_BYTES];
    int minutes;
    if (strlen(wanted) >= sizeof text)
        return 0;
    if (read_offset(wanted, &minutes))
        return find_offset(minutes, out);
    snprintf(text, sizeof text, "%s", wanted);
    without_suffix(text);
    return find_alias(text, out);
}
