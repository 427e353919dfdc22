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

static void put_execution(struct core *c, enum change_kind kind, const struct execution *e)
{
    struct batch *b = batch_of(c);
    struct change *change = batch_add(b, kind);
    change->execution = *e;
    change->execution.error = arena_text(&b->arena, e->error);
    change->execution.reason = arena_text(&b->arena, e->reason);
    change->execution.request_body =
        kind == CHANGE_EXECUTION_INSERT ? arena_text(&b->arena, e->request_body) : NULL;
}

void core__record_insert(struct core *c, struct open *o)
{
    put_execution(c, CHANGE_EXECUTION_INSERT, &o->record);
    o->sequence = batch_of(c)->sequence;
}

void core__record_update(struct core *c, struct open *o)
{
    put_execution(c, CHANGE_EXECUTION_UPDATE, &o->record);
    o->sequence = batch_of(c)->sequence;
}

void core__record_attempt(struct core *c, const struct attempt *a)
{
    struct batch *b = batch_of(c);
    struct change *change = batch_add(b, CHANGE_ATTEMPT);
    change->attempt = *a;
    change->attempt.error = arena_text(&b->arena, a->error);
    change->attempt.redirects = arena_text(&b->arena, a->redirects);
    change->attempt.response = arena_text(&b->arena, a->response);
}

int64_t core__next_id(const struct core *c, int64_t *next)
{
    return shard_id(c->progress.number, (*next)++, c->limits.shards);
}

void core__record_alert(struct core *c, const struct execution *e, const struct alert *facts)
{
    struct batch *b = batch_of(c);
    struct alert *a = &batch_add(b, CHANGE_ALERT)->alert;
    *a = *facts;
    a->id = core__next_id(c, &c->progress.alert_next);
    a->job = e->key.job;
    a->execution_id = e->id;
    a->key = e->key;
    a->created_at = c->now.wall;
    a->subject = arena_text(&b->arena, facts->subject);
    a->last_error = arena_text(&b->arena, facts->last_error);
    a->message = "";
}

struct job_state core__job_state(const struct core *c, const struct core_job *j, const char *reason)
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
    };
}

void core__record_job_move(struct core *c, const struct core_job *j, enum job_move move,
                           const char *reason)
{
    struct batch *b = batch_of(c);
    struct job_state *s = &batch_add(b, CHANGE_JOB_STATE)->state;
    *s = core__job_state(c, j, arena_text(&b->arena, reason));
    s->move = move;
}

void core__record_job_state(struct core *c, const struct core_job *j)
{
    core__record_job_move(c, j, JOB_MOVE_NONE, NULL);
}

void core__record_server_alert(struct core *c, const struct alert *facts)
{
    core__record_alert(c, &(struct execution){0}, facts);
}

void core__record_client_key(struct core *c, const struct command *cmd, const struct reply *r)
{
    if (!cmd->client_key)
        return;
    struct batch *b = batch_of(c);
    struct client_key *key = &batch_add(b, CHANGE_CLIENT_KEY)->client_key;
    *key = *cmd->client_key;
    key->text = arena_text(&b->arena, key->text);
    key->job = r->job;
    key->execution = r->key;
    key->created_at = c->now.wall;
}

// The watermark goes with whatever else is written, and by itself once a minute, so that a quiet
// server has little to recompute after a crash.
void core__record_progress(struct core *c)
{
    struct batch *b = batch_of(c);
    bool old = c->started && c->now.wall - c->progress_written_at >= PROGRESS_WRITE_MS;
    if (b->count == 0 && !old)
        return;
    if (c->progress_batch != b->sequence) {
        c->progress.tick++;
        c->progress_batch = b->sequence;
        c->progress_place = b->count;
        batch_add(b, CHANGE_SHARD);
    }
    b->changes[c->progress_place].row = c->progress;
    c->progress_written_at = c->now.wall;
}
