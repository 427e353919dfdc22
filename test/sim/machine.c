// SPDX-License-Identifier: MIT
// machine.c: the process around the core: its turns, its writer, its death and its start.
//
// As in the program, a turn hands its batch to a writer which commits whatever waits in one
// transaction, and first attempts and replies go out when the batch is acknowledged. A crash keeps
// a prefix of the batches that were not acknowledged, of any length: none of a transaction that was
// torn, all of one whose acknowledgement nobody heard. A disk that is full makes them wait; one
// that fails ends the process.

#include "world.h"
#include "zones/zones.h"

#include <assert.h>

const struct zone *machine_zone(const struct job *j)
{
    const struct zone *z = NULL;
    enum err err = zone_find(j->timezone, &z, NULL);
    assert(err == ERR_OK); // The system has its zone data.
    return z;
}

// --- Turns ---

mono_ms machine_wakes_at(const struct world *w)
{
    bool never = w->out.wake_wall == WALL_NEVER;
    mono_ms wall = never ? MONO_NEVER : w->out.wake_wall - w->now.wall + w->now.mono;
    return MIN(MIN(wall, w->out.wake_mono), w->alarm_at);
}

static void begin_commit(struct world *w)
{
    if (w->committing > 0 || w->queued == 0 || w->disk_lost)
        return;
    w->committing = w->queued;
    bool slow = w->faults && dice_chance(&w->dice, 20000);
    w->happened.of[HAPPENING_COMMIT_SLOW] += slow;
    w->commit_at = w->now.mono + (slow ? dice_skewed(&w->dice, 10, 10000)
                                       : dice_between(&w->dice, 0, COMMIT_MS_MAX));
}

void machine_flush(struct world *w)
{
    struct batch *b = w->out.batch;
    if (w->life == LIFE_DOWN)
        return;
    if (b->count == 0 && !b->has_progress)
        return;
    assert(w->queued < QUEUE_MAX);
    w->queue[w->queued++] = b;
    w->out.batch = batch_new(++w->sequence);
    begin_commit(w);
}

// A crash may come before the step is known to anybody, after any of its requests, or at its end.
static bool dies_now(struct world *w)
{
    return w->doomed && dice_chance(&w->dice, 400000);
}

// The requests of the step leave. False: it died.
static bool send_all(struct world *w)
{
    for (size_t i = 0; i < w->out.send_count; i++) {
        wire_send(w, &w->out.sends[i]);
        if (dies_now(w))
            return false;
    }
    for (size_t i = 0; i < w->out.cancel_count; i++)
        wire_cancel(w, w->out.cancels[i]);
    return true;
}

void machine_step(struct world *w, const struct event *e)
{
    w->events++;
    w->doomed = w->faults && dice_chance(&w->dice, 1000);
    w->alarm_at = MONO_NEVER;
    struct before before = observe_before(w, e);
    core_step(w->core, e, w->now, &w->out);
    observe_step(w, e, &before);
    for (size_t i = 0; i < w->out.reply_count; i++)
        client_hear(w, &w->out.replies[i]);
    if (dies_now(w) || !send_all(w)) {
        count(w, HAPPENING_CRASH_IN_A_STEP);
        machine_die(w);
        return;
    }
    if (dice_chance(&w->dice, 500000))
        machine_flush(w); // Else the turn goes on with another event.
    actions_clear(&w->out);
    if (w->doomed)
        machine_die(w);
}

void machine_tick(struct world *w)
{
    machine_step(w, &(struct event){.kind = EVENT_TICK});
}

// --- The writer ---

static uint64_t apply_first(struct world *w, size_t count)
{
    uint64_t sequence = 0;
    for (size_t i = 0; i < count; i++) {
        ledger_apply(&w->ledger, w->queue[i]);
        sequence = w->queue[i]->sequence;
        batch_free(w->queue[i]);
    }
    for (size_t i = count; i < w->queued; i++)
        w->queue[i - count] = w->queue[i];
    w->queued -= count;
    w->committing = 0;
    return sequence;
}

static void set_stalled(struct world *w, bool stalled)
{
    trace_line(&w->trace, w->now.wall, "disk %s", stalled ? "full" : "writable");
    w->happened.of[HAPPENING_DISK_FULL] += stalled;
    w->was_stalled = w->stalled;
    w->stalled = stalled;
    machine_step(w, &(struct event){.kind = EVENT_STORE, .healthy = !stalled});
    w->was_stalled = false;
}

// The disk fails: nobody knows what it kept, and the process ends itself soon.
static void lose_disk(struct world *w)
{
    trace_line(&w->trace, w->now.wall, "disk lost");
    count(w, HAPPENING_DISK_LOST);
    w->disk_lost = true;
    w->commit_at = MONO_NEVER;
    w->life_changes_at = w->now.mono + dice_skewed(&w->dice, 1, 100);
}

static bool fails_to_commit(struct world *w)
{
    if (!w->faults || w->stalled)
        return false;
    if (dice_chance(&w->dice, 300)) {
        w->commit_at = w->now.mono + dice_skewed(&w->dice, 1000, 60000);
        set_stalled(w, true);
        return true;
    }
    if (!dice_chance(&w->dice, 100))
        return false;
    lose_disk(w);
    return true;
}

void machine_commit(struct world *w)
{
    if (fails_to_commit(w))
        return;
    uint64_t sequence = apply_first(w, w->committing);
    promise_keep(w, sequence);
    coverage_check(w);
    trace_line(&w->trace, w->now.wall, "commit %llu", (unsigned long long)sequence);
    begin_commit(w);
    if (w->stalled)
        set_stalled(w, false);
    if (w->life != LIFE_DOWN)
        machine_step(w, &(struct event){.kind = EVENT_RECORDED, .sequence = sequence});
}

// --- Death and birth ---

static void end_life(struct world *w)
{
    core_free(w->core);
    w->core = NULL;
    while (w->queued > 0)
        batch_free(w->queue[--w->queued]);
    w->committing = 0;
    batch_free(w->out.batch);
    w->out.batch = NULL;
    actions_clear(&w->out);
    w->stalled = w->disk_lost = false;
    wire_cut(w);
    promise_forget(w);
    w->life = LIFE_DOWN;
}

static mono_ms downtime(struct world *w)
{
    if (!w->faults)
        return 10;
    return dice_skewed(&w->dice, 10, dice_chance(&w->dice, 800000) ? 3000 : 1200000);
}

// How many of the batches that wait survive. What was being written is one transaction.
static size_t choose_survivors(struct world *w)
{
    size_t kept = (size_t)dice_between(&w->dice, 0, (int64_t)w->queued);
    if (w->committing == 0 || dice_chance(&w->dice, 500000))
        return kept;
    return dice_chance(&w->dice, 500000) ? w->committing : 0;
}

void machine_die(struct world *w)
{
    size_t kept = choose_survivors(w), writing = w->committing;
    w->happened.of[HAPPENING_COMMIT_TORN] += kept < writing;
    w->happened.of[HAPPENING_COMMIT_UNHEARD] += 0 < writing && writing <= kept;
    trace_line(&w->trace, w->now.wall, "CRASH: %zu of %zu batches survive", kept, w->queued);
    if (kept > 0)
        promise_keep(w, apply_first(w, kept));
    coverage_check(w);
    count(w, HAPPENING_CRASH);
    end_life(w);
    w->life_changes_at = w->now.mono + downtime(w);
}

void machine_drain(struct world *w)
{
    trace_line(&w->trace, w->now.wall, "drain");
    count(w, HAPPENING_DRAIN);
    w->life = LIFE_DRAINING;
    w->life_changes_at = w->now.mono + 5000;
    machine_step(w, &(struct event){.kind = EVENT_DRAIN});
}

void machine_drained(struct world *w)
{
    machine_flush(w);
    bool complete = w->queued == 0 && core_status(w->core).in_flight == 0;
    if (!complete && w->now.mono < w->life_changes_at)
        return;
    if (w->queued > 0)
        promise_keep(w, apply_first(w, w->queued)); // An orderly stop commits what waits.
    trace_line(&w->trace, w->now.wall, "stopped");
    end_life(w);
    w->life_changes_at = w->now.mono + downtime(w);
}

static void load(struct world *w)
{
    for (size_t i = 0; i < w->ledger.job_count; i++) {
        const struct job *j = ledger_job(&w->ledger, (job_id)i + 1);
        if (j && core_add_job(w->core, j, machine_zone(j)))
            trace_fail(&w->trace, "job %zu cannot be loaded", i + 1);
    }
    for (size_t i = ledger_open_from(&w->ledger); i < w->ledger.row_count; i++) {
        const struct execution *e = &w->ledger.rows[i].e;
        if (!execution_state_is_terminal(e->state) && core_add_execution(w->core, e))
            trace_fail(&w->trace, "execution %zu cannot be loaded", i + 1);
    }
}

void machine_start(struct world *w)
{
    trace_line(&w->trace, w->now.wall, "start %u", ++w->life_number);
    count(w, HAPPENING_START);
    w->life = LIFE_UP;
    w->core = core_new(&w->limits);
    w->sequence = 1;
    w->out.batch = batch_new(w->sequence);
    w->life_changes_at = w->now.mono + dice_skewed(&w->dice, 1000, 1200000);
    ledger_start(&w->ledger);
    observe_start(w);
    breaker_start(w);
    load(w);
    machine_step(w, &(struct event){.kind = EVENT_START, .progress = w->ledger.progress});
}

void machine_fini(struct world *w)
{
    if (w->life != LIFE_DOWN)
        end_life(w);
    actions_free(&w->out);
}
