// SPDX-License-Identifier: MIT
// parse_priv.h: what the parts of the schedule parser share.
//
// The parser reads a text from left to right and stops at the first error. Each part is given
// slices of the text, so that an error can say where it is. While it reads, it writes the normal
// form of what it has understood; that costs little and keeps one traversal of the grammar.

#ifndef CARILLON_CRON_PARSE_PRIV_H
#define CARILLON_CRON_PARSE_PRIV_H

#include "cron/cron.h"
#include "cron/text_priv.h"

// A piece of the text: bytes [at, end).
struct slice {
    size_t at;
    size_t end;
};

// The values that `H` may have in the date fields. Each item takes the one that its hash chooses,
// or the one `shift` places behind it, so that a date can be found that exists.
struct hash_draw {
    uint8_t choices[CRON_NO_FIELD]; // The most that an item of the field has; 0: there is no `H`.
    uint8_t shift[CRON_NO_FIELD];
};

struct parse {
    const char *text;
    int64_t hash_seed;
    struct cron_schedule *out;
    struct cron_error *error;
    struct text normal;
    struct hash_draw hash; // What each `H` stands for.
    bool asking;           // Only whether a hint would be a schedule: it gets no hints of its own.
    bool any_day;          // The day field is `?`.
    bool weekday_number;   // A weekday is written as a number from 1 to 7,
    bool weekday_zero;     // or as 0, which Quartz does not know.
};

// The values of a field, bit n being rule->base + n.
struct cron_set {
    uint64_t bits[4];
};

// A row for each field of the grammar.
struct field_rule {
    unsigned low, high;     // What may be written.
    unsigned star_high;     // Where `*` ends: not at the second name of Sunday.
    unsigned hash_high;     // Where `H` ends; 0 where there is no `H`.
    unsigned base;          // The value of bit 0.
    const char (*names)[4]; // Names of the values from name_first on; NULL without.
    unsigned name_count;
    unsigned name_first;
    const char *expected;   // For messages.
    const char *every_unit; // The unit of `@every` that counts the same thing, or NULL.
};

const struct field_rule *cron__rule(enum cron_field field);

// ---- Errors (parse_error.c) ----

// Fills the error and returns the error code that goes with `code`.
MUST_CHECK enum err cron__refuse(struct parse *p, enum cron_code code, enum cron_field field,
                                 struct slice where, const char *format, ...) PRINTF_LIKE(5, 6);
void cron__hint(struct parse *p, const char *format, ...) PRINTF_LIKE(2, 3);
void cron__expected(struct parse *p, const char *format, ...) PRINTF_LIKE(2, 3);
// The hint becomes `lead` and a whole text to write instead. False, and no hint, if that text is
// no schedule or too long.
bool cron__hint_text(struct parse *p, const char *lead, const char *format, ...) PRINTF_LIKE(3, 4);

// Writes a piece of the normal form, if anybody wants one (parse.c).
void cron__normal(struct parse *p, const char *format, ...) PRINTF_LIKE(2, 3);

// ---- Slices (parse.c) ----

size_t cron__bytes(struct slice s);
bool cron__is(const struct parse *p, struct slice s, const char *word);
bool cron__has(const struct parse *p, struct slice s, char c);
// The slice up to the first byte of `stops` at or after s.at.
struct slice cron__until(const struct parse *p, struct slice s, const char *stops);
// Whether it begins with the word, whatever the case of its letters.
bool cron__begins(const struct parse *p, struct slice s, const char *word);
// Without blanks at both ends.
struct slice cron__strip(const struct parse *p, struct slice s);
// For "%.*s" of a slice, cut so that messages stay short.
#define SLICE_TEXT(p, s) (int)MIN(cron__bytes(s), 32u), (p)->text + (s).at

// ---- Values (value.c) ----

// Whether the word is digits only; *out becomes their number, UINT32_MAX when it is larger, so that
// it is checked before it can wrap.
bool cron__digits(const struct parse *p, struct slice word, unsigned *out);
// Whether the word is the three-letter name of a value of the field.
bool cron__is_name(const struct parse *p, enum cron_field field, struct slice word);
// A number or a name of the field. RANGE and SYNTAX errors carry the field's expectations.
MUST_CHECK enum err cron__value(struct parse *p, enum cron_field field, struct slice word,
                                unsigned *out);
// A plain number from `low` to `high`, called `what` in messages ("offset", "occurrence").
MUST_CHECK enum err cron__number(struct parse *p, enum cron_field field, struct slice word,
                                 const char *what, unsigned low, unsigned high, unsigned *out);
// "not understood", with the best hint there is.
MUST_CHECK enum err cron__unknown(struct parse *p, enum cron_field field, struct slice word);

// ---- Items (field.c) ----

// A step after its slash; at most the field's number of values.
MUST_CHECK enum err cron__step(struct parse *p, enum cron_field field, struct slice word,
                               unsigned *out);
// "a-b" with a <= b. `step` is the text of the step that follows, empty without one. NULL: a range
// inside of `H(...)`, where no list can be written instead of one that runs backwards.
MUST_CHECK enum err cron__range(struct parse *p, enum cron_field field, struct slice range,
                                const struct slice *step, unsigned *low, unsigned *high);

// `*`, value, range, step or `H` into the set.
MUST_CHECK enum err cron__item(struct parse *p, enum cron_field field, struct slice item,
                               struct cron_set *set);
void cron__set_add(struct cron_set *set, enum cron_field field, unsigned low, unsigned high,
                   unsigned step);

// ---- Special items ----

MUST_CHECK enum err cron__hash_item(struct parse *p, enum cron_field field, struct slice item,
                                    struct cron_set *set); // field_hash.c: begins with `H`.
// Draws the dates of `H` anew, for a text whose first draw gave dates that no calendar has. The
// text is then parsed once more. When no draw gives a date that exists, the first one stands.
void cron__hash_redraw(struct parse *p, size_t bytes);
MUST_CHECK enum err cron__day_item(struct parse *p, struct slice item, struct cron_set *set);
MUST_CHECK enum err cron__weekday_item(struct parse *p, struct slice item, struct cron_set *set);

// ---- Whole texts ----

// Any text into *p->out, which is blank but for the options (parse.c).
MUST_CHECK enum err cron__parse(struct parse *p, size_t bytes);

MUST_CHECK enum err cron__fields(struct parse *p, struct slice all); // fields.c
MUST_CHECK enum err cron__nickname(struct parse *p,
                                   struct slice all);              // nickname.c: begins with `@`.
bool cron__looks_oneshot(const struct parse *p, struct slice all); // oneshot.c
MUST_CHECK enum err cron__oneshot(struct parse *p, struct slice all);
// Wrappers and prefixes of other schedulers, all refused with a hint (foreign.c).
bool cron__looks_foreign(const struct parse *p, struct slice all);
MUST_CHECK enum err cron__foreign(struct parse *p, struct slice all);
// The date and time in the form that is read here, as a hint, if the text is one in another form
// (foreign_time.c). Leaves the hint alone and returns false if not.
bool cron__hint_time(struct parse *p, struct slice all);

#endif
