// SPDX-License-Identifier: MIT
// wire.c: requests on their way, targets with moods, and what must hold whenever something leaves.

#include "world.h"

#include <assert.h>

// --- What a target does with a request ---

struct fate {
    enum outcome_kind kind;
    unsigned status;
    bool reaches;
    dur_ms delay; // 0: until the timeout.
    const char *error;
};

static struct fate answer(struct world *w, unsigned status, dur_ms slowest)
{
    return (struct fate){.kind = OUTCOME_ANSWERED,
                         .status = status,
                         .reaches = true,
                         .delay = dice_skewed(&w->dice, 1, slowest)};
}

static struct fate fate_in(struct world *w, enum mood mood)
{
    static const unsigned bad[] = {500, 503, 404, 302};
    switch (mood) {
    case MOOD_WELL:
        return answer(w, 200, 50);
    case MOOD_SLOW:
        return answer(w, 200, 5000);
    case MOOD_FAILING:
        return answer(w, DICE_PICK(&w->dice, bad), 100);
    case MOOD_REFUSING:
        return (struct fate){.kind = OUTCOME_NOT_SENT, .delay = 1, .error = "refused"};
    case MOOD_HANGING:
        return (struct fate){
            .kind = OUTCOME_LOST, .reaches = dice_chance(&w->dice, 500000), .error = "timeout"};
    case MOOD_RESETTING:
        return (struct fate){.kind = OUTCOME_LOST,
                             .reaches = true,
                             .delay = dice_skewed(&w->dice, 1, 1000),
                             .error = "reset"};
    default:
        return fate_in(w, (enum mood)dice_between(&w->dice, MOOD_WELL, MOOD_RESETTING));
    }
}

void wire_change_moods(struct world *w)
{
    static const enum mood common[] = {MOOD_WELL, MOOD_WELL, MOOD_WELL, MOOD_SLOW, MOOD_MIXED};
    for (int i = 0; i < HOSTS; i++) {
        bool common_one = dice_chance(&w->dice, 600000);
        w->moods[i] = !w->faults && !w->calm ? MOOD_WELL
                      : common_one           ? DICE_PICK(&w->dice, common)
                                             : (enum mood)dice_between(&w->dice, 0, MOODS - 1);
    }
    w->mood_changes_at = w->now.mono + dice_skewed(&w->dice, 5000, 600000);
}

// --- What must hold when something leaves ---

// The highest limit that ever held, or is just asked for: what passed a limit before it was lowered
// may still leave.
static uint32_t limit_of_job(const struct world *w, job_id id)
{
    uint32_t limit = 0;
    for (size_t i = 0; i < w->history.jobs[id - 1].count; i++)
        limit = MAX(limit, w->history.jobs[id - 1].versions[i].max_in_flight);
    for (size_t i = 0; i < w->promised; i++)
        if (w->promises[i].job == id)
            limit = MAX(limit, w->promises[i].version.max_in_flight);
    return limit;
}

static void check_limits(struct world *w, const struct send *s, char host)
{
    uint32_t of_job = 0, of_host = 0;
    for (size_t i = 0; i < FLIGHTS_MAX; i++) {
        const struct flight *f = &w->flights[i];
        of_job += f->used && f->key.job == s->request.key.job;
        of_host += f->used && f->host == host;
    }
    uint32_t limit = limit_of_job(w, s->request.key.job);
    if (of_job >= limit)
        trace_fail(&w->trace, "I9: job %lld has more than %u attempts in flight",
                   (long long)s->request.key.job, limit);
    if (of_host >= w->limits.host_in_flight_max)
        trace_fail(&w->trace, "I9: too many attempts in flight to host %c", host);
    if (w->in_flight >= w->limits.in_flight_max)
        trace_fail(&w->trace, "I9: too many attempts in flight");
}

static void check_send(struct world *w, const struct send *s, const struct row *r)
{
    const struct request *q = &s->request;
    long long id = (long long)r->e.id;
    if (w->stalled)
        trace_fail(&w->trace, "row %lld is sent while the disk is full", id);
    if (q->key.scheduled_at > w->now.wall)
        trace_fail(&w->trace, "I7: row %lld is sent %lld ms early", id,
                   (long long)(q->key.scheduled_at - w->now.wall));
    if (execution_state_is_terminal(r->e.state))
        trace_fail(&w->trace, "row %lld is sent although it is durably %s", id,
                   execution_state_name(r->e.state));
    if (q->attempt <= r->seen.attempt_last)
        trace_fail(&w->trace, "P3: row %lld is sent as attempt %u after attempt %u", id, q->attempt,
                   r->seen.attempt_last);
    if (q->fence != w->ledger.progress.epoch && q->fence != w->ledger.progress.epoch + 1)
        trace_fail(&w->trace, "row %lld is sent with fence %lld", id, (long long)q->fence);
}

// P7 and P5: what leaves is owed by the job as it durably stands, and nobody durably stopped it.
static void check_owed(struct world *w, const struct row *r)
{
    const struct version *v = history_last(&w->history, r->e.key.job);
    long long id = (long long)r->e.id;
    if (!v || v->deleted)
        trace_fail(&w->trace, "P7: row %lld is sent for a job that is deleted", id);
    if (r->e.key.series < 0)
        return;
    if (v && !v->active && version_owes_from(v) >= w->now.wall)
        trace_fail(&w->trace, "P7: row %lld is sent for a job that is paused", id);
    if (!history_owes(&w->history, r->e.key.job, r->e.key.scheduled_at))
        trace_fail(&w->trace, "row %lld is sent, but it is not owed", id);
}

// P6: where nothing is late, nothing leaves late: what was planned ahead goes at its instant, and a
// retry when its wait is over.
static void check_punctual(struct world *w, const struct row *r)
{
    wall_ms due = r->seen.sends == 0 ? r->e.key.scheduled_at : r->e.next_attempt_at;
    bool known = due > 0; // The claim for a retry takes the time of it out of the row.
    if (w->calm && known && w->now.wall > due + 4 * COMMIT_MS_MAX) // Row and claim, each in turn.
        trace_fail(&w->trace, "P6: row %lld is sent %lld ms late", (long long)r->e.id,
                   (long long)(w->now.wall - due));
}

static void check_at_most_once(struct world *w, const struct send *s, const struct row *r)
{
    if (w->ledger.jobs[r->e.key.job - 1].job->type != JOB_ATMOST_ONCE)
        return;
    long long id = (long long)r->e.id;
    if (r->e.state != EXECUTION_RUNNING || r->e.attempts != s->request.attempt)
        trace_fail(&w->trace, "P4: row %lld is sent without a durable claim", id);
    if (r->seen.unsafe > 0)
        trace_fail(&w->trace, "P4: row %lld is sent again", id);
}

// --- Requests ---

static struct flight *free_flight(struct world *w)
{
    for (size_t i = 0; i < FLIGHTS_MAX; i++)
        if (!w->flights[i].used)
            return &w->flights[i];
    return NULL;
}

// Counted as unsafe from the start: only an outcome that was heard proves that no byte left.
static void count_send(struct world *w, struct row *r, unsigned attempt)
{
    w->requests++;
    r->seen.sends++;
    r->seen.unsafe++;
    r->seen.attempt_last = attempt;
    r->seen.life_last = w->life_number;
    if (r->seen.sends == 1)
        r->seen.life_first = w->life_number;
}

void wire_send(struct world *w, const struct send *s)
{
    const struct request *q = &s->request;
    struct row *r = ledger_find(&w->ledger, &q->key);
    char id[EXECUTION_ID_BYTES], host = q->api[7]; // "http://a.test/"
    execution_id_format(&q->key, id);
    trace_line(&w->trace, w->now.wall, "send %s attempt %u to %c", id, q->attempt, host);
    if (!r) {
        trace_fail(&w->trace, "%s is sent before its row is durable", id);
        return;
    }
    check_send(w, s, r);
    check_owed(w, r);
    check_punctual(w, r);
    check_at_most_once(w, s, r);
    check_limits(w, s, host);
    struct flight *f = free_flight(w);
    if (!f || w->trace.failed)
        return;
    count_send(w, r, q->attempt);
    struct fate fate = fate_in(w, w->moods[host - 'a']);
    if (fate.delay == 0 || fate.delay > q->timeout_ms)
        fate = (struct fate){OUTCOME_LOST, 0, fate.reaches, q->timeout_ms, "timeout"};
    *f = (struct flight){.used = true,
                         .ticket = s->ticket,
                         .key = q->key,
                         .attempt = q->attempt,
                         .host = host,
                         .ends_at = w->now.mono + fate.delay,
                         .kind = fate.kind,
                         .status = fate.status,
                         .reaches = fate.reaches,
                         .error = fate.error};
    w->in_flight++;
}

struct flight *wire_next(struct world *w)
{
    struct flight *first = NULL;
    for (size_t i = 0; i < FLIGHTS_MAX && w->in_flight > 0; i++) {
        struct flight *f = &w->flights[i];
        if (f->used && (!first || f->ends_at < first->ends_at))
            first = f;
    }
    return first;
}

static void land(struct world *w, struct flight *f)
{
    f->used = false;
    w->in_flight--;
}

void wire_end(struct world *w, struct flight *f)
{
    struct flight was = *f;
    land(w, f);
    struct row *r = ledger_find(&w->ledger, &was.key);
    r->seen.reached += was.reaches;
    r->seen.good += was.kind == OUTCOME_ANSWERED && was.status == 200;
    r->seen.unsafe -= was.kind == OUTCOME_NOT_SENT;
    trace_line(&w->trace, w->now.wall, "outcome %lld-%lld attempt %u: %s %u",
               (long long)was.key.job, (long long)was.key.scheduled_at, was.attempt,
               was.error ? was.error : "answered", was.status);
    struct outcome o = {.ticket = was.ticket,
                        .kind = was.kind,
                        .attempt = {.http_status = (uint16_t)was.status,
                                    .started_at = w->now.wall,
                                    .error = was.error}};
    machine_step(w, &(struct event){.kind = EVENT_OUTCOME, .outcome = &o});
}

// What was on its way may still arrive, or not.
void wire_cut(struct world *w)
{
    for (size_t i = 0; i < FLIGHTS_MAX; i++) {
        struct flight *f = &w->flights[i];
        if (!f->used)
            continue;
        struct row *r = ledger_find(&w->ledger, &f->key);
        r->seen.reached += f->reaches && dice_chance(&w->dice, 500000);
        land(w, f);
    }
}
