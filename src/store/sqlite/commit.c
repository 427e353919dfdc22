// SPDX-License-Identifier: MIT
// commit.c: many batches, one transaction, one fsync.
//
// The changes are written table by table, parents before children: jobs, executions, attempts,
// alerts, and the row of the shard. Within a table their order is kept.

#include "store/sqlite/sqlite_priv.h"

#include <assert.h>

// Runs a statement which must hit exactly one row.
static enum err run_one(struct sqlite_store *s, enum statement which, const char *table, int64_t id,
                        const char *otherwise, struct fault *f)
{
    enum err err = sqlite_run(s, which, f);
    if (!err && sqlite3_changes(s->db) != 1)
        err = fault_set(f, ERR_CONFLICT, "%s %lld: %s", table, (long long)id, otherwise);
    return err;
}

static enum err put_job(struct sqlite_store *s, const struct job *j, struct fault *f)
{
    row_bind(&job_rows, s->statements[JOB_PUT], j);
    return run_one(s, JOB_PUT, "job", j->id, "changed after it was deleted", f);
}

static enum err put_job_state(struct sqlite_store *s, const struct job_state *j, struct fault *f)
{
    sqlite3_stmt *statement = s->statements[JOB_STATE];
    sqlite3_bind_int64(statement, 1, j->id);
    sqlite3_bind_int64(statement, 2, j->version);
    sqlite3_bind_int64(statement, 3, j->updated_at);
    sqlite3_bind_int64(statement, 4, j->effective_from);
    if (j->paused_until != WALL_NEVER)
        sqlite3_bind_int64(statement, 5, j->paused_until);
    else
        sqlite3_bind_null(statement, 5);
    sqlite3_bind_int(statement, 6, j->is_active);
    sqlite3_bind_int(statement, 7, j->finished);
    sqlite3_bind_int64(statement, 8, j->runs);
    sqlite3_bind_int(statement, 9, j->failures);
    sqlite3_bind_text(statement, 10, j->paused_reason, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 11, j->trouble, -1, SQLITE_STATIC);
    return run_one(s, JOB_STATE, "job", j->id, "is not there, or deleted", f);
}

static enum err delete_job(struct sqlite_store *s, job_id id, wall_ms at, struct fault *f)
{
    sqlite3_bind_int64(s->statements[JOB_DELETE], 1, id);
    sqlite3_bind_int64(s->statements[JOB_DELETE], 2, at);
    return run_one(s, JOB_DELETE, "job", id, "is not there, or deleted", f);
}

// What retention has passed goes with the next version: a job that is paused and resumed every day
// must not fill the disk.
static enum err put_version(struct sqlite_store *s, const struct change *c, struct fault *f)
{
    sqlite3_stmt *put = s->statements[VERSION_PUT];
    sqlite3_bind_int64(put, 1, c->version.id);
    sqlite3_bind_int64(put, 2, c->version.from_at);
    sqlite3_bind_text(put, 3, job_phase_name(c->version.phase), -1, SQLITE_STATIC);
    enum err err = run_one(s, VERSION_PUT, "job", c->version.id, "is not there", f);
    if (err || s->progress.removed_to == 0)
        return err;
    sqlite3_bind_int64(s->statements[VERSIONS_PRUNE], 1, c->version.id);
    sqlite3_bind_int64(s->statements[VERSIONS_PRUNE], 2, s->progress.removed_to);
    return sqlite_run(s, VERSIONS_PRUNE, f);
}

static enum err write_job_change(struct sqlite_store *s, const struct change *c, struct fault *f)
{
    switch (c->kind) {
    case CHANGE_JOB_PUT:
        return put_job(s, c->job, f);
    case CHANGE_JOB_STATE:
        return put_job_state(s, &c->state, f);
    case CHANGE_VERSION:
        return put_version(s, c, f);
    case CHANGE_JOB_DELETE:
        return delete_job(s, c->deleted.id, c->deleted.at, f);
    default:
        return ERR_OK;
    }
}

static enum err write_attempt(struct sqlite_store *s, const struct change *c, struct fault *f)
{
    if (c->kind != CHANGE_ATTEMPT || c->attempt.number == ATTEMPT_IN_ROW)
        return ERR_OK;
    row_bind(&attempt_rows, s->statements[ATTEMPT_INSERT], &c->attempt);
    return sqlite_run(s, ATTEMPT_INSERT, f);
}

static enum err write_alert_ack(struct sqlite_store *s, const struct change *c, struct fault *f)
{
    sqlite3_bind_int64(s->statements[ALERT_ACK], 1, c->ack.id);
    sqlite3_bind_int64(s->statements[ALERT_ACK], 2, c->ack.at);
    return sqlite_run(s, ALERT_ACK, f);
}

static enum err write_alert(struct sqlite_store *s, const struct change *c, struct fault *f)
{
    if (c->kind == CHANGE_ALERT_ACK)
        return write_alert_ack(s, c, f);
    if (c->kind != CHANGE_ALERT)
        return ERR_OK;
    row_bind(&alert_rows, s->statements[ALERT_INSERT], &c->alert);
    return sqlite_run(s, ALERT_INSERT, f);
}

// What refers to no other table.
static enum err write_note(struct sqlite_store *s, const struct change *c, struct fault *f)
{
    if (c->kind == CHANGE_CLIENT_KEY)
        return sqlite_put_client_key(s, &c->client_key, f);
    return c->kind == CHANGE_AUDIT ? sqlite_put_audit(s, &c->audit, f) : ERR_OK;
}

typedef enum err write_change(struct sqlite_store *s, const struct change *c, struct fault *f);

// Passes every change to `write`, which picks those of its table.
static enum err write_changes(struct sqlite_store *s, struct batch *const *batches, size_t count,
                              write_change *write, struct fault *f)
{
    enum err err = ERR_OK;
    for (size_t b = 0; b < count && !err; b++)
        for (size_t i = 0; i < batches[b]->count && !err; i++)
            err = write(s, &batches[b]->changes[i], f);
    return err;
}

static enum err write_row(struct sqlite_store *s, const struct execution_write *w, struct fault *f)
{
    enum statement which = w->is_new ? EXECUTION_INSERT : EXECUTION_UPDATE;
    row_bind(&execution_rows, s->statements[which], &w->row);
    return run_one(s, which, "execution", w->row.id, "is not there, or terminal", f);
}

static enum err write_row_with_first(struct sqlite_store *s, const struct execution_write *w,
                                     struct fault *f)
{
    sqlite3_stmt *statement = s->statements[EXECUTION_UPDATE_WITH_FIRST];
    row_bind(&execution_rows, statement, &w->row);
    row_bind(&first_attempt_rows, statement, w->first);
    return run_one(s, EXECUTION_UPDATE_WITH_FIRST, "execution", w->row.id,
                   "is not there, or terminal, or has its first attempt", f);
}

static enum err write_first(struct sqlite_store *s, const struct attempt *first, struct fault *f)
{
    sqlite3_stmt *statement = s->statements[ATTEMPT_FIRST];
    sqlite3_bind_int64(statement, 1, first->execution_id);
    row_bind(&first_attempt_rows, statement, first);
    return run_one(s, ATTEMPT_FIRST, "execution", first->execution_id,
                   "is not there, or has its first attempt", f);
}

// The core ends a first attempt and moves its execution in one batch, and plans the execution long
// before: the other combinations are none that it makes.
static enum err write_execution(struct sqlite_store *s, const struct execution_write *w,
                                struct fault *f)
{
    enum err err = ERR_OK;
    if (w->has_row && w->first && !w->is_new)
        return write_row_with_first(s, w, f);
    if (w->has_row)
        err = write_row(s, w, f);
    return err || !w->first ? err : write_first(s, w->first, f);
}

// Few executions linger: those that are open for long.
static enum err write_lingering(struct sqlite_store *s, const struct execution_write *w,
                                struct fault *f)
{
    if (!w->has_row || !w->row.lingers)
        return ERR_OK;
    bool is_over = execution_state_is_terminal(w->row.state);
    enum statement which = is_over ? LINGER_DELETE : LINGER_PUT;
    sqlite3_bind_int64(s->statements[which], 1, w->row.id);
    return sqlite_run(s, which, f);
}

// Adds the number of new rows to *inserted.
static enum err write_executions(struct sqlite_store *s, struct batch *const *batches, size_t count,
                                 int64_t *inserted, struct fault *f)
{
    struct execution_write *writes;
    size_t write_count;
    enum err err = store_coalesce(batches, count, &writes, &write_count, f);
    if (err)
        return err;
    for (size_t i = 0; i < write_count && !err; i++) {
        err = write_execution(s, &writes[i], f);
        if (!err)
            err = write_lingering(s, &writes[i], f);
        *inserted += writes[i].is_new;
    }
    free(writes);
    return err;
}

enum err sqlite_put_progress(struct sqlite_store *s, const struct progress_row *p, struct fault *f)
{
    row_bind(&progress_rows, s->statements[PROGRESS_PUT], p);
    return sqlite_run(s, PROGRESS_PUT, f);
}

static const struct shard *last_shard(struct batch *const *batches, size_t count)
{
    const struct shard *row = NULL;
    while (count-- > 0 && !row)
        row = batch_shard(batches[count], 0);
    return row;
}

// A clock that was far ahead is set right: what was to begin later has begun.
static enum err correct_versions(struct sqlite_store *s, wall_ms corrected_at, struct fault *f)
{
    sqlite3_bind_int64(s->statements[VERSIONS_CORRECT], 1, corrected_at);
    return sqlite_run(s, VERSIONS_CORRECT, f);
}

static enum err write_all(struct sqlite_store *s, struct batch *const *batches, size_t count,
                          struct progress_row *row, struct fault *f)
{
    const struct shard *shard = last_shard(batches, count);
    assert(shard && shard->number == 0 && shard->epoch == row->shard.epoch);
    row->shard = *shard;
    enum err err = write_changes(s, batches, count, write_job_change, f);
    if (!err)
        err = write_executions(s, batches, count, &row->executions, f);
    if (!err)
        err = write_changes(s, batches, count, write_attempt, f);
    if (!err)
        err = write_changes(s, batches, count, write_alert, f);
    if (!err)
        err = write_changes(s, batches, count, write_note, f);
    if (!err && row->shard.generation > s->progress.shard.generation)
        err = correct_versions(s, row->shard.corrected_at, f);
    return err ? err : sqlite_put_progress(s, row, f);
}

// Whether the shard is the caller's is asked of the row as it was last committed, which no other
// process can have changed since: they are kept away by the lock of the whole database. Somebody
// who edits the row by hand ends nothing.
static enum err try_commit(struct sqlite_store *s, struct batch *const *batches, size_t count,
                           struct commit_cause *cause)
{
    struct fault *f = &cause->fault;
    struct progress_row row = s->progress;
    struct shard_set lost;
    enum fence fence = store_fence(&row.shard, 1, batches, count, &lost);
    if (fence == FENCE_SHUT)
        return store_fence_cause(&lost, cause);
    if (fence != FENCE_OPEN)
        return ERR_OK; // Empty batches, or what was written before.

    enum err err = sqlite_begin(s, f);
    if (err)
        return err;
    err = write_all(s, batches, count, &row, f);
    err = sqlite_end(s, err, f);
    if (!err)
        s->progress = row;
    return err;
}

enum err sqlite_take_shard(struct store *store, uint32_t number, struct shard *out, struct fault *f)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    struct progress_row row = s->progress;
    (void)number; // There is one.
    row.shard.epoch++;
    row.shard.tick = 0;
    enum err err = sqlite_begin(s, f);
    if (err)
        return err;
    err = sqlite_put_progress(s, &row, f);
    err = sqlite_end(s, err, f);
    if (err)
        return err;
    s->progress = row;
    *out = row.shard;
    return ERR_OK;
}

// The log is a part of what fills a small disk. Folded in, it leaves the room that it took.
static enum err commit(struct sqlite_store *s, struct batch *const *batches, size_t count,
                       struct commit_cause *cause)
{
    enum err err = try_commit(s, batches, count, cause);
    if (err != ERR_STORE_FULL || s->log_pages == 0)
        return err;
    err = sqlite_make_room(s, &cause->fault);
    if (!err)
        err = try_commit(s, batches, count, cause);
    if (!err)
        *cause = (struct commit_cause){0}; // The cause told of the first try.
    return err;
}

enum commit_outcome sqlite_commit(struct store *store, struct batch *const *batches, size_t count,
                                  struct commit_cause *cause)
{
    return commit_outcome_of(commit((struct sqlite_store *)store, batches, count, cause));
}
