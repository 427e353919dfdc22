// SPDX-License-Identifier: MIT
// cron_bench.c: nanoseconds per call of cron_next and cron_parse.
//
//   cron_bench          a table for people
//   cron_bench --tsv    the same with zone and start, for bench/cron.sh, which puts croner beside
//   it
//
// Each case is a schedule, a zone and starting points; calls go round the starting points. The best
// of several rounds is reported: the machine's other work only ever adds time.

#include "base/err.h"
#include "cron/cron.h"
#include "zones/zones.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 7
#define ROUND_NS 60000000 // 60 ms.
#define STARTS 64

struct bench {
    const char *name; // The key that bench/cron_peers.mjs uses as well.
    const char *text;
    const char *zone;
    const char *from; // Starting points lie within a day after it.
};

static const struct bench benches[] = {
    {"every minute", "* * * * *", "UTC", "2026-11-24T00:00:00Z"},
    {"every 15 minutes, Paris", "*/15 * * * *", "Europe/Paris", "2026-11-24T00:00:00Z"},
    {"daily, UTC", "30 2 * * *", "UTC", "2026-11-24T00:00:00Z"},
    {"daily, Paris, far from a change", "30 2 * * *", "Europe/Paris", "2026-11-24T00:00:00Z"},
    {"daily, Paris, before a gap", "30 2 * * *", "Europe/Paris", "2026-03-28T01:00:00Z"},
    {"daily, Paris, in a repeated hour", "30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z"},
    {"weekdays, New York", "0 9 * * MON-FRI", "America/New_York", "2026-11-24T00:00:00Z"},
    {"seed's example", "31 10-15 1 * * MON-FRI", "UTC", "2026-11-24T00:00:00Z"},
    {"last weekday of the month", "0 18 LW * *", "UTC", "2026-11-24T00:00:00Z"},
    {"Friday the 13th", "0 0 13 * +FRI", "UTC", "2026-11-24T00:00:00Z"},
    {"leap day on a Monday", "0 0 29 2 +MON", "UTC", "2026-11-24T00:00:00Z"},
    {"leap day on a Monday, Paris", "0 0 29 2 +MON", "Europe/Paris", "2072-03-01T00:00:00Z"},
    {"never: February 30", "0 0 30 2 *", "UTC", "2026-11-24T00:00:00Z"},
    {"never: years are over", "0 0 0 1 1 * 2020", "Europe/Paris", "2026-11-24T00:00:00Z"},
};

static volatile wall_ms sink; // Keeps the calls.

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what, const char *text)
{
    fprintf(stderr, "cron_bench: %s: %s\n", what, text);
    exit(1);
}

static struct cron_schedule parse(const char *text)
{
    struct cron_schedule s;
    struct cron_error e;
    if (cron_parse(text, strlen(text), NULL, &s, &e))
        die(text, e.message);
    return s;
}

static void call_next(const struct bench *b, const struct cron_schedule *s, const struct zone *z,
                      long calls)
{
    wall_ms from = 0;
    if (!wall_parse(b->from, strlen(b->from), &from))
        die("not a time", b->from);
    for (long i = 0; i < calls; i++)
        sink = cron_next(s, z, from + i % STARTS * 1350000); // 64 x 22.5 minutes are a day.
}

static void call_parse(const struct bench *b, const struct cron_schedule *s, const struct zone *z,
                       long calls)
{
    (void)z;
    (void)s;
    for (long i = 0; i < calls; i++)
        sink = parse(b->text).last_day;
}

typedef void call(const struct bench *, const struct cron_schedule *, const struct zone *, long);

static double measure(const struct bench *b, call *run)
{
    struct cron_schedule s = parse(b->text);
    const struct zone *z;
    struct fault f = {0};
    if (zone_find(b->zone, &z, &f))
        die(b->zone, f.text);

    long calls = 64;
    int64_t spent = 0;
    while (spent < ROUND_NS) { // Find out how many calls make a round.
        calls *= 2;
        int64_t start = now_ns();
        run(b, &s, z, calls);
        spent = now_ns() - start;
    }
    double best = (double)spent / (double)calls;
    for (int i = 1; i < ROUNDS; i++) {
        int64_t start = now_ns();
        run(b, &s, z, calls);
        double each = (double)(now_ns() - start) / (double)calls;
        best = MIN(best, each);
    }
    return best;
}

int main(int argc, char **argv)
{
    bool tsv = argc > 1 && !strcmp(argv[1], "--tsv");
    if (!tsv)
        printf("%-34s %-24s %10s %10s\n", "schedule", "", "next ns", "parse ns");
    for (size_t i = 0; i < COUNT_OF(benches); i++) {
        const struct bench *b = &benches[i];
        double next = measure(b, call_next), parsed = measure(b, call_parse);
        if (tsv)
            printf("%s\t%s\t%s\t%s\t%.1f\t%.1f\n", b->name, b->text, b->zone, b->from, next,
                   parsed);
        else
            printf("%-34s %-24s %10.1f %10.1f\n", b->name, b->text, next, parsed);
    }
    return 0;
}
