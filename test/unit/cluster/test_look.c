// SPDX-License-Identifier: MIT
// test_look.c: a node follows the clock of its database, and says when that is another time than
// the machine's, or is set.

#include "cluster/postgres/postgres_priv.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define S 1000000LL

static struct postgres_cluster node = {.lock = PTHREAD_MUTEX_INITIALIZER};
static FILE *kept;
static int stderr_before;
static int64_t machine_us; // From clock_mono_us to the machine's clock, when the test began.

static int setup(void **state)
{
    (void)state;
    node.offset = (struct offset_view){0};
    node.told_clock_at = 0;
    machine_us = clock_machine_us() - clock_mono_us();
    kept = tmpfile();
    stderr_before = dup(STDERR_FILENO);
    return dup2(fileno(kept), STDERR_FILENO) < 0;
}

static int teardown(void **state)
{
    (void)state;
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    return fclose(kept);
}

// The database answers at once that its clock is so far ahead of the machine's.
static void answer(int64_t ahead_us)
{
    int64_t now_us = clock_mono_us();
    cluster__note_clock(&node, now_us + machine_us + ahead_us, now_us, now_us);
}

static unsigned times_said(const char *words)
{
    static char text[16384];
    unsigned count = 0;
    rewind(kept);
    text[fread(text, 1, sizeof text - 1, kept)] = '\0';
    for (const char *at = text; (at = strstr(at, words)); at++)
        count++;
    return count;
}

static void machine_that_is_off_is_told_of_once(void **state)
{
    (void)state;
    answer(-300 * S);
    answer(-300 * S);
    assert_int_equal(times_said("cluster.clock_differs machine_ahead_ms="), 1);
    assert_in_range(clock_machine_us() - clock_wall_us(), 299 * S, 301 * S);
    answer(0);
    assert_int_equal(times_said("cluster.clock_differs"), 1);
    answer(-300 * S);
    assert_int_equal(times_said("cluster.clock_differs"), 2);
}

static void machine_that_is_right_is_not_told_of(void **state)
{
    (void)state;
    answer(S);
    answer(-S);
    assert_int_equal(times_said("cluster.clock_differs"), 0);
}

static void step_of_the_databases_clock_is_told_of(void **state)
{
    (void)state;
    answer(0);
    answer(3600 * S);
    assert_int_equal(times_said("cluster.clock_stepped step_ms=3600000"), 1);
    assert_in_range(clock_wall_us() - clock_machine_us(), 3599 * S, 3601 * S);
    answer(0);
    assert_int_equal(times_said("cluster.clock_stepped step_ms=-3600000"), 1);
}

// When the answers of two threads cross, the one that came last counts.
static void answer_that_is_overtaken_changes_nothing(void **state)
{
    (void)state;
    int64_t now_us = clock_mono_us();
    cluster__note_clock(&node, 2000 * S + now_us, now_us, now_us);
    cluster__note_clock(&node, 9000 * S + now_us, now_us - 5, now_us - 1);
    assert_int_equal(clock_wall_us() / S - clock_mono_us() / S, 2000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(machine_that_is_off_is_told_of_once),
        TEST(machine_that_is_right_is_not_told_of),
        TEST(step_of_the_databases_clock_is_told_of),
        TEST(answer_that_is_overtaken_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
