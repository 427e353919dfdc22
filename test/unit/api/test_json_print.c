// SPDX-License-Identifier: MIT
// test_json_print.c: a value is printed as the library that read it would print it.

#include "api/api_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_printed_alike(const json_t *value)
{
    size_t bytes;
    char *ours = json_print(value, &bytes);
    char *theirs = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_non_null(theirs);
    assert_string_equal(ours, theirs);
    assert_int_equal(bytes, strlen(theirs));
    free(ours);
    free(theirs);
}

static void values_of_every_kind_are_printed_as_by_the_library(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "1.1",
        "-2.5e300",
        "1e-7",
        "3.0",
        "\"\"",
        "\"a\"",
        "\"\\\"quoted\\\" \\\\ and / and \\u007f\"",
        "\"Z\u00fcrich \u65e5\u672c \U0001f514\"",
        "[]",
        "{}",
        "[[],{},[{}]]",
        "[1,\"2\",3.5,null,true,[false]]",
        "{\"b\":1,\"a\":{\"c\":[1,2]},\"\":\"\",\"\\n\\u00e4\\\"\":null}",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        json_t *value = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        assert_printed_alike(value);
        json_decref(value);
    }
}

static void every_byte_of_ascii_is_printed_as_by_the_library(void **state)
{
    (void)state;
    for (char c = 1; c != 127; c++) {
        const char text[] = {'<', c, c, '>', '\0'};
        json_t *value = json_string(text);
        assert_printed_alike(value);
        json_decref(value);
    }
    json_t *nul = json_stringn("a\0b", 3);
    assert_printed_alike(nul);
    json_decref(nul);
}

// The buffer doubles, whatever its size is when the next piece comes.
static void long_values_are_printed_whole(void **state)
{
    (void)state;
    json_t *array = json_array();
    char text[3000];
    memset(text, 'x', sizeof text);
    for (size_t bytes = 0; bytes < sizeof text; bytes += 97)
        json_array_append_new(array, json_stringn(text, bytes));
    assert_printed_alike(array);
    json_decref(array);
}

static void deep_values_are_printed_whole(void **state)
{
    (void)state;
    json_t *value = json_array();
    for (int depth = 0; depth < 1000; depth++) {
        json_t *outer = json_array();
        json_array_append_new(outer, value);
        value = outer;
    }
    assert_printed_alike(value);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_kind_are_printed_as_by_the_library),
        cmocka_unit_test(every_byte_of_ascii_is_printed_as_by_the_library),
        cmocka_unit_test(long_values_are_printed_whole),
        cmocka_unit_test(deep_values_are_printed_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
