// SPDX-License-Identifier: MIT
// oracle_window.c: local time second by second, and the table of the specification applied to it.

#include "oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Local time cannot run ahead or behind by more than a date line's worth within a window.
#define LOCAL_SLACK_S (3 * 86400)
#define LOCAL_S (WINDOW_S + 2 * LOCAL_SLACK_S)

void oracle_set_zone(const char *name)
{
    setenv("TZ", name, 1);
    tzset();
}

int64_t oracle_offset(int64_t utc_s)
{
    time_t at = (time_t)utc_s;
    struct tm t;
    localtime_r(&at, &t);
    return t.tm_gmtoff;
}

struct window *window_new(void)
{
    struct window *w = calloc(1, sizeof *w);
    w->local = calloc(WINDOW_S, sizeof *w->local);
    w->first = calloc(LOCAL_S, sizeof *w->first);
    w->last = calloc(LOCAL_S, sizeof *w->last);
    return w;
}

void window_free(struct window *w)
{
    free(w->local);
    free(w->first);
    free(w->last);
    free(w);
}

// The offset at each second. libc needs a microsecond for an answer after 2037, so within a minute
// it is asked for every second only if the answers at both ends differ.
static void fill_local(struct window *w)
{
    int64_t before = oracle_offset(w->begin);
    for (int32_t minute = 0; minute < WINDOW_S; minute += 60) {
        int64_t after = oracle_offset(w->begin + minute + 60);
        for (int32_t i = minute; i < minute + 60; i++) {
            int64_t at = w->begin + i;
            w->local[i] = at + (before == after ? before : oracle_offset(at));
        }
        before = after;
    }
}

void window_fill(struct window *w, int64_t begin)
{
    w->begin = begin;
    fill_local(w);
    w->local_begin = begin + oracle_offset(begin) - LOCAL_SLACK_S;
    memset(w->first, 0xff, LOCAL_S * sizeof *w->first);
    memset(w->last, 0xff, LOCAL_S * sizeof *w->last);
    for (int32_t i = 0; i < WINDOW_S; i++) {
        int64_t at = w->local[i] - w->local_begin;
        assert(at >= 0 && at < LOCAL_S);
        if (w->first[at] < 0)
            w->first[at] = i;
        w->last[at] = i;
    }
}

struct scan {
    const struct window *w;
    const struct rule *r;
    int64_t day; // The day that `takes` is about.
    bool takes;
};

static bool matches(struct scan *s, int64_t local)
{
    int64_t day = local / 86400, second = local % 86400;
    if (local < 0)
        return false;
    if (day != s->day) {
        time_t midnight = (time_t)(day * 86400);
        struct tm t;
        gmtime_r(&midnight, &t);
        s->day = day;
        s->takes = rule_takes_date(s->r, t.tm_year + 1900, t.tm_mon + 1, t.tm_mday);
    }
    return s->takes && s->r->hour[second / 3600] && s->r->minute[second / 60 % 60] &&
           s->r->second[second % 60];
}

// Whether any second of the local date exists. Asked only in the middle of the window.
static bool date_exists(const struct window *w, int64_t local)
{
    int64_t midnight = local / 86400 * 86400 - w->local_begin;
    for (int64_t at = midnight; at < midnight + 86400; at++)
        if (w->first[at] >= 0)
            return true;
    return false;
}

// Whether a local time that matches was skipped right before second `i`.
static bool skipped_before(struct scan *s, int32_t i)
{
    const struct window *w = s->w;
    for (int64_t local = w->local[i - 1] + 1; local < w->local[i]; local++)
        if (matches(s, local) && w->first[local - w->local_begin] < 0 && date_exists(w, local))
            return true;
    return false;
}

static bool runs_at(struct scan *s, const struct cron_options *o, int32_t i)
{
    const struct window *w = s->w;
    bool fixed = !s->r->interval;
    if (fixed && o->gap == CRON_GAP_RUN_AFTER && w->local[i] > w->local[i - 1] + 1 &&
        skipped_before(s, i))
        return true;
    if (!matches(s, w->local[i]))
        return false;
    enum cron_fold fold = o->fold;
    if (fold == CRON_FOLD_DEFAULT)
        fold = fixed ? CRON_FOLD_FIRST : CRON_FOLD_BOTH;
    int64_t at = w->local[i] - w->local_begin;
    return fold == CRON_FOLD_BOTH || i == (fold == CRON_FOLD_FIRST ? w->first[at] : w->last[at]);
}

size_t window_runs(const struct window *w, const struct rule *r, const struct cron_options *o,
                   int64_t from, int64_t *out, size_t max)
{
    struct scan s = {.w = w, .r = r, .day = -1};
    size_t count = 0;
    // The last day is not asked about: what follows it is not known.
    for (int64_t i = from + 1 - w->begin; i < WINDOW_S - 86400 && count < max; i++)
        if (runs_at(&s, o, (int32_t)i))
            out[count++] = w->begin + i;
    return count;
}
