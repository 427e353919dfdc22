// SPDX-License-Identifier: MIT
// outcome.c: what comes of an attempt: success, another attempt after a wait, or the end.
//
// An attempt that this machine could not make does not count: it is held, and its number is given
// again. Any other is a row of its own, teaches the breaker of its host, and ends the execution or
// puts it into `retries`. Whether another attempt is safe depends on the job's type, and on whether
// the request can have arrived.

#include "core/core_priv.h"

#include <assert.h>
#include <stdio.h>

// The wait before the next attempt after `failures` failed ones. The spread of the exponential
// strategy comes from the execution's key, so a repeated run gives the same delays.
static dur_ms retry_delay(const struct policy *p, const struct open *o, unsigned failures)
{
    assert(failures > 0);
    dur_ms delay = p->retry_base_ms;
    if (p->retry_strategy == RETRY_LINEAR)
        delay *= failures;
    if (p->retry_strategy == RETRY_EXPONENTIAL) {
        for (unsigned i = 1; i < failures && delay < p->retry_cap_ms; i++)
            delay *= 2;
        uint64_t x = (uint64_t)o->record.id * 0x9E3779B97F4A7C15u + failures;
        x = (x ^ (x >> 31)) * 0xBF58476D1CE4E5B9u;
        delay = (dur_ms)((x >> 32) % (uint64_t)(MIN(delay, (dur_ms)p->retry_cap_ms) + 1));
    }
    return MIN(delay, (dur_ms)p->retry_cap_ms);
}

// Whether the same request would be answered in the same way for ever. A redirect that was not
// followed is such an answer: the target has read the request, and may have acted on it. So is "go
// away", if the job takes it so, but for the statuses that ask to come back later.
static bool is_permanent(const struct core_job *j, const struct outcome *out)
{
    unsigned status = out->kind == OUTCOME_ANSWERED ? out->attempt.http_status : 0;
    if (out->body_error && status_set_has(&j->policy->success_status, status))
        return false; // The next answer of this status may have another body.
    if (status >= 300 && status <= 399)
        return true;
    return j->policy->permanent_4xx && status >= 400 && status <= 499 && status != 408 &&
           status != 425 && status != 429;
}

static bool may_retry(const struct open *o, const struct outcome *out)
{
    const struct core_job *j = o->job;
    if (is_permanent(j, out))
        return false;
    bool safe = j->policy->type == JOB_ATLEAST_ONCE || out->kind == OUTCOME_NOT_SENT;
    return safe && o->record.retry_count < j->policy->max_retries;
}

static void wait_for_retry(struct core *c, struct open *o, dur_ms delay, const char *error)
{
    core__set_error(o, error);
    if (o->record.state == EXECUTION_PENDING)
        core__set_state(o, EXECUTION_RUNNING);
    bool keeps_turn = o->job->policy->overlap == OVERLAP_QUEUE;
    core__gates_release(c, o, keeps_turn ? 1 : 0); // A queue does not move between attempts.
    core__enter_until(c, o, PHASE_BACKOFF, c->now.mono + delay);
    o->record.next_attempt_at = c->now.wall + delay;
    core__record_update(c, o); // The retry waits for this: the next life must not use its number.
}

static void back_off(struct core *c, struct open *o, const struct outcome *out, const char *error)
{
    const struct core_job *j = o->job;
    dur_ms delay = retry_delay(j->policy, o, o->record.retry_count + 1u);
    delay = MIN(MAX(delay, out->retry_after_ms), (dur_ms)j->policy->retry_cap_ms);
    o->retrying = true;
    wait_for_retry(c, o, delay, error);
}

// Whether the job is to be paused for one execution more that fails. The count goes on while it is
// paused, so a client who resumes the job lets it try so many times again.
static bool is_one_too_many(const struct core_job *j)
{
    unsigned most = j->policy->auto_pause_after;
    unsigned failures = j->failures + 1u;
    return most && j->active && (failures % most == 0 || failures > UINT16_MAX);
}

static void pause_failing(struct core *c, const struct execution *e, unsigned failures,
                          const char *error)
{
    char reason[64];
    snprintf(reason, sizeof reason, "%u execution%s failed in a row", failures,
             failures == 1 ? "" : "s");
    core__record_alert(c, e,
                       &(struct alert){.kind = ALERT_JOB_PAUSED,
                                       .count = failures,
                                       .last_error = error,
                                       .telling = TELLING_WAITING});
    core__job_pause(c, core__job_find(c, e->key.job), reason);
}

// What was sent is not stopped by the pause, which comes before its end: else its place would go to
// the next one. A heartbeat has no place, and would be stopped itself.
void core__fail(struct core *c, struct open *o, const char *error)
{
    bool pauses = is_one_too_many(o->job);
    bool is_sent = core__is_at_target(o);
    unsigned failures = o->job->failures + 1u;
    const struct execution e = o->record;
    if (pauses && is_sent)
        pause_failing(c, &e, failures, error);
    core__finish(c, o, EXECUTION_FAILED, error, NULL);
    if (pauses && !is_sent && core__job_find(c, e.key.job)->active)
        pause_failing(c, &e, failures, error);
}

void core__failed(struct core *c, struct open *o, const struct outcome *out, const char *error)
{
    bool is_gone = o->job == &c->nobody; // And how often its job would have tried is not known.
    const char *reason = o->record.reason;
    if (!reason && (may_retry(o, out) || is_gone))
        reason = core__stopped(o);
    if (o->replaced && !o->record.reason)
        reason = "replaced by the next execution";
    if (reason)
        core__finish(c, o, EXECUTION_CANCELLED, error, reason);
    else if (may_retry(o, out))
        back_off(c, o, out, error);
    else
        core__fail(c, o, error);
}

// This machine could not make the attempt: it did not happen, and its number is given again. Nobody
// but the execution waits for that: a little at first, then longer.
void core__hold(struct core *c, struct open *o, const char *error)
{
    bool is_replaced = o->replaced && !o->record.reason;
    const char *reason = is_replaced ? "replaced by the next execution" : core__stopped(o);
    o->record.attempts--;
    o->record.retry_count -= o->retried;
    o->retrying = o->retried;
    if (reason) {
        core__finish(c, o, EXECUTION_CANCELLED, error, reason);
        return;
    }
    dur_ms delay = MIN((dur_ms)HOLD_MS_MIN << o->holds, HOLD_MS_MAX);
    if (delay < HOLD_MS_MAX)
        o->holds++;
    wait_for_retry(c, o, delay, error);
}

// Why the answer is a failure.
static void say_answer(char text[static ERROR_TEXT_MAX], const struct outcome *out,
                       bool good_status)
{
    if (good_status) {
        snprintf(text, ERROR_TEXT_MAX, "answered with HTTP status %u, but %s",
                 (unsigned)out->attempt.http_status, out->body_error);
        return;
    }
    snprintf(text, ERROR_TEXT_MAX, "answered with HTTP status %u%s%s",
             (unsigned)out->attempt.http_status, out->location ? ", Location: " : "",
             out->location ? out->location : "");
}

// Why the job's own host gave no answer, or NULL: who redirected the attempt did.
static const char *lost_at_host(const struct outcome *out)
{
    if (out->kind == OUTCOME_ANSWERED || out->attempt.redirects)
        return NULL;
    return out->attempt.error ? out->attempt.error : "unknown error";
}

void core__outcome(struct core *c, const struct outcome *out)
{
    if (core__parted_outcome(c, out))
        return;
    struct open *o = core__open_of_outcome(c, out);
    if (o) // Else the shard was lost since.
        core__attempt_ended(c, o, out);
}

static bool has_good_status(const struct core *c, const struct open *o, const struct outcome *out)
{
    bool is_gone = o->job == &c->nobody; // And what its job counted as success is not known.
    const struct status_set *s = is_gone ? &status_set_2xx : &o->job->policy->success_status;
    return status_set_has(s, out->attempt.http_status);
}

void core__attempt_ended(struct core *c, struct open *o, const struct outcome *out)
{
    core__open_check(c, o);
    if (out->kind == OUTCOME_HELD && !core__is_completed(o)) {
        core__hold(c, o, out->attempt.error);
        return;
    }
    o->holds = 0;
    struct attempt a = out->attempt;
    a.execution_id = o->record.id;
    a.number = o->record.attempts;
    o->record.http_status = a.http_status;
    if (o->record.attempts == 1)
        o->record.started_at = a.started_at;

    bool answered = out->kind == OUTCOME_ANSWERED;
    bool good_status = answered && has_good_status(c, o, out);
    bool success = good_status && !out->body_error;
    char text[ERROR_TEXT_MAX];
    if (answered && !success) {
        say_answer(text, out, good_status);
        a.error = text;
    }
    core__record_attempt(c, o, &a);
    if (!success && is_permanent(o->job, out) && a.http_status == 410)
        core__job_pause(c, o->job, "the target answered 410 Gone"); // First: see pause_failing.
    if (!o->replaced && !o->record.reason && !out->is_unheard && o->host)
        core__breaker_learn(c, o->host, lost_at_host(out));
    if (core__is_completed(o))
        core__conclude_completed(c, o);
    else if (success && core__is_to_wait(o, out))
        core__await_completion(c, o);
    else if (success)
        core__finish(c, o, EXECUTION_SUCCESS, NULL, NULL);
    else
        core__failed(c, o, out, a.error ? a.error : "unknown error");
}
