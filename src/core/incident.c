// SPDX-License-Identifier: MIT
// incident.c: what is wrong with a job, told once and until it is well again.
//
// Each failure, from the alert_after-th in a row on, and each missed range has its alert in its own
// transaction, whatever an incident says. The first of them opens the incident, and people are told
// of it; those that follow are folded into it, and nobody is told. Both kinds are one incident: the
// job does not do its work. After alert_recover_after successes in a row it is closed by an alert
// of its own. Meanwhile people are reminded, unless somebody has said that it was seen.
//
// A job whose incidents come and go is said to flap, once: the fourth that opens within an hour
// goes on, whatever its executions do, until they have all failed, or all succeeded, for half an
// hour. Then people are told how it stands, and not before.
//
// A job may have others for which it asks: too many of its last executions failed (alert_rate), or
// executions start late, or take long, or none has succeeded for long. The opening and the end of
// these have an alert, and what comes between is counted. A rule that is taken from the job takes
// its incident along, without a word.
//
// A job that is paused keeps its incident, and one that is deleted loses it without a word: what
// still ends of it has its alert, and nobody is told.
//
// What is remembered goes with the job's row, so that neither a restart nor another owner of the
// shard tells anything twice. A job that is well has nothing to remember, and nothing is written.

#include "core/core_priv.h"

#include <assert.h>
#include <string.h>

#define FLAPPING_OPENINGS 4 // So many incidents that begin
#define FLAPPING_MS 3600000 // within this time are flapping,
#define CALM_MS 1800000     // and nothing that changes for so long is the end of it.

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

// Whether the job asks for incidents of this cause.
static bool is_asked_for(const struct policy *p, enum incident_cause cause)
{
    const bool asked[INCIDENT_CAUSES] = {
        [CAUSE_FAILURE] = true,
        [CAUSE_RATE] = p->alert_rate.of > 0,
        [CAUSE_LATE] = p->alert_late_ms > 0,
        [CAUSE_SLOW] = p->alert_slow_ms > 0,
        [CAUSE_SILENT] = p->alert_silent_s > 0,
    };
    return asked[cause];
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

// When people are to be reminded of it; WALL_NEVER: they are not.
static wall_ms reminder_due(const struct core_job *j, const struct incident *i)
{
    dur_ms wait = (dur_ms)j->policy->alert_remind_s * 1000;
    return i->id && wait && !i->is_acknowledged ? i->told_at + wait : WALL_NEVER;
}

// When the wait for a success is over; WALL_NEVER: nobody waits, or people were told.
static wall_ms silence_due(const struct trouble *t)
{
    dur_ms wait = (dur_ms)t->job->policy->alert_silent_s * 1000;
    return wait && t->now.succeeded_at && !t->now.of[CAUSE_SILENT].id ? t->now.succeeded_at + wait
                                                                      : WALL_NEVER;
}

// When it is time to say how a job stands that has flapped, or to forget when its incidents began.
static wall_ms flapping_due(const struct incidents *all)
{
    const struct incident *i = &all->of[CAUSE_FAILURE];
    if (i->is_flapping)
        return i->turned_at + CALM_MS;
    return all->openings && !i->id ? all->openings_from + FLAPPING_MS + 1 : WALL_NEVER;
}

static wall_ms next_due(const struct trouble *t)
{
    wall_ms next = MIN(silence_due(t), flapping_due(&t->now));
    for (size_t k = 0; k < INCIDENT_CAUSES; k++)
        next = MIN(next, reminder_due(t->job, &t->now.of[k]));
    return next;
}

// What is empty by now is forgotten.
static void watch(struct core *c, struct core_job *j)
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

// What the job does not ask for any more is forgotten; where it asks for a success now and then,
// the wait for one begins.
static void follow_rules(const struct core *c, struct core_job *j)
{
    const struct policy *p = j->policy;
    if (p->alert_silent_s && !j->deleted && !(j->trouble && j->trouble->now.succeeded_at)) {
        trouble_of(j)->now.succeeded_at = c->now.wall;
        j->trouble->is_changed = true;
    }
    struct trouble *t = j->trouble;
    if (!t)
        return;
    struct incidents before = t->now;
    for (size_t k = 0; k < INCIDENT_CAUSES; k++)
        if (!is_asked_for(p, (enum incident_cause)k))
            t->now.of[k] = none.of[k];
    if (!p->alert_rate.of)
        t->now.outcomes = 0;
    if (!p->alert_silent_s)
        t->now.succeeded_at = 0;
    t->is_changed |= memcmp(&before, &t->now, sizeof before) != 0;
}

void core__incident_settle(struct core *c, struct core_job *j)
{
    follow_rules(c, j);
    if (!j->trouble)
        return;
    if (j->trouble->is_changed)
        core__record_job_state(c, j);
    watch(c, j);
}

// --- Opened, and closed ----------------------------------------------------------------------

static bool is_calm(const struct core *c, const struct incident *i)
{
    return i->is_flapping && c->now.wall >= i->turned_at + CALM_MS;
}

// An incident begins. Whether the job flaps by that.
static bool count_opening(const struct core *c, struct incidents *all)
{
    bool is_first = !all->openings || c->now.wall - all->openings_from > FLAPPING_MS;
    all->openings = is_first ? 1 : all->openings + 1;
    if (is_first)
        all->openings_from = c->now.wall;
    return all->openings >= FLAPPING_OPENINGS;
}

static void begin_flapping(struct core *c, struct trouble *t, const struct execution *e)
{
    const struct alert a = {.kind = ALERT_FLAPPING,
                            .from = t->now.openings_from,
                            .count = t->now.openings,
                            .incident_id = INCIDENT_OPENED,
                            .telling = TELLING_WAITING};
    t->now.of[CAUSE_FAILURE] = (struct incident){.id = core__record_alert(c, e, &a),
                                                 .since = c->now.wall,
                                                 .told_at = c->now.wall,
                                                 .is_flapping = true,
                                                 .turned_at = c->now.wall};
}

// The job has failed in an incident.
static void note_failure(const struct core *c, struct incident *i, int64_t count)
{
    i->is_flapping = i->is_flapping && !is_calm(c, i);
    if (i->good > 0)
        i->turned_at = c->now.wall;
    i->good = 0;
    i->count += count;
}

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
    if (i->id == 0 && count_opening(c, &t->now))
        begin_flapping(c, t, e);
    bool opens = i->id == 0;
    a.incident_id = opens ? INCIDENT_OPENED : i->id;
    a.telling = opens ? TELLING_WAITING : TELLING_NONE;
    int64_t id = core__record_alert(c, e, &a);
    if (opens)
        *i = (struct incident){.id = id, .since = c->now.wall, .told_at = c->now.wall};
    note_failure(c, i, count);
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

static void close(struct core *c, struct trouble *t, const struct execution *e,
                  enum incident_cause cause)
{
    struct incident *i = &t->now.of[cause];
    struct alert a = report(c, ALERT_RECOVERED, cause, i);
    if (i->is_flapping)
        t->now.openings = t->now.openings_from = 0;
    core__record_alert(c, e, &a);
    *i = none.of[cause];
    t->is_changed = true;
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
        note_failure(c, &j->trouble->now.of[CAUSE_FAILURE], 1);
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
    i->is_flapping = i->is_flapping && !is_calm(c, i);
    if (i->good == 0)
        i->turned_at = c->now.wall;
    if (++i->good >= o->job->policy->alert_recover_after && !i->is_flapping)
        close(c, t, &o->record, CAUSE_FAILURE);
}

// --- What the job asks for -------------------------------------------------------------------

static void open_incident(struct core *c, struct core_job *j, const struct execution *e,
                          enum incident_cause cause, const struct alert *facts)
{
    struct trouble *t = trouble_of(j);
    struct alert a = *facts;
    a.incident_id = INCIDENT_OPENED;
    a.telling = TELLING_WAITING;
    t->now.of[cause] = (struct incident){
        .id = core__record_alert(c, e, &a), .since = c->now.wall, .told_at = c->now.wall};
    t->is_changed = true;
}

// An execution was as the cause says, or it was not.
static void learn_kind(struct core *c, const struct open *o, enum incident_cause cause, bool is_bad,
                       const struct alert *facts)
{
    struct core_job *j = o->job;
    bool is_open = j->trouble && j->trouble->now.of[cause].id;
    if (is_bad && !is_open)
        open_incident(c, j, &o->record, cause, facts);
    else if (!is_open)
        return;
    struct incident *i = &j->trouble->now.of[cause];
    i->count += is_bad;
    i->good = is_bad ? 0 : i->good + 1;
    j->trouble->is_changed = true;
    if (i->good >= j->policy->alert_recover_after)
        close(c, j->trouble, &o->record, cause);
}

static void learn_lateness(struct core *c, const struct open *o)
{
    const struct execution *e = &o->record;
    dur_ms most = o->job->policy->alert_late_ms;
    if (most && e->started_at)
        learn_kind(
            c, o, CAUSE_LATE, execution_lateness_ms(e) > most,
            &(struct alert){.kind = ALERT_LATE, .from = core__due_at(o), .to = e->started_at});
}

static void learn_slowness(struct core *c, const struct open *o)
{
    const struct execution *e = &o->record;
    dur_ms most = o->job->policy->alert_slow_ms;
    if (most && e->started_at)
        learn_kind(
            c, o, CAUSE_SLOW, e->completed_at - e->started_at > most,
            &(struct alert){.kind = ALERT_SLOW, .from = e->started_at, .to = e->completed_at});
}

// As soon as fewer of the last ones failed the incident is over, whatever alert_recover_after says.
static void learn_rate(struct core *c, const struct open *o)
{
    struct core_job *j = o->job;
    const struct failure_rate *r = &j->policy->alert_rate;
    bool failed = o->record.state == EXECUTION_FAILED;
    if (!r->of || (!failed && !j->trouble))
        return; // Without a memory all were well.
    struct trouble *t = trouble_of(j);
    uint64_t last = ((uint64_t)t->now.outcomes << 1 | failed) & (((uint64_t)1 << r->of) - 1);
    int64_t failures = __builtin_popcountll(last);
    struct incident *i = &t->now.of[CAUSE_RATE];
    t->is_changed |= i->id || t->now.outcomes != (int64_t)last;
    t->now.outcomes = (int64_t)last;
    if (!i->id && failures >= r->failures)
        open_incident(c, j, &o->record, CAUSE_RATE,
                      &(struct alert){.kind = ALERT_FAILURE_RATE,
                                      .count = failures,
                                      .attempts = r->of,
                                      .last_error = o->record.error});
    if (i->id)
        i->count += i->count ? failed : failures;
    if (i->id && failures < r->failures)
        close(c, t, &o->record, CAUSE_RATE);
}

static void learn_silence(struct core *c, const struct open *o)
{
    struct trouble *t = o->job->trouble;
    if (!o->job->policy->alert_silent_s || o->record.state != EXECUTION_SUCCESS)
        return;
    if (t && t->now.of[CAUSE_SILENT].id)
        close(c, t, &o->record, CAUSE_SILENT);
    t = trouble_of(o->job);
    t->now.succeeded_at = c->now.wall;
    t->is_changed = true;
}

void core__incident_learn(struct core *c, const struct open *o)
{
    bool failed = o->record.state == EXECUTION_FAILED;
    if (!failed && o->record.state != EXECUTION_SUCCESS)
        return;
    if (failed)
        learn_failure(c, o);
    else
        learn_success(c, o);
    if (o->job->deleted)
        return;
    learn_rate(c, o);
    learn_lateness(c, o);
    learn_slowness(c, o);
    learn_silence(c, o);
}

// --- With time -------------------------------------------------------------------------------

static void tell_reminder(struct core *c, struct trouble *t, enum incident_cause cause)
{
    struct incident *i = &t->now.of[cause];
    struct alert a = report(c, ALERT_REMINDER, cause, i);
    core__record_alert(c, &(struct execution){.key = {.job = t->job->id}}, &a);
    i->told_at = c->now.wall;
    t->is_changed = true;
}

static void remind(struct core *c, struct trouble *t, enum incident_cause cause)
{
    if (reminder_due(t->job, &t->now.of[cause]) <= c->now.wall)
        tell_reminder(c, t, cause);
}

static void complain_of_silence(struct core *c, struct trouble *t)
{
    if (silence_due(t) > c->now.wall)
        return;
    open_incident(c, t->job, &(struct execution){.key = {.job = t->job->id}}, CAUSE_SILENT,
                  &(struct alert){.kind = ALERT_SILENT, .from = t->now.succeeded_at});
}

// Nothing has changed for long.
static void calm_down(struct core *c, struct trouble *t)
{
    struct incident *i = &t->now.of[CAUSE_FAILURE];
    if (flapping_due(&t->now) > c->now.wall)
        return;
    t->is_changed = true;
    if (!i->is_flapping) {
        t->now.openings = t->now.openings_from = 0;
    } else if (i->good >= t->job->policy->alert_recover_after) {
        close(c, t, &(struct execution){.key = {.job = t->job->id}}, CAUSE_FAILURE);
    } else {
        i->is_flapping = false; // An incident like others from now on.
        if (i->good == 0)
            tell_reminder(c, t, CAUSE_FAILURE);
    }
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
        complain_of_silence(c, t);
        calm_down(c, t);
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
