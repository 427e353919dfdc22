// SPDX-License-Identifier: MIT
// next_priv.h: the two halves of `next`: local times that match, and where they are in real time.

#ifndef CARILLON_CRON_NEXT_PRIV_H
#define CARILLON_CRON_NEXT_PRIV_H

#include "cron/cron.h"

#define LOCAL_NEVER INT64_MAX
#define DAY_S 86400

// Division that rounds towards minus infinity; `b` is positive.
static inline int64_t cron__floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

// ---- month.c ----

// 0 is Sunday.
unsigned cron__weekday(int64_t day_number);

// The days of a month that the two day fields take, as bits 1 to 31: of a month with `length` days
// whose first is the weekday `first`. Months and years are not looked at.
uint32_t cron__month_days(const struct cron_schedule *s, unsigned first, unsigned length);

// ---- local.c ----

// The last matching local date; -1 if there is none.
int32_t cron__last_day(const struct cron_schedule *s);
// The first matching local time at or after `from`, in seconds as if local time were UTC.
int64_t cron__local_next(const struct cron_schedule *s, int64_t from);

// ---- next.c ----

// When a local one-shot runs: in the first of two passes, or at the end of a gap. *gap becomes the
// index of the span that begins with that gap, 0 when the time exists.
int64_t cron__oneshot_utc(const struct zone *z, int64_t local, size_t *gap);

#endif
