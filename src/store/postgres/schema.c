// SPDX-License-Identifier: MIT
// schema.c: the tables, and the steps from each version of them to the next.
//
// Table `carillon` has one row, with the version of the tables and the number of shards; it also
// tells a database of this program from all others. Each step runs in one transaction together with
// its number. Steps are never edited once released, and only add while older nodes may be at work:
// these work on, and start again, as long as oldest_node allows it.
//
// The columns are those of SQLite's tables (store/columns.c). Some things differ:
//   - there are no foreign keys (functions.c says why);
//   - job_executions and job_attempts are partitioned by day (days.c says how), and whatever refers
//     to an execution has its scheduled_at beside the id, by which the row is found. A unique index
//     has to contain that instant: nothing here refuses an id that is given twice at two instants,
//     which no owner of a shard does, since it counts them in the shard's row;
//   - the end of an execution changes no column that an index or its predicate has, and so the row
//     stays on its page: what is open is found as in SQLite, what failed by its time. A page is
//     filled so far that all of its rows may end in one commit, before one of their old versions
//     can go; of rows that leave their page a table would hold as many more;
//   - the rows of the shards are rewritten with every commit: fillfactor leaves room for that on
//     their own pages, and autovacuum comes early.
// TEXT holds no NUL, and nothing here has one.

#include "store/postgres/postgres_priv.h"

#include <assert.h>
#include <stdio.h>

#define SCRIPT_BYTES 131072

// "%d" is the number of shards.
static const char version_1[] =
    "CREATE TABLE carillon ("
    "  id smallint PRIMARY KEY CHECK (id = 1),"
    "  version integer NOT NULL,"
    "  shards bigint NOT NULL,"
    "  oldest_node bigint NOT NULL DEFAULT 1," // Nodes below this NODE_PROTOCOL are refused.
    "  removed bigint NOT NULL DEFAULT 0,"     // Executions that retention has removed so far.
    "  removed_to bigint NOT NULL DEFAULT 0,"  // Rows up to this instant may have gone.
    // The mark of a move to another database, or from one; see store/move.h.
    "  state text NOT NULL DEFAULT 'ready',"
    "  move text,"   // The same at both ends.
    "  place text);" // The other end.
    "INSERT INTO carillon (id, version, shards) VALUES (1, 0, %1$d);"

    "CREATE TABLE shards ("
    "  id bigint PRIMARY KEY,"
    "  owner uuid,"
    "  epoch bigint NOT NULL DEFAULT 0,"
    "  timeline bigint NOT NULL DEFAULT 0,"
    "  tick bigint NOT NULL DEFAULT 0,"
    "  watermark bigint NOT NULL DEFAULT 0,"
    "  watermark_job bigint NOT NULL DEFAULT 0,"
    "  job_next bigint NOT NULL DEFAULT 0,"
    "  execution_next bigint NOT NULL DEFAULT 0,"
    "  alert_next bigint NOT NULL DEFAULT 0,"
    "  generation bigint NOT NULL DEFAULT 0,"
    "  corrected_at bigint NOT NULL DEFAULT 0,"
    "  open_from bigint NOT NULL DEFAULT 0,"
    "  inserted bigint NOT NULL DEFAULT 0" // Executions that were ever inserted.
    ") WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,"
    "  autovacuum_vacuum_threshold = 500);"

    "CREATE TABLE nodes ("
    "  id uuid PRIMARY KEY," // Drawn by each process.
    "  name text NOT NULL,"
    "  role text NOT NULL,"
    "  version text NOT NULL,"
    "  works smallint NOT NULL," // Takes shards.
    "  ttl_ms bigint NOT NULL,"
    "  beat bigint NOT NULL DEFAULT 1," // The node raises it; who sees it stand still buries it.
    "  beat_at bigint NOT NULL,"        // For people, and to forget the dead.
    "  draining smallint NOT NULL DEFAULT 0,"
    "  dead smallint NOT NULL DEFAULT 0)"
    " WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,"
    "  autovacuum_vacuum_threshold = 500);"
    "CREATE UNIQUE INDEX idx_nodes_name ON nodes (name) WHERE dead = 0;"

    "CREATE TABLE leader (" // A single row: the node that does the chores of all.
    "  id smallint PRIMARY KEY CHECK (id = 1),"
    "  node uuid,"
    "  epoch bigint NOT NULL DEFAULT 0,"
    "  timeline bigint NOT NULL DEFAULT 0,"
    "  since bigint NOT NULL DEFAULT 0);"
    "INSERT INTO leader (id) VALUES (1);"

    // The tags as an array; NULL when somebody edited them into no JSON.
    "CREATE FUNCTION carillon_tags_1(text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $body$"
    " BEGIN RETURN ARRAY(SELECT t.tag #>> '{}' FROM jsonb_array_elements($1::jsonb) AS t(tag)"
    "  WHERE jsonb_typeof(t.tag) = 'string');"
    " EXCEPTION WHEN data_exception OR program_limit_exceeded THEN RETURN NULL; END $body$;"

    "CREATE TABLE jobs ("
    "  id bigint PRIMARY KEY,"
    "  schedule text NOT NULL,"
    "  api text NOT NULL,"
    "  type text NOT NULL,"
    "  is_active smallint NOT NULL CHECK (is_active IN (0, 1)),"
    "  created_at bigint NOT NULL,"
    "  updated_at bigint NOT NULL,"
    "  name text,"
    "  key text,"
    "  timezone text NOT NULL,"
    "  dst_gap text NOT NULL,"
    "  dst_fold text NOT NULL,"
    "  method text NOT NULL,"
    "  headers text,"
    "  body text,"
    "  body_is_json smallint NOT NULL CHECK (body_is_json IN (0, 1)),"
    "  tags text,"
    "  timeout_ms bigint NOT NULL,"
    "  max_retries bigint NOT NULL,"
    "  retry_strategy text NOT NULL,"
    "  retry_base_ms bigint NOT NULL,"
    "  retry_cap_ms bigint NOT NULL,"
    "  catch_up text NOT NULL,"
    "  catch_up_window_s bigint NOT NULL,"
    "  max_in_flight bigint NOT NULL,"
    "  overlap text NOT NULL,"
    "  jitter_ms bigint NOT NULL,"
    "  start_at bigint,"
    "  end_at bigint,"
    "  max_runs bigint,"
    "  runs bigint NOT NULL,"
    "  alert_after bigint NOT NULL,"
    "  failures bigint NOT NULL,"
    "  permanent_4xx smallint NOT NULL CHECK (permanent_4xx IN (0, 1)),"
    "  success_status text,"
    "  redirects bigint NOT NULL,"
    "  tls_verify smallint NOT NULL CHECK (tls_verify IN (0, 1)),"
    "  tls_ca text,"
    "  fresh_connection smallint NOT NULL CHECK (fresh_connection IN (0, 1)),"
    "  response_excerpt_bytes bigint NOT NULL,"
    "  finished smallint NOT NULL CHECK (finished IN (0, 1)),"
    "  paused_reason text,"
    "  paused_until bigint,"
    "  effective_from bigint NOT NULL,"
    "  version bigint NOT NULL,"
    "  deleted_at bigint);" // Set by DELETE; the row goes with its last execution.
    "CREATE INDEX idx_jobs_is_active ON jobs (is_active, id);"
    "CREATE INDEX idx_jobs_tags ON jobs USING gin (carillon_tags_1(tags)) WHERE tags IS NOT NULL;"
    "CREATE INDEX idx_jobs_deleted ON jobs (id) WHERE deleted_at IS NOT NULL;"
    "CREATE INDEX idx_jobs_key ON jobs (key) WHERE key IS NOT NULL AND deleted_at IS NULL;"
    "CREATE INDEX idx_jobs_shard ON jobs ((id %% %1$d), id);"

    "CREATE TABLE job_versions ("
    "  job_id bigint NOT NULL,"
    "  number bigint NOT NULL,"
    "  version bigint NOT NULL,"
    "  from_at bigint NOT NULL," // The version holds for the instants after this one.
    "  phase text NOT NULL,"
    "  schedule text NOT NULL,"
    "  timezone text NOT NULL,"
    "  dst_gap text NOT NULL,"
    "  dst_fold text NOT NULL,"
    "  start_at bigint,"
    "  end_at bigint,"
    "  max_runs bigint,"
    "  runs bigint NOT NULL," // When it began.
    "  paused_until bigint,"
    "  reason text,"
    "  PRIMARY KEY (job_id, number));"

    "CREATE TABLE job_executions ("
    "  id bigint NOT NULL,"
    "  job_id bigint NOT NULL,"
    "  status text NOT NULL,"
    "  scheduled_at bigint NOT NULL,"
    "  due_at bigint,"
    "  started_at bigint,"
    "  completed_at bigint," // Set exactly when the status is a terminal one.
    "  duration bigint,"     // completed_at - started_at
    "  http_status smallint,"
    "  error text,"
    "  retry_count integer NOT NULL,"
    "  series bigint NOT NULL,"
    "  trigger text NOT NULL,"
    "  attempts integer NOT NULL,"
    "  recoveries integer NOT NULL,"
    "  next_attempt_at bigint,"
    "  missed_to bigint,"
    "  missed_count bigint,"
    "  reason text,"
    "  request_body text,"
    "  request_body_is_json smallint,"
    "  held_by text,"
    "  held_until bigint,"
    "  first_http_status smallint,"
    "  first_started_at bigint,"
    "  first_duration_ms bigint,"
    "  first_dns_ms integer,"
    "  first_connect_ms integer,"
    "  first_tls_ms integer,"
    "  first_first_byte_ms integer,"
    "  first_truncated smallint,"
    "  first_damaged smallint,"
    "  first_error text,"
    "  first_redirects text,"
    "  first_response text,"
    "  CONSTRAINT idx_job_executions_scheduled_at PRIMARY KEY (scheduled_at, id)"
    ") PARTITION BY RANGE (scheduled_at);"
    "CREATE UNIQUE INDEX idx_job_executions_job_id"
    "  ON job_executions (job_id, scheduled_at, series);"
    "CREATE TABLE job_executions_default PARTITION OF job_executions DEFAULT"
    "  WITH (fillfactor = " POSTGRES_FILLED ");"
    "CREATE UNIQUE INDEX job_executions_default_manual"
    "  ON job_executions_default (job_id, series) WHERE series < 0;"
    // Executions that are open though scheduled before the mark `open_from` of their shard.
    "CREATE TABLE lingering_executions ("
    "  execution_id bigint PRIMARY KEY,"
    "  scheduled_at bigint NOT NULL);"

    "CREATE TABLE job_attempts ("
    "  scheduled_at bigint NOT NULL," // When the execution was scheduled.
    "  execution_id bigint NOT NULL,"
    "  number integer NOT NULL,"
    "  http_status smallint,"
    "  started_at bigint NOT NULL,"
    "  duration_ms bigint NOT NULL,"
    "  dns_ms integer,"
    "  connect_ms integer,"
    "  tls_ms integer,"
    "  first_byte_ms integer,"
    "  error text,"
    "  response text,"
    "  response_truncated smallint NOT NULL,"
    "  response_damaged smallint NOT NULL,"
    "  redirects text,"
    "  PRIMARY KEY (scheduled_at, execution_id, number)) PARTITION BY RANGE (scheduled_at);"
    "CREATE TABLE job_attempts_default PARTITION OF job_attempts DEFAULT;"

    "CREATE TABLE execution_days (" // The days that have partitions.
    "  day bigint PRIMARY KEY,"     // Counted from 1970, in UTC.
    "  until bigint NOT NULL);"     // What is late of its executions tells of no later instant.

    "CREATE TABLE alerts ("
    "  id bigint PRIMARY KEY,"
    "  job_id bigint,"       // NULL: about the server.
    "  execution_id bigint," // NULL: about no execution.
    "  scheduled_at bigint," // When that was scheduled, and in which series.
    "  series bigint,"
    "  kind text NOT NULL,"
    "  created_at bigint NOT NULL,"
    "  message text NOT NULL,"
    "  subject text,"
    "  attempts bigint NOT NULL,"
    "  from_at bigint NOT NULL,"
    "  to_at bigint NOT NULL,"
    "  count bigint NOT NULL,"
    "  last_error text);"
    "CREATE INDEX idx_alerts_created_at ON alerts (created_at, id);"
    "CREATE INDEX idx_alerts_job_id ON alerts (job_id, created_at, id);"
    "CREATE INDEX idx_alerts_execution_id ON alerts (scheduled_at, execution_id);"
    "CREATE INDEX idx_alerts_loose ON alerts (created_at) WHERE execution_id IS NULL;"

    "CREATE TABLE client_keys (" // Idempotency-Key of POST /jobs and of triggers, for a day.
    "  key text PRIMARY KEY,"
    "  digest bytea NOT NULL," // SHA-256 of the request.
    "  job_id bigint NOT NULL,"
    "  scheduled_at bigint NOT NULL," // The execution that a trigger made; else 0.
    "  series bigint NOT NULL,"
    "  created_at bigint NOT NULL,"
    "  command_id uuid);" // Has reserved the key; job_id is 0 until its reply.
    "CREATE INDEX idx_client_keys_created_at ON client_keys (created_at);"

    // Which job has a key, or which command is about to make it. A commit makes no rows here.
    "CREATE TABLE job_keys ("
    "  key text PRIMARY KEY,"
    "  command_id uuid,"         // Has reserved the key; NULL: the job came with a move.
    "  job_id bigint NOT NULL);" // 0 until the command's reply.

    // What nodes ask of the owners of shards (command_functions.c). The ids are given in order of
    // time, so that the index grows at its right edge and what is old lies at its left.
    "CREATE TABLE commands ("
    "  id uuid PRIMARY KEY,"
    "  number bigserial NOT NULL,"
    "  shard bigint NOT NULL,"
    "  expires_at bigint NOT NULL,"
    "  claimed_by bigint," // The epoch of the owner.
    "  client_key text,"   // The command has reserved this one,
    "  job_key text,"      // and this one.
    "  body bytea,"        // NULL once there is a reply.
    "  replied_at bigint,"
    "  err text,"
    "  job_id bigint,"
    "  version bigint,"
    "  scheduled_at bigint,"
    "  series bigint) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0,"
    "  autovacuum_vacuum_threshold = 1000);"
    "CREATE INDEX idx_commands_open ON commands (shard, number) WHERE replied_at IS NULL;";

// Who may use the API.
static const char version_2[] = "CREATE TABLE tokens ("
                                "  id bigint PRIMARY KEY,"
                                "  name text NOT NULL,"
                                "  digest bytea NOT NULL UNIQUE," // SHA-256 of the secret.
                                "  scope text NOT NULL,"
                                "  tag text,"
                                "  created_at bigint NOT NULL,"
                                "  expires_at bigint,"
                                "  revoked_at bigint,"
                                "  last_used_at bigint,"
                                "  last_address text);";

// Keys that sign the requests of a job, sealed.
static const char version_3[] = "ALTER TABLE jobs ADD COLUMN signing text;";

// What somebody has changed. Each index serves a filter of the list, newest first.
static const char version_4[] =
    "CREATE TABLE audit ("
    "  id bigserial PRIMARY KEY,"
    "  at bigint NOT NULL,"
    "  action text NOT NULL,"
    "  job_id bigint,"
    "  subject text,"
    "  token_id bigint,"
    "  token_name text,"
    "  address text,"
    "  request_id text,"
    "  before text,"
    "  after text);"
    "CREATE INDEX idx_audit_at ON audit (at, id);"
    "CREATE INDEX idx_audit_action ON audit (action, at, id);"
    "CREATE INDEX idx_audit_job_id ON audit (job_id, at, id) WHERE job_id IS NOT NULL;"
    "CREATE INDEX idx_audit_token_name ON audit (token_name, at, id)"
    "  WHERE token_name IS NOT NULL;";

// When somebody first said that an alert was seen.
static const char version_5[] = "ALTER TABLE alerts ADD COLUMN acknowledged_at bigint;";

// Which jobs were changed last.
static const char version_6[] =
    "CREATE INDEX idx_jobs_changed ON jobs (greatest(updated_at, deleted_at));";

// What a replay carries out again.
static const char version_7[] = "ALTER TABLE job_executions ADD COLUMN origin text;";

// What the body of an answer must have, and must not have.
static const char version_8[] = "ALTER TABLE jobs ADD COLUMN success_body text;"
                                "ALTER TABLE jobs ADD COLUMN failure_body text;";

// Requests a second to the job's host; NULL: the server's rate.
static const char version_9[] = "ALTER TABLE jobs ADD COLUMN max_rate_per_host bigint;";

// By which a job proves who it is to its target; the key is sealed.
static const char version_10[] = "ALTER TABLE jobs ADD COLUMN tls_client_cert text;"
                                 "ALTER TABLE jobs ADD COLUMN tls_client_key text;";

// How many executions a token may cause in a second.
static const char version_11[] = "ALTER TABLE tokens ADD COLUMN executions_per_second bigint;";

// After so many failures in a row the job is paused; NULL: never.
static const char version_12[] = "ALTER TABLE jobs ADD COLUMN auto_pause_after bigint;";

// The client that a job is towards a token server, its secret sealed.
static const char version_13[] = "ALTER TABLE jobs ADD COLUMN oauth text;";

// Which incident an alert belongs to, and whether people are told of it. What is older stays as it
// is: nobody is told again.
static const char version_14[] =
    "ALTER TABLE alerts ADD COLUMN incident_id bigint;"
    "ALTER TABLE alerts ADD COLUMN telling text NOT NULL DEFAULT 'none';"
    "ALTER TABLE alerts ADD COLUMN silence_id bigint;"
    "CREATE INDEX idx_alerts_waiting ON alerts (id) WHERE telling = 'waiting';";

// Who is told of alerts, and when not. Ids are never given twice.
static const char version_15[] =
    "CREATE TABLE channels ("
    "  id bigserial PRIMARY KEY,"
    "  name text NOT NULL UNIQUE,"
    "  kind text NOT NULL,"
    "  config text NOT NULL," // JSON.
    "  secrets text,"         // JSON, sealed.
    "  kinds text,"           // Alert kinds, as "failure,missed".
    "  tags text,"            // JSON array.
    "  jobs text,"            // JSON array of ids.
    "  is_default bigint NOT NULL,"
    "  is_enabled bigint NOT NULL,"
    "  created_at bigint NOT NULL,"
    "  updated_at bigint NOT NULL,"
    "  version bigint NOT NULL,"
    "  failing_since bigint,"
    "  last_error text,"
    "  delivered_at bigint);"
    "CREATE UNIQUE INDEX idx_channels_default ON channels (is_default) WHERE is_default = 1;"
    "CREATE TABLE silences ("
    "  id bigserial PRIMARY KEY,"
    "  job_id bigint,"
    "  tag text,"
    "  kinds text," // As of a channel.
    "  from_at bigint NOT NULL,"
    "  until_at bigint,"
    "  schedule text,"
    "  timezone text,"
    "  duration_s bigint,"
    "  reason text NOT NULL,"
    "  created_at bigint NOT NULL,"
    "  created_by text);";

// What people are told, a message to a channel each; which alerts it tells of; and the attempts to
// send it.
static const char version_16[] =
    "CREATE TABLE deliveries ("
    "  id bigserial PRIMARY KEY,"
    "  channel_id bigint NOT NULL,"
    "  channel_name text NOT NULL,"
    "  state text NOT NULL,"
    "  is_test bigint NOT NULL,"
    "  window_ms bigint NOT NULL,"
    "  attempts bigint NOT NULL,"
    "  created_at bigint NOT NULL,"
    "  next_attempt_at bigint,"
    "  finished_at bigint,"
    "  http_status bigint,"
    "  error text,"
    "  message text," // JSON; NULL: the delivery still gathers alerts.
    "  alert_count bigint NOT NULL);"
    "CREATE INDEX idx_deliveries_pending ON deliveries (id) WHERE state = 'PENDING';"
    "CREATE INDEX idx_deliveries_channel_id ON deliveries (channel_id, id);"
    "CREATE INDEX idx_deliveries_created_at ON deliveries (created_at);"
    "CREATE TABLE delivery_alerts ("
    "  delivery_id bigint NOT NULL,"
    "  alert_id bigint NOT NULL,"
    "  PRIMARY KEY (delivery_id, alert_id));"
    "CREATE INDEX idx_delivery_alerts_alert_id ON delivery_alerts (alert_id);"
    "CREATE TABLE delivery_attempts ("
    "  delivery_id bigint NOT NULL,"
    "  number bigint NOT NULL,"
    "  started_at bigint NOT NULL,"
    "  duration_ms bigint NOT NULL,"
    "  http_status bigint,"
    "  error text,"
    "  dns_ms bigint,"
    "  connect_ms bigint,"
    "  tls_ms bigint,"
    "  first_byte_ms bigint,"
    "  PRIMARY KEY (delivery_id, number));"
    "CREATE INDEX idx_alerts_silenced ON alerts (silence_id) WHERE telling = 'silenced';"
    "CREATE INDEX idx_alerts_incident_id ON alerts (incident_id, id)"
    "  WHERE incident_id IS NOT NULL;";

// Names of the channels that are told of a job's alerts, as a JSON array.
static const char version_17[] = "ALTER TABLE jobs ADD COLUMN alert_channels text;";

// The token that created a job, and the bytes of its texts. Jobs of before have no creator.
static const char version_18[] =
    "ALTER TABLE jobs ADD COLUMN created_by bigint;"
    "ALTER TABLE jobs ADD COLUMN texts_bytes bigint NOT NULL DEFAULT 0;";

// How many jobs a token may have, and how many bytes in them; the jobs that each has created.
static const char version_19[] =
    "ALTER TABLE tokens ADD COLUMN max_jobs bigint;"
    "ALTER TABLE tokens ADD COLUMN max_bytes bigint;"
    "CREATE INDEX idx_jobs_created_by ON jobs (created_by, deleted_at, texts_bytes)"
    "  WHERE created_by IS NOT NULL;";

// When incidents of a job are over and when they are told of again, and what is remembered of them.
static const char version_20[] =
    "ALTER TABLE jobs ADD COLUMN alert_recover_after bigint NOT NULL DEFAULT 1;"
    "ALTER TABLE jobs ADD COLUMN alert_remind_s bigint;"
    "ALTER TABLE jobs ADD COLUMN trouble text;";

// What else of a job's executions people are told of.
static const char version_21[] = "ALTER TABLE jobs ADD COLUMN alert_rate text;"
                                 "ALTER TABLE jobs ADD COLUMN alert_late_ms bigint;"
                                 "ALTER TABLE jobs ADD COLUMN alert_slow_ms bigint;"
                                 "ALTER TABLE jobs ADD COLUMN alert_silent_s bigint;";

// The target may say later how an execution ended: by when it has to, what it said (1: success, 2:
// failed), and what it told meanwhile. The key makes the URLs by which it says so.
static const char version_22[] = "ALTER TABLE jobs ADD COLUMN completion_timeout_s bigint;"
                                 "ALTER TABLE job_executions ADD COLUMN completion_deadline bigint;"
                                 "ALTER TABLE job_executions ADD COLUMN completion bigint;"
                                 "ALTER TABLE job_executions ADD COLUMN notes text;"
                                 "CREATE TABLE callback_key ("
                                 "  id bigint PRIMARY KEY CHECK (id = 1),"
                                 "  key text NOT NULL" // 256 random bits.
                                 ");";

// Heartbeats: jobs that call nobody, and wait for a ping to this key.
static const char version_23[] = "ALTER TABLE jobs ADD COLUMN kind text NOT NULL DEFAULT 'http';"
                                 "ALTER TABLE jobs ADD COLUMN grace_s bigint NOT NULL DEFAULT 300;"
                                 "ALTER TABLE jobs ADD COLUMN ping_key text;"
                                 "CREATE INDEX idx_jobs_ping_key ON jobs (ping_key)"
                                 " WHERE ping_key IS NOT NULL AND deleted_at IS NULL;";

// What a delivery keeps open at its channel: under which key, from which of its alerts on incidents
// may still be open, and whether the channel was told that somebody looks after them.
static const char version_24[] =
    "ALTER TABLE deliveries ADD COLUMN dedup_key text;"
    "ALTER TABLE deliveries ADD COLUMN watched_alert bigint;" // NULL: nothing is open.
    "ALTER TABLE deliveries ADD COLUMN is_acknowledged bigint NOT NULL DEFAULT 0;"
    "CREATE INDEX idx_deliveries_watched ON deliveries (id) WHERE watched_alert IS NOT NULL;"
    "CREATE INDEX idx_deliveries_dedup_key ON deliveries (dedup_key)"
    "  WHERE watched_alert IS NOT NULL;"
    "CREATE INDEX idx_alerts_acknowledged ON alerts (incident_id)"
    "  WHERE acknowledged_at IS NOT NULL;";

static const char *const steps[] = {
    version_1,  version_2,  version_3,  version_4,  version_5,  version_6,  version_7,  version_8,
    version_9,  version_10, version_11, version_12, version_13, version_14, version_15, version_16,
    version_17, version_18, version_19, version_20, version_21, version_22, version_23, version_24};
const int postgres_schema_version = COUNT_OF(steps);

// Held to the end of a step's transaction, so that of two nodes one makes the tables.
#define LOCK "SELECT pg_advisory_xact_lock(4837041265);"

// What the server says of itself.
struct standing {
    int64_t is_replica;
    int64_t is_utf8;
    int64_t relations; // In the schema where the tables are made, without those of extensions.
    int64_t is_ours;
    int64_t version;
    int64_t shards;
    int64_t oldest_node;
};

static enum err ask(struct link *l, const char *sql, int64_t *out, int count, struct fault *f)
{
    PGresult *result;
    enum err err = link_run(l, sql, NULL, &result, f);
    if (err)
        return err;
    struct result_row r = {result, 0};
    assert(PQntuples(result) == 1 && PQnfields(result) == count);
    for (int i = 0; i < count; i++)
        out[i] = result_integer(&r, i);
    PQclear(result);
    return ERR_OK;
}

static enum err look(struct link *l, struct standing *s, struct fault *f)
{
    static const char about[] =
        "SELECT pg_is_in_recovery()::int, (current_setting('server_encoding') = 'UTF8')::int,"
        " (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        "   WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        "   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
        "    AND d.objid = c.oid AND d.deptype = 'e')),"
        " (to_regclass(quote_ident(current_schema()) || '.carillon') IS NOT NULL"
        "   AND to_regclass(quote_ident(current_schema()) || '.shards') IS NOT NULL)::int";
    int64_t found[4] = {0};
    int64_t own[3] = {0};
    enum err err = ask(l, about, found, 4, f);
    if (!err && found[3])
        err = ask(l, "SELECT version, shards, oldest_node FROM carillon WHERE id = 1", own, 3, f);
    *s = (struct standing){found[0], found[1], found[2], found[3], own[0], own[1], own[2]};
    return err;
}

static enum err check_server(struct link *l, const struct standing *s, struct fault *f)
{
    int version = PQserverVersion(l->connection);
    if (version < POSTGRES_OLDEST)
        return fault_set(f, ERR_STORE_OPEN,
                         "the server is PostgreSQL %d: version 13 or newer is needed",
                         version / 10000);
    if (s->is_replica)
        return fault_set(f, ERR_STORE_OPEN, "the database is read-only: it is a replica");
    if (!s->is_utf8)
        return fault_set(f, ERR_STORE_OPEN,
                         "the database is not in UTF-8: make one with ENCODING 'UTF8'");
    return ERR_OK;
}

// In a rolling upgrade a node that is not upgraded yet may have to start again, on tables to which
// a newer node has added. A step that older nodes cannot live with raises oldest_node.
static bool is_too_new(const struct standing *s, bool for_node)
{
    return s->version > (int64_t)COUNT_OF(steps) && (!for_node || s->oldest_node > NODE_PROTOCOL);
}

static enum err check_tables(const struct standing *s, uint32_t shards, bool for_node,
                             struct fault *f)
{
    if (!s->is_ours && s->relations > 0)
        return fault_set(f, ERR_STORE_OPEN,
                         "the database is one of another program: make an empty one");
    if (is_too_new(s, for_node))
        return fault_set(f, ERR_STORE_VERSION,
                         "the database was written by a newer version of Carillon (schema %lld; "
                         "this one knows up to %d): use that version, or another database",
                         (long long)s->version, (int)COUNT_OF(steps));
    if (s->is_ours && s->shards != shards)
        return fault_set(f, ERR_STORE_OPEN,
                         "the database has %lld shards, and %u are wanted: their number is fixed "
                         "when it is made",
                         (long long)s->shards, shards);
    return ERR_OK;
}

// A step with its number and what else belongs to it; the functions are those of this program.
static enum err run_step(struct link *l, int64_t from, uint32_t shards, const char *more,
                         struct fault *f)
{
    char *script = xmalloc(SCRIPT_BYTES);
    char *functions = postgres_functions();
    int used = snprintf(script, SCRIPT_BYTES, "%s", LOCK);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" // The texts of the table above.
    used += snprintf(script + used, SCRIPT_BYTES - (size_t)used, steps[from], (int)shards);
#pragma GCC diagnostic pop
    used += snprintf(script + used, SCRIPT_BYTES - (size_t)used,
                     "%s INSERT INTO shards (id, timeline) SELECT n, carillon_timeline_1()"
                     " FROM generate_series(0, %d) AS n ON CONFLICT DO NOTHING;"
                     " UPDATE leader SET timeline = carillon_timeline_1() WHERE epoch = 0;"
                     " UPDATE carillon SET version = %d; %s",
                     functions, (int)shards - 1, (int)from + 1, more);
    assert(used > 0 && used < SCRIPT_BYTES);
    enum err err = link_script(l, script, f);
    free(functions);
    free(script);
    return err;
}

// Another node may have made the same step meanwhile, which refuses this one.
static enum err migrate(struct link *l, uint32_t shards, struct standing *s, const char *more,
                        struct fault *f)
{
    enum err err = ERR_OK;
    while (!err && s->version < (int64_t)COUNT_OF(steps)) {
        int64_t from = s->version;
        enum err refused = run_step(l, from, shards, more, f);
        err = look(l, s, refused ? NULL : f);
        if (err || (refused && s->version == from))
            return refused ? refused : err;
    }
    return err;
}

static enum err prepare(struct link *l, uint32_t shards, const char *more, bool for_node,
                        struct fault *f)
{
    struct standing s;
    enum err err = look(l, &s, f);
    if (!err)
        err = check_server(l, &s, f);
    if (!err)
        err = check_tables(&s, shards, for_node, f);
    if (!err)
        err = migrate(l, shards, &s, more, f);
    return err ? err : check_tables(&s, shards, for_node, f);
}

enum err postgres_prepare_marked(struct link *l, uint32_t shards, const char *more, struct fault *f)
{
    return prepare(l, shards, more, false, f);
}

enum err postgres_prepare(struct link *l, uint32_t shards, struct fault *f)
{
    enum err err = prepare(l, shards, "", true, f);
    return err ? err : postgres_check_moved(l, f);
}
