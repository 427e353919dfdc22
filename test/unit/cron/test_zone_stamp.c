// SPDX-License-Identifier: MIT
// test_zone_stamp.c: a zone file that was touched, replaced or changed is told from the one that
// was read.

#include "zones/zone_files_priv.h"

#include "base/err.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define STAMP                                                                                      \
    .device = 1, .inode = 2, .bytes = 3, .modified = {.tv_sec = 4, .tv_nsec = 5},                  \
    .changed = {.tv_sec = 6, .tv_nsec = 7}

static void a_stamp_differs_when_any_of_its_members_does(void **state)
{
    (void)state;
    const struct zone_stamp stamp = {STAMP}, same = {STAMP};
    struct zone_stamp others[] = {{STAMP}, {STAMP}, {STAMP}, {STAMP}, {STAMP}, {STAMP}, {STAMP}};
    others[0].device++;
    others[1].inode++;
    others[2].bytes++;
    others[3].modified.tv_sec++;
    others[4].modified.tv_nsec++;
    others[5].changed.tv_sec++;
    others[6].changed.tv_nsec++;
    assert_true(zone__stamp_same(&stamp, &same));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(zone__stamp_same(&stamp, &others[i]));
}

static void a_file_that_nobody_touched_keeps_its_stamp(void **state)
{
    (void)state;
    struct zone_stamp first, second;
    assert_true(zone__stamp("/usr/share/zoneinfo", "Europe/Paris", &first));
    assert_true(zone__stamp("/usr/share/zoneinfo", "Europe/Paris", &second));
    assert_true(zone__stamp_same(&first, &second));
    assert_true(zone__stamp("/usr/share/zoneinfo", "Asia/Tokyo", &second));
    assert_false(zone__stamp_same(&first, &second));
    assert_false(zone__stamp("/usr/share/zoneinfo", "Europe/Atlantis", &second));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stamp_differs_when_any_of_its_members_does),
        cmocka_unit_test(a_file_that_nobody_touched_keeps_its_stamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
