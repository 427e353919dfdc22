// SPDX-License-Identifier: MIT
// test_origin.c: one server has one key, however its URL is written.

#include "base/origin.h"

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
    const char *url;
    const char *origin;
} cases[] = {
    {"http://example.com", "example.com:80"},
    {"http://example.com/", "example.com:80"},
    {"https://example.com/a?b", "example.com:443"},
    {"HTTP://Example.COM:8080/A", "example.com:8080"},
    {"http://example.com?x=http://other:1/", "example.com:80"},
    {"http://example.com#x:1", "example.com:80"},
    {"http://127.0.0.1:9999/ok", "127.0.0.1:9999"},
    {"http://[::1]/", "[::1]:80"},
    {"https://[FE80::1]:8443", "[fe80::1]:8443"},
    {"http://user:secret@example.com:81/", "example.com:81"},
    {"http://a@b@example.com/", "example.com:80"},
    {"http://example.com:/", "example.com:80"},
    {"https://[::1]:?a", "[::1]:443"},
    // No origin.
    {"", ""},
    {"http://", ""},
    {"http:///path", ""},
    {"http://:80/", ""},
    {"ftp://example.com/", ""},
    {"example.com", ""},
};

static void a_server_has_one_key_however_it_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[ORIGIN_BYTES];
        url_origin(cases[i].url, out);
        assert_string_equal(out, cases[i].origin);
    }
}

// 255 bytes is the longest name there can be; what does not fit is refused, never cut.
static void a_host_that_does_not_fit_has_no_key(void **state)
{
    (void)state;
    char url[1024];
    char name[512];
    char out[ORIGIN_BYTES];
    for (size_t bytes = 250; bytes < 300; bytes++) {
        memset(name, 'a', bytes);
        name[bytes] = '\0';
        snprintf(url, sizeof url, "http://%s:12345/", name);
        url_origin(url, out);
        assert_int_equal(strlen(out), bytes + 6 < ORIGIN_BYTES ? bytes + 6 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_has_one_key_however_it_is_written),
        cmocka_unit_test(a_host_that_does_not_fit_has_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
