// SPDX-License-Identifier: MIT
// small.c: small tables that are told by their columns alone, in SQLite.
//
// Their changes are so rare and their rows so few that statements are prepared when they are used.

#include "store/sqlite/registry_priv.h"

#include <assert.h>
#include <stdio.h>

#define SQL_BYTES 2048

// Steps a statement whose parameters are the columns of a row.
static enum err run(struct sqlite_registry *r, const char *sql, const struct row_map *m,
                    const void *row, struct fault *f)
{
    sqlite3_stmt *statement = NULL;
    enum err err = sqlite_prepare(r->db, sql, &statement, f);
    if (err)
        return err;
    row_bind(m, statement, row);
    if (sqlite3_step(statement) != SQLITE_DONE)
        err = sqlite_fault(r->db, "writing", f);
    sqlite3_finalize(statement);
    return err;
}

static enum err run_number(struct sqlite_registry *r, const char *sql, int64_t number,
                           struct fault *f)
{
    sqlite3_stmt *statement = NULL;
    enum err err = sqlite_prepare(r->db, sql, &statement, f);
    if (err)
        return err;
    sqlite3_bind_int64(statement, 1, number);
    if (sqlite3_step(statement) != SQLITE_DONE)
        err = sqlite_fault(r->db, "writing", f);
    sqlite3_finalize(statement);
    return err;
}

// --- Changes ---------------------------------------------------------------------------------

static enum err sweep(struct sqlite_registry *r, const struct small_rows *t, wall_ms before,
                      struct fault *f)
{
    char sql[SQL_BYTES];
    if (!t->over)
        return ERR_OK;
    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE %s < ?1", t->map->table, t->over);
    return run_number(r, sql, before, f);
}

static enum err put(struct sqlite_registry *r, const struct small_rows *t, const void *row,
                    int64_t *id, struct fault *f)
{
    char sql[SQL_BYTES];
    row_insert_sql(t->map, sql, sizeof sql);
    enum err err = run(r, sql, t->map, row, f);
    if (!err)
        *id = sqlite3_last_insert_rowid(r->db);
    return err;
}

enum err sqlite_insert_row(struct store_registry *registry, enum small_table which, const void *row,
                           wall_ms gone_before, const struct audit_entry *e, int64_t *id,
                           struct fault *f)
{
    struct sqlite_registry *r = (struct sqlite_registry *)registry;
    const struct small_rows *t = &small_tables[which];
    int64_t made = 0;
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    err = put(r, t, row, &made, f);
    if (!err)
        err = sweep(r, t, gone_before, f);
    if (!err)
        err = sqlite_registry_audit(r, e, f);
    err = sqlite_registry_end(r, err, f);
    if (!err)
        *id = made;
    return err;
}

// The parameter that holds a column.
static size_t parameter_of(const struct row_map *m, const char *column)
{
    size_t i = 0;
    while (i < m->count && strcmp(m->columns[i].name, column) != 0)
        i++;
    assert(i < m->count);
    return i + 1;
}

enum err sqlite_update_row(struct store_registry *registry, enum small_table which, const void *row,
                           const struct audit_entry *e, struct fault *f)
{
    struct sqlite_registry *r = (struct sqlite_registry *)registry;
    const struct row_map *m = small_tables[which].map;
    char sql[SQL_BYTES] = "", assignments[SQL_BYTES / 2];
    row_assignments(m, assignments, sizeof assignments);
    row_append(sql, sizeof sql, "UPDATE %s SET %s WHERE id = ?1 AND version = ?%zu - 1", m->table,
               assignments, parameter_of(m, "version"));
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    err = run(r, sql, m, row, f);
    if (!err && sqlite3_changes(r->db) == 0)
        err = fault_set(f, ERR_CONFLICT, "the row has changed meanwhile");
    if (!err)
        err = sqlite_registry_audit(r, e, f);
    return sqlite_registry_end(r, err, f);
}

enum err sqlite_delete_row(struct store_registry *registry, enum small_table which, int64_t id,
                           const struct audit_entry *e, struct fault *f)
{
    struct sqlite_registry *r = (struct sqlite_registry *)registry;
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE id = ?1", small_tables[which].map->table);
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    err = run_number(r, sql, id, f);
    if (!err && sqlite3_changes(r->db) == 0)
        err = fault_set(f, ERR_NOT_FOUND, "there is no such row");
    if (!err)
        err = sqlite_registry_audit(r, e, f);
    return sqlite_registry_end(r, err, f);
}

enum err sqlite_note_channel(struct store_registry *registry, int64_t id,
                             const struct channel_note *n, struct fault *f)
{
    static const char sql[] = "UPDATE channels SET failing_since = nullif(?2, 0), last_error = ?3,"
                              " delivered_at = coalesce(nullif(?4, 0), delivered_at)"
                              " WHERE id = ?1";
    struct sqlite_registry *r = (struct sqlite_registry *)registry;
    sqlite3_stmt *statement = NULL;
    enum err err = sqlite_prepare(r->db, sql, &statement, f);
    if (err)
        return err;
    err = sqlite_registry_begin(r, f);
    if (!err) {
        sqlite3_bind_int64(statement, 1, id);
        sqlite3_bind_int64(statement, 2, n->failing_since);
        sqlite3_bind_text(statement, 3, n->last_error, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 4, n->delivered_at);
        if (sqlite3_step(statement) != SQLITE_DONE)
            err = sqlite_fault(r->db, "writing", f);
        sqlite3_reset(statement);
        err = sqlite_registry_end(r, err, f);
    }
    sqlite3_finalize(statement);
    return err;
}

// --- The list --------------------------------------------------------------------------------

struct small_walk {
    struct walk walk;
    const struct small_rows *table;
    store_each_row *each;
    void *context;
};

static enum err visit(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct small_walk *w = (struct small_walk *)walk;
    union small_row row = {0};
    enum err err = row_read(w->table->map, statement, &row, f);
    return err ? err : w->each(w->context, &row);
}

enum err sqlite_list_rows(struct store_registry *registry, enum small_table which,
                          store_each_row *each, void *context, struct fault *f)
{
    struct sqlite_registry *r = (struct sqlite_registry *)registry;
    struct small_walk w = {{.visit = visit}, &small_tables[which], each, context};
    char sql[SQL_BYTES] = "", names[SQL_BYTES / 2];
    sqlite3_stmt *statement = NULL;
    row_names(w.table->map, names, sizeof names);
    row_append(sql, sizeof sql, "SELECT %s FROM %s ORDER BY id", names, w.table->map->table);
    enum err err = sqlite_prepare(r->db, sql, &statement, f);
    if (!err)
        err = sqlite_walk(r->db, statement, &w.walk, f);
    sqlite3_finalize(statement);
    return err;
}
