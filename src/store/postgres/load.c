// SPDX-License-Identifier: MIT
// load.c: what a start loads, in slices in order of id, so that no slice takes long.

#include "store/postgres/postgres_priv.h"

#include <stdio.h>

#define SLICE_ROWS 2000

// A walk through all rows of a statement, slice by slice.
struct slices {
    const char *sql; // $1: rows with a larger id, $2: how many.
    enum err (*visit)(struct slices *s, struct result_row *r);
    void *each;
    void *context;
    store_each_job *each_job;
    store_each_execution *each_execution;
};

static enum err visit_rows(struct slices *s, const PGresult *result, int64_t *last)
{
    enum err err = ERR_OK;
    for (int i = 0; i < PQntuples(result) && !err; i++) {
        struct result_row r = {result, i};
        *last = result_integer(&r, 0);
        err = s->visit(s, &r);
    }
    return err;
}

static enum err load(struct postgres_store *store, struct slices *s, struct fault *f)
{
    int64_t last = INT64_MIN;
    int rows = SLICE_ROWS;
    enum err err = ERR_OK;
    while (!err && rows == SLICE_ROWS) {
        struct parameters p = {0};
        PGresult *result = NULL;
        parameter_integer(&p, last);
        parameter_integer(&p, SLICE_ROWS);
        err = link_run(&store->link, s->sql, &p, &result, f);
        parameters_fini(&p);
        rows = err ? 0 : PQntuples(result);
        if (!err)
            err = visit_rows(s, result, &last);
        PQclear(result);
    }
    return err;
}

static enum err visit_job(struct slices *s, struct result_row *r)
{
    struct job j;
    char damaged[JOB_DAMAGED_BYTES];
    return job_row_read(result_cell, r, &j, damaged) ? s->each_job(s->context, &j) : ERR_OK;
}

static enum err visit_open(struct slices *s, struct result_row *r)
{
    struct execution e = {0};
    char words[EXECUTION_DAMAGED_BYTES];
    if (!execution_row_read(result_cell, r, &e, words))
        return ERR_OK;
    e.lingers = result_integer(r, (int)execution_rows.count) != 0;
    return s->each_execution(s->context, &e);
}

enum err postgres_load_jobs(struct store *store, store_each_job *each, void *context,
                            struct fault *f)
{
    char sql[4096] = "SELECT ";
    struct slices s = {.sql = sql, .visit = visit_job, .each_job = each, .context = context};
    row_names(&job_rows, sql + strlen(sql), sizeof sql - strlen(sql));
    row_append(sql, sizeof sql,
               " FROM jobs WHERE id > $1 AND deleted_at IS NULL ORDER BY id LIMIT $2");
    return load((struct postgres_store *)store, &s, f);
}

// What is open since the mark of its shard, and what lingers. The least mark bounds what is read.
enum err postgres_load_open(struct store *store, store_each_execution *each, void *context,
                            struct fault *f)
{
    char names[2048];
    char sql[8192];
    struct slices s = {.sql = sql, .visit = visit_open, .each_execution = each, .context = context};
    row_names(&execution_rows, names, sizeof names);
    snprintf(
        sql, sizeof sql,
        "SELECT %s, 0::bigint AS lingers FROM job_executions AS e WHERE completed_at IS NULL"
        " AND id > $1 AND scheduled_at >= (SELECT min(open_from) FROM shards WHERE inserted > 0)"
        " AND scheduled_at >= (SELECT open_from FROM shards AS s, carillon AS c"
        "  WHERE s.id = e.job_id %% c.shards)"
        " AND NOT EXISTS (SELECT FROM lingering_executions WHERE execution_id = e.id)"
        " UNION ALL SELECT %s, 1::bigint FROM job_executions WHERE completed_at IS NULL"
        " AND id > $1 AND id IN (SELECT execution_id FROM lingering_executions)"
        " ORDER BY id LIMIT $2",
        names, names);
    return load((struct postgres_store *)store, &s, f);
}
