// SPDX-License-Identifier: MIT
// test_location.c: whatever a target puts into its Location can stand in a sentence.

#include "dispatch/location_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static void a_location_is_shown_as_visible_ascii(void **state)
{
    static const struct {
        const char *value;
        const char *text;
    } cases[] = {
        {"http://a/b?c#d", "http://a/b?c#d"},
        {"/a \t", "/a"},
        {" ", ""},
        {"", ""},
        {"/a b\x01\x7f\xc3\xa4", "/a%20b%01%7F%C3%A4"},
        {"/a%20\"\\", "/a%20\"\\"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[LOCATION_TEXT_BYTES];
        location_format(cases[i].value, strlen(cases[i].value), out);
        assert_string_equal(out, cases[i].text);
    }
}

static void a_location_that_is_too_long_is_cut(void **state)
{
    (void)state;
    char out[LOCATION_TEXT_BYTES];
    char value[2 * LOCATION_TEXT_BYTES];
    for (int plain = 0; plain < 2; plain++) {
        memset(value, plain ? 'x' : '\n', sizeof value);
        for (size_t count = 0; count <= sizeof value; count++) {
            location_format(value, count, out);
            size_t bytes = strlen(out);
            bool whole = bytes == count * (plain ? 1 : 3);
            assert_true(whole || strcmp(out + bytes - 3, "...") == 0);
            assert_true(whole || bytes > LOCATION_TEXT_BYTES - 8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_location_is_shown_as_visible_ascii),
        cmocka_unit_test(a_location_that_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
