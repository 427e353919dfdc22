// SPDX-License-Identifier: MIT
// delay.c: the expression of a schedule that is always so many seconds later.
//
// Seconds that are less than a minute go into a field of their own, in front. Minutes and hours are
// moved along, which is possible as long as what passes the end of an hour comes to an hour that
// the schedule names as well, and what passes midnight to a day that it names.

#include "cron/parse_priv.h"

#include <assert.h>
#include <string.h>

#define FIELDS 5

struct clock {
    uint64_t minutes;
    uint64_t hours;
};

// The set with each value `by` later; *passed are those beyond `count`, which begin anew.
static uint64_t rotate(uint64_t set, unsigned by, unsigned count, uint64_t *passed)
{
    uint64_t moved = 0;
    *passed = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!(set >> i & 1))
            continue;
        moved |= UINT64_C(1) << (i + by) % count;
        if (i + by >= count)
            *passed |= UINT64_C(1) << (i + by) % count;
    }
    return moved;
}

// False when no single set of minutes and hours says it.
static bool move(struct clock *c, unsigned minutes, bool any_day)
{
    const uint64_t all_hours = (UINT64_C(1) << 24) - 1;
    uint64_t passed, past_midnight;
    unsigned hours = minutes / 60;
    c->minutes = rotate(c->minutes, minutes % 60, 60, &passed);
    if (passed == c->minutes)
        hours++;
    else if (passed && (c->hours != all_hours || !any_day))
        return false; // Some minutes are in another hour than the rest.
    c->hours = rotate(c->hours, hours, 24, &past_midnight);
    return any_day || !past_midnight;
}

static unsigned lowest(uint64_t set)
{
    unsigned value = 0;
    while (!(set >> value & 1))
        value++;
    return value;
}

// The step at which all values of the set follow each other; 0 when there is none.
static unsigned step_of(uint64_t set, unsigned *last)
{
    unsigned low = lowest(set), step = 1;
    if (set >> low == 1)
        return 0;
    step = lowest(set >> (low + 1)) + 1;
    for (*last = low; *last < 64 && set >> *last & 1; *last += step)
        set &= ~(UINT64_C(1) << *last);
    *last -= step;
    return set ? 0 : step;
}

// "*", "3-59/5", "9-17" or "1,2,4". A step makes a schedule one that follows the clock.
static void add_set(struct text *t, uint64_t set, unsigned high, bool may_step)
{
    unsigned low = lowest(set), last, step = step_of(set, &last);
    if (step == 1 && low == 0 && last == high && may_step) {
        cron__add(t, "*");
    } else if (step == 1 && last > low + 1) {
        cron__add(t, "%u-%u", low, last);
    } else if (step > 1 && step <= (high + 1) / 2 && may_step) {
        cron__add(t, "%u-%u/%u", low, last + step > high ? high : last, step);
    } else {
        for (unsigned i = low; i <= high; i++) {
            if (set >> i & 1)
                cron__add(t, "%s%u", i == low ? "" : ",", i);
        }
    }
}

// Where the day fields begin in the normal form of five fields.
static const char *days_of(const char *normal)
{
    const char *minute_end = strchr(normal, ' ');
    assert(minute_end);
    const char *hour_end = strchr(minute_end + 1, ' ');
    assert(hour_end);
    return hour_end + 1;
}

// Whether an item of the text is an `H`, which has another value for each job.
static bool has_hash(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == 'H' && (i == 0 || strchr(" \t,", text[i - 1])))
            return true;
    }
    return false;
}

static bool has_five_fields(const char *normal)
{
    unsigned blanks = 0;
    for (const char *at = normal; *at; at++)
        blanks += *at == ' ';
    return *normal != '@' && blanks == FIELDS - 1;
}

// Minutes and hours as a text; ERR_UNSUPPORTED when no text says it.
static enum err write_clock(const struct cron_schedule *s, unsigned minutes, bool any_day,
                            struct text *t)
{
    struct clock c = {.minutes = s->minutes, .hours = s->hours};
    if (!move(&c, minutes, any_day))
        return ERR_UNSUPPORTED;
    add_set(t, c.minutes, 59, s->interval);
    cron__add(t, " ");
    add_set(t, c.hours, 23, s->interval);
    return ERR_OK;
}

// The text's own fields stand where nothing but a second is added, `H` among them.
static enum err write_delayed(const char *text, size_t bytes, const struct cron_schedule *s,
                              uint32_t delay_s, struct text *t)
{
    char normal[CRON_NORMAL_BYTES];
    enum err err = cron_normalise(text, bytes, NULL, normal, sizeof normal, NULL);
    if (err)
        return err;
    if (s->kind != CRON_FIELDS || !has_five_fields(normal))
        return ERR_UNSUPPORTED;
    if (delay_s % 60)
        cron__add(t, "%u ", (unsigned)(delay_s % 60));
    if (delay_s < 60) {
        bool nickname = memchr(text, '@', bytes) != NULL;
        cron__add(t, "%.*s", nickname ? (int)strlen(normal) : (int)bytes, nickname ? normal : text);
        return ERR_OK;
    }
    if (has_hash(text, bytes))
        return ERR_UNSUPPORTED;
    const char *days = days_of(normal);
    err = write_clock(s, delay_s / 60, strcmp(days, "* * *") == 0, t);
    if (!err)
        cron__add(t, " %s", days);
    return err;
}

enum err cron_delay(const char *text, size_t bytes, uint32_t delay_s, char *out, size_t out_bytes)
{
    char written[CRON_NORMAL_BYTES];
    struct cron_schedule before, after;
    struct text t = cron__text(written, sizeof written);
    enum err err = cron_parse(text, bytes, NULL, &before, NULL);
    if (!err)
        err = write_delayed(text, bytes, &before, delay_s, &t);
    if (!err && (t.length >= sizeof written || t.length >= out_bytes))
        err = ERR_LIMIT;
    if (!err)
        err = cron_parse(written, t.length, NULL, &after, NULL);
    if (!err && before.interval != after.interval)
        err = ERR_UNSUPPORTED; // Changes of the clock would be treated otherwise.
    if (!err)
        memcpy(out, written, t.length + 1);
    return err;
}
