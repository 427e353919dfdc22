// SPDX-License-Identifier: MIT
// inspect.c: looks into a database from outside, for people who want to know whether it is sound.
//
// Every look is a read transaction of its own, so that a running server can start its log anew
// between them. Findings are sentences; each check stops after a bounded number of them.

#include "store/sqlite/sqlite_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FINDINGS_MAX 20 // Findings of one kind.

struct sqlite_inspection {
    struct store_inspection inspection;
    sqlite3 *db;
    char *path;
};

static void close_inspection(struct store_inspection *inspection)
{
    struct sqlite_inspection *i = (struct sqlite_inspection *)inspection;
    int rc = sqlite3_close(i->db);
    assert(rc == SQLITE_OK);
    free(i->path);
    free(i);
}

static const struct store_inspection_ops ops;

enum err sqlite_inspection_open(const char *path, struct store_inspection **out, struct fault *f)
{
    struct sqlite_inspection *i = xcalloc(1, sizeof *i);
    i->inspection.ops = &ops;
    i->path = xstrdup(path);
    enum err err = sqlite_check_whole(path, f);
    if (!err)
        err = sqlite_connect_reader(path, &i->db, f);
    // Sorting may need more room than there is memory, and the last one to leave must not
    // checkpoint.
    if (!err)
        err = sqlite_execute(i->db, "PRAGMA temp_store = FILE; PRAGMA cache_size = -65536;", f);
    if (!err && sqlite3_db_config(i->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK)
        err = sqlite_fault(i->db, "opening", f);
    if (!err)
        err = sqlite_check_current(i->db, path, f);
    if (err) {
        close_inspection(&i->inspection);
        return err;
    }
    *out = &i->inspection;
    return ERR_OK;
}

// A search for faults, and whom to tell.
struct look {
    struct sqlite_inspection *inspection;
    store_finding *found;
    void *context;
    struct fault *fault;
};

static void PRINTF_LIKE(2, 3) find(const struct look *l, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *end = text; (end = strchr(end, '\n'));)
        *end = ' '; // A finding is one line.
    l->found(l->context, text);
}

// --- Questions whose every answer is a fault -------------------------------------------------

struct finding_walk {
    struct walk walk;
    const struct look *look;
    const char *what;
    unsigned count;
};

static enum err visit_finding(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct finding_walk *w = (struct finding_walk *)walk;
    (void)f;
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (++w->count > FINDINGS_MAX) {
        find(w->look, "%s: and more", w->what);
        walk->is_done = true;
    } else {
        find(w->look, "%s: %s", w->what, text ? text : "NULL");
    }
    return ERR_OK;
}

static enum err ask(const struct look *l, const char *what, const char *sql)
{
    struct finding_walk w = {{.visit = visit_finding}, l, what, 0};
    sqlite3 *db = l->inspection->db;
    sqlite3_stmt *statement = NULL;
    enum err err = sqlite_prepare(db, sql, &statement, l->fault);
    if (!err)
        err = sqlite_walk(db, statement, &w.walk, l->fault);
    sqlite3_finalize(statement);
    return err;
}

#define EXECUTION "'execution ' || id || ' of job ' || job_id"
#define WITHOUT_ALERT                                                                              \
    " NOT EXISTS (SELECT 1 FROM alerts INDEXED BY idx_alerts_execution_id"                         \
    " WHERE execution_id = e.id)"

// The invariants that a ledger can be asked about. Whether a failure had to raise an alert is known
// only of jobs that raise one for each, and only since they last changed.
static const struct {
    const char *what;
    const char *sql;
} promises[] = {
    {"an occurrence has two rows",
     "SELECT 'job ' || job_id || ' at ' || scheduled_at FROM job_executions"
     " INDEXED BY idx_job_executions_job_id GROUP BY job_id, scheduled_at, series"
     " HAVING count(*) > 1"},
    {"a row is terminal without an end, or has an end and is not terminal",
     "SELECT " EXECUTION " FROM job_executions"
     " WHERE (status IN ('PENDING', 'RUNNING')) != (completed_at IS NULL)"},
    {"a start would not find an open row",
     "SELECT " EXECUTION " FROM job_executions WHERE completed_at IS NULL"
     " AND scheduled_at < (SELECT open_from FROM progress)"
     " AND id NOT IN (SELECT execution_id FROM lingering_executions)"},
    {"a missed range has no end, or no occurrences",
     "SELECT " EXECUTION " FROM job_executions WHERE status = 'MISSED'"
     " AND (missed_to IS NULL OR missed_to < scheduled_at OR missed_count IS NULL"
     " OR missed_count < 1)"},
    {"a missed range has no alert",
     "SELECT " EXECUTION " FROM job_executions AS e WHERE status = 'MISSED' AND" WITHOUT_ALERT},
    {"a failure has no alert",
     "SELECT " EXECUTION " FROM job_executions AS e WHERE status = 'FAILED' AND" WITHOUT_ALERT
     " AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = e.job_id AND alert_after = 1"
     " AND (version = 1 OR e.completed_at > updated_at))"},
    {"a job has no version",
     "SELECT 'job ' || id FROM jobs WHERE id NOT IN (SELECT job_id FROM job_versions)"},
    {"an id would be given twice",
     "SELECT 'of an execution' FROM progress"
     " WHERE execution_next < (SELECT max(id) + 1 FROM job_executions)"
     " UNION ALL SELECT 'of a job' FROM progress"
     " WHERE job_next < (SELECT max(id) + 1 FROM jobs)"
     " UNION ALL SELECT 'of an alert' FROM progress"
     " WHERE alert_next < (SELECT max(id) + 1 FROM alerts)"},
    {"rows came or went without their count",
     "SELECT executions || ' were written, and ' || (SELECT count(*) FROM job_executions)"
     " || ' are there' FROM progress WHERE executions != (SELECT count(*) FROM job_executions)"},
};

static enum err check_promises(const struct look *l)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(promises) && !err; i++)
        err = ask(l, promises[i].what, promises[i].sql);
    return err;
}

struct rows_look {
    const struct look *look;
    unsigned count;
};

static void found_row(void *context, const char *what)
{
    struct rows_look *r = context;
    if (++r->count <= FINDINGS_MAX)
        find(r->look, "%s", what);
    else if (r->count == FINDINGS_MAX + 1)
        find(r->look, "and more rows");
}

static enum err check_rows(const struct look *l)
{
    struct rows_look r = {l, 0};
    return sqlite_each_bad_row(l->inspection->db, found_row, &r, l->fault);
}

static enum err check_references(const struct look *l)
{
    return ask(l, "a row names one that is not there",
               "SELECT \"table\" || ' ' || coalesce(rowid, '') || ', of ' || parent"
               " FROM pragma_foreign_key_check");
}

// Without an argument, which newer versions of SQLite (3.46 does) take for the name of a table
// where older ones (3.40 does) take it for the number of findings wanted. Both stop after 100.
static enum err check_pages(const struct look *l)
{
    return ask(l, "damaged",
               "SELECT integrity_check FROM pragma_integrity_check"
               " WHERE integrity_check != 'ok'");
}

// --- Tables and indexes ----------------------------------------------------------------------

struct schema_walk {
    struct walk walk;
    const struct look *look;
    sqlite3_stmt *lookup; // In the inspected database.
};

static enum err visit_made(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct schema_walk *w = (struct schema_walk *)walk;
    const char *type = (const char *)sqlite3_column_text(statement, 0);
    const char *name = (const char *)sqlite3_column_text(statement, 1);
    const char *sql = (const char *)sqlite3_column_text(statement, 2);
    sqlite3_bind_text(w->lookup, 1, type, -1, SQLITE_STATIC);
    sqlite3_bind_text(w->lookup, 2, name, -1, SQLITE_STATIC);
    int rc = sqlite3_step(w->lookup);
    const char *there = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(w->lookup, 0) : NULL;
    enum err err = ERR_OK;
    if (rc == SQLITE_DONE)
        find(w->look, "the %s %s is missing", type, name);
    else if (rc != SQLITE_ROW)
        err = sqlite_fault(w->look->inspection->db, "reading the schema", f);
    else if (!there || strcmp(there, sql) != 0)
        find(w->look, "the %s %s is not as this version makes it", type, name);
    sqlite3_reset(w->lookup);
    return err;
}

// Compares with the tables of a new database, made in memory.
static enum err check_schema(const struct look *l)
{
    struct schema_walk w = {.walk = {.visit = visit_made}, .look = l};
    sqlite3 *made = NULL;
    sqlite3_stmt *list = NULL;
    enum err err = sqlite_connect(":memory:", SQLITE_OPEN_READWRITE, &made, l->fault);
    if (!err)
        err = sqlite_migrate(made, sqlite_schema_version, l->fault);
    if (!err)
        err = sqlite_prepare(made, "SELECT type, name, sql FROM sqlite_schema WHERE sql NOT NULL",
                             &list, l->fault);
    if (!err)
        err = sqlite_prepare(l->inspection->db,
                             "SELECT sql FROM sqlite_schema WHERE type = ?1 AND name = ?2",
                             &w.lookup, l->fault);
    if (!err)
        err = sqlite_walk(made, list, &w.walk, l->fault);
    sqlite3_finalize(list);
    sqlite3_finalize(w.lookup);
    sqlite3_close(made);
    return err;
}

static enum err inspect(struct store_inspection *i, enum store_check c, store_finding *found,
                        void *context, struct fault *f)
{
    static enum err (*const checks[STORE_CHECKS])(const struct look *l) = {
        [STORE_CHECK_PAGES] = check_pages,       [STORE_CHECK_SCHEMA] = check_schema,
        [STORE_CHECK_ROWS] = check_rows,         [STORE_CHECK_REFERENCES] = check_references,
        [STORE_CHECK_PROMISES] = check_promises,
    };
    struct look l = {(struct sqlite_inspection *)i, found, context, f};
    return checks[c](&l);
}

// --- The ledger ------------------------------------------------------------------------------

enum ledger_query { JOB_NEXT, PROGRESS, VERSIONS, RANGES, ROWS, LEDGER_QUERIES };

// Plain rows are read from the index alone, which holds all that counts of them.
static const struct sql ledger_sql[LEDGER_QUERIES] = {
    [JOB_NEXT] = {"SELECT min(job_id) FROM job_versions WHERE job_id > ?1", NULL, NULL},
    [PROGRESS] = {"SELECT %s FROM progress WHERE id = 1", row_names, &progress_rows},
    [VERSIONS] = {SQLITE_VERSIONS_OF_JOB, row_names, &version_rows},
    [RANGES] = {"SELECT scheduled_at, series, missed_to FROM job_executions"
                " INDEXED BY idx_job_executions_failed_of_job WHERE job_id = ?1"
                " AND " SQLITE_FAILED " AND status = 'MISSED' ORDER BY scheduled_at, series",
                NULL, NULL},
    [ROWS] = {"SELECT scheduled_at, series, 0 FROM job_executions"
              " INDEXED BY idx_job_executions_job_id WHERE job_id = ?1 AND series >= 0"
              " ORDER BY scheduled_at, series",
              NULL, NULL},
};

struct ledger_walk {
    struct walk walk;
    const struct store_ledger_visitor *visitor;
    sqlite3 *db;
    sqlite3_stmt *queries[LEDGER_QUERIES];
    struct progress_row progress;
    struct job_versions versions;
    job_id job;
};

static enum err visit_job(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    (void)f;
    ((struct ledger_walk *)walk)->job = sqlite3_column_int64(statement, 0); // NULL gives 0.
    return ERR_OK;
}

static enum err visit_progress(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    return row_read(&progress_rows, statement, &((struct ledger_walk *)walk)->progress, f);
}

static enum err visit_version(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct job_version v = {0};
    enum err err = row_read(&version_rows, statement, &v, f);
    if (!err)
        job_versions_add(&((struct ledger_walk *)walk)->versions, &v);
    return err;
}

static enum err visit_record(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    const struct ledger_walk *w = (const struct ledger_walk *)walk;
    (void)f;
    struct store_record r = {.scheduled_at = sqlite3_column_int64(statement, 0),
                             .series = sqlite3_column_int64(statement, 1),
                             .missed_to = sqlite3_column_int64(statement, 2)};
    return w->visitor->record(w->visitor->context, &r);
}

typedef enum err visit_row(struct walk *walk, sqlite3_stmt *statement, struct fault *f);

static enum err walk_with(struct ledger_walk *w, enum ledger_query which, visit_row *visit,
                          struct fault *f)
{
    w->walk = (struct walk){.visit = visit};
    return sqlite_walk(w->db, w->queries[which], &w->walk, f);
}

static enum err read_job(struct ledger_walk *w, struct fault *f)
{
    const struct store_ledger_visitor *v = w->visitor;
    for (enum ledger_query q = VERSIONS; q < LEDGER_QUERIES; q++)
        sqlite3_bind_int64(w->queries[q], 1, w->job);
    enum err err = walk_with(w, PROGRESS, visit_progress, f);
    if (!err)
        err = walk_with(w, VERSIONS, visit_version, f);
    if (err)
        return err;
    struct store_progress p = {w->progress.shard, w->progress.removed_to};
    err = v->job(v->context, &w->versions, &p);
    if (!err)
        err = walk_with(w, RANGES, visit_record, f);
    if (!err)
        err = walk_with(w, ROWS, visit_record, f);
    return err ? err : v->job_end(v->context);
}

// A job, in one read transaction. w->job becomes 0 after the last.
static enum err walk_job(struct ledger_walk *w, struct fault *f)
{
    sqlite3_bind_int64(w->queries[JOB_NEXT], 1, w->job);
    enum err err = sqlite_execute(w->db, "BEGIN", f);
    if (err)
        return err;
    err = walk_with(w, JOB_NEXT, visit_job, f);
    if (!err && w->job)
        err = read_job(w, f);
    job_versions_fini(&w->versions);
    struct fault ignored; // The first error is the one to tell.
    enum err end = sqlite_execute(w->db, "COMMIT", err ? &ignored : f);
    return err ? err : end;
}

static enum err inspect_ledger(struct store_inspection *inspection,
                               const struct store_ledger_visitor *v, struct fault *f)
{
    const struct sqlite_inspection *i = (const struct sqlite_inspection *)inspection;
    struct ledger_walk w = {.visitor = v, .db = i->db};
    enum err err = sqlite_prepare_all(i->db, ledger_sql, LEDGER_QUERIES, w.queries, f);
    do {
        if (!err)
            err = walk_job(&w, f);
    } while (!err && w.job);
    for (size_t q = 0; q < LEDGER_QUERIES; q++)
        sqlite3_finalize(w.queries[q]);
    return err;
}

static const struct store_inspection_ops ops = {
    .close = close_inspection,
    .inspect = inspect,
    .inspect_ledger = inspect_ledger,
    .has = {true, true, true, true, true},
};
