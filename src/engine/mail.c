// SPDX-License-Identifier: MIT
// mail.c: what other threads send to the engine, and how a client gets its reply.

#include "engine/engine_priv.h"

#include <assert.h>

struct engine_mail *engine__mail_new(enum mail_kind kind)
{
    struct engine_mail *m = xcalloc(1, sizeof *m);
    m->kind = kind;
    return m;
}

void engine__mail_free(struct engine_mail *m)
{
    job_free(m->command.job);
    engine__part_free(m->part);
    free(m);
}

void engine__answer(const struct reply *r)
{
    struct engine_mail *m = r->token;
    assert(m && m->kind == MAIL_COMMAND && m->done && !m->command.job);
    m->done(m->context, r);
    engine__mail_free(m);
}

uint32_t engine__shard_of(const struct engine *e, const struct reply *r)
{
    const struct engine_mail *m = r->token;
    const struct command *c = &m->command;
    if (c->kind == COMMAND_CREATE || c->kind == COMMAND_ACCEPT_CLOCK || c->id == 0)
        return c->shard;
    return shard_of(MAX(c->id, 0), store_shard_count(e->store));
}

// Whether what the command adds would be taken from the reserve of the disk. An operator who makes
// room deletes jobs, or pauses them.
static bool adds_rows(const struct command *c)
{
    if (c->kind == COMMAND_UPDATE)
        return c->job->is_active;
    return c->kind == COMMAND_CREATE || c->kind == COMMAND_TRIGGER || c->kind == COMMAND_REPLAY ||
           c->kind == COMMAND_BACKFILL || c->kind == COMMAND_BULK;
}

static enum err refusal(const struct engine *e, const struct command *c)
{
    enum err err = atomic_load_explicit(&e->refuse_writes, memory_order_relaxed);
    if (!err && atomic_load_explicit(&e->held_back_count, memory_order_relaxed) >= e->mails_max)
        err = ERR_LIMIT;
    if (!err && atomic_load_explicit(&e->room_is_low, memory_order_relaxed) && adds_rows(c))
        err = ERR_STORE_LOW;
    return err;
}

enum err engine_submit(struct engine *e, const struct command *c, engine_reply *done, void *context)
{
    assert((c->kind == COMMAND_OUTCOME) == (c->outcome != NULL));
    assert((c->kind == COMMAND_RAISE_ALERT) == (c->alert != NULL));
    assert(done && (c->job != NULL) == (c->kind == COMMAND_CREATE || c->kind == COMMAND_UPDATE));
    struct engine_mail *m = engine__mail_new(MAIL_COMMAND);
    m->command = *c;
    m->command.token = m;
    m->done = done;
    m->context = context;
    enum err err = refusal(e, c);
    if (!err)
        err = mailbox_post(e->mailbox, &m->mail);
    if (err)
        engine__mail_free(m);
    return err;
}

// The engine reads what it is told in order, so these are never refused for want of room.
static void post(struct engine *e, struct engine_mail *m)
{
    if (mailbox_post_always(e->mailbox, &m->mail) != ERR_OK)
        engine__mail_free(m); // Shut: nobody listens any more.
}

void engine__post_recorded(void *context, uint64_t sequence)
{
    struct engine_mail *m = engine__mail_new(MAIL_RECORDED);
    m->sequence = sequence;
    post(context, m);
}

void engine__post_stalled(struct engine *e, enum err cause, uint64_t doubtful)
{
    struct engine_mail *m = engine__mail_new(MAIL_STALLED);
    m->cause = cause;
    m->sequence = doubtful;
    post(e, m);
}

void engine__post_room(struct engine *e, bool is_low, int64_t free_bytes)
{
    struct engine_mail *m = engine__mail_new(MAIL_ROOM);
    m->room_is_low = is_low;
    m->free_bytes = free_bytes;
    post(e, m);
}

void engine__post_fenced(void *context, const struct store_fencing *x)
{
    struct engine_mail *m = engine__mail_new(MAIL_FENCED);
    m->fencing = *x;
    post(context, m);
}

void engine__post_part(struct engine *e, struct load_part *p)
{
    struct engine_mail *m = engine__mail_new(MAIL_PART);
    m->part = p;
    post(e, m);
}

void engine_shard_gained(struct engine *e, const struct shard *row)
{
    struct engine_mail *m = engine__mail_new(MAIL_SHARD_GAINED);
    m->row = *row;
    post(e, m);
}

void engine_shard_lost(struct engine *e, uint32_t shard)
{
    struct engine_mail *m = engine__mail_new(MAIL_SHARD_LOST);
    m->shard = shard;
    post(e, m);
}

void engine_shard_give_back(struct engine *e, uint32_t shard, dur_ms flights_ms)
{
    assert(flights_ms >= 0);
    struct engine_mail *m = engine__mail_new(MAIL_GIVE_BACK);
    m->shard = shard;
    m->flights_ms = flights_ms;
    post(e, m);
}

void engine_lease(struct engine *e, mono_ms until)
{
    struct engine_mail *m = engine__mail_new(MAIL_LEASE);
    m->until = until;
    post(e, m);
}

void engine__post(struct engine *e, enum mail_kind kind)
{
    post(e, engine__mail_new(kind));
}

void engine_zones_changed(struct engine *e)
{
    engine__post(e, MAIL_ZONES);
}
