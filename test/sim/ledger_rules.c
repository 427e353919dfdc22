// SPDX-License-Identifier: MIT
// ledger_rules.c: what every change of the ledger must keep to, at once and for ever.

#include "ledger.h"

#include <string.h>

#define RECOVERIES_MAX 3

static const char *state_name(const struct execution *e)
{
    return execution_state_name(e->state);
}

// --- Executions ---

static void check_due(const struct ledger *l, const struct execution *e)
{
    dur_ms jitter = e->due_at ? e->due_at - e->key.scheduled_at : 0;
    const struct job *j = l->jobs[e->key.job - 1].job;
    if (jitter < 0 || jitter > (dur_ms)j->jitter_ms)
        trace_fail(l->trace, "row %lld is due %lld ms after its instant, with %u ms of jitter",
                   (long long)e->id, (long long)jitter, j->jitter_ms);
}

// The id that the shard of this job gives next; `last`: the one before it, or 0.
static int64_t next_id(const struct ledger *l, job_id job, int64_t last)
{
    return (last ? last : (int64_t)ledger_shard_number(l, job)) + l->shard_count;
}

void ledger_check_insert(const struct ledger *l, const struct execution *e)
{
    if (ledger_find(l, &e->key))
        trace_fail(l->trace, "I1: a second row for job %lld at %lld", (long long)e->key.job,
                   (long long)e->key.scheduled_at);
    if (e->id != next_id(l, e->key.job, ledger_shard(l, e->key.job)->execution_last))
        trace_fail(l->trace, "row %lld is not the next one", (long long)e->id);
    if (e->state != EXECUTION_PENDING && e->state != EXECUTION_MISSED)
        trace_fail(l->trace, "row %lld begins as %s", (long long)e->id, state_name(e));
    if (e->key.job < 1 || e->key.job > (job_id)l->job_count || !l->jobs[e->key.job - 1].job)
        trace_fail(l->trace, "row %lld is of no job", (long long)e->id);
    else
        check_due(l, e);
}

// What another execution of the job must be for this one to be SKIPPED because of it.
static bool is_under_way(const struct execution *other, const struct execution *e)
{
    wall_ms due = other->due_at ? other->due_at : other->key.scheduled_at;
    bool begun = other->state == EXECUTION_RUNNING || other->key.series < e->key.series ||
                 due <= e->completed_at;
    return !ledger_is_terminal(other->state) && begun;
}

static void check_skipped(const struct ledger *l, const struct execution *e)
{
    if (e->trigger == TRIGGER_PING)
        return; // A note that came by itself.
    if (l->jobs[e->key.job - 1].job->overlap != OVERLAP_SKIP)
        trace_fail(l->trace, "row %lld is SKIPPED, which is not its job's policy",
                   (long long)e->id);
    for (size_t i = l->open_from; i < l->row_count; i++) {
        const struct execution *other = &l->rows[i].e;
        if (other->key.job == e->key.job && other->id != e->id && is_under_way(other, e))
            return;
    }
    trace_fail(l->trace, "row %lld is SKIPPED, but nothing else of its job is under way",
               (long long)e->id);
}

// An attempt that was claimed and could not be made gives back its number, and with it its retry.
static bool gives_back(const struct row *r, const struct execution *e)
{
    return e->attempts + 1 == r->e.attempts && e->retry_count + 1 >= r->e.retry_count &&
           e->attempts >= r->seen.attempt_last;
}

static void check_counts(const struct ledger *l, const struct row *r, const struct execution *e)
{
    const struct execution *old = &r->e;
    unsigned retries = l->jobs[e->key.job - 1].job->max_retries;
    if (l->jobs[e->key.job - 1].job->kind == JOB_HEARTBEAT)
        return; // What it has as attempts are pings.
    if (e->attempts > 1 + retries + e->recoveries)
        trace_fail(l->trace, "I8: row %lld has %u attempts, of %u retries and %u recoveries",
                   (long long)e->id, e->attempts, retries, e->recoveries);
    if (e->retry_count > retries)
        trace_fail(l->trace, "row %lld is tried again %u times, of %u", (long long)e->id,
                   e->retry_count, retries);
    if (e->recoveries > RECOVERIES_MAX)
        trace_fail(l->trace, "row %lld goes on, though the process died of it %u times",
                   (long long)e->id, e->recoveries);
    bool falls = e->attempts < old->attempts || e->retry_count < old->retry_count;
    if ((falls && !gives_back(r, e)) || e->recoveries < old->recoveries)
        trace_fail(l->trace, "row %lld counts backwards", (long long)e->id);
}

void ledger_check_update(const struct ledger *l, const struct row *r, const struct execution *e)
{
    const struct execution *old = &r->e;
    long long id = (long long)e->id;
    if (old->key.job != e->key.job || old->key.scheduled_at != e->key.scheduled_at ||
        old->key.series != e->key.series)
        trace_fail(l->trace, "row %lld got another key", id);
    if (old->due_at != e->due_at)
        trace_fail(l->trace, "row %lld is due at another time", id);
    if (ledger_is_terminal(old->state))
        trace_fail(l->trace, "I4: row %lld was %s and changes", id, state_name(old));
    else if (old->state != e->state && !execution_may_move(old->state, e->state))
        trace_fail(l->trace, "row %lld moves from %s to %s", id, state_name(old), state_name(e));
    check_counts(l, r, e);
    if (e->state == EXECUTION_SKIPPED)
        check_skipped(l, e);
}

// --- Alerts ---

static bool says_how_it_failed(const struct alert *a, const struct execution *e)
{
    return a->attempts == e->attempts && a->last_error && e->error &&
           strcmp(a->last_error, e->error) == 0;
}

// The row of a range comes before its alert, the end of a single row after it.
static bool says_what_was_missed(const struct alert *a, const struct execution *e)
{
    bool is_range = e->state == EXECUTION_MISSED;
    return a->from == e->key.scheduled_at && a->last_error && a->count > 0 &&
           a->count == (is_range ? e->missed_count : 1) && a->to == (is_range ? e->missed_to : 0);
}

static bool tells_the_facts(const struct alert *a, const struct execution *e)
{
    return a->kind == ALERT_MISSED ? says_what_was_missed(a, e) : says_how_it_failed(a, e);
}

void ledger_check_alert_id(const struct ledger *l, const struct alert *a)
{
    int64_t any = a->job ? a->job : a->id; // An alert about the server may be of any shard.
    if (a->id != next_id(l, any, ledger_shard(l, any)->alert_last))
        trace_fail(l->trace, "alert %lld is not the next one of shard %u", (long long)a->id,
                   ledger_shard_number(l, any));
}

void ledger_check_alert(const struct ledger *l, const struct row *r, const struct alert *a)
{
    enum execution_state state = a->kind == ALERT_MISSED ? EXECUTION_MISSED : EXECUTION_FAILED;
    if (a->kind != ALERT_FAILURE && a->kind != ALERT_MISSED)
        trace_fail(l->trace, "an alert about the server is about row %lld", (long long)r->e.id);
    if (r->e.state != state && !execution_may_move(r->e.state, state))
        trace_fail(l->trace, "an alert about row %lld, which is %s", (long long)r->e.id,
                   state_name(&r->e));
    else if (!tells_the_facts(a, &r->e))
        trace_fail(l->trace, "I5: the alert about row %lld says something else than the row",
                   (long long)r->e.id);
}

// I5, once the whole batch is in: what it ended badly has one alert, what it ended well has none.
// A failure needs one from the job's alert_after-th in a row on; `alerts_due` was noted then.
static void check_alerts(const struct ledger *l, const struct batch *b)
{
    for (size_t i = 0; i < b->count && !l->trace->failed; i++) {
        const struct change *c = &b->changes[i];
        if (c->kind != CHANGE_EXECUTION_INSERT && c->kind != CHANGE_EXECUTION_UPDATE)
            continue;
        const struct row *r = ledger_row(l, c->execution.id);
        if (r->alerts != r->alerts_due)
            trace_fail(l->trace, "I5: row %lld is %s and has %u alerts", (long long)r->e.id,
                       state_name(&r->e), r->alerts);
    }
}

// --- Jobs ---

static void check_counters(const struct ledger *l, const struct durable_job *d, job_id id,
                           uint32_t runs, unsigned failures)
{
    if (runs > d->planned)
        trace_fail(l->trace, "job %lld says that it ran %u times, and has %u rows", (long long)id,
                   runs, d->planned);
    if (failures != d->failures)
        trace_fail(l->trace, "job %lld says that it failed %u times in a row, not %u",
                   (long long)id, failures, d->failures);
}

void ledger_check_put(const struct ledger *l, const struct durable_job *d, const struct job *j)
{
    int64_t version = d->job ? d->job->version + 1 : 1;
    if (d->deleted || j->version != version)
        trace_fail(l->trace, "job %lld is put as version %lld", (long long)j->id,
                   (long long)j->version);
    if (!d->job && j->id != next_id(l, j->id, ledger_shard(l, j->id)->job_last))
        trace_fail(l->trace, "job %lld is not the next one of its shard", (long long)j->id);
    check_counters(l, d, j->id, j->runs, j->failures);
}

void ledger_check_state(const struct ledger *l, const struct durable_job *d,
                        const struct job_state *s)
{
    if (s->is_active && s->finished)
        trace_fail(l->trace, "job %lld is both active and finished", (long long)s->id);
    if (s->version < d->job->version || s->version > d->job->version + 1)
        trace_fail(l->trace, "job %lld goes from version %lld to %lld", (long long)s->id,
                   (long long)d->job->version, (long long)s->version);
    check_counters(l, d, s->id, s->runs, s->failures);
}

// --- The batch ---

void ledger_check_shard(const struct ledger *l, const struct durable_shard *s,
                        const struct shard *row)
{
    const struct shard *old = &s->row;
    bool falls = row->watermark < old->watermark ||
                 (row->watermark == old->watermark && row->watermark_job < old->watermark_job);
    if (falls && row->generation == old->generation)
        trace_fail(l->trace, "I3: the watermark of shard %u falls from %lld to %lld", row->number,
                   (long long)old->watermark, (long long)row->watermark);
    if (row->epoch != old->epoch || row->tick != old->tick + 1)
        trace_fail(l->trace,
                   "I4: tick %lld of epoch %lld of shard %u is written after tick %lld of %lld",
                   (long long)row->tick, (long long)row->epoch, row->number, (long long)old->tick,
                   (long long)old->epoch);
    if (row->job_next < old->job_next || row->execution_next < old->execution_next ||
        row->alert_next < old->alert_next || row->generation < old->generation)
        trace_fail(l->trace, "an id or the generation of shard %u falls", row->number);
}

// I1. Nothing but the epoch changes when a shard is taken.
void ledger_check_take(const struct ledger *l, const struct durable_shard *s,
                       const struct shard *row)
{
    const struct shard *old = &s->row;
    bool same = row->watermark == old->watermark && row->watermark_job == old->watermark_job &&
                row->job_next == old->job_next && row->execution_next == old->execution_next &&
                row->alert_next == old->alert_next && row->generation == old->generation;
    if (!same || row->epoch != old->epoch + 1 || row->tick != 0)
        trace_fail(l->trace, "I1: shard %u is taken in epoch %lld, and was in epoch %lld",
                   row->number, (long long)row->epoch, (long long)old->epoch);
}

// Where an alert asks for several failures in a row, a crash must not lose count.
static void check_failures(const struct ledger *l, const struct batch *b)
{
    for (size_t i = 0; i < b->count && !l->trace->failed; i++) {
        const struct change *c = &b->changes[i];
        if (c->kind != CHANGE_EXECUTION_UPDATE)
            continue;
        const struct durable_job *d = &l->jobs[c->execution.key.job - 1];
        if (!d->deleted && d->job->alert_after > 1 && d->job->failures != d->failures)
            trace_fail(l->trace, "job %lld has failed %u times in a row, and it is not written",
                       (long long)d->job->id, d->failures);
    }
}

static unsigned shard_of_change(const struct ledger *l, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_JOB_PUT:
        return ledger_shard_number(l, c->job->id);
    case CHANGE_JOB_STATE:
        return ledger_shard_number(l, c->state.id);
    case CHANGE_JOB_DELETE:
        return ledger_shard_number(l, c->deleted.id);
    case CHANGE_VERSION:
        return ledger_shard_number(l, c->version.id);
    case CHANGE_EXECUTION_INSERT:
    case CHANGE_EXECUTION_UPDATE:
        return ledger_shard_number(l, c->execution.key.job);
    case CHANGE_ATTEMPT:
        return ledger_shard_number(l, c->attempt.execution_id);
    case CHANGE_ALERT:
        return ledger_shard_number(l, c->alert.id);
    case CHANGE_ALERT_ACK:
        return ledger_shard_number(l, c->ack.id);
    case CHANGE_SHARD:
        return c->row.number;
    case CHANGE_AUDIT:
    case CHANGE_CLIENT_KEY:
    case CHANGE_REPLY:
        break;
    }
    return c->shard;
}

// Every change goes with the row of its shard, by which the store knows who writes it.
static void check_rows_of_shards(const struct ledger *l, const struct batch *b)
{
    for (size_t i = 0; i < b->count && !l->trace->failed; i++) {
        unsigned shard = shard_of_change(l, &b->changes[i]);
        if (b->changes[i].shard != shard || !batch_shard(b, shard))
            trace_fail(l->trace, "I4: a change of shard %u is written without its row", shard);
    }
}

void ledger_check_batch(const struct ledger *l, const struct batch *b)
{
    check_rows_of_shards(l, b);
    check_alerts(l, b);
    check_failures(l, b);
    incident_check(l, b);
}
