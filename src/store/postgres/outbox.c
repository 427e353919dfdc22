// SPDX-License-Identifier: MIT
// outbox.c: waiting alerts and deliveries in PostgreSQL, on the connection of a registry.
//
// A change is one statement, which first holds the row of the leader, if its epoch is the one that
// the caller tells for: a node that leads no more changes nothing.

#include "store/postgres/registry_priv.h"

#include <stdio.h>

#define SQL_BYTES 8192

// What stands behind an alert's own columns, in this order.
enum { SCHEDULED_AT, SERIES, JOB_NAME, JOB_TAGS, JOB_CHANNELS, OPENER, OPENER_CHANNELS };

#define MORE_OF_ALERT                                                                              \
    "scheduled_at, series, (SELECT name FROM jobs WHERE jobs.id = alerts.job_id),"                 \
    " (SELECT tags FROM jobs WHERE jobs.id = alerts.job_id),"                                      \
    " (SELECT alert_channels FROM jobs WHERE jobs.id = alerts.job_id),"                            \
    " (SELECT o.telling FROM alerts AS o WHERE o.id = alerts.incident_id AND o.id <> alerts.id),"  \
    " (SELECT string_agg(d.channel_id || ',', '') FROM delivery_alerts AS l"                       \
    "   JOIN deliveries AS d ON d.id = l.delivery_id WHERE l.alert_id = alerts.incident_id"        \
    "   AND alerts.incident_id <> alerts.id)"

// Alerts that opened an incident, which a silence keeps from people, and whose incident no alert of
// one of the kinds $1 has closed.
#define SILENCED                                                                                   \
    " telling = 'silenced' AND id = incident_id AND NOT EXISTS (SELECT FROM alerts AS c"           \
    "  WHERE c.incident_id = alerts.id AND c.kind = ANY ($1))"

// Whether the job of alert `a` still has the alert's incident; see ledger/incident.c.
#define IS_OPEN                                                                                    \
    "EXISTS (SELECT FROM jobs AS j WHERE j.id = a.job_id AND j.deleted_at IS NULL"                 \
    " AND strpos(replace(j.trouble, 'openings:', ''), ':' || a.incident_id || ',') > 0)"

// The first parameter of a change is the epoch.
#define FENCE                                                                                      \
    "WITH fence AS MATERIALIZED (SELECT id FROM leader WHERE $1 = 0 OR epoch = $1 FOR SHARE)"

// The caller clears *out.
static enum err ask(struct store_registry *r, const char *sql, struct parameters *p, PGresult **out,
                    struct fault *f)
{
    return postgres_registry_run(r, sql, p, out, f);
}

// The statement answers with one row: whether the fence held, and how many rows it changed.
static enum err change(struct store_registry *r, const char *sql, struct parameters *p,
                       int64_t *changed, struct fault *f)
{
    PGresult *result;
    enum err err = postgres_registry_change(r, sql, p, &result, f);
    if (err)
        return err;
    struct result_row row = {result, 0};
    bool held = result_integer(&row, 0) > 0;
    *changed = result_integer(&row, 1);
    PQclear(result);
    return held ? ERR_OK : fault_set(f, ERR_FENCED, "another node leads");
}

static enum err change_row(struct store_registry *r, const char *sql, struct parameters *p,
                           struct fault *f)
{
    int64_t changed = 0;
    enum err err = change(r, sql, p, &changed, f);
    if (!err && changed == 0)
        err = fault_set(f, ERR_CONFLICT, "the delivery is not as it was");
    return err;
}

static void add_kinds(struct parameters *p, uint64_t kinds)
{
    size_t count = 0;
    for (int i = 0; i < ALERT_KINDS; i++)
        count += (kinds & ALERT_KIND_BIT(i)) != 0;
    parameter_array(p, true, count);
    for (int i = 0; i < ALERT_KINDS; i++)
        if (kinds & ALERT_KIND_BIT(i))
            parameter_put_text(p, alert_kind_name((enum alert_kind)i));
    parameter_array_end(p);
}

// --- Alerts ----------------------------------------------------------------------------------

static enum err tell_alert(const struct result_row *r, store_each_outbox_alert *each, void *context,
                           struct fault *f)
{
    struct outbox_alert a = {0};
    int at = (int)alert_rows.count;
    int word;
    if (result_read(&alert_rows, r, &a.alert, f))
        return ERR_OK; // Somebody has edited the row: it is left out, as of lists.
    a.alert.key.job = a.alert.job;
    a.alert.key.scheduled_at = result_integer(r, at + SCHEDULED_AT);
    a.alert.key.series = result_integer(r, at + SERIES);
    if (a.alert.key.scheduled_at <= 0 || a.alert.key.scheduled_at > WALL_LAST)
        a.alert.execution_id = 0;
    a.job_name = result_text(r, at + JOB_NAME);
    a.job_tags = result_text(r, at + JOB_TAGS);
    a.job_channels = result_text(r, at + JOB_CHANNELS);
    const char *opener = result_text(r, at + OPENER);
    if (opener && enum_find(&alert_telling_words, opener, &word))
        a.opener = (enum alert_telling)word;
    a.opener_channels = result_text(r, at + OPENER_CHANNELS);
    return each(context, &a);
}

static enum err each_alert(struct store_registry *registry, const char *rest, struct parameters *p,
                           store_each_outbox_alert *each, void *context, struct fault *f)
{
    char names[SQL_BYTES / 4], sql[SQL_BYTES];
    PGresult *result;
    row_names(&alert_rows, names, sizeof names);
    snprintf(sql, sizeof sql, "SELECT %s, " MORE_OF_ALERT " FROM alerts %s", names, rest);
    enum err err = ask(registry, sql, p, &result, f);
    if (err)
        return err;
    struct result_row r = {result, 0};
    for (int found = PQntuples(result); r.row < found && !err; r.row++)
        err = tell_alert(&r, each, context, f);
    PQclear(result);
    return err;
}

static enum err waiting(struct store_registry *r, size_t limit, store_each_outbox_alert *each,
                        void *context, struct fault *f)
{
    struct parameters p = {0};
    parameter_integer(&p, (int64_t)limit);
    return each_alert(r, "WHERE telling = 'waiting' ORDER BY id LIMIT $1", &p, each, context, f);
}

static enum err of_delivery(struct store_registry *r, int64_t delivery, int64_t after, size_t limit,
                            store_each_outbox_alert *each, void *context, struct fault *f)
{
    struct parameters p = {0};
    parameter_integer(&p, delivery);
    parameter_integer(&p, after);
    parameter_integer(&p, (int64_t)limit);
    return each_alert(r,
                      "WHERE id IN (SELECT alert_id FROM delivery_alerts WHERE delivery_id = $1"
                      " AND alert_id > $2 ORDER BY alert_id LIMIT $3) ORDER BY id",
                      &p, each, context, f);
}

static void add_verdicts(struct parameters *p, const struct outbox_settlement *s)
{
    parameter_array(p, false, s->verdict_count);
    for (size_t i = 0; i < s->verdict_count; i++)
        parameter_put_integer(p, s->verdicts[i].alert);
    parameter_array_end(p);
    parameter_array(p, true, s->verdict_count);
    for (size_t i = 0; i < s->verdict_count; i++)
        parameter_put_text(p, alert_telling_name(s->verdicts[i].telling));
    parameter_array_end(p);
    parameter_array(p, false, s->verdict_count);
    for (size_t i = 0; i < s->verdict_count; i++)
        parameter_put_integer(p, s->verdicts[i].silence);
    parameter_array_end(p);
}

static void add_links(struct parameters *p, const struct outbox_settlement *s)
{
    parameter_array(p, false, s->link_count);
    for (size_t i = 0; i < s->link_count; i++)
        parameter_put_integer(p, s->links[i].delivery);
    parameter_array_end(p);
    parameter_array(p, false, s->link_count);
    for (size_t i = 0; i < s->link_count; i++)
        parameter_put_integer(p, s->links[i].alert);
    parameter_array_end(p);
}

static enum err settle(struct store_registry *r, int64_t epoch, const struct outbox_settlement *s,
                       struct fault *f)
{
    struct parameters p = {0};
    int64_t changed;
    parameter_integer(&p, epoch);
    add_verdicts(&p, s);
    add_links(&p, s);
    return change(r,
                  FENCE ", told AS (UPDATE alerts SET telling = v.telling,"
                        "  silence_id = nullif(v.silence, 0)"
                        "  FROM unnest($2::bigint[], $3::text[], $4::bigint[])"
                        "  AS v(id, telling, silence), fence"
                        "  WHERE alerts.id = v.id AND alerts.telling = 'waiting'),"
                        " linked AS (INSERT INTO delivery_alerts SELECT l.delivery, l.alert"
                        "  FROM unnest($5::bigint[], $6::bigint[]) AS l(delivery, alert), fence"
                        "  ON CONFLICT DO NOTHING)"
                        " SELECT count(*), 0 FROM fence",
                  &p, &changed, f);
}

static enum err silences(struct store_registry *r, uint64_t closing, int64_t *ids, size_t ids_max,
                         size_t *count, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    add_kinds(&p, closing);
    parameter_integer(&p, (int64_t)ids_max);
    enum err err = ask(
        r, "SELECT DISTINCT silence_id FROM alerts WHERE" SILENCED " ORDER BY silence_id LIMIT $2",
        &p, &result, f);
    if (err)
        return err;
    struct result_row row = {result, 0};
    for (int found = PQntuples(result); row.row < found; row.row++)
        ids[row.row] = result_integer(&row, 0);
    *count = (size_t)PQntuples(result);
    PQclear(result);
    return ERR_OK;
}

static enum err unsilence(struct store_registry *r, int64_t epoch, int64_t silence,
                          uint64_t closing, struct fault *f)
{
    struct parameters p = {0};
    int64_t changed;
    add_kinds(&p, closing);
    parameter_integer(&p, epoch);
    parameter_integer(&p, silence);
    return change(r,
                  "WITH fence AS MATERIALIZED (SELECT id FROM leader WHERE $2 = 0 OR epoch = $2"
                  " FOR SHARE), done AS (UPDATE alerts SET telling = 'waiting', silence_id = NULL"
                  " FROM fence WHERE alerts.silence_id = $3 AND alerts.telling = 'silenced'"
                  " AND alerts.id = alerts.incident_id AND NOT EXISTS (SELECT FROM alerts AS c"
                  "  WHERE c.incident_id = alerts.id AND c.kind = ANY ($1)))"
                  " SELECT count(*), 0 FROM fence",
                  &p, &changed, f);
}

static enum err count(struct store_registry *r, struct outbox_counts *out, struct fault *f)
{
    PGresult *result;
    struct parameters p = {0};
    enum err err = ask(r,
                       "SELECT count(*), coalesce(min(created_at), 0),"
                       " (SELECT count(*) FROM deliveries WHERE state = 'PENDING')"
                       " FROM alerts WHERE telling = 'waiting'",
                       &p, &result, f);
    if (err)
        return err;
    struct result_row row = {result, 0};
    *out = (struct outbox_counts){.waiting = result_integer(&row, 0),
                                  .oldest_at = result_integer(&row, 1),
                                  .pending = result_integer(&row, 2)};
    PQclear(result);
    return ERR_OK;
}

// --- Deliveries ------------------------------------------------------------------------------

static enum err open_delivery(struct store_registry *r, int64_t epoch, struct delivery *d,
                              struct fault *f)
{
    struct parameters p = {0};
    int64_t id;
    parameter_integer(&p, epoch);
    parameter_integer(&p, d->channel);
    parameter_text(&p, d->channel_name);
    parameter_integer(&p, d->is_test);
    parameter_integer(&p, d->window_ms);
    parameter_integer(&p, d->created_at);
    parameter_integer_or_null(&p, d->next_attempt_at, 0);
    enum err err = change(r,
                          FENCE ", new AS (INSERT INTO deliveries (channel_id, channel_name, state,"
                                " is_test, window_ms, attempts, created_at, next_attempt_at,"
                                " alert_count) SELECT $2, $3, 'PENDING', $4, $5, 0, $6, $7, 0"
                                " FROM fence RETURNING id)"
                                " SELECT (SELECT count(*) FROM fence), (SELECT id FROM new)",
                          &p, &id, f);
    if (!err)
        d->id = id;
    return err;
}

static enum err seal(struct store_registry *r, int64_t epoch, int64_t id,
                     const struct delivery_seal *s, struct fault *f)
{
    struct parameters p = {0};
    parameter_integer(&p, epoch);
    parameter_integer(&p, id);
    parameter_text(&p, s->message);
    parameter_integer(&p, s->alert_count);
    parameter_text(&p, s->dedup_key);
    parameter_integer_or_null(&p, s->watched, 0);
    return change_row(r,
                      FENCE ", done AS (UPDATE deliveries SET message = $3, alert_count = $4,"
                            "  dedup_key = $5, watched_alert = $6"
                            "  FROM fence WHERE deliveries.id = $2 AND state = 'PENDING'"
                            "  AND message IS NULL RETURNING channel_id),"
                            " taken_over AS (UPDATE deliveries SET watched_alert = NULL FROM done"
                            "  WHERE deliveries.dedup_key = $5"
                            "  AND deliveries.watched_alert IS NOT NULL AND deliveries.id <> $2"
                            "  AND deliveries.channel_id = done.channel_id)"
                            " SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM done)",
                      &p, f);
}

static enum err record(struct store_registry *r, int64_t epoch, const struct delivery_attempt *a,
                       const struct delivery_after *after, struct fault *f)
{
    struct parameters p = {0};
    parameter_integer(&p, epoch);
    parameter_integer(&p, a->delivery);
    parameter_integer(&p, a->number);
    parameter_text(&p, delivery_state_name(after->state));
    parameter_integer_or_null(&p, after->next_attempt_at, 0);
    parameter_integer_or_null(&p, after->finished_at, 0);
    parameter_integer_or_null(&p, a->http_status, 0);
    parameter_text(&p, a->error);
    parameter_integer(&p, a->started_at);
    parameter_integer(&p, a->duration_ms);
    parameter_integer_or_null(&p, a->dns_ms, -1);
    parameter_integer_or_null(&p, a->connect_ms, -1);
    parameter_integer_or_null(&p, a->tls_ms, -1);
    parameter_integer_or_null(&p, a->first_byte_ms, -1);
    return change_row(
        r,
        FENCE
        ", done AS (UPDATE deliveries SET attempts = $3, state = $4, next_attempt_at = $5,"
        "  finished_at = $6, http_status = $7, error = $8,"
        "  watched_alert = CASE WHEN $4 = 'FAILED' THEN NULL ELSE watched_alert END FROM fence"
        "  WHERE deliveries.id = $2 AND attempts = $3 - 1 AND state = 'PENDING'"
        "  AND message IS NOT NULL RETURNING 1),"
        " added AS (INSERT INTO delivery_attempts (delivery_id, number, started_at,"
        "  duration_ms, http_status, error, dns_ms, connect_ms, tls_ms, first_byte_ms)"
        "  SELECT $2, $3, $9, $10, $7, $8, $11, $12, $13, $14 FROM done)"
        " SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM done)",
        &p, f);
}

static enum err give_up(struct store_registry *r, int64_t epoch, int64_t id, const char *why,
                        wall_ms now, struct fault *f)
{
    struct parameters p = {0};
    parameter_integer(&p, epoch);
    parameter_integer(&p, id);
    parameter_text(&p, why);
    parameter_integer(&p, now);
    return change_row(r,
                      FENCE ", done AS (UPDATE deliveries SET state = 'FAILED', error = $3,"
                            " watched_alert = NULL, next_attempt_at = NULL, finished_at = $4"
                            " FROM fence"
                            " WHERE deliveries.id = $2 AND state = 'PENDING' RETURNING 1)"
                            " SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM done)",
                      &p, f);
}

// --- What is open at channels ------------------------------------------------------------------

static enum err openings(struct store_registry *r, int64_t after, size_t limit,
                         store_each_opening *each, void *context, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    parameter_integer(&p, after);
    parameter_integer(&p, (int64_t)limit);
    enum err err =
        ask(r,
            "SELECT d.id, d.channel_id, d.channel_name, d.dedup_key, d.alert_count,"
            " coalesce(a.incident_id, 0), (NOT " IS_OPEN ")::int, coalesce(CASE WHEN"
            "  d.is_acknowledged = 0 THEN (SELECT min(k.id) FROM alerts AS k"
            "   WHERE k.incident_id = a.incident_id AND k.acknowledged_at IS NOT NULL) END, 0)"
            " FROM deliveries AS d LEFT JOIN alerts AS a ON a.id = d.watched_alert"
            " WHERE d.watched_alert IS NOT NULL AND d.id > $1 ORDER BY d.id LIMIT $2",
            &p, &result, f);
    if (err)
        return err;
    struct result_row row = {result, 0};
    for (int found = PQntuples(result); row.row < found && !err; row.row++) {
        struct outbox_opening o = {
            .delivery = result_integer(&row, 0),
            .channel = result_integer(&row, 1),
            .channel_name = result_text(&row, 2),
            .dedup_key = result_text(&row, 3),
            .alert_count = result_integer(&row, 4),
            .incident = result_integer(&row, 5),
            .is_over = result_integer(&row, 6) != 0,
            .acknowledged = result_integer(&row, 7),
        };
        err = each(context, &o);
    }
    PQclear(result);
    return err;
}

static enum err advance(struct store_registry *r, int64_t epoch, int64_t delivery, bool *moved,
                        struct fault *f)
{
    struct parameters p = {0};
    int64_t changed = 0;
    parameter_integer(&p, epoch);
    parameter_integer(&p, delivery);
    parameter_integer(&p, OUTBOX_PAGE);
    enum err err =
        change(r,
               FENCE ", next AS MATERIALIZED (SELECT alert_id FROM delivery_alerts"
                     "  WHERE delivery_id = $2 AND alert_id >"
                     "   (SELECT watched_alert FROM deliveries WHERE id = $2)"
                     "  ORDER BY alert_id LIMIT $3),"
                     " done AS (UPDATE deliveries SET watched_alert = coalesce((SELECT min(a.id)"
                     "   FROM next JOIN alerts AS a ON a.id = next.alert_id WHERE " IS_OPEN "),"
                     "   (SELECT max(alert_id) FROM next)) FROM fence WHERE deliveries.id = $2"
                     "  AND watched_alert IS NOT NULL AND EXISTS (SELECT FROM next) RETURNING 1)"
                     " SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM done)",
               &p, &changed, f);
    if (!err)
        *moved = changed > 0;
    return err;
}

static enum err ends(struct store_registry *r, int64_t delivery, size_t limit,
                     store_each_outbox_alert *each, void *context, struct fault *f)
{
    struct parameters p = {0};
    parameter_integer(&p, delivery);
    parameter_integer(&p, (int64_t)limit);
    return each_alert(r,
                      "WHERE id IN (SELECT (SELECT max(e.id) FROM alerts AS e"
                      "  WHERE e.incident_id = o.incident_id) FROM (SELECT alert_id"
                      "  FROM delivery_alerts WHERE delivery_id = $1 ORDER BY alert_id LIMIT $2)"
                      "  AS l JOIN alerts AS o ON o.id = l.alert_id"
                      "  WHERE o.incident_id IS NOT NULL) ORDER BY id",
                      &p, each, context, f);
}

static void add_followed(struct parameters *p, const struct opening_follow *w)
{
    parameter_integer(p, w->opening);
    parameter_integer(p, w->ends);
    parameter_array(p, false, w->alert_count);
    for (size_t i = 0; i < w->alert_count; i++)
        parameter_put_integer(p, w->alerts[i]);
    parameter_array_end(p);
}

static enum err follow(struct store_registry *r, int64_t epoch, const struct opening_follow *w,
                       struct delivery *d, struct fault *f)
{
    struct parameters p = {0};
    int64_t id = 0;
    parameter_integer(&p, epoch);
    add_followed(&p, w);
    parameter_integer(&p, d->channel);
    parameter_text(&p, d->channel_name);
    parameter_integer(&p, d->created_at);
    parameter_integer(&p, d->next_attempt_at);
    parameter_text(&p, d->message);
    parameter_integer(&p, d->alert_count);
    enum err err =
        change(r,
               FENCE ", opening AS (UPDATE deliveries SET is_acknowledged = 1,"
                     "  watched_alert = CASE WHEN $3 = 0 THEN watched_alert END FROM fence"
                     "  WHERE deliveries.id = $2 AND watched_alert IS NOT NULL"
                     "  AND ($3 = 1 OR is_acknowledged = 0) RETURNING 1),"
                     " new AS (INSERT INTO deliveries (channel_id, channel_name, state, is_test,"
                     "  window_ms, attempts, created_at, next_attempt_at, message, alert_count)"
                     "  SELECT $5, $6, 'PENDING', 0, 0, 0, $7, $8, $9, $10 FROM opening"
                     "  RETURNING id),"
                     " linked AS (INSERT INTO delivery_alerts SELECT new.id, a.id"
                     "  FROM new, unnest($4::bigint[]) AS a(id))"
                     " SELECT (SELECT count(*) FROM fence),"
                     "  coalesce((SELECT id FROM new), 0)",
               &p, &id, f);
    if (!err && id == 0)
        err = fault_set(f, ERR_CONFLICT, "the delivery is not as it was");
    if (!err)
        d->id = id;
    return err;
}

// --- Reading deliveries ------------------------------------------------------------------------

static enum err each_delivery(struct store_registry *registry, const char *rest,
                              struct parameters *p, store_each_delivery *each, void *context,
                              struct fault *f)
{
    char names[SQL_BYTES / 4], sql[SQL_BYTES];
    PGresult *result;
    row_names(&delivery_rows, names, sizeof names);
    snprintf(sql, sizeof sql, "SELECT %s FROM deliveries WHERE %s", names, rest);
    enum err err = ask(registry, sql, p, &result, f);
    if (err)
        return err;
    struct result_row r = {result, 0};
    for (int found = PQntuples(result); r.row < found && !err; r.row++) {
        struct delivery d = {0};
        err = result_read(&delivery_rows, &r, &d, f);
        if (!err)
            err = each(context, &d);
    }
    PQclear(result);
    return err;
}

static enum err pending(struct store_registry *r, store_each_delivery *each, void *context,
                        struct fault *f)
{
    struct parameters p = {0};
    return each_delivery(r, "state = 'PENDING' ORDER BY id", &p, each, context, f);
}

static enum err list(struct store_registry *r, const struct delivery_query *q,
                     store_each_delivery *each, void *context, struct fault *f)
{
    struct parameters p = {0};
    const char *state = q->state < 0 ? NULL : delivery_state_name((enum delivery_state)q->state);
    parameter_integer(&p, q->id);
    parameter_integer(&p, q->alert);
    parameter_integer(&p, q->channel);
    parameter_text(&p, state);
    parameter_integer(&p, q->before ? q->before : INT64_MAX);
    parameter_integer(&p, (int64_t)MIN(q->limit, (size_t)INT32_MAX));
    return each_delivery(r,
                         "($1 = 0 OR id = $1) AND ($2 = 0 OR id IN (SELECT delivery_id"
                         " FROM delivery_alerts WHERE alert_id = $2))"
                         " AND ($3 = 0 OR channel_id = $3) AND ($4::text IS NULL OR state = $4)"
                         " AND id < $5 ORDER BY id DESC LIMIT $6",
                         &p, each, context, f);
}

static enum err attempts(struct store_registry *registry, int64_t delivery,
                         store_each_delivery_attempt *each, void *context, struct fault *f)
{
    char names[SQL_BYTES / 4], sql[SQL_BYTES];
    struct parameters p = {0};
    PGresult *result;
    parameter_integer(&p, delivery);
    row_names(&delivery_attempt_rows, names, sizeof names);
    snprintf(sql, sizeof sql,
             "SELECT %s FROM delivery_attempts WHERE delivery_id = $1 ORDER BY number", names);
    enum err err = ask(registry, sql, &p, &result, f);
    if (err)
        return err;
    struct result_row r = {result, 0};
    for (int found = PQntuples(result); r.row < found && !err; r.row++) {
        struct delivery_attempt a = {0};
        err = result_read(&delivery_attempt_rows, &r, &a, f);
        if (!err)
            err = each(context, &a);
    }
    PQclear(result);
    return err;
}

const struct store_outbox_ops postgres_outbox = {
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
