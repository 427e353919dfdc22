// SPDX-License-Identifier: MIT
// outbox.c: waiting alerts and deliveries in SQLite, on the connection of a registry.
//
// Each change is a short transaction beside the writing thread, which waits meanwhile: a page of
// alerts is settled within a few milliseconds, and a herd takes as many pages as it needs.

#include "store/sqlite/registry_priv.h"

#include <stdio.h>

// What stands behind an alert's own columns, in this order.
enum { SCHEDULED_AT, SERIES, JOB_NAME, JOB_TAGS, JOB_CHANNELS, OPENER, OPENER_CHANNELS };

#define ALERTS                                                                                     \
    "SELECT %s, (SELECT scheduled_at FROM job_executions AS e WHERE e.id = alerts.execution_id),"  \
    " (SELECT series FROM job_executions AS e WHERE e.id = alerts.execution_id),"                  \
    " (SELECT name FROM jobs WHERE jobs.id = alerts.job_id),"                                      \
    " (SELECT tags FROM jobs WHERE jobs.id = alerts.job_id),"                                      \
    " (SELECT alert_channels FROM jobs WHERE jobs.id = alerts.job_id),"                            \
    " (SELECT o.telling FROM alerts AS o WHERE o.id = alerts.incident_id AND o.id <> alerts.id),"  \
    " (SELECT group_concat(d.channel_id || ',', '') FROM delivery_alerts AS l"                     \
    "   JOIN deliveries AS d ON d.id = l.delivery_id WHERE l.alert_id = alerts.incident_id"        \
    "   AND alerts.incident_id <> alerts.id) FROM alerts"

// Alerts that opened an incident, which a silence keeps from people, and whose incident no alert of
// one of the kinds ?1 has closed.
#define SILENCED                                                                                   \
    " telling = 'silenced' AND id = incident_id AND NOT EXISTS (SELECT 1 FROM alerts AS c"         \
    "  WHERE c.incident_id = alerts.id AND instr(?1, ' ' || c.kind || ' '))"

// Whether the job of alert `a` still has the alert's incident; see ledger/incident.c.
#define IS_OPEN                                                                                    \
    "EXISTS (SELECT 1 FROM jobs AS j WHERE j.id = a.job_id AND j.deleted_at IS NULL"               \
    " AND instr(replace(j.trouble, 'openings:', ''), ':' || a.incident_id || ',') > 0)"

#define NEXT_ALERTS                                                                                \
    "(SELECT alert_id FROM delivery_alerts WHERE delivery_id = ?1 AND alert_id >"                  \
    "  (SELECT watched_alert FROM deliveries WHERE id = ?1) ORDER BY alert_id LIMIT ?2)"

#define LIST                                                                                       \
    " AND (?2 = 0 OR id = ?2) AND (?3 = 0 OR channel_id = ?3) AND (?4 IS NULL OR state = ?4)"      \
    " AND id < ?5 ORDER BY id DESC LIMIT ?6"

const struct sql sqlite_outbox_sql[OUTBOX_STATEMENTS] = {
    [OUTBOX_WAITING] = {ALERTS " WHERE telling = 'waiting' ORDER BY id LIMIT ?1", row_names,
                        &alert_rows},
    [OUTBOX_OF_DELIVERY] = {ALERTS " WHERE id IN (SELECT alert_id FROM delivery_alerts"
                                   "  WHERE delivery_id = ?1 AND alert_id > ?2"
                                   "  ORDER BY alert_id LIMIT ?3) ORDER BY id",
                            row_names, &alert_rows},
    [OUTBOX_TELL] = {"UPDATE alerts SET telling = ?2, silence_id = ?3"
                     " WHERE id = ?1 AND telling = 'waiting'",
                     NULL, NULL},
    [OUTBOX_LINK] = {"INSERT OR IGNORE INTO delivery_alerts VALUES (?1, ?2)", NULL, NULL},
    [OUTBOX_SILENCES] = {"SELECT DISTINCT silence_id FROM alerts WHERE" SILENCED
                         " ORDER BY silence_id LIMIT ?2",
                         NULL, NULL},
    [OUTBOX_UNSILENCE] = {"UPDATE alerts SET telling = 'waiting', silence_id = NULL"
                          " WHERE silence_id = ?2 AND" SILENCED,
                          NULL, NULL},
    [OUTBOX_COUNT] = {"SELECT count(*), coalesce(min(created_at), 0),"
                      " (SELECT count(*) FROM deliveries WHERE state = 'PENDING')"
                      " FROM alerts WHERE telling = 'waiting'",
                      NULL, NULL},
    [OUTBOX_OPEN] = {"%s", row_insert_sql, &delivery_rows},
    [OUTBOX_SEAL] = {"UPDATE deliveries SET message = ?2, alert_count = ?3, dedup_key = ?4,"
                     " watched_alert = ?5"
                     " WHERE id = ?1 AND state = 'PENDING' AND message IS NULL",
                     NULL, NULL},
    [OUTBOX_TAKE_OVER] = {"UPDATE deliveries SET watched_alert = NULL WHERE dedup_key = ?2"
                          " AND watched_alert IS NOT NULL AND id <> ?1"
                          " AND channel_id = (SELECT channel_id FROM deliveries WHERE id = ?1)",
                          NULL, NULL},
    [OUTBOX_OPENINGS] = {"SELECT d.id, d.channel_id, d.channel_name, d.dedup_key, d.alert_count,"
                         " a.incident_id, NOT " IS_OPEN ", CASE WHEN d.is_acknowledged = 0 THEN"
                         "  (SELECT min(k.id) FROM alerts AS k INDEXED BY idx_alerts_acknowledged"
                         "   WHERE k.incident_id = a.incident_id"
                         "   AND k.acknowledged_at IS NOT NULL) END"
                         " FROM deliveries AS d LEFT JOIN alerts AS a ON a.id = d.watched_alert"
                         " WHERE d.watched_alert IS NOT NULL AND d.id > ?1"
                         " ORDER BY d.id LIMIT ?2",
                         NULL, NULL},
    [OUTBOX_ADVANCE] = {"UPDATE deliveries SET watched_alert = coalesce((SELECT min(a.id)"
                        "  FROM alerts AS a WHERE a.id IN " NEXT_ALERTS " AND " IS_OPEN "),"
                        "  (SELECT max(alert_id) FROM " NEXT_ALERTS "))"
                        " WHERE id = ?1 AND watched_alert IS NOT NULL"
                        " AND EXISTS (SELECT 1 FROM " NEXT_ALERTS ")",
                        NULL, NULL},
    [OUTBOX_ENDS] = {ALERTS " WHERE id IN (SELECT (SELECT max(e.id) FROM alerts AS e"
                            "   WHERE e.incident_id = o.incident_id)"
                            "  FROM (SELECT alert_id FROM delivery_alerts WHERE delivery_id = ?1"
                            "   ORDER BY alert_id LIMIT ?2) AS l"
                            "  JOIN alerts AS o ON o.id = l.alert_id"
                            "  WHERE o.incident_id IS NOT NULL) ORDER BY id",
                     row_names, &alert_rows},
    [OUTBOX_END] = {"UPDATE deliveries SET watched_alert = NULL"
                    " WHERE id = ?1 AND watched_alert IS NOT NULL",
                    NULL, NULL},
    [OUTBOX_ACKNOWLEDGE] = {"UPDATE deliveries SET is_acknowledged = 1 WHERE id = ?1"
                            " AND watched_alert IS NOT NULL AND is_acknowledged = 0",
                            NULL, NULL},
    [OUTBOX_ATTEMPT] = {"%s", row_insert_sql, &delivery_attempt_rows},
    [OUTBOX_AFTER] = {"UPDATE deliveries SET attempts = ?2, state = ?3, next_attempt_at = ?4,"
                      " finished_at = ?5, http_status = ?6, error = ?7,"
                      " watched_alert = iif(?3 = 'FAILED', NULL, watched_alert)"
                      " WHERE id = ?1 AND attempts = ?2 - 1 AND state = 'PENDING'"
                      " AND message IS NOT NULL",
                      NULL, NULL},
    [OUTBOX_GIVE_UP] = {"UPDATE deliveries SET state = 'FAILED', next_attempt_at = NULL,"
                        " watched_alert = NULL,"
                        " finished_at = ?3, error = ?2 WHERE id = ?1 AND state = 'PENDING'",
                        NULL, NULL},
    [OUTBOX_PENDING] = {"SELECT %s FROM deliveries WHERE state = 'PENDING' ORDER BY id", row_names,
                        &delivery_rows},
    [OUTBOX_LIST] = {"SELECT %s FROM deliveries WHERE ?1 = 0" LIST, row_names, &delivery_rows},
    [OUTBOX_LIST_OF_ALERT] = {"SELECT %s FROM deliveries WHERE id IN (SELECT delivery_id"
                              " FROM delivery_alerts WHERE alert_id = ?1)" LIST,
                              row_names, &delivery_rows},
    [OUTBOX_ATTEMPTS] = {"SELECT %s FROM delivery_attempts WHERE delivery_id = ?1"
                         " ORDER BY number",
                         row_names, &delivery_attempt_rows},
};

static struct sqlite_registry *self(struct store_registry *r)
{
    return (struct sqlite_registry *)r;
}

static enum err run(struct sqlite_registry *r, enum outbox_statement which, struct fault *f)
{
    sqlite3_stmt *statement = r->outbox[which];
    enum err err = ERR_OK;
    if (sqlite3_step(statement) != SQLITE_DONE)
        err = sqlite_fault(r->db, "writing", f);
    sqlite3_reset(statement);
    return err;
}

// Runs a change that must find its row.
static enum err run_on_row(struct sqlite_registry *r, enum outbox_statement which, struct fault *f)
{
    enum err err = run(r, which, f);
    if (!err && sqlite3_changes(r->db) == 0)
        err = fault_set(f, ERR_CONFLICT, "the delivery is not as it was");
    return err;
}

// A transaction of one statement.
static enum err run_alone(struct sqlite_registry *r, enum outbox_statement which, bool on_row,
                          struct fault *f)
{
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    err = on_row ? run_on_row(r, which, f) : run(r, which, f);
    return sqlite_registry_end(r, err, f);
}

// " failure missed ", for instr.
static void bind_kinds(sqlite3_stmt *statement, int at, uint64_t kinds)
{
    char words[64 * ALERT_KINDS] = " ";
    for (int i = 0; i < ALERT_KINDS; i++)
        if (kinds & ALERT_KIND_BIT(i))
            row_append(words, sizeof words, "%s ", alert_kind_name((enum alert_kind)i));
    sqlite3_bind_text(statement, at, words, -1, SQLITE_TRANSIENT);
}

static void bind_integer_or_null(sqlite3_stmt *statement, int at, int64_t value)
{
    if (value)
        sqlite3_bind_int64(statement, at, value);
    else
        sqlite3_bind_null(statement, at);
}

// --- Alerts ----------------------------------------------------------------------------------

struct alert_walk {
    struct walk walk;
    store_each_outbox_alert *each;
    void *context;
};

static enum err visit_alert(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct alert_walk *w = (struct alert_walk *)walk;
    struct outbox_alert a = {0};
    enum err err;
    if (!walk_read(walk, &alert_rows, statement, &a.alert, &err, f))
        return err;
    int at = (int)alert_rows.count;
    a.alert.key.job = a.alert.job;
    a.alert.key.scheduled_at = sqlite3_column_int64(statement, at + SCHEDULED_AT);
    a.alert.key.series = sqlite3_column_int64(statement, at + SERIES);
    if (!a.alert.key.scheduled_at)
        a.alert.execution_id = 0; // The execution has gone, or was edited.
    a.job_name = (const char *)sqlite3_column_text(statement, at + JOB_NAME);
    a.job_tags = (const char *)sqlite3_column_text(statement, at + JOB_TAGS);
    a.job_channels = (const char *)sqlite3_column_text(statement, at + JOB_CHANNELS);
    const char *opener = (const char *)sqlite3_column_text(statement, at + OPENER);
    int word;
    if (opener && enum_find(&alert_telling_words, opener, &word))
        a.opener = (enum alert_telling)word;
    a.opener_channels = (const char *)sqlite3_column_text(statement, at + OPENER_CHANNELS);
    return w->each(w->context, &a);
}

static enum err waiting(struct store_registry *r, size_t limit, store_each_outbox_alert *each,
                        void *context, struct fault *f)
{
    struct alert_walk w = {{.visit = visit_alert, .leaves_out = true}, each, context};
    sqlite3_stmt *statement = self(r)->outbox[OUTBOX_WAITING];
    sqlite3_bind_int64(statement, 1, (int64_t)limit);
    return sqlite_walk(self(r)->db, statement, &w.walk, f);
}

static enum err of_delivery(struct store_registry *r, int64_t delivery, int64_t after, size_t limit,
                            store_each_outbox_alert *each, void *context, struct fault *f)
{
    struct alert_walk w = {{.visit = visit_alert, .leaves_out = true}, each, context};
    sqlite3_stmt *statement = self(r)->outbox[OUTBOX_OF_DELIVERY];
    sqlite3_bind_int64(statement, 1, delivery);
    sqlite3_bind_int64(statement, 2, after);
    sqlite3_bind_int64(statement, 3, (int64_t)limit);
    return sqlite_walk(self(r)->db, statement, &w.walk, f);
}

static enum err tell(struct sqlite_registry *r, const struct outbox_verdict *v, struct fault *f)
{
    sqlite3_stmt *statement = r->outbox[OUTBOX_TELL];
    sqlite3_bind_int64(statement, 1, v->alert);
    sqlite3_bind_text(statement, 2, alert_telling_name(v->telling), -1, SQLITE_STATIC);
    bind_integer_or_null(statement, 3, v->silence);
    return run(r, OUTBOX_TELL, f);
}

static enum err add_link(struct sqlite_registry *r, const struct outbox_link *l, struct fault *f)
{
    sqlite3_stmt *statement = r->outbox[OUTBOX_LINK];
    sqlite3_bind_int64(statement, 1, l->delivery);
    sqlite3_bind_int64(statement, 2, l->alert);
    return run(r, OUTBOX_LINK, f);
}

static enum err settle(struct store_registry *registry, int64_t epoch,
                       const struct outbox_settlement *s, struct fault *f)
{
    struct sqlite_registry *r = self(registry);
    (void)epoch; // A file has one node.
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    for (size_t i = 0; i < s->verdict_count && !err; i++)
        err = tell(r, &s->verdicts[i], f);
    for (size_t i = 0; i < s->link_count && !err; i++)
        err = add_link(r, &s->links[i], f);
    return sqlite_registry_end(r, err, f);
}

static enum err silences(struct store_registry *r, uint64_t closing, int64_t *ids, size_t ids_max,
                         size_t *count, struct fault *f)
{
    sqlite3_stmt *statement = self(r)->outbox[OUTBOX_SILENCES];
    int rc;
    *count = 0;
    bind_kinds(statement, 1, closing);
    sqlite3_bind_int64(statement, 2, (int64_t)ids_max);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        ids[(*count)++] = sqlite3_column_int64(statement, 0);
    enum err err = rc == SQLITE_DONE ? ERR_OK : sqlite_fault(self(r)->db, "reading", f);
    sqlite3_reset(statement);
    return err;
}

static enum err unsilence(struct store_registry *r, int64_t epoch, int64_t silence,
                          uint64_t closing, struct fault *f)
{
    sqlite3_stmt *statement = self(r)->outbox[OUTBOX_UNSILENCE];
    (void)epoch;
    bind_kinds(statement, 1, closing);
    sqlite3_bind_int64(statement, 2, silence);
    return run_alone(self(r), OUTBOX_UNSILENCE, false, f);
}

static enum err count(struct store_registry *r, struct outbox_counts *out, struct fault *f)
{
    sqlite3_stmt *statement = self(r)->outbox[OUTBOX_COUNT];
    enum err err = ERR_OK;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *out = (struct outbox_counts){.waiting = sqlite3_column_int64(statement, 0),
                                      .oldest_at = sqlite3_column_int64(statement, 1),
                                      .pending = sqlite3_column_int64(statement, 2)};
    else
        err = sqlite_fault(self(r)->db, "reading", f);
    sqlite3_reset(statement);
    return err;
}

// --- Deliveries ------------------------------------------------------------------------------

static enum err open_delivery(struct store_registry *registry, int64_t epoch, struct delivery *d,
                              struct fault *f)
{
    struct sqlite_registry *r = self(registry);
    struct delivery new = *d;
    (void)epoch;
    new.id = 0;
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    row_bind(&delivery_rows, r->outbox[OUTBOX_OPEN], &new);
    err = run(r, OUTBOX_OPEN, f);
    int64_t id = sqlite3_last_insert_rowid(r->db);
    err = sqlite_registry_end(r, err, f);
    if (!err)
        d->id = id;
    return err;
}

static enum err take_over(struct sqlite_registry *r, int64_t id, const char *dedup_key,
                          struct fault *f)
{
    sqlite3_stmt *statement = r->outbox[OUTBOX_TAKE_OVER];
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_text(statement, 2, dedup_key, -1, SQLITE_STATIC);
    return run(r, OUTBOX_TAKE_OVER, f);
}

static enum err seal(struct store_registry *registry, int64_t epoch, int64_t id,
                     const struct delivery_seal *s, struct fault *f)
{
    struct sqlite_registry *r = self(registry);
    sqlite3_stmt *statement = r->outbox[OUTBOX_SEAL];
    (void)epoch;
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_text(statement, 2, s->message, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, s->alert_count);
    sqlite3_bind_text(statement, 4, s->dedup_key, -1, SQLITE_STATIC);
    bind_integer_or_null(statement, 5, s->watched);
    err = run_on_row(r, OUTBOX_SEAL, f);
    if (!err && s->dedup_key)
        err = take_over(r, id, s->dedup_key, f);
    return sqlite_registry_end(r, err, f);
}

static enum err change_after(struct sqlite_registry *r, const struct delivery_attempt *a,
                             const struct delivery_after *after, struct fault *f)
{
    sqlite3_stmt *statement = r->outbox[OUTBOX_AFTER];
    sqlite3_bind_int64(statement, 1, a->delivery);
    sqlite3_bind_int64(statement, 2, a->number);
    sqlite3_bind_text(statement, 3, delivery_state_name(after->state), -1, SQLITE_STATIC);
    bind_integer_or_null(statement, 4, after->next_attempt_at);
    bind_integer_or_null(statement, 5, after->finished_at);
    bind_integer_or_null(statement, 6, a->http_status);
    sqlite3_bind_text(statement, 7, a->error, -1, SQLITE_STATIC);
    return run_on_row(r, OUTBOX_AFTER, f);
}

static enum err record(struct store_registry *registry, int64_t epoch,
                       const struct delivery_attempt *a, const struct delivery_after *after,
                       struct fault *f)
{
    struct sqlite_registry *r = self(registry);
    (void)epoch;
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    err = change_after(r, a, after, f);
    row_bind(&delivery_attempt_rows, r->outbox[OUTBOX_ATTEMPT], a);
    if (!err)
        err = run(r, OUTBOX_ATTEMPT, f);
    return sqlite_registry_end(r, err, f);
}

static enum err give_up(struct store_registry *r, int64_t epoch, int64_t id, const char *why,
                        wall_ms now, struct fault *f)
{
    sqlite3_stmt *statement = self(r)->outbox[OUTBOX_GIVE_UP];
    (void)epoch;
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_text(statement, 2, why, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, now);
    return run_alone(self(r), OUTBOX_GIVE_UP, true, f);
}

// --- What is open at channels ------------------------------------------------------------------

struct opening_walk {
    struct walk walk;
    store_each_opening *each;
    void *context;
};

static enum err visit_opening(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct opening_walk *w = (struct opening_walk *)walk;
    (void)f;
    struct outbox_opening o = {
        .delivery = sqlite3_column_int64(statement, 0),
        .channel = sqlite3_column_int64(statement, 1),
        .channel_name = (const char *)sqlite3_column_text(statement, 2),
        .dedup_key = (const char *)sqlite3_column_text(statement, 3),
        .alert_count = sqlite3_column_int64(statement, 4),
        .incident = sqlite3_column_int64(statement, 5),
        .is_over = sqlite3_column_int64(statement, 6) != 0,
        .acknowledged = sqlite3_column_int64(statement, 7),
    };
    return w->each(w->context, &o);
}

static enum err openings(struct store_registry *r, int64_t after, size_t limit,
                         store_each_opening *each, void *context, struct fault *f)
{
    struct opening_walk w = {{.visit = visit_opening}, each, context};
    sqlite3_stmt *statement = self(r)->outbox[OUTBOX_OPENINGS];
    sqlite3_bind_int64(statement, 1, after);
    sqlite3_bind_int64(statement, 2, (int64_t)limit);
    return sqlite_walk(self(r)->db, statement, &w.walk, f);
}

static enum err advance(struct store_registry *registry, int64_t epoch, int64_t delivery,
                        bool *moved, struct fault *f)
{
    struct sqlite_registry *r = self(registry);
    sqlite3_stmt *statement = r->outbox[OUTBOX_ADVANCE];
    (void)epoch;
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    sqlite3_bind_int64(statement, 1, delivery);
    sqlite3_bind_int64(statement, 2, OUTBOX_PAGE);
    err = run(r, OUTBOX_ADVANCE, f);
    bool changed = sqlite3_changes(r->db) > 0;
    err = sqlite_registry_end(r, err, f);
    if (!err)
        *moved = changed;
    return err;
}

static enum err ends(struct store_registry *r, int64_t delivery, size_t limit,
                     store_each_outbox_alert *each, void *context, struct fault *f)
{
    struct alert_walk w = {{.visit = visit_alert, .leaves_out = true}, each, context};
    sqlite3_stmt *statement = self(r)->outbox[OUTBOX_ENDS];
    sqlite3_bind_int64(statement, 1, delivery);
    sqlite3_bind_int64(statement, 2, (int64_t)limit);
    return sqlite_walk(self(r)->db, statement, &w.walk, f);
}

static enum err follow(struct store_registry *registry, int64_t epoch,
                       const struct opening_follow *w, struct delivery *d, struct fault *f)
{
    struct sqlite_registry *r = self(registry);
    enum outbox_statement mark = w->ends ? OUTBOX_END : OUTBOX_ACKNOWLEDGE;
    struct delivery new = *d;
    int64_t id = 0;
    (void)epoch;
    new.id = 0;
    enum err err = sqlite_registry_begin(r, f);
    if (err)
        return err;
    sqlite3_bind_int64(r->outbox[mark], 1, w->opening);
    err = run_on_row(r, mark, f);
    row_bind(&delivery_rows, r->outbox[OUTBOX_OPEN], &new);
    if (!err)
        err = run(r, OUTBOX_OPEN, f);
    if (!err)
        id = sqlite3_last_insert_rowid(r->db);
    for (size_t i = 0; i < w->alert_count && !err; i++)
        err = add_link(r, &(struct outbox_link){id, w->alerts[i]}, f);
    err = sqlite_registry_end(r, err, f);
    if (!err)
        d->id = id;
    return err;
}

// --- Reading deliveries ------------------------------------------------------------------------

struct delivery_walk {
    struct walk walk;
    store_each_delivery *each;
    void *context;
};

static enum err visit_delivery(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct delivery_walk *w = (struct delivery_walk *)walk;
    struct delivery d = {0};
    enum err err = row_read(&delivery_rows, statement, &d, f);
    return err ? err : w->each(w->context, &d);
}

static enum err pending(struct store_registry *r, store_each_delivery *each, void *context,
                        struct fault *f)
{
    struct delivery_walk w = {{.visit = visit_delivery}, each, context};
    return sqlite_walk(self(r)->db, self(r)->outbox[OUTBOX_PENDING], &w.walk, f);
}

static enum err list(struct store_registry *r, const struct delivery_query *q,
                     store_each_delivery *each, void *context, struct fault *f)
{
    struct delivery_walk w = {{.visit = visit_delivery}, each, context};
    sqlite3_stmt *statement = self(r)->outbox[q->alert ? OUTBOX_LIST_OF_ALERT : OUTBOX_LIST];
    sqlite3_bind_int64(statement, 1, q->alert);
    sqlite3_bind_int64(statement, 2, q->id);
    sqlite3_bind_int64(statement, 3, q->channel);
    if (q->state >= 0)
        sqlite3_bind_text(statement, 4, delivery_state_name((enum delivery_state)q->state), -1,
                          SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, 4);
    sqlite3_bind_int64(statement, 5, q->before ? q->before : INT64_MAX);
    sqlite3_bind_int64(statement, 6, (int64_t)q->limit);
    return sqlite_walk(self(r)->db, statement, &w.walk, f);
}

struct attempt_walk {
    struct walk walk;
    store_each_delivery_attempt *each;
    void *context;
};

static enum err visit_attempt(struct walk *walk, sqlite3_stmt *statement, struct fault *f)
{
    struct attempt_walk *w = (struct attempt_walk *)walk;
    struct delivery_attempt a = {0};
    enum err err = row_read(&delivery_attempt_rows, statement, &a, f);
    return err ? err : w->each(w->context, &a);
}

static enum err attempts(struct store_registry *r, int64_t delivery,
                         store_each_delivery_attempt *each, void *context, struct fault *f)
{
    struct attempt_walk w = {{.visit = visit_attempt}, each, context};
    sqlite3_bind_int64(self(r)->outbox[OUTBOX_ATTEMPTS], 1, delivery);
    return sqlite_walk(self(r)->db, self(r)->outbox[OUTBOX_ATTEMPTS], &w.walk, f);
}

const struct store_outbox_ops sqlite_outbox = {
    .waiting = waiting,
    .of_delivery = of_delivery,
    .settle = settle,
    .silences = silences,
    .unsilence = unsilence,
    .count = count,
    .open = open_delivery,
    .seal = seal,
    .openings = openings,
    .advance = advance,
    .ends = ends,
    .follow = follow,
    .record = record,
    .give_up = give_up,
    .pending = pending,
    .list = list,
    .attempts = attempts,
};
