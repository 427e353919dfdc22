// SPDX-License-Identifier: MIT
// words_priv.h: sets of numbers as a person would say them.

#ifndef CARILLON_CRON_WORDS_PRIV_H
#define CARILLON_CRON_WORDS_PRIV_H

#include "cron/cron.h"
#include "cron/text_priv.h"

// The members of a set in ascending order.
struct values {
    unsigned count;
    uint16_t at[256];
};

// `base` is the value of bit 0.
struct values cron__values_of(const uint64_t *bits, size_t words, unsigned base);
struct values cron__values_of_bits(uint64_t bits);

enum shape_kind {
    SHAPE_ALL,
    SHAPE_ONE,
    SHAPE_RANGE, // Three or more neighbours.
    SHAPE_STEP,  // Three or more at the same distance.
    SHAPE_LIST,
};

struct shape {
    enum shape_kind kind;
    unsigned low, high, step;
    bool even; // A step that begins with the field and divides it: "every 15 minutes".
};

// The field has `field_count` values and begins with `field_low`.
struct shape cron__shape_of(const struct values *v, unsigned field_low, unsigned field_count);

// Writes one value: a number, or its name.
typedef void write_value(struct text *t, unsigned value);
void cron__write_number(struct text *t, unsigned value);     // 7
void cron__write_two_digits(struct text *t, unsigned value); // 07
void cron__write_month(struct text *t, unsigned value);      // 1 is January.
void cron__write_weekday(struct text *t, unsigned value);    // 0 and 7 are Sunday.

// "1, 5 and 10 through 15"; `conjunction` is "and" or "or".
void cron__write_list(struct text *t, const struct values *v, write_value *write,
                      const char *conjunction);
// Before the element `index` of `count`: nothing, ", " or " and ".
void cron__write_separator(struct text *t, size_t index, size_t count, const char *conjunction);
void cron__write_ordinal(struct text *t, unsigned n); // "3rd"

// ---- explain_days.c ----

// ", on day 13 of the month, in January": everything about dates, possibly nothing.
// `daily`: say "every day" when there is nothing else to say.
void cron__explain_days(struct text *t, const struct cron_schedule *s, bool daily);

#endif
