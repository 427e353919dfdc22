// SPDX-License-Identifier: MIT
// rezone.c: jobs whose time zone has new rules.
//
// A release of the zone data changes several zones at once, and a job of each has to be planned
// anew; rows that are planned stay. There may be a million jobs, so they are walked once for all
// the changes of a release, in slices of a tick: meanwhile what is due is sent, and those not yet
// reached go by the old rules a moment longer.
//
// What has changed is remembered when the walk is over: a command that was checked by the old rules
// may come later, and its job is planned by the new ones.

#include "core/core_priv.h"

#include <assert.h>

const struct zone *core__zone_now(const struct core *c, const struct zone *z)
{
    const struct rezoning *r = &c->rezoning;
    for (size_t i = 0; i < r->count; i++)
        if (r->changes[i].from == z)
            z = r->changes[i].to; // A later change may go on from there.
    return z;
}

static void rezone(struct core *c, struct core_job *j)
{
    const struct zone *now = core__zone_now(c, j->timing->zone);
    if (now == j->timing->zone)
        return;
    core__job_set_zone(c, j, now);
    if (core__shard_is_settled(core__shard_of(c, j->id)))
        core__job_plan_beyond_watermark(c, j);
}

void core__rezone_on(struct core *c)
{
    struct rezoning *r = &c->rezoning;
    for (uint32_t left = c->limits.step_max; r->next > 0 && left > 0; left--) {
        struct core_job *j = core__job_from(c, r->next);
        r->next = j ? j->id + 1 : 0; // First, since the job may be gone afterwards.
        if (j)
            rezone(c, j);
    }
    c->more |= r->next > 0;
}

// The walk begins anew, since jobs before its place may be of this zone.
void core__rezone(struct core *c, const struct zone *from, const struct zone *to)
{
    struct rezoning *r = &c->rezoning;
    assert(from && to && from != to);
    r->changes = grow(r->changes, r->count, &r->capacity, sizeof *r->changes);
    r->changes[r->count++] = (struct zone_change){from, to};
    r->next = 1;
    core__rezone_on(c);
}

// --- Which zones there are ---

struct zone_list {
    const struct zone **zones;
    size_t count;
    size_t capacity;
};

static void list_zone(void *context, const void *copy)
{
    struct zone_list *l = context;
    const struct zone *z = ((const struct timing *)copy)->zone;
    for (size_t i = 0; i < l->count; i++)
        if (l->zones[i] == z)
            return;
    if (!z) // A job that cannot be used has none.
        return;
    l->zones = grow(l->zones, l->count, &l->capacity, sizeof *l->zones);
    l->zones[l->count++] = z;
}

void core_zones(const struct core *c, core_each_zone *each, void *context)
{
    struct zone_list l = {0};
    intern_each(&c->timings, list_zone, &l);
    for (size_t i = 0; i < l.count; i++)
        each(context, l.zones[i]);
    free(l.zones);
}
