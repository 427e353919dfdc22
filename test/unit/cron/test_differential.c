// SPDX-License-Identifier: MIT
// test_differential.c: random schedules against a brute-force scan of local time.
//
//   test_differential [cases [seed]]     (default 1,000 cases; a million take about ten minutes)
//
// Each case is a random expression with random choices for gaps and repeated hours, in one zone of
// the system, at a random moment: most of them near a change of that zone's offset. The scheduler
// must give the same instants as the oracle, which looks at every second.

#include "cron_test.h"
#include "oracle.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CASES_PER_WINDOW 20
#define RUNS_MAX 40
#define ZONES_MAX 700
#define CHANGES_MAX 600

static long cases_wanted = 1000;
static uint64_t seed = 20261124;

static char zones[ZONES_MAX][ZONE_NAME_BYTES];
static size_t zone_count;

// All names of the zone data, from its own list: lines "Z name ..." and "L target name".
static void list_zones(void)
{
    FILE *file = fopen("/usr/share/zoneinfo/tzdata.zi", "re");
    if (!file)
        fail_msg("tzdata.zi is missing: install tzdata");
    char line[512], target[64];
    while (zone_count < ZONES_MAX && fgets(line, sizeof line, file)) {
        char *name = zones[zone_count];
        if (sscanf(line, "Z %63s", name) != 1 && sscanf(line, "L %63s %63s", target, name) != 2)
            continue;
        char path[128];
        snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
        zone_count += access(path, R_OK) == 0 && strcmp(name, "Factory") != 0;
    }
    fclose(file);
}

// Where the zone's offset changes between 1971 and 2195, found by looking every day.
static size_t find_changes(int64_t *out)
{
    size_t count = 0;
    int64_t step = 86400, last = oracle_offset(31536000);
    for (int64_t at = 31536000; at < INT64_C(7100000000) && count < CHANGES_MAX; at += step) {
        int64_t offset = oracle_offset(at);
        if (offset != last)
            out[count++] = at;
        last = offset;
    }
    return count;
}

static void complain(const struct rule *r, const char *zone, const struct cron_options *o,
                     int64_t from, size_t i, int64_t expected, wall_ms got)
{
    fail_msg("'%s' in %s, gap %s, fold %s, after %lld: run %zu is %lld by the oracle, %lld here",
             r->text, zone, cron_gap_name(o->gap), cron_fold_name(o->fold), (long long)from, i,
             (long long)expected, (long long)(got == WALL_NEVER ? got : got / 1000));
}

// The schedule gives exactly the oracle's instants, one after the other, and nothing else before
// the end of what the oracle has seen.
static void compare(const struct window *w, const char *zone, struct dice *d)
{
    struct rule r;
    struct cron_options o = {.gap = (enum cron_gap)dice_below(d, 2),
                             .fold = (enum cron_fold)dice_below(d, 4)};
    do {
        rule_random(d, &r, dice_chance(d, 10));
    } while (strlen(r.text) > CRON_TEXT_BYTES_MAX);
    struct cron_schedule s = schedule_with(r.text, &o);
    assert_int_equal(cron_is_fixed(&s), !r.interval);

    int64_t expected[RUNS_MAX];
    int64_t from = w->begin + 86400 + dice_below(d, 2 * 86400);
    size_t count = window_runs(w, &r, &o, from, expected, RUNS_MAX);
    wall_ms at = from * 1000 + dice_below(d, 1000);
    const struct zone *z = zone_of(zone);
    for (size_t i = 0; i < count; i++) {
        at = cron_next(&s, z, at);
        if (at != expected[i] * 1000)
            complain(&r, zone, &o, from, i, expected[i], at);
        assert_true(cron_matches(&s, z, at));
    }
    int64_t end = w->begin + WINDOW_S - 86400;
    at = cron_next(&s, z, at);
    if (count < RUNS_MAX && at < end * 1000)
        complain(&r, zone, &o, from, count, end, at);
}

static void instants_are_those_of_a_scan(void **state)
{
    (void)state;
    struct dice d = {.state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
    struct window *w = window_new();
    long done = 0;
    while (done < cases_wanted) {
        const char *zone = zones[dice_below(&d, (uint32_t)zone_count)];
        int64_t changes[CHANGES_MAX];
        oracle_set_zone(zone);
        size_t count = find_changes(changes);
        for (int i = 0; i < 3 && done < cases_wanted; i++) {
            int64_t middle = count && !dice_chance(&d, 5)
                                 ? changes[dice_below(&d, (uint32_t)count)]
                                 : (int64_t)dice_below(&d, 82000) * 86400 + 432000;
            window_fill(w, middle - WINDOW_S / 2 + (int64_t)dice_below(&d, 7200) - 3600);
            for (int j = 0; j < CASES_PER_WINDOW && done < cases_wanted; j++, done++)
                compare(w, zone, &d);
        }
    }
    window_free(w);
    print_message("%ld cases, seed %llu\n", done, (unsigned long long)seed);
}

// Far ahead: the date of the next run is the one that a walk over all dates until 2199 finds.
static void dates_are_those_of_a_walk(void **state)
{
    (void)state;
    struct dice d = {.state = ~seed | 1};
    for (long i = 0; i < cases_wanted / 100; i++) {
        struct rule r;
        do {
            rule_random(&d, &r, dice_chance(&d, 2));
        } while (strlen(r.text) > CRON_TEXT_BYTES_MAX);
        struct cron_schedule s = schedule_of(r.text);
        int64_t day = dice_below(&d, 84000);
        wall_ms next = cron_next(&s, zone_utc(), day * 86400000 - 1);

        struct civil_date date = {0};
        for (; day < 84006; day++) { // 2200-01-01 is day 84006.
            date = civil_from_days(day);
            if (rule_takes_date(&r, (int)date.year, (int)date.month, (int)date.day))
                break;
        }
        if (next == WALL_NEVER ? day < 84006 : next / 86400000 != day)
            fail_msg("'%s': day %lld by the walk, %lld ms here", r.text, (long long)day,
                     (long long)next);
    }
}

// What comes next does not depend on from how far away one asks: over years, and over many changes.
static void the_next_instant_is_the_same_from_anywhere_before(void **state)
{
    (void)state;
    struct dice d = {.state = (seed + 1) * 77 | 1};
    for (long i = 0; i < cases_wanted; i++) {
        struct rule r;
        do {
            rule_random(&d, &r, dice_chance(&d, 3));
        } while (strlen(r.text) > CRON_TEXT_BYTES_MAX);
        struct cron_options o = {.gap = (enum cron_gap)dice_below(&d, 2),
                                 .fold = (enum cron_fold)dice_below(&d, 4)};
        struct cron_schedule s = schedule_with(r.text, &o);
        const struct zone *z = zone_of(zones[dice_below(&d, (uint32_t)zone_count)]);
        wall_ms after = (wall_ms)dice_below(&d, 84000) * 86400000,
                end = after + INT64_C(86400000) * 366;
        wall_ms next = cron_next(&s, z, after);
        if (next != WALL_NEVER)
            end = next;
        for (int j = 0; j < 8; j++) {
            wall_ms from = after + (wall_ms)dice_below(&d, 1u << 20) * (end - after) / (1 << 20);
            if (j == 0 && next != WALL_NEVER)
                from = next - 1;
            if (cron_next(&s, z, from) != next)
                fail_msg("'%s' in %s: %lld after %lld, but %lld after %lld", r.text, zone_name(z),
                         (long long)next, (long long)after, (long long)cron_next(&s, z, from),
                         (long long)from);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cases_wanted = strtol(argv[1], NULL, 10);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10);
    list_zones();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_are_those_of_a_scan),
        cmocka_unit_test(dates_are_those_of_a_walk),
        cmocka_unit_test(the_next_instant_is_the_same_from_anywhere_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
