// SPDX-License-Identifier: MIT
// test_utf8.c: every character there is, and the look-alikes that are none.

#include "base/utf8.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// The bytes of a code point by the definition, without looking whether it may be written.
static size_t write_character(uint32_t code, char out[static 4])
{
    static const uint32_t limits[] = {0x80, 0x800, 0x10000, UINT32_MAX};
    size_t length = 1;
    while (code >= limits[length - 1])
        length++;
    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(length == 1 ? code : (0xf00u >> length & 0xff) | code);
    return length;
}

static void every_code_point_but_surrogates_is_a_character(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x1fffff; code++) {
        char text[4];
        size_t length = write_character(code, text);
        bool is_one = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
        if (utf8_character(text, length) != (is_one ? length : 0))
            fail_msg("U+%04X", (unsigned)code);
        if (length > 1)
            assert_int_equal(utf8_character(text, length - 1), 0);
    }
}

static const struct {
    const char *text;
    size_t span;
} cases[] = {
    {"", 0},
    {"plain", 5},
    {"\xc3\xbc", 2},
    {"a\xff", 1},
    {"a\xc3", 1},
    {"\xc0\xaf", 0},         // Overlong.
    {"\xe0\x80\xaf", 0},     // Overlong.
    {"\xf0\x80\x80\xaf", 0}, // Overlong.
    {"a\xc3(b", 1},
    {"\xe2\x82\xac\xe2\x82", 3},
    {"\xe2\x82(", 0},
    {"\x80", 0},
};

static void a_text_is_good_up_to_its_first_bad_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (utf8_span(cases[i].text, strlen(cases[i].text)) != cases[i].span)
            fail_msg("case %zu", i);
    }
    assert_int_equal(utf8_span("a\0b", 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_but_surrogates_is_a_character),
        cmocka_unit_test(a_text_is_good_up_to_its_first_bad_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
