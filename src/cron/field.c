// SPDX-License-Identifier: MIT
// field.c: the values, ranges and steps that all seven fields share.
//
// One table row per field says what may be written in it. Everything that well-known engines read
// in different ways is refused with a hint: steps without a range, ranges that run backwards, steps
// larger than the field.

#include "cron/parse_priv.h"

#include "cron/ascii_priv.h"

#include <assert.h>
#include <string.h>

static const char month_names[][4] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                      "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char weekday_names[][4] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

static const struct field_rule rules[] = {
    [CRON_SECOND] =
        {.high = 59, .star_high = 59, .hash_high = 59, .expected = "0-59", .every_unit = "s"},
    [CRON_MINUTE] =
        {.high = 59, .star_high = 59, .hash_high = 59, .expected = "0-59", .every_unit = "m"},
    [CRON_HOUR] =
        {.high = 23, .star_high = 23, .hash_high = 23, .expected = "0-23", .every_unit = "h"},
    [CRON_DAY] = {.low = 1,
                  .high = 31,
                  .star_high = 31,
                  .hash_high = 28,
                  .expected = "1-31",
                  .every_unit = "d"},
    [CRON_MONTH] = {.low = 1,
                    .high = 12,
                    .star_high = 12,
                    .hash_high = 12,
                    .expected = "1-12 or JAN-DEC",
                    .names = month_names,
                    .name_count = 12,
                    .name_first = 1},
    [CRON_WEEKDAY] = {.high = 7,
                      .star_high = 6,
                      .hash_high = 6,
                      .expected = "0-7 or SUN-SAT",
                      .names = weekday_names,
                      .name_count = 7},
    [CRON_YEAR] = {.low = CRON_YEAR_FIRST,
                   .high = CRON_YEAR_LAST,
                   .star_high = CRON_YEAR_LAST,
                   .base = CRON_YEAR_FIRST,
                   .expected = "1970-2199"},
};

const struct field_rule *cron__rule(enum cron_field field)
{
    assert((unsigned)field < COUNT_OF(rules));
    return &rules[field];
}

void cron__set_add(struct cron_set *set, enum cron_field field, unsigned low, unsigned high,
                   unsigned step)
{
    for (unsigned value = low; value <= high; value += step) {
        // Seven is Sunday, too.
        unsigned bit = field == CRON_WEEKDAY ? value % 7 : value - rules[field].base;
        set->bits[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

static bool all_digits(const struct parse *p, struct slice word)
{
    for (size_t i = word.at; i < word.end; i++)
        if (!ascii_is_digit(p->text[i]))
            return false;
    return word.at < word.end;
}

// The number that the digits spell, or UINT_MAX when it is larger: checked before it can wrap.
static unsigned read_digits(const struct parse *p, struct slice word)
{
    uint64_t value = 0;
    for (size_t i = word.at; i < word.end; i++)
        value = MIN(value * 10 + (uint64_t)(p->text[i] - '0'), (uint64_t)UINT32_MAX);
    return (unsigned)value;
}

static bool same_letters(const char *name, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (name[i] != ascii_upper(text[i]))
            return false;
    return true;
}

// The value whose name begins the word, or -1. `exact`: the name is the whole word.
static int find_name(const struct parse *p, enum cron_field field, struct slice word, bool exact)
{
    const struct field_rule *rule = &rules[field];
    if (cron__bytes(word) < 3 || (exact && cron__bytes(word) != 3))
        return -1;
    for (unsigned i = 0; i < rule->name_count; i++)
        if (same_letters(rule->names[i], p->text + word.at, 3))
            return (int)(rule->name_first + i);
    return -1;
}

static bool all_letters(const struct parse *p, struct slice word)
{
    for (size_t i = word.at; i < word.end; i++)
        if (!ascii_is_letter(p->text[i]))
            return false;
    return word.at < word.end;
}

// Letters that have a meaning only when they are capital: a hint for "l", "15w", "fril", "h".
static bool hint_capital(struct parse *p, enum cron_field field, struct slice word)
{
    const char *letters = field == CRON_DAY ? "lwh" : field == CRON_WEEKDAY ? "lh" : "h";
    if (word.at == word.end || !strchr(letters, p->text[word.end - 1]))
        return false;
    struct slice rest = {word.at, word.end - 1};
    bool alone = !cron__bytes(rest) || cron__is(p, rest, "l") || cron__is(p, rest, "L");
    if (!alone && !all_digits(p, rest) && find_name(p, field, rest, true) < 0)
        return false;
    cron__hint(p, "%.*s%c", (int)cron__bytes(rest), p->text + rest.at,
               ascii_upper(p->text[word.end - 1]));
    if (cron__is(p, rest, "l"))
        p->error->hint[0] = 'L';
    return true;
}

// A name that stands in the wrong field.
static void hint_other_field(struct parse *p, enum cron_field field, struct slice word)
{
    for (enum cron_field other = CRON_MONTH; other <= CRON_WEEKDAY; other++)
        if (other != field && find_name(p, other, word, true) >= 0)
            cron__hint(p, "%.*s belongs in the %s field", SLICE_TEXT(p, word),
                       cron_field_name(other));
}

// What a long name ("MONDAY") was short for, if it was one.
static bool hint_short_name(struct parse *p, enum cron_field field, struct slice word)
{
    const struct field_rule *rule = &rules[field];
    int named = all_letters(p, word) ? find_name(p, field, word, false) : -1;
    if (named < 0)
        return false;
    cron__hint(p, "%s", rule->names[(unsigned)named - rule->name_first]);
    return true;
}

static enum err refuse_question_mark(struct parse *p, enum cron_field field, struct slice word)
{
    bool day_field = field == CRON_DAY || field == CRON_WEEKDAY;
    enum err err = cron__refuse(p, CRON_CHAR, field, word,
                                day_field ? "`?` must stand alone in its field"
                                          : "`?` is only for the two day fields");
    cron__hint(p, "*");
    return err;
}

enum err cron__unknown(struct parse *p, enum cron_field field, struct slice word)
{
    if (cron__has(p, word, '?'))
        return refuse_question_mark(p, field, word);
    const char *expected = rules[field].expected;
    enum err err;
    if (!cron__bytes(word)) {
        bool after = word.at > 0 && p->text[word.at - 1] == '-';
        err = cron__refuse(p, CRON_SYNTAX, field, word, "value expected %s '-'",
                           after ? "after" : "before");
    } else {
        err = cron__refuse(p, CRON_SYNTAX, field, word, "expected %s, found '%.*s'", expected,
                           SLICE_TEXT(p, word));
        if (!hint_capital(p, field, word) && !hint_short_name(p, field, word))
            hint_other_field(p, field, word);
    }
    cron__expected(p, "%s", expected);
    return err;
}

enum err cron__value(struct parse *p, enum cron_field field, struct slice word, unsigned *out)
{
    const struct field_rule *rule = &rules[field];
    int named = find_name(p, field, word, true);
    if (named >= 0) {
        *out = (unsigned)named;
        return ERR_OK;
    }
    if (!all_digits(p, word))
        return cron__unknown(p, field, word);

    unsigned value = read_digits(p, word);
    if (value < rule->low || value > rule->high) {
        enum err err = cron__refuse(p, CRON_RANGE, field, word, "%.*s is out of range %u-%u",
                                    SLICE_TEXT(p, word), rule->low, rule->high);
        cron__expected(p, "%s", rule->expected);
        return err;
    }
    *out = value;
    return ERR_OK;
}

enum err cron__number(struct parse *p, enum cron_field field, struct slice word, const char *what,
                      unsigned low, unsigned high, unsigned *out)
{
    enum err err;
    unsigned value = all_digits(p, word) ? read_digits(p, word) : 0;
    if (!all_digits(p, word))
        err = cron__refuse(p, CRON_SYNTAX, field, word,
                           "expected a number for the %s, found '%.*s'", what, SLICE_TEXT(p, word));
    else if (value < low || value > high)
        err = cron__refuse(p, CRON_RANGE, field, word, "%s %.*s is out of range %u-%u", what,
                           SLICE_TEXT(p, word), low, high);
    else {
        *out = value;
        return ERR_OK;
    }
    cron__expected(p, "%u-%u", low, high);
    return err;
}

enum err cron__step(struct parse *p, enum cron_field field, struct slice word, unsigned *out)
{
    const struct field_rule *rule = &rules[field];
    unsigned values = rule->star_high - rule->low + 1;
    enum err err;
    unsigned step = all_digits(p, word) ? read_digits(p, word) : 0;
    if (!all_digits(p, word)) {
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

// "22-2" is refused, and the hint spells out what was probably meant: "22-23,0-2".
enum err cron__backwards(struct parse *p, enum cron_field field, struct slice range, unsigned low,
                         unsigned high, bool stepped)
{
    const struct field_rule *rule = &rules[field];
    enum err err = cron__refuse(p, CRON_BACKWARDS, field, range, "range %.*s runs backwards",
                                SLICE_TEXT(p, range));
    struct text t = cron__text(p->error->hint, sizeof p->error->hint);
    bool named = ascii_is_letter(p->text[range.at]);
    if (field == CRON_YEAR) {
        cron__add(&t, "%u-%u", high, low);
    } else if (!stepped) { // With a step, two ranges would not mean the same thing.
        hint_range(&t, rule, named, low, rule->high);
        unsigned rest = field == CRON_WEEKDAY ? 1 : rule->low; // Sunday ended the first range.
        if (high >= rest) {
            cron__add(&t, ",");
            hint_range(&t, rule, named, rest, high);
        }
    }
    return err;
}

static enum err refuse_step_alone(struct parse *p, enum cron_field field, struct slice item,
                                  struct slice before, struct slice step)
{
    enum err err = cron__refuse(p, CRON_STEP, field, item, "a step needs `*` or a range before it");
    if (cron__bytes(step) == 0)
        step = (struct slice){0, 0};
    if (!cron__bytes(before))
        cron__hint(p, "*/%.*s", SLICE_TEXT(p, step));
    else if (all_digits(p, before) || find_name(p, field, before, true) >= 0)
        cron__hint(p, "%.*s-%u/%.*s", SLICE_TEXT(p, before), rules[field].high,
                   SLICE_TEXT(p, step));
    return err;
}

// What warnings need to know about a step: does it leave a shorter last interval, and would
// node-cron 3, which counted multiples of the step, have taken other values?
static void note_step(struct parse *p, enum cron_field field, unsigned low, unsigned high,
                      unsigned step)
{
    const struct field_rule *rule = &rules[field];
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
    return add_range(p, field, tail, true, rules[field].low, rules[field].star_high, set);
}

static enum err range_item(struct parse *p, enum cron_field field, struct slice first,
                           struct slice item, struct cron_set *set)
{
    struct slice last = cron__until(p, (struct slice){first.end + 1, item.end}, "/");
    struct slice tail = {last.end, item.end};
    unsigned low, high;
    enum err err = cron__value(p, field, first, &low);
    if (!err)
        err = cron__value(p, field, last, &high);
    if (err)
        return err;
    // A range of weekdays may end on Sunday by name; it is then the seventh day.
    if (field == CRON_WEEKDAY && high == 0 && ascii_is_letter(p->text[last.at]))
        high = 7;
    if (low > high)
        return cron__backwards(p, field, (struct slice){first.at, last.end}, low, high,
                               cron__bytes(tail) > 0);
    return add_range(p, field, tail, false, low, high, set);
}

enum err cron__item(struct parse *p, enum cron_field field, struct slice item, struct cron_set *set)
{
    char begin = cron__bytes(item) ? p->text[item.at] : '\0';
    if (begin == '*')
        return star_item(p, field, item, set);
    if (begin == 'H' && rules[field].hash_high)
        return cron__hash_item(p, field, item, set);

    struct slice first = cron__until(p, item, "-/");
    if (first.end < item.end && p->text[first.end] == '-')
        return range_item(p, field, first, item, set);
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
