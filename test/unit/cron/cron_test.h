// SPDX-License-Identifier: MIT
// cron_test.h: what the tests of the cron room share.

#ifndef CARILLON_TEST_CRON_TEST_H
#define CARILLON_TEST_CRON_TEST_H

#include "cron/cron.h"
#include "zones/zones.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// These must succeed; they fail the test and name the text otherwise.
struct cron_schedule schedule_of(const char *text);
struct cron_schedule schedule_with(const char *text, const struct cron_options *o);
const struct zone *zone_of(const char *name);
wall_ms instant_of(const char *rfc3339);

// The next `count` instants of a schedule as "2026-03-29T01:00:00Z 2026-...", "-" for none.
const char *runs_of(const struct cron_schedule *s, const char *zone, const char *after, int count,
                    char *out, size_t bytes);

#endif
