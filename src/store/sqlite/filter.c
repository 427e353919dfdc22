// SPDX-License-Identifier: MIT
// filter.c: which jobs a list lets through, asked by SQLite before it reads the rest of a row.
//
// The words of SQL itself would not do: LIKE takes time in proportion to the product of both
// lengths, which clients choose, and json_each ends the whole list at one row whose tags were
// edited into no JSON. So the rules that every adapter shares are functions of the connection.

#include "store/sqlite/reader_priv.h"

typedef bool rule(const char *text, const char *wanted);

static void apply(sqlite3_context *context, sqlite3_value **values, rule *holds)
{
    const char *text = (const char *)sqlite3_value_text(values[0]);
    const char *wanted = (const char *)sqlite3_value_text(values[1]);
    sqlite3_result_int(context, text && wanted && holds(text, wanted));
}

static void has_part(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    apply(context, values, job_text_has_part);
}

static void has_tag(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    apply(context, values, job_tags_have);
}

enum err sqlite_add_filters(sqlite3 *db, struct fault *f)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    int rc = sqlite3_create_function(db, "has_part", 2, flags, NULL, has_part, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(db, "has_tag", 2, flags, NULL, has_tag, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : sqlite_fault(db, "adding functions", f);
}

void sqlite_bind_job_query(sqlite3_stmt *statement, const struct job_query *q)
{
    sqlite3_bind_int64(statement, 1, q->after);
    if (q->is_active >= 0)
        sqlite3_bind_int(statement, 2, q->is_active != 0);
    else
        sqlite3_bind_null(statement, 2);
    sqlite3_bind_text(statement, 3, q->text, -1, SQLITE_STATIC); // NULL binds NULL.
    sqlite3_bind_text(statement, 4, q->tag, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, q->until ? q->until : INT64_MAX);
}
