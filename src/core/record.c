// SPDX-License-Identifier: MIT
// record.c: what the core wants made durable, appended to the batch of the current step.
//
// Texts are copied into the batch's arena, since the batch travels to another thread.

#include "core/core_priv.h"

#include <assert.h>
#include <string.h>

static struct batch *batch_of(struct core *c)
{
    assert(c->out && c->out->batch);
    return c->out->batch;
}

// The row of a shard goes once into a batch, and stays the place where it is written.
static void add_row(struct core *c, struct core_shard *s)
{
    struct batch *b = batch_of(c);
    assert(s->state > SHARD_LOADING);
    if (s->batch == b->sequence)
        return;
    s->row.tick++;
    s->batch = b->sequence;
    s->place = b->count;
    batch_add(b, CHANGE_SHARD)->shard = s->row.number;
}

void core__touch(struct core *c, struct core_shard *s)
{
    add_row(c, s);
    if (s->touched)
        return;
    s->touched = true;
    s->touched_next = c->touched;
    c->touched = s;
}

struct change *core__change(struct core *c, struct core_shard *s, enum change_kind kind)
{
    core__touch(c, s);
    struct change *change = batch_add(batch_of(c), kind);
    change->shard = s->row.number;
    return change;
}

int64_t core__next_id(const struct core *c, const struct core_shard *s, int64_t *counter)
{
    return shard_id(s->row.number, (*counter)++, c->limits.shards);
}

static void put_execution(struct core *c, enum change_kind kind, const struct execution *e)
{
    struct batch *b = batch_of(c);
    struct change *change = core__change(c, core__shard_of(c, e->key.job), kind);
    change->execution = *e;
    change->execution.error = arena_text(&b->arena, e->error);
    change->execution.reason = arena_text(&b->arena, e->reason);
    change->execution.held_by = arena_text(&b->arena, e->held_by);
    change->execution.notes = arena_text(&b->arena, e->notes);
    bool is_new = kind == CHANGE_EXECUTION_INSERT;
    change->execution.request_body = is_new ? arena_text(&b->arena, e->request_body) : NULL;
    change->execution.origin = is_new ? arena_text(&b->arena, e->origin) : NULL;
}

void core__record_insert(struct core *c, struct open *o)
{
    if (!execution_state_is_terminal(o->record.state))
        core__linger_insert(c, o);
    put_execution(c, CHANGE_EXECUTION_INSERT, &o->record);
    o->sequence = batch_of(c)->sequence;
}

void core__record_update(struct core *c, struct open *o)
{
    core__linger_update(c, o);
    put_execution(c, CHANGE_EXECUTION_UPDATE, &o->record);
    o->sequence = batch_of(c)->sequence;
}

void core__record_lingering(struct core *c, const struct open *o)
{
    put_execution(c, CHANGE_EXECUTION_UPDATE, &o->record);
}

void core__record_attempt(struct core *c, const struct open *o, const struct attempt *a)
{
    struct batch *b = batch_of(c);
    struct core_shard *s = core__shard_of(c, o->record.key.job);
    struct change *change = core__change(c, s, CHANGE_ATTEMPT);
    change->attempt = *a;
    change->attempt.scheduled_at = o->record.key.scheduled_at;
    change->attempt.error = arena_text(&b->arena, a->error);
    change->attempt.redirects = arena_text(&b->arena, a->redirects);
    change->attempt.response = arena_text(&b->arena, a->response);
}

static int64_t put_alert(struct core *c, struct core_shard *s, const struct execution *e,
                         const struct alert *facts)
{
    struct batch *b = batch_of(c);
    struct alert *a = &core__change(c, s, CHANGE_ALERT)->alert;
    *a = *facts;
    a->id = core__next_id(c, s, &s->row.alert_next);
    a->job = e->key.job;
    a->execution_id = e->id;
    a->key = e->key;
    a->created_at = c->now.wall;
    a->incident_id = facts->incident_id == INCIDENT_OPENED ? a->id : facts->incident_id;
    a->subject = arena_text(&b->arena, facts->subject);
    a->last_error = arena_text(&b->arena, facts->last_error);
    a->message = "";
    return a->id;
}

int64_t core__record_alert(struct core *c, const struct execution *e, const struct alert *facts)
{
    return put_alert(c, core__shard_of(c, e->key.job), e, facts);
}

// The shard that has been settled for longest is of no meaning, but always the same one. When the
// last shard is lost, nobody is left who could write it.
void core__record_server_alert(struct core *c, struct core_shard *s, const struct alert *facts)
{
    s = s ? s : TAILQ_FIRST(&c->settled);
    struct alert a = *facts;
    a.telling = TELLING_WAITING;
    if (s)
        put_alert(c, s, &(struct execution){0}, &a);
}

struct job_state core__job_state(struct core *c, const struct core_job *j, const char *reason)
{
    return (struct job_state){
        .id = j->id,
        .version = j->version,
        .updated_at = c->now.wall,
        .effective_from = j->effective_from,
        .paused_until = j->paused_until,
        .runs = j->runs,
        .failures = j->failures,
        .is_active = j->active,
        .finished = j->finished,
        .paused_reason = reason,
        .trouble = core__incidents_text(c, j),
    };
}

static void put_state(struct core *c, const struct core_job *j, enum job_move move,
                      const char *reason)
{
    struct batch *b = batch_of(c);
    struct core_shard *shard = core__shard_of(c, j->id);
    struct job_state *s = &core__change(c, shard, CHANGE_JOB_STATE)->state;
    *s = core__job_state(c, j, arena_text(&b->arena, reason));
    s->move = move;
    if (j->trouble)
        j->trouble->is_changed = false;
}

void core__record_job_state(struct core *c, const struct core_job *j)
{
    put_state(c, j, JOB_MOVE_NONE, NULL);
}

void core__record_job_move(struct core *c, const struct core_job *j, enum job_move move,
                           const char *reason)
{
    put_state(c, j, move, reason);
    core__record_version(c, j);
}

static enum job_phase phase_of(const struct core_job *j)
{
    if (j->deleted)
        return JOB_DELETED;
    if (j->active)
        return JOB_ACTIVE;
    return j->finished ? JOB_FINISHED : JOB_PAUSED;
}

// A job that finishes keeps its effective_from, which lies before its last occurrences.
static wall_ms begin_of(const struct core *c, const struct core_job *j)
{
    if (j->deleted)
        return c->now.wall;
    return j->finished ? MAX(j->effective_from, c->now.wall) : j->effective_from;
}

void core__record_version(struct core *c, const struct core_job *j)
{
    struct change *change = core__change(c, core__shard_of(c, j->id), CHANGE_VERSION);
    change->version.id = j->id;
    change->version.from_at = begin_of(c, j);
    change->version.phase = phase_of(j);
}

void core__record_audit(struct core *c, struct core_shard *s, const struct command *cmd,
                        const struct reply *r)
{
    char id[EXECUTION_ID_BYTES];
    if (!cmd->audit)
        return;
    struct arena *arena = &batch_of(c)->arena;
    struct audit_entry *e = &core__change(c, s, CHANGE_AUDIT)->audit;
    *e = *cmd->audit;
    e->at = c->now.wall;
    e->job = r->job;
    e->by.token_name = arena_text(arena, e->by.token_name);
    e->by.address = arena_text(arena, e->by.address);
    e->by.request_id = arena_text(arena, e->by.request_id);
    e->before = arena_text(arena, e->before);
    e->after = arena_text(arena, e->after);
    bool is_about_execution = r->key.job != 0; // A backfill names its first one.
    if (is_about_execution)
        execution_id_format(&r->key, id);
    e->subject = arena_text(arena, is_about_execution ? id : e->subject);
}

void core__record_client_key(struct core *c, const struct command *cmd, const struct reply *r)
{
    if (!cmd->client_key)
        return;
    struct batch *b = batch_of(c);
    struct core_shard *s = core__shard_of(c, r->job);
    struct client_key *key = &core__change(c, s, CHANGE_CLIENT_KEY)->client_key;
    *key = *cmd->client_key;
    key->text = arena_text(&b->arena, key->text);
    key->job = r->job;
    key->execution = r->key;
    key->created_at = c->now.wall;
}

void core__record_reply(struct core *c, struct core_shard *s, const struct command *cmd,
                        const struct reply *r)
{
    struct command_reply *reply = &core__change(c, s, CHANGE_REPLY)->reply;
    *reply = (struct command_reply){.command = cmd->command_id,
                                    .err = r->err,
                                    .job = r->job,
                                    .version = r->version,
                                    .execution = r->key,
                                    .at = c->now.wall};
    batch_of(c)->awaited = true;
}

static void write_row(struct core *c, struct core_shard *s)
{
    s->row.watermark = s->front->watermark;
    s->row.watermark_job = s->front->watermark_job;
    s->row.open_from = core__open_from(s);
    batch_of(c)->changes[s->place].row = s->row;
    s->written_at = c->now.wall;
    s->touched = false;
    TAILQ_REMOVE(&c->settled, s, entry);
    TAILQ_INSERT_TAIL(&c->settled, s, entry);
}

// The row of a shard goes with whatever else of it is written, and by itself once a minute, so that
// a quiet one has little to recompute after a crash.
void core__record_shards(struct core *c)
{
    struct core_shard *s;
    TAILQ_FOREACH(s, &c->settled, entry) {
        if (c->now.wall - s->written_at < PROGRESS_WRITE_MS)
            break;
        core__touch(c, s);
    }
    while ((s = c->touched)) {
        core__linger_waiting(c, s);
        c->touched = s->touched_next;
        write_row(c, s);
    }
}
