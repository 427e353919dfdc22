// SPDX-License-Identifier: MIT
// small.c: small tables that are told by their columns alone, in PostgreSQL.
//
// Each change is one statement, in which the entry of the audit is written when the row was.

#include "store/postgres/registry_priv.h"

#include <stdio.h>

#define SQL_BYTES 4096

// "$3, $4": so many numbers, from `first` on.
static void add_numbers(char *sql, int first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        row_append(sql, SQL_BYTES, "%s$%zu", i ? ", " : "", (size_t)first + i);
}

// The end of a statement whose first part is a CTE `t` of what was changed.
static void add_audit(char *sql, struct parameters *p, const struct audit_entry *e)
{
    row_append(sql, SQL_BYTES, "), a AS (" AUDIT_COLUMNS);
    add_numbers(sql, p->used + 1, AUDIT_PARAMETERS);
    row_append(sql, SQL_BYTES, " FROM t) SELECT id FROM t");
    postgres_registry_audit(p, e);
}

// *found is the id of the row that was changed, or 0.
static enum err change(struct store_registry *r, const char *sql, struct parameters *p,
                       int64_t *found, struct fault *f)
{
    PGresult *result;
    enum err err = postgres_registry_change(r, sql, p, &result, f);
    if (err)
        return err;
    *found = PQntuples(result) ? result_integer(&(struct result_row){result, 0}, 0) : 0;
    PQclear(result);
    return ERR_OK;
}

enum err postgres_insert_row(struct store_registry *r, enum small_table which, const void *row,
                             wall_ms gone_before, const struct audit_entry *e, int64_t *id,
                             struct fault *f)
{
    const struct small_rows *t = &small_tables[which];
    char sql[SQL_BYTES] = "WITH ", names[SQL_BYTES / 4];
    struct parameters p = {0};
    row_names(t->map, names, sizeof names);
    parameter_row(&p, t->map, 1, row);
    if (t->over) {
        parameter_integer(&p, gone_before);
        row_append(sql, sizeof sql, "gone AS (DELETE FROM %s WHERE %s < $%d), ", t->map->table,
                   t->over, p.used);
    }
    row_append(sql, sizeof sql, "t AS (INSERT INTO %s (%s) VALUES (", t->map->table,
               names + sizeof "id, " - 1);
    add_numbers(sql, 1, t->map->count - 1);
    row_append(sql, sizeof sql, ") RETURNING id");
    add_audit(sql, &p, e);
    return change(r, sql, &p, id, f);
}

enum err postgres_update_row(struct store_registry *r, enum small_table which, const void *row,
                             const struct audit_entry *e, struct fault *f)
{
    const struct row_map *m = small_tables[which].map;
    char sql[SQL_BYTES] = "";
    struct parameters p = {0};
    int64_t found = 0;
    parameter_row(&p, m, 0, row);
    row_append(sql, sizeof sql, "WITH t AS (UPDATE %s AS old SET ", m->table);
    const char *comma = "";
    for (size_t i = 0; i < m->count; i++) {
        if (m->columns[i].is_fixed)
            continue;
        row_append(sql, sizeof sql, "%s%s = $%zu", comma, m->columns[i].name, i + 1);
        comma = ", ";
    }
    row_append(sql, sizeof sql, " WHERE id = $1");
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->columns[i].name, "version") == 0)
            row_append(sql, sizeof sql, " AND old.version = $%zu - 1", i + 1);
    row_append(sql, sizeof sql, " RETURNING id");
    add_audit(sql, &p, e);
    enum err err = change(r, sql, &p, &found, f);
    if (!err && !found)
        err = fault_set(f, ERR_CONFLICT, "the row has changed meanwhile");
    return err;
}

enum err postgres_delete_row(struct store_registry *r, enum small_table which, int64_t id,
                             const struct audit_entry *e, struct fault *f)
{
    char sql[SQL_BYTES] = "";
    struct parameters p = {0};
    int64_t found = 0;
    parameter_integer(&p, id);
    row_append(sql, sizeof sql, "WITH t AS (DELETE FROM %s WHERE id = $1 RETURNING id",
               small_tables[which].map->table);
    add_audit(sql, &p, e);
    enum err err = change(r, sql, &p, &found, f);
    if (!err && !found)
        err = fault_set(f, ERR_NOT_FOUND, "there is no such row");
    return err;
}

enum err postgres_note_channel(struct store_registry *r, int64_t id, const struct channel_note *n,
                               struct fault *f)
{
    struct parameters p = {0};
    int64_t found;
    parameter_integer(&p, id);
    parameter_integer_or_null(&p, n->failing_since, 0);
    parameter_text(&p, n->last_error);
    parameter_integer_or_null(&p, n->delivered_at, 0);
    return change(r,
                  "UPDATE channels SET failing_since = $2, last_error = $3,"
                  " delivered_at = coalesce($4, delivered_at) WHERE id = $1 RETURNING id",
                  &p, &found, f);
}

// --- The list --------------------------------------------------------------------------------

enum err postgres_list_rows(struct store_registry *r, enum small_table which, store_each_row *each,
                            void *context, struct fault *f)
{
    const struct row_map *m = small_tables[which].map;
    char sql[SQL_BYTES] = "", names[SQL_BYTES / 4];
    struct parameters p = {0};
    PGresult *result;
    row_names(m, names, sizeof names);
    row_append(sql, sizeof sql, "SELECT %s FROM %s ORDER BY id", names, m->table);
    enum err err = postgres_registry_run(r, sql, &p, &result, f);
    if (err)
        return err;
    struct result_row at = {result, 0};
    for (; at.row < PQntuples(result) && !err; at.row++) {
        union small_row row = {0};
        err = result_read(m, &at, &row, f);
        if (!err)
            err = each(context, &row);
    }
    PQclear(result);
    return err;
}
