// SPDX-License-Identifier: MIT
// inspect.c: looks into a database of PostgreSQL from outside, beside nodes or without them.
//
// A long look would keep every row version that commits leave behind meanwhile, and they write the
// same few rows again and again. So history is looked at in slices of time, as long as one takes
// about a second, and the ledger job by job. The server looks after its pages, and keeps the types
// of its columns; what the rows hold of words and numbers is asked of the jobs, which people edit.

#include "store/postgres/reader_priv.h"

#include <stdio.h>

#define FINDINGS_MAX 20     // Findings of one kind.
#define SNAPSHOT_MS 4000    // A transaction of the ledger is not gone on with after this.
#define SLICE_SHORT_MS 250  // What took less is followed by a longer slice of time,
#define SLICE_LONG_MS 1000  // and what took more by a shorter one.
#define SLICE_FIRST 3600000 // An hour of history.
#define JOBS_PER_QUERY 1000
#define ROWS_PER_QUERY 5000

struct postgres_inspection {
    struct store_inspection inspection;
    struct reader reader;
};

static void close_inspection(struct store_inspection *inspection)
{
    struct postgres_inspection *i = (struct postgres_inspection *)inspection;
    link_fini(&i->reader.link);
    free(i);
}

struct integers_walk {
    struct walk walk;
    int64_t of[4];
};

static enum err visit_integers(struct walk *walk, struct result_row *r, struct fault *f)
{
    (void)f;
    for (int c = 0; c < PQnfields(r->result); c++)
        ((struct integers_walk *)walk)->of[c] = result_integer(r, c);
    return ERR_OK;
}

// The numbers of the only row; 0 for NULL.
static enum err ask_integers(struct reader *r, const char *sql, struct parameters *p,
                             struct integers_walk *w, struct fault *f)
{
    *w = (struct integers_walk){.walk = {.visit = visit_integers}};
    return reader_ask(r, sql, p, &w->walk, f);
}

static enum err check_ours(struct reader *r, struct fault *f)
{
    static const char ours[] =
        "SELECT (to_regclass('carillon') IS NOT NULL AND to_regclass('shards') IS NOT NULL)::int";
    struct parameters none = {0};
    struct integers_walk w;
    enum err err = ask_integers(r, ours, &none, &w, f);
    if (!err && !w.of[0])
        err = fault_set(f, ERR_STORE_OPEN, "this is no database of Carillon");
    if (!err)
        err = ask_integers(r, "SELECT version, shards FROM carillon", &none, &w, f);
    if (!err && w.of[0] != postgres_schema_version)
        err = fault_set(f, ERR_STORE_OPEN,
                        "its tables are those of another version of Carillon (schema %lld; this "
                        "one knows %d)",
                        (long long)w.of[0], postgres_schema_version);
    if (!err)
        r->shards = (uint32_t)w.of[1];
    return err;
}

// --- Findings --------------------------------------------------------------------------------

struct look {
    struct reader *reader;
    store_finding *found;
    void *context;
    unsigned count; // Findings of one kind.
};

static void find(struct look *l, const char *what)
{
    char text[JOB_DAMAGED_BYTES + 256];
    if (++l->count > FINDINGS_MAX + 1)
        return;
    snprintf(text, sizeof text, "%s", l->count <= FINDINGS_MAX ? what : "and more");
    for (char *end = text; (end = strchr(end, '\n'));)
        *end = ' '; // A finding is one line.
    l->found(l->context, text);
}

struct finding_walk {
    struct walk walk;
    struct look *look;
};

static enum err visit_finding(struct walk *walk, struct result_row *r, struct fault *f)
{
    const char *text = result_text(r, 0);
    (void)f;
    find(((struct finding_walk *)walk)->look, text ? text : "NULL");
    return ERR_OK;
}

static enum err ask_findings(struct look *l, const char *sql, struct parameters *p, struct fault *f)
{
    struct finding_walk w = {{.visit = visit_finding}, l};
    return reader_ask(l->reader, sql, p, &w.walk, f);
}

// --- Slices of time --------------------------------------------------------------------------

// $1 and $2 are the slice. Each finds the rows of which something is not as it must be; whether a
// failure had to raise an alert is known only of jobs that raise one for each, and only since they
// last changed.
#define ALERT                                                                                      \
    "(SELECT FROM alerts a WHERE a.scheduled_at = e.scheduled_at AND a.execution_id = e.id)"
#define OF_EXECUTION "'execution ' || e.id || ' of job ' || e.job_id"
static const char promises[] =
    "SELECT what FROM (SELECT CASE"
    " WHEN (e.status IN ('PENDING', 'RUNNING')) <> (e.completed_at IS NULL) THEN"
    "  'a row is terminal without an end, or has an end and is not terminal: '"
    " WHEN e.completed_at IS NULL AND e.scheduled_at < s.open_from AND NOT EXISTS (SELECT"
    "  FROM lingering_executions l WHERE l.execution_id = e.id) THEN"
    "  'a gain of its shard would not find an open row: '"
    " WHEN e.status = 'MISSED' AND (e.missed_to IS NULL OR e.missed_to < e.scheduled_at"
    "  OR e.missed_count IS NULL OR e.missed_count < 1) THEN"
    "  'a missed range has no end, or no occurrences: '"
    " WHEN e.status = 'MISSED' AND NOT EXISTS " ALERT " THEN 'a missed range has no alert: '"
    " WHEN e.status = 'FAILED' AND NOT EXISTS " ALERT " AND EXISTS (SELECT FROM jobs j"
    "  WHERE j.id = e.job_id AND j.alert_after = 1 AND (j.version = 1"
    "   OR e.completed_at > j.updated_at)) THEN 'a failure has no alert: '"
    " WHEN e.id >= s.execution_next * c.shards + s.id THEN 'an id would be given twice: '"
    " END || " OF_EXECUTION " AS what FROM job_executions e CROSS JOIN carillon c"
    " JOIN shards s ON s.id = e.job_id % c.shards"
    " WHERE e.scheduled_at >= $1 AND e.scheduled_at < $2) AS found WHERE what IS NOT NULL LIMIT 22";
static const char references[] =
    "SELECT 'it is of no job: ' || " OF_EXECUTION " FROM job_executions e"
    " WHERE e.scheduled_at >= $1 AND e.scheduled_at < $2"
    "  AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = e.job_id)"
    " UNION ALL SELECT 'an attempt is of no execution: ' || t.execution_id FROM job_attempts t"
    " WHERE t.scheduled_at >= $1 AND t.scheduled_at < $2 AND NOT EXISTS (SELECT"
    "  FROM job_executions e WHERE e.scheduled_at = t.scheduled_at AND e.id = t.execution_id)"
    " UNION ALL SELECT 'an alert is of no execution: ' || a.id FROM alerts a"
    " WHERE a.scheduled_at >= $1 AND a.scheduled_at < $2 AND NOT EXISTS (SELECT"
    "  FROM job_executions e WHERE e.scheduled_at = a.scheduled_at AND e.id = a.execution_id)"
    " LIMIT 22";

static int64_t next_length(int64_t length, dur_ms took)
{
    if (took > SLICE_LONG_MS)
        return MAX(length / 4, 1000);
    return took < SLICE_SHORT_MS ? MIN(length * 2, (int64_t)1 << 45) : length;
}

static enum err ask_slices(struct look *l, const char *sql, struct fault *f)
{
    struct parameters p = {0};
    struct integers_walk ends;
    int64_t length = SLICE_FIRST;
    l->count = 0;
    enum err err = ask_integers(
        l->reader, "SELECT min(scheduled_at), max(scheduled_at) FROM job_executions", &p, &ends, f);
    int64_t at = ends.of[0];
    while (!err && at <= ends.of[1]) {
        mono_ms begun = clock_mono_ms();
        parameter_integer(&p, at);
        at += length;
        parameter_integer(&p, at);
        err = ask_findings(l, sql, &p, f);
        length = next_length(length, clock_mono_ms() - begun);
    }
    return err;
}

// --- The checks ------------------------------------------------------------------------------

// Findings of the tables that are small beside history.
static const char *const of_shards[] = {
    "SELECT 'a job has no version: job ' || id FROM jobs"
    " WHERE NOT EXISTS (SELECT FROM job_versions v WHERE v.job_id = jobs.id) LIMIT 22",
    "SELECT 'an id would be given twice: job ' || j.last FROM (SELECT id % (SELECT shards"
    "  FROM carillon) AS shard, max(id) AS last FROM jobs GROUP BY 1) AS j"
    " JOIN shards s ON s.id = j.shard CROSS JOIN carillon c"
    " WHERE j.last >= s.job_next * c.shards + s.id",
    "SELECT 'a shard is owned by a node that is not there: ' || s.id FROM shards s"
    " WHERE owner IS NOT NULL AND NOT EXISTS (SELECT FROM nodes WHERE nodes.id = s.owner)",
};

static enum err check_promises(struct look *l, struct fault *f)
{
    struct parameters none = {0};
    enum err err = ask_slices(l, promises, f);
    for (size_t i = 0; i < COUNT_OF(of_shards) && !err; i++) {
        l->count = 0;
        err = ask_findings(l, of_shards[i], &none, f);
    }
    return err;
}

static enum err check_references(struct look *l, struct fault *f)
{
    return ask_slices(l, references, f);
}

struct jobs_walk {
    struct walk walk;
    struct look *look;
    job_id last; // 0: there was none.
};

static enum err visit_job(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct jobs_walk *w = (struct jobs_walk *)walk;
    struct job ignored;
    char damaged[JOB_DAMAGED_BYTES], text[JOB_DAMAGED_BYTES + 64];
    (void)f;
    w->last = result_integer(r, 0);
    if (!job_row_read(result_cell, r, &ignored, damaged))
        snprintf(damaged, sizeof damaged, "id");
    snprintf(text, sizeof text, "table jobs, row %lld: %s", (long long)w->last, damaged);
    if (*damaged)
        find(w->look, text);
    return ERR_OK;
}

// Each action that the audit has, by a step from one to the next in an index: there may be very
// many entries.
static const char actions[] =
    "WITH RECURSIVE found AS (SELECT min(action) AS action FROM audit UNION ALL"
    " SELECT (SELECT min(a.action) FROM audit a WHERE a.action > f.action) FROM found f"
    "  WHERE f.action IS NOT NULL)"
    " SELECT 'table audit: action holds ''' || left(action, 80) || '''' FROM found"
    " WHERE action IS NOT NULL AND action <> ALL ($1) LIMIT 22";

static enum err check_audit(struct look *l, struct fault *f)
{
    struct parameters p = {0};
    l->count = 0;
    parameter_array(&p, true, AUDIT_ACTIONS);
    for (int action = 0; action < AUDIT_ACTIONS; action++)
        parameter_put_text(&p, enum_word(&audit_action_words, action));
    parameter_array_end(&p);
    return ask_findings(l, actions, &p, f);
}

static enum err check_rows(struct look *l, struct fault *f)
{
    char sql[SQL_BYTES];
    struct jobs_walk w = {{.visit = visit_job}, l, 0};
    enum err err = ERR_OK;
    int64_t after;
    reader_select(sql, &job_rows, " WHERE id > $1 ORDER BY id LIMIT $2");
    do {
        struct parameters p = {0};
        after = w.last;
        parameter_integer(&p, after);
        parameter_integer(&p, JOBS_PER_QUERY);
        err = reader_ask(l->reader, sql, &p, &w.walk, f);
    } while (!err && w.last > after);
    return err ? err : check_audit(l, f);
}

static enum err inspect(struct store_inspection *i, enum store_check c, store_finding *found,
                        void *context, struct fault *f)
{
    static enum err (*const checks[STORE_CHECKS])(struct look * l, struct fault * f) = {
        [STORE_CHECK_ROWS] = check_rows,
        [STORE_CHECK_REFERENCES] = check_references,
        [STORE_CHECK_PROMISES] = check_promises,
    };
    struct look l = {&((struct postgres_inspection *)i)->reader, found, context, 0};
    return checks[c](&l, f);
}

// --- The ledger ------------------------------------------------------------------------------

struct ledger_walk {
    struct walk walk;
    struct reader *reader;
    const struct store_ledger_visitor *visitor;
    struct job_versions versions;
    job_id job;
    mono_ms begun; // The transaction.
    wall_ms at;    // The last row that was seen,
    int64_t series;
    size_t found; // and how many the last query had.
    bool is_ranges;
};

static enum err run(struct reader *r, const char *sql, struct fault *f)
{
    struct parameters none = {0};
    struct integers_walk w;
    return ask_integers(r, sql, &none, &w, f);
}

static enum err begin(struct ledger_walk *w, struct fault *f)
{
    w->begun = clock_mono_ms();
    return run(w->reader, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", f);
}

static enum err add_version(void *context, const struct job_version *v)
{
    job_versions_add(context, v);
    return ERR_OK;
}

static enum err visit_record(struct walk *walk, struct result_row *r, struct fault *f)
{
    struct ledger_walk *w = (struct ledger_walk *)walk;
    struct store_record record = {.scheduled_at = result_integer(r, 0),
                                  .series = result_integer(r, 1),
                                  .missed_to = w->is_ranges ? result_integer(r, 2) : 0};
    (void)f;
    w->at = record.scheduled_at;
    w->series = record.series;
    w->found++;
    return w->visitor->record(w->visitor->context, &record);
}

static enum err read_records(struct ledger_walk *w, bool is_ranges, struct fault *f)
{
    static const char sql[] =
        "SELECT scheduled_at, series, missed_to FROM job_executions WHERE job_id = $1"
        " AND (scheduled_at, series) > ($2, $3) AND series >= 0 AND ($4 = 0 OR status = 'MISSED')"
        " ORDER BY scheduled_at, series LIMIT $5";
    enum err err = ERR_OK;
    w->at = w->series = -1;
    w->is_ranges = is_ranges;
    w->walk = (struct walk){.visit = visit_record};
    do {
        struct parameters p = {0};
        const int64_t values[] = {w->job, w->at, w->series, is_ranges, ROWS_PER_QUERY};
        for (size_t i = 0; i < COUNT_OF(values); i++)
            parameter_integer(&p, values[i]);
        w->found = 0;
        if (clock_mono_ms() - w->begun > SNAPSHOT_MS) {
            err = run(w->reader, "COMMIT", f);
            if (!err)
                err = begin(w, f);
        }
        if (!err)
            err = reader_ask(w->reader, sql, &p, &w->walk, f);
        parameters_fini(&p);
    } while (!err && w->found == ROWS_PER_QUERY);
    return err;
}

static enum err read_job(struct ledger_walk *w, struct fault *f)
{
    const struct store_ledger_visitor *v = w->visitor;
    struct store_progress progress;
    enum err err = postgres_read_progress(&w->reader->reader, w->job, &progress, f);
    if (!err)
        err = postgres_list_versions(&w->reader->reader, w->job, add_version, &w->versions, f);
    if (!err)
        err = v->job(v->context, &w->versions, &progress);
    if (!err)
        err = read_records(w, true, f);
    if (!err)
        err = read_records(w, false, f);
    return err ? err : v->job_end(v->context);
}

// w->job becomes 0 after the last.
static enum err walk_job(struct ledger_walk *w, struct fault *f)
{
    struct parameters p = {0};
    struct integers_walk next;
    enum err err = begin(w, f);
    if (err)
        return err;
    parameter_integer(&p, w->job);
    err = ask_integers(w->reader, "SELECT min(job_id) FROM job_versions WHERE job_id > $1", &p,
                       &next, f);
    w->job = next.of[0];
    if (!err && w->job)
        err = read_job(w, f);
    job_versions_fini(&w->versions);
    if (err)
        link_cut(&w->reader->link);
    return err ? err : run(w->reader, "COMMIT", f);
}

static enum err inspect_ledger(struct store_inspection *i, const struct store_ledger_visitor *v,
                               struct fault *f)
{
    struct ledger_walk w = {.reader = &((struct postgres_inspection *)i)->reader, .visitor = v};
    enum err err;
    do
        err = walk_job(&w, f);
    while (!err && w.job);
    return err;
}

static const struct store_inspection_ops ops = {
    .close = close_inspection,
    .inspect = inspect,
    .inspect_ledger = inspect_ledger,
    .has =
        {[STORE_CHECK_ROWS] = true, [STORE_CHECK_REFERENCES] = true, [STORE_CHECK_PROMISES] = true},
};

enum err postgres_inspection_open(const char *url, struct store_inspection **out, struct fault *f)
{
    struct postgres_inspection *i = xcalloc(1, sizeof *i);
    i->inspection.ops = &ops;
    link_init(&i->reader.link, url);
    enum err err = link_connect(&i->reader.link, f);
    if (!err)
        err = check_ours(&i->reader, f);
    if (err) {
        close_inspection(&i->inspection);
        return err;
    }
    *out = &i->inspection;
    return ERR_OK;
}
