// SPDX-License-Identifier: MIT
// test_sim.c: many seeds, no promise broken; and with arguments, the simulator as a command.

#include "play.h"
#include "shares.h"
#include "sim.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <inttypes.h>

#define HOUR_MS 3600000
#define COMMAND_SEEDS 100

// Sanitizers make everything ten times slower.
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SEEDS 700
#else
#define SEEDS 7000
#endif

static struct sim_report run(uint64_t seed, dur_ms length, bool calm)
{
    struct sim_options o = {.seed = seed, .length = length, .calm = calm};
    struct sim_report r;
    sim_run(&o, &r);
    if (r.failed)
        fail_msg("seed %" PRIu64 " breaks a promise: %s", seed, r.failure);
    return r;
}

static bool is_of_commands(enum happening h)
{
    return HAPPENING_COMMAND_CARRIED_OUT <= h && h <= HAPPENING_KEY_REPLAYED;
}

// A simulator in which something never happens would prove nothing about it.
static void check_that_all_happened(const struct tally *t)
{
    for (enum happening h = 0; h < HAPPENINGS; h++)
        if (!is_of_commands(h) && t->of[h] < SEEDS / 100)
            fail_msg("'%s' happened %" PRIu64 " times, in %d seeds", happening_words(h), t->of[h],
                     SEEDS);
}

static void no_seed_breaks_a_promise(void **state)
{
    (void)state;
    struct sim_report sum;
    shares_run(SEEDS, SIM_HOURS * HOUR_MS, &sum);
    if (sum.failed)
        fail_msg("seed %" PRIu64 " breaks a promise: %s", sum.seed, sum.failure);
    const uint64_t *n = sum.happened.of;
    printf("note: %d simulated hours: occurrences=%" PRIu64 " requests=%" PRIu64 " repeats=%" PRIu64
           " crashes=%" PRIu64 " lost=0\n",
           SEEDS * SIM_HOURS, n[HAPPENING_OCCURRENCE], n[HAPPENING_REQUEST], n[HAPPENING_REPEAT],
           n[HAPPENING_CRASH]);
    tally_print(&sum.happened, stdout);
    check_that_all_happened(&sum.happened);
}

// P3: with no fault, one occurrence causes one request.
static void without_faults_nothing_is_repeated(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        assert_int_equal(run(seed, HOUR_MS, true).happened.of[HAPPENING_REPEAT], 0);
}

// A shard lies fallow and is taken: its backlog makes nothing late that its owner had before.
static void a_gained_backlog_delays_no_other_shard(void **state)
{
    (void)state;
    struct sim_report sum = {0};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_options o = {
            .seed = seed, .length = HOUR_MS, .calm = true, .owners = SIM_OWNERS_MAX};
        struct sim_report r;
        sim_run(&o, &r);
        if (r.failed)
            fail_msg("seed %" PRIu64 " breaks a promise: %s", seed, r.failure);
        tally_add(&sum.happened, &r.happened);
    }
    assert_true(sum.happened.of[HAPPENING_GIVEN_BACK] > 20);
    assert_true(sum.happened.of[HAPPENING_CAUGHT_UP] > 20);
    assert_int_equal(sum.happened.of[HAPPENING_REPEAT], 0);
}

// I10 and I13: what clients want goes through rows of commands to the owner, and is done once.
static void commands_are_carried_out_once(void **state)
{
    (void)state;
    struct tally sum = {0};
    for (uint64_t seed = 1; seed <= COMMAND_SEEDS; seed++) {
        struct sim_options o = {
            .seed = seed, .length = HOUR_MS, .commands = true, .owners = SIM_OWNERS_MAX};
        struct sim_report r;
        sim_run(&o, &r);
        if (r.failed)
            fail_msg("seed %" PRIu64 " breaks a promise: %s", seed, r.failure);
        tally_add(&sum, &r.happened);
    }
    for (enum happening h = 0; h < HAPPENINGS; h++)
        if (is_of_commands(h) && sum.of[h] < COMMAND_SEEDS / 10)
            fail_msg("'%s' happened %" PRIu64 " times", happening_words(h), sum.of[h]);
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
        cmocka_unit_test(a_gained_backlog_delays_no_other_shard),
        cmocka_unit_test(commands_are_carried_out_once),
        cmocka_unit_test(one_seed_gives_one_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return argc == 1 ? run_as_test() : sim_play(argc, argv);
}
