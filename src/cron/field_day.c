// SPDX-License-Identifier: MIT
// field_day.c: the special items of the two day fields.
//
// Day of the month: `L` the last day, `L-n` n days before it, `nW` the Monday-to-Friday day nearest
// to n, `LW` and `L-nW` the same from the end. Weekday: `dL` and `d#L` the last d of the month,
// `d#n` the nth. They depend on the month, so they are kept as rules and resolved by month.c.

#include "cron/parse_priv.h"

static bool ends_with(const struct parse *p, struct slice s, char c)
{
    return cron__bytes(s) && p->text[s.end - 1] == c;
}

// `L`, `LW`, `L-n`, `L-nW`.
static enum err from_end_item(struct parse *p, struct slice item)
{
    bool weekday = ends_with(p, item, 'W');
    struct slice rest = {item.at + 1, item.end - weekday};
    unsigned offset = 0;
    if (cron__bytes(rest)) {
        if (p->text[rest.at] == '/') {
            enum err err =
                cron__refuse(p, CRON_STEP, CRON_DAY, item, "a step needs `*` or a range before it");
            return err;
        }
        if (p->text[rest.at] != '-')
            return cron__unknown(p, CRON_DAY, item);
        rest.at++;
        enum err err = cron__number(p, CRON_DAY, rest, "offset", 1, 30, &offset);
        if (err)
            return err;
    }
    if (weekday)
        p->out->days_from_end_weekday |= UINT32_C(1) << offset;
    else
        p->out->days_from_end |= UINT32_C(1) << offset;
    if (offset)
        cron__normal(p, "L-%u%s", offset, weekday ? "W" : "");
    else
        cron__normal(p, "L%s", weekday ? "W" : "");
    return ERR_OK;
}

// `nW`.
static enum err nearest_item(struct parse *p, struct slice item)
{
    struct slice number = {item.at, item.end - 1};
    if (!cron__bytes(number) || cron__until(p, number, "*-/#?").end != number.end)
        return cron__unknown(p, CRON_DAY, item);
    unsigned day;
    enum err err = cron__value(p, CRON_DAY, number, &day);
    if (err)
        return err;
    p->out->days_weekday_nearest |= UINT32_C(1) << day;
    cron__normal(p, "%uW", day);
    return ERR_OK;
}

enum err cron__day_item(struct parse *p, struct slice item, struct cron_set *set)
{
    if (p->text[item.at] == 'L')
        return from_end_item(p, item);
    if (ends_with(p, item, 'W') && !cron__has(p, item, '/'))
        return nearest_item(p, item);
    return cron__item(p, CRON_DAY, item, set);
}

static enum err refuse_bare_l(struct parse *p, struct slice item)
{
    enum err err = cron__refuse(p, CRON_SYNTAX, CRON_WEEKDAY, item, "`L` needs a weekday");
    cron__expected(p, "%s", cron__rule(CRON_WEEKDAY)->expected);
    cron__hint(p, "6L, or L in the day field");
    return err;
}

// The nth (bit n-1) or last (bit 5) such weekday of the month.
static void add_nth(struct parse *p, unsigned weekday, unsigned nth)
{
    p->out->weekdays_nth[weekday % 7] |= (uint8_t)(1u << (nth ? nth - 1 : 5));
    if (nth)
        cron__normal(p, "%u#%u", weekday % 7, nth);
    else
        cron__normal(p, "%uL", weekday % 7);
}

// `d#n`, `d#L`.
static enum err nth_item(struct parse *p, struct slice day, struct slice nth)
{
    unsigned weekday, occurrence = 0;
    if (cron__has(p, day, '-')) {
        enum err err = cron__refuse(p, CRON_SYNTAX, CRON_WEEKDAY, day,
                                    "`#` needs one weekday, found '%.*s'", SLICE_TEXT(p, day));
        cron__hint(p, "MON#2,TUE#2");
        return err;
    }
    enum err err = cron__value(p, CRON_WEEKDAY, day, &weekday);
    if (!err && !cron__is(p, nth, "L"))
        err = cron__number(p, CRON_WEEKDAY, nth, "occurrence", 1, 5, &occurrence);
    if (err)
        return err;
    add_nth(p, weekday, occurrence);
    return ERR_OK;
}

enum err cron__weekday_item(struct parse *p, struct slice item, struct cron_set *set)
{
    struct slice day = cron__until(p, item, "#");
    if (day.end < item.end)
        return nth_item(p, day, (struct slice){day.end + 1, item.end});
    if (cron__is(p, item, "L"))
        return refuse_bare_l(p, item);
    if (!ends_with(p, item, 'L') || cron__until(p, item, "-/").end != item.end)
        return cron__item(p, CRON_WEEKDAY, item, set);

    struct slice before = {item.at, item.end - 1};
    unsigned weekday;
    enum err err = cron__value(p, CRON_WEEKDAY, before, &weekday);
    if (err)
        return err;
    add_nth(p, weekday, 0);
    return ERR_OK;
}
