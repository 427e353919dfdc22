// SPDX-License-Identifier: MIT
// servers.c: API servers, which put what clients want into the database and wait for the reply.
//
// A server may die after a put, and the answer to a put may be lost: then it asks again. When its
// time is over it withdraws the command. One request with one Idempotency-Key may come to two
// servers, at once or one after the other.

#include "world.h"

#include "store/commands.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define TIDY_ROWS 100

void servers_open(struct world *w)
{
    enum err err = store_commands_open(w->store, &w->errands.line, NULL);
    assert(err == ERR_OK); // A store in memory has commands.
}

void servers_close(struct world *w)
{
    store_commands_close(w->errands.line);
    for (size_t i = 0; i < w->errands.count; i++)
        free(w->errands.rows[i].body);
    free(w->errands.rows);
}

// --- Names ---

struct errand *errand_of(struct world *w, size_t number)
{
    assert(0 < number && number <= w->errands.count);
    return &w->errands.rows[number - 1];
}

struct command_id errand_id(size_t number)
{
    struct command_id id = {{0}};
    uint64_t n = number;
    memcpy(id.bytes, &n, sizeof n);
    return id;
}

size_t errand_number(const struct command_id *id)
{
    uint64_t n;
    memcpy(&n, id->bytes, sizeof n);
    return n;
}

// What a client sends with its request; `text` has room for it.
static struct client_key key_of(unsigned number, char text[16])
{
    struct client_key key = {.text = text};
    snprintf(text, 16, "key %u", number);
    memset(key.digest, (int)(number & 0xff), sizeof key.digest);
    return key;
}

// --- Requests ---

// The id of the request tells later which command an entry of the audit is about.
static void pack(const struct command *c, size_t number, struct errand *e)
{
    struct command own = *c;
    struct audit_entry entry = *c->audit;
    char id[24];
    snprintf(id, sizeof id, "%zu", number);
    entry.by.request_id = id;
    own.audit = &entry;
    letter_pack(&own, &e->body, &e->bytes);
}

// A request comes to a server.
static size_t add(struct world *w, const struct command *c, const struct version *v)
{
    static const dur_ms timeouts[] = {200, 2000, 10000};
    struct errands *all = &w->errands;
    dur_ms timeout = w->faults ? DICE_PICK(&w->dice, timeouts) : 10000;
    all->rows = grow(all->rows, all->count, &all->capacity, sizeof *all->rows);
    struct errand *e = &all->rows[all->count++];
    *e = (struct errand){.kind = c->kind, .job = c->id, .acts_at = w->now.mono};
    e->shard = c->id ? ledger_shard_number(&w->ledger, c->id) : c->shard;
    e->version = v ? *v : (struct version){0};
    e->expires_at = w->now.wall + timeout;
    e->gives_up_at = w->now.mono + timeout;
    e->key = c->client_key ? all->keys : 0;
    pack(c, all->count, e);
    return all->count;
}

// The same request at another server, which draws a shard of its own for a new job.
static void add_sibling(struct world *w, struct command *c, const struct version *v)
{
    size_t first = w->errands.count;
    if (c->kind == COMMAND_CREATE)
        c->shard = (unsigned)dice_between(&w->dice, 0, w->ledger.shard_count - 1);
    size_t second = add(w, c, v);
    struct errand *e = errand_of(w, second);
    e->sibling = first;
    errand_of(w, first)->sibling = second;
    dur_ms later = dice_chance(&w->dice, 500000) ? 0 : dice_skewed(&w->dice, 1, 10000);
    e->acts_at += later;
    e->gives_up_at += later;
    e->expires_at += later;
}

void servers_take(struct world *w, struct command *c, const struct version *v)
{
    char text[16];
    bool may_have_key = c->kind == COMMAND_CREATE || makes_executions(c->kind);
    bool has_key = may_have_key && dice_chance(&w->dice, 300000);
    struct client_key key = key_of(has_key ? ++w->errands.keys : 0, text);
    c->client_key = has_key ? &key : NULL;
    add(w, c, v);
    if (has_key)
        add_sibling(w, c, v);
    job_free(c->job);
    c->job = NULL;
}

// --- Putting ---

static void end(struct errand *e)
{
    e->acts_at = MONO_NEVER;
}

static void wake_owners(struct world *w)
{
    for (size_t i = 0; i < w->node_count; i++)
        claims_wake(&w->nodes[i]);
}

// The command is there. Its server may not live to hear what comes of it.
static void be_put(struct world *w, struct errand *e)
{
    e->is_put = e->is_waiting = true;
    wake_owners(w);
    e->acts_at = MIN(w->now.mono + dice_skewed(&w->dice, 1, 1000), e->gives_up_at);
    if (!w->faults || !dice_chance(&w->dice, 100000))
        return;
    count(w, HAPPENING_SERVER_DIED);
    end(e);
}

static void meet_busy(struct world *w, struct errand *e)
{
    count(w, HAPPENING_KEY_BUSY);
    e->acts_at = w->now.mono + dice_skewed(&w->dice, 1, 1000);
    if (e->acts_at > e->gives_up_at || dice_chance(&w->dice, 500000))
        end(e);
}

static void hear_put(struct world *w, size_t number, const struct command_put *p)
{
    struct errand *e = errand_of(w, number);
    switch (p->outcome) {
    case PUT_NEW:
        be_put(w, e);
        break;
    case PUT_REPLAY:
        count(w, HAPPENING_KEY_REPLAYED);
        errands_check_key(w, number, &p->reply);
        end(e);
        break;
    case PUT_BUSY:
        errands_check_key(w, number, NULL);
        meet_busy(w, e);
        break;
    case PUT_OTHER:
    case PUT_TAKEN: // No job of these clients has a name of its own.
        trace_fail(&w->trace, "key %u stands for another request", e->key);
        break;
    case PUT_LATE: // An earlier call may have come in time.
        e->is_waiting = true;
        e->gives_up_at = w->now.mono;
        break;
    }
}

static void put(struct world *w, size_t number)
{
    struct errand *e = errand_of(w, number);
    char text[16];
    struct client_key key = key_of(e->key, text);
    struct command_put p = {.id = errand_id(number),
                            .shard = e->shard,
                            .expires_at = e->expires_at,
                            .body = e->body,
                            .bytes = e->bytes,
                            .key = e->key ? &key : NULL};
    bool is_in_doubt = w->faults && dice_chance(&w->dice, 50000);
    bool arrives = !is_in_doubt || dice_chance(&w->dice, 500000);
    enum err err = arrives ? store_commands_put(w->errands.line, &p, 1, w->now.wall, NULL) : ERR_OK;
    assert(err == ERR_OK);
    if (!is_in_doubt) {
        hear_put(w, number, &p);
        return;
    }
    count(w, HAPPENING_PUT_IN_DOUBT);
    e->acts_at = w->now.mono + dice_skewed(&w->dice, 1, 500);
    e->is_put |= arrives && p.outcome == PUT_NEW;
    if (e->is_put)
        wake_owners(w);
}

// --- Waiting ---

struct listener {
    struct world *world;
    size_t number;
    bool heard;
};

static void hear_reply(void *context, const struct command_reply *r)
{
    struct listener *l = context;
    l->heard = true;
    errands_check_reply(l->world, l->number, r);
}

static void withdraw(struct world *w, size_t number)
{
    struct command_id id = errand_id(number);
    bool withdrawn = false;
    enum err err = store_commands_withdraw(w->errands.line, &id, &withdrawn, NULL);
    assert(err == ERR_OK);
    count(w, withdrawn ? HAPPENING_WITHDRAWN : HAPPENING_WITHDRAWN_TOO_LATE);
    trace_line(&w->trace, w->now.wall, "command %zu is %s", number,
               withdrawn ? "withdrawn" : "not withdrawn");
    if (withdrawn)
        errands_check_withdrawn(w, number);
    end(errand_of(w, number));
}

static void look(struct world *w, size_t number)
{
    struct errand *e = errand_of(w, number);
    struct listener l = {.world = w, .number = number};
    struct command_id id = errand_id(number);
    enum err err = store_commands_read(w->errands.line, &id, 1, hear_reply, &l, NULL);
    assert(err == ERR_OK);
    if (!l.heard && e->is_replied && e->reply.at >= w->now.wall - COMMAND_KEPT_MS / 2)
        trace_fail(&w->trace, "I10: the reply to command %zu is gone", number);
    if (l.heard)
        end(e);
    else if (w->now.mono >= e->gives_up_at)
        withdraw(w, number);
    else
        e->acts_at = MIN(w->now.mono + dice_skewed(&w->dice, 1, 2000), e->gives_up_at);
}

// --- Their turn ---

static size_t first_of(const struct world *w)
{
    const struct errands *all = &w->errands;
    size_t first = 0;
    for (size_t i = all->from; i < all->count; i++)
        if (all->rows[i].acts_at != MONO_NEVER &&
            (!first || all->rows[i].acts_at < all->rows[first - 1].acts_at))
            first = i + 1;
    return first;
}

mono_ms servers_wake_at(const struct world *w)
{
    size_t first = first_of(w);
    return first ? w->errands.rows[first - 1].acts_at : MONO_NEVER;
}

static void tidy(struct world *w)
{
    size_t removed;
    enum err err = store_commands_tidy(w->errands.line, TIDY_ROWS, w->now.wall, &removed, NULL);
    assert(err == ERR_OK);
}

void servers_act(struct world *w)
{
    struct errands *all = &w->errands;
    size_t number = first_of(w);
    if (dice_chance(&w->dice, 10000))
        tidy(w);
    if (errand_of(w, number)->is_waiting)
        look(w, number);
    else
        put(w, number);
    while (all->from < all->count && all->rows[all->from].acts_at == MONO_NEVER)
        all->from++;
}
