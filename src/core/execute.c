// SPDX-License-Identifier: MIT
// execute.c: the life of one execution, from its instant to its terminal state.
//
// At its instant an execution is judged: if the job as it now stands still owes it, it goes on,
// else it is CANCELLED. It then needs two things in turn: its row durable, and a place at every
// gate. An at-most-once execution, and one which an earlier life of the server may have sent
// already, is also claimed durably just before it is sent, so that after a crash we know what may
// have left. What comes of an attempt is in outcome.c.

#include "core/core_priv.h"

#include <assert.h>
#include <string.h>

static bool is_manual(const struct open *o)
{
    return o->record.key.series < 0;
}

void core__set_state(struct open *o, enum execution_state to)
{
    assert(execution_may_move(o->record.state, to));
    o->record.state = (uint8_t)to;
}

void core__set_error(struct open *o, const char *error)
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
    struct core_shard *s = core__shard_of(c, j->id);
    o->record.id = core__next_id(c, s, &s->row.execution_next);
    o->record.state = EXECUTION_PENDING;
    o->record.is_of_heartbeat = core__is_heartbeat(j);
    o->record.request_body = o->body;
    o->record.origin = xstrdup(row->origin);
    if (row->key.series < 0)
        o->record.key.series = -o->record.id; // A number space of its own: never a scheduled key.
    core__record_insert(c, o);
    return o;
}

bool core__is_flying(const struct open *o)
{
    return o->phase == PHASE_FLYING || o->phase == PHASE_LONG_FLYING;
}

bool core__is_sent(const struct open *o)
{
    return core__is_flying(o) || o->phase == PHASE_ELSEWHERE;
}

bool core__is_at_target(const struct open *o)
{
    return core__is_sent(o) || o->phase == PHASE_AWAITING;
}

wall_ms core__due_at(const struct open *o)
{
    return o->record.due_at ? o->record.due_at : o->record.key.scheduled_at;
}

// --- The end ---

// Whether the count of a job is written; nobody asks for that of another one.
static bool counts_failures(const struct policy *p)
{
    return p->alert_after > 1 || p->auto_pause_after > 0;
}

// An alert is raised from the `alert_after`-th failure in a row on.
static void count_result(struct core *c, const struct open *o)
{
    enum execution_state state = o->record.state;
    struct core_job *j = o->job;
    uint16_t before = j->failures;
    if (state == EXECUTION_FAILED)
        j->failures = (uint16_t)MIN(j->failures + 1, UINT16_MAX);
    else if (state == EXECUTION_SUCCESS)
        j->failures = 0;
    core__incident_learn(c, o);
    if (j->failures != before && counts_failures(j->policy) && !j->deleted)
        core__record_job_state(c, j);
    core__incident_settle(c, j);
}

// What follows from its end, for its job and for those that wait.
static void conclude(struct core *c, struct open *o)
{
    struct core_job *j = o->job;
    count_result(c, o);
    core__enter(c, o, PHASE_ENDED);
    core__gates_release(c, o, 0);
    core__open_free(c, o);
    core__job_settle_open(c, j);
}

// Ends the execution: the terminal row, and its alert in the same batch.
void core__finish(struct core *c, struct open *o, enum execution_state state, const char *error,
                  const char *reason)
{
    core__set_state(o, state);
    core__set_error(o, error);
    o->record.reason = reason;
    o->record.completed_at = c->now.wall;
    o->record.next_attempt_at = 0;
    o->record.completion_deadline = 0;
    core__record_update(c, o);
    conclude(c, o);
}

void core__cancel(struct core *c, struct open *o, const char *reason)
{
    assert(!core__is_flying(o));
    if (core__is_completed(o) && o->record.completion == COMPLETION_SUCCESS) {
        core__conclude_completed(c, o); // The target was told that its word counts.
        return;
    }
    // What was cancelled on request has had its run.
    if ((o->phase == PHASE_PLANNED || o->phase == PHASE_JUDGED) && !o->record.reason)
        core__give_back_run(c, o);
    char *error = xstrdup(o->error); // The error of the last attempt, if there was one.
    core__finish(c, o, EXECUTION_CANCELLED, error, reason);
    free(error);
}

// Given up before it was begun.
void core__miss(struct core *c, struct open *o, const char *reason)
{
    o->record.missed_to = o->record.key.scheduled_at;
    o->record.missed_count = 1;
    core__incident_missed(c, o->job, &o->record,
                          &(struct alert){.kind = ALERT_MISSED,
                                          .from = o->record.key.scheduled_at,
                                          .count = 1,
                                          .last_error = reason});
    core__finish(c, o, EXECUTION_MISSED, NULL, reason);
}

// --- Judged at its instant ---

// Manual ones also run while paused.
const char *core__stopped(const struct open *o)
{
    const struct core_job *j = o->job;
    if (o->record.reason)
        return o->record.reason; // A client wants none.
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
    const char *reason = core__stopped(o);
    bool begun = o->record.state != EXECUTION_PENDING;
    if (reason || begun || is_manual(o) || o->plan_version == j->plan_version ||
        at <= j->changed_at)
        return reason;
    const struct timing *t = j->timing;
    bool owed = (!t->bounds.max_runs || o->counted) &&
                job_bounds_have(&t->bounds, &t->schedule, t->zone, at);
    return owed ? NULL : "the schedule was changed";
}

static void judge(struct core *c, struct open *o)
{
    const char *reason = core__not_owed(o);
    if (reason)
        core__cancel(c, o, reason);
    else if (!core__finds_room(c, o))
        core__miss(c, o, NO_ROOM);
    else if (core__admit(c, o))
        core__advance(c, o);
}

// Judges what is due by `until` as the job now stands, before it changes: in order, as they would
// have been without the change. Each leaves `instants` for an agenda of this job alone.
void core__job_judge_due(struct core *c, struct core_job *j, wall_ms until)
{
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (o->phase == PHASE_PLANNED && core__due_at(o) <= until)
            core__enter_until(c, o, PHASE_JUDGED, core__due_at(o));
    struct agenda_node *n;
    while ((n = agenda_first(c->judged)))
        judge(c, core__open_of(n));
}

// The first whose time has come, or NULL. It leaves the agenda when it is moved on.
static struct open *first_due(const struct agenda *a, int64_t now)
{
    struct agenda_node *n = agenda_first(a);
    return n && agenda_next(a) <= now ? core__open_of(n) : NULL;
}

// Instants that have come, then retries whose wait is over; a bounded number of each.
void core__due(struct core *c)
{
    if (c->draining)
        return;
    size_t done = 0;
    struct open *o;
    while (done++ < c->limits.due_max && (o = first_due(c->instants, c->now.wall)))
        judge(c, o);
    c->more |= agenda_next(c->instants) <= c->now.wall;

    done = 0;
    while (done++ < c->limits.due_max && (o = first_due(c->retries, c->now.mono)))
        core__advance(c, o);
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
    o->record.completion = COMPLETION_NONE;
}

static void send(struct core *c, struct open *o)
{
    const struct core_job *j = o->job;
    const struct core_shard *s = core__shard_of(c, j->id);
    if (!o->claimed)
        begin_attempt(c, o);
    o->claimed = false;
    if (o->reserved)
        core__pace_spend(c, o);
    o->sent_at = c->now.mono;
    core__enter(c, o, PHASE_FLYING);
    o->flight = ++c->flights;
    *core__send(c->out) = (struct send){
        .ticket = core__ticket(o),
        .shard = s->row.number,
        .request = {.api = j->api,
                    .headers = j->headers,
                    .body = o->body ? o->body : j->body,
                    .signing = j->signing,
                    .oauth = j->oauth,
                    .tls_ca = j->tls_ca,
                    .tls_client_cert = j->tls_client_cert,
                    .tls_client_key = j->tls_client_key,
                    .success_body = j->success_body,
                    .failure_body = j->failure_body,
                    .method = j->policy->method,
                    .key = o->record.key,
                    .origin = o->record.origin,
                    .trigger = o->record.trigger,
                    .attempt = o->record.attempts,
                    .timeout_ms = j->policy->timeout_ms,
                    .epoch = s->row.epoch,
                    .repeatable = j->policy->type == JOB_ATLEAST_ONCE,
                    .wants_callback = j->policy->completion_timeout_s > 0,
                    .body_is_json =
                        o->body ? o->record.request_body_is_json : j->policy->body_is_json,
                    .tls_verify = j->policy->tls_verify,
                    .fresh_connection = j->policy->fresh_connection,
                    .redirects = (uint8_t)j->policy->redirects,
                    .response_excerpt_bytes = j->policy->response_excerpt_bytes},
    };
}

static void await_record(struct core *c, struct open *o)
{
    struct batch *b = c->out->batch;
    b->awaited |= o->sequence == b->sequence;
    core__enter(c, o, PHASE_UNRECORDED);
}

static void claim(struct core *c, struct open *o)
{
    begin_attempt(c, o);
    o->record.recoveries += o->careful;
    if (o->record.state == EXECUTION_PENDING)
        core__set_state(o, EXECUTION_RUNNING);
    o->careful = false;
    o->claimed = true;
    core__record_update(c, o);
    await_record(c, o);
}

// The lease ended while its claim was on the way to the disk.
static void put_off(struct core *c, struct open *o)
{
    assert(o->claimed); // Else the last gate holds it back.
    o->claimed = false;
    core__hold(c, o, "this node's lease is over");
}

// The claim of an at-most-once execution, and so its request, may be among what the database has
// lost. Whatever came due later than that was claimed by nobody.
static bool is_in_doubt(const struct core *c, const struct open *o)
{
    const struct core_shard *s = core__shard_of(c, o->record.key.job);
    wall_ms at = MAX(core__due_at(o), o->record.next_attempt_at);
    return o->job->policy->type == JOB_ATMOST_ONCE && s->doubt_from < at && at <= s->doubt_to;
}

static void end_in_doubt(struct core *c, struct open *o)
{
    if (o->record.state == EXECUTION_PENDING)
        core__set_state(o, EXECUTION_RUNNING);
    core__finish(c, o, EXECUTION_FAILED,
                 "outcome unknown: the database was replaced and may have lost the attempt", NULL);
}

// Moves a due execution on as far as it can go now.
void core__advance(struct core *c, struct open *o)
{
    if (core__is_heartbeat(o->job)) {
        core__heartbeat_expect(c, o);
        return;
    }
    if (is_in_doubt(c, o)) {
        end_in_doubt(c, o);
        return;
    }
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
    else if (c->now.mono < c->lease)
        send(c, o);
    else
        put_off(c, o);
}

void core__recorded(struct core *c, uint64_t sequence)
{
    assert(sequence >= c->recorded);
    c->recorded = sequence;
    struct open *o;
    while ((o = c->unrecorded.first) && o->sequence <= sequence)
        core__advance(c, o);
}

static void write_flight(struct core *c, struct open *o)
{
    if (o->record.state == EXECUTION_PENDING)
        core__set_state(o, EXECUTION_RUNNING);
    core__record_update(c, o);
}

// A flight that lasts gets its RUNNING written; most end before and need one write less.
void core__write_running(struct core *c)
{
    struct open *o;
    while ((o = c->flying.first) && c->now.mono - o->sent_at >= RUNNING_WRITE_DELAY_MS) {
        if (o->record.state == EXECUTION_PENDING)
            write_flight(c, o);
        core__enter(c, o, PHASE_LONG_FLYING);
    }
}

// What is on the wire when a job becomes at-most-once must not be repeated after a crash either: it
// is written down like a claim.
void core__claim_flights(struct core *c, struct core_job *j)
{
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (core__is_flying(o))
            write_flight(c, o);
}
