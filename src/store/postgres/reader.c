// SPDX-License-Identifier: MIT
// reader.c: the queries of the API, each reader on a connection of its own.
//
// A query that takes too long ends with its connection; the next one makes another, and shows
// nothing that the replica may lack (link_run_settled). Lists of executions and alerts run from the
// newest to the oldest by (time, id): ids alone are in no order of time, since each shard counts
// its own.

#include "store/postgres/reader_priv.h"

#include <assert.h>
#include <stdio.h>

#define READER_CALL_MS 4500 // Clients are told within 5 s that the database does not answer.

enum err reader_ask(struct reader *r, const char *sql, struct parameters *p, struct walk *w,
                    struct fault *f)
{
    PGresult *result = NULL;
    enum err err = r->is_replica ? link_run(&r->link, sql, p, &result, f)
                                 : link_run_settled(&r->link, sql, p, &result, f);
    parameters_fini(p);
    for (int i = 0; !err && !w->is_done && i < PQntuples(result); i++) {
        struct result_row row = {result, i};
        err = w->visit(w, &row, f);
    }
    PQclear(result);
    return err;
}

void reader_select(char *out, const struct row_map *m, const char *rest)
{
    snprintf(out, SQL_BYTES, "SELECT ");
    row_names(m, out + strlen(out), SQL_BYTES - strlen(out));
    row_append(out, SQL_BYTES, " FROM %s%s", m->table, rest);
}

// False: the row is left out of a list, and *f tells of it.
static bool read_row(const struct row_map *m, const struct result_row *r, void *row,
                     struct fault *f)
{
    return result_read(m, r, row, f) == ERR_OK;
}

static void close_reader(struct store_reader *reader)
{
    link_fini(&self(reader)->link);
    free(reader);
}

// --- Executions ------------------------------------------------------------------------------

struct execution_walk {
    struct walk walk;
    store_each_execution *each;
    void *context;
    bool is_list;
    bool found;
};

static enum err visit_execution(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct execution_walk *w = (struct execution_walk *)walk;
    struct execution e = {0};
    if (!read_row(&execution_rows, r, &e, f))
        return w->is_list ? ERR_OK : ERR_STORE_CORRUPT;
    w->found = true;
    return w->each(w->context, &e);
}

// An empty set lets everything through.
static void filter_set(char *sql, struct parameters *p, const char *column, unsigned set,
                       const struct enum_words *words)
{
    if (!set)
        return;
    parameter_array(p, true, (size_t)__builtin_popcount(set));
    for (int i = 0; i < words->count; i++)
        if (set & (1u << i))
            parameter_put_text(p, enum_word(words, i));
    parameter_array_end(p);
    row_append(sql, SQL_BYTES, " AND %s = ANY ($%d)", column, p->used);
}

// Without NULLs in the conditions the planner sees which index serves.
static void filter_executions(char *sql, struct parameters *p, const struct execution_query *q)
{
    unsigned open = EXECUTION_BIT(EXECUTION_PENDING) | EXECUTION_BIT(EXECUTION_RUNNING);
    if (q->states && !(q->states & ~open))
        row_append(sql, SQL_BYTES,
                   " AND completed_at IS NULL AND (scheduled_at >= (SELECT min(open_from)"
                   " FROM shards WHERE inserted > 0) OR (scheduled_at, id) IN (SELECT scheduled_at,"
                   " execution_id FROM lingering_executions))");
    filter_set(sql, p, "status", q->states, &execution_state_words);
    if (q->trigger >= 0) {
        parameter_text(p, execution_trigger_name((enum execution_trigger)q->trigger));
        row_append(sql, SQL_BYTES, " AND trigger = $%d", p->used);
    }
    if (execution_trigger_is_manual(q->trigger))
        row_append(sql, SQL_BYTES, " AND series < 0");
    if (q->job) {
        parameter_integer(p, q->job);
        row_append(sql, SQL_BYTES, " AND job_id = $%d", p->used);
    }
    if (q->http_status) {
        parameter_integer(p, q->http_status);
        row_append(sql, SQL_BYTES, " AND http_status = $%d", p->used);
    }
    if (q->lateness_min_ms) {
        parameter_integer(p, q->lateness_min_ms);
        row_append(sql, SQL_BYTES, " AND started_at - coalesce(due_at, scheduled_at) >= $%d",
                   p->used);
    }
}

static enum err list_executions(struct store_reader *reader, const struct execution_query *q,
                                store_each_execution *each, void *context, struct fault *f)
{
    char sql[SQL_BYTES];
    struct execution_walk w = {{.visit = visit_execution}, each, context, true, false};
    struct parameters p = {0};
    reader_select(sql, &execution_rows,
                  " WHERE scheduled_at BETWEEN $1 AND $2 AND (scheduled_at < $3 OR id < $4)");
    parameter_integer(&p, q->from);
    parameter_integer(&p, MIN(q->to, q->before.scheduled_at));
    parameter_integer(&p, q->before.scheduled_at);
    parameter_integer(&p, q->before.id);
    filter_executions(sql, &p, q);
    parameter_integer(&p, (int64_t)MIN(q->limit, (size_t)INT32_MAX));
    row_append(sql, SQL_BYTES, " ORDER BY scheduled_at DESC, id DESC LIMIT $%d", p.used);
    return reader_ask(self(reader), sql, &p, &w.walk, f);
}

static enum err get_execution(struct store_reader *reader, const struct execution_key *key,
                              store_each_execution *each, void *context, struct fault *f)
{
    char sql[SQL_BYTES];
    struct execution_walk w = {{.visit = visit_execution}, each, context, false, false};
    struct parameters p = {0};
    parameter_integer(&p, key->job);
    parameter_integer(&p, key->series);
    if (key->series >= 0)
        parameter_integer(&p, key->scheduled_at);
    reader_select(sql, &execution_rows,
                  key->series < 0 ? " WHERE job_id = $1 AND series = $2 AND series < 0"
                                  : " WHERE job_id = $1 AND series = $2 AND scheduled_at = $3");
    enum err err = reader_ask(self(reader), sql, &p, &w.walk, f);
    if (!err && !w.found)
        err = fault_set(f, ERR_NOT_FOUND, "job %lld has no such execution", (long long)key->job);
    return err;
}

struct attempt_walk {
    struct walk walk;
    const struct row_map *map;
    store_each_attempt *each;
    void *context;
};

static enum err visit_attempt(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct attempt_walk *w = (struct attempt_walk *)walk;
    struct attempt a = {.number = ATTEMPT_IN_ROW};
    return read_row(w->map, r, &a, f) ? w->each(w->context, &a) : ERR_OK;
}

static void put_place(struct parameters *p, const struct execution_place *of)
{
    parameter_integer(p, of->id);
    parameter_integer(p, of->scheduled_at);
}

static enum err list_attempts(struct store_reader *reader, const struct execution_place *of,
                              store_each_attempt *each, void *context, struct fault *f)
{
    char sql[SQL_BYTES];
    struct attempt_walk w = {{.visit = visit_attempt}, &first_attempt_rows, each, context};
    struct parameters p = {0};
    reader_select(sql, w.map,
                  " WHERE scheduled_at = $2 AND id = $1 AND first_started_at IS NOT NULL");
    put_place(&p, of);
    enum err err = reader_ask(self(reader), sql, &p, &w.walk, f);
    if (err)
        return err;
    w.map = &attempt_rows;
    reader_select(sql, w.map, " WHERE scheduled_at = $2 AND execution_id = $1 ORDER BY number");
    put_place(&p, of);
    return reader_ask(self(reader), sql, &p, &w.walk, f);
}

struct count_walk {
    struct walk walk;
    int64_t counts[EXECUTION_STATES];
};

static enum err visit_count(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct count_walk *w = (struct count_walk *)walk;
    const char *word = result_text(r, 0);
    int state;
    if (enum_find(&execution_state_words, word, &state))
        w->counts[state] = result_integer(r, 1);
    else
        fault_set(f, ERR_STORE_CORRUPT, "table job_executions holds the status '%s'", word);
    return ERR_OK;
}

static enum err count_executions(struct store_reader *reader, wall_ms from, wall_ms to,
                                 int64_t *counts, struct fault *f)
{
    struct count_walk w = {.walk = {.visit = visit_count}};
    struct parameters p = {0};
    parameter_integer(&p, from);
    parameter_integer(&p, to);
    enum err err = reader_ask(self(reader),
                              "SELECT status, count(*) FROM job_executions"
                              " WHERE scheduled_at BETWEEN $1 AND $2 GROUP BY status",
                              &p, &w.walk, f);
    for (size_t i = 0; i < EXECUTION_STATES && !err; i++)
        counts[i] = w.counts[i];
    return err;
}

struct sum_walk {
    struct walk walk;
    struct job_sum sum;
};

static enum err visit_sum(struct walk *walk, struct result_row *r, struct fault *f)
{
    (void)f;
    ((struct sum_walk *)walk)->sum = (struct job_sum){result_integer(r, 0), result_integer(r, 1)};
    return ERR_OK;
}

static enum err sum_jobs(struct store_reader *reader, int64_t created_by, struct job_sum *out,
                         struct fault *f)
{
    struct sum_walk w = {.walk = {.visit = visit_sum}};
    struct parameters p = {0};
    parameter_integer(&p, created_by);
    enum err err = reader_ask(self(reader),
                              "SELECT count(*), coalesce(sum(texts_bytes), 0)::bigint FROM jobs"
                              " WHERE created_by = $1 AND deleted_at IS NULL",
                              &p, &w.walk, f);
    if (!err)
        *out = w.sum;
    return err;
}

// --- Alerts, keys of clients, progress -------------------------------------------------------

struct alert_walk {
    struct walk walk;
    store_each_alert *each;
    void *context;
    bool is_list;
    bool found;
};

// The two columns after the alert's own are the key of its execution.
static enum err visit_alert(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct alert_walk *w = (struct alert_walk *)walk;
    struct alert a = {0};
    if (!read_row(&alert_rows, r, &a, f))
        return w->is_list ? ERR_OK : ERR_STORE_CORRUPT;
    w->found = true;
    int own = (int)alert_rows.count;
    a.key.job = a.job;
    a.key.scheduled_at = result_integer(r, own);
    a.key.series = result_integer(r, own + 1);
    if (!a.job || a.key.scheduled_at < 0 || a.key.scheduled_at > WALL_LAST)
        a.execution_id = 0; // The row was edited: its execution has no name.
    return w->each(w->context, &a);
}

static void select_alerts(char *sql, const char *where)
{
    char names[SQL_BYTES / 2];
    row_names(&alert_rows, names, sizeof names);
    snprintf(sql, SQL_BYTES, "SELECT %s, scheduled_at, series FROM alerts WHERE %s", names, where);
}

static enum err list_alerts(struct store_reader *reader, const struct alert_query *q,
                            store_each_alert *each, void *context, struct fault *f)
{
    char sql[SQL_BYTES];
    struct alert_walk w = {{.visit = visit_alert}, each, context, true, false};
    struct parameters p = {0};
    select_alerts(sql, "(created_at, id) < ($1, $2)");
    parameter_integer(&p, q->before.created_at);
    parameter_integer(&p, q->before.id);
    if (q->job) {
        parameter_integer(&p, q->job);
        row_append(sql, SQL_BYTES, " AND job_id = $%d", p.used);
    }
    if (q->incident) {
        parameter_integer(&p, q->incident);
        row_append(sql, SQL_BYTES, " AND incident_id = $%d", p.used);
    }
    filter_set(sql, &p, "kind", q->kinds, &alert_kind_words);
    parameter_integer(&p, (int64_t)MIN(q->limit, (size_t)INT32_MAX));
    row_append(sql, SQL_BYTES, " ORDER BY created_at DESC, id DESC LIMIT $%d", p.used);
    return reader_ask(self(reader), sql, &p, &w.walk, f);
}

static enum err get_alert(struct store_reader *reader, int64_t id, store_each_alert *each,
                          void *context, struct fault *f)
{
    char sql[SQL_BYTES];
    struct alert_walk w = {{.visit = visit_alert}, each, context, false, false};
    struct parameters p = {0};
    select_alerts(sql, "id = $1");
    parameter_integer(&p, id);
    enum err err = reader_ask(self(reader), sql, &p, &w.walk, f);
    if (!err && !w.found)
        err = fault_set(f, ERR_NOT_FOUND, "there is no alert %lld", (long long)id);
    return err;
}

struct client_key_walk {
    struct walk walk;
    store_each_client_key *each;
    void *context;
    bool found;
};

enum client_key_column { KEY, DIGEST, JOB_ID, SCHEDULED_AT, SERIES, CREATED_AT };

static enum err visit_client_key(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct client_key_walk *w = (struct client_key_walk *)walk;
    struct client_key k = {.text = result_text(r, KEY),
                           .job = result_integer(r, JOB_ID),
                           .execution = {.job = result_integer(r, JOB_ID),
                                         .scheduled_at = result_integer(r, SCHEDULED_AT),
                                         .series = result_integer(r, SERIES)},
                           .created_at = result_integer(r, CREATED_AT)};
    if (k.job < 1 || k.job > JOB_ID_MAX || k.execution.scheduled_at < 0 ||
        k.execution.scheduled_at > WALL_LAST)
        return fault_set(f, ERR_STORE_CORRUPT, "table client_keys holds a key of nothing");
    if (PQgetlength(r->result, r->row, DIGEST) != CLIENT_KEY_DIGEST_BYTES)
        return fault_set(f, ERR_STORE_CORRUPT, "table client_keys holds a digest of another size");
    memcpy(k.digest, PQgetvalue(r->result, r->row, DIGEST), CLIENT_KEY_DIGEST_BYTES);
    w->found = true;
    return w->each(w->context, &k);
}

static enum err get_client_key(struct store_reader *reader, const char *text, wall_ms now,
                               store_each_client_key *each, void *context, struct fault *f)
{
    struct client_key_walk w = {{.visit = visit_client_key}, each, context, false};
    struct parameters p = {0};
    parameter_text(&p, text);
    parameter_integer(&p, now - CLIENT_KEY_AGE_MS);
    enum err err =
        reader_ask(self(reader),
                   "SELECT key, digest, job_id, scheduled_at, series, created_at"
                   " FROM client_keys WHERE key = $1 AND created_at >= $2 AND job_id > 0",
                   &p, &w.walk, f);
    if (!err && !w.found)
        err = fault_set(f, ERR_NOT_FOUND, "there is no such key");
    return err;
}

struct progress_walk {
    struct walk walk;
    struct store_progress out;
};

static enum err visit_progress(struct walk *walk, struct result_row *r, struct fault *f)
{
    (void)f;
    struct store_progress *out = &((struct progress_walk *)walk)->out;
    result_shard(r, &out->shard);
    out->removed_to = result_integer(r, SHARD_COLUMN_COUNT);
    return ERR_OK;
}

enum err postgres_read_progress(struct store_reader *reader, job_id job, struct store_progress *out,
                                struct fault *f)
{
    struct progress_walk w = {.walk = {.visit = visit_progress}};
    struct parameters p = {0};
    parameter_integer(&p, shard_of(job, self(reader)->shards));
    enum err err =
        reader_ask(self(reader),
                   "SELECT " SHARD_COLUMNS ", (SELECT removed_to FROM carillon) FROM shards"
                   " WHERE id = $1",
                   &p, &w.walk, f);
    if (!err)
        *out = w.out;
    return err;
}

// What was received is replayed, and more is being received: then nothing is missing that could be
// known of.
static enum err read_lag(struct store_reader *reader, dur_ms *out, struct fault *f)
{
    static const char sql[] = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN 0"
                              " WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"
                              "  AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0"
                              " ELSE greatest(0, coalesce(extract(epoch FROM clock_timestamp()"
                              "  - pg_last_xact_replay_timestamp()) * 1000, 0)) END::bigint";
    PGresult *result;
    enum err err = link_run(&self(reader)->link, sql, NULL, &result, f);
    if (err)
        return err;
    struct result_row r = {result, 0};
    *out = result_integer(&r, 0);
    PQclear(result);
    return ERR_OK;
}

static const struct store_reader_ops ops = {
    .close = close_reader,
    .load_jobs = postgres_load_jobs,
    .load_open = postgres_load_open,
    .read_last_ids = postgres_read_last_ids,
    .read_shards = postgres_read_shards,
    .get_job = postgres_get_job,
    .get_job_by_key = postgres_get_job_by_key,
    .get_job_by_ping_key = postgres_get_job_by_ping_key,
    .list_jobs = postgres_list_jobs,
    .filters_are_indexed = true,
    .find_jobs = postgres_find_jobs,
    .list_changed_jobs = postgres_list_changed_jobs,
    .list_versions = postgres_list_versions,
    .list_executions = list_executions,
    .get_execution = get_execution,
    .list_attempts = list_attempts,
    .list_alerts = list_alerts,
    .list_audit = postgres_list_audit,
    .get_alert = get_alert,
    .get_client_key = get_client_key,
    .count_executions = count_executions,
    .sum_jobs = sum_jobs,
    .read_progress = postgres_read_progress,
    .read_lag = read_lag,
};

enum err postgres_reader_open(struct store *store, struct store_reader **out, struct fault *f)
{
    const struct postgres_store *s = (const struct postgres_store *)store;
    struct reader *r = xcalloc(1, sizeof *r);
    r->reader.ops = &ops;
    r->shards = store->shards;
    r->is_replica = s->is_replica;
    link_init(&r->link, s->link.url);
    r->link.call_ms = READER_CALL_MS;
    enum err err = s->is_replica ? ERR_OK : link_begin(&r->link, f);
    if (err) {
        close_reader(&r->reader);
        return err;
    }
    *out = &r->reader;
    return ERR_OK;
}
