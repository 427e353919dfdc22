// SPDX-License-Identifier: MIT
// warn.c: what is legal but may surprise.
//
// A warning never stops anything. It is written for somebody who has just typed the schedule, or
// brings it from another scheduler.

#include "cron/next_priv.h"
#include "cron/text_priv.h"
#include "cron/zone_priv.h"

#include <assert.h>

#define FREQUENT_PER_MINUTE 30
#define GAP_AHEAD_S (366 * (int64_t)DAY_S) // Every zone with a yearly rule shows its next gap.

static const char *const names[] = {
#define CRON_WARNING(name, text) [CRON_WARN_##name] = text,
#include "cron/warning.def"
#undef CRON_WARNING
};

const char *cron_warning_name(enum cron_warning_code code)
{
    assert((unsigned)code < CRON_WARNING_CODES);
    return names[code];
}

struct question {
    const struct cron_schedule *schedule;
    const struct zone *zone;
    wall_ms now;
};

static void warn_both_days(const struct question *q, struct text *t)
{
    const struct cron_schedule *s = q->schedule;
    if (s->days_restricted && s->weekdays_restricted && !s->days_both)
        cron__add(t, "day and weekday are both set, so it runs when either matches; "
                     "write + before the weekday to require both (node-cron required both)");
}

// "minute and hour"; `set` has one bit per field.
static void add_fields(struct text *t, unsigned set)
{
    bool first = true;
    for (enum cron_field field = CRON_SECOND; field < CRON_NO_FIELD; field++) {
        if (set >> field & 1) {
            cron__add(t, "%s%s", first ? "" : " and ", cron_field_name(field));
            first = false;
        }
    }
}

static void warn_uneven_step(const struct question *q, struct text *t)
{
    if (!q->schedule->steps_uneven)
        return;
    cron__add(t, "the step in the ");
    add_fields(t, q->schedule->steps_uneven);
    cron__add(t, " field does not divide it evenly: the last interval is shorter, because "
                 "counting starts again at the field's first value");
}

static void warn_step_origin(const struct question *q, struct text *t)
{
    if (!q->schedule->steps_shifted)
        return;
    cron__add(t, "the step in the ");
    add_fields(t, q->schedule->steps_shifted);
    cron__add(t, " field counts from the first value; node-cron 3 took multiples of the step");
}

static void warn_frequent(const struct question *q, struct text *t)
{
    wall_ms at = cron_next(q->schedule, q->zone, q->now);
    wall_ms end = at == WALL_NEVER ? at : at + 60000;
    unsigned count = 0;
    for (; at < end; at = cron_next(q->schedule, q->zone, at))
        count++;
    if (count >= FREQUENT_PER_MINUTE)
        cron__add(t, "it runs %u times in a minute; is the first of six fields, the second, meant?",
                  count);
}

static void warn_quartz_weekdays(const struct question *q, struct text *t)
{
    if (q->schedule->quartz_weekdays)
        cron__add(
            t, "`?` beside a weekday number comes from Quartz or AWS, where 1 is Sunday; here 1 is "
               "Monday, and 0 and 7 are Sunday: names such as MON-FRI mean the same everywhere");
}

// "* 2 * * *", of which the minute was most likely meant to be 0. Hours in a row are left alone:
// who writes 9-17 means all of their minutes.
static void warn_every_minute(const struct question *q, struct text *t)
{
    const uint64_t all_minutes = (UINT64_C(1) << 60) - 1;
    const struct cron_schedule *s = q->schedule;
    uint32_t beside = s->hours << 1 | s->hours >> 1;
    if (s->kind == CRON_FIELDS && s->minutes == all_minutes && !(s->hours & beside))
        cron__add(t, "it runs every minute of the hours it names; with 0 in the minute field it "
                     "runs once in each");
}

struct gap {
    int64_t begin, end; // Local seconds that do not exist.
};

// Whether on some date the schedule's times are all inside the gap.
static bool loses_a_date(const struct cron_schedule *s, struct gap gap, int64_t *midnight)
{
    int64_t first = cron__local_next(s, gap.begin);
    if (first >= gap.end)
        return false;
    *midnight = first / DAY_S * DAY_S;
    bool earlier = cron__local_next(s, *midnight) < gap.begin;
    bool later = cron__local_next(s, gap.end) < *midnight + DAY_S;
    bool whole = gap.begin <= *midnight && *midnight + DAY_S <= gap.end;
    return !earlier && !later && !whole;
}

static void add_clock(struct text *t, int64_t local)
{
    cron__add(t, "%02u:%02u", (unsigned)(local / 3600 % 24), (unsigned)(local / 60 % 60));
}

static bool warn_of_gap(const struct question *q, struct gap gap, struct text *t)
{
    const struct cron_schedule *s = q->schedule;
    bool dropped = s->interval || s->gap == CRON_GAP_SKIP;
    int64_t midnight;
    if (cron__local_next(s, gap.begin) >= gap.end)
        return false;
    if (dropped && !loses_a_date(s, gap, &midnight))
        return false;
    struct civil_date d = civil_from_days(cron__local_next(s, gap.begin) / DAY_S);
    cron__add(t, "the clocks of %s skip ", zone_name(q->zone));
    add_clock(t, gap.begin);
    cron__add(t, "-");
    add_clock(t, gap.end);
    cron__add(t, " on %04lld-%02u-%02u: ", (long long)d.year, d.month, d.day);
    if (dropped) {
        cron__add(t, "it does not run on that day");
    } else {
        cron__add(t, "what is due in between runs at ");
        add_clock(t, gap.end);
    }
    return true;
}

static void warn_gap(const struct question *q, struct text *t)
{
    if (q->schedule->kind != CRON_FIELDS)
        return;
    const struct zone *z = q->zone;
    int64_t now_s = cron__floor_div(q->now, 1000);
    for (size_t span = zone__span_at(z, now_s) + 1;
         span < z->count && z->spans[span].start_s <= now_s + GAP_AHEAD_S; span++) {
        struct gap gap = {zone__local_end(z, span - 1), zone__local_start(z, span)};
        if (gap.begin < gap.end && warn_of_gap(q, gap, t))
            return;
    }
}

size_t cron_warnings(const struct cron_schedule *s, const struct zone *z, wall_ms now,
                     struct cron_warning out[static CRON_WARNING_CODES])
{
    static void (*const warn[])(const struct question *, struct text *) = {
        [CRON_WARN_BOTH_DAYS] = warn_both_days,
        [CRON_WARN_GAP] = warn_gap,
        [CRON_WARN_UNEVEN_STEP] = warn_uneven_step,
        [CRON_WARN_STEP_ORIGIN] = warn_step_origin,
        [CRON_WARN_FREQUENT] = warn_frequent,
        [CRON_WARN_EVERY_MINUTE] = warn_every_minute,
        [CRON_WARN_QUARTZ_WEEKDAYS] = warn_quartz_weekdays,
    };
    struct question q = {.schedule = s, .zone = z, .now = now};
    size_t count = 0;
    for (enum cron_warning_code code = 0; code < CRON_WARNING_CODES; code++) {
        struct text t = cron__text(out[count].text, sizeof out[count].text);
        warn[code](&q, &t);
        out[count].code = code;
        count += t.length > 0;
    }
    return count;
}
