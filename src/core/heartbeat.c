// SPDX-License-Identifier: MIT
// heartbeat.c: jobs that call nobody, and wait for a ping at each occurrence.
//
// An occurrence of a heartbeat waits from its instant on, in phase EXPECTED, until a ping ends it
// or its grace is over. Of several that wait a ping is for the newest: so one that never got its
// ping is not hidden by those of later ones, and as many fail as pings are missing. What a ping
// starts is RUNNING, and its end is awaited for as long again; next_attempt_at says until when.
//
// A ping may come a little before the instant, since clocks differ. A row is not terminal before
// its instant, as the job may be changed and owe the same instant anew; so such an end is held: the
// row is RUNNING, with next_attempt_at at the very instant.
//
// A ping that nobody expects has an execution of its own, a manual one. When no one can have heard
// a ping, since the server was down or stood still, nothing is called failed: it is MISSED.

#include "core/core_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EARLY_MS 1000 // A ping so long before an instant is for it. Rows are planned further ahead.
#define DEAF_MS 5000  // Who looks so late at the end of a grace has stood still.
#define PINGS_KEPT 100 // So many of one execution.

bool core__is_heartbeat(const struct core_job *j)
{
    return j->policy->kind == JOB_HEARTBEAT;
}

static dur_ms grace_of(const struct open *o)
{
    return (dur_ms)o->job->policy->grace_s * 1000;
}

static bool is_started(const struct open *o)
{
    return o->record.state == EXECUTION_RUNNING;
}

// The execution has had its last ping, before its instant.
static bool is_held(const struct open *o)
{
    return is_started(o) && o->record.next_attempt_at == core__due_at(o);
}

bool core__is_early(const struct core *c, const struct open *o)
{
    return o->phase == PHASE_EXPECTED && o->record.key.series >= 0 &&
           o->record.key.scheduled_at > c->now.wall;
}

// Until when a ping is awaited; of one that is held its instant. What is damaged ends at once.
static wall_ms deadline_of(const struct open *o)
{
    return is_started(o) ? o->record.next_attempt_at : core__due_at(o) + grace_of(o);
}

// How long it waits in all: what is started, by the grace that the job had then.
static dur_ms wait_of(const struct open *o)
{
    if (!is_started(o))
        return grace_of(o);
    return o->record.next_attempt_at - MAX(core__due_at(o), o->record.started_at);
}

// When the clock went back far, what had begun before does not wait for as long.
static wall_ms waits_until(const struct core *c, const struct open *o)
{
    return MIN(deadline_of(o), c->now.wall + EARLY_MS + MAX(wait_of(o), 0));
}

static void expect(struct core *c, struct open *o)
{
    core__enter_until(c, o, PHASE_EXPECTED, waits_until(c, o));
}

static wall_ms ends_at(const struct core *c, const struct open *o)
{
    return agenda_when(c->expected, &o->due);
}

void core__heartbeat_expect(struct core *c, struct open *o)
{
    assert(o->record.state == EXECUTION_PENDING);
    expect(c, o);
}

// The job's grace may be another one. When that is over already, the wait ends now, and was heard;
// a wait that has ended before goes by the grace that it had.
void core__heartbeats_regrace(struct core *c, struct core_job *j)
{
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (o->phase == PHASE_EXPECTED && !is_started(o) && ends_at(c, o) > c->now.wall)
            core__enter_until(c, o, PHASE_EXPECTED, MAX(waits_until(c, o), c->now.wall));
}

// --- The end -------------------------------------------------------------------------------------

static void end(struct core *c, struct open *o, const char *error)
{
    if (error)
        core__fail(c, o, error);
    else
        core__finish(c, o, EXECUTION_SUCCESS, NULL, NULL);
}

static void end_or_hold(struct core *c, struct open *o, const char *error)
{
    bool is_due = o->record.key.series < 0 || core__due_at(o) <= c->now.wall;
    if (is_due) {
        end(c, o, error);
        return;
    }
    if (!is_started(o))
        core__set_state(o, EXECUTION_RUNNING);
    core__set_error(o, error);
    o->record.next_attempt_at = core__due_at(o);
    core__record_update(c, o);
    expect(c, o);
}

static void end_held(struct core *c, struct open *o)
{
    if (o->record.reason) { // Cancelled on request, before the instant came.
        core__cancel(c, o, o->record.reason);
        return;
    }
    char *error = xstrdup(o->error);
    end(c, o, error);
    free(error);
}

// Nobody can have heard the ping.
static void end_unheard(struct core *c, struct open *o)
{
    if (is_started(o))
        core__fail(c, o,
                   "outcome unknown: nobody listened when the end of the run was due, as the "
                   "server was down or stood still");
    else
        core__miss(c, o, UNHEARD);
}

static wall_ms heard_from(const struct core *c, const struct open *o)
{
    return MAX(c->heard_from, core__shard_of(c, o->record.key.job)->heard_from);
}

// For a part of the time somebody may not have listened, and the error says so.
static void end_silent(struct core *c, struct open *o)
{
    char error[ERROR_TEXT_MAX], at[RFC3339_BYTES];
    uint32_t grace_s = o->job->policy->grace_s;
    wall_ms from = heard_from(c, o);
    int n = is_started(o) ? snprintf(error, sizeof error,
                                     "the run was started, but no ping of its end came within "
                                     "grace_s (%" PRIu32 " s)",
                                     grace_s)
                          : snprintf(error, sizeof error,
                                     "no ping came within grace_s (%" PRIu32 " s)", grace_s);
    if (core__due_at(o) < from) {
        wall_format(from, at);
        snprintf(error + n, sizeof error - (size_t)n,
                 "; the server may not have listened before %s", at);
    }
    core__fail(c, o, error);
}

// Whether somebody may have listened at the end of the wait. When the clock went back it is not
// known since when somebody does.
static bool was_heard(const struct core *c, const struct open *o)
{
    wall_ms at = ends_at(c, o), from = heard_from(c, o);
    return c->now.wall - at <= DEAF_MS && (from <= at || from > c->now.wall);
}

static void end_of_wait(struct core *c, struct open *o)
{
    const char *reason = core__stopped(o);
    if (is_held(o))
        end_held(c, o);
    else if (reason)
        core__cancel(c, o, reason);
    else if (was_heard(c, o))
        end_silent(c, o);
    else
        end_unheard(c, o);
}

// While nothing can be written pings are refused, so nobody is blamed for their absence.
void core__heartbeats_due(struct core *c)
{
    size_t done = 0;
    struct agenda_node *n;
    if (c->draining || c->halted)
        return;
    while (done++ < c->limits.due_max && agenda_next(c->expected) <= c->now.wall &&
           (n = agenda_first(c->expected)))
        end_of_wait(c, core__open_of(n));
    c->more |= agenda_next(c->expected) <= c->now.wall;
}

// What a start finds of a heartbeat, but for what is planned and its instant to come.
void core__heartbeat_recover(struct core *c, struct open *o)
{
    if (deadline_of(o) > c->now.wall || is_held(o))
        expect(c, o);
    else
        end_unheard(c, o);
}

// --- A ping --------------------------------------------------------------------------------------

static bool is_of_run(const struct open *o, const char *run)
{
    return run && o->run && strcmp(o->run, run) == 0;
}

// Whether the execution can have a ping now. What is planned, but no longer owed, is cancelled at
// its instant.
static bool is_open_to(const struct core *c, const struct open *o)
{
    if (o->record.reason || (o->phase != PHASE_EXPECTED && o->phase != PHASE_PLANNED))
        return false;
    if (o->phase == PHASE_PLANNED && core__not_owed(o))
        return false;
    return core__due_at(o) <= c->now.wall + EARLY_MS && !is_held(o);
}

static bool is_newer(const struct open *o, const struct open *other)
{
    if (!other || o->record.key.scheduled_at != other->record.key.scheduled_at)
        return !other || o->record.key.scheduled_at > other->record.key.scheduled_at;
    return o->record.id > other->record.id;
}

// The newest that waits, or that is started; of those of other runs none.
static struct open *newest(const struct core *c, const struct core_job *j, bool started,
                           const char *run)
{
    struct open *best = NULL;
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (is_open_to(c, o) && is_started(o) == started && !(run && o->run) && is_newer(o, best))
            best = o;
    return best;
}

static struct open *find_run(const struct core *c, const struct core_job *j, const char *run)
{
    for (struct open *o = j->first_open; o; o = o->job_next)
        if (is_open_to(c, o) && is_of_run(o, run))
            return o;
    return NULL;
}

// Which execution the ping is for; NULL: none waits for it.
static struct open *find(const struct core *c, const struct core_job *j, const struct command *cmd)
{
    struct open *o = find_run(c, j, cmd->run);
    if (!o && cmd->ping != PING_START)
        o = newest(c, j, true, cmd->run);
    return o ? o : newest(c, j, false, cmd->run);
}

// An execution of its own, of a ping that nobody expects.
static struct open *open_apart(struct core *c, struct core_job *j)
{
    struct execution row = {
        .key = {.job = j->id, .scheduled_at = c->now.wall, .series = -1},
        .trigger = TRIGGER_PING,
    };
    struct open *o = core__open_plan(c, j, &row);
    expect(c, o);
    return o;
}

// Each ping is kept as an attempt is, so far as there are not too many.
static void note(struct core *c, struct open *o, const struct command *cmd, const char *error)
{
    if (o->record.attempts >= PINGS_KEPT)
        return;
    o->record.attempts++;
    if (o->record.started_at == 0)
        o->record.started_at = c->now.wall;
    const struct attempt a = {.execution_id = o->record.id,
                              .number = o->record.attempts,
                              .started_at = c->now.wall,
                              .dns_ms = -1,
                              .connect_ms = -1,
                              .tls_ms = -1,
                              .first_byte_ms = -1,
                              .is_ping = true,
                              .error = error,
                              .response = cmd->body};
    core__record_attempt(c, o, &a);
}

static void start(struct core *c, struct open *o, const char *run)
{
    if (is_started(o)) { // The same run says so again.
        core__record_update(c, o);
        return;
    }
    free(o->run);
    o->run = xstrdup(run);
    core__set_state(o, EXECUTION_RUNNING);
    o->record.next_attempt_at = MAX(core__due_at(o), c->now.wall) + grace_of(o);
    core__record_update(c, o);
    expect(c, o);
}

static void take_note(struct core *c, struct open *o, bool is_apart)
{
    if (is_apart)
        core__finish(c, o, EXECUTION_SKIPPED, NULL, "a note that came while nothing was awaited");
    else
        core__record_update(c, o);
}

static const char *failure_of(const struct command *cmd, char text[static ERROR_TEXT_MAX])
{
    if (cmd->ping != PING_FAIL)
        return NULL;
    if (cmd->exit_status)
        snprintf(text, ERROR_TEXT_MAX, "the run ended with exit status %" PRIu32, cmd->exit_status);
    else
        snprintf(text, ERROR_TEXT_MAX, "the ping says that the run failed");
    return text;
}

// What is due has its row before the ping is looked at, and waits. Rows beyond the watermark are
// remembered as settled, as with a change of the job: the next life plans none of them again.
static void plan_due(struct core *c, struct core_job *j)
{
    bool is_behind = j->active && !core__is_planned(c, c->now.wall, j->id);
    core__plan_own(c, j, c->now.wall);
    core__job_judge_due(c, j, c->now.wall);
    if (!is_behind)
        return;
    j->effective_from = MAX(j->effective_from, c->now.wall);
    core__record_job_state(c, j);
}

void core__ping(struct core *c, struct core_job *j, const struct command *cmd, struct reply *r)
{
    char text[ERROR_TEXT_MAX];
    const char *error = failure_of(cmd, text);
    plan_due(c, j);
    struct open *o = find(c, j, cmd);
    bool is_apart = !o;
    r->job = j->id;
    if (is_apart && !core__has_room(c, j->host, LANE_FRESH)) {
        r->err = ERR_LIMIT;
        return;
    }
    o = o ? o : open_apart(c, j);
    r->version = j->version;
    r->key = o->record.key;
    note(c, o, cmd, error);
    if (cmd->ping == PING_START)
        start(c, o, cmd->run);
    else if (cmd->ping == PING_LOG)
        take_note(c, o, is_apart);
    else
        end_or_hold(c, o, error);
}
