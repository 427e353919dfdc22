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

bool node_goes_on(const struct node *n)
{
    return n->life != LIFE_DOWN && n->world->now.mono >= n->stopped_until;
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

// Where lateness is measured, planning a row takes its time.
static void spend(struct node *n, size_t from)
{
    struct world *w = n->world;
    for (size_t i = from; w->calm && w->node_count > 1 && i < n->out.batch->count; i++)
        if (n->out.batch->changes[i].kind == CHANGE_EXECUTION_INSERT)
            w->spent_ms += CALM_ROW_MS;
}

void node_step(struct node *n, const struct event *e)
{
    struct world *w = n->world;
    w->events++;
    n->doomed = w->faults && dice_chance(&w->dice, 1000);
    n->alarm_at = MONO_NEVER;
    breaker_doubt(n);
    struct before before = observe_before(n);
    core_step(n->core, e, w->now, &n->out);
    if (w->events % CHECK_EVERY == 0)
        core_check(n->core);
    observe_step(n, e, &before);
    spend(n, before.changes);
    for (size_t i = 0; i < n->out.reply_count && !w->is_delivering; i++)
        client_hear(n, &n->out.replies[i]);
    for (size_t i = 0; i < n->out.handoff_count; i++)
        post_take(n, &n->out.handoffs[i]);
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
    else if (w->faults && w->node_count > 1 && dice_chance(&w->dice, 1000))
        cluster_stop(n);
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
    claims_drop(n);
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
    cluster_give_all(n);
    if (n->life == LIFE_DOWN)
        return;
    n->life = LIFE_DRAINING;
    n->life_changes_at = w->now.mono + DRAIN_MS;
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
    cluster_leave(n);
    end_life(n);
    n->life_changes_at = w->now.mono + downtime(w);
}

void node_start(struct node *n)
{
    struct world *w = n->world;
    if (n->queued > 0)
        writer_commit(n); // What its last process had sent arrives by now.
    trace_line(&w->trace, w->now.wall, "node %u starts", n->number);
    count(w, HAPPENING_START);
    n->life = LIFE_UP;
    n->core = core_new(&w->limits);
    n->sequence = 1;
    n->out.batch = batch_new(n->sequence);
    n->life_changes_at = w->now.mono + dice_skewed(&w->dice, 1000, 1200000);
    observe_start(n);
    breaker_start(n);
    rate_start(n);
    claims_start(n);
    cluster_enter(n);
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
