// SPDX-License-Identifier: MIT
// test_web.c: the names of a server, from its settings and as requests give them.

#include "api/web_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    const char *host; // NULL: it is none.
    uint16_t port;
} authorities[] = {
    {"a.example", "a.example", 0},
    {"A.Example:80", "a.example", 80},
    {"a.example.", "a.example", 0},
    {"a.example:", "a.example", 0},
    {"under_score", "under_score", 0},
    {"[::1]", "::1", 0},
    {"[FE80::1]:65535", "fe80::1", 65535},
    {"", NULL, 0},
    {":80", NULL, 0},
    {"a.example:65536", NULL, 0},
    {"a.example:99999999999999999999", NULL, 0},
    {"a.example:8x", NULL, 0},
    {"a.example:80:80", NULL, 0},
    {"a b", NULL, 0},
    {"a@b", NULL, 0},
    {"a/b", NULL, 0},
    {"*.example", NULL, 0},
    {"[::1", NULL, 0},
    {"[::1]x", NULL, 0},
    {"[127.0.0.1]", NULL, 0},
    {"[a.example]", NULL, 0},
    {"::1", NULL, 0},
    {"m\xc3\xbcnchen.example", NULL, 0},
};

static void names_are_read_as_headers_give_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(authorities); i++) {
        struct web_authority a;
        bool is_one = web_authority_read(authorities[i].text, &a);
        if (is_one != (authorities[i].host != NULL))
            fail_msg("%s", authorities[i].text);
        if (!is_one)
            continue;
        assert_string_equal(a.host, authorities[i].host);
        assert_int_equal(a.port, authorities[i].port);
    }
}

static void the_longest_name_fits(void **state)
{
    (void)state;
    char text[URL_HOST_BYTES_MAX + 2];
    struct web_authority a;
    memset(text, 'a', sizeof text);
    text[URL_HOST_BYTES_MAX] = '\0';
    assert_true(web_authority_read(text, &a));
    text[URL_HOST_BYTES_MAX] = 'a';
    text[URL_HOST_BYTES_MAX + 1] = '\0';
    assert_false(web_authority_read(text, &a));
}

static const struct {
    const char *listen;
    const char *allowed;
    const char *host;
    bool own;
} names[] = {
    {"127.0.0.1", "", "127.0.0.1:3000", true},
    {"127.0.0.1", "", "localhost:8080", true}, // A forwarded port has another number.
    {"127.0.0.1", "", "[::1]:3000", true},
    {"127.0.0.1", "", "[::ffff:127.0.0.1]", true},
    {"127.0.0.1", "", "192.168.0.7:3000", false},
    {"127.0.0.1", "", "localhost.evil.example", false},
    {"127.0.0.1", "a.example", "A.EXAMPLE:3000", true},
    {"127.0.0.1", "a.example:80", "a.example:80", true},
    {"127.0.0.1", "a.example:80", "a.example:3000", false},
    {"127.0.0.1", "a.example", "b.a.example", false},
    {"127.0.0.1", " a.example,\tb , , c", "b", true},
    {"127.0.0.1", "[fd00::1]", "[fd00::1]:3000", true},
    {"127.0.0.1", "10.0.0.1", "10.0.0.1:3000", true},
    {"127.0.0.1", "*", "anything.example", true},
    {"127.0.0.1", "*", "any thing", false},
    {"localhost", "", "10.0.0.1", false},
    {"0.0.0.0", "", "10.0.0.1:3000", true}, // As probes of an orchestrator ask.
    {"0.0.0.0", "", "[fd00::1]:3000", true},
    {"0.0.0.0", "", "localhost", true},
    {"0.0.0.0", "", "carillon:3000", false},
    {"::", "", "10.0.0.1", true},
    {"192.168.0.7", "", "10.0.0.1:3000", true}, // Some router may have changed the address.
};

static void a_server_has_the_names_that_cannot_lead_elsewhere_and_those_it_was_given(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct web_names n;
        struct fault f = {0};
        assert_int_equal(web_names_parse(names[i].listen, names[i].allowed, &n, &f), ERR_OK);
        if (web_names_have(&n, names[i].host) != names[i].own)
            fail_msg("listening on %s, allowing \"%s\": %s", names[i].listen, names[i].allowed,
                     names[i].host);
    }
}

static void a_host_that_is_no_name_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const bad[] = {"http://a.example", "a.example/x", "*.example", "a:b", "::1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct web_names n;
        struct fault f = {0};
        assert_int_equal(web_names_parse("127.0.0.1", bad[i], &n, &f), ERR_SYNTAX);
        assert_non_null(strstr(f.text, "allowed_hosts"));
        assert_non_null(strstr(f.text, bad[i]));
    }
}

static void there_is_room_for_so_many_names(void **state)
{
    (void)state;
    char list[2 * WEB_NAMES_MAX + 3] = "";
    struct web_names n;
    struct fault f = {0};
    for (size_t i = 0; i < WEB_NAMES_MAX; i++)
        strcat(list, "a,");
    assert_int_equal(web_names_parse("127.0.0.1", list, &n, &f), ERR_OK);
    assert_int_equal(n.count, WEB_NAMES_MAX);
    strcat(list, "b");
    assert_int_equal(web_names_parse("127.0.0.1", list, &n, &f), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_headers_give_them),
        cmocka_unit_test(the_longest_name_fits),
        cmocka_unit_test(a_server_has_the_names_that_cannot_lead_elsewhere_and_those_it_was_given),
        cmocka_unit_test(a_host_that_is_no_name_is_refused_by_name),
        cmocka_unit_test(there_is_room_for_so_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
