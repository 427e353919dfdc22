// SPDX-License-Identifier: MIT
// test_sim.c: many seeds, no promise broken; and one seed at a time for people.
//
// Without arguments this is a test program. `test_sim --seed N [--seeds COUNT] [--hours H | --days
// D] [--calm] [--verbose]` runs seeds N, N + 1, ... and prints a line for each.

#include "sim.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#define HOUR_MS 3600000
#define SEEDS 500
#define HOURS 3

static struct sim_report run(uint64_t seed, dur_ms length, bool calm)
{
    struct sim_options o = {.seed = seed, .length = length, .calm = calm};
    struct sim_report r;
    sim_run(&o, &r);
    if (r.failed)
        fail_msg("seed %" PRIu64 " breaks a promise: %s", seed, r.failure);
    return r;
}

static void no_seed_breaks_a_promise(void **state)
{
    (void)state;
    struct sim_report sum = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_report r = run(seed, HOURS * HOUR_MS, false);
        sum.occurrences += r.occurrences;
        sum.requests += r.requests;
        sum.repeats += r.repeats;
        sum.crashes += r.crashes;
        sum.commands += r.commands;
    }
    print_message("%d simulated hours: occurrences=%" PRIu64 " requests=%" PRIu64
                  " repeats=%" PRIu64 " crashes=%" PRIu64 " commands=%" PRIu64 " lost=0\n",
                  SEEDS * HOURS, sum.occurrences, sum.requests, sum.repeats, sum.crashes,
                  sum.commands);
    // A simulator in which nothing happens would prove nothing.
    assert_true(sum.occurrences > 100000 && sum.crashes > 2000 && sum.commands > 10000);
    assert_true(sum.repeats > 0);
}

// P3: with no fault, one occurrence causes one request.
static void without_faults_nothing_is_repeated(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        assert_int_equal(run(seed, HOUR_MS, true).repeats, 0);
}

static void one_seed_gives_one_trace(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        uint64_t hash = run(seed, HOUR_MS, false).hash;
        assert_int_equal(run(seed, HOUR_MS, false).hash, hash);
        assert_int_not_equal(run(seed + 1000, HOUR_MS, false).hash, hash);
    }
}

static int run_as_test(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_seed_breaks_a_promise),
        cmocka_unit_test(without_faults_nothing_is_repeated),
        cmocka_unit_test(one_seed_gives_one_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// --- For people ---

static bool run_and_print(const struct sim_options *o)
{
    struct sim_report r;
    sim_run(o, &r);
    printf("seed=%" PRIu64 " hash=%016" PRIx64 " events=%" PRIu64 " commands=%" PRIu64
           " crashes=%" PRIu64 " occurrences=%" PRIu64 " requests=%" PRIu64 " repeats=%" PRIu64
           " %s%s\n",
           o->seed, r.hash, r.events, r.commands, r.crashes, r.occurrences, r.requests, r.repeats,
           r.failed ? "BROKEN: " : "ok", r.failure);
    return !r.failed;
}

static int usage(void)
{
    fprintf(stderr, "usage: test_sim [--seed N] [--seeds COUNT] [--hours H] [--days D] [--calm] "
                    "[--verbose]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"seed", required_argument, NULL, 's'},
                                          {"seeds", required_argument, NULL, 'n'},
                                          {"hours", required_argument, NULL, 'h'},
                                          {"days", required_argument, NULL, 'd'},
                                          {"calm", no_argument, NULL, 'c'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {0}};
    struct sim_options o = {.seed = 1, .length = HOURS * HOUR_MS};
    long count = 1;
    if (argc == 1)
        return run_as_test();
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 's':
            o.seed = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            count = strtol(optarg, NULL, 10);
            break;
        case 'h':
            o.length = strtol(optarg, NULL, 10) * HOUR_MS;
            break;
        case 'd':
            o.length = strtol(optarg, NULL, 10) * 24 * HOUR_MS;
            break;
        case 'c':
            o.calm = true;
            break;
        case 'v':
            o.trace = stdout;
            break;
        default:
            return usage();
        }
    }
    bool good = true;
    for (; count > 0; count--, o.seed++)
        good &= run_and_print(&o);
    return good ? 0 : 1;
}
