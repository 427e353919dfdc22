// SPDX-License-Identifier: MIT
// post.c: outcomes of attempts whose shards were given back, on their way to the new owners.
//
// The way is a command in the database, which waits until the shard has an owner that takes
// commands. With faults it may take long, come twice, or be lost with the node that wanted to send
// it; then the execution goes on as after a crash when its time is over.

#include "world.h"

#include <assert.h>

#define LOOK_AGAIN_MS 500

static struct parting *free_place(struct world *w)
{
    for (size_t i = 0; i < PARTINGS_MAX; i++)
        if (!w->partings[i].used)
            return &w->partings[i];
    return NULL;
}

static void put(struct world *w, const struct parting *p)
{
    struct parting *place = free_place(w);
    if (place)
        *place = *p;
    else
        count(w, HAPPENING_OUTCOME_DROPPED);
}

void post_take(struct node *n, const struct handoff *h)
{
    struct world *w = n->world;
    struct parting p = {.used = true, .job = h->job, .flight = *w->ending, .outcome = h->outcome};
    assert(p.flight.parted && p.flight.key.job == h->job);
    if (h->outcome.attempt.number != p.flight.attempt)
        trace_fail(&w->trace, "attempt %u is handed off as number %u", p.flight.attempt,
                   h->outcome.attempt.number);
    count(w, HAPPENING_HANDED_OFF);
    p.outcome.attempt.error =
        p.flight.kind == OUTCOME_ANSWERED ? NULL : happening_words(p.flight.as);
    p.at = w->now.mono + dice_skewed(&w->dice, 1, w->faults ? 3000 : 50);
    if (w->faults && dice_chance(&w->dice, 100000)) {
        count(w, HAPPENING_OUTCOME_DROPPED);
        return;
    }
    put(w, &p);
    p.at += dice_skewed(&w->dice, 1, 10000);
    if (w->faults && dice_chance(&w->dice, 100000))
        put(w, &p); // The reply to the command got lost.
}

static const struct parting *first_of(const struct world *w)
{
    const struct parting *first = NULL;
    for (size_t i = 0; i < PARTINGS_MAX; i++)
        if (w->partings[i].used && (!first || w->partings[i].at < first->at))
            first = &w->partings[i];
    return first;
}

mono_ms post_wakes_at(const struct world *w)
{
    const struct parting *p = first_of(w);
    return p ? p->at : MONO_NEVER;
}

// Who claims commands has the shard in truth.
static struct node *owner_of(struct world *w, unsigned shard)
{
    for (size_t i = 0; i < w->node_count; i++) {
        struct node *n = &w->nodes[i];
        bool answers = n->life == LIFE_UP && node_goes_on(n) && !n->stalled && !n->disk_lost;
        if (answers && n->tenures[shard].loaded && !node_is_stale(n, shard))
            return n;
    }
    return NULL;
}

void post_deliver(struct world *w)
{
    struct parting *p = (struct parting *)(uintptr_t)first_of(w);
    unsigned shard = ledger_shard_number(&w->ledger, p->job);
    struct node *n = owner_of(w, shard);
    if (!n) {
        p->at = w->now.mono + LOOK_AGAIN_MS;
        return;
    }
    const struct parting was = *p;
    p->used = false;
    bool awaits = core_awaits(n->core, was.job, &was.outcome.attempt);
    count(w, awaits ? HAPPENING_OUTCOME_TAKEN : HAPPENING_OUTCOME_IN_VAIN);
    if (awaits)
        wire_learn(n, &was.flight);
    trace_line(&w->trace, w->now.wall, "node %u hears how attempt %u of row %lld ended%s",
               n->number, was.flight.attempt, (long long)was.outcome.attempt.execution_id,
               awaits ? "" : ", in vain");
    struct command c = {.kind = COMMAND_OUTCOME, .id = was.job, .outcome = &was.outcome};
    w->is_delivering = true;
    node_step(n, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    w->is_delivering = false;
}
