// SPDX-License-Identifier: MIT
// retry_after.c: how long a target asks to be left alone.
//
// A value that cannot be read is no value: the job's own strategy decides then.

#include "dispatch/retry_after_priv.h"

#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 9 // More than enough for RETRY_AFTER_MS_MAX, and they cannot overflow.
#define YEAR_MS (INT64_C(31556952) * 1000) // On average.

static dur_ms bounded_ms(int64_t seconds)
{
    if (seconds <= 0)
        return 0;
    return MIN(seconds, RETRY_AFTER_MS_MAX / 1000) * 1000;
}

// 1 to 12, or 0.
static unsigned month_of(const char *name)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (unsigned month = 1; month <= 12; month++)
        if (strncmp(names + (month - 1) * 3, name, 3) == 0)
            return month;
    return 0;
}

// What a date says, as it stands there.
struct date {
    int year;
    char month[4];
    unsigned day, hour, minute, second;
};

// "sun, 06 nov 1994 08:49:37 gmt". The name of the day is checked in no form: it adds nothing.
static int scan_imf(const char *text, struct date *d)
{
    int length = 0;
    sscanf(text, "%*3[a-z], %2u %3[a-z] %4d %2u:%2u:%2u gmt%n", &d->day, d->month, &d->year,
           &d->hour, &d->minute, &d->second, &length);
    return length;
}

// "sunday, 06-nov-94 08:49:37 gmt"
static int scan_rfc850(const char *text, struct date *d)
{
    int length = 0;
    sscanf(text, "%*9[a-z], %2u-%3[a-z]-%2d %2u:%2u:%2u gmt%n", &d->day, d->month, &d->year,
           &d->hour, &d->minute, &d->second, &length);
    return length;
}

// "sun nov  6 08:49:37 1994", which is in GMT too.
static int scan_asctime(const char *text, struct date *d)
{
    int length = 0;
    sscanf(text, "%*3[a-z] %3[a-z] %2u %2u:%2u:%2u %4d%n", d->month, &d->day, &d->hour, &d->minute,
           &d->second, &d->year, &length);
    return length;
}

// False when a part of the date cannot be.
static bool date_instant(const struct date *d, wall_ms *out)
{
    unsigned month = month_of(d->month);
    if (month == 0 || d->day < 1 || d->day > 31 || d->hour > 23 || d->minute > 59 || d->second > 60)
        return false;
    int64_t days = days_from_civil(d->year, month, d->day);
    *out = (((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second) * 1000;
    return true;
}

// Two digits of a year mean the one within the next 50 years, or else the latest in the past.
static bool two_digit_instant(struct date *d, wall_ms now, wall_ms *out)
{
    int64_t this_year = 1970 + now / YEAR_MS;
    d->year += (int)(this_year / 100 * 100) + 100;
    bool good = date_instant(d, out);
    for (int i = 0; i < 2 && good && *out > now + 50 * YEAR_MS; i++) {
        d->year -= 100;
        good = date_instant(d, out);
    }
    return good;
}

// The three forms that RFC 9110 (5.6.7) has every recipient accept.
static bool read_date(const char *text, wall_ms now, wall_ms *out)
{
    static int (*const forms[])(const char *, struct date *) = {scan_imf, scan_rfc850,
                                                                scan_asctime};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct date d;
        int length = forms[i](text, &d);
        if (length > 0 && !text[length])
            return forms[i] == scan_rfc850 ? two_digit_instant(&d, now, out)
                                           : date_instant(&d, out);
    }
    return false;
}

dur_ms retry_after_read(const char *text, wall_ms now)
{
    wall_ms at;
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && text[digits] == '\0') {
        long long seconds = 0;
        sscanf(text, "%9lld", &seconds);
        return digits > DIGITS_MAX ? RETRY_AFTER_MS_MAX : bounded_ms(seconds);
    }
    if (!read_date(text, now, &at))
        return 0;
    return bounded_ms((at - now + 999) / 1000);
}
