// SPDX-License-Identifier: MIT
// move.c: the file at one end of a move.
//
// As a source it is opened like by a server, and read in one transaction. As a target it is a file
// of another name, written without a journal, since a copy that was broken off is begun again; it
// gets its own name when it is whole and on the disk.

#include "store/move_priv.h"
#include "store/sqlite/sqlite_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define SQL_BYTES 8192

struct move_file {
    struct store *store; // NULL: a new file.
    sqlite3 *db;
    char *path;
    sqlite3_stmt *insert;
    char kinds[MOVE_COLUMNS_MAX]; // 'I', 'T' or 'B', of the table that is written.
    size_t columns;
};

void sqlite_move_close(struct move_file *m)
{
    if (!m)
        return;
    sqlite3_finalize(m->insert);
    if (m->store)
        store_close(m->store);
    else
        sqlite3_close(m->db);
    free(m->path);
    free(m);
}

// Rows that were edited by hand get their versions first.
static enum err note_edits(struct sqlite_store *s, struct fault *f)
{
    enum err err = ERR_OK;
    while (!err && s->edits_after != JOB_ID_MAX)
        err = sqlite_note_edits(s, f);
    return err;
}

enum err sqlite_move_open(const char *path, struct move_file **out, struct fault *f)
{
    struct move_file *m = xcalloc(1, sizeof *m);
    m->path = xstrdup(path);
    enum err err = ERR_OK;
    if (access(path, F_OK) != 0)
        err = fault_set(f, ERR_STORE_OPEN, "there is no such database: %s", path);
    if (!err)
        err = sqlite_open_marked(path, &m->store, f);
    if (!err) {
        m->db = ((struct sqlite_store *)m->store)->db;
        err = note_edits((struct sqlite_store *)m->store, f);
    }
    if (err) {
        sqlite_move_close(m);
        return err;
    }
    *out = m;
    return ERR_OK;
}

static enum err make_tables(struct move_file *m, struct fault *f)
{
    static const char pragmas[] = "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF;"
                                  "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;"
                                  "PRAGMA temp_store = FILE;" SQLITE_WRITER_CACHE;
    enum err err = sqlite_connect(m->path, SQLITE_OPEN_READWRITE, &m->db, f);
    if (!err)
        err = sqlite_execute(m->db, pragmas, f);
    return err ? err : sqlite_migrate(m->db, sqlite_schema_version, f);
}

enum err sqlite_move_make(const char *path, struct move_file **out, struct fault *f)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return sqlite_system_fault("create", path, f);
    close(fd);
    struct move_file *m = xcalloc(1, sizeof *m);
    m->path = xstrdup(path);
    enum err err = make_tables(m, f);
    if (err) {
        sqlite_move_close(m);
        return err;
    }
    *out = m;
    return ERR_OK;
}

// --- The mark and the progress ---------------------------------------------------------------

static enum err read_mark(sqlite3 *db, struct move_mark *out, struct fault *f)
{
    sqlite3_stmt *statement;
    enum err err = sqlite_prepare(db, "SELECT state, move, place FROM moves", &statement, f);
    if (err)
        return err;
    if (sqlite3_step(statement) == SQLITE_ROW)
        err = move_mark_set(out, (const char *)sqlite3_column_text(statement, 0),
                            (const char *)sqlite3_column_text(statement, 1),
                            (const char *)sqlite3_column_text(statement, 2), f);
    else
        err = sqlite_fault(db, "reading the mark of moves", f);
    sqlite3_finalize(statement);
    return err;
}

enum err sqlite_move_mark(struct move_file *m, struct move_mark *out, struct fault *f)
{
    return read_mark(m->db, out, f);
}

enum err sqlite_check_moved(struct sqlite_store *s, struct fault *f)
{
    struct move_mark mark;
    enum err err = read_mark(s->db, &mark, f);
    return err ? err : move_mark_refuse(&mark, s->path, f);
}

enum err sqlite_move_set_mark(struct move_file *m, const struct move_mark *mark, struct fault *f)
{
    sqlite3_stmt *statement;
    enum err err =
        sqlite_prepare(m->db, "UPDATE moves SET state = ?1, move = ?2, place = ?3", &statement, f);
    if (err)
        return err;
    sqlite3_bind_text(statement, 1, move_state_name(mark->state), -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, mark->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, mark->place, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_DONE)
        err = sqlite_fault(m->db, "writing the mark of a move", f);
    sqlite3_finalize(statement);
    return err;
}

static enum err last_id(sqlite3 *db, const char *table, int64_t *out, struct fault *f)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT coalesce(max(id), 0) FROM %s", table);
    return sqlite_number(db, sql, out, f);
}

enum err sqlite_move_progress(struct move_file *m, struct shard *one,
                              struct store_progress_all *out, struct fault *f)
{
    struct last_ids last;
    enum err err = store_get_shard(m->store, 0, one, f);
    if (!err)
        err = last_id(m->db, "jobs", &last.job, f);
    if (!err)
        err = last_id(m->db, "job_executions", &last.execution, f);
    if (!err)
        err = last_id(m->db, "alerts", &last.alert, f);
    if (err)
        return err;
    const struct progress_row *p = &((const struct sqlite_store *)m->store)->progress;
    *out = (struct store_progress_all){.removed_to = p->removed_to, .executions = p->executions};
    // Rows that were put there by hand.
    one->job_next = MAX(one->job_next, last.job + 1);
    one->execution_next = MAX(one->execution_next, last.execution + 1);
    one->alert_next = MAX(one->alert_next, last.alert + 1);
    return ERR_OK;
}

enum err sqlite_move_last(struct move_file *m, wall_ms *planned, wall_ms *ahead, struct fault *f)
{
    enum err err = sqlite_number(m->db,
                                 "SELECT coalesce(max(scheduled_at), 0) FROM job_executions"
                                 " WHERE series >= 0",
                                 planned, f);
    return err ? err
               : sqlite_number(m->db,
                               "SELECT coalesce(max(scheduled_at), 0) FROM job_executions"
                               " WHERE series >= 0 AND completed_at IS NULL",
                               ahead, f);
}

// --- Tables ----------------------------------------------------------------------------------

// The name and the kind of each column.
static enum err list_columns(sqlite3 *db, const char *table, struct move_columns *out,
                             char kinds[static MOVE_COLUMNS_MAX], struct fault *f)
{
    sqlite3_stmt *statement;
    enum err err = sqlite_prepare(db, "SELECT name, type FROM pragma_table_info(?1) ORDER BY cid",
                                  &statement, f);
    if (err)
        return err;
    sqlite3_bind_text(statement, 1, table, -1, SQLITE_STATIC);
    out->count = 0;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        assert(out->count < MOVE_COLUMNS_MAX);
        out->of[out->count] = NULL;
        snprintf(out->names[out->count], MOVE_NAME_BYTES, "%s", sqlite3_column_text(statement, 0));
        kinds[out->count++] = *(const char *)sqlite3_column_text(statement, 1);
    }
    sqlite3_finalize(statement);
    return ERR_OK;
}

enum err sqlite_move_columns(struct move_file *m, const char *table, struct move_columns *out,
                             struct fault *f)
{
    return list_columns(m->db, table, out, m->kinds, f);
}

static void add_names(char *sql, const struct move_columns *columns)
{
    for (size_t i = 0; i < columns->count; i++) {
        const char *comma = i ? ", " : "", *name = columns->names[i];
        if (columns->of[i])
            row_append(sql, SQL_BYTES, "%s(SELECT %s FROM job_executions AS x WHERE x.id = %s)",
                       comma, name, columns->of[i]);
        else
            row_append(sql, SQL_BYTES, "%s%s", comma, name);
    }
}

static void add_cell(struct move_line *l, sqlite3_stmt *row, int at)
{
    switch (sqlite3_column_type(row, at)) {
    case SQLITE_NULL:
        move_line_null(l);
        break;
    case SQLITE_INTEGER:
        move_line_integer(l, sqlite3_column_int64(row, at));
        break;
    case SQLITE_BLOB:
        move_line_bytes(l, sqlite3_column_blob(row, at), (size_t)sqlite3_column_bytes(row, at));
        break;
    default: {
        const char *text = (const char *)sqlite3_column_text(row, at);
        move_line_text(l, text, (size_t)sqlite3_column_bytes(row, at));
    }
    }
}

enum err sqlite_move_read(struct move_file *m, const char *table,
                          const struct move_columns *columns, move_each_line *each, void *context,
                          struct fault *f)
{
    char sql[SQL_BYTES] = "SELECT ";
    struct move_line line = {0};
    sqlite3_stmt *statement;
    add_names(sql, columns);
    row_append(sql, SQL_BYTES, " FROM %s", table);
    enum err err = sqlite_prepare(m->db, sql, &statement, f);
    int rc = SQLITE_DONE;
    while (!err && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        line.count = 0;
        for (int i = 0; i < (int)columns->count; i++)
            add_cell(&line, statement, i);
        move_line_end(&line);
        err = each(context, line.bytes, line.count, f);
    }
    if (!err && rc != SQLITE_DONE)
        err = sqlite_fault(m->db, "reading", f);
    sqlite3_finalize(statement);
    free(line.bytes);
    return err;
}

enum err sqlite_move_write_begin(struct move_file *m, const char *table,
                                 const struct move_columns *columns, struct fault *f)
{
    char sql[SQL_BYTES];
    struct move_columns own;
    assert(!m->insert);
    enum err err = list_columns(m->db, table, &own, m->kinds, f);
    if (err)
        return err;
    assert(own.count == columns->count);
    m->columns = own.count;
    snprintf(sql, sizeof sql, "INSERT INTO %s (", table);
    add_names(sql, columns);
    row_append(sql, SQL_BYTES, ") VALUES (");
    for (size_t i = 0; i < columns->count; i++)
        row_append(sql, SQL_BYTES, "%s?", i ? ", " : "");
    row_append(sql, SQL_BYTES, ")");
    err = sqlite_prepare(m->db, sql, &m->insert, f);
    return err ? err : sqlite_execute(m->db, "BEGIN", f);
}

static void bind_bytes(sqlite3_stmt *insert, int at, const char *hex, size_t bytes)
{
    unsigned char out[256];
    size_t count = MIN(bytes / 2, sizeof out);
    for (size_t i = 0; i < count; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    sqlite3_bind_blob(insert, at, out, (int)count, SQLITE_TRANSIENT);
}

static void bind_cell(struct move_file *m, int at, const char *cell, size_t bytes)
{
    char kind = m->kinds[at - 1];
    if (!cell)
        sqlite3_bind_null(m->insert, at);
    else if (kind == 'I')
        sqlite3_bind_int64(m->insert, at, strtoll(cell, NULL, 10));
    else if (kind == 'B')
        bind_bytes(m->insert, at, cell, bytes);
    else
        sqlite3_bind_text(m->insert, at, cell, (int)bytes, SQLITE_TRANSIENT);
}

enum err sqlite_move_write(void *file, char *line, size_t bytes, struct fault *f)
{
    struct move_file *m = file;
    char *cell;
    size_t cell_bytes;
    int at = 0;
    (void)bytes; // The line ends with its newline.
    while (move_line_next(&line, &cell, &cell_bytes)) {
        if (++at > (int)m->columns)
            break;
        bind_cell(m, at, cell, cell_bytes);
    }
    if (at != (int)m->columns)
        return fault_set(f, ERR_STORE_CORRUPT, "a row came with another number of columns");
    enum err err = ERR_OK;
    if (sqlite3_step(m->insert) != SQLITE_DONE)
        err = sqlite_fault(m->db, "writing", f);
    sqlite3_reset(m->insert);
    return err;
}

enum err sqlite_move_write_end(struct move_file *m, struct fault *f)
{
    sqlite3_finalize(m->insert);
    m->insert = NULL;
    return sqlite_execute(m->db, "COMMIT", f);
}

enum err sqlite_move_days(struct move_file *m, move_each_day *each, void *context, struct fault *f)
{
    sqlite3_stmt *statement;
    enum err err = sqlite_prepare(m->db,
                                  "SELECT DISTINCT scheduled_at / 86400000 FROM job_executions"
                                  " INDEXED BY idx_job_executions_scheduled_at",
                                  &statement, f);
    int rc = SQLITE_DONE;
    while (!err && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        err = each(context, sqlite3_column_int64(statement, 0), f);
    if (!err && rc != SQLITE_DONE)
        err = sqlite_fault(m->db, "reading", f);
    sqlite3_finalize(statement);
    return err;
}

// --- What the shards had planned -------------------------------------------------------------
//
// The watermark of the only shard is the least of all. A job of a shard that was further has rows
// beyond it, some of which are terminal, and so its occurrences up to there are settled: they are
// not planned again. An open row from before the last change of its job, which the job as it is now
// does not owe, would then count as owed, and is cancelled here, as it would have been by a server.

// The shards, for statements about the jobs of each.
static enum err put_shards(sqlite3 *db, const struct shard *rows, uint32_t count,
                           const struct shard *one, struct fault *f)
{
    enum err err = sqlite_execute(db,
                                  "CREATE TEMP TABLE reached (shard INTEGER PRIMARY KEY,"
                                  " watermark INTEGER, watermark_job INTEGER)",
                                  f);
    for (uint32_t n = 0; n < count && !err; n++) {
        char sql[160];
        snprintf(sql, sizeof sql, "INSERT INTO reached VALUES (%u, %lld, %lld)", n,
                 (long long)rows[n].watermark, (long long)rows[n].watermark_job);
        if (rows[n].watermark != one->watermark || rows[n].watermark_job != one->watermark_job)
            err = sqlite_execute(db, sql, f);
    }
    return err;
}

#define PLANNED_TO "watermark + (jobs.id <= watermark_job)"

struct unowed {
    struct move_file *file;
    const struct store_move *move;
    sqlite3_stmt *versions;
    sqlite3_stmt *cancel;
};

static enum err read_versions(struct unowed *u, job_id job, struct job_versions *out,
                              struct fault *f)
{
    enum err err = ERR_OK;
    int rc = SQLITE_DONE;
    sqlite3_bind_int64(u->versions, 1, job);
    while (!err && (rc = sqlite3_step(u->versions)) == SQLITE_ROW) {
        struct job_version v = {0};
        err = row_read(&version_rows, u->versions, &v, f);
        if (!err)
            job_versions_add(out, &v);
    }
    if (!err && rc != SQLITE_DONE)
        err = sqlite_fault(u->file->db, "reading", f);
    sqlite3_reset(u->versions);
    return err;
}

static enum err judge(struct unowed *u, int64_t id, job_id job, wall_ms at, struct fault *f)
{
    struct job_versions versions = {0};
    enum err err = read_versions(u, job, &versions, f);
    bool owed = err || versions.count == 0 || u->move->owes(u->move->context, &versions, at);
    job_versions_fini(&versions);
    if (owed)
        return err;
    sqlite3_bind_int64(u->cancel, 1, id);
    if (sqlite3_step(u->cancel) != SQLITE_DONE)
        err = sqlite_fault(u->file->db, "writing", f);
    sqlite3_reset(u->cancel);
    return err;
}

static enum err judge_all(struct unowed *u, sqlite3_stmt *open, wall_ms now, struct fault *f)
{
    int rc = SQLITE_DONE;
    enum err err = ERR_OK;
    sqlite3_bind_int64(u->cancel, 2, now);
    while (!err && (rc = sqlite3_step(open)) == SQLITE_ROW)
        err = judge(u, sqlite3_column_int64(open, 0), sqlite3_column_int64(open, 1),
                    sqlite3_column_int64(open, 2), f);
    if (!err && rc != SQLITE_DONE)
        err = sqlite_fault(u->file->db, "reading", f);
    return err;
}

static enum err cancel_unowed(struct move_file *m, const struct store_move *move, wall_ms now,
                              uint32_t count, struct fault *f)
{
    static const char open_sql[] =
        "SELECT e.id, jobs.id, e.scheduled_at FROM job_executions AS e"
        " JOIN jobs ON jobs.id = e.job_id JOIN reached ON shard = jobs.id %% %u"
        " WHERE e.completed_at IS NULL AND e.status = 'PENDING' AND e.series >= 0"
        " AND jobs.is_active AND jobs.deleted_at IS NULL AND e.scheduled_at > jobs.effective_from"
        " AND e.scheduled_at <= " PLANNED_TO;
    char sql[sizeof open_sql + 32], versions[2048];
    char names[1024];
    struct unowed u = {.file = m, .move = move};
    sqlite3_stmt *open = NULL;
    snprintf(sql, sizeof sql, open_sql, count);
    row_names(&version_rows, names, sizeof names);
    snprintf(versions, sizeof versions,
             "SELECT %s FROM job_versions WHERE job_id = ?1 ORDER BY number", names);
    enum err err = sqlite_prepare(m->db, sql, &open, f);
    if (!err)
        err = sqlite_prepare(m->db, versions, &u.versions, f);
    if (!err)
        err = sqlite_prepare(m->db,
                             "UPDATE job_executions SET status = 'CANCELLED', completed_at = ?2,"
                             " reason = 'the schedule was changed' WHERE id = ?1",
                             &u.cancel, f);
    if (!err)
        err = judge_all(&u, open, now, f);
    sqlite3_finalize(open);
    sqlite3_finalize(u.versions);
    sqlite3_finalize(u.cancel);
    return err;
}

static enum err raise_effective_from(sqlite3 *db, uint32_t count, struct fault *f)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "UPDATE jobs SET effective_from = " PLANNED_TO " FROM reached"
             " WHERE shard = jobs.id %% %u AND jobs.deleted_at IS NULL"
             " AND effective_from < " PLANNED_TO "; DROP TABLE reached",
             count);
    return sqlite_execute(db, sql, f);
}

enum err sqlite_move_settle(struct move_file *m, const struct store_move *move,
                            const struct shard *rows, uint32_t count, const struct shard *one,
                            wall_ms now, struct fault *f)
{
    enum err err = put_shards(m->db, rows, count, one, f);
    if (!err)
        err = cancel_unowed(m, move, now, count, f);
    if (!err)
        err = sqlite_execute(m->db,
                             "DELETE FROM lingering_executions WHERE execution_id NOT IN"
                             " (SELECT id FROM job_executions WHERE completed_at IS NULL)",
                             f);
    return err ? err : raise_effective_from(m->db, count, f);
}

// --- The end ---------------------------------------------------------------------------------

static enum err put_progress(struct move_file *m, const struct shard *one,
                             const struct store_progress_all *p, struct fault *f)
{
    struct progress_row row = {
        .id = 1, .shard = *one, .executions = p->executions, .removed_to = p->removed_to};
    char made[1024], sql[1100];
    sqlite3_stmt *statement;
    row_assignments(&progress_rows, made, sizeof made);
    snprintf(sql, sizeof sql, "UPDATE progress SET %s WHERE id = ?1", made);
    enum err err = sqlite_prepare(m->db, sql, &statement, f);
    if (err)
        return err;
    row_bind(&progress_rows, statement, &row);
    if (sqlite3_step(statement) != SQLITE_DONE)
        err = sqlite_fault(m->db, "writing the progress", f);
    sqlite3_finalize(statement);
    return err;
}

static enum err sync_file(const char *path, struct fault *f)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    enum err err = fd < 0 || fsync(fd) != 0 ? sqlite_system_fault("sync", path, f) : ERR_OK;
    if (fd >= 0)
        close(fd);
    return err;
}

enum err sqlite_move_finish(struct move_file *m, const struct shard *one,
                            const struct store_progress_all *p, const struct move_mark *mark,
                            const char *path, struct fault *f)
{
    enum err err = put_progress(m, one, p, f);
    if (!err)
        err = sqlite_move_set_mark(m, mark, f);
    if (!err)
        err = sqlite_execute(m->db, "PRAGMA optimize; PRAGMA journal_mode = DELETE;", f);
    sqlite3_close(m->db);
    m->db = NULL;
    if (!err)
        err = sync_file(m->path, f);
    if (!err && rename(m->path, path) != 0)
        err = sqlite_system_fault("create", path, f);
    return err ? err : sqlite_sync_folder(path, f);
}
