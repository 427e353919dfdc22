// SPDX-License-Identifier: MIT
// check.c: what holds between any two steps, looked at as a whole.
//
// place.c looks at one execution when it moves. This is the sum of them all: each is in its job's
// list, in the place of its phase, and counted once by every gate that it has passed. It costs a
// walk through all jobs, so tests and the simulator ask for it, and the server does not.

#include "core/core_priv.h"

#include <assert.h>

struct tally {
    uint64_t jobs_active;
    uint64_t open;
    uint64_t phases[PHASES];
    uint64_t passed[GATES];
    uint64_t reserved; // Tokens.
    uint64_t users;    // Executions that have a pace.
};

static void tally_open(struct core *c, const struct open *o, struct tally *t)
{
    core__open_check(c, o);
    assert(!o->host || core__is_sent(o) || o->host == o->job->host);
    t->open++;
    t->phases[o->phase]++;
    t->reserved += o->reserved;
    t->users += o->pace != NULL;
    for (unsigned k = 0; k < o->gates_passed; k++)
        t->passed[k]++;
}

static void tally_job(struct core *c, const struct core_job *j, struct tally *t)
{
    uint64_t passed_before = t->passed[GATE_JOB];
    const struct open *previous = NULL;
    for (const struct open *o = j->first_open; o; previous = o, o = o->job_next) {
        assert(o->job == j && o->job_previous == previous);
        tally_open(c, o, t);
    }
    assert(t->passed[GATE_JOB] - passed_before == (j->gate ? j->gate->in_flight : 0));
    assert(!j->active || !(j->deleted || j->finished || j->unusable));
    assert(!j->plan.position || (j->active && !j->exhausted));
    assert(!j->resume.position || (!j->active && j->paused_until != WALL_NEVER));
    assert(!j->trouble || (j->trouble->job == j && !j->trouble->is_changed && !j->deleted));
    assert(!j->deleted || j->first_open || j == &c->nobody);
    assert(j == &c->nobody || core__shard_of(c, j->id)->front);
    t->jobs_active += j->active;
}

static void sum_paces(const struct host *h, struct tally *sum)
{
    for (const struct pace *p = h->paces; p; p = p->next) {
        assert(p->host == h && p->rate > 0 && p->reserved <= p->rate);
        assert(p->waiting + p->reserved <= p->users && p->is_listed == (p->waiting > 0));
        sum->reserved += p->reserved;
        sum->users += p->users;
    }
}

static void check_hosts(const struct core *c, const struct tally *t)
{
    uint64_t in_flight = 0, open = 0;
    struct tally sum = {0};
    for (size_t i = 0; i < HOST_BUCKETS; i++) {
        for (const struct host *h = c->hosts[i]; h; h = h->next) {
            assert((h->users > 0 || h->paces) && h->gate.in_flight_catch_up <= h->gate.in_flight);
            in_flight += h->gate.in_flight;
            open += h->open;
            sum_paces(h, &sum);
        }
    }
    assert(in_flight == t->passed[GATE_HOST]);
    assert(sum.reserved == t->reserved && sum.users == t->users);
    assert(open <= t->open); // Executions of jobs that are gone have no host.
}

static void check_shards(const struct core *c)
{
    uint32_t ours = 0, steady = 0;
    for (uint32_t i = 0; i < c->limits.shards; i++) {
        const struct core_shard *s = &c->shards[i];
        assert((s->front == &c->steady) == (s->state == SHARD_STEADY));
        assert((s->front == NULL) == (s->state == SHARD_AWAY));
        assert(!s->loaded.first || !core__shard_is_settled(s));
        assert(!s->touched);
        ours += s->state != SHARD_AWAY;
        steady += s->state == SHARD_STEADY;
    }
    assert(ours == c->shards_ours && steady == c->steady.shards);
}

void core_check(struct core *c)
{
    struct tally t = {0};
    core__check_door(c);
    for (struct core_job *j = core__job_next(c, NULL); j; j = core__job_next(c, j))
        tally_job(c, j, &t);
    tally_job(c, &c->nobody, &t);
    check_hosts(c, &t);
    assert(t.open == c->pool.used && t.jobs_active == c->jobs_active);
    assert(t.phases[PHASE_WAITING] == c->waiting_count);
    assert(t.phases[PHASE_PLANNED] == agenda_count(c->instants));
    assert(t.phases[PHASE_BACKOFF] == agenda_count(c->retries));
    assert(t.phases[PHASE_EXPECTED] == agenda_count(c->expected));
    assert(t.phases[PHASE_ELSEWHERE] == agenda_count(c->elsewhere));
    assert(t.phases[PHASE_AWAITING] == agenda_count(c->awaiting));
    assert(t.phases[PHASE_NEW] == 0 && t.phases[PHASE_ENDED] == 0 && t.phases[PHASE_GONE] == 0);
    check_shards(c);
    assert(t.passed[GATE_ALL] == c->gate.in_flight);
}

// What costs nothing is looked at before and after each step.
void core__check_door(struct core *c)
{
    assert(agenda_count(c->judged) == 0 && agenda_count(c->aside) == 0);
    assert(c->steady.shards > 0 || agenda_count(c->steady.plan) == 0);
    assert(c->gate.in_flight_catch_up <= c->gate.in_flight);
    if (c->unrecorded.first)
        core__open_check(c, c->unrecorded.first);
    if (c->flying.first)
        core__open_check(c, c->flying.first);
}
