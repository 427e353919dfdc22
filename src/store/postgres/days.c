// SPDX-License-Identifier: MIT
// days.c: the days by which job_executions and job_attempts are partitioned.
//
// A day is one of UTC, counted from 1970, of scheduled_at. Each has a partition of either table and
// a row in execution_days. Partitions are made ahead; rows of a day that has none lie in the two
// default partitions, and move when their day's is made. So retention can let a whole day go at
// once, without touching its rows.
//
// What this costs others is bounded: each change of the tables waits for its locks for 100 ms at
// most, and is otherwise tried again later. Before they are attached, the rows that nobody changes
// any more are moved beside the commits that go on; only the others are moved under the lock.
// Attaching reads the default partition under the lock, so that is left undone while it is large.

#include "store/postgres/postgres_priv.h"

#define DAY_MS "86400000"
#define DAYS_AHEAD "7"
#define DAYS_BACK "60"          // Rows that are older stay where they are.
#define MOVED_MAX "100000"      // More rows of one day stay as well: moving them would take long.
#define SCANNED_MAX "268435456" // Bytes of the default partition that attaching may read.
#define END_OF_DAY "((d + 1) * " DAY_MS ")"

// Moves the rows of a day from the default partition that fulfil the condition. For a table of
// executions the result is the latest instant that one of them tells of, as in execution_days.
static const char move_rows[] =
    "CREATE OR REPLACE FUNCTION carillon_move_rows_1(source text, target text, d bigint,"
    "  what text, latest text) RETURNS bigint LANGUAGE plpgsql AS $body$"
    " DECLARE moved bigint; BEGIN"
    " EXECUTE format('WITH gone AS (DELETE FROM %I WHERE scheduled_at >= %s"
    "   AND scheduled_at < %s AND %s RETURNING *),"
    "  put AS (INSERT INTO %I SELECT * FROM gone RETURNING *)"
    "  SELECT max(%s) FROM put', source, d * " DAY_MS ", " END_OF_DAY ", what, target, latest)"
    " INTO moved; RETURN coalesce(moved, 0); END $body$;\n";

// The table that becomes a partition. Its CHECK spares the attaching another look at the rows. That
// no two manual executions of a job share a number is checked for each day: across days it follows
// from what the number is, the id, which the shard's row counts.
static const char make_table[] =
    "CREATE OR REPLACE FUNCTION carillon_make_table_1(parent text, name text, d bigint)"
    " RETURNS void LANGUAGE plpgsql AS $body$ BEGIN"
    " EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
    "   INCLUDING INDEXES, CONSTRAINT of_day CHECK (scheduled_at >= %s AND scheduled_at < %s))"
    "   WITH (fillfactor = " POSTGRES_FILLED ")', name, parent, d * " DAY_MS ", " END_OF_DAY ");"
    " IF parent = 'job_executions' THEN"
    "  EXECUTE format('CREATE UNIQUE INDEX %I ON %I (job_id, series) WHERE series < 0',"
    "   name || '_manual', name); END IF; END $body$;\n"
    "CREATE OR REPLACE FUNCTION carillon_attach_1(parent text, name text, d bigint)"
    " RETURNS void LANGUAGE plpgsql AS $body$ BEGIN"
    " EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', parent,"
    "   name, d * " DAY_MS ", " END_OF_DAY ");"
    " EXECUTE format('ALTER TABLE %I DROP CONSTRAINT of_day', name); END $body$;\n";

#define LATEST "'greatest(completed_at, missed_to)'"

// 1: the partitions of the day were made. 0: they are there, or it is not to be done now.
static const char make_day[] =
    "CREATE OR REPLACE FUNCTION carillon_make_day_1(d bigint) RETURNS bigint"
    " LANGUAGE plpgsql AS $body$ DECLARE latest bigint; tail text := carillon_day_name_1(d);"
    "  executions text := 'job_executions_' || tail; attempts text := 'job_attempts_' || tail;"
    " BEGIN"
    " PERFORM set_config('lock_timeout', '100ms', true);"
    " PERFORM 1 FROM carillon FOR UPDATE;"
    " IF EXISTS (SELECT FROM execution_days WHERE day = d)"
    "  OR pg_relation_size('job_executions_default') > " SCANNED_MAX
    "  OR pg_relation_size('job_attempts_default') > " SCANNED_MAX
    "  OR (SELECT count(*) FROM (SELECT FROM job_executions_default WHERE scheduled_at >="
    "    d * " DAY_MS " AND scheduled_at < " END_OF_DAY " LIMIT " MOVED_MAX " + 1) AS few)"
    "   > " MOVED_MAX " THEN RETURN 0; END IF;"
    " PERFORM carillon_make_table_1('job_executions', executions, d);"
    " PERFORM carillon_make_table_1('job_attempts', attempts, d);"
    " latest := carillon_move_rows_1('job_executions_default', executions, d,"
    "  'completed_at IS NOT NULL', " LATEST ");"
    " LOCK TABLE job_executions_default, job_attempts_default IN ACCESS EXCLUSIVE MODE;"
    " latest := greatest(latest, carillon_move_rows_1('job_executions_default', executions, d,"
    "  'true', " LATEST "));"
    " PERFORM carillon_move_rows_1('job_attempts_default', attempts, d, 'true', '0');"
    " PERFORM carillon_attach_1('job_executions', executions, d);"
    " PERFORM carillon_attach_1('job_attempts', attempts, d);"
    " INSERT INTO execution_days (day, until) VALUES (d, latest);"
    " RETURN 1; EXCEPTION WHEN lock_not_available OR deadlock_detected THEN RETURN 0;"
    " END $body$;\n";

// Makes one day: the first that is missing of today and those ahead, else the first of which rows
// lie in the default partition. 0: there is none, or it is not to be done now.
static const char make_days[] =
    "CREATE OR REPLACE FUNCTION carillon_day_name_1(d bigint) RETURNS text LANGUAGE sql AS $body$"
    " SELECT to_char(date '1970-01-01' + d::int, 'YYYYMMDD') $body$;\n"
    "CREATE OR REPLACE FUNCTION carillon_make_days_1(today bigint) RETURNS bigint"
    " LANGUAGE plpgsql AS $body$ DECLARE d bigint; at bigint := (today - " DAYS_BACK ") * " DAY_MS
    "; BEGIN"
    " SELECT min(n) INTO d FROM generate_series(today, today + " DAYS_AHEAD ") AS n"
    "  WHERE NOT EXISTS (SELECT FROM execution_days WHERE day = n);"
    " IF d IS NOT NULL THEN RETURN carillon_make_day_1(d); END IF;"
    " LOOP SELECT min(scheduled_at) INTO at FROM job_executions_default WHERE scheduled_at >= at;"
    "  EXIT WHEN at IS NULL OR at > (today + " DAYS_AHEAD ") * " DAY_MS ";"
    "  d := at / " DAY_MS ";"
    "  IF carillon_make_day_1(d) = 1 THEN RETURN 1; END IF;"
    "  at := " END_OF_DAY "; END LOOP;"
    " RETURN 0; END $body$;\n";

// Executions of these days ended, or tell of instants, long after their day: the days stay until
// those are old as well. Rounded up to an hour, so that a row is seldom written.
static const char note_late[] =
    "CREATE OR REPLACE FUNCTION carillon_late_1(bigint[], bigint[]) RETURNS bigint"
    " LANGUAGE plpgsql AS $body$ BEGIN"
    " UPDATE execution_days AS d SET until = n.until FROM (SELECT day,"
    "   (max(until) / 3600000 + 1) * 3600000 AS until FROM unnest($1, $2) AS u(day, until)"
    "   GROUP BY day ORDER BY day) AS n WHERE d.day = n.day AND d.until < n.until;"
    " RETURN 0; END $body$;\n";

const char *const postgres_day_functions[] = {move_rows, make_table, make_day,
                                              make_days, note_late,  NULL};

enum err postgres_make_days(struct store *store, wall_ms now, bool *more, struct fault *f)
{
    struct postgres_store *s = (struct postgres_store *)store;
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_integer(&p, now / POSTGRES_DAY_MS);
    enum err err = link_run(&s->chores, "SELECT carillon_make_days_1($1)", &p, &result, f);
    parameters_fini(&p);
    if (err)
        return err;
    struct result_row r = {result, 0};
    *more = result_integer(&r, 0) != 0;
    PQclear(result);
    return ERR_OK;
}
