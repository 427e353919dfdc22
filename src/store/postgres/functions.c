// SPDX-License-Identifier: MIT
// functions.c: what runs inside the server.
//
// A commit is one message: a SELECT that calls the fence and, when that is open, one function for
// each table that the commit writes. A transaction of several messages would keep the rows of its
// shards locked while its client stands still between two of them, and nobody could take them over.
//
// Rows come as arrays, one for each column. The plan of a function does not depend on statistics,
// which a table that has just been made does not have: only loops over indexes are allowed, and a
// row of job_executions is looked up by (scheduled_at, id), for which one index fits. There are no
// foreign keys, since checking one writes into the row that it refers to; the functions look
// instead, and nobody removes a row under them: a shard has one owner, and retention leaves a job
// that has executions.
//
// The texts are made from the lists of columns, so a change of a list needs a new version of the
// functions' names: nodes of the version before go on with theirs.

#include "store/postgres/postgres_priv.h"

#include <stdio.h>

#define TEXT_BYTES 65536
#define NAMES_BYTES 4096

// The types of the arguments, an array for each column: "bigint[], text[]".
static void add_types(char *out, const struct row_map *m, size_t first)
{
    for (size_t i = first; i < m->count; i++)
        row_append(out, TEXT_BYTES, "%s%s[]", i > first ? ", " : "",
                   column_is_text(&m->columns[i]) ? "text" : "bigint");
}

static void add_parameters(char *out, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        row_append(out, TEXT_BYTES, "%s$%zu", i ? ", " : "", first + i);
}

// "a, b", or with a prefix "r.a, r.b".
static void add_columns(char *out, const struct row_map *m, size_t first, const char *prefix)
{
    for (size_t i = first; i < m->count; i++)
        row_append(out, TEXT_BYTES, "%s%s%s", i > first ? ", " : "", prefix, m->columns[i].name);
}

static void add_assignments(char *out, const struct row_map *m, const char *prefix)
{
    const char *comma = "";
    for (size_t i = 1; i < m->count; i++) {
        if (m->columns[i].is_fixed)
            continue;
        row_append(out, TEXT_BYTES, "%s%s = %s%s", comma, m->columns[i].name, prefix,
                   m->columns[i].name);
        comma = ", ";
    }
}

#define BY_INDEXES                                                                                 \
    " SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off"               \
    " SET enable_bitmapscan = off SET enable_material = off"
#define BEGIN_BODY(more) ") RETURNS bigint LANGUAGE plpgsql" more " AS $body$ "
#define END_BODY " RETURN 0; END $body$;\n"
#define REFUSE_UNLESS(condition, message)                                                          \
    " IF NOT (" condition ") THEN RAISE EXCEPTION USING ERRCODE = 'CA001', MESSAGE = " message     \
    "; END IF;"

// --- The fence -------------------------------------------------------------------------------

// The rows of the shards are locked in order, then looked at: a row that was read without its lock
// may be that of an owner of before. For each shard: its epoch, the first and the last tick. The
// verdict: 0, some shards are `lost`; 1, all is to be written; 2, all was written before, and is
// touched, so that this transaction has something to wait for the replica with.
static const char fence[] =
    "CREATE OR REPLACE FUNCTION carillon_fence_1(bigint[], bigint[], bigint[], bigint[], bigint[],"
    " bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[],"
    " OUT verdict bigint, OUT lost bigint[], OUT raised bigint[]) LANGUAGE plpgsql AS $body$"
    " DECLARE replays bigint; BEGIN"
    " PERFORM set_config('lock_timeout', '2s', true);"
    " IF current_setting('synchronous_commit') IN ('off', 'local') THEN"
    "  PERFORM set_config('synchronous_commit', 'on', true); END IF;"
    " PERFORM 1 FROM shards WHERE id = ANY ($1) ORDER BY id FOR UPDATE;"
    " SELECT array_agg(n.id ORDER BY n.id) FILTER (WHERE s.epoch <> n.epoch"
    "   OR NOT (n.first = s.tick + 1 OR (n.first > 0 AND n.last = s.tick))),"
    "  count(*) FILTER (WHERE n.last = s.tick),"
    "  array_agg(n.id) FILTER (WHERE n.generation > s.generation)"
    "  INTO lost, replays, raised"
    "  FROM unnest($1, $2, $3, $4, $10) AS n(id, epoch, first, last, generation)"
    "  JOIN shards s ON s.id = n.id;"
    " IF lost IS NOT NULL THEN verdict := 0; RETURN; END IF;"
    " IF replays = cardinality($1) THEN"
    "  UPDATE shards SET tick = tick WHERE id = ANY ($1); verdict := 2; RETURN; END IF;"
    " IF replays > 0 THEN RAISE EXCEPTION 'a part of a commit was written before'; END IF;"
    " UPDATE shards s SET tick = n.last, watermark = n.watermark,"
    "  watermark_job = n.watermark_job, job_next = n.job_next,"
    "  execution_next = n.execution_next, alert_next = n.alert_next,"
    "  generation = n.generation, corrected_at = n.corrected_at, open_from = n.open_from,"
    "  inserted = s.inserted + n.inserted"
    "  FROM unnest($1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS n(id, last, watermark,"
    "   watermark_job, job_next, execution_next, alert_next, generation, corrected_at, open_from,"
    "   inserted)"
    "  WHERE s.id = n.id;"
    " verdict := 1; END $body$;\n";

// A clock that was far ahead is set right: what was to begin later in these shards has begun.
static const char correct[] =
    "CREATE OR REPLACE FUNCTION carillon_correct_1(bigint[]) RETURNS bigint LANGUAGE plpgsql"
    " AS $body$ BEGIN IF $1 IS NOT NULL THEN"
    "  UPDATE job_versions v SET from_at = s.corrected_at FROM shards s, carillon c"
    "  WHERE s.id = ANY ($1) AND v.job_id % c.shards = s.id AND v.from_at > s.corrected_at;"
    " END IF; RETURN 0; END $body$;\n";

// --- Jobs ------------------------------------------------------------------------------------

// Changes of jobs are rare, and of one job they must come in order: they are made one by one.
#define CHANGE_COLUMNS 3 // change_kind, change_at, change_phase
#define DECIDES_OF                                                                                 \
    "schedule, timezone, dst_gap, dst_fold, start_at, end_at, max_runs" // As in job_versions.

static const char change_state[] =
    " UPDATE jobs SET version = r.version, updated_at = r.updated_at,"
    "  effective_from = r.effective_from, paused_until = r.paused_until,"
    "  is_active = r.is_active, finished = r.finished, runs = r.runs, failures = r.failures,"
    "  trouble = r.trouble, paused_reason = CASE WHEN r.is_active = 1 THEN NULL"
    "   ELSE coalesce(r.paused_reason, jobs.paused_reason) END"
    "  WHERE id = r.id AND deleted_at IS NULL;";

// What retention has passed goes with the next version.
static const char change_version[] =
    " INSERT INTO job_versions (job_id, number, version, from_at, phase, " DECIDES_OF ","
    "   runs, paused_until, reason)"
    "  SELECT id, 1 + coalesce((SELECT max(number) FROM job_versions WHERE job_id = r.id), 0),"
    "   version, r.change_at, r.change_phase, " DECIDES_OF ", runs,"
    "   CASE WHEN r.change_phase = 'paused' THEN paused_until END,"
    "   CASE WHEN r.change_phase = 'paused' THEN paused_reason END FROM jobs WHERE id = r.id;"
    " GET DIAGNOSTICS changed = ROW_COUNT;"
    " IF passed > 0 THEN DELETE FROM job_versions WHERE job_id = r.id AND number <"
    "  (SELECT max(number) FROM job_versions WHERE job_id = r.id AND from_at <= passed); END IF;";

static void add_put_job(char *out)
{
    row_append(out, TEXT_BYTES, " INSERT INTO jobs (");
    add_columns(out, &job_rows, 0, "");
    row_append(out, TEXT_BYTES, ") VALUES (");
    add_columns(out, &job_rows, 0, "r.");
    row_append(out, TEXT_BYTES, ") ON CONFLICT (id) DO UPDATE SET ");
    add_assignments(out, &job_rows, "excluded.");
    row_append(out, TEXT_BYTES, " WHERE jobs.deleted_at IS NULL;");
}

static void add_change_jobs(char *out)
{
    row_append(out, TEXT_BYTES,
               "CREATE OR REPLACE FUNCTION carillon_jobs_1(bigint[], bigint[], text[], ");
    add_types(out, &job_rows, 0);
    row_append(out, TEXT_BYTES,
               BEGIN_BODY("") "DECLARE r record; changed bigint;"
                              " passed bigint := (SELECT removed_to FROM carillon); BEGIN"
                              " FOR r IN SELECT * FROM unnest(");
    add_parameters(out, 1, CHANGE_COLUMNS + job_rows.count);
    row_append(out, TEXT_BYTES, ") AS t(change_kind, change_at, change_phase, ");
    add_columns(out, &job_rows, 0, "");
    row_append(out, TEXT_BYTES, ") LOOP IF r.change_kind = %d THEN", CHANGE_JOB_PUT);
    add_put_job(out);
    row_append(out, TEXT_BYTES,
               " GET DIAGNOSTICS changed = ROW_COUNT; ELSIF r.change_kind = %d THEN%s",
               CHANGE_JOB_STATE, change_state);
    row_append(out, TEXT_BYTES,
               " GET DIAGNOSTICS changed = ROW_COUNT; ELSIF r.change_kind = %d THEN%s",
               CHANGE_VERSION, change_version);
    row_append(
        out, TEXT_BYTES,
        " ELSE UPDATE jobs SET deleted_at = r.change_at, is_active = 0 WHERE id = r.id"
        "  AND deleted_at IS NULL; GET DIAGNOSTICS changed = ROW_COUNT; END IF;" REFUSE_UNLESS(
            "changed = 1", "'job ' || r.id || ': is not there, or deleted'") " END LOOP;" END_BODY);
}

// --- Executions ------------------------------------------------------------------------------

// `more`: columns before those of the map, with a comma at the end of each, and so many of them.
static void add_insert(char *out, const char *name, const struct row_map *m, const char *more,
                       size_t more_count, const char *check)
{
    row_append(out, TEXT_BYTES, "CREATE OR REPLACE FUNCTION %s(", name);
    for (size_t i = 0; i < more_count; i++)
        row_append(out, TEXT_BYTES, "bigint[], ");
    add_types(out, m, 0);
    row_append(out, TEXT_BYTES, BEGIN_BODY(BY_INDEXES) "DECLARE low bigint; high bigint; BEGIN%s",
               check);
    row_append(out, TEXT_BYTES, " INSERT INTO %s (%s", m->table, more);
    add_columns(out, m, 0, "");
    row_append(out, TEXT_BYTES, ") SELECT * FROM unnest(");
    add_parameters(out, 1, more_count + m->count);
    row_append(out, TEXT_BYTES, ");" END_BODY);
}

// At the end of what EXISTS asks for: it is looked up for each row, and not joined.
#define ONE_BY_ONE "OFFSET 0"

#define ALL_THERE(array, table)                                                                    \
    "NOT EXISTS (SELECT FROM (SELECT DISTINCT w.id FROM unnest(" array                             \
    ") AS w(id)) AS d WHERE d.id IS NOT NULL AND NOT EXISTS (SELECT FROM " table                   \
    " AS t WHERE t.id = d.id " ONE_BY_ONE "))"

#define KNOW_TIMES(times, ids)                                                                     \
    " IF 0 = ANY (" times ") THEN " times " := carillon_times_1(" times ", " ids "); END IF;"
// The partitions of the days between `low` and `high` are the only ones that a statement opens.
#define SPAN_OF(array) " SELECT min(at), max(at) INTO low, high FROM unnest(" array ") AS u(at);"
#define IN_SPAN(table) table ".scheduled_at >= low AND " table ".scheduled_at <= high"
#define EXECUTIONS_THERE(times, ids)                                                               \
    "NOT EXISTS (SELECT FROM unnest(" times ", " ids ") AS w(at, id) WHERE w.at IS NOT NULL"       \
    " AND NOT EXISTS (SELECT FROM job_executions AS e WHERE e.scheduled_at = w.at"                 \
    " AND e.id = w.id AND " IN_SPAN("e") " " ONE_BY_ONE "))"

static const char check_jobs[] =
    REFUSE_UNLESS(ALL_THERE("$2", "jobs"), "'an execution of a job that is not there'");
static const char check_executions[] = SPAN_OF("$1")
    REFUSE_UNLESS(EXECUTIONS_THERE("$1", "$2"), "'an attempt of an execution that is not there'");
static const char check_both[] = KNOW_TIMES("$1", "$5") SPAN_OF("$1")
    REFUSE_UNLESS(ALL_THERE("$4", "jobs") " AND " EXECUTIONS_THERE("$1", "$5"),
                  "'an alert about a job or an execution that is not there'");

#define TEXT_OF(macro) TEXT_OF_VALUE(macro)
#define TEXT_OF_VALUE(value) #value

// The partitions that hold rows of these instants; the lock keeps rows from moving to others.
static const char find_tables[] =
    "CREATE OR REPLACE FUNCTION carillon_tables_1(bigint[]) RETURNS SETOF text LANGUAGE plpgsql"
    " AS $body$ BEGIN LOCK TABLE job_executions_default IN ROW EXCLUSIVE MODE;"
    " RETURN QUERY SELECT DISTINCT 'job_executions_' || CASE WHEN EXISTS (SELECT"
    "  FROM execution_days AS e WHERE e.day = d.day) THEN carillon_day_name_1(d.day)"
    "  ELSE 'default' END FROM (SELECT DISTINCT at / 86400000 AS day FROM unnest($1) AS u(at))"
    "  AS d; END $body$;\n"
    // The instants of executions, of which those that are 0 were edited into none that can be: such
    // a row lies in the default partition.
    "CREATE OR REPLACE FUNCTION carillon_times_1(times bigint[], ids bigint[]) RETURNS bigint[]"
    " LANGUAGE sql AS $body$ SELECT array_agg(CASE WHEN n.at = 0 THEN coalesce((SELECT"
    "  max(scheduled_at) FROM job_executions_default WHERE id = n.id AND (scheduled_at <= 0"
    "   OR scheduled_at > " TEXT_OF(
        WALL_LAST) ")), 0) ELSE n.at END ORDER BY n.place)"
                   "  FROM unnest(times, ids) WITH ORDINALITY AS n(at, id, place) $body$;\n";

// An update is planned anew for each commit, on the partition by itself, whose real size the
// planner then sees. A plan that is kept is one of the time when the partition was empty, which is
// to go through all of its rows, and a condition on the day would let every plan do that.
// Nor may a condition on the row alone, since the planner would believe that few rows fulfil it.
// `times`, `ids`: the parameters with the instants and the ids. What is to be set, from where and
// if is appended before end_update.
#define UNLESS_SET(column) "(e." column " IS NULL OR n.id IS NULL)"

static void begin_update(char *out, size_t times, size_t ids)
{
    row_append(
        out, TEXT_BYTES,
        BEGIN_BODY(BY_INDEXES) "DECLARE part text; n bigint; changed bigint := 0; BEGIN" KNOW_TIMES(
            "$%1$zu", "$%2$zu") " FOR part IN SELECT carillon_tables_1($%1$zu) LOOP"
                                " EXECUTE format($update$UPDATE %%I AS e SET ",
        times, ids);
}

static void end_update(char *out, size_t parameters, const char *condition, const char *message)
{
    row_append(
        out, TEXT_BYTES,
        " WHERE e.scheduled_at = n.scheduled_at AND e.id = n.id AND %s$update$, part) USING ",
        condition);
    add_parameters(out, 1, parameters);
    row_append(out, TEXT_BYTES,
               "; GET DIAGNOSTICS n = ROW_COUNT; changed := changed + n; END LOOP;" REFUSE_UNLESS(
                   "changed = cardinality($1)", "'an execution is not there, or %s'") END_BODY,
               message);
}

// Where the map of executions has the instant by which their table is partitioned.
static size_t scheduled_at(void)
{
    size_t i = 0;
    while (strcmp(execution_rows.columns[i].name, "scheduled_at") != 0)
        i++;
    return i;
}

// A row that has a first attempt keeps it when the change brings none.
static void add_update(char *out)
{
    const struct row_map *first = &first_attempt_rows;
    size_t parameters = execution_rows.count + first->count - 1;
    row_append(out, TEXT_BYTES, "CREATE OR REPLACE FUNCTION carillon_update_executions_1(");
    add_types(out, &execution_rows, 0);
    row_append(out, TEXT_BYTES, ", ");
    add_types(out, first, 1);
    begin_update(out, 1 + scheduled_at(), 1);
    add_assignments(out, &execution_rows, "n.");
    for (size_t i = 1; i < first->count; i++)
        row_append(out, TEXT_BYTES,
                   ", %s = CASE WHEN n.first_started_at IS NULL THEN e.%s ELSE n.%s END",
                   first->columns[i].name, first->columns[i].name, first->columns[i].name);
    row_append(out, TEXT_BYTES, " FROM unnest(");
    add_parameters(out, 1, parameters);
    row_append(out, TEXT_BYTES, ") AS n(");
    add_columns(out, &execution_rows, 0, "");
    row_append(out, TEXT_BYTES, ", ");
    add_columns(out, first, 1, "");
    row_append(out, TEXT_BYTES, ")");
    end_update(
        out, parameters,
        UNLESS_SET(
            "completed_at") " AND (n.first_started_at IS NULL OR e.first_started_at IS NULL)",
        "terminal, or has its first attempt");
}

static void add_first(char *out)
{
    const struct row_map *first = &first_attempt_rows;
    row_append(out, TEXT_BYTES, "CREATE OR REPLACE FUNCTION carillon_first_attempts_1(bigint[], ");
    add_types(out, first, 0);
    begin_update(out, 1, 2);
    add_assignments(out, first, "n.");
    row_append(out, TEXT_BYTES, " FROM unnest(");
    add_parameters(out, 1, 1 + first->count);
    row_append(out, TEXT_BYTES, ") AS n(scheduled_at, ");
    add_columns(out, first, 0, "");
    row_append(out, TEXT_BYTES, ")");
    end_update(out, 1 + first->count, UNLESS_SET("first_started_at"), "has its first attempt");
}

// Few executions linger: those that are open for long.
static const char linger[] =
    "CREATE OR REPLACE FUNCTION carillon_linger_1(bigint[], bigint[], bigint[]) RETURNS bigint"
    " LANGUAGE plpgsql AS $body$ BEGIN"
    " INSERT INTO lingering_executions (scheduled_at, execution_id) SELECT * FROM unnest($1, $2)"
    "  ON CONFLICT DO NOTHING;"
    " DELETE FROM lingering_executions WHERE execution_id = ANY ($3);"
    " RETURN 0; END $body$;\n";

// The first one who has seen an alert counts.
static const char ack_alerts[] =
    "CREATE OR REPLACE FUNCTION carillon_ack_alerts_1(bigint[], bigint[]) RETURNS bigint"
    " LANGUAGE plpgsql AS $body$ BEGIN"
    " UPDATE alerts SET acknowledged_at = n.at FROM (SELECT id, min(at) AS at"
    "  FROM unnest($1, $2) AS u(id, at) GROUP BY id ORDER BY id) AS n"
    "  WHERE alerts.id = n.id AND alerts.acknowledged_at IS NULL;"
    " RETURN 0; END $body$;\n";

// The same key may come twice in a commit; the last one counts.
static const char client_keys[] =
    "CREATE OR REPLACE FUNCTION carillon_client_keys_1(text[], text[], bigint[], bigint[],"
    " bigint[], bigint[]) RETURNS bigint LANGUAGE plpgsql AS $body$ DECLARE r record; BEGIN"
    " FOR r IN SELECT * FROM unnest($1, $2, $3, $4, $5, $6)"
    "  WITH ORDINALITY AS t(key, digest, job_id, scheduled_at, series, created_at, place)"
    "  ORDER BY key, place LOOP" // All who write keys do so in this order.
    "  INSERT INTO client_keys (key, digest, job_id, scheduled_at, series, created_at) VALUES"
    "   (r.key, decode(r.digest, 'hex'), r.job_id, r.scheduled_at, r.series, r.created_at)"
    "   ON CONFLICT (key) DO UPDATE SET digest = excluded.digest,"
    "   job_id = excluded.job_id, scheduled_at = excluded.scheduled_at,"
    "   series = excluded.series, created_at = excluded.created_at;"
    " END LOOP; RETURN 0; END $body$;\n";

// --- The audit -------------------------------------------------------------------------------

static void add_insert_audit(char *out)
{
    const struct row_map *m = &audit_rows;
    row_append(out, TEXT_BYTES, "CREATE OR REPLACE FUNCTION carillon_insert_audit_1(");
    add_types(out, m, 1);
    row_append(out, TEXT_BYTES, BEGIN_BODY("") "BEGIN INSERT INTO audit (");
    add_columns(out, m, 1, "");
    row_append(out, TEXT_BYTES, ") SELECT ");
    add_columns(out, m, 1, "r.");
    row_append(out, TEXT_BYTES, " FROM unnest(");
    add_parameters(out, 1, m->count - 1);
    row_append(out, TEXT_BYTES, ") WITH ORDINALITY AS r(");
    add_columns(out, m, 1, "");
    row_append(out, TEXT_BYTES, ", place) ORDER BY place;" END_BODY);
}

// --- Taking a shard --------------------------------------------------------------------------

// The number in the name of the log file rises with each promotion; where a managed service does
// not tell it, the moment at which the server started stands for it. An owner that lives through a
// promotion which lost its last commits has an epoch that is given to nobody else: the high half
// counts changes of the timeline. What was lost may have been answered or sent: its ids are
// skipped.
static const char take[] =
    "CREATE OR REPLACE FUNCTION carillon_timeline_1() RETURNS bigint LANGUAGE plpgsql AS $body$"
    " BEGIN RETURN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint;"
    " EXCEPTION WHEN insufficient_privilege OR undefined_function OR feature_not_supported THEN"
    "  RETURN floor(extract(epoch FROM pg_postmaster_start_time())); END $body$;\n"
    "CREATE OR REPLACE FUNCTION carillon_take_1(bigint) RETURNS SETOF shards"
    " LANGUAGE plpgsql AS $body$"
    " DECLARE now_on bigint := carillon_timeline_1(); BEGIN"
    " PERFORM set_config('lock_timeout', '2s', true);"
    " IF current_setting('synchronous_commit') IN ('off', 'local') THEN"
    "  PERFORM set_config('synchronous_commit', 'on', true); END IF;"
    " RETURN QUERY UPDATE shards SET tick = 0, timeline = now_on,"
    "  epoch = CASE WHEN timeline = now_on THEN epoch + 1"
    "   ELSE (((epoch >> 32) + 1) << 32) | 1 END,"
    "  job_next = job_next + CASE WHEN timeline = now_on THEN 0 ELSE 1048576 END,"
    "  execution_next = execution_next + CASE WHEN timeline = now_on THEN 0 ELSE 1048576 END,"
    "  alert_next = alert_next + CASE WHEN timeline = now_on THEN 0 ELSE 1048576 END"
    "  WHERE id = $1 RETURNING *; END $body$;\n";

// --- All of them -----------------------------------------------------------------------------

char *postgres_functions(void)
{
    static const char *const fixed[] = {fence,      correct,     find_tables, linger,
                                        ack_alerts, client_keys, take};
    static const char *const *const parts[] = {
        postgres_node_functions,    postgres_day_functions,     postgres_retain_functions,
        postgres_version_functions, postgres_command_functions, postgres_registry_functions};
    char *out = xmalloc(TEXT_BYTES);
    *out = '\0';
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        row_append(out, TEXT_BYTES, "%s", fixed[i]);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        for (size_t k = 0; parts[i][k]; k++)
            row_append(out, TEXT_BYTES, "%s", parts[i][k]);
    add_change_jobs(out);
    add_insert(out, "carillon_insert_executions_1", &execution_rows, "", 0, check_jobs);
    add_update(out);
    add_first(out);
    add_insert(out, "carillon_insert_attempts_1", &attempt_rows, "scheduled_at, ", 1,
               check_executions);
    add_insert(out, "carillon_insert_alerts_1", &alert_rows, "scheduled_at, series, ", 2,
               check_both);
    add_insert_audit(out);
    return out;
}
