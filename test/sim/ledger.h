// SPDX-License-Identifier: MIT
// ledger.h: the simulated disk: what is durable, and the promises that hold of it at every moment.
//
// Applies batches whole and in order, as a store does. It refuses nothing: what a store would
// refuse (a second row for a key, a terminal row that changes) and what no batch may do (FAILED
// without its alert, a watermark that falls, more attempts than allowed) is a broken promise. What
// the targets saw of an execution is kept with its row, since nothing may be sent without one.

#ifndef CARILLON_SIM_LEDGER_H
#define CARILLON_SIM_LEDGER_H

#include "trace.h"

#include "core/core.h"

// What left for the targets under one key, over all lives of the process.
struct deliveries {
    unsigned sends;
    unsigned attempt_last;
    unsigned unsafe;     // Sends of which a byte may have left.
    unsigned reached;    // Requests that a target took in.
    unsigned good;       // Of them, those whose outcome of 2xx came back.
    unsigned life_first; // The life of the process that sent the first one.
    unsigned life_last;
};

struct row {
    struct execution e; // Its strings are the row's own.
    unsigned alerts;
    unsigned attempt_rows;
    struct deliveries seen;
    uint32_t next_of_job; // Row number + 1 of the job's next row; 0: none.
};

struct durable_job {
    struct job *job; // Kept after deletion, for the limits that held.
    bool deleted;
    uint32_t row_first; // Row number + 1.
    uint32_t row_last;
};

struct ledger {
    struct trace *trace;
    struct row *rows; // By execution id - 1: ids are given in order.
    size_t open_from; // Every row before this one is terminal.
    size_t row_count;
    size_t row_capacity;
    uint32_t *slots; // Of a hash by key: row number + 1, or 0.
    size_t slot_count;
    struct durable_job *jobs; // By job id - 1.
    size_t job_count;
    size_t job_capacity;
    struct progress progress;
};

void ledger_init(struct ledger *l, struct trace *t);
void ledger_fini(struct ledger *l);

void ledger_apply(struct ledger *l, const struct batch *b);

struct row *ledger_find(const struct ledger *l, const struct execution_key *key); // NULL: none.
struct row *ledger_first_of(const struct ledger *l, job_id job); // In order of id; NULL: none.
struct row *ledger_next_of(const struct ledger *l, const struct row *r);
size_t ledger_open_from(struct ledger *l); // Rows before this one are terminal.
const struct job *ledger_job(const struct ledger *l, job_id id); // NULL: unknown or deleted.

#endif
