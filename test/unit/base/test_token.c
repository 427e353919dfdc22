// SPDX-License-Identifier: MIT
// test_token.c: tokens are drawn, recognised, and told from what was mistyped.

#include "base/token.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static void drawn_tokens_are_whole_and_differ(void **state)
{
    char a[TOKEN_TEXT_BYTES], b[TOKEN_TEXT_BYTES];
    struct fault f;
    (void)state;
    assert_int_equal(token_draw(a, &f), ERR_OK);
    assert_int_equal(token_draw(b, &f), ERR_OK);
    assert_int_equal(strlen(a), TOKEN_TEXT_LENGTH);
    assert_memory_equal(a, "car_", 4);
    assert_true(token_is_whole(a) && token_is_whole(b));
    assert_string_not_equal(a, b);
}

// Computed by Python's zlib.crc32, so that scanners can be written with what others have.
static void check_is_that_of_crc_32(void **state)
{
    (void)state;
    assert_true(token_is_whole("car_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAbQQqqD"));
}

static void every_single_character_is_checked(void **state)
{
    char text[TOKEN_TEXT_BYTES];
    struct fault f;
    (void)state;
    assert_int_equal(token_draw(text, &f), ERR_OK);
    for (int i = 0; i < TOKEN_TEXT_LENGTH; i++) {
        char was = text[i];
        text[i] = was == 'x' ? 'y' : 'x';
        assert_false(token_is_whole(text));
        text[i] = was;
    }
    assert_true(token_is_whole(text));
    assert_false(token_is_whole(""));
    assert_false(token_is_whole("car_"));
    text[TOKEN_TEXT_LENGTH - 1] = '\0';
    assert_false(token_is_whole(text));
}

static void digest_is_sha_256(void **state)
{
    static const uint8_t of_abc[TOKEN_DIGEST_BYTES] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t digest[TOKEN_DIGEST_BYTES];
    struct fault f;
    (void)state;
    assert_int_equal(token_digest("abc", digest, &f), ERR_OK);
    assert_memory_equal(digest, of_abc, sizeof digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_tokens_are_whole_and_differ),
        cmocka_unit_test(check_is_that_of_crc_32),
        cmocka_unit_test(every_single_character_is_checked),
        cmocka_unit_test(digest_is_sha_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
