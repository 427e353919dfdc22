// SPDX-License-Identifier: MIT
// slow_cron.c: asks of one second at a time whether a schedule fires then.

#include "slow_cron.h"

#include "base/err.h"
#include "base/time.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400
#define HOUR_S 3600

enum { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY };
static const int lowest[] = {0, 0, 0, 1, 1, 0};
static const int highest[] = {59, 59, 23, 31, 12, 6};

// --- Reading ---

static int read_value(const char **p)
{
    static const char *const names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};
    for (int i = 0; i < 7; i++) {
        if (strncmp(*p, names[i], 3) == 0) {
            *p += 3;
            return i;
        }
    }
    assert(isdigit((unsigned char)**p));
    return (int)strtol(*p, (char **)p, 10);
}

static void read_item(struct slow_cron *s, int field, const char **p)
{
    int low = lowest[field], high = highest[field], step = 1;
    if (**p == '*') {
        ++*p;
    } else {
        low = high = read_value(p);
        if (**p == '-') {
            ++*p;
            high = read_value(p);
        }
    }
    if (**p == '/') {
        ++*p;
        step = read_value(p);
    }
    for (int v = low; v <= high; v += step)
        s->allowed[field][v] = true;
}

static const char *read_field(struct slow_cron *s, int field, const char *p)
{
    const char *start = p;
    do {
        read_item(s, field, &p);
    } while (*p++ == ',');
    bool open = memchr(start, '*', (size_t)(p - start)) || memchr(start, '/', (size_t)(p - start));
    if (field <= HOUR && open)
        s->fixed = false;
    if (field == DAY)
        s->days_restricted = strncmp(start, "* ", 2) != 0;
    if (field == WEEKDAY)
        s->weekdays_restricted = strcmp(start, "*") != 0;
    return p;
}

static int count_blanks(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += *text == ' ';
    return count;
}

int64_t slow_cron_instant(const char *text)
{
    wall_ms at;
    return text[0] == '2' && wall_parse(text, strlen(text), &at) ? at / 1000 : -1;
}

void slow_cron_read(struct slow_cron *s, const char *text, bool paris)
{
    *s = (struct slow_cron){.fixed = true, .paris = paris};
    if (strncmp(text, "@every ", 7) == 0) {
        s->every_s = strtol(text + 7, NULL, 10);
        return;
    }
    s->at_s = slow_cron_instant(text);
    if (s->at_s >= 0)
        return;
    int field = count_blanks(text) == 5 ? SECOND : MINUTE;
    s->allowed[SECOND][0] = field == MINUTE;
    for (; field <= WEEKDAY; field++)
        text = read_field(s, field, text);
}

// --- Local time ---

static int64_t last_sunday(int64_t year, unsigned month)
{
    int64_t day = days_from_civil(year, month, 31); // March and October have 31 days.
    return day - (day + 4) % 7;                     // 1970-01-01 was a Thursday, day 4 of the week.
}

// Years of the simulator only, remembered so that asking every second stays bearable.
static int64_t paris_offset_s(int64_t utc_s)
{
    enum { FIRST = 2020, YEARS = 40 };
    static int64_t summer[YEARS][2];
    if (!summer[0][0]) {
        for (int i = 0; i < YEARS; i++) {
            summer[i][0] = last_sunday(FIRST + i, 3) * DAY_S + HOUR_S;
            summer[i][1] = last_sunday(FIRST + i, 10) * DAY_S + HOUR_S;
        }
    }
    int i = (int)(civil_from_days(utc_s / DAY_S).year - FIRST);
    assert(0 <= i && i < YEARS);
    return summer[i][0] <= utc_s && utc_s < summer[i][1] ? 2 * HOUR_S : HOUR_S;
}

static int64_t offset_s(const struct slow_cron *s, int64_t utc_s)
{
    return s->paris ? paris_offset_s(utc_s) : 0;
}

// --- Firing ---

static bool day_matches(const struct slow_cron *s, int64_t days)
{
    struct civil_date date = civil_from_days(days);
    bool day = s->allowed[DAY][date.day];
    bool weekday = s->allowed[WEEKDAY][(days + 4) % 7];
    if (!s->allowed[MONTH][date.month])
        return false;
    return s->days_restricted && s->weekdays_restricted ? day || weekday : day && weekday;
}

static bool local_matches(const struct slow_cron *s, int64_t local_s)
{
    int64_t of_day = local_s % DAY_S;
    return s->allowed[SECOND][of_day % 60] && s->allowed[MINUTE][of_day / 60 % 60] &&
           s->allowed[HOUR][of_day / HOUR_S] && day_matches(s, local_s / DAY_S);
}

// Whether the clock showed this local time before, an hour ago.
static bool is_second_pass(const struct slow_cron *s, int64_t utc_s)
{
    return offset_s(s, utc_s - HOUR_S) > offset_s(s, utc_s);
}

// At the first second after a gap: whether a fixed schedule names a time inside the gap.
static bool named_in_gap(const struct slow_cron *s, int64_t utc_s)
{
    int64_t before = offset_s(s, utc_s - 1), after = offset_s(s, utc_s);
    for (int64_t local = utc_s + before; local < utc_s + after; local++)
        if (local_matches(s, local))
            return true;
    return false;
}

bool slow_cron_fires(const struct slow_cron *s, int64_t utc_s)
{
    if (s->every_s)
        return utc_s % s->every_s == 0;
    if (s->at_s >= 0)
        return utc_s == s->at_s;
    bool matches = local_matches(s, utc_s + offset_s(s, utc_s));
    if (!s->fixed || !s->paris)
        return matches;
    return (matches && !is_second_pass(s, utc_s)) || named_in_gap(s, utc_s);
}
