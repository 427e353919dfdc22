// SPDX-License-Identifier: MIT
// place.c: where an open execution is, and what may be true of it there.
//
// An open execution is in exactly one place, its phase. The table below says where that is (a queue
// or an agenda of the core, the queue of a gate, or nowhere), to which phases it may go on, which
// marks it may bear there and how many gates it may have passed. core__enter and core__enter_until
// are the only ones that move an execution: out of the old place, into the new one. So a mark that
// is forgotten, or a move that nobody thought of, ends at the place where it happens.

#include "core/core_priv.h"

#include <assert.h>

#define TO(phase) (1u << PHASE_##phase)
#define IN(member) offsetof(struct core, member)

// The marks of an execution, as a set.
enum {
    CAREFUL = 1,
    CLAIMED = 2,
    RETRYING = 4,
    RETRIED = 8,
    REPLACED = 16,
    COUNTED = 32,
};
#define ON_ITS_WAY (CAREFUL | CLAIMED | RETRYING | RETRIED | COUNTED)
#define ON_THE_WIRE (RETRIED | REPLACED | COUNTED)

// From an attempt's instant it may go to any of these: its row, a gate, the wire.
#define ONWARDS (TO(UNRECORDED) | TO(WAITING) | TO(FLYING) | TO(ENDED))

static const struct rule {
    unsigned next; // Set of phases.
    size_t queue;  // Where in struct core; 0: in none of them.
    size_t agenda; // The same.
    unsigned marks;
    uint8_t gates_min, gates_max;
} rules[PHASES] = {
    [PHASE_NEW] = {.next = TO(LOADED) | TO(PLANNED) | TO(UNRECORDED) | TO(EXPECTED)},
    [PHASE_LOADED] = {.next = TO(PLANNED) | TO(ELSEWHERE) | TO(AWAITING) | TO(BACKOFF) |
                              TO(EXPECTED) | ONWARDS},
    [PHASE_PLANNED] = {.next = TO(JUDGED) | TO(EXPECTED) | ONWARDS,
                       .agenda = IN(instants),
                       .marks = COUNTED},
    [PHASE_JUDGED] = {.next = TO(EXPECTED) | ONWARDS, .agenda = IN(judged), .marks = COUNTED},
    [PHASE_UNRECORDED] = {.next = TO(BACKOFF) | ONWARDS,
                          .queue = IN(unrecorded),
                          .marks = ON_ITS_WAY,
                          .gates_max = GATES},
    [PHASE_WAITING] = {.next = TO(ASIDE) | ONWARDS, .marks = ON_ITS_WAY, .gates_max = GATES - 1},
    [PHASE_ASIDE] = {.next = ONWARDS,
                     .agenda = IN(aside),
                     .marks = ON_ITS_WAY,
                     .gates_max = GATES - 1},
    [PHASE_FLYING] = {.next = TO(LONG_FLYING) | TO(AWAITING) | TO(BACKOFF) | TO(ENDED),
                      .queue = IN(flying),
                      .marks = ON_THE_WIRE,
                      .gates_min = GATES,
                      .gates_max = GATES},
    [PHASE_LONG_FLYING] = {.next = TO(AWAITING) | TO(BACKOFF) | TO(ENDED),
                           .queue = IN(long_flying),
                           .marks = ON_THE_WIRE,
                           .gates_min = GATES,
                           .gates_max = GATES},
    // The execution of a job which is gone has passed no gate. When it does not end in time, it is
    // recovered.
    [PHASE_ELSEWHERE] = {.next = TO(ELSEWHERE) | TO(AWAITING) | TO(BACKOFF) | ONWARDS,
                         .agenda = IN(elsewhere),
                         .marks = ON_THE_WIRE,
                         .gates_max = GATES},
    // Nothing is on the wire, so the place at the job is kept and no other. The execution of a job
    // which is gone has none.
    [PHASE_AWAITING] = {.next = TO(AWAITING) | TO(BACKOFF) | TO(ENDED),
                        .agenda = IN(awaiting),
                        .marks = RETRIED | COUNTED,
                        .gates_max = GATE_PACE},
    // A queue's turn is kept between attempts, and nothing else.
    [PHASE_BACKOFF] = {.next = ONWARDS,
                       .agenda = IN(retries),
                       .marks = CAREFUL | RETRYING | RETRIED | COUNTED,
                       .gates_max = GATE_PACE},
    // Nothing is sent, so there is no gate, and no row to wait for.
    [PHASE_EXPECTED] = {.next = TO(EXPECTED) | TO(ENDED), .agenda = IN(expected), .marks = COUNTED},
    [PHASE_ENDED] = {.marks = ON_ITS_WAY | ON_THE_WIRE, .gates_max = GATES},
    // From anywhere.
    [PHASE_GONE] = {.marks = ON_ITS_WAY | ON_THE_WIRE, .gates_max = GATES},
};

static struct queue *queue_at(struct core *c, size_t member)
{
    return member ? (struct queue *)((char *)c + member) : NULL;
}

static struct agenda *agenda_at(struct core *c, size_t member)
{
    return member ? *(struct agenda **)((char *)c + member) : NULL;
}

// Where an execution of this phase is in line, or NULL.
static struct queue *queue_of(struct core *c, const struct open *o, enum phase phase)
{
    if (phase == PHASE_LOADED)
        return &core__shard_of(c, o->record.key.job)->loaded;
    return phase == PHASE_WAITING ? core__gate_queue(c, o) : queue_at(c, rules[phase].queue);
}

// --- What may be true where ---

static unsigned marks_of(const struct open *o)
{
    return (o->careful ? CAREFUL : 0u) | (o->claimed ? CLAIMED : 0u) |
           (o->retrying ? RETRYING : 0u) | (o->retried ? RETRIED : 0u) |
           (o->replaced ? REPLACED : 0u) | (o->counted ? COUNTED : 0u);
}

// The host is held from the gate of its pace on: where the execution waits there, and once it has
// passed.
static bool may_hold_host(const struct open *o)
{
    if (o->phase == PHASE_WAITING || o->phase == PHASE_ASIDE)
        return o->gates_passed >= GATE_PACE;
    return o->gates_passed > GATE_PACE;
}

// An open execution that was cancelled on request waits for its instant, or for the end of the
// attempt under way; after a crash its target may have said how that ended.
#define MAY_BE_MARKED                                                                              \
    (TO(LOADED) | TO(PLANNED) | TO(JUDGED) | TO(FLYING) | TO(LONG_FLYING) | TO(ELSEWHERE) |        \
     TO(AWAITING) | TO(EXPECTED) | TO(ENDED) | TO(GONE))

static void check_row(const struct core *c, const struct open *o)
{
    assert(!o->record.reason || (MAY_BE_MARKED & (1u << o->phase)));
    enum execution_state state = o->record.state;
    assert(o->record.id > 0 && o->job);
    assert(execution_state_is_terminal(state) == (o->phase == PHASE_ENDED));
    if (o->phase == PHASE_PLANNED || o->phase == PHASE_JUDGED)
        assert(state == EXECUTION_PENDING);
    bool stands_there = o->phase == PHASE_LONG_FLYING || core__is_at_target(o);
    if ((stands_there && o->phase != PHASE_FLYING) || o->claimed)
        assert(state == EXECUTION_RUNNING || o->phase >= PHASE_ENDED);
    if (o->phase == PHASE_UNRECORDED)
        assert(o->sequence > c->recorded);
}

void core__open_check(struct core *c, const struct open *o)
{
    const struct rule *r = &rules[o->phase];
    assert((marks_of(o) & ~r->marks) == 0);
    assert(r->gates_min <= o->gates_passed && o->gates_passed <= r->gates_max);
    assert(!o->claimed || (!o->careful && !o->retrying));
    assert(o->queue == queue_of(c, o, o->phase));
    assert((o->due.position > 0) == (r->agenda > 0));
    assert(o->phase >= PHASE_ENDED || (o->host != NULL) == may_hold_host(o));
    assert(!o->pace || o->pace->host == o->host);
    assert(!o->reserved || (o->pace && o->gates_passed > GATE_PACE && !core__is_sent(o)));
    check_row(c, o);
}

// --- The move ---

static bool waits_at_pace(const struct open *o)
{
    return o->pace && o->queue &&
           (o->queue == &o->pace->gate.waiting[LANE_FRESH] ||
            o->queue == &o->pace->gate.waiting[LANE_CATCH_UP]);
}

static void leave(struct core *c, struct open *o)
{
    struct agenda *a = agenda_at(c, rules[o->phase].agenda);
    if (a)
        agenda_remove(a, &o->due);
    if (o->phase == PHASE_WAITING)
        c->waiting_count--;
    bool waited_at_pace = waits_at_pace(o);
    core__queue_leave(o);
    if (waited_at_pace)
        core__pace_part(c, o);
}

// Rows become durable in order of their batches. A new row may be in the queue already when the
// instant of an older one comes.
static struct open *last_before(const struct queue *unrecorded, const struct open *o)
{
    struct open *before = unrecorded->last;
    while (before && before->sequence > o->sequence)
        before = before->queue_previous;
    return before;
}

static void move(struct core *c, struct open *o, enum phase to)
{
    assert(to == PHASE_GONE || rules[o->phase].next & (1u << to));
    leave(c, o);
    o->phase = (uint8_t)to;
}

void core__enter(struct core *c, struct open *o, enum phase to)
{
    assert(!rules[to].agenda);
    move(c, o, to);
    struct queue *q = queue_of(c, o, to);
    if (q)
        core__queue_put_behind(q, to == PHASE_UNRECORDED ? last_before(q, o) : q->last, o);
    if (to == PHASE_WAITING)
        c->waiting_count++;
    if (waits_at_pace(o))
        core__pace_join(c, o);
    core__open_check(c, o);
}

void core__enter_until(struct core *c, struct open *o, enum phase to, int64_t at)
{
    assert(rules[to].agenda);
    move(c, o, to);
    agenda_put(agenda_at(c, rules[to].agenda), &o->due, at, o->record.id);
    core__open_check(c, o);
}
