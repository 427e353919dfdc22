// SPDX-License-Identifier: MIT
// local.c: the next matching time on a calendar without zones.
//
// Works by calendar fields: the lowest matching day of the month set, then of the months and years
// that follow, then the lowest matching time of the day. It never steps through seconds or days.

#include "cron/next_priv.h"

#include <assert.h>

static bool has_year(const struct cron_schedule *s, int64_t year)
{
    unsigned bit = (unsigned)(year - CRON_YEAR_FIRST);
    return s->years[bit / 64] >> bit % 64 & 1;
}

static uint32_t days_of(const struct cron_schedule *s, int64_t year, unsigned month,
                        int64_t first_day)
{
    return cron__month_days(s, cron__weekday(first_day), days_in_month(year, month));
}

static unsigned lowest(uint64_t bits)
{
    assert(bits);
    return (unsigned)__builtin_ctzll(bits);
}

// The first matching day of the months after `month` of `year`; -1 if there is none.
static int64_t day_in_later_months(const struct cron_schedule *s, int64_t year, unsigned month)
{
    for (; year <= CRON_YEAR_LAST; year++, month = 0) {
        if (!has_year(s, year))
            continue;
        // Bits `month` and lower are cleared; what is left are the months to look at.
        for (unsigned months = s->months & ~0u << (month + 1); months; months &= months - 1) {
            unsigned candidate = lowest(months);
            int64_t first_day = days_from_civil(year, candidate, 1);
            uint32_t days = days_of(s, year, candidate, first_day);
            if (days)
                return first_day + lowest(days) - 1;
        }
    }
    return -1;
}

int32_t cron__last_day(const struct cron_schedule *s)
{
    for (int64_t year = CRON_YEAR_LAST; year >= CRON_YEAR_FIRST; year--) {
        for (unsigned month = 12; month > 0 && has_year(s, year); month--) {
            if (!(s->months >> month & 1))
                continue;
            int64_t first_day = days_from_civil(year, month, 1);
            uint32_t days = days_of(s, year, month, first_day);
            if (days)
                return (int32_t)(first_day + 31 - __builtin_clz(days) - 1);
        }
    }
    return -1;
}

static int64_t first_time(const struct cron_schedule *s)
{
    return lowest(s->hours) * 3600 + lowest(s->minutes) * 60 + lowest(s->seconds);
}

// The first matching time of day at or after `second_of_day`; -1 if the day has no more.
static int64_t time_from(const struct cron_schedule *s, unsigned second_of_day)
{
    unsigned hour = second_of_day / 3600, minute = second_of_day / 60 % 60;
    unsigned second = second_of_day % 60;

    if (s->hours >> hour & 1) {
        uint64_t seconds = s->seconds & ~UINT64_C(0) << second;
        if ((s->minutes >> minute & 1) && seconds)
            return hour * 3600 + minute * 60 + lowest(seconds);
        uint64_t minutes = s->minutes & ~UINT64_C(0) << (minute + 1);
        if (minutes)
            return hour * 3600 + lowest(minutes) * 60 + lowest(s->seconds);
    }
    uint64_t hours = s->hours & ~UINT64_C(0) << (hour + 1);
    if (!hours)
        return -1;
    return lowest(hours) * 3600 + lowest(s->minutes) * 60 + lowest(s->seconds);
}

int64_t cron__local_next(const struct cron_schedule *s, int64_t from)
{
    from = MAX(from, 0); // Years begin with 1970.
    int64_t today = from / DAY_S;
    struct civil_date d = civil_from_days(today);
    if (d.year > CRON_YEAR_LAST)
        return LOCAL_NEVER;

    int64_t first_day = today - d.day + 1;
    bool month_taken = has_year(s, d.year) && (s->months >> d.month & 1);
    uint64_t days = month_taken ? days_of(s, d.year, d.month, first_day) : 0;
    if (days >> d.day & 1) {
        int64_t time = time_from(s, (unsigned)(from % DAY_S));
        if (time >= 0)
            return today * DAY_S + time;
    }
    uint64_t later = days & ~UINT64_C(0) << (d.day + 1);
    int64_t day = later ? first_day + lowest(later) - 1 : day_in_later_months(s, d.year, d.month);
    return day < 0 ? LOCAL_NEVER : day * DAY_S + first_time(s);
}
