// SPDX-License-Identifier: MIT
// play.c: reads the command line, runs seed after seed, prints what came of each.

#include "play.h"

#include "sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#define HOUR_MS 3600000

struct wish {
    struct sim_options first;
    uint64_t seeds;
    bool until_broken; // Stop there, and print no other seed.
};

static const char usage_text[] =
    "usage: test_sim [--seed N] [--seeds COUNT] [--hours H | --days D] [--owners N] [--calm]\n"
    "                [--commands] [--until-broken] [--verbose]\n"
    "Runs the seeds N, N + 1, ... through simulated hours of traffic and faults.\n";

static void print(const struct sim_options *o, const struct sim_report *r)
{
    const uint64_t *n = r->happened.of;
    printf("seed=%" PRIu64 " hash=%016" PRIx64 " events=%" PRIu64 " crashes=%" PRIu64
           " occurrences=%" PRIu64 " requests=%" PRIu64 " repeats=%" PRIu64 " %s%s\n",
           o->seed, r->hash, r->events, n[HAPPENING_CRASH], n[HAPPENING_OCCURRENCE],
           n[HAPPENING_REQUEST], n[HAPPENING_REPEAT], r->failed ? "BROKEN: " : "ok", r->failure);
}

static void print_sum(const struct wish *wish, const struct tally *t)
{
    const uint64_t *n = t->of;
    printf("%" PRIu64 " simulated hours: occurrences=%" PRIu64 " requests=%" PRIu64
           " repeats=%" PRIu64 " crashes=%" PRIu64 " takeovers=%" PRIu64 " lost=0\n",
           wish->seeds * (uint64_t)wish->first.length / HOUR_MS, n[HAPPENING_OCCURRENCE],
           n[HAPPENING_REQUEST], n[HAPPENING_REPEAT], n[HAPPENING_CRASH], n[HAPPENING_TAKEN_OVER]);
}

static int run_all(const struct wish *wish)
{
    bool good = true;
    struct tally sum = {0};
    struct sim_options o = wish->first;
    for (uint64_t n = 0; n < wish->seeds && (good || !wish->until_broken); n++, o.seed++) {
        struct sim_report r;
        sim_run(&o, &r);
        good &= !r.failed;
        tally_add(&sum, &r.happened);
        if (r.failed || !wish->until_broken)
            print(&o, &r);
    }
    if (good && wish->seeds > 1 && !wish->until_broken)
        print_sum(wish, &sum);
    if (good && wish->until_broken)
        printf("no promise is broken in %" PRIu64 " seeds\n", wish->seeds);
    return good ? 0 : 1;
}

static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return '0' <= *text && *text <= '9' && *end == '\0' && *out <= max;
}

static bool read_option(struct wish *w, int option)
{
    uint64_t hours = 0, owners = 0;
    switch (option) {
    case 's':
        return read_number(optarg, UINT64_MAX, &w->first.seed);
    case 'n':
        return read_number(optarg, UINT64_MAX, &w->seeds);
    case 'h':
    case 'd':
        if (!read_number(optarg, 24 * 3660, &hours))
            return false;
        w->first.length = (dur_ms)hours * (option == 'd' ? 24 : 1) * HOUR_MS;
        return true;
    case 'o':
        if (!read_number(optarg, SIM_OWNERS_MAX, &owners))
            return false;
        w->first.owners = (unsigned)owners;
        return true;
    case 'k':
        return w->first.commands = true;
    case 'c':
        return w->first.calm = true;
    case 'u':
        return w->until_broken = true;
    case 'v':
        w->first.trace = stdout;
        return true;
    default:
        return false; // getopt_long has said why.
    }
}

int sim_play(int argc, char **argv)
{
    static const struct option names[] = {
        {"seed", required_argument, NULL, 's'},   {"seeds", required_argument, NULL, 'n'},
        {"hours", required_argument, NULL, 'h'},  {"days", required_argument, NULL, 'd'},
        {"owners", required_argument, NULL, 'o'}, {"commands", no_argument, NULL, 'k'},
        {"calm", no_argument, NULL, 'c'},         {"until-broken", no_argument, NULL, 'u'},
        {"verbose", no_argument, NULL, 'v'},      {0}};
    struct wish w = {.first = {.seed = 1, .length = SIM_HOURS * HOUR_MS}, .seeds = 1};
    bool clear = true;
    for (int c; clear && (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
        clear = read_option(&w, c);
    if (!clear || optind < argc) {
        fputs(usage_text, stderr);
        return 2;
    }
    return run_all(&w);
}
