// SPDX-License-Identifier: MIT
// statements.c: the SQL of the writing side, prepared once, and how a statement is run.

#include "store/sqlite/sqlite_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SQL_BYTES_MAX 4096

// Statements of rows come from the maps in rows.c, with each %s standing for what they make; the
// others are as they are. I4, "a terminal row never changes", is the WHERE of EXECUTION_UPDATE.
const struct sql writer_sql[STATEMENTS] = {
    [BEGIN] = {"BEGIN IMMEDIATE", NULL, NULL},
    [COMMIT] = {"COMMIT", NULL, NULL},
    [ROLLBACK] = {"ROLLBACK", NULL, NULL},
    [JOB_PUT] = {"%s WHERE deleted_at IS NULL", row_upsert_sql, &job_rows},
    [JOB_STATE] = {"UPDATE jobs SET version = ?2, updated_at = ?3, effective_from = ?4,"
                   " paused_until = ?5, is_active = ?6, finished = ?7,"
                   " runs = ?8, failures = ?9, trouble = ?11,"
                   " paused_reason = CASE WHEN ?6 THEN NULL ELSE coalesce(?10, paused_reason) END"
                   " WHERE id = ?1 AND deleted_at IS NULL",
                   NULL, NULL},
    [JOB_DELETE] = {"UPDATE jobs SET deleted_at = ?2, is_active = 0"
                    " WHERE id = ?1 AND deleted_at IS NULL",
                    NULL, NULL},
    [VERSION_PUT] = {"INSERT INTO job_versions (" SQLITE_VERSION_COLUMNS
                     ") SELECT id, " SQLITE_VERSION_NEXT ", version, ?2, ?3, " SQLITE_DECIDES
                     ", runs,"
                     " iif(?3 = 'paused', paused_until, NULL),"
                     " iif(?3 = 'paused', paused_reason, NULL) FROM jobs WHERE id = ?1",
                     NULL, NULL},
    [VERSIONS_PRUNE] = {"DELETE FROM job_versions WHERE job_id = ?1 AND number <"
                        " (SELECT max(number) FROM job_versions WHERE job_id = ?1"
                        " AND from_at <= ?2)",
                        NULL, NULL},
    [VERSIONS_CORRECT] = {"UPDATE job_versions SET from_at = ?1 WHERE from_at > ?1", NULL, NULL},
    [EDITS_STEP] = {"SELECT max(id) FROM (SELECT id FROM jobs WHERE id > ?1 ORDER BY id LIMIT ?2)",
                    NULL, NULL},
    [EDITS_FIND] = {"SELECT EXISTS (" SQLITE_EDITED_VERSION " AND id > ?1 AND id <= ?2)", NULL,
                    NULL},
    [EDITS_PUT] = {"INSERT INTO job_versions (" SQLITE_VERSION_COLUMNS ") " SQLITE_EDITED_VERSION
                   " AND id > ?1 AND id <= ?2",
                   NULL, NULL},
    [EXECUTION_INSERT] = {"%s", row_insert_sql, &execution_rows},
    [EXECUTION_UPDATE] = {"UPDATE job_executions SET %s WHERE id = ?1 AND completed_at IS NULL",
                          row_assignments, &execution_rows},
    [EXECUTION_UPDATE_WITH_FIRST] = {"UPDATE job_executions SET %s WHERE id = ?1"
                                     " AND completed_at IS NULL AND first_started_at IS NULL",
                                     row_assignments_with_first, &execution_rows},
    [ATTEMPT_FIRST] = {"UPDATE job_executions SET %s WHERE id = ?1 AND first_started_at IS NULL",
                       row_assignments, &first_attempt_rows},
    [ATTEMPT_INSERT] = {"%s", row_insert_sql, &attempt_rows},
    [ALERT_INSERT] = {"%s", row_insert_sql, &alert_rows},
    [AUDIT_INSERT] = {"%s", row_insert_sql, &audit_rows},
    [AUDIT_SWEEP] = {"DELETE FROM audit WHERE id IN (SELECT id FROM audit INDEXED BY idx_audit_at"
                     " WHERE at < ?1 LIMIT ?2)",
                     NULL, NULL},
    [ALERT_ACK] = {"UPDATE alerts SET acknowledged_at = ?2"
                   " WHERE id = ?1 AND acknowledged_at IS NULL",
                   NULL, NULL},
    [CLIENT_KEY_PUT] = {"INSERT OR REPLACE INTO client_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6)", NULL,
                        NULL},
    [CLIENT_KEYS_SWEEP] = {"DELETE FROM client_keys WHERE key IN (SELECT key FROM client_keys"
                           " INDEXED BY idx_client_keys_created_at WHERE created_at < ?1 LIMIT ?2)",
                           NULL, NULL},
    [PROGRESS_GET] = {"SELECT %s FROM progress WHERE id = 1", row_names, &progress_rows},
    [PROGRESS_PUT] = {"UPDATE progress SET %s WHERE id = ?1", row_assignments, &progress_rows},
    [LINGER_PUT] = {"INSERT OR IGNORE INTO lingering_executions VALUES (?1)", NULL, NULL},
    [LINGER_DELETE] = {"DELETE FROM lingering_executions WHERE execution_id = ?1", NULL, NULL},
    [RETAIN_FIND] = {"SELECT id, coalesce(missed_to, scheduled_at) FROM job_executions"
                     " INDEXED BY idx_job_executions_scheduled_at"
                     " WHERE scheduled_at < ?1 AND completed_at < ?1"
                     " ORDER BY scheduled_at, id LIMIT ?2",
                     NULL, NULL},
    [RETAIN_ATTEMPTS] = {"DELETE FROM job_attempts WHERE execution_id = ?1", NULL, NULL},
    [RETAIN_ALERTS] = {"DELETE FROM alerts WHERE execution_id = ?1", NULL, NULL},
    [RETAIN_EXECUTION] = {"DELETE FROM job_executions WHERE id = ?1", NULL, NULL},
    [RETAIN_LOOSE_ALERTS] = {"DELETE FROM alerts WHERE id IN (SELECT id FROM alerts"
                             " INDEXED BY idx_alerts_execution_id"
                             " WHERE execution_id IS NULL AND created_at < ?1 LIMIT ?2)",
                             NULL, NULL},
    [RETAIN_DELIVERIES] = {"DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries"
                           " INDEXED BY idx_deliveries_created_at"
                           " WHERE created_at < ?1 AND state <> 'PENDING' LIMIT ?2)",
                           NULL, NULL},
    [SWEEP_FIND] = {"SELECT id FROM jobs INDEXED BY idx_jobs_deleted"
                    " WHERE deleted_at IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2",
                    NULL, NULL},
    [SWEEP_ALERTS] = {"DELETE FROM alerts WHERE job_id = ?1 AND NOT EXISTS"
                      " (SELECT 1 FROM job_executions WHERE job_id = ?1)",
                      NULL, NULL},
    [SWEEP_JOB] = {"DELETE FROM jobs WHERE id = ?1 AND NOT EXISTS"
                   " (SELECT 1 FROM job_executions WHERE job_id = ?1)",
                   NULL, NULL},
};

enum err sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct fault *f)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
        return sqlite_fault(db, sql, f);
    return ERR_OK;
}

static enum err prepare_made(sqlite3 *db, const struct sql *sql, sqlite3_stmt **out,
                             struct fault *f)
{
    char made[SQL_BYTES_MAX];
    char text[3 * SQL_BYTES_MAX];
    size_t used = 0;
    if (!sql->make)
        return sqlite_prepare(db, sql->sql, out, f);
    sql->make(sql->map, made, sizeof made);
    const char *rest = sql->sql;
    for (const char *gap; (gap = strstr(rest, "%s")); rest = gap + 2)
        used += (size_t)snprintf(text + used, sizeof text - used, "%.*s%s", (int)(gap - rest), rest,
                                 made);
    used += (size_t)snprintf(text + used, sizeof text - used, "%s", rest);
    assert(used < sizeof text);
    return sqlite_prepare(db, text, out, f);
}

enum err sqlite_prepare_all(sqlite3 *db, const struct sql *sql, size_t count, sqlite3_stmt **out,
                            struct fault *f)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && !err; i++)
        err = prepare_made(db, &sql[i], &out[i], f);
    return err;
}

enum err sqlite_run(struct sqlite_store *s, enum statement which, struct fault *f)
{
    sqlite3_stmt *statement = s->statements[which];
    enum err err = ERR_OK;
    assert(which < STATEMENTS && statement);
    if (sqlite3_step(statement) != SQLITE_DONE)
        err = sqlite_fault(s->db, "writing", f);
    sqlite3_reset(statement);
    return err;
}

enum err sqlite_execute(sqlite3 *db, const char *sql, struct fault *f)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_fault(db, sql, f);
    return ERR_OK;
}

enum err sqlite_number(sqlite3 *db, const char *sql, int64_t *out, struct fault *f)
{
    sqlite3_stmt *statement;
    enum err err = sqlite_prepare(db, sql, &statement, f);
    if (err)
        return err;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        err = sqlite_fault(db, sql, f);
    sqlite3_finalize(statement);
    return err;
}

enum err sqlite_begin(struct sqlite_store *s, struct fault *f)
{
    assert(sqlite3_get_autocommit(s->db)); // No transaction in a transaction.
    return sqlite_run(s, BEGIN, f);
}

enum err sqlite_end(struct sqlite_store *s, enum err err, struct fault *f)
{
    if (!err)
        err = sqlite_run(s, COMMIT, f);
    if (err && !sqlite3_get_autocommit(s->db)) { // SQLite rolls back some errors by itself.
        struct fault ignored;                    // The first error is the one to tell.
        if (sqlite_run(s, ROLLBACK, &ignored))
            sqlite3_log(SQLITE_ERROR, "rollback failed: %s", ignored.text);
    }
    return err;
}
