// SPDX-License-Identifier: MIT
// writer.c: what a node has to write, and what becomes of it.
//
// Whatever waits when the writer is idle is committed in one transaction. A commit may take long;
// the disk may be full, which makes it wait, or fail, which ends the process. A crash keeps a
// prefix of the batches that were not acknowledged, of any length: none of a transaction that was
// torn, all of one whose acknowledgement nobody heard.

#include "world.h"

#include <assert.h>

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

void writer_put(struct node *n, struct batch *b)
{
    assert(n->queued < QUEUE_MAX);
    n->queue[n->queued++] = b;
    begin_commit(n);
}

// --- Commits ---

// The first batches become durable, and with them what they promise.
static void apply(struct node *n, size_t count)
{
    struct world *w = n->world;
    struct commit_cause cause = {0};
    if (count > 0 && store_commit(w->store, n->queue, count, &cause) != COMMIT_DONE)
        trace_fail(&w->trace, "the store refuses a commit: %s", cause.fault.text);
    versions_check(w, n->queue, count);
    for (size_t i = 0; i < count; i++)
        ledger_apply(&w->ledger, n->queue[i]);
    if (count > 0)
        promise_keep(n, n->queue[count - 1]->sequence);
    coverage_check(w);
}

// They need not be remembered any more. Returns the sequence of the last one.
static uint64_t forget(struct node *n, size_t count)
{
    uint64_t sequence = count > 0 ? n->queue[count - 1]->sequence : 0;
    for (size_t i = 0; i < count; i++)
        batch_free(n->queue[i]);
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
    enum err cause = stalled ? ERR_STORE_FULL : ERR_OK;
    node_step(n, &(struct event){.kind = EVENT_STORE, .cause = cause});
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

static bool fails(struct node *n)
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

void writer_commit(struct node *n)
{
    struct world *w = n->world;
    if (fails(n))
        return;
    apply(n, n->committing);
    uint64_t sequence = forget(n, n->committing);
    trace_line(&w->trace, w->now.wall, "commit %llu", (unsigned long long)sequence);
    begin_commit(n);
    if (n->stalled)
        set_stalled(n, false);
    if (n->life != LIFE_DOWN)
        node_step(n, &(struct event){.kind = EVENT_RECORDED, .sequence = sequence});
}

// --- The end ---

void writer_drop(struct node *n)
{
    forget(n, n->queued);
    promise_forget(n);
    n->stalled = n->disk_lost = false;
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

void writer_die(struct node *n)
{
    struct world *w = n->world;
    size_t kept = choose_survivors(n), writing = n->committing;
    w->happened.of[HAPPENING_COMMIT_TORN] += kept < writing;
    w->happened.of[HAPPENING_COMMIT_UNHEARD] += 0 < writing && writing <= kept;
    trace_line(&w->trace, w->now.wall, "CRASH: %zu of %zu batches survive", kept, n->queued);
    apply(n, kept);
    writer_drop(n);
}

void writer_stop(struct node *n)
{
    apply(n, n->queued); // An orderly stop commits what waits.
    writer_drop(n);
}
