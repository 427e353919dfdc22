// SPDX-License-Identifier: MIT
// time.c: clocks and the civil calendar in integer arithmetic.

#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_read(clockid_t id, int64_t per_second)
{
    struct timespec t;
    int rc = clock_gettime(id, &t);
    assert(rc == 0);
    (void)rc;
    return (int64_t)t.tv_sec * per_second + (int64_t)t.tv_nsec / (1000000000 / per_second);
}

// Microseconds from CLOCK_BOOTTIME to the clock that is followed; NOT_FOLLOWED: none is.
#define NOT_FOLLOWED INT64_MIN
static _Atomic int64_t followed_us = NOT_FOLLOWED;

void clock_follow(int64_t offset_us)
{
    assert(offset_us != NOT_FOLLOWED);
    atomic_store_explicit(&followed_us, offset_us, memory_order_relaxed);
}

bool clock_is_followed(void)
{
    return atomic_load_explicit(&followed_us, memory_order_relaxed) != NOT_FOLLOWED;
}

int64_t clock_machine_us(void)
{
    return clock_read(CLOCK_REALTIME, 1000000);
}

int64_t clock_mono_us(void)
{
    return clock_read(CLOCK_BOOTTIME, 1000000);
}

mono_ms clock_mono_ms(void)
{
    return clock_read(CLOCK_BOOTTIME, 1000);
}

static int64_t floor_ms(int64_t us)
{
    return us / 1000 - (us % 1000 < 0);
}

int64_t clock_wall_us(void)
{
    int64_t offset = atomic_load_explicit(&followed_us, memory_order_relaxed);
    return offset == NOT_FOLLOWED ? clock_machine_us() : clock_mono_us() + offset;
}

wall_ms clock_wall_ms(void)
{
    return floor_ms(clock_wall_us());
}

struct now clock_now(void)
{
    return (struct now){.wall = clock_wall_ms(), .mono = clock_mono_ms()};
}

// Rounded up, so that the instant has come then.
mono_ms clock_mono_at(wall_ms at)
{
    int64_t offset = atomic_load_explicit(&followed_us, memory_order_relaxed);
    assert(offset != NOT_FOLLOWED);
    if (at == WALL_NEVER || at > WALL_LAST)
        return MONO_NEVER;
    return -floor_ms(offset - at * 1000);
}

// Years begin in March here, so that the leap day is the last of a year; 400 years are an era.
int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    assert(month >= 1 && month <= 12 && day >= 1 && day <= 31);
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct civil_date civil_from_days(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    unsigned day = (unsigned)(day_of_year - (153 * march_month + 2) / 5 + 1);
    unsigned month = (unsigned)(march_month < 10 ? march_month + 3 : march_month - 9);
    return (struct civil_date){
        .year = year_of_era + era * 400 + (month <= 2 ? 1 : 0), .month = month, .day = day};
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

unsigned days_in_month(int64_t year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    assert(month >= 1 && month <= 12);
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

// Writes the last so many digits of the value, and `after` behind them; returns what follows.
static char *put_digits(char *at, unsigned value, size_t digits, char after)
{
    at[digits] = after;
    for (size_t i = digits; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + digits + 1;
}

// Writes an instant of the years 1 to 9999. `out` gets no zone. By hand, since an answer about a
// job has a dozen times in it.
static void format(wall_ms at, char out[static RFC3339_BYTES])
{
    int64_t days = at / 86400000 - (at % 86400000 < 0);
    struct civil_date d = civil_from_days(days);
    unsigned ms = (unsigned)(at - days * 86400000);
    out = put_digits(out, (unsigned)d.year, 4, '-');
    out = put_digits(out, d.month, 2, '-');
    out = put_digits(out, d.day, 2, 'T');
    out = put_digits(out, ms / 3600000, 2, ':');
    out = put_digits(out, ms / 60000 % 60, 2, ':');
    out = put_digits(out, ms / 1000 % 60, 2, '.');
    put_digits(out, ms % 1000, 3, '\0');
}

void wall_format(wall_ms at, char out[static RFC3339_BYTES])
{
    assert(at >= 0 && at <= WALL_LAST);
    format(at, out);
    strcat(out, "Z");
}

void wall_format_local(wall_ms at, int32_t offset_s, char out[static RFC3339_LOCAL_BYTES])
{
    assert(at >= 0 && at <= WALL_LAST && offset_s > -86400 && offset_s < 86400);
    char text[RFC3339_BYTES];
    if (at + (wall_ms)offset_s * 1000 > WALL_LAST)
        offset_s = 0;
    unsigned minutes = (unsigned)(offset_s < 0 ? -offset_s : offset_s) / 60;
    format(at + (wall_ms)offset_s * 1000, text);
    snprintf(out, RFC3339_LOCAL_BYTES, "%.23s%c%02u:%02u", text, offset_s < 0 ? '-' : '+',
             minutes / 60 % 100, minutes % 60);
}

struct scanner {
    const char *at;
    const char *end;
};

static bool scan_char(struct scanner *s, char wanted)
{
    if (s->at == s->end || *s->at != wanted)
        return false;
    s->at++;
    return true;
}

// Exactly `digits` digits with a value from `low` to `high`.
static bool scan_number(struct scanner *s, int digits, unsigned low, unsigned high, unsigned *out)
{
    unsigned value = 0;
    for (int i = 0; i < digits; i++, s->at++) {
        if (s->at == s->end || *s->at < '0' || *s->at > '9')
            return false;
        value = value * 10 + (unsigned)(*s->at - '0');
    }
    *out = value;
    return value >= low && value <= high;
}

// Milliseconds of an optional ".digits". A point needs at least one digit after it.
static bool scan_fraction(struct scanner *s, unsigned *ms)
{
    *ms = 0;
    if (!scan_char(s, '.'))
        return true;
    unsigned weight = 100;
    const char *start = s->at;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++, weight /= 10)
        *ms += weight * (unsigned)(*s->at - '0');
    return s->at > start;
}

// "Z" or "+hh:mm" as minutes east of UTC.
static bool scan_offset(struct scanner *s, int *minutes)
{
    *minutes = 0;
    if (scan_char(s, 'Z') || scan_char(s, 'z'))
        return true;
    int sign = scan_char(s, '+') ? 1 : scan_char(s, '-') ? -1 : 0;
    unsigned hour, minute;
    if (!sign || !scan_number(s, 2, 0, 23, &hour) || !scan_char(s, ':') ||
        !scan_number(s, 2, 0, 59, &minute))
        return false;
    *minutes = sign * (int)(hour * 60 + minute);
    return true;
}

bool wall_parse(const char *text, size_t bytes, wall_ms *out)
{
    struct scanner s = {text, text + bytes};
    unsigned year, month, day, hour, minute, second, ms;
    int offset;
    if (!scan_number(&s, 4, 1970, 9999, &year) || !scan_char(&s, '-') ||
        !scan_number(&s, 2, 1, 12, &month) || !scan_char(&s, '-') ||
        !scan_number(&s, 2, 1, days_in_month(year, month), &day) ||
        !(scan_char(&s, 'T') || scan_char(&s, 't')) || !scan_number(&s, 2, 0, 23, &hour) ||
        !scan_char(&s, ':') || !scan_number(&s, 2, 0, 59, &minute) || !scan_char(&s, ':') ||
        !scan_number(&s, 2, 0, 59, &second) || !scan_fraction(&s, &ms) ||
        !scan_offset(&s, &offset) || s.at != s.end)
        return false;
    int64_t seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 +
                      second - (int64_t)offset * 60;
    if (seconds < 0 || seconds >= 253402300800)
        return false;
    *out = seconds * 1000 + ms;
    return true;
}

const struct duration_unit duration_units[DURATION_UNITS] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

static int64_t unit_ms(const char *name)
{
    for (size_t i = 0; i < DURATION_UNITS; i++)
        if (strcmp(duration_units[i].name, name) == 0)
            return duration_units[i].ms;
    return 0;
}

bool duration_parse(const char *text, dur_ms *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || errno || *text < '0' || *text > '9')
        return false;
    int64_t scale = value == 0 && !*end ? 1 : unit_ms(end);
    if (scale == 0 || value > INT64_MAX / scale)
        return false;
    *out = value * scale;
    return true;
}
