// SPDX-License-Identifier: MIT
// test_offsets.c: the offset of every zone, against other readers of the same files.
//
//   test_offsets                         against libc: a few hundred instants of each zone
//   zoneinfo_offsets.py | test_offsets - against Python's zoneinfo: 10,000 random instants of each
//                                        zone and the surroundings of every change, 1970 to 2100

#include "cron_test.h"
#include "oracle.h"

#include <stdlib.h>
#include <unistd.h>

#define END_S INT64_C(4102444800) // 2100-01-01.

static void check(const struct zone *z, int64_t at_s, int64_t expected)
{
    int32_t got = zone_offset_s(z, at_s);
    if (got != expected)
        fail_msg("%s at %lld: %lld expected, %d here", zone_name(z), (long long)at_s,
                 (long long)expected, got);
}

// Random instants, and both sides of every change that shows between neighbours a day apart.
static long check_zone(const char *name, struct dice *d)
{
    const struct zone *z = zone_of(name);
    long checked = 0;
    oracle_set_zone(name);
    for (; checked < 200; checked++) {
        int64_t at_s = (int64_t)dice_below(d, 1u << 31) * 2 % END_S;
        check(z, at_s, oracle_offset(at_s));
    }
    for (int64_t low = 0; low < END_S; low += 86400) {
        int64_t before = low, after = low + 86400;
        if (zone_offset_s(z, before) == zone_offset_s(z, after))
            continue;
        while (after - before > 1) {
            int64_t middle = (before + after) / 2;
            bool changed = zone_offset_s(z, middle) != zone_offset_s(z, low);
            *(changed ? &after : &before) = middle;
        }
        for (int64_t at_s = after - 2; at_s <= after + 1; at_s++, checked++)
            check(z, at_s, oracle_offset(at_s));
    }
    return checked;
}

static void zones_agree_with_libc(void **state)
{
    (void)state;
    FILE *list = fopen("/usr/share/zoneinfo/tzdata.zi", "re");
    if (!list)
        fail_msg("tzdata.zi is missing: install tzdata");
    struct dice d = {.state = 7};
    char line[512], target[64], name[64], path[128];
    long zones = 0, checked = 0;
    while (fgets(line, sizeof line, list)) {
        if (sscanf(line, "Z %63s", name) != 1 && sscanf(line, "L %63s %63s", target, name) != 2)
            continue;
        snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
        if (access(path, R_OK) != 0 || !strcmp(name, "Factory"))
            continue;
        checked += check_zone(name, &d);
        zones++;
    }
    fclose(list);
    assert_true(zones > 300);
    print_message("%ld zones, %ld instants\n", zones, checked);
}

// Lines of "zone utc offset", all of one zone together.
static void zones_agree_with_the_input(void **state)
{
    (void)state;
    char line[256], name[64];
    long long at_s, expected;
    const struct zone *z = zone_utc();
    long zones = 0, checked = 0;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%63s %lld %lld", name, &at_s, &expected) != 3)
            fail_msg("not understood: %s", line);
        if (strcmp(name, zone_name(z)) != 0 || zones == 0) {
            z = zone_of(name);
            zones++;
        }
        check(z, at_s, expected);
        checked++;
    }
    assert_true(zones > 300);
    print_message("%ld zones, %ld instants\n", zones, checked);
}

int main(int argc, char **argv)
{
    bool from_input = argc > 1 && !strcmp(argv[1], "-");
    const struct CMUnitTest libc[] = {cmocka_unit_test(zones_agree_with_libc)};
    const struct CMUnitTest input[] = {cmocka_unit_test(zones_agree_with_the_input)};
    return from_input ? cmocka_run_group_tests(input, NULL, NULL)
                      : cmocka_run_group_tests(libc, NULL, NULL);
}
