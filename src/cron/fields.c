// SPDX-License-Identifier: MIT
// fields.c: five, six or seven cron fields.
//
// Six fields always begin with seconds; a year comes only seventh. Each field is a list of items
// separated by commas. Whether a field was *written* with `*` or `/` decides how the schedule
// treats changes of the clock, and whether a day field is exactly `*` or `?` decides whether it
// restricts.

#include "cron/parse_priv.h"

#include <string.h>

#define FIELDS_MAX 7

// Splits at blanks. Returns how many fields there are, also beyond FIELDS_MAX.
static size_t split(const struct parse *p, struct slice all, struct slice out[FIELDS_MAX])
{
    size_t count = 0;
    for (size_t at = all.at; at < all.end;) {
        struct slice word = cron__until(p, (struct slice){at, all.end}, " \t");
        if (cron__bytes(word)) {
            if (count < FIELDS_MAX)
                out[count] = word;
            count++;
        }
        at = word.end + 1;
    }
    return count;
}

static enum err refuse_count(struct parse *p, struct slice all, size_t count)
{
    enum err err = cron__refuse(p, CRON_FIELD_COUNT, CRON_NO_FIELD, all,
                                "expected 5, 6 or 7 fields, found %zu", count);
    cron__expected(p, "[second] minute hour day month weekday [year]");
    if (!cron__hint_time(p, all))
        cron__hint(p, "minute hour day month weekday");
    return err;
}

static enum err refuse_empty_item(struct parse *p, enum cron_field field, struct slice item,
                                  struct slice list)
{
    bool comma = item.at < list.end;
    struct slice where = {item.at, item.at + comma};
    enum err err = cron__refuse(p, CRON_SYNTAX, field, where, "value expected, found %s",
                                comma ? "','" : "the end of the field");
    cron__expected(p, "%s", cron__rule(field)->expected);
    return err;
}

static enum err parse_item(struct parse *p, enum cron_field field, struct slice item,
                           struct cron_set *set)
{
    if (field == CRON_DAY)
        return cron__day_item(p, item, set);
    if (field == CRON_WEEKDAY)
        return cron__weekday_item(p, item, set);
    return cron__item(p, field, item, set);
}

static enum err parse_list(struct parse *p, enum cron_field field, struct slice list,
                           struct cron_set *set)
{
    for (size_t at = list.at;; cron__normal(p, ",")) {
        struct slice item = cron__until(p, (struct slice){at, list.end}, ",");
        enum err err = cron__bytes(item) ? parse_item(p, field, item, set)
                                         : refuse_empty_item(p, field, item, list);
        if (err)
            return err;
        if (item.end == list.end)
            return ERR_OK;
        at = item.end + 1;
    }
}

// `*` or `?` alone, with or without `+`: the field does not restrict the days.
static bool is_any_day(const struct parse *p, struct slice list)
{
    return cron__is(p, list, "*") || cron__is(p, list, "?");
}

static enum err parse_days(struct parse *p, enum cron_field field, struct slice list,
                           struct cron_set *set)
{
    bool both = field == CRON_WEEKDAY && p->text[list.at] == '+';
    list.at += both;
    if (field == CRON_DAY)
        p->any_day = cron__is(p, list, "?");
    if (is_any_day(p, list)) {
        cron__set_add(set, field, cron__rule(field)->low, cron__rule(field)->star_high, 1);
        cron__normal(p, "*");
        return ERR_OK;
    }
    if (field == CRON_DAY)
        p->out->days_restricted = true;
    else
        p->out->weekdays_restricted = true;
    p->out->days_both |= both;
    if (both)
        cron__normal(p, "+");
    return parse_list(p, field, list, set);
}

static void store(struct cron_schedule *s, enum cron_field field, const struct cron_set *set)
{
    uint64_t bits = set->bits[0];
    switch (field) {
    case CRON_SECOND:
        s->seconds = bits;
        break;
    case CRON_MINUTE:
        s->minutes = bits;
        break;
    case CRON_HOUR:
        s->hours = (uint32_t)bits;
        break;
    case CRON_DAY:
        s->days = (uint32_t)bits;
        break;
    case CRON_MONTH:
        s->months = (uint16_t)bits;
        break;
    case CRON_WEEKDAY:
        s->weekdays = (uint8_t)bits;
        break;
    default:
        memcpy(s->years, set->bits, sizeof s->years);
        break;
    }
}

static enum err parse_field(struct parse *p, enum cron_field field, struct slice list)
{
    struct cron_set set = {0};
    bool days = field == CRON_DAY || field == CRON_WEEKDAY;
    enum err err = days ? parse_days(p, field, list, &set) : parse_list(p, field, list, &set);
    if (err)
        return err;
    if (field <= CRON_HOUR && (cron__has(p, list, '*') || cron__has(p, list, '/')))
        p->out->interval = true;
    store(p->out, field, &set);
    return ERR_OK;
}

// "0 0 1 1 * 2030": the error is a year in the sixth place.
static bool is_year_last(const struct parse *p)
{
    const struct cron_error *e = p->error;
    struct slice word = {e->position, e->position + e->length};
    unsigned year;
    return e->field == CRON_WEEKDAY && e->code == CRON_RANGE && cron__digits(p, word, &year) &&
           year >= CRON_YEAR_FIRST && year <= CRON_YEAR_LAST;
}

// "0 12 ? * MON-FRI *": the error is a `?` outside of the day fields.
static bool is_misplaced_mark(const struct parse *p)
{
    const struct cron_error *e = p->error;
    return e->code == CRON_CHAR && e->field != CRON_DAY && e->field != CRON_WEEKDAY;
}

// Other tools have six fields that end with the year, and Quartz has no fewer than six.
static void hint_shifted(struct parse *p, struct slice all, size_t count)
{
    int bytes = (int)cron__bytes(all);
    const char *text = p->text + all.at;
    if (count == 6 && (is_year_last(p) || is_misplaced_mark(p)))
        (void)cron__hint_text(p, "six fields start with seconds; add `0` in front: ", "0 %.*s",
                              bytes, text);
    if (count == 5 && is_misplaced_mark(p))
        (void)cron__hint_text(p, "five fields start with minutes; with seconds there are six: ",
                              "%.*s *", bytes, text);
}

enum err cron__fields(struct parse *p, struct slice all)
{
    struct slice words[FIELDS_MAX];
    size_t count = split(p, all, words);
    if (count < 5 || count > FIELDS_MAX)
        return refuse_count(p, all, count);

    // What is not written: at second 0, in every year.
    p->out->kind = CRON_FIELDS;
    p->out->seconds = 1;
    struct cron_set years = {0};
    cron__set_add(&years, CRON_YEAR, CRON_YEAR_FIRST, CRON_YEAR_LAST, 1);
    store(p->out, CRON_YEAR, &years);

    enum cron_field field = count == 5 ? CRON_MINUTE : CRON_SECOND;
    for (size_t i = 0; i < count; i++, field++) {
        if (i)
            cron__normal(p, " ");
        enum err err = parse_field(p, field, words[i]);
        if (err) {
            hint_shifted(p, all, count);
            return err;
        }
    }
    return ERR_OK;
}
