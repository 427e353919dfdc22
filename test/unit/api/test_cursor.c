// SPDX-License-Identifier: MIT
// test_cursor.c: a cursor comes back as the position it was made of, and nothing else passes.

#include "api/api_priv.h"
#include "api/page_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct cursor positions[] = {
    {0, 0}, {0, 1}, {1893456000000, 42}, {INT64_MAX, INT64_MAX}, {INT64_MIN, -1},
};

static void a_cursor_that_was_written_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(positions); i++) {
        char text[CURSOR_BYTES];
        struct cursor read;
        cursor_format(CURSOR_EXECUTIONS, &positions[i], text);
        assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789-_"),
                         strlen(text));
        assert_true(cursor_parse(CURSOR_EXECUTIONS, text, &read));
        assert_int_equal(read.at, positions[i].at);
        assert_int_equal(read.id, positions[i].id);
    }
}

static void a_cursor_of_another_list_is_refused(void **state)
{
    (void)state;
    char text[CURSOR_BYTES];
    struct cursor read;
    cursor_format(CURSOR_JOBS, &positions[1], text);
    assert_false(cursor_parse(CURSOR_ALERTS, text, &read));
    assert_true(cursor_parse(CURSOR_JOBS, text, &read));
}

static void a_changed_cursor_is_refused(void **state)
{
    (void)state;
    char text[CURSOR_BYTES];
    struct cursor read;
    cursor_format(CURSOR_JOBS, &positions[2], text);
    for (size_t i = 0; i < strlen(text); i++) {
        char kept = text[i];
        text[i] = kept == 'A' ? 'B' : 'A';
        assert_false(cursor_parse(CURSOR_JOBS, text, &read));
        text[i] = '+'; // Not of the alphabet.
        assert_false(cursor_parse(CURSOR_JOBS, text, &read));
        text[i] = kept;
    }
}

static void other_text_is_refused(void **state)
{
    (void)state;
    static const char *const others[] = {"", "nonsense", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    struct cursor read;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(cursor_parse(CURSOR_JOBS, others[i], &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_that_was_written_is_read),
        cmocka_unit_test(a_cursor_of_another_list_is_refused),
        cmocka_unit_test(a_changed_cursor_is_refused),
        cmocka_unit_test(other_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
