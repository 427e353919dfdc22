// SPDX-License-Identifier: MIT
// test_callback.c: the URL by which the target of an attempt says how it ended.

#include "base/callback.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

static const char key[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

static const char *token_of(const char *url)
{
    return strstr(url, "token=") + strlen("token=");
}

static void drawn_keys_are_whole_and_differ(void **state)
{
    char a[CALLBACK_KEY_BYTES], b[CALLBACK_KEY_BYTES];
    (void)state;
    assert_int_equal(callback_key_draw(a, NULL), ERR_OK);
    assert_int_equal(callback_key_draw(b, NULL), ERR_OK);
    assert_true(callback_key_is_whole(a) && callback_key_is_whole(b));
    assert_string_not_equal(a, b);
    assert_false(callback_key_is_whole("") || callback_key_is_whole(a + 1));
    a[3] = 'G';
    assert_false(callback_key_is_whole(a));
}

// Computed by Python's hmac, of the key's text and "completion\n7-1764000000000\n1".
static void a_url_has_an_hmac_of_its_attempt(void **state)
{
    char url[CALLBACK_URL_BYTES];
    (void)state;
    callback_url(url, "https://cron.example/base//", key, "7-1764000000000", 1);
    assert_string_equal(url, "https://cron.example/base/executions/7-1764000000000/complete?token="
                             "1-LqatkoCLiPGqfRu9CO7urdpfIJqJYwcOIy2kzzl-xh8");
    callback_url(url, "", key, "7-m3", 65535);
    assert_memory_equal(url, "/executions/7-m3/complete?token=65535-", 38);
    assert_int_equal(strlen(token_of(url)), CALLBACK_TOKEN_BYTES - 1);
}

static void a_token_is_good_for_its_attempt_alone(void **state)
{
    char url[CALLBACK_URL_BYTES], other[CALLBACK_URL_BYTES];
    unsigned attempt = 0;
    (void)state;
    callback_url(url, "", key, "7-m3", 12);
    const char *token = token_of(url);
    assert_true(callback_token_read(key, "7-m3", token, &attempt));
    assert_int_equal(attempt, 12);
    assert_false(callback_token_read(key, "7-m4", token, &attempt));
    char key_of_others[sizeof key];
    memcpy(key_of_others, key, sizeof key);
    key_of_others[0] = '1';
    assert_false(callback_token_read(key_of_others, "7-m3", token, &attempt));
    for (size_t i = 0; i < strlen(token); i++) {
        snprintf(other, sizeof other, "%s", token);
        other[i] ^= 1;
        assert_false(callback_token_read(key, "7-m3", other, &attempt));
        other[i] = '\0';
        assert_false(callback_token_read(key, "7-m3", other, &attempt));
    }
    snprintf(other, sizeof other, "%.100sA", token);
    assert_false(callback_token_read(key, "7-m3", other, &attempt));
    snprintf(other, sizeof other, "0%.100s", token);
    assert_false(callback_token_read(key, "7-m3", other, &attempt));
    assert_int_equal(attempt, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drawn_keys_are_whole_and_differ),
        cmocka_unit_test(a_url_has_an_hmac_of_its_attempt),
        cmocka_unit_test(a_token_is_good_for_its_attempt_alone),
    };
    return cmocka_run_group_tests_name("callback", tests, NULL, NULL);
}
