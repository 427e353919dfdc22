// SPDX-License-Identifier: MIT
// test_dispatch_names.c: what our own client learns of a name, in which order its addresses are
// tried, and how many names it keeps.

#include "base/memory.h"
#include "dispatch/wire/resolve_priv.h"
#include "scripted_names.h"

#include <arpa/inet.h>
#include <stdio.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static const struct name_script scripts[] = {
    {.name = "both.test",
     .addresses = {"127.0.0.1", "127.0.0.2", "127.0.0.3", "::1", "::2", "::3"},
     .ttl_s = 60},
    {.name = "uneven.test", .addresses = {"127.0.0.1", "::1", "::2", "::3"}, .ttl_s = 60},
    {.name = "six.test", .addresses = {"::1", "::2"}, .ttl_s = 60},
    {.name = "crowd.test",
     .addresses = {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6",
                   "127.0.0.7", "127.0.0.8", "127.0.0.9", "127.0.0.10"},
     .ttl_s = 60},
    {.name = "first.test", .addresses = {"127.0.0.1"}, .ttl_s = 60},
    {.name = "second.test", .addresses = {"127.0.0.2"}, .ttl_s = 60},
    {.name = "*", .silent = true},
    {.name = NULL},
};

// A question and what it was answered.
struct asking {
    struct question question;
    bool answered;
    struct addresses addresses;
};

static struct loop *loop;
static struct deadlines deadlines;
static struct scripted_names *server;
static struct resolver *resolver;
static struct asking crowd[NAMES_MAX + 1];

static void nothing_more(void *context)
{
    (void)context;
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(loop_open(&loop, NULL), ERR_OK);
    assert_int_equal(deadlines__open(&deadlines, loop, nothing_more, NULL, NULL), ERR_OK);
    server = scripted_names_open(loop, scripts);
    assert_int_equal(resolver__open(loop, &deadlines, scripted_names_server(server), nothing_more,
                                    NULL, &resolver, NULL),
                     ERR_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    resolver__close(resolver);
    scripted_names_close(server);
    deadlines__close(&deadlines);
    loop_close(loop);
    return 0;
}

static void answered(void *context, const struct addresses *a)
{
    struct asking *asking = context;
    assert_false(asking->answered);
    asking->answered = true;
    asking->addresses = *a;
}

// Whether the answer came inside the call.
static bool ask(struct asking *a, const char *name)
{
    *a = (struct asking){.question = {.answered = answered, .context = a}};
    resolver__ask(resolver, name, &a->question);
    return a->answered;
}

static struct addresses learn(const char *name)
{
    struct asking a;
    ask(&a, name);
    while (!a.answered)
        loop_turn(loop, -1);
    return a.addresses;
}

// Asks for names that nobody answers for, from `crowd[from]` up to `crowd[to]`.
static void ask_in_vain(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        char name[32];
        snprintf(name, sizeof name, "silent-%zu.test", i);
        assert_false(ask(&crowd[i], name));
    }
}

static void forget_in_vain(size_t count)
{
    for (size_t i = 0; i < count; i++)
        resolver__forget(&crowd[i].question);
}

// --- Addresses -----------------------------------------------------------------------------------

static unsigned last_byte(const union address *a)
{
    return a->any.sa_family == AF_INET6 ? a->v6.sin6_addr.s6_addr[15]
                                        : ntohl(a->v4.sin_addr.s_addr) & 0xff;
}

// c-ares decides which family comes first, by what this machine has an address of.
static void addresses_of_both_families_alternate_and_none_is_lost(void **state)
{
    (void)state;
    const struct addresses a = learn("both.test");
    unsigned seen[2] = {0}; // For each family a bit for each address.
    assert_int_equal(a.count, 6);
    for (size_t i = 0; i < a.count; i++) {
        assert_int_equal(a.list[i].any.sa_family == a.list[0].any.sa_family, i % 2 == 0);
        seen[i % 2] |= 1U << last_byte(&a.list[i]);
    }
    assert_int_equal(seen[0], 0xe); // 1, 2 and 3.
    assert_int_equal(seen[1], 0xe);
}

static void addresses_of_one_family_follow_when_the_other_has_no_more(void **state)
{
    (void)state;
    const struct addresses uneven = learn("uneven.test");
    assert_int_equal(uneven.count, 4);
    assert_int_equal(uneven.list[2].any.sa_family, AF_INET6);
    assert_int_equal(uneven.list[3].any.sa_family, AF_INET6);
    assert_int_equal(learn("six.test").count, 2);
}

static void addresses_beyond_the_bound_are_left_out(void **state)
{
    (void)state;
    const struct addresses a = learn("crowd.test");
    assert_int_equal(a.count, ADDRESSES_MAX);
    for (size_t i = 1; i < a.count; i++)
        assert_true(last_byte(&a.list[i]) != last_byte(&a.list[i - 1]));
}

// --- How many names ------------------------------------------------------------------------------

static void a_name_beyond_the_bound_of_names_asked_for_has_no_address(void **state)
{
    (void)state;
    ask_in_vain(0, NAMES_MAX);
    assert_true(ask(&crowd[NAMES_MAX], "first.test"));
    assert_int_equal(crowd[NAMES_MAX].addresses.count, 0);
    forget_in_vain(NAMES_MAX);
}

static void the_name_that_was_unused_the_longest_makes_room(void **state)
{
    (void)state;
    struct asking a;
    learn("first.test");
    learn("second.test");
    assert_true(ask(&a, "first.test")); // Used again.
    ask_in_vain(0, NAMES_MAX - 2);
    assert_true(ask(&a, "second.test")); // Nothing had to go so far.
    assert_true(ask(&a, "first.test"));
    ask_in_vain(NAMES_MAX - 2, NAMES_MAX - 1); // Here goes the second name.
    assert_true(ask(&a, "first.test"));
    assert_int_equal(a.addresses.count, 1);
    assert_false(ask(&a, "second.test")); // The second name takes the room of the first.
    resolver__forget(&a.question);
    struct asking again;
    assert_true(ask(&again, "first.test"));
    assert_int_equal(again.addresses.count, 0);
    forget_in_vain(NAMES_MAX - 1);
}

// Two wait for one name, and the first of them asks for another when it is told.
struct chain {
    struct question question;
    struct asking next;
    bool is_next_answered_at_once;
};

static void ask_for_another(void *context, const struct addresses *a)
{
    struct chain *c = context;
    assert_int_equal(a->count, 1);
    c->is_next_answered_at_once = ask(&c->next, "another.test");
}

static void a_name_whose_askers_are_being_told_makes_no_room(void **state)
{
    (void)state;
    struct asking second = {.question = {.answered = answered, .context = &second}};
    struct chain first = {.question = {.answered = ask_for_another, .context = &first}};
    ask_in_vain(0, NAMES_MAX - 1);
    resolver__ask(resolver, "first.test", &first.question);
    resolver__ask(resolver, "first.test", &second.question);
    while (!second.answered)
        loop_turn(loop, -1);
    assert_true(first.is_next_answered_at_once); // There was no room for another name.
    assert_int_equal(first.next.addresses.count, 0);
    assert_int_equal(second.addresses.count, 1);
    forget_in_vain(NAMES_MAX - 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(addresses_of_both_families_alternate_and_none_is_lost),
        TEST(addresses_of_one_family_follow_when_the_other_has_no_more),
        TEST(addresses_beyond_the_bound_are_left_out),
        TEST(a_name_beyond_the_bound_of_names_asked_for_has_no_address),
        TEST(the_name_that_was_unused_the_longest_makes_room),
        TEST(a_name_whose_askers_are_being_told_makes_no_room),
    };
    return cmocka_run_group_tests_name("dispatch names", tests, NULL, NULL);
}
