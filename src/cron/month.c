// SPDX-License-Identifier: MIT
// month.c: which days of one month a schedule takes.
//
// The answer is one 32-bit set. It follows from the first weekday and the length of the month
// alone, so a search over years costs a few operations per month.

#include "cron/next_priv.h"

#include <assert.h>

enum { SUNDAY, SATURDAY = 6 };

unsigned cron__weekday(int64_t day_number)
{
    return (unsigned)((day_number % 7 + 11) % 7); // The epoch was a Thursday.
}

static unsigned weekday_of(unsigned first, unsigned day)
{
    return (first + day - 1) % 7;
}

// The Monday-to-Friday day nearest to `day` without leaving the month.
static unsigned nearest_weekday(unsigned first, unsigned length, unsigned day)
{
    switch (weekday_of(first, day)) {
    case SATURDAY:
        return day == 1 ? 3 : day - 1;
    case SUNDAY:
        return day == length ? day - 2 : day + 1;
    default:
        return day;
    }
}

// `L`, `L-n`, `nW`, `LW`, `L-nW`. A day that the month does not have is no run.
static uint32_t special_days(const struct cron_schedule *s, unsigned first, unsigned length)
{
    uint32_t days = 0;
    for (unsigned day = 1; day <= length; day++) {
        unsigned from_end = length - day;
        if (s->days_from_end >> from_end & 1)
            days |= UINT32_C(1) << day;
        if ((s->days_weekday_nearest >> day & 1) || (s->days_from_end_weekday >> from_end & 1))
            days |= UINT32_C(1) << nearest_weekday(first, length, day);
    }
    return days;
}

// The seven-day pattern of weekdays, turned so that bit 1 is the first of the month, five times.
static uint32_t plain_weekdays(unsigned weekdays, unsigned first)
{
    uint64_t week = (weekdays >> first | weekdays << (7 - first)) & 0x7f;
    return (uint32_t)((week | week << 7 | week << 14 | week << 21 | week << 28) << 1);
}

// `d#n` and `dL`.
static uint32_t nth_weekdays(const struct cron_schedule *s, unsigned first, unsigned length)
{
    uint32_t days = 0;
    for (unsigned weekday = 0; weekday < 7; weekday++) {
        unsigned rules = s->weekdays_nth[weekday];
        unsigned day = 1 + (weekday + 7 - first) % 7;
        for (unsigned nth = 0; rules && day <= length; nth++, day += 7)
            if ((rules >> nth & 1) || ((rules >> 5 & 1) && day + 7 > length))
                days |= UINT32_C(1) << day;
    }
    return days;
}

static bool has_nth(const struct cron_schedule *s)
{
    unsigned any = 0;
    for (unsigned weekday = 0; weekday < 7; weekday++)
        any |= s->weekdays_nth[weekday];
    return any != 0;
}

uint32_t cron__month_days(const struct cron_schedule *s, unsigned first, unsigned length)
{
    assert(first < 7 && length >= 28 && length <= 31);
    uint32_t all = (uint32_t)(((UINT64_C(1) << length) - 1) << 1);

    uint32_t by_day = s->days;
    if (s->days_weekday_nearest | s->days_from_end | s->days_from_end_weekday)
        by_day |= special_days(s, first, length);
    uint32_t by_weekday = plain_weekdays(s->weekdays, first);
    if (has_nth(s))
        by_weekday |= nth_weekdays(s, first, length);

    // An unrestricted field holds every day, so for one restricted field "both" is the answer, too.
    bool either = s->days_restricted && s->weekdays_restricted && !s->days_both;
    return all & (either ? by_day | by_weekday : by_day & by_weekday);
}
