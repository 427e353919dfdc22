// SPDX-License-Identifier: MIT
// reader.c: the queries of the API, each on a read-only connection of its own.
//
// Which index answers which question is decided here, by INDEXED BY, and not by statistics that
// change with the data: SQLite refuses to prepare a plan that cannot work, so a change of the
// schema which breaks one is seen at the first start. Every list is cut by LIMIT or by the walk,
// and every query by a time: while it runs, the log cannot start anew.

#include "store/sqlite/reader_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define STEPS_PER_LOOK 20000 // Steps of SQLite's machine, together well below a millisecond.

#define EXECUTIONS "SELECT %s FROM job_executions INDEXED BY idx_job_executions_"
// ?1 from, ?2 to, ?3 and ?4 the cursor, ?5 words of states (none is part of another), ?6 trigger,
// ?7 job, ?8 limit, ?9 status of HTTP, ?10 least lateness.
#define MATCHES                                                                                    \
    " scheduled_at BETWEEN ?1 AND ?2 AND (scheduled_at < ?3 OR id < ?4)"                           \
    " AND (?5 IS NULL OR instr(?5, status)) AND (?6 IS NULL OR trigger = ?6)"                      \
    " AND (?7 = 0 OR job_id = ?7) AND (?9 = 0 OR http_status = ?9)"                                \
    " AND (?10 = 0 OR started_at - coalesce(due_at, scheduled_at) >= ?10)"
#define NEWEST_FIRST " ORDER BY scheduled_at DESC, id DESC LIMIT ?8"
#define FILTER MATCHES NEWEST_FIRST
// ?1 the cursor, ?2 whether active, ?3 text, ?4 tag, ?5 the greatest id. What is not asked for is
// NULL. The filters come before the columns: of a row that they keep out no more is read than they
// need.
#define JOBS                                                                                       \
    "SELECT %s FROM jobs WHERE id > ?1 AND id <= ?5 AND deleted_at IS NULL"                        \
    " AND (?2 IS NULL OR is_active = ?2)"                                                          \
    " AND (?3 IS NULL OR has_part(name, ?3) OR has_part(api, ?3) OR has_part(schedule, ?3))"       \
    " AND (?4 IS NULL OR has_tag(tags, ?4)) ORDER BY id"
#define ALERTS                                                                                     \
    "SELECT %s,"                                                                                   \
    " (SELECT scheduled_at FROM job_executions WHERE id = alerts.execution_id),"                   \
    " (SELECT series FROM job_executions WHERE id = alerts.execution_id) FROM alerts"
// ?1 job, ?2 and ?3 the cursor, ?4 limit, ?5 words of kinds, ?6 incident.
#define ALERTS_BEFORE                                                                              \
    " AND created_at <= ?2 AND (created_at < ?2 OR id < ?3)"                                       \
    " AND (?5 IS NULL OR instr(?5, ' ' || kind || ' '))"                                           \
    " ORDER BY created_at DESC, id DESC LIMIT ?4"

// ?1 and ?2 the span of time, ?3 and ?4 the cursor, ?5 job or 0, ?6 token and ?7 action or NULL, ?8
// limit.
#define AUDIT "SELECT %s FROM audit INDEXED BY idx_audit_"
#define AUDIT_MATCHES                                                                              \
    " at BETWEEN ?1 AND ?2 AND (at < ?3 OR id < ?4) AND (?5 = 0 OR job_id = ?5)"                   \
    " AND (?6 IS NULL OR token_name = ?6) AND (?7 IS NULL OR action = ?7)"                         \
    " ORDER BY at DESC, id DESC LIMIT ?8"

static const struct sql reader_sql[QUERIES] = {
    [LOAD_JOBS] = {"SELECT %s FROM jobs WHERE deleted_at IS NULL AND id > ?1 ORDER BY id",
                   row_names, &job_rows},
    // The two parts come in order of id, so no slice is sorted. The first is read from the least
    // id on that was scheduled since the mark.
    [LOAD_OPEN] = {"SELECT %s, 0 AS lingers FROM job_executions NOT INDEXED"
                   " WHERE id > max(?1, (SELECT min(id) - 1 FROM job_executions"
                   " INDEXED BY idx_job_executions_scheduled_at"
                   " WHERE scheduled_at >= (SELECT open_from FROM progress)))"
                   " AND completed_at IS NULL"
                   " AND scheduled_at >= (SELECT open_from FROM progress)"
                   " AND id NOT IN (SELECT execution_id FROM lingering_executions)"
                   " UNION ALL SELECT %s, 1 FROM job_executions" SQLITE_OPEN_LINGERING
                   " AND id > ?1 ORDER BY id",
                   row_names, &execution_rows},
    [JOB_GET] = {"SELECT %s FROM jobs WHERE id = ?1 AND deleted_at IS NULL", row_names, &job_rows},
    [JOB_BY_KEY] = {"SELECT %s FROM jobs INDEXED BY idx_jobs_key"
                    " WHERE key = ?1 AND deleted_at IS NULL",
                    row_names, &job_rows},
    [JOB_BY_PING_KEY] = {"SELECT %s FROM jobs INDEXED BY idx_jobs_ping_key"
                         " WHERE ping_key = ?1 AND deleted_at IS NULL",
                         row_names, &job_rows},
    [JOBS_LIST] = {JOBS, row_names, &job_rows},
    [JOBS_FIND] = {JOBS, row_names, &job_brief_rows},
    [JOBS_CHANGED] = {"SELECT %s, deleted_at IS NOT NULL FROM jobs INDEXED BY idx_jobs_changed"
                      " WHERE max(updated_at, coalesce(deleted_at, 0)) >= ?1"
                      " ORDER BY max(updated_at, coalesce(deleted_at, 0)) DESC, id DESC LIMIT ?2",
                      row_names, &job_brief_rows},
    [JOBS_SUM] = {"SELECT count(*), coalesce(sum(texts_bytes), 0) FROM jobs"
                  " INDEXED BY idx_jobs_created_by WHERE created_by = ?1 AND deleted_at IS NULL",
                  NULL, NULL},
    [JOB_LAST] = {"SELECT status, scheduled_at FROM job_executions INDEXED BY"
                  " idx_job_executions_job_id WHERE job_id = ?1 AND scheduled_at <= ?2"
                  " ORDER BY scheduled_at DESC, id DESC LIMIT 1",
                  NULL, NULL},
    [VERSIONS_LIST] = {SQLITE_VERSIONS_OF_JOB, row_names, &version_rows},
    [PROGRESS_READ] = {"SELECT %s FROM progress WHERE id = 1", row_names, &progress_rows},
    [LAST_IDS] = {"SELECT coalesce((SELECT max(id) FROM jobs), 0),"
                  " coalesce((SELECT max(id) FROM job_executions), 0),"
                  " coalesce((SELECT max(id) FROM alerts), 0)",
                  NULL, NULL},
    [EXECUTION_GET] = {EXECUTIONS "job_id WHERE job_id = ?1 AND scheduled_at = ?2 AND series = ?3",
                       row_names, &execution_rows},
    [EXECUTION_GET_MANUAL] = {EXECUTIONS "manual WHERE job_id = ?1 AND series = ?3 AND series < 0",
                              row_names, &execution_rows},
    [EXECUTIONS_OF_JOB] = {EXECUTIONS "job_id WHERE job_id = ?7 AND" FILTER, row_names,
                           &execution_rows},
    [EXECUTIONS_OF_ALL] = {EXECUTIONS "scheduled_at WHERE" FILTER, row_names, &execution_rows},
    [EXECUTIONS_OPEN] = {"SELECT %s FROM job_executions" SQLITE_OPEN_SINCE_MARK " AND" MATCHES
                         " UNION ALL SELECT %s FROM job_executions" SQLITE_OPEN_LINGERING
                         " AND" MATCHES NEWEST_FIRST,
                         row_names, &execution_rows},
    [EXECUTIONS_FAILED] = {EXECUTIONS "failed WHERE " SQLITE_FAILED " AND" FILTER, row_names,
                           &execution_rows},
    [EXECUTIONS_FAILED_OF_JOB] = {EXECUTIONS "failed_of_job WHERE job_id = ?7 AND " SQLITE_FAILED
                                             " AND" FILTER,
                                  row_names, &execution_rows},
    [EXECUTIONS_MANUAL] = {EXECUTIONS "manual WHERE series < 0 AND" FILTER, row_names,
                           &execution_rows},
    [EXECUTIONS_MANUAL_OF_JOB] = {EXECUTIONS "manual WHERE job_id = ?7 AND series < 0 AND" FILTER,
                                  row_names, &execution_rows},
    [EXECUTIONS_COUNT] = {"SELECT status, count(*) FROM job_executions"
                          " INDEXED BY idx_job_executions_scheduled_at"
                          " WHERE scheduled_at BETWEEN ?1 AND ?2 GROUP BY status",
                          NULL, NULL},
    [ATTEMPT_FIRST_GET] = {"SELECT %s FROM job_executions WHERE id = ?1"
                           " AND first_started_at IS NOT NULL",
                           row_names, &first_attempt_rows},
    [ATTEMPTS_LIST] = {"SELECT %s FROM job_attempts WHERE execution_id = ?1 ORDER BY number",
                       row_names, &attempt_rows},
    [ALERTS_OF_INCIDENT] = {ALERTS " INDEXED BY idx_alerts_incident_id WHERE incident_id = ?6"
                                   " AND (?1 = 0 OR job_id = ?1)" ALERTS_BEFORE,
                            row_names, &alert_rows},
    [ALERTS_OF_JOB] = {ALERTS " INDEXED BY idx_alerts_job_id WHERE job_id = ?1" ALERTS_BEFORE,
                       row_names, &alert_rows},
    [ALERTS_OF_ALL] = {ALERTS " INDEXED BY idx_alerts_created_at WHERE ?1 = 0" ALERTS_BEFORE,
                       row_names, &alert_rows},
    [AUDIT_OF_JOB] = {AUDIT "job_id WHERE job_id = ?5 AND" AUDIT_MATCHES, row_names, &audit_rows},
    [AUDIT_OF_TOKEN] = {AUDIT "token_name WHERE token_name = ?6 AND" AUDIT_MATCHES, row_names,
                        &audit_rows},
    [AUDIT_OF_ACTION] = {AUDIT "action WHERE action = ?7 AND" AUDIT_MATCHES, row_names,
                         &audit_rows},
    [AUDIT_OF_ALL] = {AUDIT "at WHERE" AUDIT_MATCHES, row_names, &audit_rows},
    [ALERT_GET] = {ALERTS " WHERE id = ?1", row_names, &alert_rows},
    [CLIENT_KEY_GET] = {"SELECT * FROM client_keys WHERE key = ?1 AND created_at >= ?2", NULL,
                        NULL},
};

static struct sqlite_reader *self(struct store_reader *r)
{
    return (struct sqlite_reader *)r;
}

static int is_too_late(void *reader)
{
    return clock_mono_ms() >= ((const struct sqlite_reader *)reader)->deadline;
}

enum err sqlite_walk_query(struct sqlite_reader *r, enum query which, struct walk *w,
                           struct fault *f)
{
    r->deadline = clock_mono_ms() + r->time_ms;
    return sqlite_walk(r->db, r->queries[which], w, f);
}

static void close_reader(struct store_reader *reader)
{
    struct sqlite_reader *r = self(reader);
    for (size_t i = 0; i < QUERIES; i++)
        sqlite3_finalize(r->queries[i]);
    int rc = sqlite3_close(r->db);
    assert(rc == SQLITE_OK);
    free(r);
}

// Each row is read once, so the pages that were read are kept only as far as reading needs them:
// what they took could not be given back later, since it lies between what is made of the rows.
static enum err load(struct sqlite_reader *r, enum query which, const struct store_slice *s,
                     struct walk *w, struct fault *f)
{
    enum err err = sqlite_execute(r->db, SQLITE_WALK_CACHE, f);
    if (err)
        return err;
    sqlite3_bind_int64(r->queries[which], 1, s->after); // There is one shard.
    r->deadline = MONO_NEVER;                           // A start may take long.
    return sqlite_walk(r->db, r->queries[which], w, f);
}

static enum err load_jobs(struct store_reader *reader, const struct store_slice *s,
                          store_each_job *each, void *context, struct fault *f)
{
    struct job_walk w = job_walk(NULL, each, context);
    w.left = s->limit;
    return load(self(reader), LOAD_JOBS, s, &w.walk, f);
}

static enum err load_open(struct store_reader *reader, const struct store_slice *s,
                          store_each_execution *each, void *context, struct fault *f)
{
    struct execution_walk w = open_walk(s->limit, each, context);
    return load(self(reader), LOAD_OPEN, s, &w.walk, f);
}

static enum err copy_job(void *context, const struct job *j)
{
    *(struct job **)context = job_copy(j);
    return ERR_OK;
}

static enum err get_job(struct store_reader *reader, job_id id, struct job **out, struct fault *f)
{
    struct sqlite_reader *r = self(reader);
    struct job *found = NULL;
    struct job_walk w = job_walk(NULL, copy_job, &found);
    sqlite3_bind_int64(r->queries[JOB_GET], 1, id);
    enum err err = sqlite_walk_query(r, JOB_GET, &w.walk, f);
    if (err)
        return err;
    if (!found)
        return fault_set(f, ERR_NOT_FOUND, "there is no job %lld", (long long)id);
    *out = found;
    return ERR_OK;
}

// NULL in *out: there is none.
static enum err find_job(struct sqlite_reader *r, enum query query, const char *text,
                         struct job **out, struct fault *f)
{
    *out = NULL;
    struct job_walk w = job_walk(NULL, copy_job, out);
    sqlite3_bind_text(r->queries[query], 1, text, -1, SQLITE_TRANSIENT);
    return sqlite_walk_query(r, query, &w.walk, f);
}

static enum err get_job_by_key(struct store_reader *reader, const char *key, struct job **out,
                               struct fault *f)
{
    struct job *found;
    enum err err = find_job(self(reader), JOB_BY_KEY, key, &found, f);
    if (err)
        return err;
    if (!found)
        return fault_set(f, ERR_NOT_FOUND, "no job has the key %s", key);
    *out = found;
    return ERR_OK;
}

static enum err get_job_by_ping_key(struct store_reader *reader, const char *key, struct job **out,
                                    struct fault *f)
{
    struct job *found;
    enum err err = find_job(self(reader), JOB_BY_PING_KEY, key, &found, f);
    if (err)
        return err;
    if (!found)
        return fault_set(f, ERR_NOT_FOUND, "no job has the ping key");
    *out = found;
    return ERR_OK;
}

static enum err list_jobs(struct store_reader *reader, const struct job_query *q,
                          store_each_job *each, void *context, struct fault *f)
{
    struct sqlite_reader *r = self(reader);
    struct job_walk w = job_walk(q, each, context);
    w.walk.leaves_out = true;
    sqlite_bind_job_query(r->queries[JOBS_LIST], q);
    return sqlite_walk_query(r, JOBS_LIST, &w.walk, f);
}

void sqlite_bind_set(sqlite3_stmt *statement, int at, unsigned set, const struct enum_words *words)
{
    char text[128] = " ";
    for (int i = 0; i < words->count; i++) {
        size_t used = strlen(text);
        if (set & (1u << i))
            snprintf(text + used, sizeof text - used, "%s ", enum_word(words, i));
    }
    sqlite3_bind_text(statement, at, set ? text : NULL, -1, SQLITE_TRANSIENT);
}

int64_t sqlite_limit(size_t limit)
{
    return limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
}

struct alert_walk {
    struct walk walk;
    store_each_alert *each;
    void *context;
    bool found;
};

// The two columns after the alert's own are from its execution.
static enum err visit_alert(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct alert_walk *w = (struct alert_walk *)walk;
    struct alert a = {0};
    enum err err;
    if (!walk_read(walk, &alert_rows, statement, &a, &err, f))
        return err;
    int own = (int)alert_rows.count;
    a.key.job = a.job;
    a.key.scheduled_at = sqlite3_column_int64(statement, own);
    a.key.series = sqlite3_column_int64(statement, own + 1);
    if (!a.job || a.key.scheduled_at < 0 || a.key.scheduled_at > WALL_LAST)
        a.execution_id = 0; // The row of the execution was edited: it has no name.
    w->found = true;
    return w->each(w->context, &a);
}

static enum err list_alerts(struct store_reader *reader, const struct alert_query *q,
                            store_each_alert *each, void *context, struct fault *f)
{
    struct sqlite_reader *r = self(reader);
    enum query which = q->job ? ALERTS_OF_JOB : ALERTS_OF_ALL;
    if (q->incident)
        which = ALERTS_OF_INCIDENT;
    sqlite3_stmt *statement = r->queries[which];
    struct alert_walk w = {{.visit = visit_alert, .leaves_out = true}, each, context, false};
    sqlite3_bind_int64(statement, 1, q->job);
    sqlite3_bind_int64(statement, 2, q->before.created_at);
    sqlite3_bind_int64(statement, 3, q->before.id);
    sqlite3_bind_int64(statement, 4, sqlite_limit(q->limit));
    sqlite_bind_set(statement, 5, q->kinds, &alert_kind_words);
    if (q->incident)
        sqlite3_bind_int64(statement, 6, q->incident);
    return sqlite_walk_query(r, which, &w.walk, f);
}

static enum err get_alert(struct store_reader *reader, int64_t id, store_each_alert *each,
                          void *context, struct fault *f)
{
    struct sqlite_reader *r = self(reader);
    struct alert_walk w = {{.visit = visit_alert}, each, context, false};
    sqlite3_bind_int64(r->queries[ALERT_GET], 1, id);
    enum err err = sqlite_walk_query(r, ALERT_GET, &w.walk, f);
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

static enum err visit_client_key(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct client_key_walk *w = (struct client_key_walk *)walk;
    struct client_key k;
    enum err err = sqlite_read_client_key(statement, &k, f);
    w->found = true;
    return err ? err : w->each(w->context, &k);
}

static enum err get_client_key(struct store_reader *reader, const char *text, wall_ms now,
                               store_each_client_key *each, void *context, struct fault *f)
{
    struct sqlite_reader *r = self(reader);
    struct client_key_walk w = {{.visit = visit_client_key}, each, context, false};
    sqlite3_bind_text(r->queries[CLIENT_KEY_GET], 1, text, -1, SQLITE_STATIC);
    sqlite3_bind_int64(r->queries[CLIENT_KEY_GET], 2, now - CLIENT_KEY_AGE_MS);
    enum err err = sqlite_walk_query(r, CLIENT_KEY_GET, &w.walk, f);
    if (!err && !w.found)
        err = fault_set(f, ERR_NOT_FOUND, "there is no such key");
    return err;
}

struct sum_walk {
    struct walk walk;
    struct job_sum sum;
};

static enum err visit_sum(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    (void)f;
    ((struct sum_walk *)walk)->sum =
        (struct job_sum){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1)};
    return ERR_OK;
}

static enum err sum_jobs(struct store_reader *reader, int64_t created_by, struct job_sum *out,
                         struct fault *f)
{
    struct sqlite_reader *r = self(reader);
    struct sum_walk w = {.walk = {.visit = visit_sum}};
    sqlite3_bind_int64(r->queries[JOBS_SUM], 1, created_by);
    enum err err = sqlite_walk_query(r, JOBS_SUM, &w.walk, f);
    if (!err)
        *out = w.sum;
    return err;
}

// --- Versions and progress -------------------------------------------------------------------

static enum err list_versions(struct store_reader *reader, job_id job, store_each_version *each,
                              void *context, struct fault *f)
{
    struct sqlite_reader *r = self(reader);
    struct version_walk w = version_walk(each, context);
    sqlite3_bind_int64(r->queries[VERSIONS_LIST], 1, job);
    return sqlite_walk_query(r, VERSIONS_LIST, &w.walk, f);
}

struct progress_walk {
    struct walk walk;
    struct progress_row row;
};

static enum err visit_progress(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    return row_read(&progress_rows, statement, &((struct progress_walk *)walk)->row, f);
}

static enum err read_progress(struct store_reader *reader, job_id job, struct store_progress *out,
                              struct fault *f)
{
    (void)job; // There is one shard.
    struct progress_walk w = {.walk = {.visit = visit_progress}};
    enum err err = sqlite_walk_query(self(reader), PROGRESS_READ, &w.walk, f);
    if (!err)
        *out = (struct store_progress){w.row.shard, w.row.removed_to};
    return err;
}

struct last_ids_walk {
    struct walk walk;
    struct last_ids ids;
};

static enum err visit_last_ids(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    (void)f;
    ((struct last_ids_walk *)walk)->ids =
        (struct last_ids){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
                          sqlite3_column_int64(statement, 2)};
    return ERR_OK;
}

static enum err read_last_ids(struct store_reader *reader, const struct shard_set *of,
                              struct last_ids *out, struct fault *f)
{
    (void)of; // There is one.
    struct last_ids_walk w = {.walk = {.visit = visit_last_ids}};
    enum err err = sqlite_walk_query(self(reader), LAST_IDS, &w.walk, f);
    if (!err)
        *out = w.ids;
    return err;
}

static enum err read_shards(struct store_reader *reader, const struct shard_set *of,
                            struct shard *out, struct fault *f)
{
    (void)of; // There is one.
    struct store_progress progress;
    enum err err = read_progress(reader, 0, &progress, f);
    if (!err)
        *out = progress.shard;
    return err;
}

static const struct store_reader_ops ops = {
    .close = close_reader,
    .load_jobs = load_jobs,
    .load_open = load_open,
    .read_last_ids = read_last_ids,
    .read_shards = read_shards,
    .get_job = get_job,
    .get_job_by_key = get_job_by_key,
    .get_job_by_ping_key = get_job_by_ping_key,
    .list_jobs = list_jobs,
    .find_jobs = sqlite_find_jobs,
    .list_changed_jobs = sqlite_list_changed_jobs,
    .list_versions = list_versions,
    .list_executions = sqlite_list_executions,
    .get_execution = sqlite_get_execution,
    .list_attempts = sqlite_list_attempts,
    .list_alerts = list_alerts,
    .list_audit = sqlite_list_audit,
    .get_alert = get_alert,
    .get_client_key = get_client_key,
    .count_executions = sqlite_count_executions,
    .sum_jobs = sum_jobs,
    .read_progress = read_progress,
};

enum err sqlite_reader_open(struct store *store, struct store_reader **out, struct fault *f)
{
    const struct sqlite_store *s = (const struct sqlite_store *)store;
    struct sqlite_reader *r = xcalloc(1, sizeof *r);
    r->reader.ops = &ops;
    r->time_ms = s->reader_time_ms;
    enum err err = sqlite_connect_reader(s->path, &r->db, f);
    if (!err)
        err = sqlite_add_filters(r->db, f);
    if (!err)
        err = sqlite_prepare_all(r->db, reader_sql, QUERIES, r->queries, f);
    if (err) {
        close_reader(&r->reader);
        return err;
    }
    sqlite3_progress_handler(r->db, STEPS_PER_LOOK, is_too_late, r);
    *out = &r->reader;
    return ERR_OK;
}
