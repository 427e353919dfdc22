// SPDX-License-Identifier: MIT
// incident.c: what is wrong with a job, told once and until it is well again.
//
// Each failure, from the alert_after-th in a row on, and each missed range has its alert in its own
// transaction, whatever an incident says. The first of them opens the incident, and people are told
// of it; those that follow are folded into it, and nobody is told. Both kinds are one incident: the
// job does not do its work. After alert_recover_after successes in a row it is closed by an alert
// of its own. Meanwhile people are reminded, unless somebody has said that it was seen.
//
// A job that is paused keeps its incident, and one that is deleted loses it without a word: what
// still ends of it has its alert, and nobody is told.
//
// What is remembered goes with the job's row, so that neither a restart nor another owner of the
// shard tells anything twice. A job that is well has nothing to remember, and nothing is written.

#include "core/core_priv.h"

#include <assert.h>

static const struct incidents none;

static bool has_anything(const struct trouble *t)
{
    char text[INCIDENTS_BYTES];
    return incidents_format(&t->now, text) != NULL;
}

static struct trouble *trouble_of(struct core_job *j)
{
    assert(!j->deleted);
    if (!j->trouble) {
        j->trouble = xcalloc(1, sizeof *j->trouble);
        j->trouble->job = j;
    }
    return j->trouble;
}

// --- It is remembered ------------------------------------------------------------------------

void core__incident_load(struct core_job *j, const char *text)
{
    if (j->trouble || !text)
        return;
    incidents_parse(text, &trouble_of(j)->now);
    if (!has_anything(j->trouble)) {
        free(j->trouble);
        j->trouble = NULL;
    }
}

void core__incident_forget(struct core *c, struct core_job *j)
{
    if (!j->trouble)
        return;
    agenda_remove(c->troubles, &j->trouble->due);
    free(j->trouble);
    j->trouble = NULL;
}

const char *core__incidents_text(struct core *c, const struct core_job *j)
{
    char text[INCIDENTS_BYTES];
    if (!j->trouble)
        return NULL;
    return arena_text(&c->out->batch->arena, incidents_format(&j->trouble->now, text));
}

void core__incident_settle(struct core *c, struct core_job *j)
{
    if (!j->trouble)
        return;
    if (j->trouble->is_changed)
        core__record_job_state(c, j);
    core__incident_watch(c, j);
}

// --- Opened, and closed ----------------------------------------------------------------------

// An alert that counts so many failures: the first opens the incident.
static void raise(struct core *c, struct core_job *j, const struct execution *e,
                  const struct alert *facts, int64_t count)
{
    struct alert a = *facts;
    if (j->deleted) {
        core__record_alert(c, e, &a);
        return;
    }
    struct trouble *t = trouble_of(j);
    struct incident *i = &t->now.of[CAUSE_FAILURE];
    bool opens = i->id == 0;
    a.incident_id = opens ? INCIDENT_OPENED : i->id;
    a.telling = opens ? TELLING_WAITING : TELLING_NONE;
    int64_t id = core__record_alert(c, e, &a);
    if (opens)
        *i = (struct incident){.id = id, .since = c->now.wall, .told_at = c->now.wall};
    i->count += count;
    i->good = 0;
    t->is_changed = true;
}

void core__incident_missed(struct core *c, struct core_job *j, const struct execution *e,
                           const struct alert *facts)
{
    raise(c, j, e, facts, facts->count);
}

// How an incident stands, for people.
static struct alert report(const struct core *c, enum alert_kind kind, enum incident_cause cause,
                           const struct incident *i)
{
    return (struct alert){.kind = kind,
                          .subject = incident_cause_name(cause),
                          .from = i->since,
                          .to = kind == ALERT_RECOVERED ? c->now.wall : 0,
                          .count = i->count,
                          .incident_id = i->id,
                          .telling = TELLING_WAITING};
}

static void close(struct core *c, const struct open *o, enum incident_cause cause)
{
    struct incident *i = &o->job->trouble->now.of[cause];
    struct alert a = report(c, ALERT_RECOVERED, cause, i);
    core__record_alert(c, &o->record, &a);
    *i = none.of[cause];
}

static void learn_failure(struct core *c, const struct open *o)
{
    struct core_job *j = o->job;
    const char *error = o->record.error ? o->record.error : "unknown error";
    const struct alert facts = {
        .kind = ALERT_FAILURE, .attempts = o->record.attempts, .last_error = error};
    bool is_open = j->trouble && j->trouble->now.of[CAUSE_FAILURE].id;
    if (j->failures >= j->policy->alert_after) {
        raise(c, j, &o->record, &facts, is_open ? 1 : j->policy->alert_after);
    } else if (is_open) { // After a success that did not close it.
        j->trouble->now.of[CAUSE_FAILURE].count++;
        j->trouble->now.of[CAUSE_FAILURE].good = 0;
        j->trouble->is_changed = true;
    }
}

static void learn_success(struct core *c, const struct open *o)
{
    struct trouble *t = o->job->trouble;
    struct incident *i = t ? &t->now.of[CAUSE_FAILURE] : NULL;
    if (!i || !i->id)
        return;
    t->is_changed = true;
    if (++i->good >= o->job->policy->alert_recover_after)
        close(c, o, CAUSE_FAILURE);
}

void core__incident_learn(struct core *c, const struct open *o)
{
    if (o->record.state == EXECUTION_FAILED)
        learn_failure(c, o);
    else if (o->record.state == EXECUTION_SUCCESS)
        learn_success(c, o);
}

// --- With time -------------------------------------------------------------------------------

// When people are to be reminded of it; WALL_NEVER: they are not.
static wall_ms reminder_due(const struct core_job *j, const struct incident *i)
{
    dur_ms wait = (dur_ms)j->policy->alert_remind_s * 1000;
    return i->id && wait && !i->is_acknowledged ? i->told_at + wait : WALL_NEVER;
}

static wall_ms next_due(const struct trouble *t)
{
    wall_ms next = WALL_NEVER;
    for (size_t k = 0; k < INCIDENT_CAUSES; k++)
        next = MIN(next, reminder_due(t->job, &t->now.of[k]));
    return next;
}

// What is empty by now is forgotten.
void core__incident_watch(struct core *c, struct core_job *j)
{
    struct trouble *t = j->trouble;
    if (!t)
        return;
    wall_ms next = next_due(t);
    if (!has_anything(t))
        core__incident_forget(c, j);
    else if (next != WALL_NEVER)
        agenda_put(c->troubles, &t->due, next, j->id);
    else
        agenda_remove(c->troubles, &t->due);
}

static void remind(struct core *c, struct trouble *t, enum incident_cause cause)
{
    struct incident *i = &t->now.of[cause];
    if (reminder_due(t->job, i) > c->now.wall)
        return;
    struct alert a = report(c, ALERT_REMINDER, cause, i);
    core__record_alert(c, &(struct execution){.key = {.job = t->job->id}}, &a);
    i->told_at = c->now.wall;
    t->is_changed = true;
}

// A bounded number of jobs.
void core__incidents_due(struct core *c)
{
    struct agenda_node *n;
    size_t left = c->limits.due_max;
    while (!c->draining && left > 0 && (n = agenda_pop(c->troubles, c->now.wall))) {
        struct trouble *t = (struct trouble *)((char *)n - offsetof(struct trouble, due));
        for (size_t k = 0; k < INCIDENT_CAUSES; k++)
            remind(c, t, (enum incident_cause)k);
        core__incident_settle(c, t->job);
        left--;
    }
    c->more |= !c->draining && agenda_next(c->troubles) <= c->now.wall;
}

void core__incident_acknowledge(struct core *c, struct core_job *j, int64_t incident_id)
{
    struct trouble *t = j->trouble;
    for (size_t k = 0; t && k < INCIDENT_CAUSES; k++) {
        if (t->now.of[k].id != incident_id)
            continue;
        t->now.of[k].is_acknowledged = true;
        t->is_changed = true;
    }
    core__incident_settle(c, j);
}
