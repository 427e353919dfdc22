// SPDX-License-Identifier: MIT
// foreign_time.c: a date and time as others write it, for a hint in the one form that is read.
//
// "2027-01-01 10:00", "2027-01-01T10:00:00.000Z", "20270101T100000Z", "2027/01/01 10:00 UTC",
// "+0200" for "+02:00", a date alone, seconds or milliseconds since 1970. What comes out is only
// offered when the parser takes it, so that this may read generously.

#include "cron/parse_priv.h"

#include "base/ascii.h"

#include <stdio.h>
#include <string.h>

struct reader {
    const struct parse *p;
    size_t at;
    size_t end;
};

static bool take(struct reader *r, const char *characters)
{
    bool found = r->at < r->end && strchr(characters, r->p->text[r->at]);
    r->at += found;
    return found;
}

static bool take_word(struct reader *r, const char *word)
{
    bool found = cron__begins(r->p, (struct slice){r->at, r->end}, word);
    r->at += found ? strlen(word) : 0;
    return found;
}

static void skip_digits(struct reader *r)
{
    while (r->at < r->end && ascii_is_digit(r->p->text[r->at]))
        r->at++;
}

static bool take_digits(struct reader *r, unsigned count, unsigned *out)
{
    *out = 0;
    if (r->end - r->at < count)
        return false;
    for (unsigned i = 0; i < count; i++, r->at++) {
        if (!ascii_is_digit(r->p->text[r->at]))
            return false;
        *out = *out * 10 + (unsigned)(r->p->text[r->at] - '0');
    }
    return true;
}

// Nothing, a name of UTC, or an offset; "" or "Z" or "+hh:mm" into `out`.
static bool take_zone(struct reader *r, struct text *out)
{
    static const char *const utc[] = {"UTC", "GMT", "Z"};
    unsigned hour, minute = 0;
    for (size_t i = 0; i < COUNT_OF(utc); i++) {
        if (take_word(r, utc[i])) {
            cron__add(out, "Z");
            return true;
        }
    }
    char sign = r->at < r->end ? r->p->text[r->at] : '\0';
    if (!take(r, "+-"))
        return true;
    if (!take_digits(r, 2, &hour))
        return false;
    if ((take(r, ":") || r->at < r->end) && !take_digits(r, 2, &minute))
        return false;
    cron__add(out, "%c%02u:%02u", sign, hour, minute);
    return true;
}

// "hh:mm[:ss[.fff]]", with or without colons, or nothing at all, which is midnight.
static bool take_clock(struct reader *r, struct text *out)
{
    unsigned hour, minute, second = 0;
    while (take(r, "T_ \t"))
        continue;
    if (r->at == r->end) {
        cron__add(out, "T00:00:00");
        return true;
    }
    if (!take_digits(r, 2, &hour))
        return false;
    take(r, ":");
    if (!take_digits(r, 2, &minute))
        return false;
    bool more = take(r, ":") || (r->at < r->end && ascii_is_digit(r->p->text[r->at]));
    if (more && !take_digits(r, 2, &second))
        return false;
    if (take(r, ".,"))
        skip_digits(r); // A schedule has whole seconds.
    while (take(r, " \t"))
        continue;
    cron__add(out, "T%02u:%02u:%02u", hour, minute, second);
    return true;
}

static bool take_date(struct reader *r, struct text *out)
{
    unsigned year, month, day;
    if (!take_digits(r, 4, &year))
        return false;
    take(r, "-/.");
    if (!take_digits(r, 2, &month))
        return false;
    take(r, "-/.");
    if (!take_digits(r, 2, &day))
        return false;
    cron__add(out, "%04u-%02u-%02u", year, month, day);
    return true;
}

// Ten digits are seconds since 1970, thirteen are milliseconds.
static bool take_epoch(const struct parse *p, struct slice all, struct text *out)
{
    int64_t seconds = 0;
    size_t bytes = cron__bytes(all);
    for (size_t i = all.at; i < all.end; i++) {
        if (!ascii_is_digit(p->text[i]))
            return false;
        if (i < all.at + 10)
            seconds = seconds * 10 + (p->text[i] - '0');
    }
    if (bytes != 10 && bytes != 13)
        return false;
    char text[RFC3339_BYTES];
    wall_format(seconds * 1000, text);
    cron__add(out, "%.19sZ", text);
    return true;
}

bool cron__hint_time(struct parse *p, struct slice all)
{
    char time[64];
    struct text out = cron__text(time, sizeof time);
    if (take_epoch(p, all, &out))
        return cron__hint_text(p, "", "%s", time);
    struct reader r = {p, all.at, all.end};
    if (!take_date(&r, &out) || !take_clock(&r, &out) || !take_zone(&r, &out) || r.at < r.end)
        return false;
    return cron__hint_text(p, "", "%s", time);
}
