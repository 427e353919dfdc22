// SPDX-License-Identifier: MIT
// value.c: numbers and names of the seven fields.
//
// One table row per field says what may be written in it. What is not understood is refused with
// the best hint there is: a letter that must be capital, a long name, a name of another field.

#include "cron/parse_priv.h"

#include "base/ascii.h"

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

bool cron__digits(const struct parse *p, struct slice word, unsigned *out)
{
    uint64_t value = 0;
    for (size_t i = word.at; i < word.end; i++) {
        if (!ascii_is_digit(p->text[i]))
            return false;
        value = MIN(value * 10 + (uint64_t)(p->text[i] - '0'), (uint64_t)UINT32_MAX);
    }
    *out = (unsigned)value;
    return word.at < word.end;
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

bool cron__is_name(const struct parse *p, enum cron_field field, struct slice word)
{
    return find_name(p, field, word, true) >= 0;
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
    unsigned ignored;
    if (!alone && !cron__digits(p, rest, &ignored) && !cron__is_name(p, field, rest))
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
        if (other != field && cron__is_name(p, other, word))
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

// Whether the word is a value of the field.
static bool is_value(const struct parse *p, enum cron_field field, struct slice word)
{
    struct cron_error unread;
    struct parse asking = *p;
    unsigned ignored;
    asking.error = &unread;
    return cron__value(&asking, field, word, &ignored) == ERR_OK;
}

static void add_value(struct text *t, const struct parse *p, struct slice word, unsigned otherwise)
{
    if (cron__bytes(word))
        cron__add(t, "%.*s", SLICE_TEXT(p, word));
    else
        cron__add(t, "%u", otherwise);
}

// "6~18" of cronie and OpenBSD is a value that each start of cron draws anew. `H(6-18)` is the
// nearest thing: a value that stays the same.
static bool hint_random(struct parse *p, enum cron_field field, struct slice word)
{
    const struct field_rule *rule = &rules[field];
    struct slice low = cron__until(p, word, "~");
    struct slice high = {low.end + 1, word.end};
    if (low.end == word.end || !rule->hash_high || (cron__bytes(low) && !is_value(p, field, low)) ||
        (cron__bytes(high) && !is_value(p, field, high)))
        return false;
    struct text t = cron__text(p->error->hint, sizeof p->error->hint);
    cron__add(&t, "H");
    if (cron__bytes(low) || cron__bytes(high)) {
        cron__add(&t, "(");
        add_value(&t, p, low, rule->low);
        cron__add(&t, "-");
        add_value(&t, p, high, rule->star_high);
        cron__add(&t, ")");
    }
    return true;
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
        if (!hint_random(p, field, word) && !hint_capital(p, field, word) &&
            !hint_short_name(p, field, word))
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
    unsigned value;
    if (!cron__digits(p, word, &value))
        return cron__unknown(p, field, word);
    if (value < rule->low || value > rule->high) {
        enum err err = cron__refuse(p, CRON_RANGE, field, word, "%.*s is out of range %u-%u",
                                    SLICE_TEXT(p, word), rule->low, rule->high);
        cron__expected(p, "%s", rule->expected);
        return err;
    }
    if (field == CRON_WEEKDAY) {
        p->weekday_number |= value > 0;
        p->weekday_zero |= value == 0;
    }
    *out = value;
    return ERR_OK;
}

enum err cron__number(struct parse *p, enum cron_field field, struct slice word, const char *what,
                      unsigned low, unsigned high, unsigned *out)
{
    enum err err;
    unsigned value;
    if (!cron__digits(p, word, &value))
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
