// SPDX-License-Identifier: MIT
// reader_jobs.c: the queries of jobs and of what decided their occurrences.
//
// What a list lets through is asked of the server, by the rules of store/query.c: lower() in the
// collation "C" looks at ASCII alone. Pages go on from an id, so each costs as much as the first:
// by the primary key, idx_jobs_is_active, or idx_jobs_tags where few jobs have the tag. For a part
// of a text there is no index, and as many jobs are looked at as it takes to fill the page.

#include "store/postgres/reader_priv.h"

#include <stdio.h>

#define SLICE_JOBS 500
#define HAS_PART(column) "strpos(lower(" column " COLLATE \"C\"), lower($%d COLLATE \"C\")) > 0"

struct job_walk {
    struct walk walk;
    const struct job_query *query; // NULL: the job with that id.
    struct job **out;
    store_each_job *each;
    store_each_found *each_found;
    void *context;
    size_t left; // So many more are wanted.
    job_id last;
    size_t seen; // Rows of the statement under way.
};

static enum err visit_one(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct job_walk *w = (struct job_walk *)walk;
    struct job j;
    char damaged[JOB_DAMAGED_BYTES];
    (void)f;
    if (job_row_read(result_cell, r, &j, damaged))
        *w->out = job_copy(&j);
    return ERR_OK;
}

enum err postgres_get_job(struct store_reader *reader, job_id id, struct job **out, struct fault *f)
{
    char sql[SQL_BYTES];
    struct job *found = NULL;
    struct job_walk w = {.walk = {.visit = visit_one}, .out = &found};
    struct parameters p = {0};
    reader_select(sql, &job_rows, " WHERE id = $1 AND deleted_at IS NULL");
    parameter_integer(&p, id);
    enum err err = reader_ask(self(reader), sql, &p, &w.walk, f);
    if (err)
        return err;
    if (!found)
        return fault_set(f, ERR_NOT_FOUND, "there is no job %lld", (long long)id);
    *out = found;
    return ERR_OK;
}

// NULL in *out: there is none.
static enum err find_job(struct store_reader *reader, const char *where, const char *text,
                         struct job **out, struct fault *f)
{
    char sql[SQL_BYTES];
    struct job_walk w = {.walk = {.visit = visit_one, .is_done = false}, .out = out};
    struct parameters p = {0};
    *out = NULL;
    reader_select(sql, &job_rows, where);
    parameter_text(&p, text);
    return reader_ask(self(reader), sql, &p, &w.walk, f);
}

enum err postgres_get_job_by_key(struct store_reader *reader, const char *key, struct job **out,
                                 struct fault *f)
{
    struct job *found;
    enum err err = find_job(reader, " WHERE key = $1 AND deleted_at IS NULL ORDER BY id LIMIT 1",
                            key, &found, f);
    if (err)
        return err;
    if (!found)
        return fault_set(f, ERR_NOT_FOUND, "no job has the key %s", key);
    *out = found;
    return ERR_OK;
}

enum err postgres_get_job_by_ping_key(struct store_reader *reader, const char *key,
                                      struct job **out, struct fault *f)
{
    struct job *found;
    enum err err = find_job(
        reader, " WHERE ping_key = $1 AND deleted_at IS NULL ORDER BY id LIMIT 1", key, &found, f);
    if (err)
        return err;
    if (!found)
        return fault_set(f, ERR_NOT_FOUND, "no job has the ping key");
    *out = found;
    return ERR_OK;
}

// The two columns after the job's own are the state and the time of its last execution.
static enum err tell_found(struct job_walk *w, struct result_row *r, const struct job *j)
{
    int own = (int)job_rows.count;
    struct job_found found = {.job = j};
    int state = 0;
    const char *word = w->query->wants_last ? result_text(r, own) : NULL;
    found.has_last = word && enum_find(&execution_state_words, word, &state);
    found.last_state = (enum execution_state)state;
    found.last_at = found.has_last ? result_integer(r, own + 1) : 0;
    return w->each_found(w->context, &found);
}

static enum err visit_job(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct job_walk *w = (struct job_walk *)walk;
    struct job j;
    char damaged[JOB_DAMAGED_BYTES];
    (void)f;
    w->last = result_integer(r, 0);
    w->seen++;
    if (!job_row_read(result_cell, r, &j, damaged))
        return ERR_OK;
    w->left--;
    return w->each ? w->each(w->context, &j) : tell_found(w, r, &j);
}

// "AND ..." for what the query asks for, with its parameters.
static void add_filters(char *sql, struct parameters *p, const struct job_query *q)
{
    if (q->until) {
        parameter_integer(p, q->until);
        row_append(sql, SQL_BYTES, " AND id <= $%d", p->used);
    }
    if (q->is_active >= 0) {
        parameter_integer(p, q->is_active != 0);
        row_append(sql, SQL_BYTES, " AND is_active = $%d", p->used);
    }
    if (q->text) {
        parameter_text(p, q->text);
        row_append(sql, SQL_BYTES,
                   " AND (" HAS_PART("name") " OR " HAS_PART("api") " OR " HAS_PART("schedule") ")",
                   p->used, p->used, p->used);
    }
    if (q->tag) {
        parameter_text(p, q->tag);
        row_append(sql, SQL_BYTES, " AND tags IS NOT NULL AND carillon_tags_1(tags) @> ARRAY[$%d]",
                   p->used);
    }
}

// The rows of jobs that the query lets through, after $1, at most $2.
static void select_jobs(char *sql, struct parameters *p, const struct job_walk *w, size_t limit)
{
    parameter_integer(p, w->last);
    parameter_integer(p, (int64_t)limit);
    row_append(sql, SQL_BYTES, " FROM jobs WHERE id > $1 AND deleted_at IS NULL");
    add_filters(sql, p, w->query);
    row_append(sql, SQL_BYTES, " ORDER BY id LIMIT $2");
}

static void compose(char *sql, struct parameters *p, const struct job_walk *w, size_t limit)
{
    snprintf(sql, SQL_BYTES, "SELECT ");
    row_names(w->each ? &job_rows : &job_brief_rows, sql + strlen(sql), SQL_BYTES - strlen(sql));
    if (!w->query->wants_last || w->each) {
        select_jobs(sql, p, w, limit);
        return;
    }
    row_append(sql, SQL_BYTES, ", e.last_status, e.last_at FROM (SELECT *");
    select_jobs(sql, p, w, limit);
    parameter_integer(p, w->query->now);
    row_append(sql, SQL_BYTES,
               ") AS jobs LEFT JOIN LATERAL (SELECT status AS last_status, scheduled_at AS last_at"
               " FROM job_executions WHERE job_id = jobs.id AND scheduled_at <= $%d"
               " ORDER BY scheduled_at DESC, id DESC LIMIT 1) AS e ON true ORDER BY jobs.id",
               p->used);
}

// In slices, until one is not full: the rows of a result are all in memory.
static enum err walk_jobs(struct reader *r, struct job_walk *w, struct fault *f)
{
    char sql[SQL_BYTES];
    size_t limit = 0;
    enum err err = ERR_OK;
    w->last = w->query->after;
    w->left = w->query->limit;
    while (!err && w->left > 0 && w->seen == limit) {
        struct parameters p = {0};
        limit = MIN(w->left, SLICE_JOBS);
        w->seen = 0;
        compose(sql, &p, w, limit);
        err = reader_ask(r, sql, &p, &w->walk, f);
    }
    return err;
}

enum err postgres_list_jobs(struct store_reader *reader, const struct job_query *q,
                            store_each_job *each, void *context, struct fault *f)
{
    struct job_walk w = {
        .walk = {.visit = visit_job}, .query = q, .each = each, .context = context};
    return walk_jobs(self(reader), &w, f);
}

enum err postgres_find_jobs(struct store_reader *reader, const struct job_query *q,
                            store_each_found *each, void *context, struct fault *f)
{
    struct job_walk w = {
        .walk = {.visit = visit_job}, .query = q, .each_found = each, .context = context};
    return walk_jobs(self(reader), &w, f);
}

struct changed_walk {
    struct walk walk;
    store_each_changed *each;
    void *context;
};

// The column after the job's own tells whether it is deleted.
static enum err visit_changed(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct changed_walk *w = (struct changed_walk *)walk;
    struct job j;
    char damaged[JOB_DAMAGED_BYTES];
    (void)f;
    if (!job_row_read(result_cell, r, &j, damaged))
        return ERR_OK;
    bool is_deleted = result_integer(r, (int)job_rows.count) != 0;
    return w->each(w->context, &(struct job_changed){&j, is_deleted});
}

enum err postgres_list_changed_jobs(struct store_reader *reader, wall_ms since, size_t limit,
                                    store_each_changed *each, void *context, struct fault *f)
{
    char sql[SQL_BYTES];
    struct changed_walk w = {{.visit = visit_changed}, each, context};
    struct parameters p = {0};
    snprintf(sql, sizeof sql, "SELECT ");
    row_names(&job_brief_rows, sql + strlen(sql), sizeof sql - strlen(sql));
    row_append(sql, sizeof sql,
               ", (deleted_at IS NOT NULL)::int FROM jobs"
               " WHERE greatest(updated_at, deleted_at) >= $1"
               " ORDER BY greatest(updated_at, deleted_at) DESC, id DESC LIMIT $2");
    parameter_integer(&p, since);
    parameter_integer(&p, (int64_t)MIN(limit, (size_t)INT32_MAX));
    return reader_ask(self(reader), sql, &p, &w.walk, f);
}

struct version_walk {
    struct walk walk;
    store_each_version *each;
    void *context;
};

static enum err visit_version(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct version_walk *w = (struct version_walk *)walk;
    struct job_version v = {0};
    enum err err = result_read(&version_rows, r, &v, f);
    return err ? err : w->each(w->context, &v);
}

enum err postgres_list_versions(struct store_reader *reader, job_id job, store_each_version *each,
                                void *context, struct fault *f)
{
    char sql[SQL_BYTES];
    struct version_walk w = {{.visit = visit_version}, each, context};
    struct parameters p = {0};
    snprintf(sql, sizeof sql, "SELECT ");
    row_names(&version_rows, sql + strlen(sql), sizeof sql - strlen(sql));
    row_append(sql, sizeof sql,
               " FROM (SELECT %s FROM job_versions WHERE job_id = $1 UNION ALL %s AND id = $1)"
               " AS versions ORDER BY number",
               POSTGRES_VERSION_COLUMNS, POSTGRES_EDITED_VERSION);
    parameter_integer(&p, job);
    return reader_ask(self(reader), sql, &p, &w.walk, f);
}
