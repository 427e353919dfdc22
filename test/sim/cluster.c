// SPDX-License-Identifier: MIT
// cluster.c: which node owns which shard, and until when.
//
// A stand-in for what several nodes agree on by way of their database. Each node renews its lease
// while it can, and sends nothing when the lease is over. What was not renewed in time, others take
// over, each up to its share; what is over its share a node gives back. A node may stand still, or
// be cut off from the database, for longer than its lease: then others have its shards, and it does
// not know that before it asks. One node alone takes its only shard at its start, with a lease that
// never ends.

#include "world.h"

#define RENEWALS 3 // During one lease.
#define FALLOW_MS_MAX 1200000
#define GUARD_MS 5 // The lease ends so much earlier for its node than for all others.

static bool is_alone(const struct world *w)
{
    return w->node_count == 1;
}

// Whether the shard still belongs to the process that this node is.
static bool is_own(const struct node *n, const struct shard_seen *s)
{
    return s->owner == n && s->incarnation == n->incarnation;
}

static void enter(struct node *n)
{
    n->incarnation = ++n->world->incarnations;
    n->is_buried = false;
}

// --- Leases ---

static void extend(struct node *n)
{
    struct world *w = n->world;
    n->lease_until = w->now.mono + w->lease_ms - GUARD_MS;
    n->renews_at = w->now.mono + w->lease_ms / RENEWALS;
    for (unsigned s = 0; s < w->ledger.shard_count; s++)
        if (is_own(n, &w->shards[s]))
            w->shards[s].free_at = w->now.mono + w->lease_ms;
}

static bool is_cut_off(struct node *n)
{
    struct world *w = n->world;
    if (w->now.mono < n->cut_until)
        return true;
    if (!w->faults || !dice_chance(&w->dice, 5000))
        return false;
    n->cut_until = w->now.mono + dice_skewed(&w->dice, 100, 4 * w->lease_ms);
    trace_line(&w->trace, w->now.wall, "node %u is cut off", n->number);
    count(w, HAPPENING_CUT_OFF);
    return true;
}

// What the node had is lost to it, and it enters anew, with nothing.
static void lose_all(struct node *n)
{
    trace_line(&n->world->trace, n->world->now.wall, "node %u was buried", n->number);
    count(n->world, HAPPENING_BURIED);
    enter(n);
    for (unsigned s = 0; s < n->world->ledger.shard_count && n->life != LIFE_DOWN; s++)
        if (n->tenures[s].held)
            node_lose(n, s);
}

void cluster_renew(struct node *n)
{
    if (is_cut_off(n)) {
        n->renews_at = n->cut_until;
        return;
    }
    if (n->is_buried)
        lose_all(n);
    if (n->life == LIFE_DOWN)
        return;
    n->was_late = n->world->now.mono >= n->lease_until;
    extend(n);
    node_step(n, &(struct event){.kind = EVENT_LEASE, .until = n->lease_until});
    n->was_late = false;
}

// --- Taking and giving back ---

// A node takes no shard for which it still has something to write, since that would be fenced.
static bool may_take(const struct node *n, unsigned shard)
{
    const struct shard_seen *s = &n->world->shards[shard];
    if (n->tenures[shard].held || n->tenures[shard].given || writer_has(n, shard))
        return false;
    return is_own(n, s) || n->world->now.mono >= s->free_at;
}

// The process that had it is taken for dead, so all that it has is free.
static void bury(struct world *w, const struct shard_seen *s)
{
    struct node *before = s->owner;
    unsigned incarnation = s->incarnation;
    if (!before)
        return;
    before->is_buried |= before->incarnation == incarnation;
    for (unsigned i = 0; i < w->ledger.shard_count; i++)
        if (w->shards[i].owner == before && w->shards[i].incarnation == incarnation) {
            w->shards[i].owner = NULL;
            w->shards[i].free_at = 0;
        }
}

static void take(struct node *n, unsigned shard)
{
    struct world *w = n->world;
    struct shard_seen *s = &w->shards[shard];
    bool is_taken_over = s->owner && !is_own(n, s);
    w->happened.of[HAPPENING_TAKEN_OVER] += is_taken_over;
    if (is_taken_over)
        bury(w, s);
    s->owner = n;
    s->incarnation = n->incarnation;
    s->free_at = w->now.mono + w->lease_ms;
    node_gain(n, shard);
}

static unsigned count_up(const struct world *w)
{
    unsigned up = 0;
    for (size_t i = 0; i < w->node_count; i++)
        up += w->nodes[i].life == LIFE_UP;
    return up;
}

static unsigned count_held(const struct node *n)
{
    unsigned held = 0;
    for (unsigned s = 0; s < n->world->ledger.shard_count; s++)
        held += n->tenures[s].held;
    return held;
}

static unsigned share_of(const struct world *w)
{
    unsigned up = MAX(count_up(w), 1u);
    return (w->ledger.shard_count + up - 1) / up;
}

static void take_up_to_share(struct node *n)
{
    struct world *w = n->world;
    unsigned count = w->ledger.shard_count, share = share_of(w);
    unsigned first = (unsigned)dice_between(&w->dice, 0, count - 1);
    for (unsigned i = 0; i < count && n->life == LIFE_UP && count_held(n) < share; i++) {
        unsigned shard = (first + i) % count;
        if (may_take(n, shard))
            take(n, shard);
    }
}

// Gives back a shard too many, or, from time to time, any: shards go to and fro.
static void give_back(struct node *n)
{
    struct world *w = n->world;
    bool is_whim = (w->faults || w->calm) && dice_chance(&w->dice, 50000);
    unsigned shard = (unsigned)dice_between(&w->dice, 0, w->ledger.shard_count - 1);
    if ((!is_whim && count_held(n) <= share_of(w)) || !n->tenures[shard].held)
        return;
    count(w, HAPPENING_GIVEN_BACK);
    node_give(n, shard, MOVE_FLIGHTS_MS);
}

void cluster_give_all(struct node *n)
{
    struct world *w = n->world;
    for (unsigned s = 0; s < w->ledger.shard_count && n->life == LIFE_UP && !is_alone(w); s++)
        if (n->tenures[s].held) {
            count(w, HAPPENING_GIVEN_BACK);
            node_give(n, s, DRAIN_MS);
        }
}

// How long nobody takes what was given back. In a calm world that is what makes a backlog.
static dur_ms choose_fallow(struct world *w)
{
    if (w->calm && dice_chance(&w->dice, 100000))
        return dice_between(&w->dice, 0, 6 * FALLOW_MS_MAX);
    if (w->faults && dice_chance(&w->dice, 300000))
        return dice_skewed(&w->dice, 100, FALLOW_MS_MAX);
    return 0;
}

// The node has written what it had to write for the shard: anybody may take it, at once or later.
void cluster_release(struct node *n, unsigned shard)
{
    struct world *w = n->world;
    struct shard_seen *s = &w->shards[shard];
    if (!is_own(n, s))
        return;
    s->owner = NULL;
    s->free_at = w->now.mono + choose_fallow(w);
}

void cluster_balance(struct node *n)
{
    struct world *w = n->world;
    n->balances_at = w->now.mono + dice_skewed(&w->dice, 100, 30000);
    bool may = n->life == LIFE_UP && w->now.mono >= n->cut_until && w->now.mono < n->lease_until &&
               !n->is_buried && !n->stalled && !n->disk_lost;
    if (may)
        give_back(n);
    if (may && n->life == LIFE_UP)
        take_up_to_share(n);
}

// --- Standing still ---

// For longer than its lease, or not. What it was about to send to the database leaves later.
void cluster_stop(struct node *n)
{
    struct world *w = n->world;
    bool is_long = dice_chance(&w->dice, 500000);
    n->stopped_until = w->now.mono + (is_long ? dice_between(&w->dice, w->lease_ms, 3 * w->lease_ms)
                                              : dice_skewed(&w->dice, 100, w->lease_ms));
    if (n->committing > 0 && dice_chance(&w->dice, 500000))
        n->commit_at = n->stopped_until + dice_between(&w->dice, 0, COMMIT_MS_MAX);
    trace_line(&w->trace, w->now.wall, "node %u stands still", n->number);
    count(w, HAPPENING_STOPPED);
    n->stops_at = n->stopped_until + dice_skewed(&w->dice, 10000, 4000000);
}

// --- A life ---

void cluster_enter(struct node *n)
{
    struct world *w = n->world;
    enter(n);
    n->renews_at = n->balances_at = n->stops_at = MONO_NEVER;
    n->cut_until = n->stopped_until = 0;
    if (is_alone(w)) {
        n->lease_until = MONO_NEVER;
        node_step(n, &(struct event){.kind = EVENT_LEASE, .until = MONO_NEVER});
        for (unsigned s = 0; s < w->ledger.shard_count && n->life != LIFE_DOWN; s++) {
            w->shards[s].owner = NULL;
            take(n, s);
        }
        return;
    }
    n->balances_at = w->now.mono + dice_skewed(&w->dice, 1, 1000);
    n->stops_at = w->now.mono + dice_skewed(&w->dice, 10000, 4000000);
    cluster_renew(n);
}

// An orderly stop gives back what the node has; what a dead one had is free when its lease is over.
void cluster_leave(struct node *n)
{
    for (unsigned s = 0; s < n->world->ledger.shard_count; s++)
        cluster_release(n, s);
}
