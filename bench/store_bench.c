// SPDX-License-Identifier: MIT
// store_bench.c: what one execution costs the SQLite store.
//
//     store_bench [folder]
//
// Writes what a scheduler writes: a batch of PENDING rows with the watermark, and in the next batch
// their outcome with one attempt each, merged into one commit per round as in steady operation.
// Prints microseconds of CPU and of wall time per execution, and the bytes each leaves on disk;
// then the same for removing them in the steps of retention, and how long the longest step took.
// Checkpoints happen as the writing thread does them and are part of the cost.

#include "ledger.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct figures {
    double cpu_us;
    double wall_us;
    double commit_max_ms;
    double bytes;
    double retain_us;
    double retain_max_ms;
};

#define RETAIN_ROWS 500
#define RETAIN_STEPS_MAX 200

static void commit(struct store *s, struct batch *b)
{
    struct fault f = {0};
    struct commit_cause cause = {0};
    if (store_commit(s, &b, 1, &cause) != COMMIT_DONE)
        ledger_must(cause.fault.code, &cause.fault);
    batch_free(b);
    ledger_must(store_tidy(s, &f), &f);
}

// Removes a part of what was written, in steps as the writing thread takes them.
static void measure_retention(struct store *s, struct figures *out)
{
    const struct store_retention r = {.executions_max = 1};
    struct fault f = {0};
    size_t rows = 0;
    size_t removed = RETAIN_ROWS;
    double cpu = ledger_clock_us(CLOCK_PROCESS_CPUTIME_ID);
    for (int step = 0; step < RETAIN_STEPS_MAX && removed == RETAIN_ROWS; step++) {
        double before = ledger_clock_us(CLOCK_MONOTONIC);
        ledger_must(store_retain(s, &r, LEDGER_START, RETAIN_ROWS, &removed, &f), &f);
        out->retain_max_ms =
            MAX(out->retain_max_ms, (ledger_clock_us(CLOCK_MONOTONIC) - before) / 1e3);
        ledger_must(store_tidy(s, &f), &f);
        rows += removed;
    }
    out->retain_us = (ledger_clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)MAX(rows, 1);
}

static double file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static struct figures measure(const char *path, int64_t size, int64_t jobs, int64_t executions)
{
    struct fault f = {0};
    struct store *s;
    struct figures out = {0};
    ledger_must(store_open(path, &s, &f), &f);
    commit(s, ledger_jobs(jobs));

    int64_t rounds = executions / size;
    double cpu = ledger_clock_us(CLOCK_PROCESS_CPUTIME_ID);
    double wall = ledger_clock_us(CLOCK_MONOTONIC);
    for (int64_t round = 0; round < rounds; round++) {
        double before = ledger_clock_us(CLOCK_MONOTONIC);
        int64_t first = round * size + 1;
        commit(s, ledger_round((uint64_t)round + 2, first, size, first - size, jobs));
        double took = (ledger_clock_us(CLOCK_MONOTONIC) - before) / 1e3;
        out.commit_max_ms = MAX(out.commit_max_ms, took);
    }
    double done = (double)(rounds * size);
    out.cpu_us = (ledger_clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / done;
    out.wall_us = (ledger_clock_us(CLOCK_MONOTONIC) - wall) / done;
    store_close(s); // Folds the log in, so that the file is whole.
    out.bytes = file_bytes(path) / done;
    ledger_must(store_open(path, &s, &f), &f);
    measure_retention(s, &out);
    store_close(s);
    return out;
}

int main(int argc, char **argv)
{
    static const struct {
        int64_t size, jobs, executions;
    } cases[] = {
        {1, 1000, 3000},      {1, 10000, 3000},      {100, 1000, 100000},
        {100, 10000, 100000}, {1000, 1000, 1000000}, {1000, 10000, 1000000},
    };
    char path[4096];
    char log[4100];
    snprintf(path, sizeof path, "%s/store_bench.db", argc > 1 ? argv[1] : ".");
    snprintf(log, sizeof log, "%s-wal", path);

    printf("%6s %6s %10s %8s %8s %10s %6s %12s %10s\n", "batch", "jobs", "executions", "us CPU",
           "us wall", "longest ms", "bytes", "us removing", "longest ms");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unlink(path);
        unlink(log);
        struct figures r = measure(path, cases[i].size, cases[i].jobs, cases[i].executions);
        printf("%6" PRId64 " %6" PRId64 " %10" PRId64 " %8.1f %8.1f %10.1f %6.0f %12.1f %10.1f\n",
               cases[i].size, cases[i].jobs, cases[i].executions, r.cpu_us, r.wall_us,
               r.commit_max_ms, r.bytes, r.retain_us, r.retain_max_ms);
        fflush(stdout);
    }
    unlink(path);
    return 0;
}
