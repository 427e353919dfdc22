// SPDX-License-Identifier: MIT
// incident_rules.c: people are told of what is wrong once, and once that it is over.
//
// The incident of each job is worked out anew from what became durable, in its order: its alerts of
// failures and of what was missed, and the ends of its executions. What the core writes must say
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

// The first opens, the others are folded.
static void hear_trouble(const struct ledger *l, struct durable_job *d, const struct alert *a)
{
    struct open_incident *i = &d->incident;
    bool opens = i->id == 0 && !d->deleted;
    if (opens)
        *i = (struct open_incident){.id = a->id, .since = a->created_at, .told_at = a->created_at};
    if ((a->telling == TELLING_WAITING) != opens)
        complain(l, a, opens ? "opens an incident that nobody is told of" : "is told again");
    if (a->incident_id != (d->deleted ? 0 : i->id))
        complain(l, a, "is of another incident");
    if (a->kind == ALERT_MISSED)
        i->count += a->count;
    else
        i->count += opens ? d->job->alert_after : 1;
    i->good = 0;
}

static void hear_report(const struct ledger *l, const struct open_incident *i,
                        const struct alert *a)
{
    if (i->id == 0)
        complain(l, a, "is of no incident");
    if (a->incident_id != i->id || a->from != i->since || a->count != i->count)
        complain(l, a, "does not say how the incident stands");
    if (a->telling != TELLING_WAITING || !a->subject || strcmp(a->subject, "failure") != 0)
        complain(l, a, "tells nobody, or not of what");
}

static void hear_reminder(const struct ledger *l, struct durable_job *d, const struct alert *a)
{
    dur_ms wait = (dur_ms)d->job->alert_remind_s * 1000;
    hear_report(l, &d->incident, a);
    if (d->deleted || !wait || a->created_at < d->incident.told_at + wait)
        complain(l, a, "reminds too early");
    d->incident.told_at = a->created_at;
}

static void hear_recovery(const struct ledger *l, struct durable_job *d, const struct alert *a)
{
    hear_report(l, &d->incident, a);
    if (!d->incident.recovered_by || a->execution_id != d->incident.recovered_by)
        complain(l, a, "comes before the job is well");
    d->incident = (struct open_incident){0};
}

void incident_hear(struct ledger *l, const struct alert *a)
{
    struct durable_job *d = job_of(l, a->job);
    if (a->kind == ALERT_FAILURE || a->kind == ALERT_MISSED)
        hear_trouble(l, d, a);
    else if (a->kind == ALERT_REMINDER)
        hear_reminder(l, d, a);
    else if (a->kind == ALERT_RECOVERED)
        hear_recovery(l, d, a);
}

// A failure that has an alert is counted by that.
void incident_see(struct ledger *l, const struct row *r)
{
    struct durable_job *d = job_of(l, r->e.key.job);
    struct open_incident *i = &d->incident;
    if (i->id == 0 || d->deleted)
        return;
    if (r->e.state == EXECUTION_FAILED && !r->alerts_due) {
        i->count++;
        i->good = 0;
    } else if (r->e.state == EXECUTION_SUCCESS && ++i->good >= d->job->alert_recover_after) {
        i->recovered_by = r->e.id;
    }
}

static void check_job(const struct ledger *l, job_id id)
{
    const struct durable_job *d = job_of(l, id);
    const struct open_incident *i = &d->incident;
    struct incidents kept;
    incidents_parse(d->job->trouble, &kept);
    const struct incident *k = &kept.of[CAUSE_FAILURE];
    if (d->deleted)
        return;
    if (i->recovered_by)
        trace_fail(l->trace, "job %lld is well, and nobody is told", (long long)id);
    if (k->id != i->id || k->count != i->count || k->good != i->good || k->since != i->since ||
        k->told_at != i->told_at)
        trace_fail(l->trace, "the row of job %lld does not remember its incident: %s",
                   (long long)id, d->job->trouble ? d->job->trouble : "none");
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
