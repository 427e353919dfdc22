// SPDX-License-Identifier: MIT
// reader_priv.h: a reading connection and its statements, which the files about reading share.

#ifndef CARILLON_STORE_SQLITE_READER_PRIV_H
#define CARILLON_STORE_SQLITE_READER_PRIV_H

#include "store/sqlite/sqlite_priv.h"

enum query {
    LOAD_JOBS,
    LOAD_OPEN,
    JOB_GET,
    JOB_BY_KEY,
    JOB_BY_PING_KEY,
    JOBS_LIST,
    JOBS_FIND,
    JOBS_CHANGED,
    JOBS_SUM,
    JOB_LAST,
    VERSIONS_LIST,
    EXECUTION_GET,
    EXECUTION_GET_MANUAL,
    EXECUTIONS_OF_JOB,
    EXECUTIONS_OF_ALL,
    EXECUTIONS_OPEN,
    EXECUTIONS_FAILED,
    EXECUTIONS_FAILED_OF_JOB,
    EXECUTIONS_MANUAL,
    EXECUTIONS_MANUAL_OF_JOB,
    EXECUTIONS_COUNT,
    ATTEMPT_FIRST_GET,
    ATTEMPTS_LIST,
    ALERTS_OF_INCIDENT,
    ALERTS_OF_JOB,
    ALERTS_OF_ALL,
    AUDIT_OF_JOB,
    AUDIT_OF_TOKEN,
    AUDIT_OF_ACTION,
    AUDIT_OF_ALL,
    ALERT_GET,
    CLIENT_KEY_GET,
    PROGRESS_READ,
    LAST_IDS,
    QUERIES
};

struct sqlite_reader {
    struct store_reader reader;
    sqlite3 *db;
    sqlite3_stmt *queries[QUERIES];
    dur_ms time_ms; // A query may take.
    mono_ms deadline;
};

// Runs a statement whose parameters are bound, within the reader's time.
MUST_CHECK enum err sqlite_walk_query(struct sqlite_reader *r, enum query which, struct walk *w,
                                      struct fault *f);

// filter.c: the functions of SQL that a reader's connection has, and what they are asked.
MUST_CHECK enum err sqlite_add_filters(sqlite3 *db, struct fault *f);
void sqlite_bind_job_query(sqlite3_stmt *statement, const struct job_query *q);

// reader.c: " FAILED MISSED " for the words of the set, or NULL for the empty set.
void sqlite_bind_set(sqlite3_stmt *statement, int at, unsigned set, const struct enum_words *words);
int64_t sqlite_limit(size_t limit); // For LIMIT.

// reader_executions.c
MUST_CHECK enum err sqlite_list_executions(struct store_reader *reader,
                                           const struct execution_query *q,
                                           store_each_execution *each, void *context,
                                           struct fault *f);
MUST_CHECK enum err sqlite_get_execution(struct store_reader *reader,
                                         const struct execution_key *key,
                                         store_each_execution *each, void *context,
                                         struct fault *f);
MUST_CHECK enum err sqlite_list_attempts(struct store_reader *reader,
                                         const struct execution_place *of, store_each_attempt *each,
                                         void *context, struct fault *f);
MUST_CHECK enum err sqlite_count_executions(struct store_reader *reader, wall_ms from, wall_ms to,
                                            int64_t *counts, struct fault *f);

// audit.c
MUST_CHECK enum err sqlite_list_audit(struct store_reader *reader, const struct audit_query *q,
                                      store_each_audit *each, void *context, struct fault *f);

// search.c
MUST_CHECK enum err sqlite_list_changed_jobs(struct store_reader *reader, wall_ms since,
                                             size_t limit, store_each_changed *each, void *context,
                                             struct fault *f);
enum err sqlite_find_jobs(struct store_reader *reader, const struct job_query *q,
                          store_each_found *each, void *context, struct fault *f);

#endif
