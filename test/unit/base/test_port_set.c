// SPDX-License-Identifier: MIT
// test_port_set.c: a list of ports means what it says, and is refused when it says nothing.

#include "base/port_set.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static size_t count(const struct port_set *s)
{
    size_t n = 0;
    for (unsigned port = 0; port <= UINT16_MAX; port++)
        n += port_set_has(s, (uint16_t)port);
    return n;
}

static const struct {
    const char *text;
    size_t count;
    uint16_t in, out;
} good[] = {
    {"", 0, 0, 80},         {"25", 1, 25, 26},
    {"1-3, 5", 4, 3, 4},    {" 8000-8001,", 2, 8001, 8002},
    {"65535", 1, 65535, 0}, {"all", 65536, 1, 0},
};

static void a_list_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct port_set s;
        assert_int_equal(port_set_parse(good[i].text, &s, NULL), ERR_OK);
        assert_int_equal(count(&s), good[i].count);
        if (good[i].count > 0)
            assert_true(port_set_has(&s, good[i].in));
        if (good[i].count < 65536)
            assert_false(port_set_has(&s, good[i].out));
    }
}

static void a_number_that_is_no_port_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"0",    "65536", "70000",   "999999", "-1",    "80-",
                                      "-80",  "9-8",   "8x",      "smtp",   "1-2-3", "0-10",
                                      "+80",  "1 - 2", "80;",     "1--2",   "80-x",  "ALL",
                                      "0x50", "80.0",  "00000080"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct port_set s = {{7}};
        struct fault f = {0};
        if (port_set_parse(bad[i], &s, &f) != ERR_SYNTAX)
            fail_msg("accepted: %s", bad[i]);
        assert_true(*f.text);
        assert_int_equal(s.bits[0], 7); // Unchanged.
    }
}

// The ports that browsers refuse, and servers that take what they are sent for commands.
static void unsafe_ports_are_those_where_no_http_is_expected(void **state)
{
    (void)state;
    static const uint16_t bad[] = {22, 25, 53, 110, 587, 2375, 5432, 6379, 6667, 10250, 11211};
    static const uint16_t fine[] = {80, 443, 3000, 5000, 8000, 8080, 8443, 9000, 9200, 50000};
    struct port_set s;
    assert_int_equal(port_set_parse(PORT_SET_UNSAFE, &s, NULL), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_true(port_set_has(&s, bad[i]));
        assert_non_null(port_protocol(bad[i]));
    }
    for (size_t i = 0; i < COUNT_OF(fine); i++) {
        assert_false(port_set_has(&s, fine[i]));
        assert_null(port_protocol(fine[i]));
    }
    assert_string_equal(port_protocol(11211), "memcached");
    struct port_set some;
    assert_int_equal(port_set_parse("25,80", &some, NULL), ERR_OK);
    port_set_remove(&s, &some);
    assert_false(port_set_has(&s, 25));
    assert_true(port_set_has(&s, 6379));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read),
        cmocka_unit_test(a_number_that_is_no_port_is_refused),
        cmocka_unit_test(unsafe_ports_are_those_where_no_http_is_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
