// SPDX-License-Identifier: MIT
// load.c: what a shard holds, in order of id, by statements of few rows, so that none takes long.

#include "store/postgres/postgres_priv.h"

#include <stdio.h>

#define ROWS_MAX 2000 // A statement reads no more.

// A walk through the rows of a slice.
struct load {
    const char *sql; // $1: rows with a larger id, $2: how many, $3: shards, $4: the shard.
    enum err (*visit)(struct load *l, struct result_row *r);
    store_each_job *each_job;
    store_each_execution *each_execution;
    void *context;
    size_t left;
    int64_t last;
};

static enum err visit_rows(struct load *l, const PGresult *result)
{
    enum err err = ERR_OK;
    for (int i = 0; i < PQntuples(result) && !err; i++) {
        struct result_row r = {result, i};
        l->last = result_integer(&r, 0);
        err = l->visit(l, &r);
    }
    return err;
}

// *found: how many rows there were, of at most `wanted`.
static enum err load_some(struct link *link, struct load *l, const uint32_t of[2], int wanted,
                          int *found, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_integer(&p, l->last);
    parameter_integer(&p, wanted);
    parameter_integer(&p, of[0]);
    parameter_integer(&p, of[1]);
    enum err err = link_run(link, l->sql, &p, &result, f);
    parameters_fini(&p);
    *found = err ? 0 : PQntuples(result);
    if (!err)
        err = visit_rows(l, result);
    PQclear(result);
    return err;
}

static enum err load(struct link *link, uint32_t shards, const struct store_slice *slice,
                     struct load *l, struct fault *f)
{
    const uint32_t of[] = {shards, slice->shard};
    enum err err = ERR_OK;
    int wanted = 0;
    int found = 0;
    l->last = slice->after;
    l->left = slice->limit;
    while (!err && found == wanted && l->left > 0) {
        wanted = (int)MIN(l->left, ROWS_MAX);
        err = load_some(link, l, of, wanted, &found, f);
    }
    return err;
}

static enum err visit_job(struct load *l, struct result_row *r)
{
    struct job j;
    char damaged[JOB_DAMAGED_BYTES];
    if (!job_row_read(result_cell, r, &j, damaged))
        return ERR_OK;
    l->left--;
    return l->each_job(l->context, &j);
}

static enum err visit_open(struct load *l, struct result_row *r)
{
    struct execution e = {0};
    char words[EXECUTION_DAMAGED_BYTES];
    if (!execution_row_read(result_cell, r, &e, words))
        return ERR_OK;
    e.lingers = result_integer(r, (int)execution_rows.count) != 0;
    l->left--;
    return l->each_execution(l->context, &e);
}

enum err postgres_load_jobs(struct link *link, uint32_t shards, const struct store_slice *slice,
                            store_each_job *each, void *context, struct fault *f)
{
    char sql[4096] = "SELECT ";
    struct load l = {.sql = sql, .visit = visit_job, .each_job = each, .context = context};
    row_names(&job_rows, sql + strlen(sql), sizeof sql - strlen(sql));
    row_append(sql, sizeof sql,
               " FROM jobs WHERE id > $1 AND deleted_at IS NULL"
               " AND $3::bigint > 0 AND id %% %u = $4::bigint ORDER BY id LIMIT $2",
               shards); // As the index has it, by whose order they come.
    return load(link, shards, slice, &l, f);
}

enum err postgres_load_open(struct link *link, uint32_t shards, const struct store_slice *slice,
                            store_each_execution *each, void *context, struct fault *f)
{
    char names[2048];
    char sql[8192];
    struct load l = {.sql = sql, .visit = visit_open, .each_execution = each, .context = context};
    row_names(&execution_rows, names, sizeof names);
    snprintf(sql, sizeof sql,
             "SELECT %s, 0::bigint AS lingers FROM job_executions AS e WHERE completed_at IS NULL"
             " AND id > $1 AND job_id %% $3::bigint = $4::bigint"
             " AND scheduled_at >= (SELECT open_from FROM shards WHERE shards.id = $4::bigint)"
             " AND NOT EXISTS (SELECT FROM lingering_executions WHERE execution_id = e.id)"
             " UNION ALL SELECT %s, 1::bigint FROM job_executions WHERE completed_at IS NULL"
             " AND id > $1 AND job_id %% $3::bigint = $4::bigint"
             " AND (scheduled_at, id) IN (SELECT scheduled_at, execution_id"
             "  FROM lingering_executions WHERE execution_id > $1)"
             " ORDER BY id LIMIT $2",
             names, names);
    return load(link, shards, slice, &l, f);
}
