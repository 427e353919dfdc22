// SPDX-License-Identifier: MIT
// ledger.h: what a scheduler writes, for the benchmarks of the store.
//
// Every job is due once a second: a PENDING row ahead of time, and later its outcome with one
// attempt. Executions are numbered in the order of their instants and jobs. Whatever fails ends the
// program.

#ifndef CARILLON_BENCH_LEDGER_H
#define CARILLON_BENCH_LEDGER_H

#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LEDGER_START 1700000000000

static inline double ledger_clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static inline void ledger_must(enum err err, const struct fault *f)
{
    if (!err)
        return;
    fprintf(stderr, "the store: %s\n", f->text);
    exit(1);
}

static inline struct change *ledger_add(struct batch *b, enum change_kind kind)
{
    if (b->count == 0)
        batch_add(b, CHANGE_SHARD)->row.tick = (int64_t)b->sequence;
    return batch_add(b, kind);
}

static inline struct job *ledger_job(job_id id)
{
    struct job *j = job_new();
    j->id = id;
    j->version = 1;
    j->created_at = j->updated_at = j->effective_from = LEDGER_START;
    job_set_text(&j->schedule, "* * * * * *");
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, "http://127.0.0.1:9999/hook");
    return j;
}

static inline struct batch *ledger_jobs(int64_t jobs)
{
    struct batch *b = batch_new(1);
    for (int64_t id = 1; id <= jobs; id++) {
        ledger_add(b, CHANGE_JOB_PUT)->job = ledger_job(id);
        struct change *version = ledger_add(b, CHANGE_VERSION);
        version->version.id = id;
        version->version.from_at = LEDGER_START;
        version->version.phase = JOB_ACTIVE;
    }
    return b;
}

static inline struct execution ledger_planned(int64_t id, int64_t jobs)
{
    return (struct execution){
        .id = id,
        .key = {.job = (id - 1) % jobs + 1, .scheduled_at = LEDGER_START + (id - 1) / jobs * 1000},
    };
}

static inline struct execution ledger_ended(struct execution e)
{
    e.state = EXECUTION_SUCCESS;
    e.started_at = e.key.scheduled_at + 2;
    e.completed_at = e.started_at + 14;
    e.http_status = 200;
    e.attempts = 1;
    return e;
}

static inline struct attempt ledger_first_attempt(const struct execution *e)
{
    return (struct attempt){
        .execution_id = e->id,
        .scheduled_at = e->key.scheduled_at,
        .number = 1,
        .http_status = 200,
        .started_at = e->key.scheduled_at + 2,
        .duration_ms = 14,
        .dns_ms = -1,
        .connect_ms = -1,
        .tls_ms = -1,
        .first_byte_ms = 13,
        .response = "{\"ok\":true}",
    };
}

static inline void ledger_add_outcome(struct batch *b, int64_t id, int64_t jobs)
{
    struct execution e = ledger_planned(id, jobs);
    ledger_add(b, CHANGE_EXECUTION_UPDATE)->execution = ledger_ended(e);
    ledger_add(b, CHANGE_ATTEMPT)->attempt = ledger_first_attempt(&e);
}

// The plan of `size` executions from `first` on, and the outcomes of as many from `ended` on, of
// which those below 1 do not exist.
static inline struct batch *ledger_round(uint64_t sequence, int64_t first, int64_t size,
                                         int64_t ended, int64_t jobs)
{
    struct batch *b = batch_new(sequence);
    for (int64_t id = ended; id < ended + size; id++)
        if (id > 0)
            ledger_add_outcome(b, id, jobs);
    for (int64_t id = first; id < first + size; id++)
        ledger_add(b, CHANGE_EXECUTION_INSERT)->execution = ledger_planned(id, jobs);
    struct shard *row = batch_shard(b, 0);
    row->watermark = LEDGER_START + first / jobs * 1000;
    row->execution_next = first + size;
    return b;
}

#endif
