// SPDX-License-Identifier: MIT
// test_url.c: a URL means one thing or is refused with a reason.

#include "base/origin.h"
#include "base/url.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    bool https;
    bool is_address;
    const char *host;
    unsigned port;
    const char *target;
} good[] = {
    {"http://example.com", false, false, "example.com", 80, "/"},
    {"https://example.com/", true, false, "example.com", 443, "/"},
    {"HTTPS://EXAMPLE.com:8443/A/b?C=d", true, false, "example.com", 8443, "/A/b?C=d"},
    {"http://example.com?a=b", false, false, "example.com", 80, "/?a=b"},
    {"http://localhost:3000/hook", false, false, "localhost", 3000, "/hook"},
    {"http://127.0.0.1:9999/ok", false, true, "127.0.0.1", 9999, "/ok"},
    {"http://[::1]:8080/", false, true, "::1", 8080, "/"},
    {"http://[2001:DB8::1]/x", false, true, "2001:db8::1", 80, "/x"},
    {"http://[2001:0db8:0:0:0:0:0:1]/", false, true, "2001:0db8:0:0:0:0:0:1", 80, "/"},
    {"http://[::ffff:192.0.2.1]/", false, true, "::ffff:192.0.2.1", 80, "/"},
    {"http://my_service.internal/", false, false, "my_service.internal", 80, "/"},
    {"http://api.svc.cluster.local./", false, false, "api.svc.cluster.local.", 80, "/"},
    {"http://xn--bcher-kva.example/", false, false, "xn--bcher-kva.example", 80, "/"},
    {"http://1password.example/", false, false, "1password.example", 80, "/"},
    {"http://a/../b/./c", false, false, "a", 80, "/../b/./c"},
    {"http://a/%20?q=%C3%A4&r=@:/?[]{}|", false, false, "a", 80, "/%20?q=%C3%A4&r=@:/?[]{}|"},
    {"http://a:1", false, false, "a", 1, "/"},
    {"http://a:65535", false, false, "a", 65535, "/"},
    {"http://example.com:/", false, false, "example.com", 80, "/"},
    {"https://example.com:?a", true, false, "example.com", 443, "/?a"},
    {"http://[::1]:", false, true, "::1", 80, "/"},
};

static const struct {
    const char *text;
    const char *reason; // Part of the sentence.
} bad[] = {
    {"", "must begin with http:// or https://"},
    {"example.com", "must begin with"},
    {"//example.com/", "must begin with"},
    {"http:example.com", "must begin with"},
    {"http:/example.com", "must begin with"},
    {"ftp://example.com/", "must begin with"},
    {"file:///etc/passwd", "must begin with"},
    {"javascript:alert(1)", "must begin with"},
    {"https//example.com", "must begin with"},
    {"http://", "no host"},
    {"http:///path", "no host"},
    {"http://?x", "no host"},
    {"http://:80/", "no host"},
    {"http://user@example.com/", "user name or password"},
    {"http://user:pass@example.com/", "user name or password"},
    {"http://@example.com/", "user name or password"},
    {"http://trusted.example@127.0.0.1/", "user name or password"},
    {"http://example.com/#top", "fragment"},
    {"http://example.com#@evil.example/", "fragment"},
    {"http://exam ple.com/", "byte 12 of the URL is a space; percent-encode it as %20"},
    {"http://example.com/a b", "is a space"},
    {" http://example.com/", "byte 1 of the URL is a space"},
    {"http://example.com/\n", "control character; percent-encode it as %0A"},
    {"http://example.com/\r\nX: y", "control character"},
    {"http://example.com/\t", "control character"},
    {"http://example.com/\x7f", "control character; percent-encode it as %7F"},
    {"http://b\xc3\xbc"
     "cher.example/",
     "xn--"},
    {"http://example.com/\xc3\xa4", "not ASCII"},
    {"http://example.com\\@evil.example/", "backslash"},
    {"http://example.com:0/", "not \"0\""},
    {"http://example.com:080/", "port"},
    {"http://example.com:65536/", "1 to 65535"},
    {"http://example.com:99999999999/", "port"},
    {"http://example.com:80a/", "port"},
    {"http://example.com:-1/", "port"},
    {"http://example.com:80:81/", "port"},
    {"http://::1/", "no host"},
    {"http://0x7f.1/", "looks like a number"},
    {"http://0x7f000001/", "looks like a number"},
    {"http://0X7F000001/", "looks like a number"},
    {"http://2130706433/", "looks like a number"},
    {"http://127.1/", "looks like a number"},
    {"http://127.0.0.1./", "looks like a number"},
    {"http://0177.0.0.1/", "looks like a number"},
    {"http://127.0.0.01/", "looks like a number"},
    {"http://127.0.0.256/", "looks like a number"},
    {"http://1.2.3.4.5/", "looks like a number"},
    {"http://example.0x1/", "looks like a number"},
    {"http://[::1/", "has no ]"},
    {"http://[::1]x/", "only a port"},
    {"http://[]/", "no host"},
    {"http://[1.2.3.4]/", "no IPv6 address"},
    {"http://[::g]/", "no IPv6 address"},
    {"http://[fe80::1%25eth0]/", "zone"},
    {"http://a..b/", "empty part"},
    {"http://.a/", "empty part"},
    {"http://./", "empty part"},
    {"http://exa%6dple.com/", "has a % in it"},
    {"http://a,b/", "has a , in it"},
    {"http://*/", "has a * in it"},
};

static const char *target_of(const char *text, const struct url *u)
{
    return text + u->target_at;
}

static void a_good_url_is_cut_into_its_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct fault f = {0};
        struct url u;
        if (url_parse(good[i].text, &u, &f))
            fail_msg("%s: %s", good[i].text, f.text);
        assert_string_equal(u.host, good[i].host);
        const char *target = target_of(good[i].text, &u);
        assert_string_equal(target, good[i].target + (*target != '/'));
        assert_int_equal(u.port, good[i].port);
        assert_int_equal(u.https, good[i].https);
        assert_int_equal(u.is_address, good[i].is_address);
    }
}

static void a_bad_url_is_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct fault f = {0};
        if (!url_check(bad[i].text, &f))
            fail_msg("accepted: %s", bad[i].text);
        assert_int_equal(f.code, ERR_SYNTAX);
        if (!strstr(f.text, bad[i].reason))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].text, f.text, bad[i].reason);
    }
}

// The core counts per origin, so both readings of a good URL must name the same server.
static void the_origin_of_a_good_url_is_its_host_and_port(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char origin[ORIGIN_BYTES];
        char same[ORIGIN_BYTES];
        char expected[ORIGIN_BYTES];
        struct url u;
        assert_int_equal(url_parse(good[i].text, &u, NULL), ERR_OK);
        url_origin(good[i].text, origin);
        url_origin_of(&u, same);
        bool v6 = strchr(u.host, ':') != NULL;
        snprintf(expected, sizeof expected, "%s%s%s:%u", v6 ? "[" : "", u.host, v6 ? "]" : "",
                 u.port);
        assert_string_equal(origin, expected);
        assert_string_equal(same, expected);
    }
}

// What RFC 9110, 4.1 recommends to support at least.
static void a_url_has_8000_bytes_at_most(void **state)
{
    (void)state;
    static char text[URL_BYTES_MAX + 2];
    static struct url u;
    assert_int_equal(URL_BYTES_MAX, 8000);
    memset(text, 'a', sizeof text);
    memcpy(text, "http://h/", 9);
    text[URL_BYTES_MAX] = '\0';
    assert_int_equal(url_parse(text, &u, NULL), ERR_OK);
    assert_int_equal(strlen(target_of(text, &u)), URL_BYTES_MAX - strlen("http://h"));
    text[URL_BYTES_MAX] = 'a';
    text[URL_BYTES_MAX + 1] = '\0';
    assert_int_equal(url_parse(text, &u, NULL), ERR_LIMIT);
}

static void names_and_their_parts_have_the_lengths_of_dns(void **state)
{
    (void)state;
    static const struct {
        size_t label_bytes, labels;
        enum err err;
    } lengths[] = {{63, 1, ERR_OK}, {64, 1, ERR_SYNTAX}, {49, 5, ERR_OK}, {50, 5, ERR_SYNTAX}};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        char text[512] = "http://";
        size_t used = 7;
        for (size_t l = 0; l < lengths[i].labels; l++) {
            memset(text + used, 'a', lengths[i].label_bytes);
            used += lengths[i].label_bytes;
            text[used++] = '.';
        }
        memcpy(text + used, "abc/", 5); // 5 labels of 49 and this make 253 bytes.
        assert_int_equal(url_check(text, NULL), lengths[i].err);
    }
}

static void characters_that_a_client_means_are_percent_encoded(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"http://h/a?b=c%20d|{}^\"", "http://h/a?b=c%20d|{}^\""},
        {"http://h/\xe6\x97\xa5\xe6\x9c\xac", "http://h/%E6%97%A5%E6%9C%AC"},
        {"http://h/a b?q=hello world", "http://h/a%20b?q=hello%20world"},
        {"http://h? \xc3\xa4", "http://h?%20%C3%A4"},
        {"HTTP://H:/%zz", "HTTP://H:/%zz"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *out = NULL;
        struct fault f = {0};
        if (url_accept(cases[i][0], &out, &f))
            fail_msg("%s: %s", cases[i][0], f.text);
        assert_string_equal(out, cases[i][1]);
        free(out);
    }
}

static void a_text_that_is_no_url_even_when_encoded_is_refused_with_the_place(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"http://h/\xc3\xa4\n", "byte 12 of the URL is a control character"},
        {"http://h/\xc3\xa4#x", "fragment"},
        {"http://h/ \\", "byte 11 of the URL is a backslash"},
        {"http://h/a ", "byte 11 of the URL is a space"},
        {" http://h/a", "byte 1 of the URL is a space"},
        {"http://m\xc3\xbcnchen.example/",
         "byte 9 of the URL is not ASCII; write an international"},
        {"http://a b/", "byte 9 of the URL is a space"},
        {"h/\xc3\xa4", "byte 3 of the URL is not ASCII"},
        {"http://u\xc3\xa4@h/", "not ASCII"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *out = NULL;
        struct fault f = {0};
        assert_int_equal(url_accept(cases[i][0], &out, &f), ERR_SYNTAX);
        assert_null(out);
        if (!strstr(f.text, cases[i][1]))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i][0], f.text, cases[i][1]);
    }
}

static void an_encoded_url_has_8000_bytes_at_most(void **state)
{
    (void)state;
    char text[URL_BYTES_MAX + 2];
    char *out = NULL;
    memset(text, ' ', sizeof text);
    memcpy(text, "http://host/", 12);
    size_t spaces = (URL_BYTES_MAX - 13) / 3;
    strcpy(text + 12 + spaces, "x");
    assert_int_equal(url_accept(text, &out, NULL), ERR_OK);
    assert_int_equal(strlen(out), 12 + 3 * spaces + 1);
    free(out);
    strcpy(text + 12 + spaces, "  x");
    assert_int_equal(url_accept(text, &out, NULL), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_url_is_cut_into_its_parts),
        cmocka_unit_test(a_bad_url_is_refused_with_a_reason),
        cmocka_unit_test(the_origin_of_a_good_url_is_its_host_and_port),
        cmocka_unit_test(a_url_has_8000_bytes_at_most),
        cmocka_unit_test(characters_that_a_client_means_are_percent_encoded),
        cmocka_unit_test(a_text_that_is_no_url_even_when_encoded_is_refused_with_the_place),
        cmocka_unit_test(an_encoded_url_has_8000_bytes_at_most),
        cmocka_unit_test(names_and_their_parts_have_the_lengths_of_dns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
