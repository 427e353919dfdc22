// SPDX-License-Identifier: MIT
// test_stream.c: what is written to a stream in memory is what is found when it is closed.

#include "base/memory.h"
#include "base/stream.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void a_text_is_found_as_it_was_written(void **state)
{
    (void)state;
    char *text;
    size_t bytes;
    FILE *out = stream_open(&text, &bytes);
    fprintf(out, "%d bells", 3);
    fputc('!', out);
    stream_close(out);
    assert_string_equal(text, "3 bells!");
    assert_int_equal(bytes, 8);
    free(text);
}

static void nothing_written_is_an_empty_text(void **state)
{
    (void)state;
    char *text;
    size_t bytes;
    stream_close(stream_open(&text, &bytes));
    assert_string_equal(text, "");
    assert_int_equal(bytes, 0);
    free(text);
}

// A list that is written until it is too long asks again and again.
static void a_stream_tells_how_much_was_written(void **state)
{
    (void)state;
    char *text;
    size_t bytes;
    FILE *out = stream_open(&text, &bytes);
    for (long n = 0; n < 100000; n++) {
        if (n % 1000 == 0)
            assert_int_equal(ftell(out), n);
        fputc('a' + (int)(n % 26), out);
    }
    stream_close(out);
    assert_int_equal(bytes, 100000);
    assert_int_equal(strlen(text), 100000);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(text[i], 'a' + (int)(i % 26));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_found_as_it_was_written),
        cmocka_unit_test(nothing_written_is_an_empty_text),
        cmocka_unit_test(a_stream_tells_how_much_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
