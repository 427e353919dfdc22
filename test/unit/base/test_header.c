// SPDX-License-Identifier: MIT
// test_header.c: no header of a job can break a message, or pass for one of Carillon's.

#include "base/header.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *value;
    enum err err;
    const char *reason;
} cases[] = {
    {"X-Token", "abc", ERR_OK, ""},
    {"Authorization", "Bearer abc.def==", ERR_OK, ""},
    {"X-Empty", "", ERR_OK, ""},
    {"X-Inside", "a b\tc", ERR_OK, ""},
    {"!#$%&'*+-.^_`|~09azAZ", "!~", ERR_OK, ""},
    {"User-Agent", "mine/1", ERR_OK, ""},
    {"Content-Type", "text/plain", ERR_OK, ""},
    {"Hostess", "a", ERR_OK, ""},
    {"X-Carillon-Job", "1", ERR_OK, ""},
    {"", "a", ERR_SYNTAX, "no name"},
    {"X Y", "a", ERR_SYNTAX, "byte 2 of a header name (0x20)"},
    {"X:", "a", ERR_SYNTAX, "0x3a"},
    {"X\r\nY", "a", ERR_SYNTAX, "0x0d"},
    {"X\xc3\xa4", "a", ERR_SYNTAX, "0xc3"},
    {"X(", "a", ERR_SYNTAX, "0x28"},
    {"X-Token", "a\r\nHost: evil", ERR_SYNTAX, "byte 2 of the value of header X-Token"},
    {"X-Token", "a\nb", ERR_SYNTAX, "control character (0x0a)"},
    {"X-Token", "a\x7f", ERR_SYNTAX, "control character"},
    {"Title",
     "\xc3\x9c"
     "ber \xe2\x9c\x93",
     ERR_OK, ""},
    {"X-Token", "\xe4", ERR_SYNTAX, "not UTF-8"},
    {"X-Token", "a\xc3", ERR_SYNTAX, "not UTF-8"},
    {"X-Token", "\xed\xa0\x80", ERR_SYNTAX, "not UTF-8"},
    {"X-Token", " a", ERR_SYNTAX, "begins or ends with a blank"},
    {"X-Token", "a\t", ERR_SYNTAX, "begins or ends with a blank"},
    {"X-Token", " ", ERR_SYNTAX, "begins or ends with a blank"},
    {"Host", "b.example", ERR_OK, ""},
    {"host", "B.example:8080", ERR_OK, ""},
    {"Host", "[::1]:80", ERR_OK, ""},
    {"Host", "192.0.2.1", ERR_OK, ""},
    {"Host", "", ERR_SYNTAX, "no host"},
    {"Host", "a/b", ERR_SYNTAX, "no host with or without a port"},
    {"Host", "a?b", ERR_SYNTAX, "no host with or without a port"},
    {"Host", "a#b", ERR_SYNTAX, "no host with or without a port"},
    {"Host", "u@a", ERR_SYNTAX, "no host with or without a port"},
    {"Host", "a b", ERR_SYNTAX, "no host with or without a port"},
    {"Host", "a,b", ERR_SYNTAX, "no host with or without a port"},
    {"Host", "a:99999", ERR_SYNTAX, "1 to 65535"},
    {"Host", "\xc3\xa4.example", ERR_SYNTAX, "xn--"},
    {"content-length", "1", ERR_FORBIDDEN, "set by Carillon"},
    {"TRANSFER-ENCODING", "chunked", ERR_FORBIDDEN, "frames"},
    {"Trailer", "a", ERR_FORBIDDEN, "frames"},
    {"TE", "a", ERR_FORBIDDEN, "next hop"},
    {"Connection", "close", ERR_FORBIDDEN, "next hop"},
    {"Keep-Alive", "a", ERR_FORBIDDEN, "next hop"},
    {"Upgrade", "h2c", ERR_FORBIDDEN, "next hop"},
    {"HTTP2-Settings", "a", ERR_FORBIDDEN, "next hop"},
    {"Expect", "100-continue", ERR_FORBIDDEN, "at once"},
    {"Proxy-Authorization", "a", ERR_FORBIDDEN, "proxy"},
    {"idempotency-key", "a", ERR_FORBIDDEN, "identity"},
    {"Webhook-Signature", "a", ERR_FORBIDDEN, "identity"},
    {"Carillon-Anything", "a", ERR_FORBIDDEN, "identity"},
    {"traceparent", "a", ERR_FORBIDDEN, "identity"},
};

static void names_and_values_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fault f = {0};
        assert_int_equal(header_check(cases[i].name, cases[i].value, &f), cases[i].err);
        assert_non_null(strstr(f.text, cases[i].reason));
        assert_int_equal(header_is_reserved(cases[i].name), cases[i].err == ERR_FORBIDDEN);
    }
}

static void a_byte_that_is_no_character_or_a_control_character_is_refused_in_a_value(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        char value[] = {'a', (char)byte, 'b', '\0'};
        bool good = byte == '\t' || (' ' <= byte && byte <= '~');
        assert_int_equal(header_check("X", value, NULL), good ? ERR_OK : ERR_SYNTAX);
    }
}

static void long_names_and_values_are_refused(void **state)
{
    (void)state;
    char text[HEADER_VALUE_BYTES_MAX + 2];
    memset(text, 'a', sizeof text);
    text[HEADER_VALUE_BYTES_MAX + 1] = '\0';
    assert_int_equal(header_check("X", text, NULL), ERR_LIMIT);
    text[HEADER_VALUE_BYTES_MAX] = '\0';
    assert_int_equal(header_check("X", text, NULL), ERR_OK);
    text[HEADER_NAME_BYTES_MAX + 1] = '\0';
    assert_int_equal(header_check(text, "", NULL), ERR_LIMIT);
    text[HEADER_NAME_BYTES_MAX] = '\0';
    assert_int_equal(header_check(text, "", NULL), ERR_OK);
}

static void lines_are_judged_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        enum err err;
        const char *reason;
    } sets[] = {
        {"", ERR_OK, ""},
        {"A: b\n", ERR_OK, ""},
        {"A: b\nC:d\nE:\nF: \n", ERR_OK, ""},
        {"A: b\nC", ERR_SYNTAX, "no colon: C"},
        {"A: b\n\nC: d\n", ERR_SYNTAX, "no colon"},
        {"A : b\n", ERR_SYNTAX, "0x20"},
        {"A:  b\n", ERR_SYNTAX, "blank"},
        {"A: b\r\n", ERR_SYNTAX, "0x0d"},
        {"A: b\nTE: c\n", ERR_FORBIDDEN, "TE"},
    };
    for (size_t i = 0; i < COUNT_OF(sets); i++) {
        struct fault f = {0};
        assert_int_equal(header_check_lines(sets[i].lines, &f), sets[i].err);
        assert_non_null(strstr(f.text, sets[i].reason));
    }
}

static void headers_are_bounded_in_number_and_bytes(void **state)
{
    (void)state;
    char lines[HEADER_LINES_BYTES_MAX + 2] = "";
    for (int i = 0; i < HEADER_LINES_MAX; i++)
        memcpy(lines + 4 * i, "A:b\n", 5);
    assert_int_equal(header_check_lines(lines, NULL), ERR_OK);
    memcpy(lines + 4 * HEADER_LINES_MAX, "A:b\n", 5);
    assert_int_equal(header_check_lines(lines, NULL), ERR_LIMIT);

    memset(lines, 'a', sizeof lines - 1);
    lines[1] = ':';
    assert_int_equal(header_check_lines(lines, NULL), ERR_LIMIT);
    lines[HEADER_LINES_BYTES_MAX] = '\0'; // A line whose value is too long.
    assert_int_equal(header_check_lines(lines, NULL), ERR_LIMIT);
    lines[HEADER_VALUE_BYTES_MAX + 2] = '\0';
    assert_int_equal(header_check_lines(lines, NULL), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_values_are_judged),
        cmocka_unit_test(a_byte_that_is_no_character_or_a_control_character_is_refused_in_a_value),
        cmocka_unit_test(long_names_and_values_are_refused),
        cmocka_unit_test(lines_are_judged_one_by_one),
        cmocka_unit_test(headers_are_bounded_in_number_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
