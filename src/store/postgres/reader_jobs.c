// SPDX-License-Identifier: MIT
// reader_jobs.c: the queries of jobs and of what decided their occurrences.
//
// Jobs come in slices, since what a list lets through is judged here (store/query.c).

#include "store/postgres/reader_priv.h"

#include <stdio.h>

#define SLICE_JOBS 500

struct job_walk {
    struct walk walk;
    const struct job_query *query; // NULL: the job with that id.
    struct job **out;
    store_each_job *each;
    store_each_found *each_found;
    void *context;
    size_t left;
    job_id last;
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
    if (!job_row_read(result_cell, r, &j, damaged) || !job_query_matches(w->query, &j))
        return ERR_OK;
    walk->is_done = --w->left == 0;
    return w->each ? w->each(w->context, &j) : tell_found(w, r, &j);
}

static enum err ask_slice(struct reader *r, const char *sql, struct job_walk *w, job_id *after,
                          struct fault *f)
{
    struct parameters p = {0};
    parameter_integer(&p, w->last);
    parameter_integer(&p, SLICE_JOBS);
    if (w->query->wants_last && w->each_found)
        parameter_integer(&p, w->query->now);
    *after = w->last;
    return reader_ask(r, sql, &p, &w->walk, f);
}

// Until a slice has no rows, or enough was let through.
static enum err walk_jobs(struct reader *r, const char *sql, struct job_walk *w, struct fault *f)
{
    job_id after = w->last - 1;
    enum err err = ERR_OK;
    w->walk.is_done = w->left == 0;
    while (!err && !w->walk.is_done && w->last > after)
        err = ask_slice(r, sql, w, &after, f);
    return err;
}

#define JOBS_AFTER " WHERE id > $1 AND deleted_at IS NULL ORDER BY id LIMIT $2"

enum err postgres_list_jobs(struct store_reader *reader, const struct job_query *q,
                            store_each_job *each, void *context, struct fault *f)
{
    char sql[SQL_BYTES];
    struct job_walk w = {.walk = {.visit = visit_job},
                         .query = q,
                         .each = each,
                         .context = context,
                         .left = q->limit,
                         .last = q->after};
    reader_select(sql, &job_rows, JOBS_AFTER);
    return walk_jobs(self(reader), sql, &w, f);
}

enum err postgres_find_jobs(struct store_reader *reader, const struct job_query *q,
                            store_each_found *each, void *context, struct fault *f)
{
    char names[SQL_BYTES / 2], sql[SQL_BYTES];
    struct job_walk w = {.walk = {.visit = visit_job},
                         .query = q,
                         .each_found = each,
                         .context = context,
                         .left = q->limit,
                         .last = q->after};
    row_names(&job_brief_rows, names, sizeof names);
    if (q->wants_last)
        snprintf(sql, sizeof sql,
                 "SELECT %s, e.last_status, e.last_at FROM (SELECT * FROM jobs" JOBS_AFTER
                 ") AS jobs LEFT JOIN LATERAL (SELECT status AS last_status, scheduled_at AS"
                 " last_at FROM job_executions WHERE job_id = jobs.id AND scheduled_at <= $3"
                 " ORDER BY scheduled_at DESC, id DESC LIMIT 1) AS e ON true ORDER BY jobs.id",
                 names);
    else
        snprintf(sql, sizeof sql, "SELECT %s FROM jobs" JOBS_AFTER, names);
    return walk_jobs(self(reader), sql, &w, f);
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
    reader_select(sql, &version_rows, " WHERE job_id = $1 ORDER BY number");
    parameter_integer(&p, job);
    return reader_ask(self(reader), sql, &p, &w.walk, f);
}
