// SPDX-License-Identifier: MIT
// field_hash.c: `H`, a value chosen by the job itself, so that many jobs with one text spread out.
//
// `H` is one value of the field (days of the month 1 to 28, so that it exists in every month),
// `H(a-b)` one of a range, `H/n` and `H(a-b)/n` every n from a hashed start. The choice depends on
// the job's id and the text alone, so every replica and restart comes to the same one.
//
// In the date fields the first choice may give a date that no calendar has: February for
// "0 0 31 H *". Then the choice is made once more, among the combinations that do give one. Texts
// whose first choice exists are not touched by this, so jobs run when they always did.

#include "cron/parse_priv.h"

#include <string.h>

// The finaliser of splitmix64. These constants decide when existing jobs run: never change them.
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static unsigned choose(struct parse *p, enum cron_field field, unsigned low, unsigned count)
{
    uint64_t hash = mix(mix((uint64_t)p->hash_seed) + (uint64_t)field);
    p->out->hashed = true;
    p->hash.choices[field] = (uint8_t)MAX(p->hash.choices[field], count);
    return low + (unsigned)(hash % count + p->hash.shift[field]) % count;
}

static enum err refuse_range(struct parse *p, enum cron_field field, struct slice range)
{
    enum err err = cron__refuse(p, CRON_SYNTAX, field, range, "a range is expected in H(a-b)");
    cron__expected(p, "%s", cron__rule(field)->expected);
    return err;
}

enum err cron__hash_item(struct parse *p, enum cron_field field, struct slice item,
                         struct cron_set *set)
{
    const struct field_rule *rule = cron__rule(field);
    unsigned low = rule->low, high = rule->hash_high, step = 0;
    struct slice rest = {item.at + 1, item.end};

    if (cron__bytes(rest) && p->text[rest.at] == '(') {
        struct slice range = cron__until(p, (struct slice){rest.at + 1, rest.end}, ")");
        if (range.end == rest.end)
            return cron__refuse(p, CRON_SYNTAX, field, item, "')' expected after '('");
        if (!cron__has(p, range, '-'))
            return refuse_range(p, field, range);
        enum err err = cron__range(p, field, range, NULL, &low, &high);
        if (err)
            return err;
        rest.at = range.end + 1;
    }
    if (cron__bytes(rest)) {
        if (p->text[rest.at] != '/')
            return cron__unknown(p, field, item);
        enum err err = cron__step(p, field, (struct slice){rest.at + 1, rest.end}, &step);
        if (err)
            return err;
    }

    unsigned count = high - low + 1;
    unsigned start = choose(p, field, low, step ? MIN(step, count) : count);
    cron__set_add(set, field, start, step ? high : start, step ? step : 1);
    if (step)
        cron__normal(p, "%u-%u/%u", start, high, step);
    else
        cron__normal(p, "%u", field == CRON_WEEKDAY ? start % 7 : start);
    return ERR_OK;
}

// --- Dates that exist ----------------------------------------------------------------------------

static const enum cron_field date_fields[] = {CRON_DAY, CRON_MONTH, CRON_WEEKDAY};

// How many combinations the `H` of the date fields have: at most 31 * 12 * 8.
static unsigned combinations(const struct parse *p)
{
    unsigned count = 1;
    for (size_t i = 0; i < COUNT_OF(date_fields); i++)
        count *= MAX(1u, p->hash.choices[date_fields[i]]);
    return count;
}

// The shifts of combination `number`; number 0 is the first draw.
static struct hash_draw draw(const struct parse *p, unsigned number)
{
    struct hash_draw d = {0};
    for (size_t i = 0; i < COUNT_OF(date_fields); i++) {
        unsigned count = MAX(1u, p->hash.choices[date_fields[i]]);
        d.shift[date_fields[i]] = (uint8_t)(number % count);
        number /= count;
    }
    return d;
}

// Whether a date exists with this draw.
static bool fits(const struct parse *p, size_t bytes, unsigned number)
{
    struct cron_schedule schedule = {0};
    struct parse again = *p;
    again.out = &schedule;
    again.normal = cron__text(NULL, 0);
    again.hash = draw(p, number);
    return cron__parse(&again, bytes) == ERR_OK && schedule.last_day >= 0;
}

void cron__hash_redraw(struct parse *p, size_t bytes)
{
    unsigned count = combinations(p), fitting = 0;
    for (unsigned number = 1; number < count; number++)
        fitting += fits(p, bytes, number);
    if (fitting == 0)
        return;
    unsigned left = (unsigned)(mix(mix((uint64_t)p->hash_seed) + CRON_NO_FIELD) % fitting);
    unsigned number = 1;
    while (!fits(p, bytes, number) || left-- > 0)
        number++;
    p->hash = draw(p, number);
}
