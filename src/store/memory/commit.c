// SPDX-License-Identifier: MIT
// commit.c: changes one by one, with a note of how to take each back.
//
// Every check of the port is here in its plainest form. When a change is refused, the notes are
// gone through backwards and nothing has happened.

#include "store/memory/memory_priv.h"

#include <assert.h>
#include <string.h>

enum undo_kind {
    UNDO_JOB_NEW,
    UNDO_JOB,
    UNDO_EXECUTION_NEW,
    UNDO_EXECUTION,
    UNDO_ATTEMPT,
    UNDO_ALERT,
    UNDO_ALERT_ACK,
    UNDO_REPLY_NEW,
    UNDO_REPLY
};

struct undo {
    enum undo_kind kind;
    int64_t id;
    size_t attempt;             // UNDO_ATTEMPT: its position.
    struct memory_job job;      // UNDO_JOB: as it was.
    struct execution execution; // UNDO_EXECUTION: as it was.
    struct command_id command;  // UNDO_REPLY, UNDO_REPLY_NEW
};

struct commit {
    struct memory_store *store;
    struct undo *undos;
    size_t undo_count;
    size_t undo_capacity;
    struct fault *fault;
};

static struct undo *note(struct commit *c, enum undo_kind kind, int64_t id)
{
    c->undos = grow(c->undos, c->undo_count, &c->undo_capacity, sizeof *c->undos);
    struct undo *u = &c->undos[c->undo_count++];
    *u = (struct undo){.kind = kind, .id = id};
    return u;
}

static enum err refuse(struct commit *c, const char *what, int64_t id, const char *why)
{
    return fault_set(c->fault, ERR_CONFLICT, "%s %lld: %s", what, (long long)id, why);
}

// --- Jobs ------------------------------------------------------------------------------------

static void keep_for_taking_back(struct commit *c, struct memory_job *j)
{
    note(c, UNDO_JOB, j->job->id)->job = *j;
    j->job = job_copy(j->job);
    j->versions = job_versions_copy(&j->versions);
}

// Returns the job to be changed; NULL when it is not there.
static struct memory_job *change_job(struct commit *c, job_id id)
{
    struct memory_job *j = table_find(&c->store->jobs, id);
    if (!j || j->deleted_at)
        return NULL;
    keep_for_taking_back(c, j);
    return j;
}

static enum err begin_version(struct commit *c, const struct change *change)
{
    struct memory_job *j = table_find(&c->store->jobs, change->version.id);
    if (!j)
        return refuse(c, "job", change->version.id, "is not there");
    keep_for_taking_back(c, j);
    job_versions_begin(&j->versions, j->job, change->version.from_at, change->version.phase);
    job_versions_prune(&j->versions, c->store->removed_to);
    return ERR_OK;
}

static enum err put_job(struct commit *c, const struct job *job)
{
    if (!table_find(&c->store->jobs, job->id)) {
        table_insert(&c->store->jobs, memory_job_new(job));
        note(c, UNDO_JOB_NEW, job->id);
        return ERR_OK;
    }
    struct memory_job *old = change_job(c, job->id);
    if (!old)
        return refuse(c, "job", job->id, "changed after it was deleted");
    job_free(old->job);
    old->job = job_copy(job);
    return ERR_OK;
}

static enum err put_job_state(struct commit *c, const struct job_state *state)
{
    struct memory_job *j = change_job(c, state->id);
    if (!j)
        return refuse(c, "job", state->id, "is not there, or deleted");
    job_apply_state(j->job, state);
    return ERR_OK;
}

static enum err delete_job(struct commit *c, job_id id, wall_ms at)
{
    struct memory_job *j = change_job(c, id);
    if (!j)
        return refuse(c, "job", id, "is not there, or deleted");
    j->deleted_at = at;
    return ERR_OK;
}

// --- Executions ------------------------------------------------------------------------------

static enum err insert_execution(struct commit *c, const struct execution *e)
{
    struct memory_store *s = c->store;
    if (!table_find(&s->jobs, e->key.job))
        return refuse(c, "execution", e->id, "of a job that is not there");
    if (table_find(&s->executions, e->id))
        return refuse(c, "execution", e->id, "inserted after it was there");
    if (key_set_find(&s->keys, &e->key))
        return refuse(c, "execution", e->id, "its key has a row already");
    struct memory_execution *new = memory_execution_new(e);
    table_insert(&s->executions, new);
    key_set_insert(&s->keys, new);
    note(c, UNDO_EXECUTION_NEW, e->id);
    return ERR_OK;
}

static enum err update_execution(struct commit *c, const struct execution *e)
{
    struct memory_execution *old = table_find(&c->store->executions, e->id);
    if (!old || old->row.completed_at)
        return refuse(c, "execution", e->id, "is not there, or terminal");
    struct execution new = *e;
    new.key = old->row.key;
    new.trigger = old->row.trigger;
    new.request_body = old->row.request_body;
    new.request_body_is_json = old->row.request_body_is_json;
    new.origin = old->row.origin;
    new.due_at = old->row.due_at;
    note(c, UNDO_EXECUTION, e->id)->execution = old->row;
    old->row = execution_own(&new);
    return ERR_OK;
}

static enum err insert_attempt(struct commit *c, const struct attempt *a)
{
    struct memory_execution *e = table_find(&c->store->executions, a->execution_id);
    if (!e)
        return refuse(c, "attempt", a->execution_id, "of an execution that is not there");
    size_t at = e->attempt_count;
    while (at > 0 && e->attempts[at - 1].number >= a->number)
        at--;
    if (at < e->attempt_count && e->attempts[at].number == a->number)
        return refuse(c, "attempt", a->execution_id, "inserted after it was there");
    e->attempts = grow(e->attempts, e->attempt_count, &e->attempt_capacity, sizeof *e->attempts);
    memmove(e->attempts + at + 1, e->attempts + at, (e->attempt_count - at) * sizeof *e->attempts);
    e->attempts[at] = attempt_own(a);
    e->attempt_count++;
    note(c, UNDO_ATTEMPT, a->execution_id)->attempt = at;
    return ERR_OK;
}

// The key of an alert is that of its execution; a database keeps it there only.
static enum err insert_alert(struct commit *c, const struct alert *a)
{
    const struct memory_execution *e = table_find(&c->store->executions, a->execution_id);
    if ((a->execution_id && !e) || (a->job && !table_find(&c->store->jobs, a->job)))
        return refuse(c, "alert", a->id, "of a job or an execution that is not there");
    if (table_find(&c->store->alerts, a->id))
        return refuse(c, "alert", a->id, "inserted after it was there");
    struct alert *new = alert_new(a);
    new->key = e ? e->row.key : (struct execution_key){0};
    new->key.job = a->job;
    table_insert(&c->store->alerts, new);
    note(c, UNDO_ALERT, a->id);
    return ERR_OK;
}

// Retention may have taken the alert meanwhile.
static enum err ack_alert(struct commit *c, int64_t id, wall_ms at)
{
    struct alert *a = table_find(&c->store->alerts, id);
    if (!a || a->acknowledged_at)
        return ERR_OK;
    a->acknowledged_at = at;
    note(c, UNDO_ALERT_ACK, id);
    return ERR_OK;
}

// --- Replies ---------------------------------------------------------------------------------

// A command that is not there was put shortly before a promotion that lost it: should it come yet,
// it is known.
static enum err put_reply(struct commit *c, uint32_t shard, const struct command_reply *r)
{
    struct memory_command *row = memory_command_find(c->store, &r->command);
    if (row && row->is_replied)
        return refuse(c, "command", row->number, "has a reply already");
    note(c, row ? UNDO_REPLY : UNDO_REPLY_NEW, 0)->command = r->command;
    if (!row)
        row = memory_command_add(c->store, &r->command);
    row->shard = shard;
    row->is_replied = true;
    row->reply = *r;
    return ERR_OK;
}

// What a refused command has reserved is free again.
static void free_reservations(struct memory_store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->changes[i].kind == CHANGE_REPLY && b->changes[i].reply.err)
            memory_reservation_remove(s, memory_command_find(s, &b->changes[i].reply.command));
}

static void take_back_reply(struct memory_store *s, const struct undo *u)
{
    struct memory_command *row = memory_command_find(s, &u->command);
    if (u->kind == UNDO_REPLY_NEW)
        memory_command_remove(s, row);
    else
        row->is_replied = false;
}

// --- Taking back, or keeping -----------------------------------------------------------------

static void take_back_attempt(struct memory_store *s, const struct undo *u)
{
    struct memory_execution *e = table_find(&s->executions, u->id);
    assert(e && u->attempt < e->attempt_count);
    attempt_disown(&e->attempts[u->attempt]);
    e->attempt_count--;
    memmove(e->attempts + u->attempt, e->attempts + u->attempt + 1,
            (e->attempt_count - u->attempt) * sizeof *e->attempts);
}

static void take_back(struct memory_store *s, struct undo *u)
{
    struct memory_job *j;
    struct memory_execution *e;
    switch (u->kind) {
    case UNDO_JOB_NEW:
        j = table_take(&s->jobs, u->id);
        memory_job_disown(j);
        free(j);
        break;
    case UNDO_JOB:
        j = table_find(&s->jobs, u->id);
        memory_job_disown(j);
        *j = u->job;
        break;
    case UNDO_EXECUTION_NEW:
        e = table_take(&s->executions, u->id);
        key_set_remove(&s->keys, e);
        memory_execution_free(e);
        break;
    case UNDO_EXECUTION:
        e = table_find(&s->executions, u->id);
        execution_disown(&e->row);
        e->row = u->execution;
        break;
    case UNDO_ATTEMPT:
        take_back_attempt(s, u);
        break;
    case UNDO_ALERT:
        alert_free(table_take(&s->alerts, u->id));
        break;
    case UNDO_ALERT_ACK:
        ((struct alert *)table_find(&s->alerts, u->id))->acknowledged_at = 0;
        break;
    case UNDO_REPLY_NEW:
    case UNDO_REPLY:
        take_back_reply(s, u);
        break;
    }
}

static void keep(struct undo *u)
{
    if (u->kind == UNDO_JOB)
        memory_job_disown(&u->job);
    if (u->kind == UNDO_EXECUTION)
        execution_disown(&u->execution);
}

static void finish(struct commit *c, enum err err)
{
    while (c->undo_count-- > 0) {
        if (err)
            take_back(c->store, &c->undos[c->undo_count]);
        else
            keep(&c->undos[c->undo_count]);
    }
    free(c->undos);
}

static enum err apply(struct commit *c, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_JOB_PUT:
        return put_job(c, change->job);
    case CHANGE_JOB_STATE:
        return put_job_state(c, &change->state);
    case CHANGE_JOB_DELETE:
        return delete_job(c, change->deleted.id, change->deleted.at);
    case CHANGE_VERSION:
        return begin_version(c, change);
    case CHANGE_EXECUTION_INSERT:
        return insert_execution(c, &change->execution);
    case CHANGE_EXECUTION_UPDATE:
        return update_execution(c, &change->execution);
    case CHANGE_ATTEMPT:
        return insert_attempt(c, &change->attempt);
    case CHANGE_ALERT:
        return insert_alert(c, &change->alert);
    case CHANGE_ALERT_ACK:
        return ack_alert(c, change->ack.id, change->ack.at);
    case CHANGE_REPLY:
        return put_reply(c, change->shard, &change->reply);
    case CHANGE_AUDIT:
    case CHANGE_CLIENT_KEY:
    case CHANGE_SHARD:
        return ERR_OK; // Cannot fail, so they wait until nothing else can.
    }
    return ERR_OK;
}

// A clock that was far ahead is set right: what was to begin later in this shard has begun.
static void begin_versions(struct memory_store *s, const struct shard *shard)
{
    for (size_t i = 0; i < s->jobs.count; i++) {
        const struct memory_job *j = s->jobs.rows[i];
        const struct job_versions *l = &j->versions;
        bool is_its = shard_of(j->job->id, s->store.shards) == shard->number;
        for (size_t k = 0; is_its && k < l->count; k++)
            l->rows[k].from_at = MIN(l->rows[k].from_at, shard->corrected_at);
    }
}

static void put_shard(struct memory_store *s, const struct shard *row)
{
    struct shard *own = &s->shards[row->number];
    bool is_corrected = row->generation > own->generation;
    *own = *row;
    if (is_corrected)
        begin_versions(s, own);
}

// The last row of each shard counts.
static void put_shards(struct memory_store *s, struct batch *const *batches, size_t count)
{
    struct shard_set put = {0};
    while (count-- > 0)
        for (size_t i = 0; i < batches[count]->count; i++) {
            const struct change *c = &batches[count]->changes[i];
            if (c->kind != CHANGE_SHARD || shard_set_has(&put, c->shard))
                continue;
            put_shard(s, &c->row);
            shard_set_add(&put, c->shard);
        }
}

static void put_notes(struct memory_store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct change *c = &b->changes[i];
        if (c->kind == CHANGE_CLIENT_KEY)
            memory_client_key_put(s, &c->client_key);
        else if (c->kind == CHANGE_AUDIT)
            memory_audit_put(s, &c->audit);
    }
    free_reservations(s, b);
}

static enum err apply_all(struct memory_store *s, struct batch *const *batches, size_t count,
                          struct fault *f)
{
    struct commit c = {.store = s, .fault = f};
    enum err err = ERR_OK;
    for (size_t b = 0; b < count && !err; b++)
        for (size_t i = 0; i < batches[b]->count && !err; i++)
            err = apply(&c, &batches[b]->changes[i]);
    if (!err)
        put_shards(s, batches, count);
    for (size_t b = 0; b < count && !err; b++)
        put_notes(s, batches[b]);
    finish(&c, err);
    return err;
}

enum commit_outcome memory_commit(struct store *store, struct batch *const *batches, size_t count,
                                  struct commit_cause *cause)
{
    struct memory_store *s = (struct memory_store *)store;
    struct shard_set lost;
    enum err err = ERR_OK;
    pthread_mutex_lock(&s->lock);
    enum fence fence = store_fence(s->shards, store->shards, batches, count, &lost);
    if (fence == FENCE_OPEN)
        err = apply_all(s, batches, count, &cause->fault);
    if (fence == FENCE_SHUT)
        err = store_fence_cause(&lost, cause);
    pthread_mutex_unlock(&s->lock);
    return commit_outcome_of(err);
}
