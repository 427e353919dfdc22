// SPDX-License-Identifier: MIT
// sqlite.h: the second door of the store: what only a database of SQLite can be asked for.
//
// A file can be copied, put back and looked into, whether a server is at work on it or not. Who
// uses this door (src/ROOMS names the rooms) knows that the database is a file; everybody else
// opens it with store_open.

#ifndef CARILLON_STORE_SQLITE_H
#define CARILLON_STORE_SQLITE_H

#include "store/store.h"

// What store_open does with a path.
MUST_CHECK enum err store_sqlite_open(const char *path, struct store **out, struct fault *f);

// --- From outside ----------------------------------------------------------------------------
//
// Nothing is written into the database, and the server is not held up; only its log grows while a
// long look is taken.

// Copies the database as of one moment into a new file, which is whole and durable when this
// returns ERR_OK; until then it is called "<target>.partial". ERR_EXISTS when either is there
// already; ERR_STORE_OPEN, ERR_STORE_VERSION, ERR_STORE_CORRUPT, ERR_STORE_FULL, ERR_STORE_IO,
// ERR_SYSTEM.
MUST_CHECK enum err store_sqlite_backup(const char *path, const char *target, struct fault *f);

// Puts a copy of the backup in the place of the database, which nobody may be at work on: the
// caller has its lock. What was there is kept, with its log, under a name that *kept becomes (NULL:
// there was nothing); the caller frees it. Broken off at any moment, it leaves either the old
// database or the new one, and store_open or another restore finishes what was begun. A
// backup of an older version is fine. ERR_STORE_OPEN, ERR_STORE_VERSION, ERR_STORE_CORRUPT (the
// backup is damaged), ERR_STORE_FULL, ERR_STORE_IO, ERR_SYSTEM.
MUST_CHECK enum err store_sqlite_restore(const char *path, const char *backup, char **kept,
                                         struct fault *f);

struct store_inspection;
MUST_CHECK enum err store_inspection_open(const char *path, struct store_inspection **out,
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
