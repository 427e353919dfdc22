// SPDX-License-Identifier: MIT
// tenure.c: a node gains a shard, loads what belongs to it slice by slice, and loses it.

#include "world.h"

#include <assert.h>

#include <limits.h>
#include <stdio.h>

#define SLICE 8 // Rows.

const struct tenure *node_tenure(const struct node *n, job_id job)
{
    return &n->tenures[ledger_shard_number(&n->world->ledger, job)];
}

bool node_is_stale(const struct node *n, unsigned shard)
{
    return n->tenures[shard].epoch != n->world->ledger.shards[shard].row.epoch;
}

wall_ms node_seen(const struct node *n, job_id job)
{
    return MAX(n->seen, node_tenure(n, job)->seen);
}

// --- Gaining ---

// A part of a walk through the store.
struct slice {
    struct node *node;
    unsigned shard;
    unsigned left;
};

static enum err load_job(void *context, const struct job *j)
{
    struct slice *s = context;
    struct tenure *t = &s->node->tenures[s->shard];
    if (ledger_shard_number(&s->node->world->ledger, j->id) != s->shard || j->id <= t->jobs_to)
        return ERR_OK;
    if (s->left-- == 0)
        return ERR_LIMIT;
    t->jobs_to = j->id;
    return core_add_job(s->node->core, j, node_zone(j));
}

static enum err load_execution(void *context, const struct execution *e)
{
    struct slice *s = context;
    struct tenure *t = &s->node->tenures[s->shard];
    if (ledger_shard_number(&s->node->world->ledger, e->id) != s->shard || e->id <= t->rows_to)
        return ERR_OK;
    if (s->left-- == 0)
        return ERR_LIMIT;
    t->rows_to = e->id;
    return core_add_execution(s->node->core, e);
}

void node_gain(struct node *n, unsigned shard)
{
    struct world *w = n->world;
    struct shard row;
    struct fault f = {0};
    if (store_take_shard(w->store, shard, &row, &f))
        trace_fail(&w->trace, "shard %u cannot be taken: %s", shard, f.text);
    trace_line(&w->trace, w->now.wall, "node %u gains shard %u in epoch %lld", n->number, shard,
               (long long)row.epoch);
    count(w, HAPPENING_GAINED);
    ledger_take(&w->ledger, &row);
    observe_gain(n, shard);
    n->tenures[shard].loads_at = w->now.mono;
    node_step(n, &(struct event){.kind = EVENT_SHARD_GAINED, .shard = row});
}

// Else the slices may hold what the next owner has written meanwhile.
static bool is_still_its_own(const struct node *n, unsigned shard)
{
    struct shard row;
    enum err err = store_get_shard(n->world->store, shard, &row, NULL);
    return !err && row.epoch == n->tenures[shard].epoch;
}

static void load_slice(struct node *n, unsigned shard)
{
    struct world *w = n->world;
    struct tenure *t = &n->tenures[shard];
    struct slice slice = {n, shard, w->node_count == 1 ? UINT_MAX : SLICE};
    const struct store_slice all = {.shard = shard, .limit = SIZE_MAX};
    struct store_reader *r;
    enum err err = store_reader_open(w->store, &r, NULL);
    assert(err == ERR_OK); // A store in memory has always one more.
    err = store_load_jobs(r, &all, load_job, &slice, NULL);
    if (!err)
        err = store_load_open(r, &all, load_execution, &slice, NULL);
    store_reader_close(r);
    if (err && err != ERR_LIMIT)
        trace_fail(&w->trace, "shard %u cannot be loaded: %s", shard, err_name(err));
    t->loads_at = w->now.mono + dice_between(&w->dice, 0, COMMIT_MS_MAX);
    if (!err && !is_still_its_own(n, shard)) {
        node_lose(n, shard);
        return;
    }
    t->fed = !err;
    if (t->fed)
        node_step(n, &(struct event){.kind = EVENT_SHARD_LOADED, .shard_number = shard});
}

void node_load(struct node *n)
{
    mono_ms at = node_loads_at(n);
    unsigned shard = 0;
    while (!n->tenures[shard].held || n->tenures[shard].fed || n->tenures[shard].loads_at != at)
        shard++;
    load_slice(n, shard);
}

mono_ms node_loads_at(const struct node *n)
{
    mono_ms at = MONO_NEVER;
    for (unsigned s = 0; s < n->world->ledger.shard_count; s++)
        if (n->tenures[s].held && !n->tenures[s].fed)
            at = MIN(at, n->tenures[s].loads_at);
    return at;
}

// --- Losing ---

// What the node has in memory of the shard goes, and so does what is under way to targets.
static void lose(struct node *n, unsigned shard)
{
    trace_line(&n->world->trace, n->world->now.wall, "node %u loses shard %u", n->number, shard);
    n->tenures[shard] = (struct tenure){0};
    wire_lose(n, shard);
    observe_lose(n, shard);
    breaker_leave(n);
    node_step(n, &(struct event){.kind = EVENT_SHARD_LOST, .shard_number = shard});
    breaker_left(n);
    wire_check_lost(n);
}

// The last that is written for the shard is written in this step. What is under way goes on.
static void part(struct node *n, unsigned shard, dur_ms flights_ms)
{
    char name[16];
    wall_ms until = n->world->now.wall + flights_ms;
    trace_line(&n->world->trace, n->world->now.wall, "node %u gives back shard %u", n->number,
               shard);
    snprintf(name, sizeof name, "node %u", n->number);
    wire_part(n, shard, flights_ms);
    n->tenures[shard].fed = false; // The jobs of the shard call no host any more.
    breaker_leave(n);
    node_step(n, &(struct event){.kind = EVENT_SHARD_GIVE_BACK, .give_back = {shard, name, until}});
    n->tenures[shard] = (struct tenure){0};
    if (n->life == LIFE_DOWN)
        return;
    observe_lose(n, shard);
    breaker_left(n);
}

void node_lose(struct node *n, unsigned shard)
{
    if (n->tenures[shard].held || n->tenures[shard].given)
        lose(n, shard);
    node_flush(n);
    writer_lose(n, shard);
}

void node_give(struct node *n, unsigned shard, dur_ms flights_ms)
{
    node_tick(n); // What there is to say of the shard at this time is said.
    if (n->life == LIFE_DOWN || !n->tenures[shard].held)
        return;
    part(n, shard, flights_ms);
    if (n->life == LIFE_DOWN)
        return;
    node_flush(n);
    n->tenures[shard].given = true;
    writer_hand_over(n);
}
