// SPDX-License-Identifier: MIT
// checker.c: an independent account of what was owed, compared with the ledger.
//
// Asks of every second of every version of every job whether the schedule fires then, and looks for
// the one record that accounts for it. And the other way round: what is recorded or was sent must
// have been owed.

#include "slow_cron.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

// An occurrence that is owed.
struct owed {
    wall_ms at;
    const struct version *version;
    bool in_range; // A MISSED range covers it.
};

struct account {
    struct world *w;
    job_id job;
    const struct job_history *history;
    struct owed *owed; // In order of time.
    size_t count;
    size_t capacity;
};

#define FAIL(a, at, ...)                                                                           \
    do {                                                                                           \
        char time[RFC3339_BYTES], text[VERDICT_BYTES];                                             \
        wall_format(at, time);                                                                     \
        snprintf(text, sizeof text, __VA_ARGS__);                                                  \
        trace_fail(&(a)->w->trace, "job %lld at %s: %s", (long long)(a)->job, time, text);         \
    } while (0)

// --- What is owed ---

static void add_owed(struct account *a, wall_ms at, const struct version *v)
{
    a->owed = grow(a->owed, a->count, &a->capacity, sizeof *a->owed);
    a->owed[a->count++] = (struct owed){.at = at, .version = v};
}

// Up to the instant of the next version.
static void owe_version(struct account *a, const struct version *v, wall_ms until)
{
    wall_ms from = version_owes_from(v);
    if (from == WALL_NEVER)
        return;
    struct slow_cron s;
    slow_cron_read(&s, v->schedule, v->paris);
    for (int64_t second = from / 1000 + 1; second * 1000 <= until; second++)
        if (slow_cron_fires(&s, second))
            add_owed(a, second * 1000, v);
}

static void owe(struct account *a, wall_ms until)
{
    for (size_t i = 0; i < a->history->count; i++) {
        const struct version *v = &a->history->versions[i];
        bool last = i + 1 == a->history->count;
        owe_version(a, v, last ? until : MIN(until, v[1].at));
    }
}

static int compare_owed(const void *key, const void *element)
{
    wall_ms at = *(const wall_ms *)key, other = ((const struct owed *)element)->at;
    return (at > other) - (at < other);
}

static struct owed *find_owed(const struct account *a, wall_ms at)
{
    return a->count ? bsearch(&at, a->owed, a->count, sizeof *a->owed, compare_owed) : NULL;
}

// --- Each record against what is owed ---

// Whether a client stopped the job at or after the instant, and before the record ended.
static bool was_stopped(const struct account *a, wall_ms at, wall_ms completed_at)
{
    for (size_t i = 0; i < a->history->count; i++) {
        const struct version *v = &a->history->versions[i];
        if ((v->deleted || !v->active) && v->at >= at && v->at <= completed_at)
            return true;
    }
    return false;
}

static bool policy_held(const struct account *a, enum catch_up policy, wall_ms at)
{
    for (size_t i = 0; i < a->history->count; i++) {
        const struct version *v = &a->history->versions[i];
        bool ended = i + 1 < a->history->count && v[1].at < at;
        if (!ended && v->at <= at && v->catch_up == policy)
            return true;
    }
    return false;
}

// Whether the policies of the job allow this occurrence to be given up at `e->completed_at`.
static bool may_be_missed(const struct account *a, const struct execution *e, wall_ms at)
{
    wall_ms then = e->completed_at;
    wall_ms late = then - a->w->limits.late_ms;
    if (e->key.scheduled_at >= late)
        return false;
    if (at < late && policy_held(a, CATCH_UP_NONE, then))
        return true;
    const struct owed *next = find_owed(a, e->missed_to);
    bool superseded = next && next + 1 < a->owed + a->count && next[1].at <= then;
    if (policy_held(a, CATCH_UP_LATEST, then) && superseded)
        return true;
    for (size_t i = 0; i < a->history->count; i++)
        if (at < late && at < then - (dur_ms)a->history->versions[i].catch_up_window_s * 1000)
            return true;
    return false;
}

static void check_missed(struct account *a, const struct execution *e)
{
    struct owed *o = find_owed(a, e->key.scheduled_at);
    int64_t count = 0;
    if (!o)
        FAIL(a, e->key.scheduled_at, "a MISSED range begins where nothing was owed");
    for (; o && o < a->owed + a->count && o->at <= e->missed_to; o++, count++) {
        if (o->in_range)
            FAIL(a, o->at, "two MISSED ranges cover it");
        if (!may_be_missed(a, e, o->at))
            FAIL(a, o->at, "it is MISSED against the job's policies");
        o->in_range = true;
    }
    if (count != e->missed_count)
        FAIL(a, e->key.scheduled_at, "a MISSED range of %lld has %lld occurrences",
             (long long)e->missed_count, (long long)count);
}

// What must be true of any record, given what the targets saw.
static void check_deliveries(struct account *a, const struct row *r, wall_ms until)
{
    const struct execution *e = &r->e;
    const struct deliveries *d = &r->seen;
    wall_ms at = e->key.scheduled_at;
    if (e->state == EXECUTION_SUCCESS && d->good == 0)
        FAIL(a, at, "SUCCESS, but no target ever answered so");
    if (e->state == EXECUTION_SUCCESS && d->reached == 0)
        FAIL(a, at, "SUCCESS, but it reached no target");
    if (!execution_state_is_terminal(e->state) && at <= until)
        FAIL(a, at, "I11: still %s", execution_state_name(e->state));
    if (e->state == EXECUTION_MISSED && d->sends > 0)
        FAIL(a, at, "MISSED, but it was sent");
    bool calm = e->recoveries == 0 && d->life_first == d->life_last;
    if (e->state == EXECUTION_SUCCESS && calm && e->attempts != d->sends)
        FAIL(a, at, "%u attempts are recorded, %u were sent", e->attempts, d->sends);
}

// An ordinary failure has used up its attempts; the two others say what happened.
static void check_failed(struct account *a, const struct row *r)
{
    const struct version *v = &a->history->versions[0]; // Type and retries never change.
    const char *error = r->e.error ? r->e.error : "";
    if (strstr(error, "outcome unknown") && v->type == JOB_ATMOST_ONCE)
        return;
    if (strstr(error, "crash loop") && r->e.recoveries > 2)
        return;
    if (v->type == JOB_ATLEAST_ONCE && r->seen.sends + r->e.recoveries < 1u + v->max_retries)
        FAIL(a, r->e.key.scheduled_at, "FAILED after %u requests", r->seen.sends);
    if (r->seen.sends == 0)
        FAIL(a, r->e.key.scheduled_at, "FAILED without a request: %s", error);
}

static void check_scheduled(struct account *a, const struct row *r, wall_ms until)
{
    const struct execution *e = &r->e;
    wall_ms at = e->key.scheduled_at;
    bool owed = find_owed(a, at) != NULL;
    check_deliveries(a, r, until);
    if (!owed && e->state != EXECUTION_CANCELLED)
        FAIL(a, at, "%s, but it was not owed", execution_state_name(e->state));
    if (!owed && r->seen.sends > 0)
        FAIL(a, at, "it was sent, but it was not owed");
    if (owed && e->state == EXECUTION_CANCELLED && !was_stopped(a, at, e->completed_at))
        FAIL(a, at, "CANCELLED (%s), but nobody stopped the job", e->reason);
    if (e->state == EXECUTION_FAILED)
        check_failed(a, r);
}

static void check_records(struct account *a, wall_ms until)
{
    const struct ledger *l = &a->w->ledger;
    const struct row *r = ledger_first_of(l, a->job);
    for (; r && !a->w->trace.failed; r = ledger_next_of(l, r)) {
        if (r->e.key.scheduled_at > until)
            continue;
        if (r->e.key.series < 0)
            check_deliveries(a, r, until);
        else if (r->e.state == EXECUTION_MISSED)
            check_missed(a, &r->e);
        else
            check_scheduled(a, r, until);
    }
}

// --- Each occurrence against the records ---

static void check_owed(struct account *a)
{
    for (size_t i = 0; i < a->count && !a->w->trace.failed; i++) {
        const struct owed *o = &a->owed[i];
        struct execution_key key = {.job = a->job, .scheduled_at = o->at};
        const struct row *r = ledger_find(&a->w->ledger, &key);
        bool own = r && r->e.state != EXECUTION_MISSED;
        if (!own && !o->in_range)
            FAIL(a, o->at, "LOST: it was owed (%s), and no record accounts for it",
                 o->version->schedule);
        if (own && o->in_range)
            FAIL(a, o->at, "it has a row, and a MISSED range covers it");
    }
}

// A job that can fire no more says so.
static void check_finished(struct account *a)
{
    const struct version *v = &a->history->versions[a->history->count - 1];
    const struct job *j = ledger_job(&a->w->ledger, a->job);
    struct slow_cron s;
    slow_cron_read(&s, v->schedule, v->paris);
    bool over = s.at_s > 0 && v->active && s.at_s * 1000 < a->w->now.wall - 60000;
    if (j && over && (j->is_active || !j->finished))
        FAIL(a, v->at, "its only instant is over, and it is not finished");
}

static void check_triggers(struct world *w)
{
    for (size_t i = 0; i < w->history.trigger_count; i++)
        if (!ledger_find(&w->ledger, &w->history.triggers[i]))
            trace_fail(&w->trace, "I10: a trigger of job %lld is lost",
                       (long long)w->history.triggers[i].job);
}

void checker_run(struct world *w, wall_ms until, uint64_t *owed_count)
{
    for (size_t i = 0; i < w->history.job_count && !w->trace.failed; i++) {
        struct account a = {.w = w, .job = (job_id)i + 1, .history = &w->history.jobs[i]};
        if (a.history->count == 0)
            continue;
        owe(&a, until);
        check_records(&a, until);
        check_owed(&a);
        check_finished(&a);
        *owed_count += a.count;
        free(a.owed);
    }
    check_triggers(w);
}
