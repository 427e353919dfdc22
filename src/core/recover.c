// SPDX-License-Identifier: MIT
// recover.c: what a start finds unfinished, and how it goes on.
//
// A row whose instant had come when the server died may have been sent. It goes on with the same
// key and a higher attempt number, and is from then on claimed durably before it is sent, so only
// those that were really under way at a crash count towards RECOVERIES_MAX: a request that kills
// the server each time ends FAILED instead of for ever. One that has been under way at a crash
// before rests first, each for a while of its own: so a request that kills is alone when it does,
// and deaths in quick succession, whose cause lies elsewhere, use up nobody's recoveries.
//
// An at-most-once execution that was claimed is never sent again: whether its request left is
// unknown, and it says so.

#include "core/core_priv.h"

#include <assert.h>

// Whether the row tells that no request was under way: between two attempts, the wait not nearly
// over. The wait is measured on the other clock, which may have been faster by a thousandth. One of
// an at-most-once job would have been claimed.
static bool was_waiting(const struct core *c, const struct open *o)
{
    dur_ms drift = CLOCK_STEP_MS + (dur_ms)o->job->policy->retry_cap_ms / 1000;
    dur_ms left = o->record.next_attempt_at - c->now.wall;
    return left > (o->job->policy->type == JOB_ATMOST_ONCE ? 0 : drift);
}

// Whether it waits since its last attempt could not be made, and was not made again after a
// failure: then it has no more attempts than those that ended otherwise.
static bool was_held(const struct execution *e)
{
    return e->attempts <= e->retry_count + e->recoveries;
}

static bool was_claimed(const struct execution *e)
{
    return e->state == EXECUTION_RUNNING && e->next_attempt_at == 0;
}

// An occurrence that came due while the server was down, and was never begun.
static bool is_unwanted(const struct core *c, const struct open *o)
{
    const struct core_job *j = o->job;
    return j->policy->type == JOB_ATMOST_ONCE && j->policy->catch_up == CATCH_UP_NONE &&
           o->record.state == EXECUTION_PENDING && o->record.key.series >= 0 &&
           o->record.key.scheduled_at < c->now.wall - c->limits.late_ms;
}

static void give_up(struct core *c, struct open *o)
{
    core__give_back_run(c, o);
    core__miss(c, o, "not caught up, by the job's policy");
}

static void resume_at_most_once(struct core *c, struct open *o)
{
    if (was_claimed(&o->record))
        core__finish(c, o, EXECUTION_FAILED, "outcome unknown: the server died during the attempt",
                     NULL);
    else if (is_unwanted(c, o))
        give_up(c, o);
    else
        core__advance(c, o);
}

// How long it waits because of the crashes it has seen: one to two seconds for each, spread by its
// key, and anew each time, so that those which died together do not come back together.
static dur_ms caution_ms(const struct execution *e)
{
    uint64_t x = (uint64_t)e->id * 0x9E3779B97F4A7C15u + e->recoveries;
    x = (x ^ (x >> 31)) * 0xBF58476D1CE4E5B9u;
    dur_ms part_ms = (dur_ms)(x >> 32) % CAUTION_MS;
    return e->recoveries * (CAUTION_MS + part_ms);
}

static void resume_at_least_once(struct core *c, struct open *o, bool queued)
{
    dur_ms wait = MAX(caution_ms(&o->record), o->record.next_attempt_at - c->now.wall);
    bool is_loop = o->record.recoveries >= RECOVERIES_MAX;
    if (o->record.state == EXECUTION_RUNNING && is_loop) {
        core__finish(c, o, EXECUTION_FAILED,
                     "crash loop: the server died during this attempt again and again", NULL);
        return;
    }
    // An attempt of which the row does not tell may have been made.
    if (!was_claimed(&o->record))
        o->record.attempts++;
    o->careful = true;
    if (wait > 0 && !queued)
        core__enter_until(c, o, PHASE_BACKOFF, c->now.mono + wait);
    else
        core__advance(c, o);
}

// The wait is longer than the job allows when the clock went back, or the job was changed. Then the
// row must tell of the shorter one, or the next life believes that nothing was sent after it.
static dur_ms rest_of_wait(struct core *c, struct open *o)
{
    dur_ms wait = o->record.next_attempt_at - c->now.wall, longest = o->job->policy->retry_cap_ms;
    if (wait <= longest)
        return wait;
    o->record.next_attempt_at = c->now.wall + longest;
    core__record_update(c, o);
    return longest;
}

// A correction of the clock cancels what is only planned, so what it has left in place ahead of the
// clock had been begun.
static bool was_left_ahead(const struct core *c, const struct open *o)
{
    const struct execution_key *k = &o->record.key;
    return 0 <= k->series && k->series < core__shard_of(c, k->job)->row.generation &&
           k->scheduled_at > c->now.wall;
}

// Whether its instant is still to come. A manual one was due when it was asked for, whatever the
// clock says now. A ping may have come before its instant.
static bool is_to_come(const struct core *c, const struct open *o)
{
    bool may_be = o->record.state == EXECUTION_PENDING || core__is_heartbeat(o->job);
    return may_be && o->record.key.series >= 0 && core__due_at(o) > c->now.wall &&
           !was_left_ahead(c, o);
}

// What its row says cannot be believed, so whether it was begun is not known either.
static void fail_damaged(struct core *c, struct open *o)
{
    o->record.state = EXECUTION_RUNNING;
    o->record.damaged = false;
    core__finish(c, o, EXECUTION_FAILED, o->error, NULL);
}

static void resume(struct core *c, struct open *o)
{
    if (o->record.damaged) {
        fail_damaged(c, o);
        return;
    }
    bool is_pinged = o->record.state != EXECUTION_PENDING;
    if (core__is_heartbeat(o->job) && (is_pinged || !is_to_come(c, o))) {
        core__heartbeat_recover(c, o);
        return;
    }
    if (is_to_come(c, o)) {
        o->lane = o->record.trigger == TRIGGER_CATCH_UP ? LANE_CATCH_UP : LANE_FRESH;
        core__enter_until(c, o, PHASE_PLANNED, core__due_at(o));
        return;
    }
    bool pending = o->record.state == EXECUTION_PENDING;
    // What was begun is not skipped, but the last one begun replaces those before it once more.
    if ((pending || o->job->policy->overlap == OVERLAP_REPLACE) && !core__admit(c, o))
        return;
    o->lane = LANE_CATCH_UP;
    o->retrying = o->record.next_attempt_at != 0 && !was_held(&o->record);
    bool queued =
        o->job->policy->overlap == OVERLAP_QUEUE; // The next ones would overtake one that waits.
    if (was_waiting(c, o) && !queued) {
        core__enter_until(c, o, PHASE_BACKOFF, c->now.mono + rest_of_wait(c, o));
    } else if (o->job->policy->type == JOB_ATMOST_ONCE) {
        resume_at_most_once(c, o);
    } else {
        resume_at_least_once(c, o, queued);
    }
}

void core__recover(struct core *c, struct open *o)
{
    assert(o->phase == PHASE_LOADED || o->phase == PHASE_ELSEWHERE);
    if (core__is_replaced_elsewhere(o)) {
        core__cancel(c, o, "replaced by the next execution");
        return;
    }
    o->counted = o->job->timing->bounds.max_runs > 0 && o->record.key.series >= 0;
    if (was_left_ahead(c, o))
        o->plan_version = o->job->plan_version; // The execution was owed when it was begun.
    const char *reason = core__not_owed(o);
    if (reason && !o->record.reason && o->record.key.scheduled_at > o->job->effective_from)
        o->counted = false; // The change that took it back has returned its run.
    bool may_be_owed_again = is_to_come(c, o) && o->record.key.scheduled_at > c->now.wall;
    if (reason && (o->job->deleted || !may_be_owed_again))
        core__cancel(c, o, reason);
    else
        resume(c, o);
}
