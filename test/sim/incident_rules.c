// SPDX-License-Identifier: MIT
// incident_rules.c: people are told of what is wrong once, and once that it is over.
//
// The incidents of each job are worked out anew from what became durable, in its order: its alerts
// of failures and of what was missed, and the ends of its executions. What the core writes must say
// the same: which alert people are told of, which ones are folded, when it is over and how many it
// were. The job's row must remember it, or a crash would lose it.

#include "ledger.h"

#include <string.h>

static struct durable_job *job_of(const struct ledger *l, job_id id)
{
    return &l->jobs[id - 1];
}

static void complain(const struct ledger *l, const struct alert *a, const char *what)
{
    trace_fail(l->trace, "alert %lld (%s) of job %lld %s", (long long)a->id,
               alert_kind_name(a->kind), (long long)a->job, what);
}

void incident_rules(struct durable_job *d)
{
    if (!d->job->alert_late_ms)
        d->incidents[CAUSE_LATE] = (struct open_incident){0};
    if (!d->job->alert_slow_ms)
        d->incidents[CAUSE_SLOW] = (struct open_incident){0};
    if (d->job->alert_silent_s)
        return;
    d->incidents[CAUSE_SILENT] = (struct open_incident){0};
    d->succeeded_at = 0; // The clock may go back before somebody asks again.
}

static void open_by(struct open_incident *i, const struct alert *a)
{
    *i = (struct open_incident){.id = a->id, .since = a->created_at, .told_at = a->created_at};
}

#define FLAPPING_OPENINGS 4
#define FLAPPING_MS 3600000
#define CALM_MS 1800000

// So many incidents have begun, with this one.
static int64_t count_opening(struct durable_job *d, wall_ms at)
{
    if (d->openings == 0 || at - d->openings_from > FLAPPING_MS) {
        d->openings = 0;
        d->openings_from = at;
    }
    return ++d->openings;
}

static void calm_down(struct open_incident *i, wall_ms at)
{
    i->is_flapping = i->is_flapping && at < i->turned_at + CALM_MS;
}

// What the row has forgotten since its time was over; the clock may go back afterwards.
void incident_time(struct durable_job *d, wall_ms now)
{
    struct open_incident *i = &d->incidents[CAUSE_FAILURE];
    struct incidents kept;
    incidents_parse(d->job->trouble, &kept);
    if (kept.openings == 0 && i->id == 0 && now - d->openings_from > FLAPPING_MS)
        d->openings = 0;
    if (kept.of[CAUSE_FAILURE].id == i->id && !kept.of[CAUSE_FAILURE].is_flapping)
        calm_down(i, now);
}

static void hear_flapping(const struct ledger *l, struct durable_job *d, const struct alert *a)
{
    struct open_incident *i = &d->incidents[CAUSE_FAILURE];
    if (i->id || d->deleted || a->telling != TELLING_WAITING || a->incident_id != a->id)
        complain(l, a, "is told though an incident is open");
    if (count_opening(d, a->created_at) < FLAPPING_OPENINGS || a->count != d->openings)
        complain(l, a, "is told of too few");
    open_by(i, a);
    i->turned_at = a->created_at;
    i->is_flapping = i->is_opening = true;
}

static void note_failure(struct open_incident *i, wall_ms at)
{
    calm_down(i, at);
    if (i->good > 0)
        i->turned_at = at;
    i->good = 0;
}

// The first opens, the others are folded.
static void hear_trouble(const struct ledger *l, struct durable_job *d, const struct alert *a)
{
    struct open_incident *i = &d->incidents[CAUSE_FAILURE];
    bool opens = i->id == 0 && !d->deleted;
    if (opens && count_opening(d, a->created_at) >= FLAPPING_OPENINGS)
        complain(l, a, "is told as if it did not come and go");
    if (opens)
        open_by(i, a);
    if ((a->telling == TELLING_WAITING) != opens)
        complain(l, a, opens ? "opens an incident that nobody is told of" : "is told again");
    if (a->incident_id != (d->deleted ? 0 : i->id))
        complain(l, a, "is of another incident");
    if (a->kind == ALERT_MISSED)
        i->count += a->count;
    else
        i->count += opens || i->is_opening ? d->job->alert_after : 1;
    i->is_opening = false;
    note_failure(i, a->created_at);
}

static void hear_opening(const struct ledger *l, struct durable_job *d, const struct alert *a,
                         enum incident_cause cause)
{
    struct open_incident *i = &d->incidents[cause];
    if (d->deleted || i->id || a->telling != TELLING_WAITING || a->incident_id != a->id)
        complain(l, a, "opens an incident a second time, or tells nobody");
    if (cause == CAUSE_SILENT && (a->from < d->succeeded_at ||
                                  a->created_at < a->from + (dur_ms)d->job->alert_silent_s * 1000))
        complain(l, a, "comes though there was a success");
    if (cause != CAUSE_SILENT && i->opened_by != a->execution_id)
        complain(l, a, "is about an execution that was well");
    open_by(i, a);
    i->count = cause != CAUSE_SILENT;
}

// The incident of which a reminder or a recovery tells.
static struct open_incident *hear_report(const struct ledger *l, struct durable_job *d,
                                         const struct alert *a)
{
    int cause = CAUSE_FAILURE;
    bool is_known = a->subject && enum_find(&incident_cause_words, a->subject, &cause);
    struct open_incident *i = &d->incidents[cause];
    if (!is_known || a->telling != TELLING_WAITING)
        complain(l, a, "tells nobody, or not of what");
    if (i->id == 0)
        complain(l, a, "is of no incident");
    if (a->incident_id != i->id || a->from != i->since || a->count != i->count)
        complain(l, a, "does not say how the incident stands");
    return i;
}

static void hear_reminder(const struct ledger *l, struct durable_job *d, const struct alert *a)
{
    dur_ms wait = (dur_ms)d->job->alert_remind_s * 1000;
    struct open_incident *i = hear_report(l, d, a);
    bool is_calm = i->is_flapping && i->good == 0 && a->created_at >= i->turned_at + CALM_MS;
    if (d->deleted || (!is_calm && (!wait || a->created_at < i->told_at + wait)))
        complain(l, a, "reminds too early");
    i->told_at = a->created_at;
}

static void hear_recovery(const struct ledger *l, struct durable_job *d, const struct alert *a)
{
    struct open_incident *i = hear_report(l, d, a);
    bool is_calm = i->is_flapping && i->good >= d->job->alert_recover_after &&
                   a->created_at >= i->turned_at + CALM_MS && a->execution_id == 0;
    if (!is_calm && (!i->recovered_by || a->execution_id != i->recovered_by))
        complain(l, a, "comes before the job is well");
    if (is_calm)
        d->openings = 0;
    *i = (struct open_incident){0};
}

void incident_hear(struct ledger *l, const struct alert *a)
{
    struct durable_job *d = job_of(l, a->job);
    if (a->kind == ALERT_FAILURE || a->kind == ALERT_MISSED)
        hear_trouble(l, d, a);
    else if (a->kind == ALERT_LATE || a->kind == ALERT_SLOW)
        hear_opening(l, d, a, a->kind == ALERT_LATE ? CAUSE_LATE : CAUSE_SLOW);
    else if (a->kind == ALERT_SILENT)
        hear_opening(l, d, a, CAUSE_SILENT);
    else if (a->kind == ALERT_FLAPPING)
        hear_flapping(l, d, a);
    else if (a->kind == ALERT_REMINDER)
        hear_reminder(l, d, a);
    else if (a->kind == ALERT_RECOVERED)
        hear_recovery(l, d, a);
}

// --- The end of an execution ---------------------------------------------------------------------

// A failure that has an alert is counted by that.
static void see_failure(struct durable_job *d, const struct row *r)
{
    struct open_incident *i = &d->incidents[CAUSE_FAILURE];
    if (i->id && r->e.state == EXECUTION_FAILED && !r->alerts_due) {
        i->count++;
        note_failure(i, r->e.completed_at);
    }
    if (!i->id || r->e.state != EXECUTION_SUCCESS)
        return;
    calm_down(i, r->e.completed_at);
    if (i->good == 0)
        i->turned_at = r->e.completed_at;
    if (++i->good >= d->job->alert_recover_after && !i->is_flapping)
        i->recovered_by = r->e.id;
}

static void see_length(struct durable_job *d, const struct row *r, enum incident_cause cause,
                       dur_ms length, dur_ms most)
{
    struct open_incident *i = &d->incidents[cause];
    bool is_bad = length > most;
    if (!most || !r->e.started_at)
        return;
    if (!i->id) {
        i->opened_by = is_bad ? r->e.id : 0;
        return;
    }
    i->count += is_bad;
    i->good = is_bad ? 0 : i->good + 1;
    if (i->good >= d->job->alert_recover_after)
        i->recovered_by = r->e.id;
}

void incident_see(struct ledger *l, const struct row *r)
{
    struct durable_job *d = job_of(l, r->e.key.job);
    const struct execution *e = &r->e;
    if (d->deleted || (e->state != EXECUTION_SUCCESS && e->state != EXECUTION_FAILED))
        return;
    see_failure(d, r);
    see_length(d, r, CAUSE_LATE, e->started_at - row_due_at(r), d->job->alert_late_ms);
    see_length(d, r, CAUSE_SLOW, e->completed_at - e->started_at, d->job->alert_slow_ms);
    if (e->state != EXECUTION_SUCCESS || !d->job->alert_silent_s)
        return;
    d->succeeded_at = e->completed_at;
    if (d->incidents[CAUSE_SILENT].id)
        d->incidents[CAUSE_SILENT].recovered_by = e->id;
}

// --- After the batch -----------------------------------------------------------------------------

static void check_incident(const struct ledger *l, job_id id, const struct open_incident *i,
                           const struct incident *kept)
{
    if (i->recovered_by)
        trace_fail(l->trace, "job %lld is well, and nobody is told", (long long)id);
    if (!i->id && i->opened_by)
        trace_fail(l->trace, "job %lld is late or slow, and nobody is told", (long long)id);
    if (kept->id != i->id || kept->count != i->count || kept->since != i->since ||
        kept->told_at != i->told_at || kept->good != i->good || i->is_opening)
        trace_fail(l->trace, "the row of job %lld does not remember its incident", (long long)id);
}

static void check_job(const struct ledger *l, job_id id)
{
    const struct durable_job *d = job_of(l, id);
    struct incidents kept;
    if (d->deleted)
        return;
    incidents_parse(d->job->trouble, &kept);
    for (size_t k = 0; k < INCIDENT_CAUSES; k++)
        check_incident(l, id, &d->incidents[k], &kept.of[k]);
}

void incident_check(const struct ledger *l, const struct batch *b)
{
    for (size_t i = 0; i < b->count && !l->trace->failed; i++) {
        const struct change *c = &b->changes[i];
        if (c->kind == CHANGE_EXECUTION_INSERT || c->kind == CHANGE_EXECUTION_UPDATE)
            check_job(l, c->execution.key.job);
        if (c->kind == CHANGE_ALERT && c->alert.job)
            check_job(l, c->alert.job);
    }
}
