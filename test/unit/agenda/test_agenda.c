// SPDX-License-Identifier: MIT
// test_agenda.c: what is due leaves in order of time, then of tie, whatever was moved or removed.

#include "agenda/agenda.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdlib.h>

// The node is the first member, so a node is its entry.
struct item {
    struct agenda_node node;
    int64_t at;
    int64_t tie;
    bool in;
};

static struct item *pop(struct agenda *a, int64_t now)
{
    return (struct item *)agenda_pop(a, now);
}

static void put(struct agenda *a, struct item *i, int64_t at, int64_t tie)
{
    i->at = at;
    i->tie = tie;
    i->in = true;
    agenda_put(a, &i->node, at, tie);
}

static void an_empty_agenda_is_never_due(void **state)
{
    (void)state;
    struct agenda *a = agenda_new();
    struct item i = {0};
    assert_null(agenda_pop(a, INT64_MAX));
    assert_true(agenda_next(a) == AGENDA_NEVER);
    assert_int_equal(agenda_count(a), 0);
    agenda_remove(a, &i.node); // The node is not there: nothing happens.
    agenda_free(a);
    agenda_free(NULL);
}

static void nothing_leaves_before_its_time(void **state)
{
    (void)state;
    struct agenda *a = agenda_new();
    struct item i = {0};
    put(a, &i, 1000, 1);
    assert_null(pop(a, 999));
    assert_int_equal(agenda_next(a), 1000);
    assert_int_equal(agenda_when(a, &i.node), 1000);
    assert_ptr_equal(pop(a, 1000), &i);
    assert_int_equal(i.node.position, 0);
    assert_null(pop(a, 5000));
    agenda_free(a);
}

// What is due at once leaves in order of tie, whatever the order it came in: a log that is replayed
// must give the same actions in the same order.
static void ties_leave_in_order(void **state)
{
    (void)state;
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}};
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        struct agenda *a = agenda_new();
        struct item items[4] = {0};
        for (int k = 0; k < 4; k++)
            put(a, &items[orders[o][k]], 1000, orders[o][k] - 2); // Ties may be negative.
        for (int k = 0; k < 4; k++)
            assert_ptr_equal(pop(a, 1000), &items[k]);
        agenda_free(a);
    }
}

static void a_node_has_one_entry_and_moves(void **state)
{
    (void)state;
    struct agenda *a = agenda_new();
    struct item x = {0}, y = {0};
    put(a, &x, 1000, 1);
    put(a, &y, 2000, 2);
    put(a, &x, 3000, 1); // Later,
    assert_int_equal(agenda_count(a), 2);
    assert_int_equal(agenda_next(a), 2000);
    put(a, &x, 500, 1); // earlier,
    assert_int_equal(agenda_next(a), 500);
    put(a, &x, 500, 1); // and where it is already.
    assert_ptr_equal(pop(a, 9999), &x);
    assert_ptr_equal(pop(a, 9999), &y);
    agenda_free(a);
}

static void a_removed_node_does_not_leave_the_agenda(void **state)
{
    (void)state;
    struct agenda *a = agenda_new();
    struct item x = {0}, y = {0};
    put(a, &x, 1000, 1);
    put(a, &y, 1000, 2);
    agenda_remove(a, &x.node);
    agenda_remove(a, &x.node);
    assert_int_equal(x.node.position, 0);
    assert_ptr_equal(pop(a, 1000), &y);
    assert_null(pop(a, 1000));
    agenda_free(a);
}

// --- Random operations against the slowest agenda there is: look at everything ---

#define ITEMS 200

static struct item *first_of(struct item *items)
{
    struct item *first = NULL;
    for (struct item *i = items; i < items + ITEMS; i++) {
        bool earlier = first && (i->at < first->at || (i->at == first->at && i->tie < first->tie));
        if (i->in && (!first || earlier))
            first = i;
    }
    return first;
}

static size_t count_of(const struct item *items)
{
    size_t count = 0;
    for (const struct item *i = items; i < items + ITEMS; i++)
        count += i->in;
    return count;
}

static void pop_both(struct agenda *a, struct item *items, int64_t now)
{
    struct item *expected = first_of(items);
    if (expected && expected->at > now)
        expected = NULL;
    assert_ptr_equal(pop(a, now), expected);
    if (expected)
        expected->in = false;
}

// Few different times make many ties; `bias` decides whether the agenda tends to grow or to shrink.
static void play(unsigned seed)
{
    struct agenda *a = agenda_new();
    struct item items[ITEMS] = {0};
    srand(seed);
    for (int step = 0; step < 2000; step++) {
        int bias = step / 500 % 2 ? 3 : 7;
        int index = rand() % ITEMS;
        struct item *i = &items[index];
        if (rand() % 10 < bias) {
            put(a, i, rand() % 50, index);
        } else if (rand() % 2) {
            agenda_remove(a, &i->node);
            i->in = false;
        } else {
            pop_both(a, items, rand() % 50);
        }
        struct item *first = first_of(items);
        assert_true(agenda_next(a) == (first ? first->at : AGENDA_NEVER));
        assert_int_equal(agenda_count(a), count_of(items));
        if (i->in)
            assert_int_equal(agenda_when(a, &i->node), i->at);
    }
    while (count_of(items))
        pop_both(a, items, 50);
    assert_null(pop(a, INT64_MAX));
    agenda_free(a);
}

static void random_operations_agree_with_a_list(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++)
        play(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_agenda_is_never_due),
        cmocka_unit_test(nothing_leaves_before_its_time),
        cmocka_unit_test(ties_leave_in_order),
        cmocka_unit_test(a_node_has_one_entry_and_moves),
        cmocka_unit_test(a_removed_node_does_not_leave_the_agenda),
        cmocka_unit_test(random_operations_agree_with_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
