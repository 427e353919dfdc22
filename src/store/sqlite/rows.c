// SPDX-License-Identifier: MIT
// rows.c: which column holds which member of which struct.
//
// One table per struct; binding, reading and the SQL text all come from it, so that a column
// cannot be written in one order and read in another. What is unknown is NULL in the table and the
// column's `null` value in the struct.

#include "base/integer.h"
#include "store/sqlite/sqlite_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum cell {
    CELL_INTEGER,
    CELL_TEXT,
    CELL_WORD,
    CELL_DURATION // Columns of an execution that are derived when written, ignored when read.
};

#define NOT_NULL INT64_MIN // No member has this value.

struct column {
    const char *name;
    size_t offset;
    size_t bytes;
    int64_t null; // CELL_INTEGER: the value that stands for NULL.
    int64_t min;  // CELL_INTEGER: the least value in the table,
    int64_t max;  // and the greatest.
    const struct enum_words *words;
    enum cell cell;
    bool is_fixed; // Never changes once the row is there.
    bool is_long;  // CELL_TEXT: left out when the row is read in brief.
};

#define CELL(kind, type, member, column)                                                           \
    .name = (column), .offset = offsetof(struct type, member),                                     \
    .bytes = sizeof(((struct type *)0)->member), .cell = (kind)
#define RANGE(type, column, member, low, high)                                                     \
    CELL(CELL_INTEGER, type, member, column), .null = NOT_NULL, .min = (low), .max = (high)
#define RANGE_UNKNOWN(type, column, member, low, high, value)                                      \
    CELL(CELL_INTEGER, type, member, column), .null = (value), .min = (low), .max = (high)
#define COUNT_MAX                                                                                  \
    (INT64_MAX / 2) // Nothing gets there, and what counts on from it does not overflow.
#define COUNT(type, column, member) RANGE(type, column, member, 0, COUNT_MAX)
#define TIME(type, column, member) RANGE(type, column, member, 0, WALL_LAST)
#define TIME_UNKNOWN(type, column, member, value)                                                  \
    RANGE_UNKNOWN(type, column, member, 0, WALL_LAST, value)
#define FLAG(type, column, member) RANGE(type, column, member, 0, 1)
#define JOB_KEY(type, column, member) RANGE(type, column, member, 1, JOB_ID_MAX)
#define TEXT(type, column, member) CELL(CELL_TEXT, type, member, column)
#define WORD(type, column, member, table) CELL(CELL_WORD, type, member, column), .words = &(table)
#define FIXED .is_fixed = true

// The columns of table `jobs` are named as the members of a job are.
#define IS_LONG(form) ((form) == TEXT_LONG || (form) == TEXT_HEADERS || (form) == TEXT_PAYLOAD)
static const struct column job_columns[] = {
#define JOB_NUMBER(member, type, initial, least, greatest, role, access)                           \
    {RANGE(job, #member, member, least, greatest)},
#define JOB_OPTIONAL_NUMBER(member, type, initial, least, greatest, role, access)                  \
    {RANGE_UNKNOWN(job, #member, member, least, greatest, initial)},
#define JOB_FLAG(member, initial, role, access) {FLAG(job, #member, member)},
#define JOB_WORD(member, tag, initial, role, access) {WORD(job, #member, member, tag##_words)},
#define JOB_TIME(member, role, access) {TIME(job, #member, member)},
#define JOB_OPTIONAL_TIME(member, initial, role, access)                                           \
    {TIME_UNKNOWN(job, #member, member, initial)},
#define JOB_COUNT(member, least, greatest, role, access)                                           \
    {RANGE(job, #member, member, least, greatest), .is_fixed = ACCESS_##access == ACCESS_GIVEN},
#define JOB_TEXT(member, form, greatest, role, access)                                             \
    {TEXT(job, #member, member), .is_long = IS_LONG(TEXT_##form)},
#include "ledger/job.def"
};

static const struct column version_columns[] = {
    {JOB_KEY(job_version, "job_id", job)},
    {COUNT(job_version, "number", number)},
    {COUNT(job_version, "version", version)},
    {TIME(job_version, "from_at", from_at)},
    {WORD(job_version, "phase", phase, job_phase_words)},
    {TEXT(job_version, "schedule", schedule)},
    {TEXT(job_version, "timezone", timezone)},
    {WORD(job_version, "dst_gap", dst_gap, cron_gap_words)},
    {WORD(job_version, "dst_fold", dst_fold, cron_fold_words)},
    {TIME_UNKNOWN(job_version, "start_at", start_at, 0)},
    {TIME_UNKNOWN(job_version, "end_at", end_at, WALL_NEVER)},
    {RANGE_UNKNOWN(job_version, "max_runs", max_runs, 0, JOB_MAX(runs), 0)},
    {RANGE(job_version, "runs", runs, 0, JOB_MAX(runs))},
    {TIME_UNKNOWN(job_version, "paused_until", paused_until, WALL_NEVER)},
    {TEXT(job_version, "reason", reason)},
};

static const struct column execution_columns[] = {
    {COUNT(execution, "id", id), FIXED},
    {JOB_KEY(execution, "job_id", key.job), FIXED},
    {WORD(execution, "status", state, execution_state_words)},
    {TIME(execution, "scheduled_at", key.scheduled_at), FIXED},
    {TIME_UNKNOWN(execution, "due_at", due_at, 0), FIXED},
    {TIME_UNKNOWN(execution, "started_at", started_at, 0)},
    {TIME_UNKNOWN(execution, "completed_at", completed_at, 0)},
    {.name = "duration", .cell = CELL_DURATION},
    {RANGE_UNKNOWN(execution, "http_status", http_status, 0, 999, 0)},
    {TEXT(execution, "error", error)},
    {RANGE(execution, "retry_count", retry_count, 0, UINT16_MAX)},
    {RANGE(execution, "series", key.series, -COUNT_MAX, COUNT_MAX), FIXED},
    {WORD(execution, "trigger", trigger, execution_trigger_words), FIXED},
    {RANGE(execution, "attempts", attempts, 0, UINT16_MAX)},
    {RANGE(execution, "recoveries", recoveries, 0, UINT16_MAX)},
    {TIME_UNKNOWN(execution, "next_attempt_at", next_attempt_at, 0)},
    {TIME_UNKNOWN(execution, "missed_to", missed_to, 0)},
    {RANGE_UNKNOWN(execution, "missed_count", missed_count, 0, COUNT_MAX, 0)},
    {TEXT(execution, "reason", reason)},
    {TEXT(execution, "request_body", request_body), FIXED},
    {RANGE_UNKNOWN(execution, "request_body_is_json", request_body_is_json, 0, 1, 0), FIXED},
};

static const struct column attempt_columns[] = {
    {COUNT(attempt, "execution_id", execution_id)},
    {RANGE(attempt, "number", number, 0, UINT16_MAX)},
    {RANGE_UNKNOWN(attempt, "http_status", http_status, 0, 999, 0)},
    {TIME(attempt, "started_at", started_at)},
    {COUNT(attempt, "duration_ms", duration_ms)},
    {RANGE_UNKNOWN(attempt, "dns_ms", dns_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "connect_ms", connect_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "tls_ms", tls_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "first_byte_ms", first_byte_ms, 0, INT32_MAX, -1)},
    {TEXT(attempt, "error", error)},
    {TEXT(attempt, "response", response)},
    {FLAG(attempt, "response_truncated", response_truncated)},
    {FLAG(attempt, "response_damaged", response_damaged)},
    {TEXT(attempt, "redirects", redirects)},
};

// The columns of an attempt without its number, which is 1. All are NULL where there is none.
static const struct column first_attempt_columns[] = {
    {COUNT(attempt, "id", execution_id), FIXED},
    {RANGE_UNKNOWN(attempt, "first_http_status", http_status, 0, 999, 0)},
    {TIME(attempt, "first_started_at", started_at)},
    {COUNT(attempt, "first_duration_ms", duration_ms)},
    {RANGE_UNKNOWN(attempt, "first_dns_ms", dns_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "first_connect_ms", connect_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "first_tls_ms", tls_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "first_first_byte_ms", first_byte_ms, 0, INT32_MAX, -1)},
    {TEXT(attempt, "first_error", error)},
    {TEXT(attempt, "first_response", response)},
    {FLAG(attempt, "first_truncated", response_truncated)},
    {FLAG(attempt, "first_damaged", response_damaged)},
    {TEXT(attempt, "first_redirects", redirects)},
};
_Static_assert(COUNT_OF(first_attempt_columns) + 1 == COUNT_OF(attempt_columns),
               "an attempt has the same columns wherever it is");

static const struct column alert_columns[] = {
    {COUNT(alert, "id", id)},
    {RANGE_UNKNOWN(alert, "job_id", job, 1, JOB_ID_MAX, 0)},
    {RANGE_UNKNOWN(alert, "execution_id", execution_id, 0, COUNT_MAX, 0)},
    {WORD(alert, "kind", kind, alert_kind_words)},
    {TIME(alert, "created_at", created_at)},
    {TEXT(alert, "message", message)},
    {TEXT(alert, "subject", subject)},
    {RANGE(alert, "attempts", attempts, 0, UINT32_MAX)},
    {TIME(alert, "from_at", from)},
    {TIME(alert, "to_at", to)},
    {COUNT(alert, "count", count)},
    {TEXT(alert, "last_error", last_error)},
};

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

#define MAP(name, list) .table = (name), .columns = (list), .count = COUNT_OF(list)

const struct row_map job_rows = {MAP("jobs", job_columns)};
const struct row_map job_brief_rows = {MAP("jobs", job_columns), .is_brief = true};
const struct row_map version_rows = {MAP("job_versions", version_columns)};
const struct row_map execution_rows = {MAP("job_executions", execution_columns)};
const struct row_map attempt_rows = {MAP("job_attempts", attempt_columns)};
const struct row_map first_attempt_rows = {MAP("job_executions", first_attempt_columns),
                                           .present = "first_started_at",
                                           .bound_before = COUNT_OF(execution_columns)};
const struct row_map alert_rows = {MAP("alerts", alert_columns)};
const struct row_map progress_rows = {MAP("progress", progress_columns)};

// Appends formatted text to a buffer that is known to be large enough.
static void PRINTF_LIKE(3, 4) append(char *out, size_t bytes, const char *format, ...)
{
    size_t used = strlen(out);
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(out + used, bytes - used, format, arguments);
    va_end(arguments);
    assert(n >= 0 && (size_t)n < bytes - used);
}

void row_names(const struct row_map *m, char *out, size_t bytes)
{
    *out = '\0';
    for (size_t i = 0; i < m->count; i++)
        append(out, bytes, "%s%s", i ? ", " : "",
               m->is_brief && m->columns[i].is_long ? "NULL" : m->columns[i].name);
}

void row_insert_sql(const struct row_map *m, char *out, size_t bytes)
{
    snprintf(out, bytes, "INSERT INTO %s (", m->table);
    row_names(m, out + strlen(out), bytes - strlen(out));
    append(out, bytes, ") VALUES (");
    for (size_t i = 0; i < m->count; i++)
        append(out, bytes, "%s?%zu", i ? ", " : "", i + 1);
    append(out, bytes, ")");
}

void row_assignments(const struct row_map *m, char *out, size_t bytes)
{
    const char *comma = "";
    *out = '\0';
    for (size_t i = 0; i < m->count; i++) {
        if (m->columns[i].is_fixed)
            continue;
        append(out, bytes, "%s%s = ?%zu", comma, m->columns[i].name, m->bound_before + i + 1);
        comma = ", ";
    }
}

void row_assignments_with_first(const struct row_map *m, char *out, size_t bytes)
{
    row_assignments(m, out, bytes);
    append(out, bytes, ", ");
    row_assignments(&first_attempt_rows, out + strlen(out), bytes - strlen(out));
}

void row_upsert_sql(const struct row_map *m, char *out, size_t bytes)
{
    row_insert_sql(m, out, bytes);
    append(out, bytes, " ON CONFLICT (%s) DO UPDATE SET ", m->columns[0].name);
    row_assignments(m, out + strlen(out), bytes - strlen(out));
}

static int64_t load_integer(const struct column *c, const void *row)
{
    return integer_load((const char *)row + c->offset, c->bytes);
}

static void store_integer(const struct column *c, void *row, int64_t value)
{
    integer_store((char *)row + c->offset, c->bytes, value);
}

static const char *load_text(const struct column *c, const void *row)
{
    const char *text;
    memcpy(&text, (const char *)row + c->offset, sizeof text);
    return text;
}

static void bind_duration(sqlite3_stmt *statement, int at, const struct execution *e)
{
    if (e->started_at && e->completed_at)
        sqlite3_bind_int64(statement, at, e->completed_at - e->started_at);
    else
        sqlite3_bind_null(statement, at);
}

static void bind_cell(const struct column *c, sqlite3_stmt *statement, int at, const void *row)
{
    const char *text;
    int64_t number;
    switch (c->cell) {
    case CELL_INTEGER:
        number = load_integer(c, row);
        if (number != c->null)
            sqlite3_bind_int64(statement, at, number);
        else
            sqlite3_bind_null(statement, at);
        break;
    case CELL_TEXT:
        text = load_text(c, row);
        sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC); // NULL binds NULL.
        break;
    case CELL_WORD:
        text = enum_word(c->words, (int)load_integer(c, row));
        sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
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

static bool read_word(const struct column *c, const char *text, void *row)
{
    int value;
    if (!text || !enum_find(c->words, text, &value))
        return false;
    store_integer(c, row, value);
    return true;
}

static bool read_integer(const struct column *c, sqlite3_stmt *statement, int at, void *row)
{
    int64_t number = sqlite3_column_int64(statement, at);
    bool is_null = number == 0 && sqlite3_column_type(statement, at) == SQLITE_NULL;
    bool is_fine = is_null ? c->null != NOT_NULL : c->min <= number && number <= c->max;
    if (is_fine)
        store_integer(c, row, is_null ? c->null : number);
    return is_fine;
}

static bool read_cell(const struct column *c, sqlite3_stmt *statement, int at, void *row)
{
    const char *text;
    switch (c->cell) {
    case CELL_INTEGER:
        return read_integer(c, statement, at, row);
    case CELL_TEXT:
        text = (const char *)sqlite3_column_text(statement, at);
        memcpy((char *)row + c->offset, &text, sizeof text);
        return true;
    case CELL_WORD:
        return read_word(c, (const char *)sqlite3_column_text(statement, at), row);
    case CELL_DURATION:
        return true;
    }
    return false;
}

bool row_read_cell(const struct row_map *m, size_t i, sqlite3_stmt *statement, void *row)
{
    assert(i < m->count);
    return read_cell(&m->columns[i], statement, (int)i, row);
}

const char *row_column(const struct row_map *m, size_t i)
{
    assert(i < m->count);
    return m->columns[i].name;
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
