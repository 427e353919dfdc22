// SPDX-License-Identifier: MIT
// move.c: the server at one end of a move.
//
// The mark is in the row of table `carillon`, and changes only from what the move has left there.
// Leaving also takes the shards from whoever owns them: a node that lives all the same can write
// nothing any more.

#include "base/conceal.h"
#include "store/move_priv.h"
#include "store/postgres/postgres_priv.h"

#include <assert.h>
#include <stdio.h>

#define SQL_BYTES 8192

struct move_server {
    struct link link;
};

enum err postgres_move_open(const char *url, struct move_server **out, struct fault *f)
{
    struct move_server *m = xcalloc(1, sizeof *m);
    link_init(&m->link, url);
    enum err err = link_connect(&m->link, f);
    if (err) {
        postgres_move_close(m);
        return err;
    }
    *out = m;
    return ERR_OK;
}

void postgres_move_close(struct move_server *m)
{
    if (!m)
        return;
    link_fini(&m->link);
    free(m);
}

// --- Places ----------------------------------------------------------------------------------

static const char *option_of(const PQconninfoOption *options, const char *name)
{
    for (; options->keyword; options++)
        if (strcmp(options->keyword, name) == 0)
            return options->val && *options->val ? options->val : "";
    return "";
}

enum err postgres_move_place(const char *url, char out[static MOVE_PLACE_BYTES], struct fault *f)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &message);
    if (!options) {
        if (message)
            conceal_passwords(message);
        enum err err = fault_set(f, ERR_SYNTAX, "the URL of the database cannot be read: %s",
                                 message ? message : "there is no memory");
        PQfreemem(message);
        return err;
    }
    const char *host = option_of(options, "host"), *port = option_of(options, "port");
    if (!*host)
        host = option_of(options, "hostaddr");
    bool is_folder = *host == '/';
    snprintf(out, MOVE_PLACE_BYTES, "postgresql://%s%s%s/%s%s%s", is_folder ? "" : host,
             *port ? ":" : "", port, option_of(options, "dbname"), is_folder ? "?host=" : "",
             is_folder ? host : "");
    PQconninfoFree(options);
    return ERR_OK;
}

// --- What is there ---------------------------------------------------------------------------

static enum err run(struct move_server *m, const char *sql, const struct parameters *p,
                    PGresult **out, struct fault *f)
{
    return link_run(&m->link, sql, p, out, f);
}

// A single number.
static enum err number(struct link *l, const char *sql, int64_t *out, struct fault *f)
{
    PGresult *result;
    enum err err = link_run(l, sql, NULL, &result, f);
    if (err)
        return err;
    *out = result_integer(&(struct result_row){result, 0}, 0);
    PQclear(result);
    return ERR_OK;
}

static enum err read_mark(struct link *l, struct move_mark *out, struct fault *f)
{
    PGresult *result;
    enum err err =
        link_run(l, "SELECT state, move, place FROM carillon WHERE id = 1", NULL, &result, f);
    if (err)
        return err;
    struct result_row r = {result, 0};
    if (PQntuples(result) == 1)
        err = move_mark_set(out, result_text(&r, 0), result_text(&r, 1), result_text(&r, 2), f);
    else
        err = fault_set(f, ERR_STORE_CORRUPT, "table carillon has lost its row");
    PQclear(result);
    return err;
}

static enum err name_database(struct link *l, char out[static MOVE_NAME_BYTES], struct fault *f)
{
    PGresult *result;
    enum err err = link_run(l, "SELECT current_database()::text", NULL, &result, f);
    if (err)
        return err;
    snprintf(out, MOVE_NAME_BYTES, "%s", result_text(&(struct result_row){result, 0}, 0));
    PQclear(result);
    return ERR_OK;
}

enum err postgres_check_moved(struct link *l, struct fault *f)
{
    struct move_mark mark;
    char name[MOVE_NAME_BYTES];
    enum err err = read_mark(l, &mark, f);
    if (err || mark.state == MOVE_READY)
        return err;
    err = name_database(l, name, f);
    return err ? err : move_mark_refuse(&mark, name, f);
}

enum err postgres_move_look(struct move_server *m, struct move_look *out, struct fault *f)
{
    static const char relations[] =
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";
    int64_t count = 0;
    *out = (struct move_look){0};
    enum err err = number(&m->link, relations, &count, f);
    if (err || count == 0) {
        out->is_empty = count == 0;
        return err;
    }
    err = postgres_prepare_marked(&m->link, SHARDS_MAX, "", f);
    out->is_ours = !err;
    return err ? err : read_mark(&m->link, &out->mark, f);
}

// A node that was killed shows no sign of life for the time of its lease before it counts as dead.
enum err postgres_move_check_idle(struct move_server *m, struct fault *f)
{
    static const char sessions[] =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'carillon' AND pid <> pg_backend_pid()";
    static const char nodes[] =
        "SELECT coalesce(max(beat_at + ttl_ms - floor(extract(epoch FROM clock_timestamp())"
        " * 1000)::bigint), 0) FROM nodes WHERE dead = 0";
    int64_t count = 0, lease_ms = 0;
    enum err err = number(&m->link, sessions, &count, f);
    if (!err && count > 0)
        return fault_set(f, ERR_BUSY,
                         "nodes are at work on the database (%lld connections): stop all of them",
                         (long long)count);
    if (!err)
        err = number(&m->link, nodes, &lease_ms, f);
    if (err || lease_ms <= 0)
        return err;
    return fault_set(f, ERR_BUSY,
                     "a node was at work on the database a moment ago: stop it, or wait for %lld s",
                     (long long)lease_ms / 1000 + 1);
}

// What has expired before anybody claimed it is never carried out.
enum err postgres_move_check_answered(struct move_server *m, struct fault *f)
{
    static const char open[] =
        "SELECT count(*) FROM commands WHERE replied_at IS NULL AND (claimed_by IS NOT NULL"
        " OR expires_at >= floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)";
    int64_t count = 0;
    enum err err = number(&m->link, open, &count, f);
    if (err || count == 0)
        return err;
    return fault_set(
        f, ERR_BUSY,
        "%lld changes that clients asked for, or outcomes of requests, are not carried "
        "out yet: start a node for a moment, stop it, and run the move again",
        (long long)count);
}

// --- Making it -------------------------------------------------------------------------------

// What a name of a file or a host holds must not end the text that it stands in.
static void quote(struct link *l, const char *text, char out[static 2 * MOVE_PLACE_BYTES + 1])
{
    PQescapeStringConn(l->connection, out, text, strlen(text), NULL);
}

enum err postgres_move_make(struct move_server *m, const struct move_mark *mark, struct fault *f)
{
    char place[2 * MOVE_PLACE_BYTES + 1], more[2 * MOVE_PLACE_BYTES + 256];
    enum err err = link_begin(&m->link, f);
    if (err)
        return err;
    quote(&m->link, mark->place, place);
    snprintf(more, sizeof more, "UPDATE carillon SET state = '%s', move = '%s', place = '%s';",
             move_state_name(mark->state), mark->id, place);
    return postgres_prepare_marked(&m->link, SHARDS_MAX, more, f);
}

enum err postgres_move_empty(struct move_server *m, const struct move_mark *before,
                             const struct move_mark *mark, struct fault *f)
{
    char place[2 * MOVE_PLACE_BYTES + 1], sql[2 * MOVE_PLACE_BYTES + 1024];
    enum err err = link_begin(&m->link, f);
    if (err)
        return err;
    quote(&m->link, mark->place, place);
    snprintf(sql, sizeof sql,
             "DO $$ BEGIN PERFORM 1 FROM carillon WHERE state = '%s' AND move = '%s' FOR UPDATE;"
             " IF NOT FOUND THEN RAISE EXCEPTION 'another move is under way'; END IF; END $$;"
             "UPDATE carillon SET state = '%s', move = '%s', place = '%s';",
             move_state_name(before->state), before->id, move_state_name(mark->state), mark->id,
             place);
#define MOVED(table) row_append(sql, sizeof sql, "TRUNCATE " #table ";");
#include "store/moved.def"
    row_append(sql, sizeof sql, "UPDATE execution_days SET until = 0;");
    return link_script(&m->link, sql, f);
}

static enum err run_of_day(struct move_server *m, const char *sql, int64_t day, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_integer(&p, day);
    enum err err = run(m, sql, &p, &result, f);
    parameters_fini(&p);
    PQclear(result);
    return err;
}

// Rows of a day that has no partitions lie in those of all other days.
enum err postgres_move_make_day(void *server, int64_t day, struct fault *f)
{
    return run_of_day(server, "SELECT carillon_make_day_1($1)", day, f);
}

enum err postgres_move_end_day(void *server, int64_t day, struct fault *f)
{
    return run_of_day(server,
                      "UPDATE execution_days SET until = greatest(until, (SELECT"
                      " max(greatest(completed_at, missed_to)) FROM job_executions"
                      " WHERE scheduled_at >= $1 * 86400000"
                      " AND scheduled_at < ($1 + 1) * 86400000)) WHERE day = $1",
                      day, f);
}

// --- Tables ----------------------------------------------------------------------------------

enum err postgres_move_columns(struct move_server *m, const char *table, struct move_columns *out,
                               struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    parameter_text(&p, table);
    enum err err = run(m,
                       "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1)"
                       " AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                       &p, &result, f);
    parameters_fini(&p);
    if (err)
        return err;
    assert(PQntuples(result) <= MOVE_COLUMNS_MAX);
    *out = (struct move_columns){.count = (size_t)PQntuples(result)};
    for (int i = 0; i < PQntuples(result); i++)
        snprintf(out->names[i], MOVE_NAME_BYTES, "%s",
                 result_text(&(struct result_row){result, i}, 0));
    PQclear(result);
    return ERR_OK;
}

enum err postgres_move_write_begin(struct move_server *m, const char *table,
                                   const struct move_columns *columns, struct fault *f)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, "COPY %s (", table);
    for (size_t i = 0; i < columns->count; i++)
        row_append(sql, sizeof sql, "%s%s", i ? ", " : "", columns->names[i]);
    row_append(sql, sizeof sql, ") FROM STDIN");
    return link_copy_in(&m->link, sql, f);
}

enum err postgres_move_write(void *server, char *line, size_t bytes, struct fault *f)
{
    struct move_server *m = server;
    return link_copy_put(&m->link, line, bytes, f);
}

enum err postgres_move_write_end(struct move_server *m, int64_t *rows, struct fault *f)
{
    return link_copy_end(&m->link, rows, f);
}

// Digests travel as hexadecimal digits, whatever the session's form of bytes is.
static bool is_bytes(const char *column)
{
    return strcmp(column, "digest") == 0;
}

enum err postgres_move_read(struct move_server *m, const char *table,
                            const struct move_columns *columns, move_each_line *each, void *context,
                            struct fault *f)
{
    char sql[SQL_BYTES] = "COPY (SELECT ";
    int64_t rows;
    for (size_t i = 0; i < columns->count; i++)
        row_append(sql, sizeof sql, is_bytes(columns->names[i]) ? "%sencode(%s, 'hex')" : "%s%s",
                   i ? ", " : "", columns->names[i]);
    // A key that was reserved for a command without a reply stands for nothing.
    bool is_keys = strcmp(table, "client_keys") == 0;
    row_append(sql, sizeof sql, " FROM %s%s) TO STDOUT", table, is_keys ? " WHERE job_id > 0" : "");
    return link_copy_out(&m->link, sql, each, context, &rows, f);
}

// --- The shards, and the end -----------------------------------------------------------------

enum err postgres_move_shards(struct move_server *m, struct shard *rows, uint32_t count,
                              struct store_progress_all *out, struct fault *f)
{
    PGresult *result;
    enum err err = number(&m->link, "SELECT removed_to FROM carillon", &out->removed_to, f);
    if (!err)
        err = run(m, "SELECT " SHARD_COLUMNS " FROM shards ORDER BY id", NULL, &result, f);
    if (err)
        return err;
    if (PQntuples(result) != (int)count)
        err = fault_set(f, ERR_STORE_CORRUPT, "table shards has %d rows", PQntuples(result));
    for (uint32_t n = 0; n < count && !err; n++) {
        result_shard(&(struct result_row){result, (int)n}, &rows[n]);
        if (rows[n].number != n)
            err = fault_set(f, ERR_STORE_CORRUPT, "table shards has no row %u", n);
    }
    PQclear(result);
    return err;
}

enum shard_cell {
    NUMBER,
    WATERMARK,
    WATERMARK_JOB,
    JOB_NEXT,
    EXECUTION_NEXT,
    ALERT_NEXT,
    EPOCH,
    GENERATION,
    CORRECTED_AT,
    OPEN_FROM,
    SHARD_CELLS
};

static int64_t shard_cell(const struct shard *s, enum shard_cell cell)
{
    const int64_t cells[SHARD_CELLS] = {
        s->number,     s->watermark, s->watermark_job, s->job_next,     s->execution_next,
        s->alert_next, s->epoch,     s->generation,    s->corrected_at, s->open_from};
    return cells[cell];
}

static void put_shards(struct parameters *p, const struct shard *rows, uint32_t count)
{
    for (enum shard_cell cell = 0; cell < SHARD_CELLS; cell++) {
        parameter_array(p, false, count);
        for (uint32_t n = 0; n < count; n++)
            parameter_put_integer(p, shard_cell(&rows[n], cell));
        parameter_array_end(p);
    }
}

static enum err expect_one(PGresult *result, struct fault *f)
{
    int64_t changed = result_integer(&(struct result_row){result, 0}, 0);
    PQclear(result);
    return changed == 1 ? ERR_OK
                        : fault_set(f, ERR_CONFLICT, "the mark of the move has changed meanwhile");
}

// The ids of a table go on behind those that came.
#define NEXT_ID(table)                                                                             \
    ", setval(pg_get_serial_sequence('" table "', 'id'),"                                          \
    "  1 + (SELECT coalesce(max(id), 0) FROM " table "), false)"

// Every shard has inserted something, or retention would not ask it for its open executions; of as
// many as there are shards it counts as removed.
enum err postgres_move_arrive(struct move_server *m, const struct move_mark *mark,
                              const struct shard *rows, uint32_t count,
                              const struct store_progress_all *p, struct fault *f)
{
    static const char sql[] =
        "WITH done AS (UPDATE carillon SET state = 'ready', removed = shards, removed_to = $2"
        "  WHERE state = 'arriving' AND move = $1 RETURNING id),"
        " moved AS (UPDATE shards AS s SET watermark = n.watermark,"
        "  watermark_job = n.watermark_job, job_next = n.job_next,"
        "  execution_next = n.execution_next, alert_next = n.alert_next, epoch = n.epoch,"
        "  tick = 0, generation = n.generation, corrected_at = n.corrected_at,"
        "  open_from = n.open_from, inserted = CASE WHEN s.id = 0 THEN $3 + 1 ELSE 1 END"
        "  FROM unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS n(id, watermark,"
        "   watermark_job, job_next, execution_next, alert_next, epoch, generation, corrected_at,"
        "   open_from) WHERE s.id = n.id AND EXISTS (SELECT FROM done)),"
        " keyed AS (INSERT INTO job_keys (key, job_id) SELECT key, id FROM jobs"
        "  WHERE key IS NOT NULL AND deleted_at IS NULL AND EXISTS (SELECT FROM done))"
        " SELECT count(*)" NEXT_ID("audit") NEXT_ID("channels") NEXT_ID("silences")
            NEXT_ID("deliveries") " FROM done";
    struct parameters parameters = {0};
    PGresult *result;
    parameter_text(&parameters, mark->id);
    parameter_integer(&parameters, p->removed_to);
    parameter_integer(&parameters, p->executions);
    put_shards(&parameters, rows, count);
    enum err err = run(m, sql, &parameters, &result, f);
    parameters_fini(&parameters);
    return err ? err : expect_one(result, f);
}

// The next epoch after a timeline's change is that of carillon_take_1; one more is enough here.
enum err postgres_move_turn(struct move_server *m, const struct move_mark *mark,
                            enum move_state from, struct fault *f)
{
    static const char sql[] =
        "WITH done AS (UPDATE carillon SET state = $1, move = $2, place = $3"
        "  WHERE state = $4 AND (state = 'ready' OR move = $2) RETURNING id),"
        " taken AS (UPDATE shards SET owner = NULL, epoch = epoch + 1, tick = 0"
        "  WHERE $1 = 'leaving' AND EXISTS (SELECT FROM done)),"
        " buried AS (UPDATE nodes SET dead = 1 WHERE dead = 0 AND EXISTS (SELECT FROM done))"
        " SELECT count(*) FROM done";
    struct parameters p = {0};
    PGresult *result;
    parameter_text(&p, move_state_name(mark->state));
    parameter_text(&p, mark->id);
    parameter_text(&p, mark->place);
    parameter_text(&p, move_state_name(from));
    enum err err = run(m, sql, &p, &result, f);
    parameters_fini(&p);
    return err ? err : expect_one(result, f);
}
