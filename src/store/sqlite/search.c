// SPDX-License-Identifier: MIT
// search.c: going through many jobs to find a few, by what their last execution came to.
//
// Bodies and headers lie on pages of their own, which are not read here. The last execution of a
// job is one step into the index of executions by job, for each job that the rest lets through.

#include "store/sqlite/reader_priv.h"

struct find_walk {
    struct walk walk;
    struct sqlite_reader *reader;
    const struct job_query *query;
    size_t left; // How many more are wanted.
    store_each_found *each;
    void *context;
};

// What cannot be read is as if it were not there, as in lists.
static enum err read_last(struct find_walk *w, struct job_found *found, struct fault *f)
{
    sqlite3_stmt *statement = w->reader->queries[JOB_LAST];
    sqlite3_bind_int64(statement, 1, found->job->id);
    sqlite3_bind_int64(statement, 2, w->query->now);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        const char *word = (const char *)sqlite3_column_text(statement, 0);
        int state = 0;
        found->has_last = word && enum_find(&execution_state_words, word, &state);
        found->last_state = (enum execution_state)state;
        found->last_at = sqlite3_column_int64(statement, 1);
    }
    enum err err = ERR_OK;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = sqlite_fault(w->reader->db, "reading", f);
    sqlite3_reset(statement);
    return err;
}

static enum err visit_found(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct find_walk *w = (struct find_walk *)walk;
    struct job j;
    struct job_found found = {.job = &j};
    char damaged[JOB_DAMAGED_BYTES];
    if (!job_row_read(row_read_cell, statement, &j, damaged))
        return ERR_OK;
    walk->is_done = --w->left == 0;
    enum err err = w->query->wants_last ? read_last(w, &found, f) : ERR_OK;
    return err ? err : w->each(w->context, &found);
}

enum err sqlite_find_jobs(struct store_reader *reader, const struct job_query *q,
                          store_each_found *each, void *context, struct fault *f)
{
    struct sqlite_reader *r = (struct sqlite_reader *)reader;
    struct find_walk w = {
        .walk = {.visit = visit_found, .is_done = q->limit == 0},
        .reader = r,
        .query = q,
        .left = q->limit,
        .each = each,
        .context = context,
    };
    sqlite_bind_job_query(r->queries[JOBS_FIND], q);
    return sqlite_walk_query(r, JOBS_FIND, &w.walk, f);
}

struct changed_walk {
    struct walk walk;
    store_each_changed *each;
    void *context;
};

// The column after the job's own tells whether it is deleted.
static enum err visit_changed(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct changed_walk *w = (struct changed_walk *)walk;
    struct job j;
    char damaged[JOB_DAMAGED_BYTES];
    (void)f;
    if (!job_row_read(row_read_cell, statement, &j, damaged))
        return ERR_OK;
    bool is_deleted = sqlite3_column_int(statement, (int)job_rows.count);
    return w->each(w->context, &(struct job_changed){&j, is_deleted});
}

enum err sqlite_list_changed_jobs(struct store_reader *reader, wall_ms since, size_t limit,
                                  store_each_changed *each, void *context, struct fault *f)
{
    struct sqlite_reader *r = (struct sqlite_reader *)reader;
    struct changed_walk w = {{.visit = visit_changed}, each, context};
    sqlite3_bind_int64(r->queries[JOBS_CHANGED], 1, since);
    sqlite3_bind_int64(r->queries[JOBS_CHANGED], 2, (int64_t)MIN(limit, (size_t)INT32_MAX));
    return sqlite_walk_query(r, JOBS_CHANGED, &w.walk, f);
}
