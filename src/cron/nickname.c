// SPDX-License-Identifier: MIT
// nickname.c: "@daily" and the other nicknames, and "@every 90s".
//
// Nicknames are case-sensitive and stand alone. `@every` fires at multiples of its length since the
// Unix epoch: no anchor is stored, and a restart does not move its phase.

#include "cron/parse_priv.h"

#include "base/ascii.h"

#include <string.h>

#define EVERY_DAYS_MAX 366

static const struct {
    const char *name;
    const char *fields;
} nicknames[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

static enum err refuse_duration(struct parse *p, struct slice where)
{
    enum err err =
        cron__refuse(p, CRON_DURATION, CRON_NO_FIELD, where,
                     "not a duration such as 90s or 1h30m: '%.*s'", SLICE_TEXT(p, where));
    cron__expected(p, "[nd][nh][nm][ns], 1s to 366d");
    return err;
}

// Reads a "<number><unit>" at the beginning of *rest. False if there is none with a unit after
// *unit, so that days, hours, minutes and seconds come in this order and once each.
static bool take_part(const struct parse *p, struct slice *rest, size_t *unit, int64_t *total_s)
{
    static const char letters[] = "dhms";
    static const int64_t seconds[] = {86400, 3600, 60, 1};
    int64_t value = 0;
    size_t at = rest->at;
    for (; at < rest->end && ascii_is_digit(p->text[at]); at++)
        value = MIN(value * 10 + (p->text[at] - '0'), INT64_C(1000000000)); // Above every limit.
    const char *found = at < rest->end ? strchr(letters + *unit, p->text[at]) : NULL;
    if (at == rest->at || !found)
        return false;
    *unit = (size_t)(found - letters) + 1;
    *total_s += value * seconds[*unit - 1];
    rest->at = at + 1;
    return true;
}

static enum err parse_every(struct parse *p, struct slice duration)
{
    struct slice rest = duration;
    int64_t total_s = 0;
    size_t unit = 0;
    while (cron__bytes(rest))
        if (!take_part(p, &rest, &unit, &total_s))
            return refuse_duration(p, duration);
    if (total_s < 1 || total_s > EVERY_DAYS_MAX * INT64_C(86400)) {
        enum err err =
            cron__refuse(p, CRON_DURATION, CRON_NO_FIELD, duration, "the interval must be at %s",
                         total_s < 1 ? "least 1s" : "most 366d");
        cron__expected(p, "[nd][nh][nm][ns], 1s to 366d");
        return err;
    }
    p->out->kind = CRON_EVERY;
    p->out->interval = true;
    p->out->span_s = total_s;
    cron__normal(p, "@every %llds", (long long)total_s);
    return ERR_OK;
}

// As many letters as `name` has are the same but for their case.
static bool same_folded(const char *name, const char *text)
{
    for (; *name; name++, text++)
        if (ascii_upper(*name) != ascii_upper(*text))
            return false;
    return true;
}

static enum err refuse_nickname(struct parse *p, struct slice name)
{
    enum err err = cron__refuse(p, CRON_NICKNAME, CRON_NO_FIELD, name, "unknown nickname '%.*s'",
                                SLICE_TEXT(p, name));
    cron__expected(p, "@yearly, @monthly, @weekly, @daily, @hourly, or @every 90s");
    for (size_t i = 0; i < COUNT_OF(nicknames); i++)
        if (strlen(nicknames[i].name) == cron__bytes(name) &&
            same_folded(nicknames[i].name, p->text + name.at))
            cron__hint(p, "%s", nicknames[i].name);
    return err;
}

// A nickname is parsed as the fields it stands for; nothing in those can fail.
static enum err parse_as(struct parse *p, const char *fields)
{
    struct parse inner = *p;
    inner.text = fields;
    enum err err = cron__fields(&inner, (struct slice){0, strlen(fields)});
    p->normal = inner.normal;
    return err;
}

// The fields that a nickname stands for, or NULL.
static const char *find_fields(const struct parse *p, struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(nicknames); i++)
        if (cron__is(p, name, nicknames[i].name))
            return nicknames[i].fields;
    return NULL;
}

static enum err refuse_bare_every(struct parse *p, struct slice name)
{
    enum err err = cron__refuse(p, CRON_NICKNAME, CRON_NO_FIELD, name, "@every needs a duration");
    cron__hint(p, "@every 90s");
    return err;
}

enum err cron__nickname(struct parse *p, struct slice all)
{
    struct slice name = cron__until(p, all, " \t");
    struct slice rest = cron__strip(p, (struct slice){name.end, all.end});
    if (cron__is(p, name, "@every"))
        return cron__bytes(rest) ? parse_every(p, rest) : refuse_bare_every(p, name);
    if (cron__is(p, name, "@reboot"))
        return cron__refuse(p, CRON_UNSUPPORTED, CRON_NO_FIELD, name,
                            "@reboot is not supported by a service");

    const char *fields = find_fields(p, name);
    if (!fields)
        return refuse_nickname(p, name);
    if (cron__bytes(rest))
        return cron__refuse(p, CRON_NICKNAME, CRON_NO_FIELD, rest, "nothing may follow %.*s",
                            SLICE_TEXT(p, name));
    return parse_as(p, fields);
}
