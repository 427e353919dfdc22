// SPDX-License-Identifier: MIT
// postgres_bench.c: what one execution costs the store of PostgreSQL, as bench/postgres.py asks.
//
//     postgres_bench URL JOBS CREATED PLANNED ENDED
//
// Takes all shards, creates JOBS jobs spread over them, and then does a part for each line of the
// input. "create N" makes N jobs more, CREATED in a commit; "plan N" and "end N" write the rows of
// N executions ahead of time, PLANNED in a commit, and how they ended, with the first attempt,
// ENDED in a commit. A line of the output follows each: microseconds of wall time and of the
// program's own CPU for each, and the longest commit.

#include "ledger.h"

#include <inttypes.h>
#include <string.h>

struct world {
    struct store *store;
    struct shard shards[SHARDS_MAX];
    uint64_t in[SHARDS_MAX];  // The last batch with the shard's row,
    size_t place[SHARDS_MAX]; // and its place there.
    uint64_t sequence;
    int64_t jobs;
    int64_t created;
    int64_t planned;
    int64_t ended;
};

struct figures {
    double wall_us;
    double cpu_us;
    double commit_max_ms;
};

// A batch has the row of each shard that it writes, with the number of the batch in its epoch.
static struct change *add(struct world *w, struct batch *b, uint32_t shard, enum change_kind kind)
{
    if (w->in[shard] != b->sequence) {
        w->shards[shard].tick++;
        w->in[shard] = b->sequence;
        w->place[shard] = b->count;
        struct change *row = batch_add(b, CHANGE_SHARD);
        row->shard = shard;
    }
    struct change *c = batch_add(b, kind);
    c->shard = shard;
    return c;
}

static void add_rows(const struct world *w, struct batch *b)
{
    for (uint32_t shard = 0; shard < SHARDS_MAX; shard++)
        if (w->in[shard] == b->sequence)
            b->changes[w->place[shard]].row = w->shards[shard];
}

static void commit(struct world *w, struct batch *b, struct figures *out)
{
    struct commit_cause cause = {0};
    add_rows(w, b);
    double before = ledger_clock_us(CLOCK_MONOTONIC);
    if (store_commit(w->store, &b, 1, &cause) != COMMIT_DONE)
        ledger_must(cause.fault.code ? cause.fault.code : ERR_STORE_IO, &cause.fault);
    double took_ms = (ledger_clock_us(CLOCK_MONOTONIC) - before) / 1e3;
    out->commit_max_ms = MAX(out->commit_max_ms, took_ms);
    batch_free(b);
}

static job_id job_of(const struct world *w, int64_t n)
{
    return SHARDS_MAX + n % w->jobs;
}

static struct execution execution_of(const struct world *w, int64_t n)
{
    job_id job = job_of(w, n);
    return (struct execution){
        .id = shard_id(shard_of(job, SHARDS_MAX), n + 1, SHARDS_MAX),
        .key = {.job = job, .scheduled_at = LEDGER_START + n / w->jobs * 1000},
    };
}

static void add_end(struct world *w, struct batch *b, int64_t n)
{
    struct execution e = execution_of(w, n);
    uint32_t shard = shard_of(e.key.job, SHARDS_MAX);
    add(w, b, shard, CHANGE_EXECUTION_UPDATE)->execution = ledger_ended(e);
    add(w, b, shard, CHANGE_ATTEMPT)->attempt = ledger_first_attempt(&e);
}

static void add_plan(struct world *w, struct batch *b, int64_t n)
{
    struct execution e = execution_of(w, n);
    uint32_t shard = shard_of(e.key.job, SHARDS_MAX);
    add(w, b, shard, CHANGE_EXECUTION_INSERT)->execution = e;
    w->shards[shard].watermark = e.key.scheduled_at - 1;
    w->shards[shard].execution_next = n + 2;
}

typedef void add_one(struct world *w, struct batch *b, int64_t n);

static void run(struct world *w, add_one *one, int64_t *done, int64_t count, int64_t size)
{
    struct figures f = {0};
    double wall = ledger_clock_us(CLOCK_MONOTONIC);
    double cpu = ledger_clock_us(CLOCK_PROCESS_CPUTIME_ID);
    for (int64_t end = *done + count; *done < end;) {
        struct batch *b = batch_new(++w->sequence);
        for (int64_t i = 0; i < size && *done < end; i++)
            one(w, b, (*done)++);
        commit(w, b, &f);
    }
    f.wall_us = (ledger_clock_us(CLOCK_MONOTONIC) - wall) / (double)count;
    f.cpu_us = (ledger_clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)count;
    printf("%.2f %.2f %.1f\n", f.wall_us, f.cpu_us, f.commit_max_ms);
    fflush(stdout);
}

static void add_job(struct world *w, struct batch *b, int64_t n)
{
    job_id id = SHARDS_MAX + n;
    uint32_t shard = shard_of(id, SHARDS_MAX);
    add(w, b, shard, CHANGE_JOB_PUT)->job = ledger_job(id);
    struct change *version = add(w, b, shard, CHANGE_VERSION);
    version->version.id = id;
    version->version.from_at = LEDGER_START;
    version->version.phase = JOB_ACTIVE;
    w->shards[shard].job_next = id / SHARDS_MAX + 1;
}

static void create_jobs(struct world *w)
{
    struct figures unused = {0};
    struct batch *b = batch_new(++w->sequence);
    while (w->created < w->jobs)
        add_job(w, b, w->created++);
    commit(w, b, &unused);
}

static void open_world(struct world *w, const char *url)
{
    struct fault f = {0};
    bool more = true;
    ledger_must(store_open(url, &w->store, &f), &f);
    while (more)
        ledger_must(store_make_days(w->store, LEDGER_START, &more, &f), &f);
    for (uint32_t shard = 0; shard < SHARDS_MAX; shard++)
        ledger_must(store_take_shard(w->store, shard, &w->shards[shard], &f), &f);
    create_jobs(w);
}

int main(int argc, char **argv)
{
    struct world w = {0};
    char word[8];
    int64_t count;
    if (argc != 6) {
        fprintf(stderr, "usage: postgres_bench URL JOBS CREATED PLANNED ENDED\n");
        return 2;
    }
    w.jobs = atoll(argv[2]);
    open_world(&w, argv[1]);
    printf("ready\n");
    fflush(stdout);
    while (scanf("%7s %" SCNd64, word, &count) == 2) {
        if (strcmp(word, "create") == 0)
            run(&w, add_job, &w.created, count, atoll(argv[3]));
        else if (strcmp(word, "plan") == 0)
            run(&w, add_plan, &w.planned, count, atoll(argv[4]));
        else
            run(&w, add_end, &w.ended, count, atoll(argv[5]));
    }
    store_close(w.store);
    return 0;
}
