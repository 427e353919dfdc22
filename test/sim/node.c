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

static void begin_commit(struct node *n)
{
    struct world *w = n->world;
    if (n->committing > 0 || n->queued == 0 || n->disk_lost)
        return;
    n->committing = n->queued;
    bool slow = w->faults && dice_chance(&w->dice, 20000);
    w->happened.of[HAPPENING_COMMIT_SLOW] += slow;
    n->commit_at = w->now.mono + (slow ? dice_skewed(&w->dice, 10, 10000)
                                       : dice_between(&w->dice, 0, COMMIT_MS_MAX));
}

void node_flush(struct node *n)
{
    struct batch *b = n->out.batch;
    if (n->life == LIFE_DOWN)
        return;
    if (b->count == 0 && !b->has_progress)
        return;
    assert(n->queued < QUEUE_MAX);
    n->queue[n->queued++] = b;
    n->out.batch = batch_new(++n->sequence);
    begin_commit(n);
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

// --- The writer ---

static uint64_t apply_first(struct node *n, size_t count)
{
    struct world *w = n->world;
    uint64_t sequence = 0;
    struct fault f = {0};
    enum err err = store_commit(w->store, n->queue, count, &f);
    if (err)
        trace_fail(&w->trace, "the store refuses a commit: %s", f.text);
    for (size_t i = 0; i < count; i++) {
        ledger_apply(&w->ledger, n->queue[i]);
        sequence = n->queue[i]->sequence;
        batch_free(n->queue[i]);
    }
    for (size_t i = count; i < n->queued; i++)
        n->queue[i - count] = n->queue[i];
    n->queued -= count;
    n->committing = 0;
    return sequence;
}

static void set_stalled(struct node *n, bool stalled)
{
    struct world *w = n->world;
    trace_line(&w->trace, w->now.wall, "disk %s", stalled ? "full" : "writable");
    w->happened.of[HAPPENING_DISK_FULL] += stalled;
    n->was_stalled = n->stalled;
    n->stalled = stalled;
    node_step(n, &(struct event){.kind = EVENT_STORE, .healthy = !stalled});
    n->was_stalled = false;
}

// The disk fails: nobody knows what it kept, and the process ends itself soon.
static void lose_disk(struct node *n)
{
    struct world *w = n->world;
    trace_line(&w->trace, w->now.wall, "disk lost");
    count(w, HAPPENING_DISK_LOST);
    n->disk_lost = true;
    n->commit_at = MONO_NEVER;
    n->life_changes_at = w->now.mono + dice_skewed(&w->dice, 1, 100);
}

static bool fails_to_commit(struct node *n)
{
    struct world *w = n->world;
    if (!w->faults || n->stalled)
        return false;
    if (dice_chance(&w->dice, 300)) {
        n->commit_at = w->now.mono + dice_skewed(&w->dice, 1000, 60000);
        set_stalled(n, true);
        return true;
    }
    if (!dice_chance(&w->dice, 100))
        return false;
    lose_disk(n);
    return true;
}

void node_commit(struct node *n)
{
    struct world *w = n->world;
    if (fails_to_commit(n))
        return;
    uint64_t sequence = apply_first(n, n->committing);
    promise_keep(n, sequence);
    coverage_check(w);
    trace_line(&w->trace, w->now.wall, "commit %llu", (unsigned long long)sequence);
    begin_commit(n);
    if (n->stalled)
        set_stalled(n, false);
    if (n->life != LIFE_DOWN)
        node_step(n, &(struct event){.kind = EVENT_RECORDED, .sequence = sequence});
}

// --- Death and birth ---

static void end_life(struct node *n)
{
    core_free(n->core);
    n->core = NULL;
    while (n->queued > 0)
        batch_free(n->queue[--n->queued]);
    n->committing = 0;
    batch_free(n->out.batch);
    n->out.batch = NULL;
    actions_clear(&n->out);
    n->stalled = n->disk_lost = false;
    wire_cut(n);
    promise_forget(n);
    memset(n->tenures, 0, sizeof n->tenures);
    n->life = LIFE_DOWN;
}

static mono_ms downtime(struct world *w)
{
    if (!w->faults)
        return 10;
    return dice_skewed(&w->dice, 10, dice_chance(&w->dice, 800000) ? 3000 : 1200000);
}

// How many of the batches that wait survive. What was being written is one transaction.
static size_t choose_survivors(struct node *n)
{
    struct world *w = n->world;
    size_t kept = (size_t)dice_between(&w->dice, 0, (int64_t)n->queued);
    if (n->committing == 0 || dice_chance(&w->dice, 500000))
        return kept;
    return dice_chance(&w->dice, 500000) ? n->committing : 0;
}

void node_die(struct node *n)
{
    struct world *w = n->world;
    size_t kept = choose_survivors(n), writing = n->committing;
    w->happened.of[HAPPENING_COMMIT_TORN] += kept < writing;
    w->happened.of[HAPPENING_COMMIT_UNHEARD] += 0 < writing && writing <= kept;
    trace_line(&w->trace, w->now.wall, "CRASH: %zu of %zu batches survive", kept, n->queued);
    if (kept > 0)
        promise_keep(n, apply_first(n, kept));
    coverage_check(w);
    count(w, HAPPENING_CRASH);
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
    if (n->queued > 0)
        promise_keep(n, apply_first(n, n->queued)); // An orderly stop commits what waits.
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
        observe_gain(n, s);
    breaker_start(n);
    load(n);
    node_step(n, &(struct event){.kind = EVENT_START, .progress = w->ledger.shards[0].row});
}

void node_fini(struct node *n)
{
    if (n->life != LIFE_DOWN)
        end_life(n);
    actions_free(&n->out);
    free(n->states);
}
