// SPDX-License-Identifier: MIT
// words.c: sets of numbers as a person would say them.
//
// Words are made from the compiled sets, not from the text, so that different texts with the same
// meaning get the same words, and the words cannot disagree with what will run.

#include "cron/words_priv.h"

struct values cron__values_of(const uint64_t *bits, size_t words, unsigned base)
{
    struct values v = {0};
    for (unsigned i = 0; i < words; i++)
        for (uint64_t left = bits[i]; left; left &= left - 1)
            v.at[v.count++] = (uint16_t)(base + i * 64 + (unsigned)__builtin_ctzll(left));
    return v;
}

struct values cron__values_of_bits(uint64_t bits)
{
    return cron__values_of(&bits, 1, 0);
}

// The distance between all neighbours, or 0 when they differ or there are fewer than three values.
static unsigned common_step(const struct values *v)
{
    if (v->count < 3)
        return 0;
    unsigned step = (unsigned)(v->at[1] - v->at[0]);
    for (unsigned i = 2; i < v->count; i++)
        if ((unsigned)(v->at[i] - v->at[i - 1]) != step)
            return 0;
    return step;
}

struct shape cron__shape_of(const struct values *v, unsigned field_low, unsigned field_count)
{
    unsigned low = v->at[0], high = v->at[v->count - 1];
    unsigned step = common_step(v);
    struct shape s = {.kind = SHAPE_LIST, .low = low, .high = high, .step = step};
    // Two values half a field apart are "every 30 minutes", too.
    if (v->count == 2 && (high - low) * 2 == field_count && low == field_low)
        s.step = high - low;
    if (v->count == field_count)
        s.kind = SHAPE_ALL;
    else if (v->count == 1)
        s.kind = SHAPE_ONE;
    else if (s.step == 1)
        s.kind = SHAPE_RANGE;
    else if (s.step)
        s.kind = SHAPE_STEP;
    s.even = s.kind == SHAPE_STEP && low == field_low && s.step * v->count == field_count;
    return s;
}

void cron__write_number(struct text *t, unsigned value)
{
    cron__add(t, "%u", value);
}

void cron__write_two_digits(struct text *t, unsigned value)
{
    cron__add(t, "%02u", value);
}

void cron__write_month(struct text *t, unsigned value)
{
    static const char *const names[] = {"",        "January",  "February", "March",  "April",
                                        "May",     "June",     "July",     "August", "September",
                                        "October", "November", "December"};
    cron__add(t, "%s", names[value]);
}

void cron__write_weekday(struct text *t, unsigned value)
{
    static const char *const names[] = {"Sunday",   "Monday", "Tuesday",  "Wednesday",
                                        "Thursday", "Friday", "Saturday", "Sunday"};
    cron__add(t, "%s", names[value]);
}

void cron__write_separator(struct text *t, size_t index, size_t count, const char *conjunction)
{
    if (index > 0 && index + 1 == count)
        cron__add(t, " %s ", conjunction);
    else if (index > 0)
        cron__add(t, ", ");
}

// How many values from `i` on are neighbours, when at least three are; else 1.
static unsigned run_length(const struct values *v, unsigned i)
{
    unsigned n = 1;
    while (i + n < v->count && v->at[i + n] == v->at[i] + n)
        n++;
    return n >= 3 ? n : 1;
}

void cron__write_list(struct text *t, const struct values *v, write_value *write,
                      const char *conjunction)
{
    unsigned runs = 0, index = 0;
    for (unsigned i = 0; i < v->count; i += run_length(v, i))
        runs++;
    for (unsigned i = 0, n; i < v->count; i += n) {
        n = run_length(v, i);
        cron__write_separator(t, index++, runs, conjunction);
        write(t, v->at[i]);
        if (n > 1) {
            cron__add(t, " through ");
            write(t, v->at[i + n - 1]);
        }
    }
}

void cron__write_ordinal(struct text *t, unsigned n)
{
    static const char *const endings[] = {"th", "st", "nd", "rd"};
    bool teen = n % 100 / 10 == 1;
    cron__add(t, "%u%s", n, endings[!teen && n % 10 < COUNT_OF(endings) ? n % 10 : 0]);
}
