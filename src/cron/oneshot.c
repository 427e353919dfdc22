// SPDX-License-Identifier: MIT
// oneshot.c: a single run at an ISO 8601 date and time, "2026-12-01T09:00:00".
//
// With "Z" or an offset the instant is absolute; without, it is local time of the job's zone. The
// calendar date must exist. Whether the local time exists in the zone is asked later, because the
// parser knows no zone.

#include "cron/parse_priv.h"

#include "base/ascii.h"

// `pattern`: '9' stands for a digit, everything else for itself.
static bool matches(const struct parse *p, struct slice s, const char *pattern)
{
    size_t i = s.at;
    for (; *pattern && i < s.end; pattern++, i++)
        if (*pattern == '9' ? !ascii_is_digit(p->text[i]) : p->text[i] != *pattern)
            return false;
    return !*pattern;
}

bool cron__looks_oneshot(const struct parse *p, struct slice all)
{
    return cron__until(p, all, " \t").end == all.end && matches(p, all, "9999-99-99T");
}

static enum err refuse_format(struct parse *p, struct slice all, struct slice where)
{
    enum err err = cron__refuse(p, CRON_ONESHOT, CRON_NO_FIELD, where,
                                "not an ISO 8601 date and time: '%.*s'", SLICE_TEXT(p, where));
    cron__expected(p, "YYYY-MM-DDThh:mm[:ss], then nothing, Z or +hh:mm");
    (void)cron__hint_time(p, all);
    return err;
}

// Takes `digits` digits at *at as a number called `what` from `low` to `high`.
static enum err take_number(struct parse *p, size_t *at, size_t digits, const char *what,
                            unsigned low, unsigned high, unsigned *out)
{
    unsigned value = 0;
    struct slice where = {*at, *at + digits};
    for (size_t i = where.at; i < where.end; i++)
        value = value * 10 + (unsigned)(p->text[i] - '0');
    if (value < low || value > high) {
        enum err err = cron__refuse(p, CRON_ONESHOT, CRON_NO_FIELD, where,
                                    "%s %u is out of range %u-%u", what, value, low, high);
        cron__expected(p, "%u-%u", low, high);
        return err;
    }
    *out = value;
    *at = where.end + 1; // And its separator.
    return ERR_OK;
}

static enum err take_date(struct parse *p, size_t *at, int64_t *day_number)
{
    unsigned year, month, day;
    enum err err = take_number(p, at, 4, "year", CRON_YEAR_FIRST, CRON_YEAR_LAST, &year);
    if (!err)
        err = take_number(p, at, 2, "month", 1, 12, &month);
    if (!err)
        err = take_number(p, at, 2, "day", 1, days_in_month(year, month), &day);
    if (!err)
        *day_number = days_from_civil(year, month, day);
    return err;
}

// "hh:mm" or "hh:mm:ss" as seconds of the day. *at ends after the last digit.
static enum err take_time(struct parse *p, struct slice all, size_t *at, int64_t *second_of_day)
{
    struct slice rest = {*at, all.end};
    unsigned hour, minute, second = 0;
    if (!matches(p, rest, "99:99"))
        return refuse_format(p, all, rest);
    bool seconds = matches(p, rest, "99:99:99");
    enum err err = take_number(p, at, 2, "hour", 0, 23, &hour);
    if (!err)
        err = take_number(p, at, 2, "minute", 0, 59, &minute);
    if (!err && seconds)
        err = take_number(p, at, 2, "second", 0, 59, &second);
    if (err)
        return err;
    --*at; // No separator is known to follow.
    *second_of_day = hour * 3600 + minute * 60 + second;
    return ERR_OK;
}

// What follows the time: nothing, "Z", or an offset. *local: nothing did.
static enum err take_offset(struct parse *p, struct slice all, size_t from, bool *local,
                            int64_t *offset_s)
{
    struct slice tail = {from, all.end};
    *local = !cron__bytes(tail);
    *offset_s = 0;
    if (*local || cron__is(p, tail, "Z"))
        return ERR_OK;
    if (cron__bytes(tail) != 6 || !(matches(p, tail, "+99:99") || matches(p, tail, "-99:99")))
        return refuse_format(p, all, tail);
    unsigned hour, minute;
    size_t at = tail.at + 1;
    enum err err = take_number(p, &at, 2, "offset hour", 0, 23, &hour);
    if (!err)
        err = take_number(p, &at, 2, "offset minute", 0, 59, &minute);
    if (err)
        return err;
    *offset_s = (int64_t)(hour * 3600 + minute * 60) * (p->text[tail.at] == '-' ? -1 : 1);
    return ERR_OK;
}

enum err cron__oneshot(struct parse *p, struct slice all)
{
    size_t at = all.at;
    int64_t day = 0, second = 0, offset_s = 0;
    bool local = false;
    enum err err = take_date(p, &at, &day);
    if (!err)
        err = take_time(p, all, &at, &second);
    if (!err)
        err = take_offset(p, all, at, &local, &offset_s);
    if (err)
        return err;

    p->out->kind = local ? CRON_AT_LOCAL : CRON_AT_INSTANT;
    p->out->span_s = day * 86400 + second - offset_s;
    struct civil_date d = civil_from_days(day);
    cron__normal(p, "%04u-%02u-%02uT", (unsigned)d.year, d.month, d.day);
    cron__normal(p, "%02u:%02u:%02u", (unsigned)(second / 3600), (unsigned)(second / 60 % 60),
                 (unsigned)(second % 60));
    cron__normal(p, "%.*s", (int)(all.end - at), p->text + at);
    return ERR_OK;
}
