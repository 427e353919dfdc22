// SPDX-License-Identifier: MIT
// retain.c: the oldest terminal executions go, with all that belongs to them.
//
// By age a whole day goes at once, when nothing of it is open and nothing of it is younger: its two
// tables are dropped, which costs the same whatever they hold. Row by row goes what lies in the
// default partition, what is beyond a number, and, when the age is below two days, everything.
// While the database is larger than it may be, days go before their age, but never the present one.
// Alerts go by rows, before the day of their executions does.

#include "store/postgres/postgres_priv.h"

#define DAY_MS "86400000"
#define LATE_MS "3600000"      // POSTGRES_LATE_MS
#define SHORT_AGE_MS 172800000 // A lower age is not kept to by whole days.
#define COUNTED_MAX "1000000"  // The rows of a larger day are counted by its statistics.

// --- Whole days ------------------------------------------------------------------------------

// Nothing is open before the least mark of all shards, but for what lingers.
static const char is_over[] =
    "CREATE OR REPLACE FUNCTION carillon_is_over_1(d bigint, before bigint) RETURNS boolean"
    " LANGUAGE sql AS $body$ SELECT (d + 1) * " DAY_MS " <= coalesce((SELECT min(open_from)"
    "  FROM shards WHERE inserted > 0), 0)"
    " AND NOT EXISTS (SELECT FROM lingering_executions WHERE scheduled_at >= d * " DAY_MS
    "  AND scheduled_at < (d + 1) * " DAY_MS ")"
    " AND (SELECT until < before FROM execution_days WHERE day = d) $body$;\n";

// How many rows the table has: exactly, or as the last look of vacuum or analyze has it.
static const char count_rows[] =
    "CREATE OR REPLACE FUNCTION carillon_count_1(name text) RETURNS bigint LANGUAGE plpgsql"
    " AS $body$ DECLARE n bigint := (SELECT reltuples FROM pg_class WHERE oid = name::regclass);"
    " BEGIN IF n < " COUNTED_MAX " THEN EXECUTE format('SELECT count(*) FROM %I', name) INTO n;"
    " END IF; RETURN n; END $body$;\n";

// A reader that has been at work on the table for long, such as a dump, would not be done within
// the time that others may have to wait: it is not asked.
static const char is_in_use[] =
    "CREATE OR REPLACE FUNCTION carillon_is_in_use_1(name text) RETURNS boolean LANGUAGE sql"
    " AS $body$ SELECT EXISTS (SELECT FROM pg_locks AS l JOIN pg_stat_activity AS a"
    "  ON a.pid = l.pid WHERE l.locktype = 'relation' AND l.relation = name::regclass"
    "  AND a.datname = current_database() AND a.pid <> pg_backend_pid()"
    "  AND a.xact_start < clock_timestamp() - interval '1 second') $body$;\n";

// The parents are locked first, as by everybody else. What is asked after the lock has come is
// asked again, since commits may have gone before: an execution that comes for the day later finds
// no partition, and goes to the default one.
static const char drop_day[] =
    "CREATE OR REPLACE FUNCTION carillon_drop_day_1(d bigint, before bigint, rows_max bigint)"
    " RETURNS bigint LANGUAGE plpgsql AS $body$ DECLARE n bigint;"
    "  executions text := 'job_executions_' || carillon_day_name_1(d);"
    "  attempts text := 'job_attempts_' || carillon_day_name_1(d); BEGIN"
    " DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE scheduled_at >= d * " DAY_MS
    "  AND scheduled_at < (d + 1) * " DAY_MS " LIMIT rows_max);"
    " GET DIAGNOSTICS n = ROW_COUNT; IF n > 0 THEN RETURN n; END IF;"
    " IF carillon_is_in_use_1(executions) OR carillon_is_in_use_1(attempts) THEN RETURN 0; END IF;"
    " n := carillon_count_1(executions);"
    " LOCK TABLE ONLY job_executions, ONLY job_attempts IN ACCESS EXCLUSIVE MODE;"
    " EXECUTE format('LOCK TABLE %I, %I IN ACCESS EXCLUSIVE MODE', executions, attempts);"
    " IF NOT carillon_is_over_1(d, before) THEN RETURN 0; END IF;"
    " EXECUTE format('DROP TABLE %I, %I', executions, attempts);"
    " UPDATE carillon SET removed = removed + n, removed_to = greatest(removed_to,"
    "  (d + 1) * " DAY_MS " - 1, (SELECT until FROM execution_days WHERE day = d));"
    " DELETE FROM execution_days WHERE day = d;"
    " RETURN 1; EXCEPTION WHEN lock_not_available OR deadlock_detected THEN RETURN 0;"
    " END $body$;\n"
    "CREATE OR REPLACE FUNCTION carillon_drop_days_1(before bigint, rows_max bigint)"
    " RETURNS bigint LANGUAGE plpgsql AS $body$ DECLARE d bigint; BEGIN"
    " PERFORM set_config('lock_timeout', '100ms', true);"
    " PERFORM 1 FROM carillon FOR UPDATE;"
    " SELECT min(day) INTO d FROM execution_days WHERE (day + 1) * " DAY_MS " + " LATE_MS
    "  <= before AND carillon_is_over_1(day, before);"
    " RETURN CASE WHEN d IS NULL THEN 0 ELSE carillon_drop_day_1(d, before, rows_max) END;"
    " EXCEPTION WHEN lock_not_available THEN RETURN 0; END $body$;\n";

// --- Rows ------------------------------------------------------------------------------------

// A plan that must read a whole table in spite of this counts as dear, for which the server would
// compile it (JIT) at each call, longer than it then runs.
#define BY_INDEXES                                                                                 \
    " SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off"

// Removes at most $2 of the oldest terminal rows of the table $3 which lie before $1.
static const char remove_old[] =
    "CREATE OR REPLACE FUNCTION carillon_remove_1(bigint, bigint, text) RETURNS bigint"
    " LANGUAGE plpgsql" BY_INDEXES " AS $body$ DECLARE ids bigint[]; times bigint[]; latest bigint;"
    "  low bigint; high bigint; BEGIN"
    " EXECUTE format('SELECT array_agg(o.id), array_agg(o.at), max(o.upto), min(o.at), max(o.at)"
    "  FROM (SELECT id, scheduled_at AS at, coalesce(missed_to, scheduled_at) AS upto FROM %I"
    "   WHERE scheduled_at < $1 AND completed_at < $1 ORDER BY scheduled_at, id LIMIT $2) AS o',"
    "  $3) INTO ids, times, latest, low, high USING $1, $2;"
    " IF ids IS NULL THEN RETURN 0; END IF;"
    " DELETE FROM job_attempts AS t USING unnest(times, ids) AS o(at, id)"
    "  WHERE t.scheduled_at = o.at AND t.execution_id = o.id AND t.scheduled_at >= low"
    "  AND t.scheduled_at <= high;"
    " DELETE FROM alerts AS t USING unnest(times, ids) AS o(at, id)"
    "  WHERE t.scheduled_at = o.at AND t.execution_id = o.id;"
    " DELETE FROM lingering_executions WHERE execution_id = ANY (ids);"
    " DELETE FROM job_executions AS t USING unnest(times, ids) AS o(at, id)"
    "  WHERE t.scheduled_at = o.at AND t.id = o.id AND t.scheduled_at >= low"
    "  AND t.scheduled_at <= high;"
    " UPDATE carillon SET removed = removed + cardinality(ids),"
    "  removed_to = greatest(removed_to, latest);"
    " RETURN cardinality(ids); END $body$;\n";

// $1: what ended before this is too old (NULL: nothing), $2: so many executions may stay (0: any
// number), $3: rows, $4: client keys from before this go, $5: deleted jobs after this are looked
// at, $6: where the rows that are too old are looked for.
static const char retain[] =
    "CREATE OR REPLACE FUNCTION carillon_retain_1(bigint, bigint, bigint, bigint, bigint, text,"
    " OUT gone bigint, OUT swept bigint) LANGUAGE plpgsql AS $body$"
    " DECLARE excess bigint; BEGIN"
    " PERFORM set_config('lock_timeout', '2s', true);"
    " PERFORM 1 FROM carillon FOR UPDATE;"
    " gone := 0; swept := $5;"
    " IF $1 IS NOT NULL THEN gone := carillon_remove_1($1, $3, $6);"
    "  DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE execution_id IS NULL"
    "   AND created_at < $1 LIMIT $3);"
    "  WITH d AS (DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries"
    "   WHERE created_at < $1 AND state <> 'PENDING' LIMIT $3) RETURNING id),"
    "   a AS (DELETE FROM delivery_alerts AS t USING d WHERE t.delivery_id = d.id)"
    "  DELETE FROM delivery_attempts AS t USING d WHERE t.delivery_id = d.id; END IF;"
    " excess := (SELECT sum(inserted) FROM shards) - (SELECT removed FROM carillon) - $2;"
    " IF $2 > 0 AND excess > 0 THEN"
    "  gone := gone + carillon_remove_1(9223372036854775807, least(excess, $3 - gone),"
    "   'job_executions'); END IF;"
    " DELETE FROM client_keys WHERE key IN (SELECT key FROM client_keys WHERE created_at < $4"
    "  LIMIT $3);"
    " IF gone < $3 THEN swept := carillon_sweep_1($5, $3); END IF; END $body$;\n";

// Looks at the next few deleted jobs, and lets those go which have no execution left.
static const char sweep[] =
    "CREATE OR REPLACE FUNCTION carillon_sweep_1(bigint, bigint) RETURNS bigint"
    " LANGUAGE plpgsql" BY_INDEXES " AS $body$ DECLARE ids bigint[]; bare bigint[]; BEGIN"
    " SELECT array_agg(d.id ORDER BY d.id) INTO ids FROM (SELECT id FROM jobs"
    "  WHERE deleted_at IS NOT NULL AND id > $1 ORDER BY id LIMIT $2) AS d;"
    " SELECT array_agg(d.id) INTO bare FROM unnest(ids) AS d(id)"
    "  WHERE NOT EXISTS (SELECT FROM job_executions WHERE job_id = d.id);"
    " DELETE FROM alerts WHERE job_id = ANY (bare);"
    " DELETE FROM job_versions WHERE job_id = ANY (bare);"
    " DELETE FROM jobs WHERE id = ANY (bare);"
    " RETURN CASE WHEN cardinality(ids) = $2 THEN ids[$2] ELSE 0 END; END $body$;\n";

const char *const postgres_retain_functions[] = {is_over,    count_rows, is_in_use, drop_day,
                                                 remove_old, retain,     sweep,     NULL};

// --- Calls -----------------------------------------------------------------------------------

// *gone: something of a day was removed; 0: no day may go, or not now.
static enum err drop_days(struct postgres_store *s, wall_ms before, size_t rows_max, int64_t *gone,
                          struct fault *f)
{
    struct parameters p = {0};
    PGresult *result = NULL;
    parameter_integer(&p, before);
    parameter_integer(&p, (int64_t)rows_max);
    enum err err = link_run(&s->chores, "SELECT carillon_drop_days_1($1, $2)", &p, &result, f);
    parameters_fini(&p);
    if (err)
        return err;
    *gone = result_integer(&(struct result_row){result, 0}, 0);
    PQclear(result);
    return ERR_OK;
}

// Rows that are deleted leave their room to others, and the database as large as it was: only days
// that go make it smaller.
static enum err drop_excess(struct postgres_store *s, int64_t bytes_max, wall_ms now,
                            size_t rows_max, int64_t *gone, struct fault *f)
{
    PGresult *result = NULL;
    enum err err =
        link_run(&s->chores, "SELECT pg_database_size(current_database())", NULL, &result, f);
    if (err)
        return err;
    int64_t bytes = result_integer(&(struct result_row){result, 0}, 0);
    PQclear(result);
    return bytes > bytes_max ? drop_days(s, now, rows_max, gone, f) : ERR_OK;
}

static void add_rules(struct parameters *p, const struct store_retention *r, wall_ms now,
                      size_t rows_max)
{
    parameter_integer(p, now - r->age_ms);
    p->is_null[p->used - 1] = r->age_ms == 0;
    parameter_integer(p, r->executions_max);
    parameter_integer(p, (int64_t)rows_max);
    parameter_integer(p, now - CLIENT_KEY_AGE_MS);
}

static enum err remove_rows(struct postgres_store *s, const struct store_retention *r, wall_ms now,
                            size_t rows_max, size_t *removed, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result = NULL;
    add_rules(&p, r, now, rows_max);
    parameter_integer(&p, s->sweep_after);
    parameter_text(&p, r->age_ms < SHORT_AGE_MS ? "job_executions" : "job_executions_default");
    enum err err =
        link_run(&s->chores, "SELECT gone, swept FROM carillon_retain_1($1, $2, $3, $4, $5, $6)",
                 &p, &result, f);
    parameters_fini(&p);
    if (err)
        return err;
    struct result_row row = {result, 0};
    *removed = (size_t)result_integer(&row, 0);
    s->sweep_after = result_integer(&row, 1);
    PQclear(result);
    return ERR_OK;
}

enum err postgres_retain(struct store *store, const struct store_retention *r, wall_ms now,
                         size_t rows_max, size_t *removed, struct fault *f)
{
    struct postgres_store *s = (struct postgres_store *)store;
    int64_t gone = 0;
    enum err err = r->age_ms > 0 ? drop_days(s, now - r->age_ms, rows_max, &gone, f) : ERR_OK;
    if (!err && gone == 0 && r->bytes_max > 0)
        err = drop_excess(s, r->bytes_max, now, rows_max, &gone, f);
    if (!err)
        err = postgres_note_edits(s, f);
    if (err)
        return err;
    size_t entries = 0;
    *removed = rows_max;
    if (gone == 0)
        err = remove_rows(s, r, now, rows_max, removed, f);
    if (!err && r->audit_age_ms > 0)
        err = postgres_sweep_audit(s, now - r->audit_age_ms, rows_max, &entries, f);
    *removed = MAX(*removed, entries);
    return err;
}
