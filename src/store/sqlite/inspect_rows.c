// SPDX-License-Identifier: MIT
// inspect_rows.c: goes through every row of every table and names each column that holds what no
// version of this program writes.
//
// The judgement is that of the reading side itself, so whatever a server could stumble over shows
// here. Texts are not repeated: they may be credentials.

#include "store/sqlite/sqlite_priv.h"

#include <stdio.h>
#include <string.h>

struct rows_walk {
    struct walk walk;
    const struct row_map *map;
    row_finding *found;
    void *context;
};

static void tell(struct rows_walk *w, sqlite3_stmt *statement, const char *columns, int at)
{
    char text[JOB_DAMAGED_BYTES + 256];
    const char *value = at >= 0 ? (const char *)sqlite3_column_text(statement, at) : NULL;
    int n = snprintf(text, sizeof text, "table %s, row %lld: %s", w->map->table,
                     (long long)sqlite3_column_int64(statement, 0), columns);
    if (at >= 0)
        snprintf(text + n, sizeof text - (size_t)n, " holds '%.80s'", value ? value : "NULL");
    w->found(w->context, text);
}

static enum err visit_row(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct rows_walk *w = (struct rows_walk *)walk;
    char row[sizeof(struct job)] __attribute__((aligned(16))) = {0}; // The largest of them.
    (void)f;
    for (size_t i = 0; i < w->map->count; i++)
        if (!row_read_cell(w->map, i, statement, row))
            tell(w, statement, row_column(w->map, i), (int)i);
    return ERR_OK;
}

// A job's texts have forms beside, of which a cell alone does not tell.
static enum err visit_job(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct rows_walk *w = (struct rows_walk *)walk;
    struct job ignored;
    char damaged[JOB_DAMAGED_BYTES];
    (void)f;
    if (!job_row_read(row_read_cell, statement, &ignored, damaged))
        tell(w, statement, row_column(w->map, 0), 0);
    else if (*damaged)
        tell(w, statement, damaged, -1);
    return ERR_OK;
}

static enum err walk_table(sqlite3 *db, struct rows_walk *w, struct fault *f)
{
    char names[2048], sql[2200];
    const char *present = w->map->present;
    row_names(w->map, names, sizeof names);
    snprintf(sql, sizeof sql, "SELECT %s FROM %s%s%s%s", names, w->map->table,
             present ? " WHERE " : "", present ? present : "", present ? " IS NOT NULL" : "");
    sqlite3_stmt *statement = NULL;
    enum err err = sqlite_prepare(db, sql, &statement, f);
    if (!err)
        err = sqlite_walk(db, statement, &w->walk, f);
    sqlite3_finalize(statement);
    return err;
}

enum err sqlite_each_bad_row(sqlite3 *db, row_finding *found, void *context, struct fault *f)
{
    static const struct row_map *const maps[] = {
        &job_rows,     &version_rows, &execution_rows, &first_attempt_rows,
        &attempt_rows, &alert_rows,   &audit_rows,     &token_rows,
        &channel_rows, &silence_rows, &progress_rows};
    enum err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(maps) && !err; i++) {
        struct rows_walk w = {.walk = {.visit = maps[i] == &job_rows ? visit_job : visit_row},
                              .map = maps[i],
                              .found = found,
                              .context = context};
        err = walk_table(db, &w, f);
    }
    return err;
}
