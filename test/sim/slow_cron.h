// SPDX-License-Identifier: MIT
// slow_cron.h: whether a schedule fires at one given second, decided the slow and obvious way.
//
// A second opinion for the checker: it shares no code with the cron room. It reads only the
// expressions which the simulator uses (fields of numbers, lists, ranges and steps, names of
// weekdays, "@every Ns", and instants in UTC), in UTC and in Europe/Paris, whose rule it knows by
// heart: summer time from the last Sunday of March to the last Sunday of October, 01:00 UTC.

#ifndef CARILLON_SIM_SLOW_CRON_H
#define CARILLON_SIM_SLOW_CRON_H

#include <stdbool.h>
#include <stdint.h>

struct slow_cron {
    bool allowed[6][64]; // Second, minute, hour, day, month, weekday.
    bool fixed;          // No `*` and no `/` in second, minute and hour.
    bool days_restricted;
    bool weekdays_restricted;
    bool paris;
    int64_t every_s; // Above 0: fires at its multiples.
    int64_t at_s;    // Not negative: fires then, and only then.
};

// The second of a schedule that is one instant; -1 for all others.
int64_t slow_cron_instant(const char *text);

void slow_cron_read(struct slow_cron *s, const char *text, bool paris);
bool slow_cron_fires(const struct slow_cron *s, int64_t utc_s);

#endif
