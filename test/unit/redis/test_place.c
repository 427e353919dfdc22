// SPDX-License-Identifier: MIT
// test_place.c: URLs of a server of Redis: what they say, and that no complaint shows a password.

#include "redis/redis_priv.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

static void a_url_says_where_the_server_is(void **state)
{
    static const struct {
        const char *url;
        struct redis_place place;
    } cases[] = {
        {"redis://localhost", {.host = "localhost", .port = 6379}},
        {"redis://localhost/", {.host = "localhost", .port = 6379}},
        {"redis://10.0.0.1:7000/5", {.host = "10.0.0.1", .port = 7000, .database = 5}},
        {"redis://[::1]", {.host = "::1", .port = 6379}},
        {"redis://[fd00::7]:7001/2", {.host = "fd00::7", .port = 7001, .database = 2}},
        {"redis://:secret@h", {.host = "h", .port = 6379, .password = "secret"}},
        {"redis://u:p%40%3A%2f@h:1/0", {.host = "h", .port = 1, .user = "u", .password = "p@:/"}},
        {"redis://u:p@q@h", {.host = "h", .port = 6379, .user = "u", .password = "p@q"}},
        {"rediss://h:6380", {.host = "h", .port = 6380, .tls = true}},
        {"unix:///run/redis.sock", {.host = "/run/redis.sock", .is_socket = true}},
        {"unix://:s@/a@b/r?db=9",
         {.host = "/a@b/r", .is_socket = true, .password = "s", .database = 9}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct redis_place *expected = &cases[i].place;
        struct redis_place p;
        struct fault f = {0};
        if (redis__place_parse(cases[i].url, &p, &f))
            fail_msg("%s: %s", cases[i].url, f.text);
        assert_string_equal(p.host, expected->host);
        assert_int_equal(p.port, expected->port);
        assert_int_equal(p.database, expected->database);
        assert_string_equal(p.user, expected->user);
        assert_string_equal(p.password, expected->password);
        assert_int_equal(p.tls, expected->tls);
        assert_int_equal(p.is_socket, expected->is_socket);
    }
}

static void a_bad_url_is_refused_without_showing_its_password(void **state)
{
    static const char *const urls[] = {
        "",
        "localhost",
        "http://:SECRET@h",
        "redis://",
        "redis://:SECRET@",
        "redis://SECRET@h",
        "redis://:SECRET@h:0",
        "redis://:SECRET@h:65536",
        "redis://:SECRET@h:x",
        "redis://:SECRET@h/x",
        "redis://:SECRET@h/1/2",
        "redis://:SECRET@h/-1",
        "redis://:SECRET%4@h",
        "redis://:SECRET%00@h",
        "redis://:SECRET%zz@h",
        "redis://:SECRET@[::1",
        "redis://:SECRET@[::1]x",
        "redis://:SECRET@[::1]x:6379",
        "redis://:SECRET@h%41",
        "redis://:SECRET@a\nb",
        "unix://:SECRET@relative",
        "unix://:SECRET@/a?x=1",
        "unix:///a?db=",
        "unix://",
    };
    char too_long[2048], long_path[256];
    (void)state;
    memset(too_long, 'x', sizeof too_long);
    memcpy(too_long, "redis://", 8);
    too_long[sizeof too_long - 1] = '\0';
    memset(long_path, 'x', sizeof long_path);
    memcpy(long_path, "unix:///", 8);
    long_path[8 + 107] = '\0';
    for (size_t i = 0; i < COUNT_OF(urls) + 2; i++) {
        const char *url = i < COUNT_OF(urls) ? urls[i] : i == COUNT_OF(urls) ? too_long : long_path;
        struct redis_place p = {.port = 7};
        struct fault f = {0};
        if (redis__place_parse(url, &p, &f) != ERR_SYNTAX)
            fail_msg("accepted: %s", url);
        assert_int_equal(p.port, 7);
        assert_null(strstr(f.text, "SECRET"));
        assert_true(strlen(f.text) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_says_where_the_server_is),
        cmocka_unit_test(a_bad_url_is_refused_without_showing_its_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
