// SPDX-License-Identifier: MIT
// test_base64.c: bytes as base64 and back.

#include "base/base64.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// RFC 4648, section 10.
static const char *const vectors[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void vectors_of_the_rfc_hold_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        char text[16], bytes[16];
        size_t count = 99;
        base64_write(vectors[i][0], strlen(vectors[i][0]), text);
        assert_string_equal(text, vectors[i][1]);
        assert_true(base64_read(text, strlen(text), bytes, &count));
        assert_int_equal(count, strlen(vectors[i][0]));
        assert_memory_equal(bytes, vectors[i][0], count);
    }
}

static void every_byte_comes_back_at_every_length(void **state)
{
    (void)state;
    unsigned char bytes[256], back[BASE64_BYTES(BASE64_CHARS(256))];
    char text[BASE64_CHARS(256) + 1];
    for (size_t i = 0; i < 256; i++)
        bytes[i] = (unsigned char)(i * 7 + 3);
    for (size_t n = 0; n <= 256; n++) {
        size_t count;
        base64_write(bytes, n, text);
        assert_int_equal(strlen(text), BASE64_CHARS(n));
        assert_true(base64_read(text, strlen(text), back, &count));
        assert_int_equal(count, n);
        assert_memory_equal(back, bytes, n);
    }
}

// What a lenient reader takes for the same bytes.
static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"Zg",   "Zg=",  "Zh==",     "Zm9=", "Zm9",    "Z===", "====",
                                      "Zm-_", "Zm 9", "Zg==Zg==", "=m9v", "Zm9v\n", "Z=9v"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char bytes[16];
        size_t count;
        assert_false(base64_read(bad[i], strlen(bad[i]), bytes, &count));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_rfc_hold_both_ways),
        cmocka_unit_test(every_byte_comes_back_at_every_length),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
