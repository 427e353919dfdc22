// SPDX-License-Identifier: MIT
// test_intern.c: equal values are kept once, for as long as somebody holds them.

#include "base/intern.h"

#include "base/memory.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

struct value {
    uint64_t first;
    uint64_t second;
};

static const void *take(struct intern *t, uint64_t first, uint64_t second)
{
    struct value v = {first, second};
    return intern_take(t, &v);
}

static void equal_values_are_one_copy(void **state)
{
    (void)state;
    struct intern t;
    intern_init(&t, sizeof(struct value));
    const struct value *a = take(&t, 1, 2);
    assert_ptr_equal(take(&t, 1, 2), a);
    assert_int_equal(t.count, 1);
    assert_int_equal(a->first, 1);
    assert_int_equal(a->second, 2);
    assert_ptr_not_equal(take(&t, 1, 3), a); // The last byte decides as well as the first.
    assert_ptr_not_equal(take(&t, 2, 2), a);
    assert_int_equal(t.count, 3);
    intern_fini(&t);
}

static void a_copy_goes_with_its_last_user(void **state)
{
    (void)state;
    struct intern t;
    intern_init(&t, sizeof(struct value));
    const struct value *a = take(&t, 7, 7);
    take(&t, 7, 7);
    intern_release(&t, a);
    assert_int_equal(t.count, 1);
    assert_int_equal(a->first, 7); // Still there.
    intern_release(&t, a);
    assert_int_equal(t.count, 0);
    intern_release(&t, NULL);
    intern_fini(&t);
}

// Enough for the table to double often; then every other one goes, out of the midst of its bucket.
static void many_values_stay_apart(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    struct intern t;
    intern_init(&t, sizeof(struct value));
    const struct value **copies = xcalloc(MANY, sizeof(struct value *));
    for (uint64_t i = 0; i < MANY; i++)
        copies[i] = take(&t, i, i << 40);
    assert_int_equal(t.count, MANY);
    for (size_t i = 0; i < MANY; i += 2)
        intern_release(&t, copies[i]);
    assert_int_equal(t.count, MANY / 2);
    for (uint64_t i = 1; i < MANY; i += 2) {
        assert_ptr_equal(take(&t, i, i << 40), copies[i]);
        assert_int_equal(copies[i]->first, i);
    }
    assert_int_equal(t.count, MANY / 2);
    free(copies);
    intern_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_values_are_one_copy),
        cmocka_unit_test(a_copy_goes_with_its_last_user),
        cmocka_unit_test(many_values_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
