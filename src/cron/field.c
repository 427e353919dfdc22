// SPDX-License-Identifier: MIT
// field.c: the values, ranges and steps that all seven fields share.
//
// Everything that well-known engines read in different ways is refused with a hint: steps without a
// range, ranges that run backwards, steps larger than the field.

#include "cron/parse_priv.h"

#include "base/ascii.h"

// The bits from `low` to `high`, a word at a time: every text that names no year has 230 of them.
static void add_run(struct cron_set *set, unsigned low, unsigned high)
{
    for (unsigned word = low / 64; word <= high / 64; word++) {
        unsigned first = word == low / 64 ? low % 64 : 0;
        unsigned last = word == high / 64 ? high % 64 : 63;
        set->bits[word] |= UINT64_MAX << first & UINT64_MAX >> (63 - last);
    }
}

void cron__set_add(struct cron_set *set, enum cron_field field, unsigned low, unsigned high,
                   unsigned step)
{
    unsigned base = cron__rule(field)->base;
    if (step == 1 && field != CRON_WEEKDAY) {
        add_run(set, low - base, high - base);
        return;
    }
    for (unsigned value = low; value <= high; value += step) {
        unsigned bit = field == CRON_WEEKDAY ? value % 7 : value - base; // Seven is Sunday, too.
        set->bits[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

enum err cron__step(struct parse *p, enum cron_field field, struct slice word, unsigned *out)
{
    const struct field_rule *rule = cron__rule(field);
    unsigned values = rule->star_high - rule->low + 1;
    enum err err;
    unsigned step;
    if (!cron__digits(p, word, &step)) {
        err = cron__refuse(p, CRON_SYNTAX, field, word, "step expected after '/', found '%.*s'",
                           SLICE_TEXT(p, word));
    } else if (step == 0) {
        err = cron__refuse(p, CRON_STEP, field, word, "step must be at least 1");
    } else if (step > values) {
        err = cron__refuse(p, CRON_STEP, field, word,
                           "step %.*s is larger than the field's %u values", SLICE_TEXT(p, word),
                           values);
        // Beyond 366 days, "@every" does not take it either.
        if (rule->every_unit && step <= 366)
            cron__hint(p, "@every %u%s", step, rule->every_unit);
    } else {
        *out = step;
        return ERR_OK;
    }
    cron__expected(p, "1-%u", values);
    return err;
}

// A value as it is spelt in a hint: by name where the user wrote names.
static void hint_value(struct text *t, const struct field_rule *rule, bool named, unsigned value)
{
    if (named)
        cron__add(t, "%s", rule->names[(value - rule->name_first) % rule->name_count]);
    else
        cron__add(t, "%u", value);
}

static void hint_range(struct text *t, const struct field_rule *rule, bool named, unsigned low,
                       unsigned high)
{
    hint_value(t, rule, named, low);
    if (high > low) {
        cron__add(t, "-");
        hint_value(t, rule, named, high);
    }
}

// "22-23,0-2" for "22-2".
static void hint_two_ranges(struct text *t, const struct field_rule *rule, bool named, bool weekday,
                            unsigned low, unsigned high)
{
    unsigned rest = weekday ? 1 : rule->low; // Sunday ended the first range.
    hint_range(t, rule, named, low, rule->high);
    if (high >= rest) {
        cron__add(t, ",");
        hint_range(t, rule, named, rest, high);
    }
}

// "58,0,2" for "58-2/2": the values one by one, since no two ranges with steps mean the same.
static void hint_steps(struct text *t, const struct field_rule *rule, bool named, unsigned low,
                       unsigned high, unsigned step)
{
    unsigned values = rule->star_high - rule->low + 1;
    for (unsigned value = low; value <= high + values; value += step) {
        cron__add(t, value == low ? "" : ",");
        hint_value(t, rule, named, rule->low + (value - rule->low) % values);
    }
}

// "22-2" is refused, and the hint spells out what was probably meant.
static enum err refuse_backwards(struct parse *p, enum cron_field field, struct slice range,
                                 unsigned low, unsigned high, const struct slice *step_text)
{
    const struct field_rule *rule = cron__rule(field);
    bool weekday = field == CRON_WEEKDAY;
    unsigned step = 1;
    bool stepped = step_text && cron__bytes(*step_text);
    struct slice whole = {range.at, stepped ? step_text->end : range.end}; // The hint replaces it.
    enum err err = cron__refuse(p, CRON_BACKWARDS, field, whole, "range %.*s runs backwards",
                                SLICE_TEXT(p, range));
    struct text t = cron__text(p->error->hint, sizeof p->error->hint);
    bool named = ascii_is_letter(p->text[range.at]);
    if (!step_text || (stepped && !cron__digits(p, *step_text, &step)) || step < 1 || step > 230)
        return err;
    if (field == CRON_YEAR)
        cron__add(&t, "%u-%u", high, low);
    else if (step == 1)
        hint_two_ranges(&t, rule, named, weekday, low, high);
    else
        hint_steps(&t, rule, named, low, high, step);
    if (t.length >= sizeof p->error->hint)
        p->error->hint[0] = '\0'; // A list that is cut would be a wrong one.
    return err;
}

static enum err refuse_step_alone(struct parse *p, enum cron_field field, struct slice item,
                                  struct slice before, struct slice step)
{
    enum err err = cron__refuse(p, CRON_STEP, field, item, "a step needs `*` or a range before it");
    unsigned ignored;
    if (cron__bytes(step) == 0)
        step = (struct slice){0, 0};
    if (!cron__bytes(before))
        cron__hint(p, "*/%.*s", SLICE_TEXT(p, step));
    else if (cron__digits(p, before, &ignored) || cron__is_name(p, field, before))
        cron__hint(p, "%.*s-%u/%.*s", SLICE_TEXT(p, before), cron__rule(field)->high,
                   SLICE_TEXT(p, step));
    return err;
}

// What warnings need to know about a step: does it leave a shorter last interval, and would
// node-cron 3, which counted multiples of the step, have taken other values?
static void note_step(struct parse *p, enum cron_field field, unsigned low, unsigned high,
                      unsigned step)
{
    const struct field_rule *rule = cron__rule(field);
    unsigned values = rule->star_high - rule->low + 1;
    bool whole = low == rule->low && high == rule->star_high;
    if (whole && step > 1 && field != CRON_YEAR && (field == CRON_DAY || values % step))
        p->out->steps_uneven |= (uint8_t)(1u << field);
    if (step > 1 && low % step && (field == CRON_DAY || field == CRON_MONTH))
        p->out->steps_shifted |= (uint8_t)(1u << field);
}

// The range [low, high] with an optional "/step" in `tail`, into the set.
static enum err add_range(struct parse *p, enum cron_field field, struct slice tail, bool star,
                          unsigned low, unsigned high, struct cron_set *set)
{
    unsigned step = 1;
    if (cron__bytes(tail)) {
        enum err err = cron__step(p, field, (struct slice){tail.at + 1, tail.end}, &step);
        if (err)
            return err;
        note_step(p, field, low, high, step);
    }
    cron__set_add(set, field, low, high, step);
    if (star)
        cron__normal(p, "*");
    else
        cron__normal(p, "%u-%u", low, high);
    if (cron__bytes(tail))
        cron__normal(p, "/%u", step);
    return ERR_OK;
}

static enum err star_item(struct parse *p, enum cron_field field, struct slice item,
                          struct cron_set *set)
{
    struct slice tail = {item.at + 1, item.end};
    if (cron__bytes(tail) && p->text[tail.at] != '/')
        return cron__unknown(p, field, item);
    return add_range(p, field, tail, true, cron__rule(field)->low, cron__rule(field)->star_high,
                     set);
}

enum err cron__range(struct parse *p, enum cron_field field, struct slice range,
                     const struct slice *step, unsigned *low, unsigned *high)
{
    struct slice first = cron__until(p, range, "-");
    struct slice last = {first.end + 1, range.end};
    enum err err = cron__value(p, field, first, low);
    if (!err)
        err = cron__value(p, field, last, high);
    if (err)
        return err;
    // A range of weekdays may end on Sunday by name; it is then the seventh day.
    if (field == CRON_WEEKDAY && *high == 0 && ascii_is_letter(p->text[last.at]))
        *high = 7;
    return *low <= *high ? ERR_OK : refuse_backwards(p, field, range, *low, *high, step);
}

static enum err range_item(struct parse *p, enum cron_field field, struct slice item,
                           struct cron_set *set)
{
    struct slice range = cron__until(p, item, "/");
    struct slice tail = {range.end, item.end};
    struct slice step = {tail.at + (cron__bytes(tail) > 0), tail.end};
    unsigned low, high;
    enum err err = cron__range(p, field, range, &step, &low, &high);
    return err ? err : add_range(p, field, tail, false, low, high, set);
}

enum err cron__item(struct parse *p, enum cron_field field, struct slice item, struct cron_set *set)
{
    char begin = cron__bytes(item) ? p->text[item.at] : '\0';
    if (begin == '*')
        return star_item(p, field, item, set);
    if (begin == 'H' && cron__rule(field)->hash_high)
        return cron__hash_item(p, field, item, set);

    struct slice first = cron__until(p, item, "-/");
    if (first.end < item.end && p->text[first.end] == '-')
        return range_item(p, field, item, set);
    if (first.end < item.end)
        return refuse_step_alone(p, field, item, first, (struct slice){first.end + 1, item.end});

    unsigned value;
    enum err err = cron__value(p, field, first, &value);
    if (err)
        return err;
    cron__set_add(set, field, value, value, 1);
    cron__normal(p, "%u", field == CRON_WEEKDAY ? value % 7 : value);
    return ERR_OK;
}
