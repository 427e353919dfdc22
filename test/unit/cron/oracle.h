// SPDX-License-Identifier: MIT
// oracle.h: a second, slow and obvious scheduler to compare the real one with.
//
// It shares nothing with src/cron but the types of options: rules are arrays of booleans made
// together with their text, dates are looked up day by day with libc's calendar, and local time is
// libc's localtime(), asked second by second. What it answers follows the table of the
// specification literally: does this local time exist once, twice, or not?

#ifndef CARILLON_TEST_ORACLE_H
#define CARILLON_TEST_ORACLE_H

#include "cron/cron.h"

// ---- Randomness: the same seed gives the same cases ----

struct dice {
    uint64_t state;
};

uint32_t dice_below(struct dice *d, uint32_t limit);
bool dice_chance(struct dice *d, uint32_t one_in);

// ---- Rules: a random expression and what it means ----

struct rule {
    char text[512];
    bool second[60], minute[60], hour[24], month[13], year[2200];
    bool day[32], nearest[32], from_end[31], from_end_weekday[31];
    bool weekday[7], nth[7][6]; // [][0] is the last one.
    bool day_any, weekday_any, both, interval;
};

// Six fields at most; `years`: seven.
void rule_random(struct dice *d, struct rule *r, bool years);

// Whether the rule takes a date of the Gregorian calendar.
bool rule_takes_date(const struct rule *r, int year, int month, int day);

// ---- Windows: a few days of one zone, second by second ----

#define WINDOW_DAYS 5
#define WINDOW_S (WINDOW_DAYS * 86400)

struct window {
    int64_t begin;  // UTC seconds; the window covers [begin, begin + WINDOW_S).
    int64_t *local; // Local seconds at each second.
    // By local second from local_begin on: the first and last second at which it is that time,
    // -1 when it never is.
    int64_t local_begin;
    int32_t *first, *last;
};

void oracle_set_zone(const char *name); // Sets TZ.
int64_t oracle_offset(int64_t utc_s);   // Seconds east of UTC.
struct window *window_new(void);
void window_free(struct window *w);
void window_fill(struct window *w, int64_t begin);

// All instants of the rule in the window after `from` (UTC seconds, exclusive), at most `max`.
size_t window_runs(const struct window *w, const struct rule *r, const struct cron_options *o,
                   int64_t from, int64_t *out, size_t max);

#endif
