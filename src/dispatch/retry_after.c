// SPDX-License-Identifier: MIT
// retry_after.c: how long a target asks to be left alone.
//
// A value that cannot be read is no value: the job's own strategy decides then.

#include "dispatch/retry_after_priv.h"

#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 9 // More than enough for RETRY_AFTER_MS_MAX, and they cannot overflow.

dur_ms retry_after_of_seconds(int64_t seconds)
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

// "sun, 06 nov 1994 08:49:37 gmt". The name of the day is not checked: it adds nothing.
static bool read_date(const char *text, wall_ms *out)
{
    char name[4];
    unsigned day, hour, minute, second;
    int year, length = 0;
    sscanf(text, "%*3[a-z], %2u %3[a-z] %4d %2u:%2u:%2u gmt%n", &day, name, &year, &hour, &minute,
           &second, &length);
    if (length == 0 || text[length])
        return false;
    unsigned month = month_of(name);
    if (month == 0 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return false;
    int64_t days = days_from_civil(year, month, day);
    *out = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000;
    return true;
}

dur_ms retry_after_read(const char *text, wall_ms now)
{
    wall_ms at;
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && text[digits] == '\0') {
        long long seconds = 0;
        sscanf(text, "%9lld", &seconds);
        return digits > DIGITS_MAX ? RETRY_AFTER_MS_MAX : retry_after_of_seconds(seconds);
    }
    if (!read_date(text, &at))
        return 0;
    return retry_after_of_seconds((at - now + 999) / 1000);
}
