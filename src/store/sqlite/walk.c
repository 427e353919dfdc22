// SPDX-License-Identifier: MIT
// walk.c: going through the rows of a result, for the reading side and for a start.

#include "store/sqlite/sqlite_priv.h"

#include <stdio.h>

enum err sqlite_walk(sqlite3 *db, sqlite3_stmt *statement, struct walk *w, struct fault *f)
{
    enum err err = ERR_OK;
    int rc = SQLITE_DONE;
    while (!err && !w->is_done && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        err = w->visit(w, statement, f);
    if (!err && !w->is_done && rc != SQLITE_DONE)
        err = sqlite_fault(db, "reading", f);
    sqlite3_reset(statement);
    return err;
}

bool walk_read(struct walk *w, const struct row_map *m, sqlite3_stmt *statement, void *row,
               enum err *err, struct fault *f)
{
    enum err damage = row_read(m, statement, row, f);
    *err = w->leaves_out ? ERR_OK : damage;
    return damage == ERR_OK;
}

static enum err visit_job(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct job_walk *w = (struct job_walk *)walk;
    struct job j;
    char damaged[JOB_DAMAGED_BYTES];
    (void)f;
    if (!job_row_read(row_read_cell, statement, &j, damaged))
        return ERR_OK;
    if (w->left > 0)
        walk->is_done = --w->left == 0;
    return w->each(w->context, &j);
}

static enum err visit_execution(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct execution_walk *w = (struct execution_walk *)walk;
    struct execution e = {0};
    enum err err;
    if (!walk_read(walk, &execution_rows, statement, &e, &err, f))
        return err;
    w->found = true;
    return w->each(w->context, &e);
}

static enum err visit_open(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct execution_walk *w = (struct execution_walk *)walk;
    struct execution e = {0};
    char words[EXECUTION_DAMAGED_BYTES];
    (void)f;
    if (!execution_row_read(row_read_cell, statement, &e, words))
        return ERR_OK;
    e.lingers = sqlite3_column_int(statement, (int)execution_rows.count);
    if (w->left > 0)
        walk->is_done = --w->left == 0;
    return w->each(w->context, &e);
}

static enum err visit_version(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct version_walk *w = (struct version_walk *)walk;
    struct job_version v = {0};
    enum err err = row_read(&version_rows, statement, &v, f);
    return err ? err : w->each(w->context, &v);
}

struct version_walk version_walk(store_each_version *each, void *context)
{
    return (struct version_walk){
        .walk = {.visit = visit_version}, .each = each, .context = context};
}

struct job_walk job_walk(const struct job_query *q, store_each_job *each, void *context)
{
    return (struct job_walk){
        .walk = {.visit = visit_job, .is_done = q && q->limit == 0},
        .query = q,
        .left = q ? q->limit : 0,
        .each = each,
        .context = context,
    };
}

struct execution_walk execution_walk(store_each_execution *each, void *context)
{
    return (struct execution_walk){
        .walk = {.visit = visit_execution}, .each = each, .context = context};
}

struct execution_walk open_walk(size_t left, store_each_execution *each, void *context)
{
    return (struct execution_walk){
        .walk = {.visit = visit_open}, .left = left, .each = each, .context = context};
}
