// SPDX-License-Identifier: MIT
// gate.c: limits on attempts: per job, per target host (how many a second, and how many at once),
// in all.
//
// An execution passes the four gates in this order and keeps each place it got while it waits for
// the next, so nothing waits in a circle, and who came first at a gate passes it first. What is
// over a limit waits; it is never dropped. Catch-up may hold a quarter of each gate. Where there is
// no limit on the rate there is no gate for it.

#include "core/core_priv.h"

#include <assert.h>

#define CATCH_UP_PART 4

uint32_t core__lane_share(uint32_t limit, enum lane lane)
{
    return lane == LANE_FRESH ? limit : MAX(limit / CATCH_UP_PART, 1u);
}

static bool is_serial(const struct core_job *j)
{
    return j->policy->overlap != OVERLAP_ALLOW;
}

// An idle job needs no gate, and most jobs are idle. Those which were given back are used again, so
// that a busy server allocates none.
static struct gate *gate_take(struct core *c, const struct core_job *j)
{
    struct gate *g = c->free_gates;
    if (g)
        c->free_gates = g->next_free;
    else
        g = xmalloc(sizeof *g);
    *g = (struct gate){.limit = j->policy->max_in_flight, .is_serial = is_serial(j)};
    return g;
}

void core__gate_give(struct core *c, struct core_job *j)
{
    struct gate *g = j->gate;
    if (!g)
        return;
    assert(!j->first_open && g->in_flight == 0);
    g->next_free = c->free_gates;
    c->free_gates = g;
    j->gate = NULL;
}

void core__gates_free(struct core *c)
{
    while (c->free_gates) {
        struct gate *next = c->free_gates->next_free;
        free(c->free_gates);
        c->free_gates = next;
    }
}

// NULL: nothing is limited there.
static struct gate *gate_of(struct core *c, const struct open *o, enum gate_kind kind)
{
    switch (kind) {
    case GATE_JOB:
        return o->job->gate;
    case GATE_PACE:
        return o->pace ? &o->pace->gate : NULL;
    case GATE_HOST:
        return &o->host->gate;
    default:
        return &c->gate;
    }
}

// In a queue of one job there is one order, so its late executions do not stand aside; replays do.
static enum lane lane_of(const struct open *o, unsigned kind)
{
    return kind == GATE_JOB ? o->job_lane : o->lane;
}

struct queue *core__gate_queue(struct core *c, const struct open *o)
{
    struct gate *g = gate_of(c, o, o->gates_passed);
    return &g->waiting[lane_of(o, o->gates_passed)];
}

// Where executions must not overlap, a replay leaves when nothing else is under way, and others
// wait for the end of its attempt instead of being skipped.
static bool is_apart(const struct gate *g, const struct open *o)
{
    return !g->is_serial || (core__is_replay(o) ? g->in_flight : g->in_flight_replays) == 0;
}

static bool has_room(const struct core *c, struct gate *g, const struct open *o, enum lane lane)
{
    if (g->is_pace)
        return core__pace_allows(c, g, lane);
    if (!is_apart(g, o))
        return false;
    if (g == &c->gate && (c->halted || c->draining || c->now.mono >= c->lease))
        return false;
    if (g->is_host && core__breaker_holds(c, g))
        return false;
    if (g->in_flight + (g == &c->gate ? core__parted_count(c) : 0) >= g->limit)
        return false;
    return lane == LANE_FRESH || g->in_flight_catch_up < core__lane_share(g->limit, lane);
}

static void take_place(struct gate *g, struct open *o)
{
    if (g) {
        g->in_flight++;
        g->in_flight_replays += core__is_replay(o);
        g->in_flight_catch_up += lane_of(o, o->gates_passed) == LANE_CATCH_UP;
    }
    o->gates_passed++;
}

static void pass(struct gate *g, struct open *o)
{
    take_place(g, o);
    if (g && g->is_pace)
        core__pace_reserve(o);
}

// The host and its pace are kept to the end of the attempt.
static void set_out(struct core *c, struct open *o)
{
    assert(!o->host || o->host == o->job->host);
    if (!o->host)
        o->job->host->users++;
    o->host = o->job->host;
    core__pace_set_out(c, o);
}

// At the first gate.
static void enter_gates(struct core *c, struct open *o)
{
    if (!o->job->gate)
        o->job->gate = gate_take(c, o->job);
    bool is_queued = o->job->policy->overlap == OVERLAP_QUEUE && !core__is_replay(o);
    if (o->gates_passed == 0)
        o->job_lane = is_queued ? LANE_FRESH : o->lane;
}

void core__gates_take(struct core *c, struct open *o)
{
    assert(o->gates_passed == 0);
    enter_gates(c, o);
    set_out(c, o);
    while (o->gates_passed < GATES)
        take_place(gate_of(c, o, o->gates_passed), o); // The request has left: no token is taken.
}

void core__gate_take_job(struct core *c, struct open *o)
{
    assert(o->gates_passed == GATE_JOB);
    enter_gates(c, o);
    take_place(o->job->gate, o);
}

bool core__gates_pass(struct core *c, struct open *o)
{
    enter_gates(c, o);
    while (o->gates_passed < GATES) {
        if (o->gates_passed == GATE_PACE)
            set_out(c, o);
        struct gate *g = gate_of(c, o, o->gates_passed);
        enum lane lane = lane_of(o, o->gates_passed);
        // Nobody overtakes: whoever waits in this lane goes first.
        if (g && (g->waiting[lane].first || !has_room(c, g, o, lane))) {
            core__enter(c, o, PHASE_WAITING);
            return false;
        }
        pass(g, o);
    }
    return true;
}

// Lets in whoever waits at this gate, fresh occurrences first, while there is room.
void core__gates_pump(struct core *c, struct gate *g)
{
    for (enum lane lane = LANE_FRESH; lane < LANES; lane++) {
        struct open *o;
        while ((o = g->waiting[lane].first) && has_room(c, g, o, lane)) {
            pass(g, o);
            core__advance(c, o); // Out of this queue.
        }
    }
}

void core__gate_resize(struct core *c, struct core_job *j)
{
    if (!j->gate)
        return;
    j->gate->limit = j->policy->max_in_flight;
    j->gate->is_serial = is_serial(j);
    core__gates_pump(c, j->gate);
}

void core__gates_release(struct core *c, struct open *o, unsigned keep)
{
    unsigned passed = o->gates_passed;
    assert(keep <= GATE_PACE);
    o->gates_passed = (uint8_t)MIN(passed, keep);
    for (unsigned k = keep; k < passed; k++) {
        struct gate *g = gate_of(c, o, (enum gate_kind)k);
        if (!g)
            continue;
        assert(g->in_flight > 0);
        g->in_flight--;
        g->in_flight_replays -= core__is_replay(o);
        g->in_flight_catch_up -= lane_of(o, k) == LANE_CATCH_UP;
    }
    for (unsigned k = keep; k < passed; k++)
        if (k != GATE_PACE)
            core__gates_pump(c, gate_of(c, o, (enum gate_kind)k));
    if (o->pace)
        core__pace_leave(c, o);
    core__host_release(c, o->host);
    o->host = NULL;
}

// The execution has set out for a host, or at a rate, that the job does not have any more.
static bool is_bound_elsewhere(const struct core *c, const struct open *o)
{
    if (core__is_sent(o) || !o->host)
        return false;
    uint32_t rate = o->pace ? o->pace->rate : 0;
    return o->host != o->job->host || rate != core__rate_of(c, o->job);
}

// The job calls another host now, or at another rate. What waits for the old one, or has a place
// there and has not left, sets out anew for the new one, in the order in which it came; all leave
// the queues before the first gives up its place, so that the next does not get it.
void core__gates_change_host(struct core *c, struct core_job *j)
{
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (o->phase == PHASE_WAITING && is_bound_elsewhere(c, o))
            core__enter_until(c, o, PHASE_ASIDE, o->record.id);
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (o->phase == PHASE_UNRECORDED && is_bound_elsewhere(c, o)) // The claim is being written.
            core__gates_release(c, o, GATE_PACE);
    struct agenda_node *n;
    while ((n = agenda_first(c->aside))) {
        struct open *o = core__open_of(n);
        core__gates_release(c, o, GATE_PACE);
        core__advance(c, o);
    }
}
