// SPDX-License-Identifier: MIT
// test_next.c: bounds of `next`: before, after and between what a calendar has.

#include "cron_test.h"

static wall_ms next(const char *text, wall_ms after)
{
    struct cron_schedule s = schedule_of(text);
    return cron_next(&s, zone_utc(), after);
}

static void after_is_exclusive_and_floored_to_the_second(void **state)
{
    (void)state;
    assert_int_equal(next("* * * * * *", 0), 1000);
    assert_int_equal(next("* * * * * *", 999), 1000);
    assert_int_equal(next("* * * * * *", 1000), 2000);
    assert_int_equal(next("* * * * * *", -1), 0);
    assert_int_equal(next("* * * * * *", -1000), 0);
    assert_int_equal(next("@every 90s", -1), 0);
    assert_int_equal(next("@every 90s", 0), 90000);
    assert_int_equal(next("@every 90s", 89999), 90000);
    assert_int_equal(next("@every 90s", 90000), 180000);
}

static void any_starting_point_is_allowed(void **state)
{
    (void)state;
    static const char *const texts[] = {"* * * * * *", "0 0 29 2 *", "0 0 30 2 *", "@every 7s",
                                        "2026-12-01T09:00"};
    static const char *const zones[] = {"UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Paris"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct cron_schedule s = schedule_of(texts[i]);
        for (size_t j = 0; j < COUNT_OF(zones); j++) {
            const struct zone *z = zone_of(zones[j]);
            assert_int_equal(cron_next(&s, z, INT64_MAX), WALL_NEVER);
            assert_int_equal(cron_next(&s, z, INT64_MAX - 1), WALL_NEVER);
            wall_ms first = cron_next(&s, z, INT64_MIN);
            assert_true(first == WALL_NEVER || first > -86400000);
            assert_int_equal(cron_next(&s, z, -INT64_C(1000000000000000)), first);
        }
    }
}

// The last local second of 2199 is found, the next one is not, in every zone.
static void the_search_ends_with_local_2199(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *last;
    } rows[] = {
        {"UTC", "2199-12-31T23:59:59Z"},
        {"Pacific/Kiritimati", "2199-12-31T09:59:59Z"},
        {"Etc/GMT+12", "2200-01-01T11:59:59Z"},
        {"America/New_York", "2200-01-01T04:59:59Z"},
    };
    struct cron_schedule s = schedule_of("* * * * * *");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct zone *z = zone_of(rows[i].zone);
        wall_ms last = instant_of(rows[i].last);
        assert_int_equal(cron_next(&s, z, last - 1000), last);
        assert_int_equal(cron_next(&s, z, last), WALL_NEVER);
    }
    assert_int_equal(next("@every 1d", instant_of("2199-12-31T00:00:00Z")), WALL_NEVER);
}

// Waits of many years are found, across 2100, which is not a leap year.
static void rare_dates_are_waited_for(void **state)
{
    (void)state;
    static const struct {
        const char *text, *after, *runs;
    } rows[] = {
        {"0 0 29 2 *", "2096-02-29T12:00:00Z", "2104-02-29T00:00:00Z 2108-02-29T00:00:00Z"},
        {"0 0 29 2 +MON", "2024-03-01T00:00:00Z", "2044-02-29T00:00:00Z 2072-02-29T00:00:00Z"},
        {"0 0 29 2 +MON", "2072-03-01T00:00:00Z", "2112-02-29T00:00:00Z 2140-02-29T00:00:00Z"},
        {"0 0 30 2 *", "2026-01-01T00:00:00Z", "-"},
        {"0 0 31 4,6,9,11 *", "2026-01-01T00:00:00Z", "-"},
        {"0 0 L-30 2 *", "2026-01-01T00:00:00Z", "-"},
        {"0 0 0 29 2 * 2099-2103", "2026-01-01T00:00:00Z", "-"},
        {"59 59 23 31 12 * 2199", "1970-01-01T00:00:00Z", "2199-12-31T23:59:59Z"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cron_schedule s = schedule_of(rows[i].text);
        char got[256];
        assert_string_equal(runs_of(&s, "UTC", rows[i].after, 2, got, sizeof got), rows[i].runs);
    }
}

static void matches_agrees_with_next(void **state)
{
    (void)state;
    struct cron_schedule s = schedule_of("30 2 * * *");
    const struct zone *z = zone_of("Europe/Paris");
    assert_true(cron_matches(&s, z, instant_of("2026-03-28T01:30:00Z")));
    assert_false(cron_matches(&s, z, instant_of("2026-03-28T01:30:00.001Z")));
    assert_false(cron_matches(&s, z, instant_of("2026-03-28T01:30:01Z")));
    assert_true(cron_matches(&s, z, instant_of("2026-03-29T01:00:00Z"))); // After the gap.
    assert_true(cron_matches(&s, z, instant_of("2026-10-25T00:30:00Z")));
    assert_false(cron_matches(&s, z, instant_of("2026-10-25T01:30:00Z"))); // The second pass.
    assert_false(cron_matches(&s, z, INT64_MIN));
    assert_false(cron_matches(&s, z, INT64_MAX));
}

static void one_shots_run_once(void **state)
{
    (void)state;
    static const struct {
        const char *text, *zone, *at;
    } rows[] = {
        {"2026-12-01T09:00", "Europe/Paris", "2026-12-01T08:00:00Z"},
        {"2026-12-01T09:00Z", "Europe/Paris", "2026-12-01T09:00:00Z"},
        {"2026-12-01T09:00:30-05:30", "Europe/Paris", "2026-12-01T14:30:30Z"},
        {"2026-10-25T02:30", "Europe/Paris", "2026-10-25T00:30:00Z"}, // The first pass.
        {"2026-03-29T02:30", "Europe/Paris", "2026-03-29T01:00:00Z"}, // The end of the gap.
        {"2011-12-30T10:00", "Pacific/Apia", "2011-12-30T10:00:00Z"},
    };
    // A one-shot pays no attention to the choices for repeated schedules.
    const struct cron_options o = {.gap = CRON_GAP_SKIP, .fold = CRON_FOLD_SECOND};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cron_schedule s = schedule_with(rows[i].text, &o);
        char got[256];
        runs_of(&s, rows[i].zone, "1970-01-01T00:00:00Z", 2, got, sizeof got);
        assert_string_equal(got, rows[i].at);
        assert_true(cron_is_oneshot(&s));
        assert_true(cron_is_fixed(&s));
    }
}

// `nW`, `LW`, `L-nW`: Saturdays, Sundays, and the ends of the month.
static void nearest_weekdays_stay_in_their_month(void **state)
{
    (void)state;
    static const struct {
        const char *text, *after, *runs;
    } rows[] = {
        {"0 0 1W * *", "2026-07-15T00:00:00Z", "2026-08-03T00:00:00Z"},  // Saturday the 1st.
        {"0 0 1W * *", "2026-10-15T00:00:00Z", "2026-11-02T00:00:00Z"},  // Sunday the 1st.
        {"0 0 15W * *", "2026-08-01T00:00:00Z", "2026-08-14T00:00:00Z"}, // Saturday.
        {"0 0 15W * *", "2026-11-01T00:00:00Z", "2026-11-16T00:00:00Z"}, // Sunday.
        {"0 0 31W * *", "2026-05-01T00:00:00Z", "2026-05-29T00:00:00Z"}, // Sunday, last day.
        {"0 0 31W * *", "2026-06-01T00:00:00Z", "2026-07-31T00:00:00Z"}, // June has no 31st.
        {"0 0 LW * *", "2026-01-01T00:00:00Z", "2026-01-30T00:00:00Z"},
        {"0 0 LW * *", "2026-05-01T00:00:00Z", "2026-05-29T00:00:00Z"},
        {"0 0 L-30W * *", "2026-07-15T00:00:00Z", "2026-08-03T00:00:00Z"},
        {"0 0 * * 5#5", "2026-01-31T00:00:00Z", "2026-05-29T00:00:00Z"},
        {"0 0 * * 1#L", "2026-02-01T00:00:00Z", "2026-02-23T00:00:00Z"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cron_schedule s = schedule_of(rows[i].text);
        char got[256];
        runs_of(&s, "UTC", rows[i].after, 1, got, sizeof got);
        if (strcmp(got, rows[i].runs) != 0)
            fail_msg("'%s' after %s: %s, not %s", rows[i].text, rows[i].after, got, rows[i].runs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_is_exclusive_and_floored_to_the_second),
        cmocka_unit_test(any_starting_point_is_allowed),
        cmocka_unit_test(the_search_ends_with_local_2199),
        cmocka_unit_test(rare_dates_are_waited_for),
        cmocka_unit_test(matches_agrees_with_next),
        cmocka_unit_test(one_shots_run_once),
        cmocka_unit_test(nearest_weekdays_stay_in_their_month),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
