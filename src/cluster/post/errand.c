// SPDX-License-Identifier: MIT
// errand.c: a command from when it is asked for until its client has an answer.
//
// A command that goes to every shard is an errand for each of them, which answer as one: with the
// first refusal, if there is one. It is one act of its client, which the first shard records.

#include "cluster/post/post_priv.h"

#include "base/metrics.h"

#include <assert.h>
#include <endian.h>
#include <string.h>
#include <sys/random.h>

struct chorus {
    _Atomic unsigned left;
    _Atomic(enum err) err;
    cluster_reply *done;
    void *context;
};

static uint64_t draw(void)
{
    uint64_t bits;
    ssize_t n = getrandom(&bits, sizeof bits, 0);
    assert(n == sizeof bits); // So few bytes always come.
    return bits;
}

// A UUID of version 7: the first bytes are the time, so that rows lie in its order.
static struct command_id new_id(wall_ms now)
{
    struct command_id id;
    uint64_t time = htobe64((uint64_t)now << 16);
    uint64_t bits[2] = {draw(), draw()};
    memcpy(id.bytes, bits, sizeof id.bytes);
    memcpy(id.bytes, &time, 6);
    id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0f));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

static uint32_t shard_meant(const struct command *c, uint32_t shards)
{
    return c->id <= 0 ? (uint32_t)(draw() % shards) : shard_of(c->id, shards);
}

static struct errand *one(const struct command *c, uint32_t shard, dur_ms timeout_ms)
{
    struct errand *e = xcalloc(1, sizeof *e);
    struct command own = *c;
    struct now now = clock_now();
    own.shard = shard;
    own.audit = c->kind == COMMAND_ACCEPT_CLOCK && shard > 0 ? NULL : c->audit;
    e->id = new_id(now.wall);
    e->kind = c->kind;
    e->shard = shard;
    e->expires_at = now.wall + timeout_ms;
    e->gives_up_at = now.mono + timeout_ms;
    if (c->client_key) {
        e->key = *c->client_key;
        e->key.text = xstrdup(c->client_key->text);
    }
    if (c->kind == COMMAND_CREATE)
        e->job_key = xstrdup(c->job->key);
    letter_pack(&own, &e->body, &e->bytes);
    return e;
}

static struct errand *to_all(const struct command *c, uint32_t shards, dur_ms timeout_ms,
                             cluster_reply *done, void *context)
{
    struct errand *list = NULL;
    struct chorus *all = xcalloc(1, sizeof *all);
    all->left = shards;
    all->done = done;
    all->context = context;
    for (uint32_t s = shards; s-- > 0;) {
        struct errand *e = one(c, s, timeout_ms);
        e->chorus = all;
        e->next = list;
        list = e;
    }
    return list;
}

struct errand *errand_new(const struct command *c, uint32_t shards, dur_ms timeout_ms,
                          cluster_reply *done, void *context)
{
    struct errand *e;
    if (c->kind == COMMAND_ACCEPT_CLOCK) {
        e = to_all(c, shards, timeout_ms, done, context);
    } else {
        e = one(c, shard_meant(c, shards), timeout_ms);
        e->done = done;
        e->context = context;
    }
    job_free(c->job);
    return e;
}

static void sing(struct chorus *all, enum err err)
{
    enum err none = ERR_OK;
    if (err)
        atomic_compare_exchange_strong(&all->err, &none, err);
    if (atomic_fetch_sub(&all->left, 1) > 1)
        return;
    all->done(all->context, &(struct reply){.err = all->err});
    free(all);
}

// The client is told why the job would never run, which depends on its id: the row is the one that
// was asked for, under the id by which it was judged.
static void add_row(const struct errand *e, struct reply *r)
{
    struct letter *l;
    if (r->err != ERR_RANGE || r->row || letter_unpack(e->body, e->bytes, &l, NULL))
        return;
    r->row = l->command.job;
    l->command.job = NULL;
    letter_free(l);
    if (r->row && r->job)
        r->row->id = r->job;
}

static void errand_free(struct errand *e)
{
    free(e->body);
    free((char *)(uintptr_t)e->key.text);
    free(e->job_key);
    free(e);
}

void errand_answer(struct errand *e, struct reply *r)
{
    add_row(e, r);
    metric_add(METRIC_commands_unclaimed, r->err == ERR_UNCLAIMED);
    metric_add(METRIC_commands_doubtful, r->err == ERR_DOUBT);
    if (e->chorus)
        sing(e->chorus, r->err);
    else
        e->done(e->context, r);
    errand_free(e);
}

void errand_refuse(struct errand *e, enum err err)
{
    errand_answer(e, &(struct reply){.err = err});
}

void errand_drop(struct errand *list)
{
    if (list)
        free(list->chorus);
    for (struct errand *next; list; list = next) {
        next = list->next;
        errand_free(list);
    }
}
