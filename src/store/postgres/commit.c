// SPDX-License-Identifier: MIT
// commit.c: many batches, one message, one transaction.
//
// The statement calls the fence, and for each table that has something to be written one function
// (functions.c), which the server runs only when the fence is open. When the answer is lost, the
// same call asks again: by the epochs and ticks of the shards the fence knows what was written.

#include "store/postgres/postgres_priv.h"

#include <assert.h>
#include <stdio.h>

#define CALL_BYTES 8192
#define TRIES_MAX 3 // At once, of a call that met days as they were made.

// The statement under way: its text, and the parameters that the text counts.
struct call {
    char text[CALL_BYTES];
    struct parameters parameters;
};

enum verdict { VERDICT_LOST, VERDICT_OPEN, VERDICT_REPLAY };

// Rows of one kind of change, in the order of the batches.
struct rows {
    const void **of;
    size_t count;
    size_t capacity;
};

static void rows_add(struct rows *r, const void *row)
{
    r->of = grow(r->of, r->count, &r->capacity, sizeof *r->of);
    r->of[r->count++] = row;
}

// "$5, $6, $7)": the parameters from the one numbered `first` on.
static void close_arguments(struct call *c, int first)
{
    for (int i = first; i < c->parameters.used; i++)
        row_append(c->text, CALL_BYTES, "%s$%d", i > first ? ", " : "", i + 1);
    row_append(c->text, CALL_BYTES, ")");
}

static int open_function(struct call *c, const char *name)
{
    row_append(c->text, CALL_BYTES, ", CASE WHEN f.verdict = %d THEN carillon_%s_1(", VERDICT_OPEN,
               name);
    return c->parameters.used;
}

static void close_function(struct call *c, int first)
{
    close_arguments(c, first);
    row_append(c->text, CALL_BYTES, " END");
}

// --- The fence -------------------------------------------------------------------------------

// What the commit holds of one shard.
struct span {
    const struct shard *last; // NULL: nothing.
    int64_t first_tick;
    int64_t inserted;
    bool is_broken; // The rows are of several epochs, or a tick is left out.
};

static void add_shard(struct span *spans, const struct shard *row)
{
    struct span *s = &spans[row->number];
    assert(row->tick > 0);
    if (!s->last)
        s->first_tick = row->tick;
    else
        s->is_broken |= row->epoch != s->last->epoch || row->tick != s->last->tick + 1;
    s->last = row;
}

static size_t find_spans(struct span *spans, uint32_t shards, struct batch *const *batches,
                         size_t count)
{
    size_t touched = 0;
    for (size_t b = 0; b < count; b++)
        for (size_t i = 0; i < batches[b]->count; i++)
            if (batches[b]->changes[i].kind == CHANGE_SHARD)
                add_shard(spans, &batches[b]->changes[i].row);
    for (uint32_t n = 0; n < shards; n++)
        touched += spans[n].last != NULL;
    return touched;
}

// Shards of which the commit cannot be one owner's are told from the others before anything is made
// of their rows: two epochs of one node may each have an end of an execution.
static enum err refuse_broken(const struct span *spans, uint32_t shards, struct commit_cause *cause)
{
    struct shard_set broken = {0};
    bool is_broken = false;
    for (uint32_t n = 0; n < shards; n++)
        if (spans[n].is_broken) {
            shard_set_add(&broken, n);
            is_broken = true;
        }
    return is_broken ? store_fence_cause(&broken, cause) : ERR_OK;
}

enum {
    ID,
    EPOCH,
    FIRST,
    LAST,
    WATERMARK,
    WATERMARK_JOB,
    JOB_NEXT,
    EXECUTION_NEXT,
    ALERT_NEXT,
    GENERATION,
    CORRECTED_AT,
    OPEN_FROM,
    INSERTED,
    FENCE_COLUMNS
};

static void fence_row(const struct span *s, int64_t out[static FENCE_COLUMNS])
{
    const struct shard *row = s->last;
    assert(!s->is_broken);
    out[ID] = row->number;
    out[EPOCH] = row->epoch;
    out[FIRST] = s->first_tick;
    out[LAST] = row->tick;
    out[WATERMARK] = row->watermark;
    out[WATERMARK_JOB] = row->watermark_job;
    out[JOB_NEXT] = row->job_next;
    out[EXECUTION_NEXT] = row->execution_next;
    out[ALERT_NEXT] = row->alert_next;
    out[GENERATION] = row->generation;
    out[CORRECTED_AT] = row->corrected_at;
    out[OPEN_FROM] = row->open_from;
    out[INSERTED] = s->inserted;
}

static void add_fence(struct call *c, const struct span *spans, uint32_t shards, size_t touched)
{
    int first = c->parameters.used;
    row_append(c->text, CALL_BYTES, " FROM carillon_fence_1(");
    for (int column = 0; column < FENCE_COLUMNS; column++) {
        parameter_array(&c->parameters, false, touched);
        for (uint32_t n = 0; n < shards; n++) {
            int64_t row[FENCE_COLUMNS];
            if (!spans[n].last)
                continue;
            fence_row(&spans[n], row);
            parameter_put_integer(&c->parameters, row[column]);
        }
        parameter_array_end(&c->parameters);
    }
    close_arguments(c, first);
    row_append(c->text, CALL_BYTES, " AS f");
}

// --- The tables ------------------------------------------------------------------------------

// A change of a job as a row of `jobs`, in which only the columns count that it changes.
static void job_row(const struct change *c, struct job *out)
{
    *out = job_defaults;
    if (c->kind == CHANGE_JOB_PUT)
        *out = *c->job;
    if (c->kind == CHANGE_JOB_DELETE)
        out->id = c->deleted.id;
    if (c->kind == CHANGE_VERSION)
        out->id = c->version.id;
    if (c->kind != CHANGE_JOB_STATE)
        return;
    out->id = c->state.id;
#define JOB_TEXT(...)
#define JOB_OF_PHASE(member) out->member = c->state.member;
#define JOB_OF_STATE JOB_OF_PHASE
#include "ledger/job.def"
    out->paused_reason = (char *)(uintptr_t)c->state.paused_reason;
    out->trouble = (char *)(uintptr_t)c->state.trouble;
}

static bool is_job_change(const struct change *c)
{
    return c->kind == CHANGE_JOB_PUT || c->kind == CHANGE_JOB_STATE ||
           c->kind == CHANGE_JOB_DELETE || c->kind == CHANGE_VERSION;
}

static void put_change_columns(struct parameters *p, const struct rows *changes)
{
    parameter_array(p, false, changes->count);
    for (size_t i = 0; i < changes->count; i++)
        parameter_put_integer(p, ((const struct change *)changes->of[i])->kind);
    parameter_array_end(p);
    parameter_array(p, false, changes->count);
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *c = changes->of[i];
        parameter_put_integer(p, c->kind == CHANGE_VERSION      ? c->version.from_at
                                 : c->kind == CHANGE_JOB_DELETE ? c->deleted.at
                                                                : 0);
    }
    parameter_array_end(p);
    parameter_array(p, true, changes->count);
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *c = changes->of[i];
        parameter_put_text(p, c->kind == CHANGE_VERSION ? job_phase_name(c->version.phase) : NULL);
    }
    parameter_array_end(p);
}

static void add_jobs(struct call *c, const struct rows *changes)
{
    if (changes->count == 0)
        return;
    struct job *jobs = xcalloc(changes->count, sizeof *jobs);
    struct rows rows = {0};
    for (size_t i = 0; i < changes->count; i++) {
        job_row(changes->of[i], &jobs[i]);
        rows_add(&rows, &jobs[i]);
    }
    int first = open_function(c, "jobs");
    put_change_columns(&c->parameters, changes);
    parameter_rows(&c->parameters, &job_rows, 0, rows.of, rows.count);
    close_function(c, first);
    free(rows.of);
    free(jobs);
}

static void put_times_of_attempts(struct parameters *p, const struct rows *attempts)
{
    parameter_array(p, false, attempts->count);
    for (size_t i = 0; i < attempts->count; i++)
        parameter_put_integer(p, ((const struct attempt *)attempts->of[i])->scheduled_at);
    parameter_array_end(p);
}

static void add_attempts(struct call *c, const char *function, const struct row_map *m,
                         const struct rows *attempts)
{
    if (attempts->count == 0)
        return;
    int first = open_function(c, function);
    put_times_of_attempts(&c->parameters, attempts);
    parameter_rows(&c->parameters, m, 0, attempts->of, attempts->count);
    close_function(c, first);
}

static void put_key_of_alert(struct parameters *p, const struct alert *a, int64_t value)
{
    if (a->execution_id)
        parameter_put_integer(p, value);
    else
        parameter_put_null(p);
}

static void add_alerts(struct call *c, const struct rows *alerts)
{
    if (alerts->count == 0)
        return;
    int first = open_function(c, "insert_alerts");
    for (int column = 0; column < 2; column++) {
        parameter_array(&c->parameters, false, alerts->count);
        for (size_t i = 0; i < alerts->count; i++) {
            const struct alert *a = alerts->of[i];
            put_key_of_alert(&c->parameters, a, column ? a->key.series : a->key.scheduled_at);
        }
        parameter_array_end(&c->parameters);
    }
    parameter_rows(&c->parameters, &alert_rows, 0, alerts->of, alerts->count);
    close_function(c, first);
}

static void add_acks(struct call *c, const struct rows *changes)
{
    if (changes->count == 0)
        return;
    int first = open_function(c, "ack_alerts");
    for (int column = 0; column < 2; column++) {
        parameter_array(&c->parameters, false, changes->count);
        for (size_t i = 0; i < changes->count; i++) {
            const struct change *change = changes->of[i];
            parameter_put_integer(&c->parameters, column ? change->ack.at : change->ack.id);
        }
        parameter_array_end(&c->parameters);
    }
    close_function(c, first);
}

static void add_rows(struct call *c, const char *function, const struct row_map *m,
                     const struct rows *rows)
{
    if (rows->count == 0)
        return;
    int first = open_function(c, function);
    parameter_rows(&c->parameters, m, 0, rows->of, rows->count);
    close_function(c, first);
}

// The database gives the ids, in the order of the rows.
static void add_audit(struct call *c, const struct rows *entries)
{
    if (entries->count == 0)
        return;
    int first = open_function(c, "insert_audit");
    parameter_rows(&c->parameters, &audit_rows, 1, entries->of, entries->count);
    close_function(c, first);
}

static void add_executions(struct call *c, const struct execution_write *writes, size_t count)
{
    struct rows inserts = {0}, updates = {0}, update_firsts = {0}, firsts = {0};
    for (size_t i = 0; i < count; i++) {
        const struct execution_write *w = &writes[i];
        bool is_update = w->has_row && !w->is_new;
        if (w->has_row)
            rows_add(is_update ? &updates : &inserts, &w->row);
        if (is_update)
            rows_add(&update_firsts, w->first);
        else if (w->first)
            rows_add(&firsts, w->first);
    }
    add_rows(c, "insert_executions", &execution_rows, &inserts);
    if (updates.count > 0) {
        int first = open_function(c, "update_executions");
        parameter_rows(&c->parameters, &execution_rows, 0, updates.of, updates.count);
        parameter_rows(&c->parameters, &first_attempt_rows, 1, update_firsts.of, updates.count);
        close_function(c, first);
    }
    add_attempts(c, "first_attempts", &first_attempt_rows, &firsts);
    free(inserts.of);
    free(updates.of);
    free(update_firsts.of);
    free(firsts.of);
}

// A number of each execution that the rows are.
static void put_numbers(struct parameters *p, const struct rows *executions,
                        int64_t (*number)(const struct execution *e))
{
    parameter_array(p, false, executions->count);
    for (size_t i = 0; i < executions->count; i++)
        parameter_put_integer(p, number(executions->of[i]));
    parameter_array_end(p);
}

static int64_t id_of(const struct execution *e)
{
    return e->id;
}

static int64_t time_of(const struct execution *e)
{
    return e->key.scheduled_at;
}

static void add_lingering(struct call *c, const struct execution_write *writes, size_t count)
{
    struct rows begin = {0}, end = {0};
    for (size_t i = 0; i < count; i++)
        if (writes[i].has_row && writes[i].row.lingers)
            rows_add(execution_state_is_terminal(writes[i].row.state) ? &end : &begin,
                     &writes[i].row);
    if (begin.count > 0 || end.count > 0) {
        int first = open_function(c, "linger");
        put_numbers(&c->parameters, &begin, time_of);
        put_numbers(&c->parameters, &begin, id_of);
        put_numbers(&c->parameters, &end, id_of);
        close_function(c, first);
    }
    free(begin.of);
    free(end.of);
}

// The latest instant that an execution tells of.
static int64_t latest_of(const struct execution *e)
{
    return MAX(e->completed_at, e->missed_to);
}

static int64_t day_of(const struct execution *e)
{
    return e->key.scheduled_at / POSTGRES_DAY_MS;
}

// What tells of instants after its day has a say in when the day may go. An end within the first
// hour is allowed for (retain.c).
static bool is_late(const struct execution *e)
{
    int64_t end = (day_of(e) + 1) * POSTGRES_DAY_MS;
    return e->missed_to >= end || e->completed_at >= end + POSTGRES_LATE_MS;
}

static void add_late(struct call *c, const struct execution_write *writes, size_t count)
{
    struct rows late = {0};
    for (size_t i = 0; i < count; i++)
        if (writes[i].has_row && is_late(&writes[i].row))
            rows_add(&late, &writes[i].row);
    if (late.count > 0) {
        int first = open_function(c, "late");
        put_numbers(&c->parameters, &late, day_of);
        put_numbers(&c->parameters, &late, latest_of);
        close_function(c, first);
    }
    free(late.of);
}

static void put_hex(struct parameters *p, const uint8_t digest[static CLIENT_KEY_DIGEST_BYTES])
{
    char text[2 * CLIENT_KEY_DIGEST_BYTES + 1];
    for (size_t i = 0; i < CLIENT_KEY_DIGEST_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    parameter_put_text(p, text);
}

static void put_key_cell(struct parameters *p, const struct client_key *k, int column)
{
    const int64_t integers[] = {k->job, k->execution.scheduled_at, k->execution.series,
                                k->created_at};
    if (column == 0)
        parameter_put_text(p, k->text);
    else if (column == 1)
        put_hex(p, k->digest);
    else
        parameter_put_integer(p, integers[column - 2]);
}

static void add_client_keys(struct call *c, const struct rows *keys)
{
    if (keys->count == 0)
        return;
    int first = open_function(c, "client_keys");
    for (int column = 0; column < 6; column++) {
        parameter_array(&c->parameters, column < 2, keys->count);
        for (size_t i = 0; i < keys->count; i++)
            put_key_cell(&c->parameters, keys->of[i], column);
        parameter_array_end(&c->parameters);
    }
    close_function(c, first);
}

static void put_reply_cell(struct parameters *p, const struct command_reply *r, int column)
{
    const int64_t integers[] = {r->job, r->version, r->execution.scheduled_at, r->execution.series,
                                r->at};
    if (column == 0)
        parameter_put_text(p, err_name(r->err));
    else
        parameter_put_integer(p, integers[column - 1]);
}

static void add_deleted(struct parameters *p, const struct rows *changes)
{
    parameter_array(p, false, changes->count);
    for (size_t i = 0; i < changes->count; i++)
        parameter_put_integer(p, ((const struct change *)changes->of[i])->deleted.id);
    parameter_array_end(p);
}

// `changes`, since a reply does not name its shard. With the replies go the jobs that were deleted:
// both free keys.
static void add_replies(struct call *c, const struct rows *changes, const struct rows *deleted)
{
    struct parameters *p = &c->parameters;
    if (changes->count + deleted->count == 0)
        return;
    int first = open_function(c, "replies");
    parameter_array_of_ids(p, changes->count);
    for (size_t i = 0; i < changes->count; i++)
        parameter_put_bytes(p, ((const struct change *)changes->of[i])->reply.command.bytes,
                            COMMAND_ID_BYTES);
    parameter_array_end(p);
    parameter_array(p, false, changes->count);
    for (size_t i = 0; i < changes->count; i++)
        parameter_put_integer(p, ((const struct change *)changes->of[i])->shard);
    parameter_array_end(p);
    for (int column = 0; column < 6; column++) {
        parameter_array(p, column == 0, changes->count);
        for (size_t i = 0; i < changes->count; i++)
            put_reply_cell(p, &((const struct change *)changes->of[i])->reply, column);
        parameter_array_end(p);
    }
    add_deleted(p, deleted);
    close_function(c, first);
}

// --- The commit ------------------------------------------------------------------------------

struct sorted {
    struct rows jobs;
    struct rows attempts;
    struct rows alerts;
    struct rows audit;
    struct rows acks; // Changes.
    struct rows keys;
    struct rows replies; // Changes, as the next ones.
    struct rows deleted;
};

static struct sorted sort_changes(struct batch *const *batches, size_t count)
{
    struct sorted s = {0};
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++) {
            const struct change *c = &batches[b]->changes[i];
            if (c->kind == CHANGE_JOB_DELETE)
                rows_add(&s.deleted, c);
            if (is_job_change(c))
                rows_add(&s.jobs, c);
            else if (c->kind == CHANGE_ATTEMPT && c->attempt.number != ATTEMPT_IN_ROW)
                rows_add(&s.attempts, &c->attempt);
            else if (c->kind == CHANGE_ALERT)
                rows_add(&s.alerts, &c->alert);
            else if (c->kind == CHANGE_AUDIT)
                rows_add(&s.audit, &c->audit);
            else if (c->kind == CHANGE_ALERT_ACK)
                rows_add(&s.acks, c);
            else if (c->kind == CHANGE_CLIENT_KEY)
                rows_add(&s.keys, &c->client_key);
            else if (c->kind == CHANGE_REPLY)
                rows_add(&s.replies, c);
        }
    }
    return s;
}

static void sorted_fini(struct sorted *s)
{
    free(s->jobs.of);
    free(s->attempts.of);
    free(s->alerts.of);
    free(s->audit.of);
    free(s->acks.of);
    free(s->keys.of);
    free(s->replies.of);
    free(s->deleted.of);
}

// Parents before children; the functions are called in this order.
static void compose(struct call *c, struct batch *const *batches, size_t count,
                    const struct execution_write *writes, size_t write_count,
                    const struct span *spans, uint32_t shards, size_t touched)
{
    struct sorted s = sort_changes(batches, count);
    row_append(c->text, CALL_BYTES, "SELECT f.verdict, array_to_string(f.lost, ' ')");
    add_jobs(c, &s.jobs);
    add_executions(c, writes, write_count);
    add_lingering(c, writes, write_count);
    add_late(c, writes, write_count);
    add_attempts(c, "insert_attempts", &attempt_rows, &s.attempts);
    add_alerts(c, &s.alerts);
    add_audit(c, &s.audit);
    add_acks(c, &s.acks);
    add_client_keys(c, &s.keys);
    add_replies(c, &s.replies, &s.deleted);
    int first = open_function(c, "correct");
    row_append(c->text, CALL_BYTES, " f.raised ");
    close_function(c, first);
    add_fence(c, spans, shards, touched);
    sorted_fini(&s);
}

static enum err judge(const PGresult *result, struct commit_cause *cause)
{
    struct result_row r = {result, 0};
    struct shard_set lost = {0};
    assert(PQntuples(result) == 1);
    if (result_integer(&r, 0) != VERDICT_LOST)
        return ERR_OK;
    const char *list = result_text(&r, 1);
    while (list && *list) {
        char *next;
        shard_set_add(&lost, (uint32_t)strtoul(list, &next, 10));
        list = next;
    }
    return store_fence_cause(&lost, cause);
}

static enum err run(struct postgres_store *s, const struct call *c, struct commit_cause *cause)
{
    PGresult *result = NULL;
    enum err err;
    unsigned tries = 0;
    do {
        cause->fault = (struct fault){0};
        err = link_run(&s->link, c->text, &c->parameters, &result, &cause->fault);
    } while (err && s->link.is_misrouted && ++tries < TRIES_MAX);
    cause->is_doubtful = s->link.is_doubtful;
    if (err)
        return err;
    err = judge(result, cause);
    PQclear(result);
    if (!err && s->link.has_warned) { // Perhaps the replica does not have it.
        cause->is_doubtful = true;
        err =
            fault_set(&cause->fault, ERR_STORE_AWAY, "the server gave up waiting for its replica");
    }
    return err;
}

static enum err commit(struct postgres_store *s, struct batch *const *batches, size_t count,
                       struct commit_cause *cause)
{
    struct span spans[SHARDS_MAX] = {0};
    size_t touched = find_spans(spans, s->store.shards, batches, count);
    if (touched == 0)
        return ERR_OK;
    struct execution_write *writes;
    size_t write_count;
    enum err err = refuse_broken(spans, s->store.shards, cause);
    if (!err)
        err = store_coalesce(batches, count, &writes, &write_count, &cause->fault);
    if (err)
        return err;
    for (size_t i = 0; i < write_count; i++)
        if (writes[i].is_new)
            spans[shard_of(writes[i].row.key.job, s->store.shards)].inserted++;
    struct call *c = xcalloc(1, sizeof *c);
    compose(c, batches, count, writes, write_count, spans, s->store.shards, touched);
    err = run(s, c, cause);
    parameters_fini(&c->parameters);
    free(c);
    free(writes);
    return err;
}

enum commit_outcome postgres_commit(struct store *store, struct batch *const *batches, size_t count,
                                    struct commit_cause *cause)
{
    return commit_outcome_of(commit((struct postgres_store *)store, batches, count, cause));
}
