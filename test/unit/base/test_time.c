// SPDX-License-Identifier: MIT
// test_time.c: dates are those of the Gregorian calendar, and an instant that was written as text
// is read as the same instant.

#include "base/time.h"

#include "base/err.h"

#include <string.h>
#include <time.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define DAY_MS 86400000

// --- The calendar --------------------------------------------------------------------------------

// Counted day by day, by what everybody knows of months.
static void days_and_dates_agree_with_a_count_of_days(void **state)
{
    (void)state;
    int64_t day = days_from_civil(1900, 1, 1);
    assert_int_equal(day, -25567);
    for (int64_t year = 1900; year <= 2500; year++) {
        bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
        const unsigned months[] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        for (unsigned month = 1; month <= 12; month++) {
            assert_int_equal(days_in_month(year, month), months[month - 1]);
            for (unsigned date = 1; date <= months[month - 1]; date++, day++) {
                struct civil_date d = civil_from_days(day);
                assert_int_equal(days_from_civil(year, month, date), day);
                assert_int_equal(d.year, year);
                assert_int_equal(d.month, month);
                assert_int_equal(d.day, date);
            }
        }
    }
}

static void dates_before_the_year_one_have_days_too(void **state)
{
    (void)state;
    for (int64_t day = -1200000; day < 100000; day += 7) {
        struct civil_date d = civil_from_days(day);
        assert_int_equal(days_from_civil(d.year, d.month, d.day), day);
    }
    assert_int_equal(civil_from_days(-1200000).year, -1316);
}

static void clocks_agree_on_now(void **state)
{
    (void)state;
    int64_t before_us = clock_wall_us();
    struct now now = clock_now();
    int64_t after_us = clock_wall_us();
    assert_true(before_us / 1000 <= now.wall && now.wall <= after_us / 1000);
    assert_true(now.mono <= clock_mono_ms());
    assert_true(now.wall / 1000 <= time(NULL));
}

// --- Text ----------------------------------------------------------------------------------------

static const struct {
    wall_ms at;
    const char *text;
} instants[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {1, "1970-01-01T00:00:00.001Z"},
    {DAY_MS - 1, "1970-01-01T23:59:59.999Z"},
    {951782400000, "2000-02-29T00:00:00.000Z"},
    {1763962020123, "2025-11-24T05:27:00.123Z"},
    {4107542399999, "2100-02-28T23:59:59.999Z"},
    {WALL_LAST, "9999-12-31T23:59:59.999Z"},
};

static void an_instant_is_written_and_read_as_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(instants); i++) {
        char text[RFC3339_BYTES];
        wall_ms at = -1;
        wall_format(instants[i].at, text);
        assert_string_equal(text, instants[i].text);
        assert_true(wall_parse(text, strlen(text), &at));
        assert_int_equal(at, instants[i].at);
    }
}

static void a_local_time_says_its_offset(void **state)
{
    (void)state;
    static const struct {
        wall_ms at;
        int32_t offset_s;
        const char *text;
    } cases[] = {
        {1763962020123, 0, "2025-11-24T05:27:00.123+00:00"},
        {1763962020123, 3600, "2025-11-24T06:27:00.123+01:00"},
        {1763962020123, -12600, "2025-11-24T01:57:00.123-03:30"},
        {1763962020123, 20700, "2025-11-24T11:12:00.123+05:45"},
        {1763962020123, 50400, "2025-11-24T19:27:00.123+14:00"},
        {3600000, 1172, "1970-01-01T01:19:32.000+00:19"}, // The Netherlands, once.
        {600000, -18000, "1969-12-31T19:10:00.000-05:00"},
        {0, -1, "1969-12-31T23:59:59.000-00:00"},
        {1, -1000, "1969-12-31T23:43:20.001-00:16"},
        {WALL_LAST, -18000, "9999-12-31T18:59:59.999-05:00"},
        {WALL_LAST, 32400, "9999-12-31T23:59:59.999+00:00"},
        {WALL_LAST - 32400000, 32400, "9999-12-31T23:59:59.999+09:00"},
        {WALL_LAST - 32399999, 32400, "9999-12-31T15:00:00.000+00:00"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[RFC3339_LOCAL_BYTES];
        wall_format_local(cases[i].at, cases[i].offset_s, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void texts_of_an_instant_may_differ(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        wall_ms at;
    } cases[] = {
        {"2025-11-24T05:27:00Z", 1763962020000},
        {"2025-11-24t05:27:00z", 1763962020000},
        {"2025-11-24T05:27:00.1Z", 1763962020100},
        {"2025-11-24T05:27:00.12Z", 1763962020120},
        {"2025-11-24T05:27:00.123999Z", 1763962020123},
        {"2025-11-24T06:27:00+01:00", 1763962020000},
        {"2025-11-24T01:57:00-03:30", 1763962020000},
        {"2025-11-24T05:27:00-00:00", 1763962020000},
        {"2025-11-25T04:26:00+22:59", 1763962020000},
        {"1970-01-01T09:00:00+09:00", 0},
        {"9999-12-31T18:59:59.999-05:00", WALL_LAST},
        {"2024-02-29T23:59:59Z", 1709251199000},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        wall_ms at = -1;
        if (!wall_parse(cases[i].text, strlen(cases[i].text), &at))
            fail_msg("%s is refused", cases[i].text);
        assert_int_equal(at, cases[i].at);
    }
}

static void what_is_no_instant_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2025-11-24",
        "2025-11-24T05:27Z",
        "2025-11-24T05:27:00",
        "2025-11-24 05:27:00Z",
        "2025-11-24T05:27:00.Z",
        "2025-11-24T05:27:00ZZ",
        "2025-11-24T05:27:00Z ",
        " 2025-11-24T05:27:00Z",
        "2025-11-24T5:27:00Z",
        "2025-1-24T05:27:00Z",
        "2025-00-24T05:27:00Z",
        "2025-13-24T05:27:00Z",
        "2025-11-00T05:27:00Z",
        "2025-11-31T05:27:00Z",
        "2025-02-29T05:27:00Z",
        "2100-02-29T05:27:00Z",
        "2025-11-24T24:00:00Z",
        "2025-11-24T05:60:00Z",
        "2025-11-24T05:27:60Z",
        "2025-11-24T05:27:00+24:00",
        "2025-11-24T05:27:00+01:60",
        "2025-11-24T05:27:00+0100",
        "2025-11-24T05:27:00+01",
        "2025-11-24T05:27:00 01:00",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:59:59+01:00",
        "9999-12-31T23:00:00-01:00",
        "10000-01-01T00:00:00Z",
        "2025/11-24T05:27:00Z",
        "2025-11/24T05:27:00Z",
        "2025-11-24T05/27:00Z",
        "2025-11-24T05:27/00Z",
        "202a-11-24T05:27:00Z",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        wall_ms at = 42;
        if (wall_parse(cases[i], strlen(cases[i]), &at))
            fail_msg("%s is accepted", cases[i]);
        assert_int_equal(at, 42);
    }
}

// Each beginning of a text ends before it should; what lies behind its end is not looked at.
static void a_text_is_read_to_its_length_and_no_further(void **state)
{
    (void)state;
    static const char text[] = "2025-11-24T05:27:00.123+01:00";
    wall_ms at = 42;
    for (size_t bytes = 0; bytes < sizeof text - 1; bytes++)
        assert_false(wall_parse(text, bytes, &at));
    assert_true(wall_parse(text, sizeof text - 1, &at));
    assert_true(wall_parse("2025-11-24T05:27:00Zjunk", 20, &at));
}

// A clock that is followed counts for the whole process, and the machine's is still to be had. The
// instant t is reached at clock_mono_at(t) and not before. The last test: nobody stops following.
static void followed_clock_is_the_wall_clock(void **state)
{
    (void)state;
    static const int64_t offsets[] = {1000000000000000, 1000000000000999, 1700000000000001, -1};
    assert_false(clock_is_followed());
    for (size_t i = 0; i < COUNT_OF(offsets); i++) {
        int64_t before = clock_mono_us();
        clock_follow(offsets[i]);
        assert_true(clock_is_followed());
        int64_t wall_us = clock_wall_us();
        wall_ms wall = clock_now().wall;
        int64_t after = clock_mono_us();
        assert_in_range(wall_us - offsets[i], before, after);
        assert_in_range(wall, (before + offsets[i]) / 1000, (after + offsets[i]) / 1000);
        for (wall_ms at = 1000000000; at < 1000000003; at++) {
            mono_ms reached = clock_mono_at(at);
            assert_true(reached * 1000 + offsets[i] >= at * 1000);
            assert_true((reached - 1) * 1000 + offsets[i] < at * 1000);
        }
    }
    assert_int_equal(clock_mono_at(WALL_NEVER), MONO_NEVER);
    assert_in_range(clock_machine_us() / 1000000, time(NULL) - 1, time(NULL) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_and_dates_agree_with_a_count_of_days),
        cmocka_unit_test(dates_before_the_year_one_have_days_too),
        cmocka_unit_test(clocks_agree_on_now),
        cmocka_unit_test(an_instant_is_written_and_read_as_itself),
        cmocka_unit_test(a_local_time_says_its_offset),
        cmocka_unit_test(texts_of_an_instant_may_differ),
        cmocka_unit_test(what_is_no_instant_is_refused_and_changes_nothing),
        cmocka_unit_test(a_text_is_read_to_its_length_and_no_further),
        cmocka_unit_test(followed_clock_is_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
