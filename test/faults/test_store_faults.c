// SPDX-License-Identifier: MIT
// test_store_faults.c: the nth call of SQLite to its disk fails, for every n, once and for good.
//
// Whatever fails is reported by the code that the port promises for it, or makes no difference;
// everything acknowledged is there when the database is opened again, and every commit is whole.

#include "../contract/store_fixture.h"
#include "store/sqlite/sqlite_priv.h"
#include "story.h"

// Tells the story again and again, until it ends before the nth call. Returns how often an error
// was reported.
static unsigned fail_every(uint32_t calls, enum disk_failure failure, bool lasting)
{
    unsigned reported = 0;
    bool reached = true;
    for (uint64_t nth = 1; reached; nth++) {
        struct story_turn turn = {.plan = {calls, nth, lasting, failure}};
        disk_start();
        struct story_end end = story_tell(&turn);
        disk_stop();
        if (end.lost)
            fail_msg("call %llu: something is lost", (unsigned long long)nth);
        reached = end.reached;
        reported += end.reported;
    }
    print_message("%u errors\n", reported);
    return reported;
}

static void a_disk_that_breaks_once_loses_nothing(void **state)
{
    (void)state;
    assert_true(fail_every(DISK_ON_EVERY, DISK_BROKEN, false) > 100);
}

static void a_disk_that_breaks_for_good_loses_nothing(void **state)
{
    (void)state;
    assert_true(fail_every(DISK_ON_CHANGES, DISK_BROKEN, true) > 100);
}

// What needs room: also a sync, and the shared index of the log, may find that there is none.
#define ON_ROOM (DISK_ON(DISK_OPEN) | DISK_ON(DISK_WRITE) | DISK_ON(DISK_SYNC) | DISK_ON(DISK_MAP))

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    assert_true(fail_every(ON_ROOM, DISK_FULL, true) > 20);
}

static void a_database_that_others_lock_loses_nothing(void **state)
{
    (void)state;
    assert_true(fail_every(DISK_ON(DISK_LOCK), DISK_BUSY, true) > 20);
}

// A full disk is waited for, a broken one ends the server. What SQLite remembers of an earlier
// error must not make one look like the other.
static void a_broken_disk_is_not_taken_for_a_full_one(void **state)
{
    (void)state;
    const struct disk_plan full = {DISK_ON(DISK_SYNC), 1, false, DISK_FULL};
    const struct disk_plan broken = {DISK_ON(DISK_SYNC), 1, false, DISK_BROKEN};
    struct fault f = {0};
    disk_start();
    struct store_fixture *x = store_fixture_new(&store_adapters[STORE_SQLITE]);
    store_fill(x, 1, 1);
    disk_plan(&full);
    ((struct sqlite_store *)x->store)->log_pages = 1 << 20; // So long that it is folded in.
    assert_int_equal(store_tidy(x->store, &f), ERR_STORE_FULL);

    disk_plan(&broken);
    struct batch *b = store_batch(x);
    store_add_insert(b, store_execution(2, 1, STORE_T0));
    assert_int_equal(store_try(x, b), ERR_STORE_IO);
    disk_plan(NULL);
    store_fixture_free(x);
    disk_stop();
}

// A disk whose calls fail from the nth on, and what a commit must then come to.
static const struct {
    uint32_t calls;
    enum disk_failure failure;
    enum commit_outcome outcome;
    enum err cause;
    const char *what; // In words, to the server's operator. NULL: the process ends.
} outcomes[] = {
    {DISK_ON(DISK_LOCK), DISK_BUSY, COMMIT_AGAIN, ERR_BUSY, "another program holds the database"},
    {DISK_ON(DISK_WRITE) | DISK_ON(DISK_SYNC), DISK_FULL, COMMIT_AGAIN, ERR_STORE_FULL,
     "the disk is full"},
    {DISK_ON(DISK_WRITE) | DISK_ON(DISK_SYNC), DISK_BROKEN, COMMIT_LOST, ERR_STORE_IO, NULL},
};

// False when the commit needed fewer calls than that.
static bool commit_fails_as_told(size_t i, uint64_t nth)
{
    const struct disk_plan plan = {outcomes[i].calls, nth, true, outcomes[i].failure};
    struct commit_cause cause = {0};
    disk_start();
    struct store_fixture *x = store_fixture_new(&store_adapters[STORE_SQLITE]);
    store_fill(x, 1, 1);
    struct batch *b = store_batch(x);
    store_add_insert(b, store_execution(2, 1, STORE_T0));
    disk_plan(&plan);
    enum commit_outcome outcome = store_commit(x->store, &b, 1, &cause);
    bool reached = disk_plan_was_reached();
    disk_plan(NULL);
    assert_int_equal(outcome, reached ? outcomes[i].outcome : COMMIT_DONE);
    if (reached) {
        const struct store_stall *stall = store_stall_find(cause.fault.code);
        assert_int_equal(cause.fault.code, outcomes[i].cause);
        assert_false(cause.is_doubtful);
        assert_int_equal(stall != NULL, outcomes[i].what != NULL);
        if (stall)
            assert_string_equal(stall->what, outcomes[i].what);
    }
    cause = (struct commit_cause){0};
    if (outcome == COMMIT_AGAIN)
        assert_int_equal(store_commit(x->store, &b, 1, &cause), COMMIT_DONE);
    batch_free(b);
    store_fixture_free(x);
    disk_stop();
    return reached;
}

static void every_failure_of_a_commit_has_its_outcome_and_its_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
        uint64_t nth = 1;
        while (commit_fails_as_told(i, nth))
            nth++;
        assert_true(nth > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_breaks_once_loses_nothing),
        cmocka_unit_test(a_disk_that_breaks_for_good_loses_nothing),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(a_database_that_others_lock_loses_nothing),
        cmocka_unit_test(every_failure_of_a_commit_has_its_outcome_and_its_words),
        cmocka_unit_test(a_broken_disk_is_not_taken_for_a_full_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
