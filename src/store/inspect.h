// SPDX-License-Identifier: MIT
// inspect.h: a door of the store for who looks into a database from outside.
//
// Nothing is written into the database, and no server or node is held up: each look at a file is a
// transaction of its own, in which its log grows; a look at PostgreSQL takes seconds at most.

#ifndef CARILLON_STORE_INSPECT_H
#define CARILLON_STORE_INSPECT_H

#include "store/store.h"

struct store_inspection;
// A path or the URL of a database.
MUST_CHECK enum err store_inspection_open(const char *place, struct store_inspection **out,
                                          struct fault *f);
void store_inspection_close(struct store_inspection *i); // NULL is a no-op.

enum store_check {
    STORE_CHECK_PAGES,      // Every page and index entry.
    STORE_CHECK_SCHEMA,     // Tables, indexes and triggers are there as this version makes them.
    STORE_CHECK_ROWS,       // No column holds what no version of this program writes.
    STORE_CHECK_REFERENCES, // No row names one that is not there.
    STORE_CHECK_PROMISES,   // What must be true of the rows, whatever happened.
    STORE_CHECKS
};
const char *store_check_name(enum store_check c);
// Whether the database can be asked for this: PostgreSQL looks after its pages itself.
bool store_inspection_has(const struct store_inspection *i, enum store_check c);

// Calls back for each thing that is not as it must be, up to a bound. ERR_OK when all was looked
// at, whatever was found; ERR_STORE_CORRUPT when the damage is such that it cannot be.
typedef void store_finding(void *context, const char *what);
MUST_CHECK enum err store_inspect(struct store_inspection *i, enum store_check c,
                                  store_finding *found, void *context, struct fault *f);

// A record of scheduled occurrences: a row of table `job_executions` that is no manual one.
struct store_record {
    wall_ms scheduled_at;
    wall_ms missed_to; // 0: it stands for one occurrence; else for all up to this one.
    int64_t series;
};

// Goes through the ledger, job by job in order of id, deleted ones too. Of each job it calls `job`
// with its versions, then `record` with its missed ranges in order of instant, then `record` with
// all its rows in order of instant and series (there without missed_to), then `job_end`. What is
// told of a job is of one moment. An error that a callback returns ends the walk.
struct store_ledger_visitor {
    enum err (*job)(void *context, const struct job_versions *l, const struct store_progress *p);
    enum err (*record)(void *context, const struct store_record *r);
    enum err (*job_end)(void *context);
    void *context;
};
MUST_CHECK enum err store_inspect_ledger(struct store_inspection *i,
                                         const struct store_ledger_visitor *v, struct fault *f);

#endif
