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

#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define START 1700000000000

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

static double clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(enum err err, const struct fault *f)
{
    if (!err)
        return;
    fprintf(stderr, "store_bench: %s\n", f->text);
    exit(1);
}

static struct change *add(struct batch *b, enum change_kind kind)
{
    b->changes = grow(b->changes, b->count, &b->capacity, sizeof *b->changes);
    struct change *c = &b->changes[b->count++];
    *c = (struct change){.kind = kind};
    b->has_progress = true;
    return c;
}

static void commit(struct store *s, struct batch *b)
{
    struct fault f = {0};
    must(store_commit(s, &b, 1, &f), &f);
    batch_free(b);
    must(store_checkpoint(s, &f), &f);
}

static void create_jobs(struct store *s, int64_t jobs)
{
    struct batch *b = batch_new(1);
    for (int64_t id = 1; id <= jobs; id++) {
        struct job *j = job_new();
        j->id = id;
        j->version = 1;
        j->created_at = j->updated_at = j->effective_from = START;
        job_set_text(&j->schedule, "* * * * * *");
        job_set_text(&j->timezone, "UTC");
        job_set_text(&j->api, "http://127.0.0.1:9999/hook");
        add(b, CHANGE_JOB_PUT)->job = j;
    }
    commit(s, b);
}

// Execution `id` of a plan in which every job is due once a second, in order of job.
static struct execution planned(int64_t id, int64_t jobs)
{
    return (struct execution){
        .id = id,
        .key = {.job = (id - 1) % jobs + 1, .scheduled_at = START + (id - 1) / jobs * 1000},
    };
}

static void add_outcome(struct batch *b, int64_t id, int64_t jobs)
{
    struct execution e = planned(id, jobs);
    e.state = EXECUTION_SUCCESS;
    e.started_at = e.key.scheduled_at + 2;
    e.completed_at = e.started_at + 14;
    e.http_status = 200;
    e.attempts = 1;
    add(b, CHANGE_EXECUTION_UPDATE)->execution = e;
    add(b, CHANGE_ATTEMPT)->attempt = (struct attempt){
        .execution_id = id,
        .number = 1,
        .http_status = 200,
        .started_at = e.started_at,
        .duration_ms = 14,
        .dns_ms = -1,
        .connect_ms = -1,
        .tls_ms = -1,
        .first_byte_ms = 13,
        .response = "{\"ok\":true}",
    };
}

// One round: the outcomes of what the round before planned, and a new plan.
static void round_trip(struct store *s, int64_t round, int64_t size, int64_t jobs)
{
    struct batch *b = batch_new((uint64_t)round + 2);
    int64_t first = round * size + 1;
    for (int64_t id = first - size; id < first && round > 0; id++)
        add_outcome(b, id, jobs);
    for (int64_t id = first; id < first + size; id++)
        add(b, CHANGE_EXECUTION_INSERT)->execution = planned(id, jobs);
    b->progress.watermark = START + first / jobs * 1000;
    b->progress.execution_next = first + size;
    commit(s, b);
}

// Removes a part of what was written, in steps as the writing thread takes them.
static void measure_retention(struct store *s, struct figures *out)
{
    const struct store_retention r = {.executions_max = 1};
    struct fault f = {0};
    size_t rows = 0;
    size_t removed = RETAIN_ROWS;
    double cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    for (int step = 0; step < RETAIN_STEPS_MAX && removed == RETAIN_ROWS; step++) {
        double before = clock_us(CLOCK_MONOTONIC);
        must(store_retain(s, &r, START, RETAIN_ROWS, &removed, &f), &f);
        out->retain_max_ms = MAX(out->retain_max_ms, (clock_us(CLOCK_MONOTONIC) - before) / 1e3);
        must(store_checkpoint(s, &f), &f);
        rows += removed;
    }
    out->retain_us = (clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)MAX(rows, 1);
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
    must(store_sqlite_open(path, &s, &f), &f);
    create_jobs(s, jobs);

    int64_t rounds = executions / size;
    double cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    double wall = clock_us(CLOCK_MONOTONIC);
    for (int64_t round = 0; round < rounds; round++) {
        double before = clock_us(CLOCK_MONOTONIC);
        round_trip(s, round, size, jobs);
        double took = (clock_us(CLOCK_MONOTONIC) - before) / 1e3;
        out.commit_max_ms = MAX(out.commit_max_ms, took);
    }
    double done = (double)(rounds * size);
    out.cpu_us = (clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / done;
    out.wall_us = (clock_us(CLOCK_MONOTONIC) - wall) / done;
    store_close(s); // Folds the log in, so that the file is whole.
    out.bytes = file_bytes(path) / done;
    must(store_sqlite_open(path, &s, &f), &f);
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
