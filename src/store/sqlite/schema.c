// SPDX-License-Identifier: MIT
// schema.c: the tables, and the steps from each version of them to the next.
//
// PRAGMA user_version holds the version. Each step runs in one transaction together with the new
// version number, so that a crash leaves either version whole. Steps are never edited once
// released: a change of the tables is a new row of `migrations`.
//
// Few bytes and few index writes per execution matter more here than anywhere else, so:
//   - keys are small integers given in order, which makes the tables grow at their right edge;
//   - the end of an execution changes no index, but for one that failed: what is open is found by
//     the mark `open_from` and a small table of what lingers; see struct shard;
//   - the duration is a column, since people and tools read these tables, but unknown times are
//     NULL, which takes a byte.

#include "store/sqlite/sqlite_priv.h"

#include <stdio.h>

static const char version_1[] =
    "CREATE TABLE jobs ("
    "  id INTEGER PRIMARY KEY,"
    "  schedule TEXT NOT NULL,"
    "  api TEXT NOT NULL,"
    "  type TEXT NOT NULL,"
    "  is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),"
    "  created_at INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL,"
    "  name TEXT,"
    "  timezone TEXT NOT NULL,"
    "  dst_gap TEXT NOT NULL,"
    "  dst_fold TEXT NOT NULL,"
    "  method TEXT NOT NULL,"
    "  headers TEXT,"
    "  body TEXT,"
    "  tags TEXT,"
    "  timeout_ms INTEGER NOT NULL,"
    "  max_retries INTEGER NOT NULL,"
    "  retry_strategy TEXT NOT NULL,"
    "  retry_base_ms INTEGER NOT NULL,"
    "  retry_cap_ms INTEGER NOT NULL,"
    "  catch_up TEXT NOT NULL,"
    "  catch_up_window_s INTEGER NOT NULL,"
    "  max_in_flight INTEGER NOT NULL,"
    "  overlap TEXT NOT NULL,"
    "  jitter_ms INTEGER NOT NULL,"
    "  start_at INTEGER,"
    "  end_at INTEGER,"
    "  max_runs INTEGER,"
    "  runs INTEGER NOT NULL,"
    "  alert_after INTEGER NOT NULL,"
    "  failures INTEGER NOT NULL,"
    "  permanent_4xx INTEGER NOT NULL CHECK (permanent_4xx IN (0, 1)),"
    "  success_status TEXT,"
    "  finished INTEGER NOT NULL CHECK (finished IN (0, 1)),"
    "  paused_reason TEXT,"
    "  paused_until INTEGER,"
    "  effective_from INTEGER NOT NULL,"
    "  version INTEGER NOT NULL,"
    "  deleted_at INTEGER" // Set by DELETE; the row goes with its last execution.
    ") STRICT;"
    "CREATE INDEX idx_jobs_is_active ON jobs (is_active);"
    "CREATE INDEX idx_jobs_deleted ON jobs (id) WHERE deleted_at IS NOT NULL;"

    // A row for each change of what decides a job's occurrences, written by triggers, so that
    // nothing that changes a job can forget it. Old ones go when retention has passed them.
    "CREATE TABLE job_versions ("
    "  job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,"
    "  number INTEGER NOT NULL,"
    "  version INTEGER NOT NULL,"
    "  from_at INTEGER NOT NULL," // The version holds for the instants after this one.
    "  phase TEXT NOT NULL,"
    "  schedule TEXT NOT NULL,"
    "  timezone TEXT NOT NULL,"
    "  dst_gap TEXT NOT NULL,"
    "  dst_fold TEXT NOT NULL,"
    "  start_at INTEGER,"
    "  end_at INTEGER,"
    "  max_runs INTEGER,"
    "  runs INTEGER NOT NULL," // When it began.
    "  paused_until INTEGER,"
    "  reason TEXT,"
    "  PRIMARY KEY (job_id, number)"
    ") STRICT, WITHOUT ROWID;"
    // The version that each job as it is now stands for. One that finishes keeps its
    // effective_from, which lies before its last occurrences.
    "CREATE VIEW job_versions_now AS SELECT id AS job_id,"
    "  1 + coalesce((SELECT max(number) FROM job_versions WHERE job_id = jobs.id), 0) AS number,"
    "  version,"
    "  CASE WHEN deleted_at THEN deleted_at WHEN finished THEN max(effective_from, updated_at)"
    "    ELSE effective_from END AS from_at,"
    "  CASE WHEN deleted_at THEN 'deleted' WHEN is_active THEN 'active'"
    "    WHEN finished THEN 'finished' ELSE 'paused' END AS phase,"
    "  schedule, timezone, dst_gap, dst_fold, start_at, end_at, max_runs, runs,"
    "  iif(is_active OR finished OR deleted_at, NULL, paused_until) AS paused_until,"
    "  iif(is_active OR finished OR deleted_at, NULL, paused_reason) AS reason FROM jobs;"
    "CREATE TRIGGER jobs_inserted AFTER INSERT ON jobs BEGIN"
    "  INSERT INTO job_versions SELECT * FROM job_versions_now WHERE job_id = new.id;"
    "END;"
    "CREATE TRIGGER jobs_updated AFTER UPDATE ON jobs"
    "  WHEN (old.schedule, old.timezone, old.dst_gap, old.dst_fold, old.start_at, old.end_at,"
    "    old.max_runs, old.is_active, old.finished, old.paused_until, old.paused_reason,"
    "    old.deleted_at) IS NOT"
    "    (new.schedule, new.timezone, new.dst_gap, new.dst_fold, new.start_at, new.end_at,"
    "    new.max_runs, new.is_active, new.finished, new.paused_until, new.paused_reason,"
    "    new.deleted_at) BEGIN"
    "  INSERT INTO job_versions SELECT * FROM job_versions_now WHERE job_id = new.id;"
    "  DELETE FROM job_versions WHERE job_id = new.id AND number <"
    "    (SELECT max(number) FROM job_versions WHERE job_id = new.id"
    "      AND from_at <= (SELECT removed_to FROM progress));"
    "END;"

    "CREATE TABLE job_executions ("
    "  id INTEGER PRIMARY KEY,"
    "  job_id INTEGER NOT NULL REFERENCES jobs (id),"
    "  status TEXT NOT NULL,"
    "  scheduled_at INTEGER NOT NULL,"
    "  due_at INTEGER,"
    "  started_at INTEGER,"
    "  completed_at INTEGER," // Set exactly when the status is a terminal one.
    "  duration INTEGER,"     // completed_at - started_at
    "  http_status INTEGER,"
    "  error TEXT,"
    "  retry_count INTEGER NOT NULL,"
    "  series INTEGER NOT NULL,"
    "  trigger TEXT NOT NULL,"
    "  attempts INTEGER NOT NULL,"
    "  recoveries INTEGER NOT NULL,"
    "  next_attempt_at INTEGER,"
    "  missed_to INTEGER,"
    "  missed_count INTEGER,"
    "  reason TEXT,"
    "  request_body TEXT"
    ") STRICT;"
    "CREATE UNIQUE INDEX idx_job_executions_job_id"
    "  ON job_executions (job_id, scheduled_at, series);"
    "CREATE INDEX idx_job_executions_scheduled_at ON job_executions (scheduled_at);"
    "CREATE UNIQUE INDEX idx_job_executions_manual ON job_executions (job_id, series)"
    "  WHERE series < 0;"
    "CREATE INDEX idx_job_executions_open ON job_executions (scheduled_at)"
    "  WHERE completed_at IS NULL;"
    "CREATE INDEX idx_job_executions_failed ON job_executions (scheduled_at)"
    "  WHERE " SQLITE_FAILED ";"
    "CREATE INDEX idx_job_executions_failed_of_job ON job_executions (job_id, scheduled_at)"
    "  WHERE " SQLITE_FAILED ";"

    "CREATE TABLE job_attempts ("
    "  execution_id INTEGER NOT NULL REFERENCES job_executions (id),"
    "  number INTEGER NOT NULL,"
    "  http_status INTEGER,"
    "  started_at INTEGER NOT NULL,"
    "  duration_ms INTEGER NOT NULL,"
    "  dns_ms INTEGER,"
    "  connect_ms INTEGER,"
    "  tls_ms INTEGER,"
    "  first_byte_ms INTEGER,"
    "  error TEXT,"
    "  response TEXT,"
    "  PRIMARY KEY (execution_id, number)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE alerts ("
    "  id INTEGER PRIMARY KEY,"
    "  job_id INTEGER REFERENCES jobs (id)," // NULL: about the server.
    "  execution_id INTEGER REFERENCES job_executions (id),"
    "  kind TEXT NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  message TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX idx_alerts_job_id ON alerts (job_id, id);"
    "CREATE INDEX idx_alerts_execution_id ON alerts (execution_id);"

    "CREATE TABLE client_keys (" // Idempotency-Key of POST /jobs and of triggers, for a day.
    "  key TEXT PRIMARY KEY,"
    "  digest BLOB NOT NULL," // SHA-256 of the request.
    "  job_id INTEGER NOT NULL,"
    "  scheduled_at INTEGER NOT NULL," // The execution that a trigger made; else 0.
    "  series INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX idx_client_keys_created_at ON client_keys (created_at);"

    "CREATE TABLE progress ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  watermark INTEGER NOT NULL,"
    "  watermark_job INTEGER NOT NULL,"
    "  job_next INTEGER NOT NULL,"
    "  execution_next INTEGER NOT NULL,"
    "  alert_next INTEGER NOT NULL,"
    "  epoch INTEGER NOT NULL,"
    "  generation INTEGER NOT NULL,"
    "  corrected_at INTEGER NOT NULL,"
    "  executions INTEGER NOT NULL," // Rows of job_executions, so that nobody has to count them.
    "  removed_to INTEGER NOT NULL"  // Rows up to this instant may have gone by retention.
    ") STRICT;"
    "INSERT INTO progress VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);"
    // A clock that was far ahead is set right: what was to begin later has begun.
    "CREATE TRIGGER clock_corrected AFTER UPDATE ON progress"
    "  WHEN new.generation > old.generation BEGIN"
    "  UPDATE job_versions SET from_at = new.corrected_at WHERE from_at > new.corrected_at;"
    "END;";

// How a job's connection is secured and what is kept of its answers.
static const char version_2[] =
    "ALTER TABLE jobs ADD COLUMN redirects INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN tls_verify INTEGER NOT NULL DEFAULT 1"
    "  CHECK (tls_verify IN (0, 1));"
    "ALTER TABLE jobs ADD COLUMN tls_ca TEXT;"
    "ALTER TABLE jobs ADD COLUMN fresh_connection INTEGER NOT NULL DEFAULT 0"
    "  CHECK (fresh_connection IN (0, 1));"
    "ALTER TABLE jobs ADD COLUMN response_excerpt_bytes INTEGER NOT NULL DEFAULT 4096;";

// Whether a body came as JSON or as a text. Before this, every body was sent as JSON: those that
// are go on so, and what was triggered before the upgrade ends as it began.
static const char version_3[] =
    "ALTER TABLE jobs ADD COLUMN body_is_json INTEGER NOT NULL DEFAULT 0"
    "  CHECK (body_is_json IN (0, 1));"
    "UPDATE jobs SET body_is_json = 1 WHERE json_valid(body);"
    "ALTER TABLE job_executions ADD COLUMN request_body_is_json INTEGER;"
    "UPDATE job_executions SET request_body_is_json = 1"
    "  WHERE completed_at IS NULL AND request_body IS NOT NULL;";

// What of an answer was not read. Nobody knows it of older attempts.
static const char version_4[] =
    "ALTER TABLE job_attempts ADD COLUMN response_truncated INTEGER NOT NULL DEFAULT 0"
    "  CHECK (response_truncated IN (0, 1));"
    "ALTER TABLE job_attempts ADD COLUMN response_damaged INTEGER NOT NULL DEFAULT 0"
    "  CHECK (response_damaged IN (0, 1));";

// The way of an attempt that was redirected.
static const char version_5[] = "ALTER TABLE job_attempts ADD COLUMN redirects TEXT;";

// Batches are counted in each epoch, so that one whose answer was lost is known again.
static const char version_6[] = "ALTER TABLE progress ADD COLUMN tick INTEGER NOT NULL DEFAULT 0;";

// An alert as facts. Rows from before keep their sentence; later ones have an empty one.
static const char version_7[] =
    "ALTER TABLE alerts ADD COLUMN subject TEXT;" // The origin of a target, or 'clock'.
    "ALTER TABLE alerts ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE alerts ADD COLUMN from_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE alerts ADD COLUMN to_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE alerts ADD COLUMN count INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE alerts ADD COLUMN last_error TEXT;";

// The first attempt lives in the row of its execution, so that an execution which needs no second
// one is written twice, not three times. Those that are in job_attempts stay there. Without CHECK
// or NOT NULL, for which SQLite would read the whole table. The response comes last, as it may need
// pages of its own.
static const char version_8[] = "ALTER TABLE job_executions ADD COLUMN first_http_status INTEGER;"
                                "ALTER TABLE job_executions ADD COLUMN first_started_at INTEGER;"
                                "ALTER TABLE job_executions ADD COLUMN first_duration_ms INTEGER;"
                                "ALTER TABLE job_executions ADD COLUMN first_dns_ms INTEGER;"
                                "ALTER TABLE job_executions ADD COLUMN first_connect_ms INTEGER;"
                                "ALTER TABLE job_executions ADD COLUMN first_tls_ms INTEGER;"
                                "ALTER TABLE job_executions ADD COLUMN first_first_byte_ms INTEGER;"
                                "ALTER TABLE job_executions ADD COLUMN first_truncated INTEGER;"
                                "ALTER TABLE job_executions ADD COLUMN first_damaged INTEGER;"
                                "ALTER TABLE job_executions ADD COLUMN first_error TEXT;"
                                "ALTER TABLE job_executions ADD COLUMN first_redirects TEXT;"
                                "ALTER TABLE job_executions ADD COLUMN first_response TEXT;";

// Versions of jobs are written as they are told, and no longer made up from each change of a row.
static const char version_9[] = "DROP TRIGGER jobs_inserted;"
                                "DROP TRIGGER jobs_updated;"
                                "DROP TRIGGER clock_corrected;"
                                "DROP VIEW job_versions_now;";

// What is open is no longer in an index, which every end of an execution had to change. Nothing is
// open before open_from but for what lingers. A table, since an index of some rows would have all
// of them read to be made.
static const char version_10[] =
    "ALTER TABLE progress ADD COLUMN open_from INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE lingering_executions ("
    "  execution_id INTEGER PRIMARY KEY REFERENCES job_executions (id) ON DELETE CASCADE"
    ") STRICT;"
    "INSERT INTO lingering_executions SELECT id FROM job_executions"
    "  INDEXED BY idx_job_executions_open WHERE completed_at IS NULL;"
    "UPDATE progress SET open_from = watermark;"
    "DROP INDEX idx_job_executions_open;";

// Lists of alerts go by their time, then by id, as those of executions do.
static const char version_11[] = "DROP INDEX idx_alerts_job_id;"
                                 "CREATE INDEX idx_alerts_job_id ON alerts (job_id, created_at);"
                                 "CREATE INDEX idx_alerts_created_at ON alerts (created_at);";

// An attempt that goes on at the node which gave its shard back.
static const char version_12[] = "ALTER TABLE job_executions ADD COLUMN held_by TEXT;"
                                 "ALTER TABLE job_executions ADD COLUMN held_until INTEGER;";

// The mark of a move to another database, or from one; see store/move.h.
static const char version_13[] = "CREATE TABLE moves ("
                                 "  id INTEGER PRIMARY KEY CHECK (id = 1),"
                                 "  state TEXT NOT NULL,"
                                 "  move TEXT," // The same at both ends.
                                 "  place TEXT" // The other end.
                                 ") STRICT;"
                                 "INSERT INTO moves VALUES (1, 'ready', NULL, NULL);";

// A job's key is a name of its own, which is free again when the job is deleted.
static const char version_14[] = "ALTER TABLE jobs ADD COLUMN key TEXT;"
                                 "CREATE UNIQUE INDEX idx_jobs_key ON jobs (key)"
                                 "  WHERE key IS NOT NULL AND deleted_at IS NULL;";

// Who may use the API.
static const char version_15[] = "CREATE TABLE tokens ("
                                 "  id INTEGER PRIMARY KEY,"
                                 "  name TEXT NOT NULL,"
                                 "  digest BLOB NOT NULL UNIQUE," // SHA-256 of the secret.
                                 "  scope TEXT NOT NULL,"
                                 "  tag TEXT,"
                                 "  created_at INTEGER NOT NULL,"
                                 "  expires_at INTEGER,"
                                 "  revoked_at INTEGER,"
                                 "  last_used_at INTEGER,"
                                 "  last_address TEXT"
                                 ") STRICT;";

// Keys that sign the requests of a job, sealed.
static const char version_16[] = "ALTER TABLE jobs ADD COLUMN signing TEXT;";

// What somebody has changed. Each index serves a filter of the list, newest first.
static const char version_17[] = "CREATE TABLE audit ("
                                 "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                 "  at INTEGER NOT NULL,"
                                 "  action TEXT NOT NULL,"
                                 "  job_id INTEGER,"
                                 "  subject TEXT,"
                                 "  token_id INTEGER,"
                                 "  token_name TEXT,"
                                 "  address TEXT,"
                                 "  request_id TEXT,"
                                 "  before TEXT,"
                                 "  after TEXT"
                                 ") STRICT;"
                                 "CREATE INDEX idx_audit_at ON audit (at);"
                                 "CREATE INDEX idx_audit_action ON audit (action, at);"
                                 "CREATE INDEX idx_audit_job_id ON audit (job_id, at)"
                                 "  WHERE job_id IS NOT NULL;"
                                 "CREATE INDEX idx_audit_token_name ON audit (token_name, at)"
                                 "  WHERE token_name IS NOT NULL;";

// When somebody first said that an alert was seen.
static const char version_18[] = "ALTER TABLE alerts ADD COLUMN acknowledged_at INTEGER;";

// Which jobs were changed last. Of jobs that count their runs the row changes with each of these.
static const char version_19[] =
    "CREATE INDEX idx_jobs_changed ON jobs (max(updated_at, coalesce(deleted_at, 0)));";

// What a replay carries out again.
static const char version_20[] = "ALTER TABLE job_executions ADD COLUMN origin TEXT;";

// What the body of an answer must have, and must not have.
static const char version_21[] = "ALTER TABLE jobs ADD COLUMN success_body TEXT;"
                                 "ALTER TABLE jobs ADD COLUMN failure_body TEXT;";

// Requests a second to the job's host; NULL: the server's rate.
static const char version_22[] = "ALTER TABLE jobs ADD COLUMN max_rate_per_host INTEGER;";

// By which a job proves who it is to its target; the key is sealed.
static const char version_23[] = "ALTER TABLE jobs ADD COLUMN tls_client_cert TEXT;"
                                 "ALTER TABLE jobs ADD COLUMN tls_client_key TEXT;";

// How many executions a token may cause in a second.
static const char version_24[] = "ALTER TABLE tokens ADD COLUMN executions_per_second INTEGER;";

// After so many failures in a row the job is paused; NULL: never.
static const char version_25[] = "ALTER TABLE jobs ADD COLUMN auto_pause_after INTEGER;";

// The client that a job is towards a token server, its secret sealed.
static const char version_26[] = "ALTER TABLE jobs ADD COLUMN oauth TEXT;";

// Which incident an alert belongs to, and whether people are told of it. What is older stays as it
// is: nobody is told again.
static const char version_27[] =
    "ALTER TABLE alerts ADD COLUMN incident_id INTEGER;"
    "ALTER TABLE alerts ADD COLUMN telling TEXT NOT NULL DEFAULT 'none';"
    "ALTER TABLE alerts ADD COLUMN silence_id INTEGER;"
    "CREATE INDEX idx_alerts_waiting ON alerts (id) WHERE telling = 'waiting';";

// Who is told of alerts, and when not. Ids are never given twice.
static const char version_28[] = "CREATE TABLE channels ("
                                 "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                 "  name TEXT NOT NULL UNIQUE,"
                                 "  kind TEXT NOT NULL,"
                                 "  config TEXT NOT NULL," // JSON.
                                 "  secrets TEXT,"         // JSON, sealed.
                                 "  kinds TEXT,"           // Alert kinds, as "failure,missed".
                                 "  tags TEXT,"            // JSON array.
                                 "  jobs TEXT,"            // JSON array of ids.
                                 "  is_default INTEGER NOT NULL,"
                                 "  is_enabled INTEGER NOT NULL,"
                                 "  created_at INTEGER NOT NULL,"
                                 "  updated_at INTEGER NOT NULL,"
                                 "  version INTEGER NOT NULL,"
                                 "  failing_since INTEGER,"
                                 "  last_error TEXT,"
                                 "  delivered_at INTEGER"
                                 ") STRICT;"
                                 "CREATE UNIQUE INDEX idx_channels_default"
                                 "  ON channels (is_default) WHERE is_default = 1;"
                                 "CREATE TABLE silences ("
                                 "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                 "  job_id INTEGER,"
                                 "  tag TEXT,"
                                 "  kinds TEXT," // As of a channel.
                                 "  from_at INTEGER NOT NULL,"
                                 "  until_at INTEGER,"
                                 "  schedule TEXT,"
                                 "  timezone TEXT,"
                                 "  duration_s INTEGER,"
                                 "  reason TEXT NOT NULL,"
                                 "  created_at INTEGER NOT NULL,"
                                 "  created_by TEXT"
                                 ") STRICT;";

// What people are told, a message to a channel each; which alerts it tells of; and the attempts to
// send it. Ids are never given twice, since receivers know messages by them.
static const char version_29[] =
    "CREATE TABLE deliveries ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  channel_id INTEGER NOT NULL,"
    "  channel_name TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  is_test INTEGER NOT NULL,"
    "  window_ms INTEGER NOT NULL,"
    "  attempts INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  next_attempt_at INTEGER,"
    "  finished_at INTEGER,"
    "  http_status INTEGER,"
    "  error TEXT,"
    "  message TEXT," // JSON; NULL: the delivery still gathers alerts.
    "  alert_count INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX idx_deliveries_pending ON deliveries (id) WHERE state = 'PENDING';"
    "CREATE INDEX idx_deliveries_channel_id ON deliveries (channel_id, id);"
    "CREATE INDEX idx_deliveries_created_at ON deliveries (created_at);"
    "CREATE TABLE delivery_alerts ("
    "  delivery_id INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,"
    "  alert_id INTEGER NOT NULL,"
    "  PRIMARY KEY (delivery_id, alert_id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX idx_delivery_alerts_alert_id ON delivery_alerts (alert_id);"
    "CREATE TABLE delivery_attempts ("
    "  delivery_id INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,"
    "  number INTEGER NOT NULL,"
    "  started_at INTEGER NOT NULL,"
    "  duration_ms INTEGER NOT NULL,"
    "  http_status INTEGER,"
    "  error TEXT,"
    "  dns_ms INTEGER,"
    "  connect_ms INTEGER,"
    "  tls_ms INTEGER,"
    "  first_byte_ms INTEGER,"
    "  PRIMARY KEY (delivery_id, number)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX idx_alerts_silenced ON alerts (silence_id) WHERE telling = 'silenced';"
    "CREATE INDEX idx_alerts_incident_id ON alerts (incident_id, id)"
    "  WHERE incident_id IS NOT NULL;";

// Names of the channels that are told of a job's alerts, as a JSON array.
static const char version_30[] = "ALTER TABLE jobs ADD COLUMN alert_channels TEXT;";

// The token that created a job, and the bytes of its texts. Jobs of before have no creator.
static const char version_31[] = "ALTER TABLE jobs ADD COLUMN created_by INTEGER;"
                                 "ALTER TABLE jobs ADD COLUMN texts_bytes INTEGER NOT NULL"
                                 "  DEFAULT 0;";

// How many jobs a token may have, and how many bytes in them; the jobs that each has created.
static const char version_32[] =
    "ALTER TABLE tokens ADD COLUMN max_jobs INTEGER;"
    "ALTER TABLE tokens ADD COLUMN max_bytes INTEGER;"
    "CREATE INDEX idx_jobs_created_by ON jobs (created_by, deleted_at, texts_bytes)"
    "  WHERE created_by IS NOT NULL;";

// When incidents of a job are over and when they are told of again, and what is remembered of them.
static const char version_33[] =
    "ALTER TABLE jobs ADD COLUMN alert_recover_after INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE jobs ADD COLUMN alert_remind_s INTEGER;"
    "ALTER TABLE jobs ADD COLUMN trouble TEXT;";

// What else of a job's executions people are told of.
static const char version_34[] = "ALTER TABLE jobs ADD COLUMN alert_rate TEXT;"
                                 "ALTER TABLE jobs ADD COLUMN alert_late_ms INTEGER;"
                                 "ALTER TABLE jobs ADD COLUMN alert_slow_ms INTEGER;"
                                 "ALTER TABLE jobs ADD COLUMN alert_silent_s INTEGER;";

// The target may say later how an execution ended: by when it has to, what it said (1: success, 2:
// failed), and what it told meanwhile. The key makes the URLs by which it says so.
static const char version_35[] =
    "ALTER TABLE jobs ADD COLUMN completion_timeout_s INTEGER;"
    "ALTER TABLE job_executions ADD COLUMN completion_deadline INTEGER;"
    "ALTER TABLE job_executions ADD COLUMN completion INTEGER;"
    "ALTER TABLE job_executions ADD COLUMN notes TEXT;"
    "CREATE TABLE callback_key ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  key TEXT NOT NULL" // 256 random bits.
    ") STRICT;";

// Heartbeats: jobs that call nobody, and wait for a ping to this key.
static const char version_36[] = "ALTER TABLE jobs ADD COLUMN kind TEXT NOT NULL DEFAULT 'http';"
                                 "ALTER TABLE jobs ADD COLUMN grace_s INTEGER NOT NULL DEFAULT 300;"
                                 "ALTER TABLE jobs ADD COLUMN ping_key TEXT;"
                                 "CREATE UNIQUE INDEX idx_jobs_ping_key ON jobs (ping_key)"
                                 "  WHERE ping_key IS NOT NULL AND deleted_at IS NULL;";

// What a delivery keeps open at its channel: under which key, from which of its alerts on incidents
// may still be open, and whether the channel was told that somebody looks after them.
static const char version_37[] =
    "ALTER TABLE deliveries ADD COLUMN dedup_key TEXT;"
    "ALTER TABLE deliveries ADD COLUMN watched_alert INTEGER;" // NULL: nothing is open.
    "ALTER TABLE deliveries ADD COLUMN is_acknowledged INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX idx_deliveries_watched ON deliveries (id) WHERE watched_alert IS NOT NULL;"
    "CREATE INDEX idx_deliveries_dedup_key ON deliveries (dedup_key)"
    "  WHERE watched_alert IS NOT NULL;"
    "CREATE INDEX idx_alerts_acknowledged ON alerts (incident_id)"
    "  WHERE acknowledged_at IS NOT NULL;";

// migrations[v] leads from version v to v + 1.
static const char *const migrations[] = {
    version_1,  version_2,  version_3,  version_4,  version_5,  version_6,  version_7,  version_8,
    version_9,  version_10, version_11, version_12, version_13, version_14, version_15, version_16,
    version_17, version_18, version_19, version_20, version_21, version_22, version_23, version_24,
    version_25, version_26, version_27, version_28, version_29, version_30, version_31, version_32,
    version_33, version_34, version_35, version_36, version_37,
};
const int sqlite_schema_version = COUNT_OF(migrations);

static enum err migrate_step(sqlite3 *db, int64_t from, struct fault *f)
{
    char version[64];
    snprintf(version, sizeof version, "PRAGMA user_version = %d;", (int)from + 1);

    enum err err = sqlite_execute(db, "BEGIN IMMEDIATE;", f);
    if (err)
        return err;
    err = sqlite_execute(db, migrations[from], f);
    if (!err)
        err = sqlite_execute(db, version, f);
    if (!err)
        err = sqlite_execute(db, "COMMIT;", f);
    if (err)
        sqlite3_exec(db, "ROLLBACK;", NULL, NULL, NULL); // The first error is the one to tell.
    return err;
}

enum err sqlite_check_version(sqlite3 *db, const char *path, struct fault *f)
{
    int64_t version = 0;
    int64_t tables = 0;
    enum err err = sqlite_number(db, "PRAGMA user_version", &version, f);
    if (!err)
        err = sqlite_number(db, "SELECT count(*) FROM sqlite_schema", &tables, f);
    if (err)
        return err;
    if (version > sqlite_schema_version)
        return fault_set(f, ERR_STORE_VERSION,
                         "%s was written by a newer version of Carillon (schema %lld; this one "
                         "knows up to %d): use that version, or another database",
                         path, (long long)version, sqlite_schema_version);
    if (version < 0 || (version == 0 && tables > 0))
        return fault_set(f, ERR_STORE_OPEN,
                         "%s is a database of another program: choose another path", path);
    return ERR_OK;
}

enum err sqlite_check_current(sqlite3 *db, const char *path, struct fault *f)
{
    int64_t version = 0;
    enum err err = sqlite_check_version(db, path, f);
    if (!err)
        err = sqlite_number(db, "PRAGMA user_version", &version, f);
    if (err || version == sqlite_schema_version)
        return err;
    return fault_set(f, ERR_STORE_OPEN, "%s %s", path,
                     version == 0 ? "is empty: it is no database of Carillon"
                                  : "was written by an older version: start a server on it once");
}

enum err sqlite_check_ours(sqlite3 *db, const char *path, struct fault *f)
{
    int64_t version = 0;
    enum err err = sqlite_check_version(db, path, f);
    if (!err)
        err = sqlite_number(db, "PRAGMA user_version", &version, f);
    if (err || version > 0)
        return err;
    return fault_set(f, ERR_STORE_OPEN, "%s is empty: it is no database of Carillon", path);
}

enum err sqlite_migrate(sqlite3 *db, int to, struct fault *f)
{
    int64_t version = 0;
    enum err err = sqlite_number(db, "PRAGMA user_version", &version, f);
    for (; !err && version < to; version++)
        err = migrate_step(db, version, f);
    return err;
}
