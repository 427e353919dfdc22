// SPDX-License-Identifier: MIT
// execute.c: the life of one execution, from its instant to its terminal state.
//
// At its instant an execution is judged: if the job as it now stands still owes it, it goes on,
// else it is CANCELLED. It then needs two things in turn: its row durable, and a place at every
// gate. An at-most-once execution, and one which an earlier life of the server may have sent
// already, is also claimed durably just before it is sent, so that after a crash we know what may
// have left.

#include "core/core_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool is_manual(const struct open *o)
{
    return o->record.key.series < 0;
}

static void move(struct open *o, enum execution_state to)
{
    assert(execution_may_move(o->record.state, to));
    o->record.state = (uint8_t)to;
}

static void set_error(struct open *o, const char *error)
{
    char *copy = xstrdup(error);
    free(o->error);
    o->error = copy;
    o->record.error = copy;
}

// Opens the execution of a new row: its key (any negative series for a manual one), due_at, trigger
// and request body are given.
struct open *core__open_plan(struct core *c, struct core_job *j, const struct execution *row)
{
    struct open *o = core__open_new(c, j);
    o->body = xstrdup(row->request_body);
    o->record = *row;
    o->record.id = c->progress.execution_next++;
    o->record.state = EXECUTION_PENDING;
    o->record.request_body = o->body;
    if (row->key.series < 0)
        o->record.key.series = -o->record.id; // Its own number space: never a scheduled key.
    core__record_insert(c, o);
    return o;
}

wall_ms core__due_at(const struct open *o)
{
    return o->record.due_at ? o->record.due_at : o->record.key.scheduled_at;
}

// --- The end ---

// Takes it out of wherever it is. Of the gates it passed it keeps the first `keep`.
static void leave(struct core *c, struct open *o, unsigned keep)
{
    if (o->phase == PHASE_PLANNED)
        agenda_remove(c->instants, &o->due);
    if (o->phase == PHASE_BACKOFF)
        agenda_remove(c->retries, &o->due);
    if (o->phase == PHASE_WAITING && o->queue)
        c->waiting_count--;
    if (o->phase == PHASE_FLYING)
        c->flying_count--;
    core__queue_leave(o);
    core__gates_release(c, o, keep);
}

static void raise_failure(struct core *c, const struct open *o)
{
    char id[EXECUTION_ID_BYTES], text[ERROR_TEXT_MAX + 160];
    execution_id_format(&o->record.key, id);
    unsigned n = o->record.attempts;
    snprintf(text, sizeof text, "execution %s of job %lld failed after %u attempt%s: %s", id,
             (long long)o->record.key.job, n, n == 1 ? "" : "s",
             o->record.error ? o->record.error : "unknown error");
    core__record_alert(c, &o->record, ALERT_FAILURE, text);
}

// An alert is raised from the `alert_after`-th failure in a row on. The count is written for those
// jobs only that need it.
static void count_result(struct core *c, const struct open *o)
{
    enum execution_state state = o->record.state;
    struct core_job *j = o->job;
    uint16_t before = j->failures;
    if (state == EXECUTION_FAILED)
        j->failures = (uint16_t)MIN(j->failures + 1, UINT16_MAX);
    else if (state == EXECUTION_SUCCESS)
        j->failures = 0;
    if (state == EXECUTION_FAILED && j->failures >= j->policy->alert_after)
        raise_failure(c, o);
    if (j->failures != before && j->policy->alert_after > 1 && !j->deleted)
        core__record_job_state(c, j);
}

// What follows from its end, for its job and for those that wait.
static void conclude(struct core *c, struct open *o)
{
    struct core_job *j = o->job;
    count_result(c, o);
    leave(c, o, 0);
    core__open_free(c, o);
    core__job_settle_open(c, j);
}

// Ends the execution: the terminal row, and its alert in the same batch.
void core__finish(struct core *c, struct open *o, enum execution_state state, const char *error,
                  const char *reason)
{
    move(o, state);
    set_error(o, error);
    o->record.reason = reason;
    o->record.completed_at = c->now.wall;
    o->record.next_attempt_at = 0;
    core__record_update(c, o);
    conclude(c, o);
}

void core__cancel(struct core *c, struct open *o, const char *reason)
{
    assert(o->phase != PHASE_FLYING);
    if (o->phase == PHASE_PLANNED)
        core__return_run(c, o);
    char *error = xstrdup(o->error); // Of its last attempt, if it had one.
    core__finish(c, o, EXECUTION_CANCELLED, error, reason);
    free(error);
}

// Given up before it was begun.
void core__miss(struct core *c, struct open *o, const char *reason)
{
    char at[RFC3339_BYTES], text[160];
    wall_format(o->record.key.scheduled_at, at);
    snprintf(text, sizeof text, "1 occurrence missed at %s: %s", at, reason);
    o->record.missed_to = o->record.key.scheduled_at;
    o->record.missed_count = 1;
    core__record_alert(c, &o->record, ALERT_MISSED, text);
    core__finish(c, o, EXECUTION_MISSED, NULL, reason);
}

// --- Judged at its instant ---

// Why no attempt of this execution may start any more, or NULL. Manual ones also run while paused.
static const char *stopped(const struct open *o)
{
    const struct core_job *j = o->job;
    if (j->deleted)
        return "the job was deleted";
    if (j->unusable)
        return "the job cannot be used";
    return j->active || is_manual(o) ? NULL : "the job was paused";
}

// Why the job no longer owes this execution, or NULL. What was planned before the job last changed
// is still owed when its instant lay before the change, or when the new schedule has it too.
const char *core__not_owed(const struct open *o)
{
    const struct core_job *j = o->job;
    wall_ms at = o->record.key.scheduled_at;
    const char *reason = stopped(o);
    bool begun = o->record.state != EXECUTION_PENDING;
    if (reason || begun || is_manual(o) || o->plan_version == j->plan_version ||
        at <= j->changed_at)
        return reason;
    const struct timing *t = j->timing;
    bool owed = at >= t->start_at && at <= t->end_at && (!t->max_runs || o->counted) &&
                cron_matches(&t->schedule, t->zone, at);
    return owed ? NULL : "the schedule was changed";
}

static void judge(struct core *c, struct open *o)
{
    agenda_remove(c->instants, &o->due);
    const char *reason = core__not_owed(o);
    if (reason)
        core__cancel(c, o, reason);
    else if (!core__keeps_room(c, o))
        core__miss(c, o, NO_ROOM);
    else if (core__admit(c, o))
        core__advance(c, o);
}

static struct open *open_of(struct agenda_node *n)
{
    return (struct open *)((char *)n - offsetof(struct open, due));
}

// Judges what is due by `until` as the job now stands, before it changes: in order, as they would
// have been without the change. Each leaves `instants` for an agenda of this job alone.
void core__job_judge_due(struct core *c, struct core_job *j, wall_ms until)
{
    for (struct open *o = j->first_open; o; o = o->job_next) {
        if (o->phase != PHASE_PLANNED || core__due_at(o) > until)
            continue;
        agenda_remove(c->instants, &o->due);
        agenda_put(c->judged, &o->due, core__due_at(o), o->record.id);
    }
    struct agenda_node *n;
    while ((n = agenda_pop(c->judged, AGENDA_NEVER)))
        judge(c, open_of(n));
}

// Instants that have come, then retries whose wait is over; a bounded number of each.
void core__due(struct core *c)
{
    if (c->draining)
        return;
    size_t done = 0;
    struct agenda_node *n;
    while (done++ < c->limits.due_max && (n = agenda_pop(c->instants, c->now.wall)))
        judge(c, open_of(n));
    c->more |= agenda_next(c->instants) <= c->now.wall;

    done = 0;
    while (done++ < c->limits.due_max && (n = agenda_pop(c->retries, c->now.mono)))
        core__advance(c, open_of(n));
    c->more |= agenda_next(c->retries) <= c->now.mono;
}

// --- On its way to the wire ---

// The next attempt is about to be made, or claimed.
static void begin_attempt(struct core *c, struct open *o)
{
    o->record.attempts++;
    o->record.retry_count += o->retrying;
    o->retried = o->retrying;
    o->retrying = false;
    if (o->record.started_at == 0)
        o->record.started_at = c->now.wall;
    o->record.next_attempt_at = 0;
}

static void send(struct core *c, struct open *o)
{
    const struct core_job *j = o->job;
    if (!o->claimed)
        begin_attempt(c, o);
    o->claimed = false;
    o->phase = PHASE_FLYING;
    o->sent_at = c->now.mono;
    core__queue_put(&c->flying, o);
    c->flying_count++;
    *core__send(c->out) = (struct send){
        .ticket = core__ticket(o),
        .request = {.api = j->api,
                    .headers = j->headers,
                    .body = o->body ? o->body : j->body,
                    .tls_ca = j->tls_ca,
                    .method = j->policy->method,
                    .key = o->record.key,
                    .trigger = o->record.trigger,
                    .attempt = o->record.attempts,
                    .timeout_ms = j->policy->timeout_ms,
                    .fence = c->progress.epoch,
                    .repeatable = j->policy->type == JOB_ATLEAST_ONCE,
                    .body_is_json =
                        o->body ? o->record.request_body_is_json : j->policy->body_is_json,
                    .tls_verify = j->policy->tls_verify,
                    .fresh_connection = j->policy->fresh_connection,
                    .redirects = j->policy->redirects,
                    .response_excerpt_bytes = j->policy->response_excerpt_bytes},
    };
}

// In order of the batches, since a new row may wait already when an older one's instant comes.
static void await_record(struct core *c, struct open *o)
{
    struct batch *b = c->out->batch;
    b->awaited |= o->sequence == b->sequence;
    struct open *before = c->unrecorded.last;
    while (before && before->sequence > o->sequence)
        before = before->queue_previous;
    o->phase = PHASE_UNRECORDED;
    core__queue_put_behind(&c->unrecorded, before, o);
}

static void claim(struct core *c, struct open *o)
{
    begin_attempt(c, o);
    o->record.recoveries += o->careful;
    if (o->record.state == EXECUTION_PENDING)
        move(o, EXECUTION_RUNNING);
    o->careful = false;
    o->claimed = true;
    o->written = true;
    core__record_update(c, o);
    await_record(c, o);
}

// Moves a due execution on as far as it can go now.
void core__advance(struct core *c, struct open *o)
{
    if (o->sequence > c->recorded) {
        await_record(c, o);
        return;
    }
    if (!core__gates_pass(c, o))
        return;
    bool at_most_once = o->job->policy->type == JOB_ATMOST_ONCE;
    bool needs_claim = o->careful || at_most_once;
    if (needs_claim && !o->claimed)
        claim(c, o);
    else
        send(c, o);
}

void core__recorded(struct core *c, uint64_t sequence)
{
    assert(sequence >= c->recorded);
    c->recorded = sequence;
    struct open *o;
    while ((o = c->unrecorded.first) && o->sequence <= sequence) {
        core__queue_leave(o);
        core__advance(c, o);
    }
}

static void write_flight(struct core *c, struct open *o)
{
    if (o->record.state == EXECUTION_PENDING)
        move(o, EXECUTION_RUNNING);
    core__record_update(c, o);
    o->written = true;
}

// A flight that lasts gets its RUNNING written; most end before and need one write less.
void core__write_running(struct core *c)
{
    struct open *o;
    while ((o = c->flying.first) && c->now.mono - o->sent_at >= RUNNING_WRITE_DELAY_MS) {
        core__queue_leave(o);
        core__queue_put(&c->long_flying, o);
        if (!o->written)
            write_flight(c, o);
    }
}

// What is on the wire when a job becomes at-most-once must not be repeated after a crash either: it
// is written down like a claim.
void core__claim_flights(struct core *c, struct core_job *j)
{
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (o->phase == PHASE_FLYING)
            write_flight(c, o);
}

// --- What came of it ---

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
    set_error(o, error);
    if (o->record.state == EXECUTION_PENDING)
        move(o, EXECUTION_RUNNING);
    o->written = true;
    bool keeps_turn = o->job->policy->overlap == OVERLAP_QUEUE;
    leave(c, o, keeps_turn ? 1 : 0); // A queue does not move between attempts.
    o->record.next_attempt_at = c->now.wall + delay;
    o->phase = PHASE_BACKOFF;
    core__record_update(c, o); // The retry waits for this: the next life must not use its number.
    agenda_put(c->retries, &o->due, c->now.mono + delay, o->record.id);
}

static void back_off(struct core *c, struct open *o, const struct outcome *out, const char *error)
{
    const struct core_job *j = o->job;
    dur_ms delay = retry_delay(j->policy, o, o->record.retry_count + 1u);
    delay = MIN(MAX(delay, out->retry_after_ms), (dur_ms)j->policy->retry_cap_ms);
    o->retrying = true;
    wait_for_retry(c, o, delay, error);
}

static void failed(struct core *c, struct open *o, const struct outcome *out, const char *error)
{
    const char *reason = may_retry(o, out) ? stopped(o) : NULL;
    if (o->replaced)
        reason = "replaced by the next execution";
    if (reason)
        core__finish(c, o, EXECUTION_CANCELLED, error, reason);
    else if (may_retry(o, out))
        back_off(c, o, out, error);
    else
        core__finish(c, o, EXECUTION_FAILED, error, NULL);
}

// This machine could not make the attempt: it did not happen, and its number is given again. Nobody
// but the execution waits for that: a little at first, then longer.
static void hold(struct core *c, struct open *o, const char *error)
{
    const char *reason = o->replaced ? "replaced by the next execution" : stopped(o);
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

static void say_status(char text[static ERROR_TEXT_MAX], const struct outcome *out)
{
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
    struct open *o = core__open_by_ticket(c, out->ticket);
    if (out->kind == OUTCOME_HELD) {
        hold(c, o, out->attempt.error);
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
    bool success = answered && status_set_has(&o->job->policy->success, a.http_status);
    char text[ERROR_TEXT_MAX];
    if (answered && !success) {
        say_status(text, out);
        a.error = text;
    }
    core__record_attempt(c, &a);
    if (!success && is_permanent(o->job, out) && a.http_status == 410)
        core__job_gone(c, o->job); // First, lest the place of this one go to the next.
    if (!o->replaced)
        core__breaker_learn(c, o->host, lost_at_host(out));
    if (success)
        core__finish(c, o, EXECUTION_SUCCESS, NULL, NULL);
    else
        failed(c, o, out, a.error ? a.error : "unknown error");
}
