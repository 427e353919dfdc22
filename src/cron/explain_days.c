// SPDX-License-Identifier: MIT
// explain_days.c: the dates of a schedule in words.
//
// Where both day fields restrict, the words say which of the two meanings holds: "on day 13 of the
// month or on Friday" is either, "on day 13 of the month if it is Friday" is both.

#include "cron/words_priv.h"

static unsigned count_bits(uint32_t bits)
{
    return (unsigned)__builtin_popcount(bits);
}

// "day 13", "days 1 and 15", "every 3rd day from day 1 through 31".
static void write_plain_days(struct text *t, const struct values *days)
{
    struct shape shape = cron__shape_of(days, 1, 32); // 32: never "all", the field restricts.
    if (shape.kind == SHAPE_STEP && days->count > 4) {
        cron__add(t, "every ");
        cron__write_ordinal(t, shape.step);
        cron__add(t, " day from day %u through %u", shape.low, shape.high);
        return;
    }
    cron__add(t, days->count == 1 ? "day " : "days ");
    cron__write_list(t, days, cron__write_number, "and");
}

static void write_from_end(struct text *t, unsigned offset)
{
    if (offset == 0)
        cron__add(t, "the last day");
    else
        cron__add(t, "the day %u day%s before the last", offset, offset == 1 ? "" : "s");
}

static void write_nearest(struct text *t, unsigned day)
{
    cron__add(t, "the weekday nearest day %u", day);
}

static void write_nearest_from_end(struct text *t, unsigned offset)
{
    if (offset == 0) {
        cron__add(t, "the last weekday");
    } else {
        cron__add(t, "the weekday nearest ");
        write_from_end(t, offset);
    }
}

// "on days 1 and 15 of the month", with all special days.
static void write_month_days(struct text *t, const struct cron_schedule *s)
{
    const struct {
        uint32_t bits;
        write_value *write;
    } special[] = {
        {s->days_from_end, write_from_end},
        {s->days_weekday_nearest, write_nearest},
        {s->days_from_end_weekday, write_nearest_from_end},
    };
    size_t count = s->days != 0, index = 0;
    for (size_t i = 0; i < COUNT_OF(special); i++)
        count += count_bits(special[i].bits);

    cron__add(t, "on ");
    if (s->days) {
        struct values days = cron__values_of_bits(s->days);
        cron__write_separator(t, index++, count, "and");
        write_plain_days(t, &days);
    }
    for (size_t i = 0; i < COUNT_OF(special); i++) {
        struct values v = cron__values_of_bits(special[i].bits);
        for (unsigned j = 0; j < v.count; j++) {
            cron__write_separator(t, index++, count, "and");
            special[i].write(t, v.at[j]);
        }
    }
    cron__add(t, " of the month");
}

// The week begins with Monday here, so that Friday through Sunday is a range.
static struct values week_days(const struct cron_schedule *s)
{
    return cron__values_of_bits((s->weekdays & 0x7eu) | (s->weekdays & 1u) << 7);
}

// "the first Monday and the last Friday of the month".
static void write_nth_weekdays(struct text *t, const struct cron_schedule *s,
                               const char *conjunction)
{
    static const char *const nth[] = {"first", "second", "third", "fourth", "fifth", "last"};
    size_t count = 0, index = 0;
    for (unsigned weekday = 0; weekday < 7; weekday++)
        count += count_bits(s->weekdays_nth[weekday]);
    for (unsigned i = 0; i < COUNT_OF(nth); i++) {
        for (unsigned weekday = 1; weekday <= 7; weekday++) {
            if (!(s->weekdays_nth[weekday % 7] >> i & 1))
                continue;
            cron__write_separator(t, index++, count, conjunction);
            cron__add(t, "the %s ", nth[i]);
            cron__write_weekday(t, weekday);
        }
    }
    cron__add(t, " of the month");
}

static bool has_nth(const struct cron_schedule *s)
{
    for (unsigned weekday = 0; weekday < 7; weekday++)
        if (s->weekdays_nth[weekday])
            return true;
    return false;
}

// "Monday through Friday", "on Monday and Friday", "on the first Monday of the month". `condition`
// makes it the end of "if it is ...".
static void write_weekdays(struct text *t, const struct cron_schedule *s, bool condition)
{
    const char *conjunction = condition ? "or" : "and";
    struct values days = week_days(s);
    if (days.count) {
        bool range = days.count > 2 && days.at[days.count - 1] - days.at[0] + 1u == days.count;
        cron__add(t, condition || range ? "" : "on ");
        cron__write_list(t, &days, cron__write_weekday, conjunction);
    }
    if (has_nth(s)) {
        if (days.count)
            cron__add(t, ", %s ", conjunction);
        cron__add(t, condition ? "" : "on ");
        write_nth_weekdays(t, s, conjunction);
    }
}

static void write_months(struct text *t, const struct cron_schedule *s)
{
    struct values months = cron__values_of_bits(s->months);
    struct shape shape = cron__shape_of(&months, 1, 12);
    if (shape.kind == SHAPE_ALL)
        return;
    cron__add(t, shape.kind == SHAPE_RANGE ? " from " : " in ");
    cron__write_list(t, &months, cron__write_month, "and");
}

static void write_years(struct text *t, const struct cron_schedule *s)
{
    struct values years = cron__values_of(s->years, COUNT_OF(s->years), CRON_YEAR_FIRST);
    struct shape shape =
        cron__shape_of(&years, CRON_YEAR_FIRST, CRON_YEAR_LAST - CRON_YEAR_FIRST + 1);
    if (shape.kind == SHAPE_ALL)
        return;
    if (shape.kind == SHAPE_STEP && years.count > 4) {
        cron__add(t, ", every %u years from %u through %u", shape.step, shape.low, shape.high);
        return;
    }
    cron__add(t, shape.kind == SHAPE_RANGE ? ", from " : ", in ");
    cron__write_list(t, &years, cron__write_number, "and");
}

void cron__explain_days(struct text *t, const struct cron_schedule *s, bool daily)
{
    bool any = !s->days_restricted && !s->weekdays_restricted;
    bool all_months = s->months == 0x1ffe;
    if (!any || daily || !all_months)
        cron__add(t, ",");
    if (s->days_restricted) {
        cron__add(t, " ");
        write_month_days(t, s);
    }
    if (s->weekdays_restricted) {
        const char *join = s->days_both ? " if it is " : " or ";
        cron__add(t, "%s", s->days_restricted ? join : " ");
        write_weekdays(t, s, s->days_restricted && s->days_both);
    }
    if (any && daily)
        cron__add(t, " every day");
    if (!any && !all_months)
        cron__add(t, ",");
    write_months(t, s);
    write_years(t, s);
}
