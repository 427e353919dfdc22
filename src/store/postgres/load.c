// SPDX-License-Identifier: MIT
// load.c: what shards hold, for whoever has taken them, by statements of few rows, so that none
// takes long.
//
// A statement is about many shards at once: to plan one that reads a table with a partition for
// each day takes longer than to run it, and a node that starts takes hundreds of shards. Instants
// that bound the rows go as parameters, which PostgreSQL knows when it plans, so that it leaves out
// the days before.

#include "store/postgres/reader_priv.h"

#include <stdio.h>

#define ROWS_MAX 2000    // A statement reads no more.
#define NEWEST_ROWS 1000 // Among these the last ids are looked for.

// A walk through the rows of a slice.
struct load {
    struct reader *reader;
    const char *sql;
    int shard_at; // The column with the row's shard. Its id is column 0.
    enum err (*visit)(struct load *l, struct result_row *r);
    store_each_job *each_job;
    store_each_execution *each_execution;
    void *context;
    struct store_slice slice; // What is left of it.
    wall_ms open_from;        // The least of the shards.
    wall_ms lingers_from;     // The bounds of all that lingers.
    wall_ms lingers_to;
};

static void parameter_shards(struct parameters *p, const struct shard_set *of)
{
    size_t count = 0;
    for (uint32_t n = 0; n < SHARDS_MAX; n++)
        count += shard_set_has(of, n);
    parameter_array(p, false, count);
    for (uint32_t n = 0; n < SHARDS_MAX; n++)
        if (shard_set_has(of, n))
            parameter_put_integer(p, n);
    parameter_array_end(p);
}

static struct shard_set shards_left(const struct store_slice *s)
{
    struct shard_set left = {0};
    shard_set_add(&left, s->shard);
    for (uint32_t n = s->shard + 1; s->further && n < SHARDS_MAX; n++)
        if (shard_set_has(s->further, n))
            shard_set_add(&left, n);
    return left;
}

// The rows go on behind this one. A row that comes before others of a slice would hide them, and so
// the order is looked at, though no plan of PostgreSQL is known that gives another one.
static enum err note_position(struct load *l, const struct result_row *r, struct fault *f)
{
    uint32_t shard = (uint32_t)result_integer(r, l->shard_at);
    int64_t id = result_integer(r, 0);
    if (shard < l->slice.shard || (shard == l->slice.shard && id <= l->slice.after))
        return fault_set(f, ERR_STORE_IO, "the rows of a shard came in another order than asked");
    l->slice.shard = shard;
    l->slice.after = id;
    return ERR_OK;
}

static enum err visit_rows(struct load *l, const PGresult *result, struct fault *f)
{
    enum err err = ERR_OK;
    for (int i = 0; i < PQntuples(result) && !err; i++) {
        struct result_row r = {result, i};
        err = note_position(l, &r, f);
        if (!err)
            err = l->visit(l, &r);
    }
    return err;
}

// *found: how many rows there were, of at most `wanted`.
static enum err load_some(struct load *l, int wanted, int *found, struct fault *f)
{
    const struct shard_set left = shards_left(&l->slice);
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_shards(&p, &left);
    parameter_integer(&p, l->slice.shard);
    parameter_integer(&p, l->slice.after);
    parameter_integer(&p, wanted);
    parameter_integer(&p, l->reader->shards);
    if (l->each_execution) {
        parameter_integer(&p, l->open_from);
        parameter_integer(&p, l->lingers_from);
        parameter_integer(&p, l->lingers_to);
    }
    enum err err = link_run(&l->reader->link, l->sql, &p, &result, f);
    parameters_fini(&p);
    *found = err ? 0 : PQntuples(result);
    if (!err)
        err = visit_rows(l, result, f);
    PQclear(result);
    return err;
}

static enum err load(struct load *l, struct fault *f)
{
    enum err err = ERR_OK;
    int wanted = 0;
    int found = 0;
    while (!err && found == wanted && l->slice.limit > 0) {
        wanted = (int)MIN(l->slice.limit, ROWS_MAX);
        err = load_some(l, wanted, &found, f);
    }
    return err;
}

// --- Jobs ------------------------------------------------------------------------------------

static enum err visit_job(struct load *l, struct result_row *r)
{
    struct job j;
    char damaged[JOB_DAMAGED_BYTES];
    if (!job_row_read(result_cell, r, &j, damaged))
        return ERR_OK;
    l->slice.limit--;
    return l->each_job(l->context, &j);
}

// Shard by shard, each as the index has it; a shard is looked at only when those before it have
// given too few rows.
enum err postgres_load_jobs(struct store_reader *reader, const struct store_slice *slice,
                            store_each_job *each, void *context, struct fault *f)
{
    char sql[SQL_BYTES] = "SELECT ";
    struct load l = {.reader = self(reader),
                     .sql = sql,
                     .shard_at = (int)job_rows.count,
                     .visit = visit_job,
                     .each_job = each,
                     .context = context,
                     .slice = *slice};
    row_names(&job_rows, sql + strlen(sql), sizeof sql - strlen(sql));
    row_append(sql, sizeof sql,
               ", s.shard FROM unnest($1) AS s(shard), LATERAL (SELECT * FROM jobs"
               " WHERE id %% %u = s.shard AND id > CASE WHEN s.shard = $2 THEN $3 ELSE 0 END"
               " AND deleted_at IS NULL ORDER BY id LIMIT $4) AS j LIMIT $4",
               self(reader)->shards); // As the index has it, by whose order they come.
    return load(&l, f);
}

// --- What is open ----------------------------------------------------------------------------

static enum err visit_open(struct load *l, struct result_row *r)
{
    struct execution e = {0};
    char words[EXECUTION_DAMAGED_BYTES];
    if (!execution_row_read(result_cell, r, &e, words))
        return ERR_OK;
    e.lingers = result_integer(r, (int)execution_rows.count) != 0;
    l->slice.limit--;
    return l->each_execution(l->context, &e);
}

// Returns whether anything lingers in *lingers.
static enum err read_bounds(struct load *l, bool *lingers, struct fault *f)
{
    static const char sql[] =
        "SELECT (SELECT coalesce(min(open_from), 0) FROM shards WHERE id = ANY ($1)), count(*),"
        " coalesce(min(scheduled_at), 0), coalesce(max(scheduled_at), 0) FROM lingering_executions";
    const struct shard_set all = shards_left(&l->slice);
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_shards(&p, &all);
    enum err err = link_run(&l->reader->link, sql, &p, &result, f);
    parameters_fini(&p);
    if (err)
        return err;
    struct result_row r = {result, 0};
    l->open_from = result_integer(&r, 0);
    *lingers = result_integer(&r, 1) > 0;
    l->lingers_from = result_integer(&r, 2);
    l->lingers_to = result_integer(&r, 3);
    PQclear(result);
    return ERR_OK;
}

// What is open and behind the row that was read last; "%%" for a format.
#define OPEN_BEHIND                                                                                \
    " WHERE completed_at IS NULL AND job_id %% $5 = ANY ($1) AND (job_id %% $5 > $2 OR id > $3)"

static void write_open(char sql[static SQL_BYTES], bool lingers)
{
    char names[SQL_BYTES / 4];
    row_names(&execution_rows, names, sizeof names);
    snprintf(sql, SQL_BYTES,
             "SELECT %s, 0::bigint AS lingers, job_id %% $5 AS shard FROM job_executions AS e"
             " JOIN (SELECT id AS number, open_from FROM shards) AS s ON number = job_id %% "
             "$5" OPEN_BEHIND " AND scheduled_at >= $6 AND scheduled_at >= open_from"
             " AND NOT EXISTS (SELECT FROM lingering_executions WHERE execution_id = e.id)",
             names);
    if (lingers)
        row_append(sql, SQL_BYTES,
                   " UNION ALL SELECT %s, 1::bigint, job_id %% $5 FROM job_executions" OPEN_BEHIND
                   " AND scheduled_at BETWEEN $7 AND $8 AND (scheduled_at, id) IN"
                   "  (SELECT scheduled_at, execution_id FROM lingering_executions)",
                   names);
    row_append(sql, SQL_BYTES, " ORDER BY shard, id LIMIT $4");
}

enum err postgres_load_open(struct store_reader *reader, const struct store_slice *slice,
                            store_each_execution *each, void *context, struct fault *f)
{
    char sql[SQL_BYTES];
    bool lingers;
    struct load l = {.reader = self(reader),
                     .sql = sql,
                     .shard_at = (int)execution_rows.count + 1,
                     .visit = visit_open,
                     .each_execution = each,
                     .context = context,
                     .slice = *slice};
    enum err err = read_bounds(&l, &lingers, f);
    if (err)
        return err;
    write_open(sql, lingers);
    return load(&l, f);
}

// --- Rows and last ids -----------------------------------------------------------------------

struct ids_walk {
    struct walk walk;
    struct last_ids *out;
    uint32_t shards;
};

// Ids of no row are the number of the shard.
static enum err visit_last_ids(struct walk *walk, struct result_row *r, struct fault *f)
{
    (void)f;
    struct ids_walk *w = (struct ids_walk *)walk;
    int64_t shard = result_integer(r, 0);
    w->out[shard] = (struct last_ids){(result_integer(r, 1) - shard) / w->shards,
                                      (result_integer(r, 2) - shard) / w->shards,
                                      (result_integer(r, 3) - shard) / w->shards};
    return ERR_OK;
}

// Executions and alerts of the shards are looked for among some of the newest of all shards only:
// none has given another id than its row says unless somebody edited that.
enum err postgres_read_last_ids(struct store_reader *reader, const struct shard_set *of,
                                struct last_ids *out, struct fault *f)
{
    char sql[1024];
    struct reader *r = self(reader);
    struct ids_walk w = {{.visit = visit_last_ids}, out, r->shards};
    struct parameters p = {0};
    parameter_shards(&p, of);
    parameter_integer(&p, r->shards);
    snprintf(
        sql, sizeof sql,
        "SELECT s.shard, coalesce((SELECT id FROM jobs WHERE id %% %1$u = s.shard"
        "  ORDER BY id DESC LIMIT 1), s.shard),"
        " coalesce(e.last, s.shard), coalesce(a.last, s.shard) FROM unnest($1) AS s(shard)"
        " LEFT JOIN (SELECT id %% $2 AS shard, max(id) AS last FROM (SELECT id FROM"
        "  job_executions ORDER BY scheduled_at DESC, id DESC LIMIT %2$d) AS x GROUP BY 1) AS e"
        " ON e.shard = s.shard"
        " LEFT JOIN (SELECT id %% $2 AS shard, max(id) AS last FROM (SELECT id FROM"
        "  alerts ORDER BY created_at DESC, id DESC LIMIT %2$d) AS x GROUP BY 1) AS a"
        " ON a.shard = s.shard",
        r->shards, NEWEST_ROWS);
    return reader_ask(r, sql, &p, &w.walk, f);
}

struct shards_walk {
    struct walk walk;
    struct shard *out;
};

static enum err visit_shard(struct walk *walk, struct result_row *r, struct fault *f)
{
    (void)f;
    struct shard row;
    result_shard(r, &row);
    ((struct shards_walk *)walk)->out[row.number] = row;
    return ERR_OK;
}

enum err postgres_read_shards(struct store_reader *reader, const struct shard_set *of,
                              struct shard *out, struct fault *f)
{
    struct shards_walk w = {{.visit = visit_shard}, out};
    struct parameters p = {0};
    parameter_shards(&p, of);
    return reader_ask(self(reader), "SELECT " SHARD_COLUMNS " FROM shards WHERE id = ANY ($1)", &p,
                      &w.walk, f);
}
