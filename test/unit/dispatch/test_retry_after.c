// SPDX-License-Identifier: MIT
// test_retry_after.c: a wait that a target asks for is understood, and bounded.

#include "dispatch/retry_after_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define NOW 784111777000 // 1994-11-06T08:49:37Z

static const struct {
    const char *text;
    dur_ms wait_ms;
} cases[] = {
    {"0", 0},
    {"1", 1000},
    {"120", 120000},
    {"00007", 7000},
    {"3600", RETRY_AFTER_MS_MAX},
    {"3601", RETRY_AFTER_MS_MAX},
    {"99999999999999999999999999", RETRY_AFTER_MS_MAX},
    {"sun, 06 nov 1994 08:49:39 gmt", 2000},
    {"sun, 06 nov 1994 08:49:37 gmt", 0},
    {"sun, 06 nov 1994 08:49:36 gmt", 0},
    {"tue, 01 jan 2199 00:00:00 gmt", RETRY_AFTER_MS_MAX},
    {"", 0},
    {"-1", 0},
    {"1.5", 0},
    {"1 ", 0},
    {"soon", 0},
    {"sun, 06 nov 1994 08:49:39", 0},
    {"sun, 06 nov 1994 08:49:39 gmt+1", 0},
    {"sun, 06 nox 1994 08:49:39 gmt", 0},
    {"sun, 00 nov 1994 08:49:39 gmt", 0},
    {"sun, 06 nov 1994 24:49:39 gmt", 0},
    // The two old forms.
    {"sunday, 06-nov-94 08:49:39 gmt", 2000},
    {"wednesday, 06-nov-94 08:49:39 gmt", 2000},
    {"sun nov  6 08:49:39 1994", 2000},
    {"sun nov 06 08:49:39 1994", 2000},
    {"sun nov 16 08:49:39 1994", RETRY_AFTER_MS_MAX},
    {"sunday, 06-nov-93 08:49:39 gmt", 0},
    {"sunday, 06-nov-00 08:49:39 gmt", RETRY_AFTER_MS_MAX}, // 2000
    {"sunday, 06-nov-43 08:49:39 gmt", RETRY_AFTER_MS_MAX}, // 2043
    {"sunday, 06-nov-45 08:49:39 gmt", 0}, // 1945: 2045 is more than 50 years ahead.
    {"sunday, 06-nov-94 08:49:39", 0},
    {"sunday, 06-nov-1994 08:49:39 gmt", 0},
    {"sunday, 06-nox-94 08:49:39 gmt", 0},
    {"sun nov  6 08:49:39 1994 gmt", 0},
    {"sun nov  0 08:49:39 1994", 0},
    {"sun nov  6 08:60:39 1994", 0},
};

static void seconds_and_dates_are_read_and_all_else_is_no_wait(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(retry_after_read(cases[i].text, NOW), cases[i].wait_ms);
}

// A date is in whole seconds and the clock is not: to be early would be to ask in vain.
static void a_wait_until_a_date_is_not_too_short(void **state)
{
    (void)state;
    assert_int_equal(retry_after_read("sun, 06 nov 1994 08:49:38 gmt", NOW + 1), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_and_dates_are_read_and_all_else_is_no_wait),
        cmocka_unit_test(a_wait_until_a_date_is_not_too_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
