// SPDX-License-Identifier: MIT
// explain.c: a schedule in plain English.
//
// A sentence is built from the outside in: what happens within the minute, within the hour, within
// the day, then the dates. A few named times are said as such ("At 02:30 and 14:30"). Clock times
// have 24 hours; nothing depends on a locale.

#include "cron/next_priv.h"
#include "cron/words_priv.h"

#define TIMES_MAX 6 // More than this many times of day are described, not listed.

struct clock_words {
    struct values seconds, minutes, hours;
    struct shape second, minute, hour;
};

static struct clock_words clock_words_of(const struct cron_schedule *s)
{
    struct clock_words c = {.seconds = cron__values_of_bits(s->seconds),
                            .minutes = cron__values_of_bits(s->minutes),
                            .hours = cron__values_of_bits(s->hours)};
    c.second = cron__shape_of(&c.seconds, 0, 60);
    c.minute = cron__shape_of(&c.minutes, 0, 60);
    c.hour = cron__shape_of(&c.hours, 0, 24);
    return c;
}

static bool is_zero(struct shape s)
{
    return s.kind == SHAPE_ONE && s.low == 0;
}

static bool is_regular(struct shape s)
{
    return s.kind == SHAPE_ALL || s.kind == SHAPE_RANGE || s.kind == SHAPE_STEP;
}

// "at 02:30", "at 02:30:15 and 14:30:15": only for few times without a pattern.
static bool write_times(struct text *t, const struct clock_words *c)
{
    unsigned count = c->minutes.count * c->hours.count, index = 0;
    bool pattern = is_regular(c->minute) || is_regular(c->hour);
    if (c->second.kind != SHAPE_ONE || count > TIMES_MAX || (pattern && count > 2))
        return false;
    cron__add(t, "at ");
    for (unsigned h = 0; h < c->hours.count; h++) {
        for (unsigned m = 0; m < c->minutes.count; m++) {
            cron__write_separator(t, index++, count, "and");
            cron__add(t, "%02u:%02u", c->hours.at[h], c->minutes.at[m]);
            if (c->second.low)
                cron__add(t, ":%02u", c->second.low);
        }
    }
    return true;
}

// "every hour", "every 2 hours", "every hour from 09:00 through 17:00": on the hour only.
static bool write_whole_hours(struct text *t, const struct clock_words *c)
{
    if (!is_zero(c->second) || !is_zero(c->minute) || !is_regular(c->hour))
        return false;
    if (c->hour.kind == SHAPE_STEP)
        cron__add(t, "every %u hours", c->hour.step);
    else
        cron__add(t, "every hour");
    if (c->hour.kind != SHAPE_ALL && !c->hour.even)
        cron__add(t, " from %02u:00 through %02u:00", c->hour.low, c->hour.high);
    return true;
}

// "every 15 seconds", "at second 31", "every minute from 10 through 15", "at minutes 1 and 7".
static void write_unit(struct text *t, const struct values *v, struct shape s, const char *unit)
{
    if (s.kind == SHAPE_STEP)
        cron__add(t, "every %u %ss", s.step, unit);
    else if (is_regular(s))
        cron__add(t, "every %s", unit);
    else
        cron__add(t, "at %s%s ", unit, v->count > 1 ? "s" : "");

    if (!is_regular(s))
        cron__write_list(t, v, cron__write_number, "and");
    else if (s.kind != SHAPE_ALL && !s.even)
        cron__add(t, " from %u through %u", s.low, s.high);
}

// The same after "of": "every minute", "every 2nd minute from 0 through 58", "minutes 1 and 7".
static void write_of_unit(struct text *t, const struct values *v, struct shape s, const char *unit,
                          write_value *write)
{
    if (!is_regular(s)) {
        cron__add(t, "%s%s ", unit, v->count > 1 ? "s" : "");
        cron__write_list(t, v, write, "and");
        return;
    }
    cron__add(t, "every ");
    if (s.kind == SHAPE_STEP) {
        cron__write_ordinal(t, s.step);
        cron__add(t, " ");
    }
    cron__add(t, "%s", unit);
    if (s.kind != SHAPE_ALL) {
        cron__add(t, " from ");
        write(t, s.low);
        cron__add(t, " through ");
        write(t, s.high);
    }
}

// Whether "every 15 minutes" says it all, so that the next larger unit need not be named.
static bool fills(struct shape s)
{
    return s.kind == SHAPE_ALL || s.even;
}

// `filled`: something happens all through the hour, so that spans of time say more than hours.
static void write_hours(struct text *t, const struct clock_words *c, bool filled)
{
    if (c->hour.kind == SHAPE_ALL && filled)
        return;
    bool span = c->hour.kind == SHAPE_RANGE || c->hour.kind == SHAPE_ONE;
    if (span && filled) {
        cron__add(t, ", from %02u:00 through %02u:59", c->hour.low, c->hour.high);
    } else if (!is_regular(c->hour)) {
        cron__add(t, ", at ");
        cron__write_list(t, &c->hours, cron__write_two_digits, "and");
        cron__add(t, " hours");
    } else {
        cron__add(t, filled ? ", during " : " of ");
        write_of_unit(t, &c->hours, c->hour, "hour", cron__write_two_digits);
    }
}

static void write_pattern(struct text *t, const struct clock_words *c)
{
    bool filled;
    if (is_zero(c->second)) {
        write_unit(t, &c->minutes, c->minute, "minute");
        filled = fills(c->minute);
    } else {
        write_unit(t, &c->seconds, c->second, "second");
        filled = c->minute.kind == SHAPE_ALL;
        if (!filled || !fills(c->second)) {
            cron__add(t, " of ");
            write_of_unit(t, &c->minutes, c->minute, "minute", cron__write_number);
        }
    }
    write_hours(t, c, filled);
}

static void explain_fields(struct text *t, const struct cron_schedule *s)
{
    struct clock_words c = clock_words_of(s);
    bool times = write_times(t, &c);
    bool hours = !times && write_whole_hours(t, &c);
    if (!times && !hours)
        write_pattern(t, &c);
    cron__explain_days(t, s, times || (hours ? !fills(c.hour) : c.hour.kind != SHAPE_ALL));
    if (s->last_day < 0)
        cron__add(t, " (there is no such date)");
}

// "1 hour 30 minutes".
static void explain_every(struct text *t, int64_t span_s)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
    cron__add(t, "every");
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        int64_t n = span_s / units[i].seconds;
        span_s -= n * units[i].seconds;
        if (n)
            cron__add(t, " %lld %s%s", (long long)n, units[i].name, n > 1 ? "s" : "");
    }
}

static void explain_oneshot(struct text *t, const struct cron_schedule *s)
{
    int64_t day = cron__floor_div(s->span_s, DAY_S);
    unsigned second = (unsigned)(s->span_s - day * DAY_S);
    struct civil_date d = civil_from_days(day);
    cron__add(t, "once, on %04lld-%02u-%02u at %02u:%02u", (long long)d.year, d.month, d.day,
              second / 3600, second / 60 % 60);
    if (second % 60)
        cron__add(t, ":%02u", second % 60);
    if (s->kind == CRON_AT_INSTANT)
        cron__add(t, " UTC");
}

size_t cron_explain(const struct cron_schedule *s, char *out, size_t bytes)
{
    struct text t = cron__text(out, bytes);
    if (cron_is_oneshot(s))
        explain_oneshot(&t, s);
    else if (s->kind == CRON_EVERY)
        explain_every(&t, s->span_s);
    else
        explain_fields(&t, s);
    if (bytes > 1)
        out[0] = (char)(out[0] - 'a' + 'A'); // Every sentence begins with "at", "every" or "once".
    return t.length;
}
