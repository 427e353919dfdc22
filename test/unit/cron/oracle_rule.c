// SPDX-License-Identifier: MIT
// oracle_rule.c: random expressions, and what they mean, written down at the same time.

#include "oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint32_t dice_below(struct dice *d, uint32_t limit)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (uint32_t)((d->state >> 20) % limit);
}

bool dice_chance(struct dice *d, uint32_t one_in)
{
    return dice_below(d, one_in) == 0;
}

static void say(struct rule *r, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(struct rule *r, const char *format, ...)
{
    size_t used = strlen(r->text);
    va_list args;
    va_start(args, format);
    vsnprintf(r->text + used, sizeof r->text - used, format, args);
    va_end(args);
}

static const char *const month_names[] = {"",    "Jan", "feb", "MAR", "Apr", "may", "JUN",
                                          "Jul", "aug", "SEP", "Oct", "nov", "DEC"};
static const char *const weekday_names[] = {"Sun", "mon", "TUE", "Wed", "thu", "FRI", "Sat", "sun"};

struct field {
    bool *set;
    int low, high;
    int modulo; // 7 in the weekday field: 7 is 0.
    const char *const *names;
};

static void say_value(struct dice *d, struct rule *r, const struct field *f, int value)
{
    if (f->names && dice_chance(d, 3))
        say(r, "%s", f->names[value]);
    else
        say(r, dice_chance(d, 8) ? "%02d" : "%d", value);
}

static void add(const struct field *f, int low, int high, int step)
{
    for (int value = low; value <= high; value++)
        if ((value - low) % step == 0)
            f->set[f->modulo ? value % f->modulo : value] = true;
}

static int between(struct dice *d, int low, int high)
{
    return low + (int)dice_below(d, (uint32_t)(high - low + 1));
}

// Reads an item. Returns whether it was written with `*` or `/`.
static bool random_item(struct dice *d, struct rule *r, const struct field *f)
{
    int count = f->high - f->low + 1 - (f->modulo ? 1 : 0);
    int low = between(d, f->low, f->high), high = between(d, low, f->high);
    int step = dice_chance(d, 2) ? between(d, 1, count) : between(d, 1, count < 6 ? count : 6);
    switch (dice_below(d, 5)) {
    case 0:
        say(r, "*/%d", step);
        add(f, f->low, f->low + count - 1, step);
        return true;
    case 1:
        // A name of Sunday at the end of a range is the seventh day, so numbers only.
        say(r, "%d-%d/%d", low, high, step);
        add(f, low, high, step);
        return true;
    case 2:
        say(r, "%d-%d", low, high);
        add(f, low, high, 1);
        return false;
    default:
        say_value(d, r, f, low);
        add(f, low, low, 1);
        return false;
    }
}

// Returns whether the field was written with `*` or `/`.
static bool random_field(struct dice *d, struct rule *r, const struct field *f, uint32_t star_in)
{
    if (dice_chance(d, star_in)) {
        say(r, "* ");
        add(f, f->low, f->high, 1);
        return true;
    }
    bool wild = false;
    for (bool more = true; more; more = dice_chance(d, 3)) {
        if (r->text[0] && r->text[strlen(r->text) - 1] != ' ' &&
            r->text[strlen(r->text) - 1] != '+')
            say(r, ",");
        wild |= random_item(d, r, f);
    }
    say(r, " ");
    return wild;
}

static void random_day_item(struct dice *d, struct rule *r)
{
    int n = between(d, 1, 31), offset = between(d, 1, 30);
    switch (dice_below(d, 5)) {
    case 0:
        say(r, "L");
        r->from_end[0] = true;
        break;
    case 1:
        say(r, "L-%d", offset);
        r->from_end[offset] = true;
        break;
    case 2:
        say(r, "%dW", n);
        r->nearest[n] = true;
        break;
    case 3:
        say(r, "LW");
        r->from_end_weekday[0] = true;
        break;
    default:
        say(r, "L-%dW", offset);
        r->from_end_weekday[offset] = true;
        break;
    }
}

static void random_days(struct dice *d, struct rule *r)
{
    const struct field f = {.set = r->day, .low = 1, .high = 31};
    if (dice_chance(d, 3)) {
        say(r, dice_chance(d, 3) ? "? " : "* ");
        r->day_any = true;
        return;
    }
    if (dice_chance(d, 3)) {
        random_day_item(d, r);
        if (dice_chance(d, 4)) {
            say(r, ",");
            random_day_item(d, r);
        }
        say(r, " ");
        return;
    }
    size_t before = strlen(r->text);
    random_field(d, r, &f, 1000);
    r->day_any = !strcmp(r->text + before, "* ");
}

static void random_weekdays(struct dice *d, struct rule *r)
{
    const struct field f = {
        .set = r->weekday, .low = 0, .high = 7, .modulo = 7, .names = weekday_names};
    if (dice_chance(d, 2)) {
        say(r, dice_chance(d, 3) ? "?" : "*");
        r->weekday_any = true;
        return;
    }
    r->both = dice_chance(d, 3);
    say(r, r->both ? "+" : "");
    if (dice_chance(d, 3)) {
        int weekday = between(d, 0, 7), nth = between(d, 0, 5);
        if (nth)
            say(r, "%d#%d", weekday, nth);
        else
            say(r, dice_chance(d, 2) ? "%dL" : "%d#L", weekday);
        r->nth[weekday % 7][nth] = true;
        return;
    }
    size_t before = strlen(r->text);
    random_field(d, r, &f, 1000);
    r->text[strlen(r->text) - 1] = '\0';
    r->weekday_any = !strcmp(r->text + before, "*");
}

void rule_random(struct dice *d, struct rule *r, bool years)
{
    memset(r, 0, sizeof *r);
    const struct field second = {.set = r->second, .high = 59};
    const struct field minute = {.set = r->minute, .high = 59};
    const struct field hour = {.set = r->hour, .high = 23};
    const struct field month = {.set = r->month, .low = 1, .high = 12, .names = month_names};
    const struct field year = {.set = r->year, .low = 1970, .high = 2199};

    if (years || dice_chance(d, 4))
        r->interval |= random_field(d, r, &second, 6);
    else
        r->second[0] = true;
    r->interval |= random_field(d, r, &minute, 4);
    r->interval |= random_field(d, r, &hour, 4);
    random_days(d, r);
    say(r, " ");
    random_field(d, r, &month, 2);
    random_weekdays(d, r);
    if (years) {
        say(r, " ");
        random_field(d, r, &year, 4);
    } else {
        add(&year, 1970, 2199, 1);
    }
}

// ---- Dates, by libc's calendar ----

static struct tm date_of(int year, int month, int day)
{
    struct tm t = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = 12};
    time_t at = timegm(&t);
    gmtime_r(&at, &t);
    return t;
}

static int month_length(int year, int month)
{
    return date_of(year, month + 1, 0).tm_mday; // Day zero of the next month.
}

static bool is_working_day(int year, int month, int day)
{
    int weekday = date_of(year, month, day).tm_wday;
    return weekday >= 1 && weekday <= 5;
}

// Whether `day` is the working day nearest to `target` within the month. On a tie, which a Saturday
// and a Sunday never have, none would win.
static bool is_nearest(int year, int month, int day, int target)
{
    if (target < 1 || target > month_length(year, month) || !is_working_day(year, month, day))
        return false;
    for (int distance = 0; distance < 3; distance++) {
        int before = target - distance, after = target + distance;
        if (before >= 1 && is_working_day(year, month, before))
            return day == before;
        if (after <= month_length(year, month) && is_working_day(year, month, after))
            return day == after;
    }
    return false;
}

static bool takes_day(const struct rule *r, int year, int month, int day)
{
    int length = month_length(year, month);
    if (r->day[day] || (length - day < 31 && r->from_end[length - day]))
        return true;
    for (int n = 1; n <= 31; n++)
        if (r->nearest[n] && is_nearest(year, month, day, n))
            return true;
    for (int n = 0; n <= 30; n++)
        if (r->from_end_weekday[n] && is_nearest(year, month, day, length - n))
            return true;
    return false;
}

static bool takes_weekday(const struct rule *r, int year, int month, int day)
{
    int weekday = date_of(year, month, day).tm_wday;
    bool last = day + 7 > month_length(year, month);
    return r->weekday[weekday] || r->nth[weekday][(day + 6) / 7] || (r->nth[weekday][0] && last);
}

bool rule_takes_date(const struct rule *r, int year, int month, int day)
{
    if (year < 1970 || year > 2199 || !r->year[year] || !r->month[month])
        return false;
    bool by_day = !r->day_any && takes_day(r, year, month, day);
    bool by_weekday = !r->weekday_any && takes_weekday(r, year, month, day);
    if (r->day_any && r->weekday_any)
        return true;
    if (r->day_any || r->weekday_any)
        return by_day || by_weekday;
    return r->both ? by_day && by_weekday : by_day || by_weekday;
}
