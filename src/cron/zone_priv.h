// SPDX-License-Identifier: MIT
// zone_priv.h: the inside of a zone: spans of constant offset.
//
// A zone is a list of spans in order of time. Each begins at an instant and has one offset; the
// next one begins with another offset. Entries of a file that change only a name or a flag are
// merged away, and the rule of the footer is written out until ZONE_END_S, so that a lookup needs
// no case distinction.

#ifndef CARILLON_CRON_ZONE_PRIV_H
#define CARILLON_CRON_ZONE_PRIV_H

#include "cron/cron.h"

#define ZONE_OFFSET_S_MAX (26 * 3600)
#define ZONE_END_S INT64_C(7289654400) // 2201-01-01.
// One index entry for each 2^ZONE_INDEX_SHIFT seconds (half a year) from 1970 to ZONE_END_S.
#define ZONE_INDEX_SHIFT 24
#define ZONE_INDEX_COUNT ((ZONE_END_S >> ZONE_INDEX_SHIFT) + 1)

struct zone_span {
    int64_t start_s; // UTC. INT64_MIN for the first.
    int32_t offset_s;
};

struct zone {
    char name[ZONE_NAME_BYTES];
    uint16_t index[ZONE_INDEX_COUNT]; // The span at the beginning of each half-year.
    size_t count;
    struct zone_span spans[];
};

// Collects spans in order of time and makes a zone of them.
struct zone_builder {
    size_t count;
    struct zone_span spans[ZONE_CHANGES_MAX];
};

// A change at `at_s`, not before the last one. A second change at the same instant replaces the
// first, a change to the same offset is dropped. False when there are too many.
bool zone__builder_add(struct zone_builder *b, int64_t at_s, int32_t offset_s);
struct zone *zone__build(const struct zone_builder *b, const char *name);

// The index of the span that contains `utc_s`.
size_t zone__span_at(const struct zone *z, int64_t utc_s);
// Where a span ends in local seconds (exclusive), by its own offset; INT64_MAX for the last one.
int64_t zone__local_end(const struct zone *z, size_t span);
// Where a span begins in local seconds; INT64_MIN for the first one.
int64_t zone__local_start(const struct zone *z, size_t span);

// ---- posix_footer.c: the footer of a zone file, such as "CET-1CEST,M3.5.0,M10.5.0/3" ----

struct posix_day {
    char form; // 'J' (1 to 365, no leap day), 'n' (0 to 365), 'M' (month, week, weekday).
    int month, week, day;
    int32_t time_s; // Local seconds from the day's midnight, -167 h to 167 h.
};

struct posix_rule {
    int32_t standard_s; // Offset east of UTC.
    int32_t summer_s;
    bool changes;
    struct posix_day start, end;
};

bool zone__rule_parse(const char *text, size_t bytes, struct posix_rule *out);
// Adds every change of the rule after `from_s` until ZONE_END_S. False when there are too many.
bool zone__rule_expand(const struct posix_rule *rule, int64_t from_s, struct zone_builder *b);

#endif
