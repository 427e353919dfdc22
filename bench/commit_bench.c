// SPDX-License-Identifier: MIT
// commit_bench.c: how long what a scheduler writes waits until it is durable, at a steady rate.
//
//     commit_bench [folder] [seconds] [executions per second ...]
//
// The writing thread gets a batch every few milliseconds: rows that are planned a second ahead, and
// the outcomes of those of a second ago. A batch waits from the moment it is put until its commit
// is reported, so the table shows what folding in the log, removing old rows and the disk's syncs
// do to those who wait for a commit. With retention the ledger holds the last seconds only, so as
// many rows go as come.

#include "ledger.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define TICK_US 5000
#define TICKS_MAX 100000
#define TICKS_A_SECOND (1000000 / TICK_US)
#define KEPT_SECONDS 5

// A run. `done_us` of batch n is written by the writing thread before it reports the last one.
struct run {
    double put_us[TICKS_MAX + 2];
    double done_us[TICKS_MAX + 2];
    uint64_t done_to;
    uint64_t last;
    pthread_mutex_t lock;
    pthread_cond_t ended;
};

static void committed(void *context, uint64_t sequence)
{
    struct run *r = context;
    double now = ledger_clock_us(CLOCK_MONOTONIC);
    pthread_mutex_lock(&r->lock);
    while (r->done_to < sequence)
        r->done_us[++r->done_to] = now;
    pthread_cond_signal(&r->ended);
    pthread_mutex_unlock(&r->lock);
}

static void lost(void *context, const struct fault *f)
{
    (void)context;
    ledger_must(f->code, f);
}

static void stalled(void *context, const struct fault *f, uint64_t doubtful)
{
    (void)doubtful;
    lost(context, f);
}

static void wait_for(struct run *r, uint64_t sequence)
{
    pthread_mutex_lock(&r->lock);
    while (r->done_to < sequence)
        pthread_cond_wait(&r->ended, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static void sleep_until(double us)
{
    struct timespec t = {.tv_sec = (time_t)(us / 1e6)};
    t.tv_nsec = (long)((us - (double)t.tv_sec * 1e6) * 1e3);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void put(struct store_writer *w, struct run *r, struct batch *b)
{
    r->put_us[b->sequence] = ledger_clock_us(CLOCK_MONOTONIC);
    store_writer_put(w, b);
}

static void write_at_rate(struct store_writer *w, struct run *r, int64_t rate, uint64_t ticks)
{
    int64_t size = rate / TICKS_A_SECOND;
    put(w, r, ledger_jobs(rate));
    wait_for(r, 1);
    double start = ledger_clock_us(CLOCK_MONOTONIC);
    for (uint64_t tick = 0; tick < ticks; tick++) {
        int64_t first = (int64_t)tick * size + 1;
        struct batch *b = ledger_round(tick + 2, first, size, first - rate, rate);
        sleep_until(start + (double)(tick * TICK_US));
        put(w, r, b);
    }
    wait_for(r, ticks + 1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_row(struct run *r, int64_t rate, bool retains, double cpu_us)
{
    size_t count = (size_t)r->done_to - 1;
    double *waits = r->put_us + 2;
    for (size_t i = 0; i < count; i++)
        waits[i] = r->done_us[i + 2] - waits[i];
    qsort(waits, count, sizeof *waits, compare);
    int64_t rows = (int64_t)count * (rate / TICKS_A_SECOND);
    printf("%8" PRId64 " %9s %8.2f %8.2f %8.2f %8.2f %8.1f\n", rate, retains ? "yes" : "no",
           waits[count / 2] / 1e3, waits[count * 99 / 100] / 1e3, waits[count * 999 / 1000] / 1e3,
           waits[count - 1] / 1e3, cpu_us / (double)rows);
    fflush(stdout);
}

static void measure(const char *path, int64_t rate, bool retains, uint64_t ticks)
{
    static struct run r;
    r = (struct run){.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    struct fault f = {0};
    struct store *s;
    ledger_must(store_open(path, &s, &f), &f);
    struct store_writer_options options = {
        .retention = {.executions_max = retains ? KEPT_SECONDS * rate : 0}};
    struct store_writer_events events = {
        .committed = committed, .stalled = stalled, .failed = lost, .context = &r};
    struct store_writer *w;
    ledger_must(store_writer_start(s, &options, &events, &w, &f), &f);

    double cpu = ledger_clock_us(CLOCK_PROCESS_CPUTIME_ID);
    write_at_rate(w, &r, rate, ticks);
    print_row(&r, rate, retains, ledger_clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    store_writer_stop(w);
    store_close(s);
}

int main(int argc, char **argv)
{
    static const char *const rates_default[] = {"1000", "10000", "30000"};
    int64_t seconds = argc > 2 ? strtoll(argv[2], NULL, 10) : 10;
    int count = argc > 3 ? argc - 3 : (int)COUNT_OF(rates_default);
    uint64_t ticks = (uint64_t)seconds * TICKS_A_SECOND;
    if (seconds < 1 || ticks > TICKS_MAX) {
        fprintf(stderr, "usage: commit_bench [folder] [seconds] [executions per second ...]\n");
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/commit_bench.db", argc > 1 ? argv[1] : ".");
    printf("%8s %9s %8s %8s %8s %8s %8s\n", "rate", "retention", "p50 ms", "p99 ms", "p99.9 ms",
           "max ms", "us CPU");
    for (int i = 0; i < 2 * count; i++) {
        const char *rate = argc > 3 ? argv[3 + i / 2] : rates_default[i / 2];
        unlink(path);
        measure(path, strtoll(rate, NULL, 10), i % 2 == 1, ticks);
    }
    unlink(path);
    return 0;
}
