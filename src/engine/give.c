// SPDX-License-Identifier: MIT
// give.c: a shard goes to another node in an orderly way.
//
// The core forgets the shard in one step, whose batch is the last that has changes of it. Only when
// that batch is durable may the row be released, so the shard is told then; when it turns out to be
// another node's already, it is not. Attempts that were under way go on at the dispatcher, and what
// comes of them is handed on.

#include "engine/engine_priv.h"

#include <assert.h>

static void tell(struct engine *e, uint32_t number, int64_t epoch)
{
    log_info("shard.given_back", LOG_INT("shard", number), LOG_INT("epoch", epoch));
    if (e->shard_given_back)
        e->shard_given_back(e->context, number, epoch);
}

static void forget(struct engine *e, uint32_t number)
{
    assert(e->giving_count > 0);
    e->givings[number] = (struct giving){0};
    e->giving_count--;
}

// A shard that was still being loaded has written nothing.
void engine__give_back(struct engine *e, uint32_t number, dur_ms flights_ms)
{
    assert(number < store_shard_count(e->store) && e->node);
    int64_t epoch = core_epoch(e->core, number);
    if (e->givings[number].epoch)
        return;
    if (e->loads[number].phase != LOAD_NONE && e->loads[number].phase < LOAD_SETTLING) {
        epoch = e->loads[number].epoch;
        engine__shard_lost(e, number);
        tell(e, number, epoch);
        return;
    }
    wall_ms until = MIN(flights_ms, WALL_LAST - engine__now(e).wall) + engine__now(e).wall;
    engine__step(
        e, &(struct event){.kind = EVENT_SHARD_GIVE_BACK, .give_back = {number, e->node, until}});
    engine__forget_load(e, number);
    assert(core_epoch(e->core, number) == 0);
    if (epoch == 0) {
        tell(e, number, 0);
        return;
    }
    assert(e->batch->count > 0);
    e->givings[number] = (struct giving){.epoch = epoch, .sequence = e->batch->sequence};
    e->giving_count++;
}

void engine__give_recorded(struct engine *e)
{
    for (uint32_t i = 0; e->giving_count > 0 && i < store_shard_count(e->store); i++) {
        const struct giving g = e->givings[i];
        if (g.epoch == 0 || g.sequence > e->recorded)
            continue;
        forget(e, i);
        tell(e, i, g.epoch);
    }
}

bool engine__give_fenced(struct engine *e, uint32_t number, int64_t epoch)
{
    if (epoch == 0 || e->givings[number].epoch != epoch)
        return false;
    forget(e, number);
    return true;
}

void engine__hand_off(struct engine *e, const struct handoff *h)
{
    const struct command c = {.kind = COMMAND_OUTCOME, .id = h->job, .outcome = &h->outcome};
    if (e->outcome_elsewhere)
        e->outcome_elsewhere(e->context, &c);
}
