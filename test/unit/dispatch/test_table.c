// SPDX-License-Identifier: MIT
// test_table.c: what was added is found, what was removed is not, through every doubling.

#include "base/memory.h"
#include "dispatch/wire/table_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>

#define MANY 5000

struct host {
    struct table_entry entry;
    char name[32];
};

static void entries_are_found_until_they_are_removed(void **state)
{
    (void)state;
    struct table t = {0};
    struct host *hosts = xcalloc(MANY, sizeof *hosts);
    assert_null(table__find(&t, "host-0"));
    for (int i = 0; i < MANY; i++) {
        snprintf(hosts[i].name, sizeof hosts[i].name, "host-%d", i);
        hosts[i].entry.key = hosts[i].name;
        assert_null(table__find(&t, hosts[i].name));
        table__add(&t, &hosts[i].entry);
        assert_ptr_equal(table__find(&t, hosts[i / 2].name), &hosts[i / 2].entry);
    }
    assert_int_equal(t.count, MANY);
    for (int i = 0; i < MANY; i += 2)
        table__remove(&t, &hosts[i].entry);
    assert_int_equal(t.count, MANY / 2);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(table__find(&t, hosts[i].name), i % 2 ? &hosts[i].entry : NULL);
    table__fini(&t);
    free(hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found_until_they_are_removed),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
