// SPDX-License-Identifier: MIT
// test_server_census.c: which addresses are one client, and how many seats and how much memory each
// may have.

#include "api/server_census_priv.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static union socket_address address(const char *text)
{
    union socket_address a = {0};
    if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1)
        a.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1)
        a.any.sa_family = AF_INET6;
    else
        fail_msg("%s is no address", text);
    return a;
}

static void addresses_of_one_network_are_one_host(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff",
         true}, // The network of a single client.
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"::ffff:192.0.2.1", "192.0.2.1", true}, // Two spellings.
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        union socket_address a = address(cases[i].a);
        union socket_address b = address(cases[i].b);
        struct host_key one = host_key(&a);
        struct host_key other = host_key(&b);
        assert_int_equal(memcmp(&one, &other, sizeof one) == 0, cases[i].same);
    }
}

static void users_at_the_unix_socket_are_hosts_of_their_own(void **state)
{
    (void)state;
    union socket_address a = {.of_unix = {AF_UNIX, 1000}};
    union socket_address b = {.of_unix = {AF_UNIX, 1001}};
    union socket_address c = address("0.0.3.232"); // The same four bytes.
    struct host_key keys[] = {host_key(&a), host_key(&b), host_key(&c)};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        for (size_t k = i + 1; k < COUNT_OF(keys); k++)
            assert_int_not_equal(memcmp(&keys[i], &keys[k], sizeof keys[i]), 0);
}

static enum seat enter(struct census *c, const char *text, struct host **host)
{
    union socket_address a = address(text);
    return census__enter(c, &a, host);
}

static void seats_are_counted_in_all_and_for_each_host(void **state)
{
    (void)state;
    static const struct server_options o = {.connections_max = 8, .connections_per_address_max = 3};
    struct census c;
    struct host *hosts[8];
    struct host *host;
    census__init(&c, &o, 7);
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter(&c, "192.0.2.1", &hosts[i]), SEAT_GIVEN);
    assert_int_equal(enter(&c, "192.0.2.1", &host), SEAT_NONE_FOR_HOST);
    assert_true(census__is_crowded(&c, hosts[0])); // By itself.
    assert_int_equal(enter(&c, "192.0.2.2", &hosts[3]), SEAT_GIVEN);
    assert_false(census__is_crowded(&c, hosts[3]));
    for (int i = 4; i < 8; i++) // This machine may have half of all.
        assert_int_equal(enter(&c, "::1", &hosts[i]), SEAT_GIVEN);
    assert_true(census__is_crowded(&c, hosts[3])); // By all.
    assert_int_equal(enter(&c, "192.0.2.3", &host), SEAT_NONE_FREE);

    census__leave(&c, hosts[0]);
    assert_int_equal(enter(&c, "::1", &host), SEAT_NONE_FOR_HOST);
    assert_int_equal(enter(&c, "192.0.2.1", &hosts[0]), SEAT_GIVEN);
    for (int i = 0; i < 8; i++)
        census__leave(&c, hosts[i]);
    census__fini(&c);
}

// Many hosts come and go, in another order than they came.
static void hosts_are_forgotten_when_their_last_connection_leaves(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static const struct server_options o = {.connections_max = COUNT,
                                            .connections_per_address_max = 1};
    static struct host *hosts[COUNT];
    struct census c;
    struct host *host;
    census__init(&c, &o, 7);
    for (int round = 0; round < 3; round++) {
        char text[32];
        for (int i = 0; i < COUNT; i++) {
            snprintf(text, sizeof text, "10.0.%d.%d", i / 256, i % 256);
            assert_int_equal(enter(&c, text, &hosts[i]), SEAT_GIVEN);
            if (i + 1 < COUNT)
                assert_int_equal(enter(&c, text, &host), SEAT_NONE_FOR_HOST);
        }
        for (int i = 0; i < COUNT; i++)
            census__leave(&c, hosts[(i * 7 + round) % COUNT]);
    }
    for (size_t i = 0; i < c.hosts_count; i++)
        assert_null(c.hosts[i]);
    census__fini(&c);
}

static void a_budget_is_shared_and_nobody_has_more_than_half(void **state)
{
    (void)state;
    struct budget b = {.max = 100};
    atomic_size_t one = 0;
    atomic_size_t other = 0;
    assert_true(budget_take(&b, &one, 50));
    assert_false(budget_take(&b, &one, 1));
    assert_true(budget_take(&b, &other, 30));
    assert_true(budget_is_short(&b));
    assert_false(budget_take(&b, &other, 21));
    assert_true(budget_take(&b, &other, 20));
    assert_true(budget_is_used_up(&b));
    assert_false(budget_take(&b, NULL, 1));
    budget_add(&b, &one, 10); // What is not left.
    budget_give(&b, &one, 60);
    budget_give(&b, &other, 50);
    assert_int_equal(atomic_load(&b.used), 0);
    assert_true(budget_take(&b, &one, 1000)); // Alone, one may have more.
    assert_false(budget_take(&b, &other, 1));
    budget_give(&b, &one, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_one_network_are_one_host),
        cmocka_unit_test(users_at_the_unix_socket_are_hosts_of_their_own),
        cmocka_unit_test(seats_are_counted_in_all_and_for_each_host),
        cmocka_unit_test(hosts_are_forgotten_when_their_last_connection_leaves),
        cmocka_unit_test(a_budget_is_shared_and_nobody_has_more_than_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
