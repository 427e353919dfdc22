// SPDX-License-Identifier: MIT
// next.c: the next instant, exactly, where clocks change.
//
// The idea: a zone is a list of spans of constant offset. Inside one span local time runs straight,
// so the next instant in it is the smallest matching local time, mapped by the offset. Walking the
// spans in order of real time makes the rest simple:
//
//   - A local time that no span holds lies in a gap. A fixed schedule then runs at the beginning of
//     the span after the gap, which is where the walk is at that moment anyway, so that several
//     skipped times, and a real one at the gap's end, are one run by nature.
//   - A local time that two spans hold occurs twice. It is taken in the first, the second or both.
//
// Nothing assumes that gaps are an hour, that there is one change a day, or that days have 24
// hours.

#include "cron/next_priv.h"
#include "cron/zone_priv.h"

// The last local search and its answer. Consecutive spans mostly ask for what is already known.
struct search {
    const struct cron_schedule *schedule;
    int64_t from;
    int64_t found; // The first match at or after `from`.
};

static int64_t search_local(struct search *c, int64_t from)
{
    if (from < c->from || from > c->found) {
        c->found = cron__local_next(c->schedule, from);
        c->from = from;
    }
    return c->found;
}

static bool span_has(const struct zone *z, size_t span, int64_t local)
{
    return local >= zone__local_start(z, span) && local < zone__local_end(z, span);
}

// The nearest span before (`step` -1) or after (`step` 1) `span` that also holds the local time
// which span, at `utc_s`, holds; `span` itself if there is none. Only spans within twice the
// largest offset can.
static size_t find_twin(const struct zone *z, size_t span, int64_t utc_s, int64_t local, int step)
{
    const int64_t reach_s = 2 * ZONE_OFFSET_S_MAX;
    for (size_t i = span; step < 0 ? i > 0 : i + 1 < z->count;) {
        int64_t border_s = z->spans[step < 0 ? i : i + 1].start_s;
        if (step < 0 ? border_s < utc_s - reach_s : border_s > utc_s + reach_s)
            break;
        i = step < 0 ? i - 1 : i + 1;
        if (span_has(z, i, local))
            return i;
    }
    return span;
}

// The first matching local time at or after `local` within the span, LOCAL_NEVER if there is none.
static int64_t next_in_span(const struct zone *z, size_t span, int64_t local, struct search *c)
{
    const struct cron_schedule *s = c->schedule;
    int64_t end = zone__local_end(z, span);
    while (local < end) {
        local = search_local(c, local);
        if (local >= end)
            break;
        if (s->fold == CRON_FOLD_BOTH)
            return local;
        int64_t utc_s = local - z->spans[span].offset_s;
        size_t twin = find_twin(z, span, utc_s, local, s->fold == CRON_FOLD_FIRST ? -1 : 1);
        if (twin == span)
            return local;
        local = zone__local_end(z, twin); // All of the twin's times are taken there.
    }
    return LOCAL_NEVER;
}

// Whether the change at the beginning of `span` skips a time of the schedule, on a date of which at
// least a part exists. (Samoa had no 2011-12-30, and nothing ran.)
static bool gap_runs(const struct zone *z, size_t span, struct search *c)
{
    int64_t utc_s = z->spans[span].start_s;
    int64_t begin = zone__local_end(z, span - 1), end = zone__local_start(z, span);
    for (int64_t local = begin; local < end;) {
        local = search_local(c, local);
        if (local >= end)
            return false;
        int64_t midnight = cron__floor_div(local, DAY_S) * DAY_S;
        size_t twin = find_twin(z, span, utc_s, local, -1);
        if (twin == span)
            twin = find_twin(z, span, utc_s, local, 1);
        if (begin <= midnight && midnight + DAY_S <= end)
            local = midnight + DAY_S;
        else if (twin != span) // Another change nearby brings the time back: it does exist.
            local = zone__local_end(z, twin);
        else
            return true;
    }
    return false;
}

// The span to look at after `span`. Those that end before the match which is already known have
// none, nor have the gaps between them, and are passed over in one step.
static size_t next_span(const struct zone *z, size_t span, const struct search *c)
{
    size_t next = span + 1;
    if (next == z->count || z->spans[next].start_s - ZONE_OFFSET_S_MAX < c->from)
        return next; // The search did not begin early enough to speak for all of it.
    if (c->found == LOCAL_NEVER)
        return z->count;
    return MAX(next, zone__span_at(z, c->found - ZONE_OFFSET_S_MAX));
}

static wall_ms next_of_fields(const struct cron_schedule *s, const struct zone *z, int64_t from_s)
{
    if (from_s / DAY_S > (int64_t)s->last_day + 3)
        return WALL_NEVER; // Also the quick answer for what never fires.

    struct search c = {.schedule = s, .from = INT64_MAX, .found = INT64_MIN};
    bool gaps = !s->interval && s->gap == CRON_GAP_RUN_AFTER;
    for (size_t span = zone__span_at(z, from_s); span < z->count; span = next_span(z, span, &c)) {
        int64_t start_s = z->spans[span].start_s;
        if (gaps && span > 0 && start_s >= from_s && gap_runs(z, span, &c))
            return start_s * 1000;
        int64_t offset_s = z->spans[span].offset_s;
        int64_t local = next_in_span(z, span, MAX(start_s, from_s) + offset_s, &c);
        if (local != LOCAL_NEVER)
            return (local - offset_s) * 1000;
    }
    return WALL_NEVER;
}

static wall_ms next_of_every(int64_t every_s, int64_t from_s)
{
    int64_t next_s = (cron__floor_div(from_s - 1, every_s) + 1) * every_s;
    return next_s < days_from_civil(CRON_YEAR_LAST + 1, 1, 1) * DAY_S ? next_s * 1000 : WALL_NEVER;
}

int64_t cron__oneshot_utc(const struct zone *z, int64_t local, size_t *gap)
{
    *gap = 0;
    size_t span = zone__span_at(z, local - ZONE_OFFSET_S_MAX);
    for (; span < z->count && z->spans[span].start_s <= local + ZONE_OFFSET_S_MAX; span++) {
        if (span_has(z, span, local)) {
            *gap = 0;
            return local - z->spans[span].offset_s;
        }
        bool skipped = span && local >= zone__local_end(z, span - 1);
        if (skipped && !*gap && local < zone__local_start(z, span))
            *gap = span;
    }
    return z->spans[*gap].start_s;
}

static wall_ms next_of_oneshot(int64_t at_s, int64_t from_s)
{
    return at_s >= from_s ? at_s * 1000 : WALL_NEVER;
}

wall_ms cron_next(const struct cron_schedule *s, const struct zone *z, wall_ms after)
{
    int64_t from_s = cron__floor_div(after, 1000) + 1;
    from_s = MAX(from_s, -2 * DAY_S); // Nothing is before 1970 in any zone.
    size_t gap;
    switch ((enum cron_kind)s->kind) {
    case CRON_EVERY:
        return next_of_every(s->span_s, MAX(from_s, 0));
    case CRON_AT_INSTANT:
        return next_of_oneshot(s->span_s, from_s);
    case CRON_AT_LOCAL:
        return next_of_oneshot(cron__oneshot_utc(z, s->span_s, &gap), from_s);
    case CRON_FIELDS:
        break;
    }
    return next_of_fields(s, z, from_s);
}

bool cron_matches(const struct cron_schedule *s, const struct zone *z, wall_ms at)
{
    return at % 1000 == 0 && at > INT64_MIN && cron_next(s, z, at - 1) == at;
}

bool cron_is_fixed(const struct cron_schedule *s)
{
    return !s->interval;
}

bool cron_is_hashed(const struct cron_schedule *s)
{
    return s->hashed;
}

bool cron_is_oneshot(const struct cron_schedule *s)
{
    return s->kind == CRON_AT_LOCAL || s->kind == CRON_AT_INSTANT;
}
