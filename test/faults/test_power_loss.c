// SPDX-License-Identifier: MIT
// test_power_loss.c: the power goes at the nth change of the disk, for every n, and comes back.
//
// Of what was not synced the disk then has nothing, all, or some sectors in any order. Whatever was
// acknowledged is there, and what was not is there as a whole or not at all: this is what
// synchronous=FULL is for.

#include "story.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

struct losses {
    unsigned cuts;
    unsigned lost;
    unsigned cuts_since; // From the first loss on: before it the database was being made.
};

static struct losses cut_at_every(uint32_t calls, enum disk_failure failure, enum disk_loss loss,
                                  bool ignore_syncs)
{
    struct losses l = {0};
    bool reached = true;
    for (uint64_t nth = 1; reached; nth += ignore_syncs ? 10 : 1) {
        struct story_turn turn = {.plan = {calls, nth, false, failure},
                                  .power_is_cut = true,
                                  .loss = loss,
                                  .random = nth};
        disk_start();
        disk_ignore_syncs(ignore_syncs);
        struct story_end end = story_tell(&turn);
        disk_stop();
        reached = end.reached;
        l.cuts += reached;
        l.lost += end.lost;
        l.cuts_since += reached && l.lost > 0;
    }
    print_message("%u cuts, %u times something was lost\n", l.cuts, l.lost);
    return l;
}

static void assert_nothing_lost(struct losses l, unsigned cuts_min)
{
    assert_true(l.cuts >= cuts_min);
    assert_int_equal(l.lost, 0);
}

static void an_acknowledged_commit_does_not_wait_in_a_cache(void **state)
{
    (void)state;
    assert_nothing_lost(cut_at_every(DISK_ON_CHANGES, DISK_DEAD, DISK_LOSES_ALL, false), 100);
}

static void a_process_that_dies_leaves_whole_commits(void **state)
{
    (void)state;
    assert_nothing_lost(cut_at_every(DISK_ON_CHANGES, DISK_DEAD, DISK_LOSES_NONE, false), 100);
}

static void sectors_that_arrive_in_any_order_are_sorted_out(void **state)
{
    (void)state;
    assert_nothing_lost(cut_at_every(DISK_ON_CHANGES, DISK_DEAD, DISK_LOSES_SOME, false), 100);
}

// What a failed sync should have written may be dropped, although it is read back: whoever tries
// again must write it again.
static void after_a_full_disk_everything_is_written_again(void **state)
{
    (void)state;
    assert_nothing_lost(cut_at_every(DISK_ON(DISK_SYNC), DISK_FULL, DISK_LOSES_ALL, false), 10);
}

// A test of this test: on a disk that only says that it has synced, it sees the loss.
static void a_disk_that_lies_is_found_out(void **state)
{
    (void)state;
    struct losses l = cut_at_every(DISK_ON_CHANGES, DISK_DEAD, DISK_LOSES_ALL, true);
    assert_true(l.lost > l.cuts_since / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_acknowledged_commit_does_not_wait_in_a_cache),
        cmocka_unit_test(a_process_that_dies_leaves_whole_commits),
        cmocka_unit_test(sectors_that_arrive_in_any_order_are_sorted_out),
        cmocka_unit_test(after_a_full_disk_everything_is_written_again),
        cmocka_unit_test(a_disk_that_lies_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
