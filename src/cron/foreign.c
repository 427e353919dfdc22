// SPDX-License-Identifier: MIT
// foreign.c: what other schedulers write around an expression or in front of it.
//
// "cron(0 12 ? * MON-FRI *)", "rate(5 minutes)" and "at(...)" are AWS's; its six fields end with
// the year, where ours begin with the second. "TZ=Europe/Paris 0 9 * * *" names a zone, which is
// not a part of a schedule here. All are refused, with the text to write instead, if there is one:
// a guess would run a job at times that its author has not seen.

#include "cron/parse_priv.h"

#include <string.h>

// What stands between the parentheses.
static struct slice inside(const struct parse *p, struct slice all)
{
    struct slice s = {cron__until(p, all, "(").end + 1, all.end};
    if (s.end > s.at && p->text[s.end - 1] == ')')
        s.end--;
    return cron__strip(p, s);
}

static unsigned count_words(const struct parse *p, struct slice s)
{
    unsigned count = 0;
    for (size_t i = s.at; i < s.end; i++)
        count += !strchr(" \t", p->text[i]) && (i == s.at || strchr(" \t", p->text[i - 1]));
    return count;
}

static void hint_cron(struct parse *p, struct slice all)
{
    struct slice fields = inside(p, all);
    const char *second = count_words(p, fields) == 6 ? "0 " : "";
    if (!cron__hint_text(p, "", "%s%.*s", second, (int)cron__bytes(fields), p->text + fields.at))
        cron__hint(p, "second minute hour day month weekday year, without `cron(` and `)`");
}

// "5 minutes" as "@every 5m".
static void hint_rate(struct parse *p, struct slice all)
{
    static const char *const units[] = {"day", "hour", "minute", "second"};
    struct slice number = cron__until(p, inside(p, all), " \t");
    struct slice unit = cron__strip(p, (struct slice){number.end, inside(p, all).end});
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (cron__begins(p, unit, units[i]) &&
            cron__hint_text(p, "", "@every %.*s%c", SLICE_TEXT(p, number), units[i][0]))
            return;
    cron__hint(p, "@every 5m");
}

static void hint_at(struct parse *p, struct slice all)
{
    if (!cron__hint_time(p, inside(p, all)))
        cron__hint(p, "2026-12-01T09:00:00");
}

static void hint_zone(struct parse *p, struct slice all)
{
    struct slice zone = cron__until(p, all, " \t");
    struct slice rest = cron__strip(p, (struct slice){zone.end, all.end});
    if (!cron__hint_text(p, "", "%.*s", (int)cron__bytes(rest), p->text + rest.at))
        cron__hint(p, "minute hour day month weekday");
}

static const struct {
    const char *begin;
    void (*hint)(struct parse *p, struct slice all);
    const char *message;
} forms[] = {
    {"cron(", hint_cron, "`cron(...)` is written for AWS, where the fields end with the year"},
    {"rate(", hint_rate, "`rate(...)` is written for AWS"},
    {"at(", hint_at, "`at(...)` is written for AWS"},
    {"TZ=", hint_zone, "a time zone is not part of a schedule, but a setting beside it"},
    {"CRON_TZ=", hint_zone, "a time zone is not part of a schedule, but a setting beside it"},
};

bool cron__looks_foreign(const struct parse *p, struct slice all)
{
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        if (cron__begins(p, all, forms[i].begin))
            return true;
    return false;
}

enum err cron__foreign(struct parse *p, struct slice all)
{
    size_t i = 0;
    while (!cron__begins(p, all, forms[i].begin))
        i++;
    enum err err = cron__refuse(p, CRON_SYNTAX, CRON_NO_FIELD, all, "%s", forms[i].message);
    if (!p->asking)
        forms[i].hint(p, all);
    return err;
}
