// SPDX-License-Identifier: MIT
// posix_footer.c: the rule at the end of a zone file, for all years after its last entry.
//
// The syntax is that of the TZ variable with the extensions of RFC 9636: quoted names, and hours
// from -167 to 167 in the time of a change. "Summer" may have the smaller offset (Dublin), a change
// may happen on the day before or after its date (Nuuk, Jerusalem), and daylight saving may last
// the whole year. Nothing here relies on which of the two is called daylight saving.

#include "cron/zone_priv.h"

#include "base/ascii.h"

#include <assert.h>
#include <string.h>

struct scan {
    const char *at;
    const char *end;
};

static bool take(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

// Reads one to three digits with a value from `low` to `high`.
static bool take_number(struct scan *s, int low, int high, int *out)
{
    int value = 0, digits = 0;
    for (; digits < 3 && s->at < s->end && ascii_is_digit(*s->at); digits++)
        value = value * 10 + (*s->at++ - '0');
    *out = value;
    return digits && value >= low && value <= high;
}

// "CET" or "<+0330>": at least three characters.
static bool skip_name(struct scan *s)
{
    bool quoted = take(s, '<');
    const char *start = s->at;
    while (s->at < s->end &&
           (ascii_is_letter(*s->at) ||
            (quoted && (ascii_is_digit(*s->at) || *s->at == '+' || *s->at == '-'))))
        s->at++;
    bool long_enough = s->at - start >= 3;
    return long_enough && (!quoted || take(s, '>'));
}

// [+-]hh[:mm[:ss]] in seconds.
static bool take_time(struct scan *s, int hours_max, int32_t *out)
{
    int sign = take(s, '-') ? -1 : 1;
    if (sign > 0)
        take(s, '+');
    int hours, minutes = 0, seconds = 0;
    if (!take_number(s, 0, hours_max, &hours))
        return false;
    if (take(s, ':')) {
        if (!take_number(s, 0, 59, &minutes))
            return false;
        if (take(s, ':') && !take_number(s, 0, 59, &seconds))
            return false;
    }
    *out = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool take_day(struct scan *s, struct posix_day *d)
{
    *d = (struct posix_day){.form = 'n', .time_s = 2 * 3600};
    bool ok;
    if (take(s, 'M')) {
        d->form = 'M';
        ok = take_number(s, 1, 12, &d->month) && take(s, '.') && take_number(s, 1, 5, &d->week) &&
             take(s, '.') && take_number(s, 0, 6, &d->day);
    } else if (take(s, 'J')) {
        d->form = 'J';
        ok = take_number(s, 1, 365, &d->day);
    } else {
        ok = take_number(s, 0, 365, &d->day);
    }
    return ok && (!take(s, '/') || take_time(s, 167, &d->time_s));
}

bool zone__rule_parse(const char *text, size_t bytes, struct posix_rule *out)
{
    struct scan s = {text, text + bytes};
    struct posix_rule rule = {0};
    // The sign is the other way round here: "CET-1" is one hour east.
    if (!skip_name(&s) || !take_time(&s, 24, &rule.standard_s))
        return false;
    rule.standard_s = -rule.standard_s;
    rule.summer_s = rule.standard_s;
    if (s.at < s.end) {
        rule.changes = true;
        if (!skip_name(&s))
            return false;
        if (s.at < s.end && *s.at == ',')
            rule.summer_s = rule.standard_s + 3600;
        else if (take_time(&s, 24, &rule.summer_s))
            rule.summer_s = -rule.summer_s;
        else
            return false;
        if (!take(&s, ',') || !take_day(&s, &rule.start) || !take(&s, ',') ||
            !take_day(&s, &rule.end))
            return false;
    }
    if (s.at != s.end)
        return false;
    *out = rule;
    return true;
}

// The day number of a rule's date in one year.
static int64_t day_in_year(const struct posix_day *d, int64_t year)
{
    if (d->form == 'n')
        return days_from_civil(year, 1, 1) + d->day;
    if (d->form == 'J') // Day 60 is always the first of March.
        return days_from_civil(year, 1, 1) + d->day - 1 +
               (d->day >= 60 && days_in_month(year, 2) == 29);

    unsigned month = (unsigned)d->month;
    int64_t first = days_from_civil(year, month, 1);
    int64_t first_weekday = (first % 7 + 11) % 7; // The epoch was a Thursday.
    int64_t day = (d->day - first_weekday + 7) % 7 + (d->week - 1) * 7;
    // Week 5 means the last one, which may be the fourth.
    return first + (day >= days_in_month(year, month) ? day - 7 : day);
}

// Sorts by time. Where a year's summer ends as the next one's begins, the beginning comes last and
// so decides: this is how a footer says "summer time all year".
static void insert(struct zone_span *list, size_t count, struct zone_span change, int32_t summer_s)
{
    size_t i = count;
    while (i > 0 && (list[i - 1].start_s > change.start_s ||
                     (list[i - 1].start_s == change.start_s && list[i - 1].offset_s == summer_s)))
        i--;
    memmove(list + i + 1, list + i, (count - i) * sizeof *list);
    list[i] = change;
}

bool zone__rule_expand(const struct posix_rule *rule, int64_t from_s, struct zone_builder *b)
{
    enum { YEARS_MAX = 304 };
    static const int64_t from_s_min = -70 * 365 * INT64_C(86400); // 1900, long before any schedule.
    struct zone_span changes[2 * YEARS_MAX];
    size_t count = 0;
    from_s = MAX(from_s, from_s_min);
    if (!rule->changes)
        return true;

    // The time of a change may be a week away from its date, so the year before counts, too.
    int64_t first = civil_from_days(from_s / 86400).year - 1;
    for (int64_t year = first; year <= CRON_YEAR_LAST + 1; year++) {
        assert(count + 2 <= COUNT_OF(changes));
        struct zone_span on = {.start_s = day_in_year(&rule->start, year) * 86400 +
                                          rule->start.time_s - rule->standard_s,
                               .offset_s = rule->summer_s};
        struct zone_span off = {.start_s = day_in_year(&rule->end, year) * 86400 +
                                           rule->end.time_s - rule->summer_s,
                                .offset_s = rule->standard_s};
        insert(changes, count++, on, rule->summer_s);
        insert(changes, count++, off, rule->summer_s);
    }
    for (size_t i = 0; i < count; i++)
        if (changes[i].start_s > from_s && changes[i].start_s < ZONE_END_S &&
            !zone__builder_add(b, changes[i].start_s, changes[i].offset_s))
            return false;
    return true;
}
