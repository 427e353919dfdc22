// SPDX-License-Identifier: MIT
// rows.c: rows of the tables (store/columns.c) as parameters and results of SQLite's statements.

#include "store/sqlite/sqlite_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct column progress_columns[] = {
    {COUNT(progress_row, "id", id), FIXED},
    {TIME(progress_row, "watermark", shard.watermark)},
    {RANGE(progress_row, "watermark_job", shard.watermark_job, 0, JOB_ID_MAX)},
    {RANGE(progress_row, "job_next", shard.job_next, 0, JOB_ID_MAX)},
    {COUNT(progress_row, "execution_next", shard.execution_next)},
    {COUNT(progress_row, "alert_next", shard.alert_next)},
    {COUNT(progress_row, "epoch", shard.epoch)},
    {COUNT(progress_row, "generation", shard.generation)},
    {TIME(progress_row, "corrected_at", shard.corrected_at)},
    {COUNT(progress_row, "executions", executions)},
    {TIME(progress_row, "removed_to", removed_to)},
    {COUNT(progress_row, "tick", shard.tick)},
    {TIME(progress_row, "open_from", shard.open_from)},
};

const struct row_map progress_rows = {MAP("progress", progress_columns)};

void row_insert_sql(const struct row_map *m, char *out, size_t bytes)
{
    snprintf(out, bytes, "INSERT INTO %s (", m->table);
    row_names(m, out + strlen(out), bytes - strlen(out));
    row_append(out, bytes, ") VALUES (");
    for (size_t i = 0; i < m->count; i++)
        row_append(out, bytes, "%s?%zu", i ? ", " : "", i + 1);
    row_append(out, bytes, ")");
}

void row_assignments(const struct row_map *m, char *out, size_t bytes)
{
    const char *comma = "";
    *out = '\0';
    for (size_t i = 0; i < m->count; i++) {
        if (m->columns[i].is_fixed)
            continue;
        row_append(out, bytes, "%s%s = ?%zu", comma, m->columns[i].name, m->bound_before + i + 1);
        comma = ", ";
    }
}

void row_assignments_with_first(const struct row_map *m, char *out, size_t bytes)
{
    row_assignments(m, out, bytes);
    row_append(out, bytes, ", ");
    row_assignments(&first_attempt_rows, out + strlen(out), bytes - strlen(out));
}

void row_upsert_sql(const struct row_map *m, char *out, size_t bytes)
{
    row_insert_sql(m, out, bytes);
    row_append(out, bytes, " ON CONFLICT (%s) DO UPDATE SET ", m->columns[0].name);
    row_assignments(m, out + strlen(out), bytes - strlen(out));
}

static void bind_duration(sqlite3_stmt *statement, int at, const struct execution *e)
{
    int64_t duration;
    if (execution_duration(e, &duration))
        sqlite3_bind_int64(statement, at, duration);
    else
        sqlite3_bind_null(statement, at);
}

static void bind_cell(const struct column *c, sqlite3_stmt *statement, int at, const void *row)
{
    char words[COLUMN_WORDS_BYTES];
    const char *text;
    int64_t number;
    switch (c->cell) {
    case CELL_INTEGER:
        number = column_integer(c, row);
        if (number != c->null)
            sqlite3_bind_int64(statement, at, number);
        else
            sqlite3_bind_null(statement, at);
        break;
    case CELL_TEXT:
        text = column_text(c, row);
        sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC); // NULL binds NULL.
        break;
    case CELL_WORD:
        text = enum_word(c->words, (int)column_integer(c, row));
        sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
        break;
    case CELL_WORDS:
        text = column_words(c, row, words);
        sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
        break;
    case CELL_DURATION:
        bind_duration(statement, at, row);
        break;
    }
}

void row_bind(const struct row_map *m, sqlite3_stmt *statement, const void *row)
{
    for (size_t i = 0; i < m->count; i++)
        bind_cell(&m->columns[i], statement, (int)(m->bound_before + i) + 1, row);
}

static bool read_integer(const struct column *c, sqlite3_stmt *statement, int at, void *row)
{
    int64_t number = sqlite3_column_int64(statement, at);
    bool is_null = number == 0 && sqlite3_column_type(statement, at) == SQLITE_NULL;
    return column_set_integer(c, row, is_null, number);
}

static bool read_value(const struct column *c, sqlite3_stmt *statement, int at, void *row)
{
    switch (c->cell) {
    case CELL_INTEGER:
        return read_integer(c, statement, at, row);
    case CELL_TEXT:
        column_set_text(c, row, (const char *)sqlite3_column_text(statement, at));
        return true;
    case CELL_WORD:
        return column_set_word(c, row, (const char *)sqlite3_column_text(statement, at));
    case CELL_WORDS:
        return column_set_words(c, row, (const char *)sqlite3_column_text(statement, at));
    case CELL_DURATION:
        return true;
    }
    return false;
}

bool row_read_cell(const struct row_map *m, size_t i, void *statement, void *row)
{
    assert(i < m->count);
    return read_value(&m->columns[i], statement, (int)i, row);
}

enum err row_read(const struct row_map *m, sqlite3_stmt *statement, void *row, struct fault *f)
{
    for (size_t i = 0; i < m->count; i++) {
        if (!row_read_cell(m, i, statement, row)) {
            const char *value = (const char *)sqlite3_column_text(statement, (int)i);
            return fault_set(f, ERR_STORE_CORRUPT,
                             "column %s of table %s holds '%.100s' in row %lld", row_column(m, i),
                             m->table, value ? value : "NULL",
                             (long long)sqlite3_column_int64(statement, 0));
        }
    }
    return ERR_OK;
}
