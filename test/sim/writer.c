// SPDX-License-Identifier: MIT
// writer.c: what a node has to write, and what becomes of it.
//
// Whatever waits when the writer is idle is committed in one transaction. A commit may take long;
// the disk may be full, which makes it wait, or fail, which ends the process. A crash keeps a
// prefix of the batches that were not acknowledged, of any length: none of a transaction that was
// torn, all of one whose acknowledgement nobody heard.

#include "world.h"

#include <assert.h>
#include <string.h>

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

// --- The database ---

// Which of the shards in the first batches have another owner by now.
static struct shard_set find_lost(const struct node *n)
{
    struct shard_set lost = {0};
    for (size_t i = 0; i < n->committing; i++)
        for (size_t k = 0; k < n->queue[i]->count; k++) {
            const struct change *c = &n->queue[i]->changes[k];
            if (c->kind == CHANGE_SHARD &&
                c->row.epoch != n->world->ledger.shards[c->shard].row.epoch)
                shard_set_add(&lost, c->shard);
        }
    return lost;
}

static bool is_empty(const struct shard_set *s)
{
    for (size_t i = 0; i < COUNT_OF(s->bits); i++)
        if (s->bits[i])
            return false;
    return true;
}

// The first batches become durable, and with them what they promise; but not a second time.
static void apply(struct node *n, size_t count)
{
    struct world *w = n->world;
    if (!n->is_applied)
        versions_check(w, n->queue, count);
    for (size_t i = 0; i < count && !n->is_applied; i++)
        ledger_apply(&w->ledger, n->queue[i]);
    if (count > 0 && !n->is_applied)
        promise_keep(n, n->queue[count - 1]->sequence);
    for (size_t i = 0; i < count && !n->is_applied; i++)
        errands_record(w, n->queue[i]);
    n->is_applied = true;
    coverage_check(w);
}

static bool is_answer_right(const struct node *n, enum commit_outcome outcome,
                            const struct commit_cause *cause)
{
    if (is_empty(&n->lost))
        return outcome == COMMIT_DONE;
    return outcome == COMMIT_FENCED && memcmp(&cause->fenced, &n->lost, sizeof n->lost) == 0;
}

// The commit arrives. What the store answers is what is true of its shards.
static void ask(struct node *n)
{
    struct world *w = n->world;
    struct commit_cause cause = {0};
    n->lost = find_lost(n);
    bool is_fenced = !is_empty(&n->lost);
    if (n->committing == 0)
        return;
    enum commit_outcome outcome = store_commit(w->store, n->queue, n->committing, &cause);
    w->happened.of[HAPPENING_FENCED] += is_fenced;
    w->happened.of[HAPPENING_COMMIT_TWICE] += !is_fenced && n->is_applied;
    if (!is_answer_right(n, outcome, &cause))
        trace_fail(&w->trace, "I4: a commit %s ends otherwise: %s",
                   is_fenced ? "by whom a shard was taken" : "by an owner", cause.fault.text);
    else if (!is_fenced)
        apply(n, n->committing);
}

// --- What is lost ---

void writer_lose(struct node *n, unsigned shard)
{
    for (size_t i = 0; i < n->queued; i++)
        batch_drop(n->queue[i], shard);
    promise_lose(n, shard);
}

bool writer_has(const struct node *n, unsigned shard)
{
    for (size_t i = 0; i < n->queued; i++)
        if (batch_shard(n->queue[i], shard))
            return true;
    return false;
}

// --- Commits ---

// Batches that need not be remembered any more. Returns the sequence of the last one.
static uint64_t forget(struct node *n, size_t count)
{
    uint64_t sequence = count > 0 ? n->queue[count - 1]->sequence : 0;
    for (size_t i = 0; i < count; i++)
        batch_free(n->queue[i]);
    for (size_t i = count; i < n->queued; i++)
        n->queue[i - count] = n->queue[i];
    n->queued -= count;
    n->committing = 0;
    n->is_applied = n->is_answered = false;
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

// The answer does not come, and the commit arrives all the same, or does not. It is asked for
// again.
static bool is_in_doubt(struct node *n)
{
    struct world *w = n->world;
    bool is_cut_off = w->now.mono < n->cut_until;
    if (!is_cut_off && (!w->faults || !dice_chance(&w->dice, 3000)))
        return false;
    count(w, HAPPENING_COMMIT_IN_DOUBT);
    if (dice_chance(&w->dice, 500000))
        ask(n);
    n->commit_at = MAX(n->cut_until, w->now.mono) + dice_skewed(&w->dice, 1, 5000);
    return true;
}

static void hear_of_loss(struct node *n)
{
    struct world *w = n->world;
    n->is_answered = false;
    n->commit_at = w->now.mono;
    for (unsigned s = 0; s < w->ledger.shard_count && n->life != LIFE_DOWN; s++)
        if (shard_set_has(&n->lost, s))
            node_lose(n, s);
}

// What was given back is written.
void writer_hand_over(struct node *n)
{
    for (unsigned s = 0; s < n->world->ledger.shard_count; s++) {
        if (!n->tenures[s].given || writer_has(n, s))
            continue;
        n->tenures[s].given = false;
        cluster_release(n, s);
    }
}

static void hear(struct node *n)
{
    struct world *w = n->world;
    if (!is_empty(&n->lost)) {
        hear_of_loss(n);
        return;
    }
    uint64_t sequence = forget(n, n->committing);
    trace_line(&w->trace, w->now.wall, "commit %llu", (unsigned long long)sequence);
    begin_commit(n);
    writer_hand_over(n);
    if (n->stalled)
        set_stalled(n, false);
    if (n->life != LIFE_DOWN)
        node_step(n, &(struct event){.kind = EVENT_RECORDED, .sequence = sequence});
}

void writer_commit(struct node *n)
{
    if (n->life == LIFE_DOWN) {
        ask(n); // What a dead process had sent.
        writer_drop(n);
        return;
    }
    if (!n->is_answered && (fails(n) || is_in_doubt(n)))
        return;
    if (!n->is_answered)
        ask(n);
    n->is_answered = true;
    if (n->world->now.mono >= n->stopped_until)
        hear(n);
}

mono_ms writer_wakes_at(const struct node *n)
{
    if (n->committing == 0)
        return MONO_NEVER;
    return n->is_answered ? n->stopped_until : n->commit_at;
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

// What was under way to the database arrives there, sooner or later, or never.
static void die_in_cluster(struct node *n)
{
    struct world *w = n->world;
    bool is_under_way = n->committing > 0 && !n->is_answered && dice_chance(&w->dice, 700000);
    if (!is_under_way) {
        writer_drop(n);
        return;
    }
    while (n->queued > n->committing)
        batch_free(n->queue[--n->queued]);
    n->commit_at = w->now.mono + dice_skewed(&w->dice, 1, 2 * w->lease_ms);
    count(w, HAPPENING_COMMIT_OF_THE_DEAD);
}

// How a node alone dies, whose store is a file.
static void die_alone(struct node *n)
{
    struct world *w = n->world;
    if (n->is_applied)
        forget(n, n->committing);
    size_t kept = choose_survivors(n), writing = n->committing;
    w->happened.of[HAPPENING_COMMIT_TORN] += kept < writing;
    w->happened.of[HAPPENING_COMMIT_UNHEARD] += 0 < writing && writing <= kept;
    trace_line(&w->trace, w->now.wall, "CRASH: %zu of %zu batches survive", kept, n->queued);
    n->committing = kept;
    ask(n);
    writer_drop(n);
}

void writer_die(struct node *n)
{
    if (n->world->node_count > 1)
        die_in_cluster(n);
    else
        die_alone(n);
}

void writer_stop(struct node *n)
{
    if (n->is_applied)
        forget(n, n->committing);
    n->committing = n->queued;
    ask(n); // An orderly stop commits what waits,
    for (unsigned s = 0; s < n->world->ledger.shard_count; s++)
        if (shard_set_has(&n->lost, s))
            writer_lose(n, s);
    if (!is_empty(&n->lost))
        ask(n); // but for what is lost.
    writer_drop(n);
}
