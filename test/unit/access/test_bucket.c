// SPDX-License-Identifier: MIT
// test_bucket.c: a bucket gives what it holds at once, and then at its rate.

#include "access/access_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define SECOND 1000000

static const struct bucket_rule rule = {.interval_us = SECOND, .size = 3};

static void full_bucket_gives_its_size_and_no_more(void **state)
{
    struct bucket b = {0};
    int64_t now = 50 * (int64_t)SECOND;
    (void)state;
    for (int64_t left = 3; left > 0; left--) {
        assert_int_equal(bucket_left(&b, &rule, now), left);
        assert_int_equal(bucket_wait_us(&b, &rule, now), 0);
        assert_true(bucket_take(&b, &rule, now));
    }
    assert_int_equal(bucket_left(&b, &rule, now), 0);
    assert_false(bucket_take(&b, &rule, now));
    assert_int_equal(bucket_wait_us(&b, &rule, now), SECOND);
    assert_int_equal(bucket_fill_us(&b, now), 3 * SECOND);
}

static void bucket_fills_at_its_rate_and_not_beyond_its_size(void **state)
{
    struct bucket b = {0};
    int64_t now = 50 * (int64_t)SECOND;
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(bucket_take(&b, &rule, now));
    assert_false(bucket_take(&b, &rule, now + SECOND - 1));
    assert_true(bucket_take(&b, &rule, now + SECOND));
    assert_false(bucket_take(&b, &rule, now + SECOND));
    assert_int_equal(bucket_left(&b, &rule, now + 100 * (int64_t)SECOND), 3);
}

static void charged_bucket_gives_nothing_until_its_debt_is_paid(void **state)
{
    struct bucket b = {0};
    int64_t now = 50 * (int64_t)SECOND;
    (void)state;
    bucket_charge(&b, &rule, now, 10); // Three are there.
    assert_int_equal(bucket_left(&b, &rule, now), 0);
    assert_int_equal(bucket_wait_us(&b, &rule, now), 8 * SECOND);
    assert_false(bucket_take(&b, &rule, now + 8 * SECOND - 1));
    assert_true(bucket_take(&b, &rule, now + 8 * SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_bucket_gives_its_size_and_no_more),
        cmocka_unit_test(bucket_fills_at_its_rate_and_not_beyond_its_size),
        cmocka_unit_test(charged_bucket_gives_nothing_until_its_debt_is_paid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
