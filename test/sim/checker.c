// SPDX-License-Identifier: MIT
// checker.c: an independent account of what was owed, compared with the ledger.
//
// Asks of every second of every version of every job whether the schedule fires then, and looks for
// the one record that accounts for it. And the other way round: what is recorded or was sent must
// have been owed.

#include "slow_cron.h"
#include "world.h"

#include <string.h>

#define FAIL(a, at, ...)                                                                           \
    do {                                                                                           \
        char time[RFC3339_BYTES], text[VERDICT_BYTES];                                             \
        wall_format(at, time);                                                                     \
        snprintf(text, sizeof text, __VA_ARGS__);                                                  \
        trace_fail(&(a)->w->trace, "job %lld at %s: %s", (long long)(a)->job, time, text);         \
    } while (0)

// --- Each record against what is owed ---

// Whether the policies of the job allow this occurrence to be given up at `e->completed_at`.
static bool may_be_missed(const struct account *a, const struct row *r, const struct owed *o,
                          const struct owed *last)
{
    if (strstr(r->e.reason, "no room") || strstr(r->e.reason, "nobody listened"))
        return true; // The row was judged when it was written.
    wall_ms then = r->e.completed_at;
    wall_ms late = then - a->w->limits.late_ms;
    if (r->e.key.scheduled_at >= late)
        return false;
    if (o->at < late && r->catch_up == CATCH_UP_NONE)
        return true;
    if (o->at < late && o->at < then - (dur_ms)r->catch_up_window_s * 1000)
        return true;
    wall_ms next = version_next(last->version, last->at, then); // A later one is due already.
    return r->catch_up == CATCH_UP_LATEST && next != WALL_NEVER;
}

// What is given up together is one range, but for what finds no room, each in its turn.
static void check_one_range(struct account *a, const struct row *r, const struct owed *first)
{
    const struct owed *before = first > a->owed ? first - 1 : NULL;
    if (!before || !before->range || before->version != first->version)
        return;
    const struct row *other = before->range;
    if (strstr(r->e.reason, "no room") || strstr(other->e.reason, "no room"))
        return;
    if (!other->was_planned && !r->was_planned && other->e.completed_at == r->e.completed_at)
        FAIL(a, first->at, "two MISSED ranges begin at once, where one would do");
}

static void check_missed(struct account *a, const struct row *r)
{
    const struct execution *e = &r->e;
    struct execution_key to = e->key;
    to.scheduled_at = e->missed_to;
    struct owed *o = account_find(a, &e->key), *last = account_find(a, &to);
    if (!o || !last) {
        FAIL(a, e->key.scheduled_at, "a MISSED range begins or ends where nothing was owed");
        return;
    }
    if (last - o + 1 != e->missed_count)
        FAIL(a, e->key.scheduled_at, "a MISSED range of %lld has %lld occurrences",
             (long long)e->missed_count, (long long)(last - o + 1));
    check_one_range(a, r, o);
    for (; o <= last; o++) {
        if (o->range)
            FAIL(a, o->at, "two MISSED ranges cover it");
        if (!may_be_missed(a, r, o, last))
            FAIL(a, o->at, "it is MISSED against the job's policies");
        o->range = r;
    }
}

// A generation's rows beyond the instant at which the next one begins are given up.
static bool was_corrected(const struct account *a, const struct row *r)
{
    for (size_t i = 0; i < a->history->count; i++) {
        const struct version *v = &a->history->versions[i];
        if (v->series > r->e.key.series && v->at < r->e.key.scheduled_at)
            return true;
    }
    return false;
}

// Whether it must be over: it was due long before now, or is of a time that was corrected.
static bool is_past(const struct account *a, const struct row *r, wall_ms until)
{
    return row_due_at(r) <= until || was_corrected(a, r);
}

static bool is_going_on(const struct world *w, unsigned tenure)
{
    for (size_t i = 0; i < w->node_count; i++)
        for (unsigned s = 0; s < w->ledger.shard_count; s++)
            if (w->nodes[i].tenures[s].held && w->nodes[i].tenures[s].number == tenure)
                return true;
    return false;
}

// A clock that went back after a shard was given back holds a row of it for up to an hour more, and
// with the row its places at the gates, for which others wait. So does the deadline of a target.
static bool is_held_up(const struct world *w)
{
    for (size_t i = 0; i < w->ledger.row_count && w->went_back; i++) {
        const struct execution *e = &w->ledger.rows[i].e;
        wall_ms held_until = MAX(e->held_until, e->completion_deadline);
        if (!ledger_is_terminal(e->state) && held_until > w->now.wall)
            return true;
    }
    return false;
}

static bool is_of_heartbeat(const struct account *a)
{
    return a->history->versions[0].kind == JOB_HEARTBEAT; // Never changes.
}

// What must be true of any record, given what the targets saw.
static void check_deliveries(struct account *a, const struct row *r, wall_ms until)
{
    const struct execution *e = &r->e;
    const char *fault = heart_find_fault(a, r, until);
    if (fault)
        FAIL(a, e->key.scheduled_at, "row %lld is %s: %s", (long long)e->id,
             execution_state_name(e->state), fault);
    if (is_of_heartbeat(a))
        return;
    const struct deliveries *d = &r->seen;
    wall_ms at = e->key.scheduled_at;
    bool calm = e->recoveries == 0 && d->tenure_first == d->tenure_last &&
                (!d->ended_tenure || d->ended_tenure == d->tenure_last);
    bool is_said = d->kept == COMPLETION_SUCCESS;
    if (e->state == EXECUTION_SUCCESS && !is_said && (d->good == 0 || d->reached == 0))
        FAIL(a, at, "SUCCESS, but no target ever answered so");
    if (ledger_is_terminal(e->state) && e->state != EXECUTION_SUCCESS && is_said && !d->is_unsure)
        FAIL(a, at, "%s, and its target said success", execution_state_name(e->state));
    if (!ledger_is_terminal(e->state) && is_past(a, r, until) && !is_held_up(a->w))
        FAIL(a, at, "I11: still %s", execution_state_name(e->state));
    if (e->state == EXECUTION_MISSED && d->sends > 0)
        FAIL(a, at, "MISSED, but it was sent");
    if (e->state == EXECUTION_SUCCESS && calm && e->attempts != d->sends)
        FAIL(a, at, "%u attempts are recorded, %u were sent", e->attempts, d->sends);
    if (e->state == EXECUTION_SUCCESS && calm && r->attempt_rows != d->sends)
        FAIL(a, at, "%u rows of attempts, of %u that were made", r->attempt_rows, d->sends);
    if (e->state == EXECUTION_SUCCESS && calm && e->started_at != d->first_at)
        FAIL(a, at, "its start is recorded %lld ms beside the truth",
             (long long)(e->started_at - d->first_at));
    bool heard = calm && d->good > 0 && is_going_on(a->w, d->tenure_last);
    if (e->state != EXECUTION_SUCCESS && heard && is_past(a, r, until))
        FAIL(a, at, "%s, but a target answered well", execution_state_name(e->state));
}

// An ordinary failure has used up its attempts; the others say what happened.
static void check_failed(struct account *a, const struct row *r)
{
    const struct version *v = &a->history->versions[0]; // Type and retries never change.
    const char *error = r->e.error ? r->e.error : "";
    if (is_of_heartbeat(a))
        return; // See check_deliveries.
    if (strstr(error, "outcome unknown") && v->type == JOB_ATMOST_ONCE)
        return;
    if (strstr(error, "crash loop") && r->e.recoveries > 2)
        return;
    if (strstr(error, happening_words(HAPPENING_SILENCE)))
        return; // The row was judged when it was written.
    if (v->type == JOB_ATLEAST_ONCE && r->seen.refused == 0 &&
        r->seen.sends + r->e.recoveries < 1u + v->max_retries)
        FAIL(a, r->e.key.scheduled_at, "FAILED after %u requests", r->seen.sends);
    if (r->seen.sends == 0)
        FAIL(a, r->e.key.scheduled_at, "FAILED without a request: %s", error);
}

// Whether a client, or the target, stopped the job at or after the instant, before the record
// ended.
static bool was_stopped(const struct account *a, const struct row *r)
{
    for (size_t i = 0; i < a->history->count && r->was_stopped; i++) {
        const struct version *v = &a->history->versions[i];
        if ((v->deleted || !v->active) && v->series >= r->e.key.series &&
            (v->series > r->e.key.series || v->at >= r->e.key.scheduled_at))
            return true;
    }
    return false;
}

// By one of a later generation, of a later instant, or due later.
static bool was_replaced(const struct account *a, const struct row *r)
{
    const struct row *other = ledger_first_of(&a->w->ledger, a->job);
    for (; other; other = ledger_next_of(&a->w->ledger, other)) {
        bool later = other->e.key.series > r->e.key.series ||
                     other->e.key.scheduled_at > r->e.key.scheduled_at ||
                     row_due_at(other) > row_due_at(r);
        if (later && other->e.key.series >= 0 && other->was_planned)
            return true;
    }
    return false;
}

static bool may_be_cancelled(const struct account *a, const struct row *r)
{
    const char *reason = r->e.reason ? r->e.reason : "";
    if (strstr(reason, "replaced"))
        return was_replaced(a, r);
    if (strstr(reason, "on request"))
        return r->is_unwanted;
    if (strstr(reason, "clock was corrected"))
        return was_corrected(a, r);
    return was_stopped(a, r);
}

static void check_scheduled(struct account *a, const struct row *r, wall_ms until)
{
    const struct execution *e = &r->e;
    wall_ms at = e->key.scheduled_at;
    bool owed = history_owes(&a->w->history, &e->key);
    check_deliveries(a, r, until);
    bool had_ping = r->pinged.count > 0; // Before its instant, and before that was not owed.
    if (!owed && e->state != EXECUTION_CANCELLED && !had_ping && is_past(a, r, until))
        FAIL(a, at, "%s, but it was not owed", execution_state_name(e->state));
    if (!owed && r->seen.sends > 0)
        FAIL(a, at, "it was sent, but it was not owed");
    if (owed && e->state == EXECUTION_CANCELLED && !may_be_cancelled(a, r))
        FAIL(a, at, "CANCELLED (%s), but nobody stopped the job", e->reason);
    if (e->state == EXECUTION_FAILED)
        check_failed(a, r);
}

static void check_records(struct account *a, wall_ms until)
{
    const struct ledger *l = &a->w->ledger;
    const struct row *r = ledger_first_of(l, a->job);
    for (; r && !a->w->trace.failed; r = ledger_next_of(l, r)) {
        if (r->e.key.series < 0)
            check_deliveries(a, r, until);
        else if (r->e.state == EXECUTION_MISSED)
            check_missed(a, r);
        else
            check_scheduled(a, r, until);
    }
}

// --- Each occurrence against the records ---

static void check_owed(struct account *a)
{
    for (size_t i = 0; i < a->count && !a->w->trace.failed; i++) {
        const struct owed *o = &a->owed[i];
        struct execution_key key = {.job = a->job, .scheduled_at = o->at, .series = o->series};
        const struct row *r = ledger_find(&a->w->ledger, &key);
        bool own = r && r->e.state != EXECUTION_MISSED;
        if (!own && !o->range && o->certain && !account_is_excused(a->w, a->job, o))
            FAIL(a, o->at, "LOST: it was owed (%s), and no record accounts for it",
                 o->version->schedule);
        if (own && o->range)
            FAIL(a, o->at, "it has a row, and a MISSED range covers it");
    }
}

// Whether the schedule of this version has had its last instant. Only those end that have a bound.
static bool is_exhausted(const struct version *v, wall_ms until, uint32_t runs)

{
    int64_t one_s = slow_cron_instant(v->schedule);
    return (v->max_runs && runs >= v->max_runs) || (one_s >= 0 && one_s * 1000 <= until) ||
           v->end_at <= until;
}

static uint32_t count_open(const struct account *a)
{
    uint32_t open = 0;
    const struct row *r = ledger_first_of(&a->w->ledger, a->job);
    for (; r; r = ledger_next_of(&a->w->ledger, r))
        open += !ledger_is_terminal(r->e.state);
    return open;
}

// A job that can fire no more, and has nothing left to do, says so, and no other does.
static void check_finished(struct account *a, wall_ms until)
{
    const struct version *v = &a->history->versions[a->history->count - 1];
    const struct job *j = ledger_job(&a->w->ledger, a->job);
    if (!j || !v->active)
        return;
    const struct durable_job *d = &a->w->ledger.jobs[a->job - 1];
    uint32_t most = d->planned - d->returned, least = most - d->perhaps;
    if (is_exhausted(v, until, least) && count_open(a) == 0 && (j->is_active || !j->finished))
        FAIL(a, v->at, "its last instant is over, and it is not finished");
    if (j->finished && !is_exhausted(v, WALL_NEVER - 1, most))
        FAIL(a, v->at, "it is finished, and its schedule goes on");
}

// What it says of its runs: those that were begun, and nothing that was certainly taken back.
static void check_runs(struct account *a)
{
    const struct durable_job *d = &a->w->ledger.jobs[a->job - 1];
    uint32_t most = a->history->versions[0].max_runs; // Never changes.
    if (!most || d->deleted)
        return;
    if (d->job->runs + count_open(a) < d->planned - d->returned - d->perhaps)
        FAIL(a, d->job->updated_at, "it says that it ran %u times, of %u rows, %u taken back",
             d->job->runs, d->planned, d->returned);
}

static void check_triggers(struct world *w)
{
    for (size_t i = 0; i < w->history.trigger_count; i++)
        if (!ledger_find(&w->ledger, &w->history.triggers[i]))
            trace_fail(&w->trace, "I10: a trigger of job %lld is lost",
                       (long long)w->history.triggers[i].job);
}

uint64_t checker_run(struct world *w, wall_ms until)
{
    uint64_t owed = 0;
    for (size_t i = 0; i < w->history.job_count && !w->trace.failed; i++) {
        struct account a;
        if (w->history.jobs[i].count == 0)
            continue;
        account_open(&a, w, (job_id)i + 1, until);
        check_records(&a, until);
        check_owed(&a);
        check_finished(&a, until);
        check_runs(&a);
        owed += a.count;
        account_close(&a);
    }
    check_triggers(w);
    return owed;
}
