// SPDX-License-Identifier: MIT
// columns_priv.h: which column holds which member of which struct, for adapters with tables.
//
// One table of columns per struct: binding, reading and the SQL text of every adapter come from it,
// so that a column cannot be written in one order and read in another. What is unknown is NULL in
// the table and the column's `null` value in the struct.

#ifndef CARILLON_STORE_COLUMNS_PRIV_H
#define CARILLON_STORE_COLUMNS_PRIV_H

#include "base/integer.h"
#include "ledger/channel.h"
#include "store/store_priv.h"

#include <stddef.h>
#include <string.h>

enum cell {
    CELL_INTEGER,
    CELL_TEXT,
    CELL_WORD,
    CELL_WORDS,   // A set of words, a bit each, as "one,two"; the empty set is NULL.
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
#define YES_OR_NO(type, column, member) RANGE(type, column, member, 0, 1)
#define JOB_KEY(type, column, member) RANGE(type, column, member, 1, JOB_ID_MAX)
#define TEXT_CELL(type, column, member) CELL(CELL_TEXT, type, member, column)
#define WORD(type, column, member, table) CELL(CELL_WORD, type, member, column), .words = &(table)
#define WORDS(type, column, member, table) CELL(CELL_WORDS, type, member, column), .words = &(table)
#define FIXED .is_fixed = true

// A table as a list of columns, each tied to a member of the struct. The order of the columns is
// the order of parameters in an INSERT and of results in a SELECT; the first is the key.
struct row_map {
    const char *table;
    const struct column *columns;
    size_t count;
    bool is_brief;       // Without the columns that may be long; for reading only.
    const char *present; // Rows of the table where this column is NULL have none of it; or NULL.
    size_t bound_before; // So many parameters of a statement are bound by the map before this one.
};

#define MAP(name, list) .table = (name), .columns = (list), .count = COUNT_OF(list)

extern const struct row_map job_rows;
extern const struct row_map job_brief_rows;
extern const struct row_map version_rows; // Versions are written from the row of their job.
extern const struct row_map execution_rows;
extern const struct row_map attempt_rows;
// The first attempt of an execution, in columns of the execution's own row. A statement that writes
// both has the parameters of execution_rows before these.
extern const struct row_map first_attempt_rows;
extern const struct row_map alert_rows; // Without the execution's key, which its row has.
extern const struct row_map token_rows; // Without the digest.
extern const struct row_map channel_rows;
extern const struct row_map silence_rows;
extern const struct row_map delivery_rows; // The id of a new delivery is NULL likewise.
extern const struct row_map delivery_attempt_rows;
// The id of an entry comes from the database: that of a new one is NULL.
extern const struct row_map audit_rows;

// What the store knows of a small table beside its columns.
struct small_rows {
    const struct row_map *map; // The id comes from the database: that of a new row is NULL.
    const char *over;          // The column of when a row is over; NULL: it never is.
};
union small_row {
    int64_t id; // Each of them begins with it.
    struct channel channel;
    struct silence silence;
};
extern const struct small_rows small_tables[SMALL_TABLES];

const char *row_column(const struct row_map *m, size_t i);

// Appends formatted text to a buffer that is known to be large enough.
void PRINTF_LIKE(3, 4) row_append(char *out, size_t bytes, const char *format, ...);

// Makers of SQL: they write to `out`, which must have room. "a, b, c" for a SELECT.
void row_names(const struct row_map *m, char *out, size_t bytes);

// --- Cells -----------------------------------------------------------------------------------

int64_t column_integer(const struct column *c, const void *row);  // INTEGER, WORD
const char *column_text(const struct column *c, const void *row); // TEXT
#define COLUMN_WORDS_BYTES 1024
// WORDS, in `out`; NULL: the set is empty.
const char *column_words(const struct column *c, const void *row,
                         char out[static COLUMN_WORDS_BYTES]);
bool column_is_text(const struct column *c); // In the table: TEXT, WORD, WORDS
// The columns from a value of the table; false, and the member stays as it was, for what no
// version writes.
MUST_CHECK bool column_set_integer(const struct column *c, void *row, bool is_null, int64_t value);
MUST_CHECK bool column_set_word(const struct column *c, void *row, const char *word);
MUST_CHECK bool column_set_words(const struct column *c, void *row, const char *words);
void column_set_text(const struct column *c, void *row, const char *text); // Borrowed.
// Of an execution that has both ends; else false.
bool execution_duration(const struct execution *e, int64_t *out);

// --- Rows that somebody may have edited (job_row.c) -------------------------------------------

// Reads column `i` of the row at hand into *row. False, and the member stays as it was, for what no
// version writes.
typedef bool read_cell(const struct row_map *m, size_t i, void *source, void *row);

// A job's row, as far as it can be used. Its texts are borrowed, `damaged` too. False when it has
// no id that a job can have: then it is no job.
#define JOB_DAMAGED_BYTES 512 // For the names of all columns.
MUST_CHECK bool job_row_read(read_cell *read, void *source, struct job *out,
                             char damaged[static JOB_DAMAGED_BYTES]);

// The row of an execution for a start, which has to end the execution: a column that holds what no
// version writes is read as 0 or "", and the execution's error says so in `words`. False when the
// row names no execution of a job.
#define EXECUTION_DAMAGED_BYTES (JOB_DAMAGED_BYTES + 64)
MUST_CHECK bool execution_row_read(read_cell *read, void *source, struct execution *e,
                                   char words[static EXECUTION_DAMAGED_BYTES]);

// --- Many changes of a row in one commit (coalesce.c) ------------------------------------------

#define ATTEMPT_IN_ROW 1 // The number of the attempt that lives in its execution's row.

// A row of job_executions as a commit leaves it: the fruit of all its changes in that commit.
struct execution_write {
    struct execution row;
    const struct attempt *first; // The first attempt, if that is new; else NULL.
    bool has_row;                // False: nothing but the first attempt is to be written.
    bool is_new;                 // INSERT, else UPDATE.
};

// All of the batches' execution changes and first attempts, one entry per row, in order of id. The
// caller frees *out. ERR_CONFLICT when a row is inserted twice or changes after it was terminal, or
// when a first attempt comes twice.
MUST_CHECK enum err store_coalesce(struct batch *const *batches, size_t count,
                                   struct execution_write **out, size_t *out_count,
                                   struct fault *f);

#endif
