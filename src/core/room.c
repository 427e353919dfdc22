// SPDX-License-Identifier: MIT
// room.c: how many executions may be open, and how many of them at one host.
//
// Executions wait for a host that is slow or dead, and pile up. If they could fill all the room
// there is, planning would stop for everybody. So a host may have as many open as are free: one
// such host takes half of the room, two take a third each, and there is always as much left as the
// worst of them has. What finds no room at its instant is MISSED, with its alert. What is planned
// late, after downtime, gets a quarter of that and then waits for room, since a backlog shrinks;
// but not when nothing answers at its host: then it is MISSED as well, so that others need not
// wait. Nor for heartbeats: these wait for their pings, and a late one would wait for no better.

#include "core/core_priv.h"

// With so many open in all and at the host, whether it may have one more.
static bool fits(const struct core *c, size_t used, uint32_t at_host, enum lane lane)
{
    uint32_t most = c->limits.open_max;
    return used < most && at_host < core__lane_share(most - (uint32_t)used, lane);
}

bool core__has_room(const struct core *c, const struct host *h, enum lane lane)
{
    return fits(c, c->pool.used, h->open, lane);
}

bool core__has_room_behind(const struct core *c, const struct host *h, uint32_t more)
{
    uint32_t others = MAX(more, 1u) - 1;
    return fits(c, c->pool.used + others, h->open + others, LANE_CATCH_UP);
}

bool core__finds_room(const struct core *c, const struct open *o)
{
    return o->lane != LANE_FRESH || fits(c, c->pool.used - 1, o->job->host->open - 1, LANE_FRESH);
}

// What comes next is late, and the backlog of its host has to shrink first.
bool core__plan_waits(const struct core *c, const struct front *f)
{
    struct agenda_node *n = agenda_first(f->plan);
    if (c->pool.used >= c->limits.open_max)
        return true;
    if (!n || agenda_next(f->plan) >= c->now.wall - c->limits.late_ms)
        return false;
    const struct core_job *j =
        (const struct core_job *)((const char *)n - offsetof(struct core_job, plan));
    return !core__is_heartbeat(j) && !core__has_room(c, j->host, LANE_CATCH_UP) &&
           !core__breaker_is_open(c, j->host);
}
