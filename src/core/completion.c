// SPDX-License-Identifier: MIT
// completion.c: a target takes a request at once, and says later how that ended.
//
// Such a target answers 202 and asks to wait. The attempt is over then, and the execution stays
// RUNNING: no connection is held and no place at the host, only the one at its job, so that
// executions which must not overlap do not. It stands in the row until when the target has to say
// how it ended, so that no crash and no later owner sends it again, or waits for ever.
//
// What the target says is about an attempt, and counts from when that was sent until the next one
// is: it may come before the answer, which is a little slower, or after an answer that was lost.
// What comes before the answer is written with the row, and the execution ends with the attempt.
//
// A target that says nothing may be at work still, so its execution FAILED and is not sent again.

#include "core/core_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// After a start a target may still say what it could not say while nobody was there to hear it.
#define GRACE_MS 10000

bool core__is_completed(const struct open *o)
{
    const struct execution *e = &o->record;
    return e->completion != COMPLETION_NONE && e->state == EXECUTION_RUNNING &&
           e->next_attempt_at == 0;
}

// A target that said so is not to blame for its status; the job's rules for retries hold.
void core__conclude_completed(struct core *c, struct open *o)
{
    o->record.completion_deadline = 0;
    if (o->record.completion == COMPLETION_SUCCESS) {
        core__finish(c, o, EXECUTION_SUCCESS, NULL, NULL);
        return;
    }
    const struct outcome said = {.kind = OUTCOME_ANSWERED};
    char *error = xstrdup(o->record.error);
    core__failed(c, o, &said, error);
    free(error);
}

// --- Waiting -------------------------------------------------------------------------------------

bool core__is_to_wait(const struct open *o, const struct outcome *out)
{
    return out->asks_to_wait && o->job->policy->completion_timeout_s > 0;
}

// When no further attempt is wanted, this one is not waited for either.
void core__await_completion(struct core *c, struct open *o)
{
    const char *reason = o->replaced ? "replaced by the next execution" : NULL;
    reason = o->record.reason ? o->record.reason : reason;
    if (reason) {
        core__finish(c, o, EXECUTION_CANCELLED, NULL, reason);
        return;
    }
    dur_ms wait = (dur_ms)o->job->policy->completion_timeout_s * 1000;
    if (o->record.state == EXECUTION_PENDING)
        core__set_state(o, EXECUTION_RUNNING);
    core__gates_release(c, o, GATE_PACE); // All but the one of the job.
    core__enter_until(c, o, PHASE_AWAITING, c->now.mono + wait);
    o->record.completion_deadline = c->now.wall + wait;
    core__record_update(c, o);
}

// Before anything else of the shard goes on, so that it takes its place before others get it.
void core__completion_loaded(struct core *c, struct open *o)
{
    const struct execution *e = &o->record;
    bool is_at_target = e->completion_deadline > 0 || core__is_completed(o);
    if (o->phase != PHASE_LOADED || e->state != EXECUTION_RUNNING || e->damaged || !is_at_target)
        return;
    bool is_late = e->trigger == TRIGGER_CATCH_UP || core__is_replay(o);
    o->lane = is_late ? LANE_CATCH_UP : LANE_FRESH;
    o->retried = e->retry_count > 0;
    if (o->job->host) // Else the job is gone.
        core__gate_take_job(c, o);
    dur_ms wait = MAX(e->completion_deadline - c->now.wall, GRACE_MS);
    wait = MIN(wait, (dur_ms)JOB_MAX(completion_timeout_s) * 1000); // The clock may have gone back.
    core__enter_until(c, o, PHASE_AWAITING, c->now.mono + (core__is_completed(o) ? 0 : wait));
}

// Commands of a shard are taken when it has settled, so nothing was heard before.
static void expire(struct core *c, struct open *o)
{
    if (!core__shard_is_settled(core__shard_of(c, o->record.key.job))) {
        core__enter_until(c, o, PHASE_AWAITING, c->now.mono + OUTCOME_TELL_MS);
        return;
    }
    if (core__is_completed(o)) { // Before a crash, and the answer has never come.
        core__conclude_completed(c, o);
        return;
    }
    char deadline[RFC3339_BYTES], error[ERROR_TEXT_MAX];
    wall_format(o->record.completion_deadline, deadline);
    snprintf(error, sizeof error, "no completion came until %s", deadline);
    if (o->job == &c->nobody)
        core__finish(c, o, EXECUTION_CANCELLED, error, core__stopped(o));
    else
        core__fail(c, o, error);
}

void core__completions_due(struct core *c)
{
    size_t done = 0;
    struct agenda_node *n;
    while (!c->draining && done++ < c->limits.due_max && agenda_next(c->awaiting) <= c->now.mono &&
           (n = agenda_first(c->awaiting)))
        expire(c, core__open_of(n));
    c->more |= agenda_next(c->awaiting) <= c->now.mono;
}

// --- What the target says ------------------------------------------------------------------------

// A claim has counted the attempt that is to come.
static bool is_of_last_attempt(const struct open *o, unsigned attempt)
{
    if (attempt == 0)
        return o->phase == PHASE_AWAITING;
    return core__is_begun(o) && !o->claimed && o->record.attempts == attempt;
}

static void set_failure(struct open *o, const char *text)
{
    char error[NOTE_TEXT_MAX + 64];
    snprintf(error, sizeof error, "the target said that it failed%s%.*s", text ? ": " : "",
             NOTE_TEXT_MAX, text ? text : "");
    core__set_error(o, error);
}

// The end is that of the attempt, whose answer is still to come.
static void keep_for_answer(struct core *c, struct open *o)
{
    if (o->record.state == EXECUTION_PENDING)
        core__set_state(o, EXECUTION_RUNNING);
    core__record_update(c, o);
}

// Between two attempts. That the last one failed is known, so this changes nothing, and nothing is
// remembered which the next life would not know.
static void hear_late(struct core *c, struct open *o)
{
    if (o->record.completion == COMPLETION_SUCCESS)
        core__finish(c, o, EXECUTION_SUCCESS, NULL, NULL);
    else
        o->record.completion = COMPLETION_NONE;
}

enum err core__complete(struct core *c, const struct command *cmd)
{
    struct open *o = core__open_of_key(c, &cmd->execution);
    enum completion said = cmd->has_failed ? COMPLETION_FAILED : COMPLETION_SUCCESS;
    if (!o)
        return ERR_CONFLICT;
    if (!is_of_last_attempt(o, cmd->attempt))
        return ERR_EXISTS;
    if (o->record.completion != COMPLETION_NONE)
        return o->record.completion == said ? ERR_OK : ERR_EXISTS;
    o->record.completion = (uint8_t)said;
    if (cmd->has_failed && core__is_at_target(o))
        set_failure(o, cmd->body);
    if (core__is_sent(o))
        keep_for_answer(c, o);
    else if (o->phase == PHASE_AWAITING)
        core__conclude_completed(c, o);
    else
        hear_late(c, o);
    return ERR_OK;
}

// --- Notes ---------------------------------------------------------------------------------------

// Where the last notes begin, so that one more has its place.
static const char *recent(const char *notes)
{
    size_t count = 0;
    for (const char *at = notes; (at = strchr(at, '\n')); at++)
        count++;
    for (; count >= NOTES_MAX; count--)
        notes = strchr(notes, '\n') + 1;
    return notes;
}

static void add_note(struct core *c, struct open *o, const char *line)
{
    const char *before = o->notes ? recent(o->notes) : "";
    size_t bytes = strlen(before) + strlen(line) + 32;
    char *notes = xmalloc(bytes);
    snprintf(notes, bytes, "%s%lld %s\n", before, (long long)c->now.wall, line);
    free(o->notes);
    o->notes = notes;
    o->record.notes = notes;
}

enum err core__note(struct core *c, const struct command *cmd)
{
    struct open *o = core__open_of_key(c, &cmd->execution);
    if (!o)
        return ERR_CONFLICT;
    if (!is_of_last_attempt(o, cmd->attempt) || !core__is_at_target(o))
        return ERR_EXISTS;
    add_note(c, o, cmd->body);
    keep_for_answer(c, o);
    return ERR_OK;
}
