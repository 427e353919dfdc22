// SPDX-License-Identifier: MIT
// node.c: a machine around the core: its turns, its writer, its death and its start.
//
// As in the program, a turn hands its batch to a writer which commits whatever waits in one
// transaction, and first attempts and replies go out when the batch is acknowledged. A crash keeps
// a prefix of the batches that were not acknowledged, of any length: none of a transaction that was
// torn, all of one whose acknowledgement nobody heard. A disk that is full makes them wait; one
// that fails ends the process.

#include "world.h"
#include "zones/zones.h"

#include <assert.h>
#include <string.h>

#define CHECK_EVERY 64 // Steps, since it walks through all jobs.

const struct zone *node_zone(const struct job *j)
{
    const struct zone *z = NULL;
    enum err err = zone_find(j->timezone, &z, NULL);
    assert(err == ERR_OK); // The system has its zone data.
    return z;
}

const struct tenure *node_tenure(const struct node *n, job_id job)
{
    return &n->tenures[ledger_shard_number(&n->world->ledger, job)];
}

// --- Turns ---

mono_ms node_wakes_at(const struct node *n)
{
    const struct world *w = n->world;
    bool never = n->out.wake_wall == WALL_NEVER;
    mono_ms wall = never ? MONO_NEVER : n->out.wake_wall - w->now.wall + w->now.mono;
    return MIN(MIN(wall, n->out.wake_mono), n->alarm_at);
}

void node_flush(struct node *n)
{
    struct batch *b = n->out.batch;
    if (n->life == LIFE_DOWN)
        return;
    if (b->count == 0)
        return;
    writer_put(n, b);
    n->out.batch = batch_new(++n->sequence);
}

// A crash may come before the step is known to anybody, after any of its requests, or at its end.
static bool dies_now(struct node *n)
{
    struct world *w = n->world;
    return n->doomed && dice_chance(&w->dice, 400000);
}

// The requests of the step leave. False: it died.
static bool send_all(struct node *n)
{
    for (size_t i = 0; i < n->out.send_count; i++) {
        wire_send(n, &n->out.sends[i]);
        if (dies_now(n))
            return false;
    }
    for (size_t i = 0; i < n->out.cancel_count; i++)
        wire_cancel(n, n->out.cancels[i]);
    return true;
}

void node_step(struct node *n, const struct event *e)
{
    struct world *w = n->world;
    w->events++;
    n->doomed = w->faults && dice_chance(&w->dice, 1000);
    n->alarm_at = MONO_NEVER;
    struct before before = observe_before(n, e);
    core_step(n->core, e, w->now, &n->out);
    if (w->events % CHECK_EVERY == 0)
        core_check(n->core);
    observe_step(n, e, &before);
    for (size_t i = 0; i < n->out.reply_count; i++)
        client_hear(n, &n->out.replies[i]);
    if (dies_now(n) || !send_all(n)) {
        count(w, HAPPENING_CRASH_IN_A_STEP);
        node_die(n);
        return;
    }
    if (dice_chance(&w->dice, 500000))
        node_flush(n); // Else the turn goes on with another event.
    actions_clear(&n->out);
    if (n->doomed)
        node_die(n);
}

void node_tick(struct node *n)
{
    node_step(n, &(struct event){.kind = EVENT_TICK});
}

// --- Death and birth ---

static void end_life(struct node *n)
{
    core_free(n->core);
    n->core = NULL;
    batch_free(n->out.batch);
    n->out.batch = NULL;
    actions_clear(&n->out);
    wire_cut(n);
    memset(n->tenures, 0, sizeof n->tenures);
    n->life = LIFE_DOWN;
}

static mono_ms downtime(struct world *w)
{
    if (!w->faults)
        return 10;
    return dice_skewed(&w->dice, 10, dice_chance(&w->dice, 800000) ? 3000 : 1200000);
}

void node_die(struct node *n)
{
    struct world *w = n->world;
    count(w, HAPPENING_CRASH);
    writer_die(n);
    end_life(n);
    n->life_changes_at = w->now.mono + downtime(w);
}

void node_drain(struct node *n)
{
    struct world *w = n->world;
    trace_line(&w->trace, w->now.wall, "drain");
    count(w, HAPPENING_DRAIN);
    n->life = LIFE_DRAINING;
    n->life_changes_at = w->now.mono + 5000;
    node_step(n, &(struct event){.kind = EVENT_DRAIN});
}

void node_drained(struct node *n)
{
    struct world *w = n->world;
    node_flush(n);
    bool complete = n->queued == 0 && core_status(n->core).in_flight == 0;
    if (!complete && w->now.mono < n->life_changes_at)
        return;
    writer_stop(n);
    trace_line(&w->trace, w->now.wall, "stopped");
    end_life(n);
    n->life_changes_at = w->now.mono + downtime(w);
}

static enum err load_job(void *context, const struct job *j)
{
    const struct node *n = context;
    return core_add_job(n->core, j, node_zone(j));
}

static enum err load_execution(void *context, const struct execution *e)
{
    const struct node *n = context;
    return core_add_execution(n->core, e);
}

static void load(struct node *n)
{
    struct store *s = n->world->store;
    enum err err = store_load_jobs(s, load_job, n, NULL);
    if (!err)
        err = store_load_open(s, load_execution, n, NULL);
    if (err)
        trace_fail(&n->world->trace, "a start cannot load its rows: %s", err_name(err));
}

static void take(struct node *n, unsigned shard)
{
    struct world *w = n->world;
    if (store_take_shard(w->store, shard, &w->ledger.shards[shard].row, NULL))
        trace_fail(&w->trace, "shard %u cannot be taken", shard);
    observe_gain(n, shard);
}

void node_start(struct node *n)
{
    struct world *w = n->world;
    trace_line(&w->trace, w->now.wall, "start %u", w->tenures + 1);
    count(w, HAPPENING_START);
    n->life = LIFE_UP;
    n->core = core_new(&w->limits);
    n->sequence = 1;
    n->out.batch = batch_new(n->sequence);
    n->life_changes_at = w->now.mono + dice_skewed(&w->dice, 1000, 1200000);
    ledger_start(&w->ledger);
    observe_start(n);
    for (unsigned s = 0; s < w->ledger.shard_count; s++)
        take(n, s);
    breaker_start(n);
    node_step(n, &(struct event){.kind = EVENT_LEASE, .until = MONO_NEVER});
    if (n->life != LIFE_DOWN)
        node_step(n, &(struct event){.kind = EVENT_SHARD_GAINED, .shard = w->ledger.shards[0].row});
    if (n->life == LIFE_DOWN)
        return;
    load(n);
    node_step(n, &(struct event){.kind = EVENT_SHARD_LOADED});
}

void node_fini(struct node *n)
{
    if (n->life != LIFE_DOWN) {
        writer_drop(n);
        end_life(n);
    }
    actions_free(&n->out);
    free(n->states);
}
