// SPDX-License-Identifier: MIT
// test_excerpt.c: whatever a target answers, the excerpt is valid UTF-8 and within its bound.

#include "dispatch/excerpt_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define MOST 4096
#define REPLACED "\xef\xbf\xbd"

static const struct {
    const char *bytes;
    size_t count;
    const char *text;
} cases[] = {
    {"", 0, ""},
    {"plain\r\n\t", 8, "plain\r\n\t"},
    {"a\0b", 3, "a" REPLACED "b"},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x94", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x94"},
    {"\x80", 1, REPLACED},
    {"\xff\xfe", 2, REPLACED REPLACED},
    {"\xc0\x80", 2, REPLACED REPLACED},                           // Overlong.
    {"\xe0\x80\x80", 3, REPLACED REPLACED REPLACED},              // Overlong.
    {"\xed\xa0\x80", 3, REPLACED REPLACED REPLACED},              // A surrogate.
    {"\xf4\x90\x80\x80", 4, REPLACED REPLACED REPLACED REPLACED}, // Beyond U+10FFFF.
    {"\xf5\x80\x80\x80", 4, REPLACED REPLACED REPLACED REPLACED},
    {"\xc3(", 2, REPLACED "("},
    {"\xe2\x82(", 3, REPLACED REPLACED "("},
    {"a\xc3", 2, "a"}, // Cut in the middle of a character.
    {"a\xf0\x9f\x94", 4, "a"},
};

static void bytes_that_are_no_character_are_replaced(void **state)
{
    (void)state;
    char out[MOST + 1];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        excerpt_format(cases[i].bytes, cases[i].count, MOST, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void the_bound_holds_and_cuts_no_character(void **state)
{
    (void)state;
    char bytes[MOST];
    char out[MOST + 1];
    memset(bytes, 'x', sizeof bytes);
    excerpt_format(bytes, sizeof bytes, MOST, out);
    assert_int_equal(strlen(out), MOST);

    memset(bytes, 0xff, sizeof bytes); // Each byte becomes three.
    excerpt_format(bytes, sizeof bytes, MOST, out);
    assert_int_equal(strlen(out), MOST / 3 * 3);
    assert_string_equal(out + strlen(out) - 3, REPLACED);

    for (size_t most = 0; most < 5; most++) {
        excerpt_format("\xc3\xa4\xc3\xa4", 4, most, out);
        assert_int_equal(strlen(out), most / 2 * 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_are_no_character_are_replaced),
        cmocka_unit_test(the_bound_holds_and_cuts_no_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
