// SPDX-License-Identifier: MIT
// judge.c: why a job did or did not run at an instant, from what is known about it.
//
// A row for the instant says it itself. Without one, the version of the job that held then says
// whether the instant was owed; if it was, it is either to come, or not known any more, or held
// back, and if nothing of that is true the ledger has a hole, which is said as plainly.

#include "service/service_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HOLD_MS 10000        // The watermark is never so far ahead of a clock that has not stepped.
#define RUNS_LOOKED_AT 10000 // When a job may run so often, further runs are taken on trust.

static const char *const names[EXPLAIN_VERDICTS] = {
    [EXPLAIN_ACTIVE] = "active",
    [EXPLAIN_NOT_SCHEDULED] = "not_scheduled",
    [EXPLAIN_RAN] = "ran",
    [EXPLAIN_SKIPPED] = "skipped",
    [EXPLAIN_MISSED] = "missed",
    [EXPLAIN_CANCELLED] = "cancelled",
    [EXPLAIN_PAUSED] = "paused",
    [EXPLAIN_NOT_YET_CREATED] = "not_yet_created",
    [EXPLAIN_DELETED] = "deleted",
    [EXPLAIN_FINISHED] = "finished",
    [EXPLAIN_HELD_BY_CLOCK] = "held_by_clock",
    [EXPLAIN_WAITING] = "waiting",
    [EXPLAIN_PLANNED] = "planned",
    [EXPLAIN_FUTURE] = "future",
    [EXPLAIN_EXPIRED] = "expired",
    [EXPLAIN_LOST] = "lost",
};

const char *explain_verdict_name(enum explain_verdict v)
{
    assert(v < EXPLAIN_VERDICTS);
    return names[v];
}

static void PRINTF_LIKE(3, 4)
    say(struct explanation *out, enum explain_verdict verdict, const char *format, ...)
{
    out->verdict = verdict;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->detail, sizeof out->detail, format, arguments);
    va_end(arguments);
}

// Instants in sentences: milliseconds only where there are some.
struct words {
    char text[RFC3339_BYTES];
};

static struct words time_words(wall_ms at)
{
    struct words w;
    wall_format(at, w.text);
    if (at % 1000 == 0)
        memcpy(w.text + 19, "Z", 2);
    return w;
}

// --- An instant with a row -----------------------------------------------------------------------

static void say_down(const struct explain_facts *f, struct explanation *out, const char *what)
{
    out->since = f->down->since;
    say(out, EXPLAIN_WAITING, "%s: nothing answers at %s since %s", what, f->down->origin,
        time_words(f->down->since).text);
}

static void say_paced(const struct explain_facts *f, struct explanation *out, const char *what)
{
    uint32_t n = f->paced->waiting;
    say(out, EXPLAIN_WAITING,
        "%s: requests to %s leave at %" PRIu32 " a second (max_rate_per_host), and %" PRIu32
        " execution%s there",
        what, f->paced->origin, f->paced->rate, n, n == 1 ? " waits" : "s wait");
}

// An occurrence of a heartbeat has pings instead of attempts.
static void judge_pinged(const struct explain_facts *f, struct explanation *out)
{
    const struct execution *e = f->execution;
    if (e->state == EXECUTION_SUCCESS)
        say(out, EXPLAIN_RAN, "its ping came %" PRId64 " ms after the instant",
            e->started_at ? execution_lateness_ms(e) : 0);
    else if (e->state == EXECUTION_FAILED)
        say(out, EXPLAIN_RAN, "it failed: %s", e->error ? e->error : "unknown error");
    else
        say(out, EXPLAIN_RAN, "it was started, and a ping of its end is awaited until %s",
            time_words(e->next_attempt_at).text);
}

static void judge_run(const struct explain_facts *f, struct explanation *out)
{
    const struct execution *e = f->execution;
    unsigned n = e->attempts;
    const char *s = n == 1 ? "" : "s";
    if (e->state == EXECUTION_SUCCESS)
        say(out, EXPLAIN_RAN, "it ran and succeeded after %u attempt%s", n, s);
    else if (e->state == EXECUTION_FAILED)
        say(out, EXPLAIN_RAN, "it ran and failed after %u attempt%s: %s", n, s,
            e->error ? e->error : "unknown error");
    else if (e->next_attempt_at && e->next_attempt_at <= f->now && f->down)
        say_down(f, out, "its next attempt is due, and waits");
    else if (e->next_attempt_at && e->next_attempt_at <= f->now && f->paced)
        say_paced(f, out, "its next attempt is due, and waits");
    else if (e->next_attempt_at)
        say(out, EXPLAIN_RAN, "it is running: after %u attempt%s the next one follows at %s", n, s,
            time_words(e->next_attempt_at).text);
    else if (e->completion_deadline)
        say(out, EXPLAIN_RAN, "it is running: it waits for its completion by the target until %s",
            time_words(e->completion_deadline).text);
    else
        say(out, EXPLAIN_RAN, "it is running: attempt %u is under way", n);
}

static void judge_missed(const struct execution *e, struct explanation *out)
{
    out->since = e->key.scheduled_at;
    out->until = e->missed_to;
    say(out, EXPLAIN_MISSED, "it was missed, with all %" PRId64 " occurrences from %s to %s: %s",
        e->missed_count, time_words(out->since).text, time_words(out->until).text,
        e->reason ? e->reason : "the server was down");
}

static void judge_pending(const struct explain_facts *f, struct explanation *out)
{
    const struct execution *e = f->execution;
    wall_ms due = e->due_at ? e->due_at : e->key.scheduled_at;
    if (due > f->now)
        say(out, EXPLAIN_PLANNED, "it is planned, and due at %s%s", time_words(due).text,
            e->due_at ? " because of the job's jitter" : "");
    else if (f->store_stalled)
        say(out, EXPLAIN_WAITING, "it is due, but %s, so nothing is sent",
            store_stall_find(f->store_stalled)->what);
    else if (f->draining)
        say(out, EXPLAIN_WAITING, "it is due, and goes on when the server has started again");
    else if (f->grace_ms)
        say(out, EXPLAIN_WAITING, "it waits for its ping until %s",
            time_words(due + f->grace_ms).text);
    else if (f->down)
        say_down(f, out, "it is due, and waits");
    else if (f->paced)
        say_paced(f, out, "it is due: its request is on its way, or waits");
    else
        say(out, EXPLAIN_WAITING,
            "it is due: its request is on its way, or waits for a limit of the job, its host or "
            "the server");
}

// Whether a planned row will still be owed when its instant comes.
static bool is_owed(const struct explain_facts *f)
{
    const struct job_span *s = service__span_at(f, f->at);
    return f->execution->state != EXECUTION_PENDING || f->at <= f->now ||
           (s && s->version->phase == JOB_ACTIVE && service__is_scheduled(s, f->at));
}

static void judge_row(const struct explain_facts *f, struct explanation *out)
{
    const struct execution *e = f->execution;
    const char *reason = e->reason ? e->reason : "no reason is recorded";
    switch ((enum execution_state)e->state) {
    case EXECUTION_PENDING:
        judge_pending(f, out);
        break;
    case EXECUTION_MISSED:
        judge_missed(e, out);
        break;
    case EXECUTION_SKIPPED:
        say(out, EXPLAIN_SKIPPED, "it was skipped: %s", reason);
        break;
    case EXECUTION_CANCELLED:
        say(out, EXPLAIN_CANCELLED, "it was cancelled: %s", reason);
        break;
    default:
        if (f->grace_ms)
            judge_pinged(f, out);
        else
            judge_run(f, out);
        break;
    }
}

// --- An instant without a row --------------------------------------------------------------------

static bool is_held(const struct explain_facts *f)
{
    return f->progress.shard.watermark > f->now + HOLD_MS;
}

static void judge_before_first(const struct explain_facts *f, struct explanation *out)
{
    const struct job_version *first = f->spans[0].version;
    if (first->number == 1)
        say(out, EXPLAIN_NOT_YET_CREATED, "the job was created later, at %s",
            time_words(first->from_at).text);
    else
        say(out, EXPLAIN_EXPIRED, "what the job was then is not kept any more");
}

static void judge_unscheduled(const struct explain_facts *f, const struct job_span *s,
                              struct explanation *out)
{
    const struct job_version *v = s->version;
    int n;
    if (f->at < v->start_at)
        say(out, EXPLAIN_NOT_SCHEDULED, "the job has no occurrence before its start_at, %s",
            time_words(v->start_at).text);
    else
        say(out, EXPLAIN_NOT_SCHEDULED, "the schedule \"%s\" (%s) has no occurrence at %s",
            v->schedule, v->timezone, time_words(f->at).text);
    char *end = out->detail + strlen(out->detail);
    size_t room = sizeof out->detail - strlen(out->detail);
    if (out->previous) {
        n = snprintf(end, room, "; the one before is at %s", time_words(out->previous).text);
        end += MIN((size_t)n, room - 1);
        room -= MIN((size_t)n, room - 1);
    }
    if (out->next != WALL_NEVER)
        snprintf(end, room, "; the next one is at %s", time_words(out->next).text);
}

// A pause may be several versions long: its reason or its end can be changed meanwhile.
static void judge_paused(const struct explain_facts *f, const struct job_span *s,
                         struct explanation *out)
{
    const struct job_span *first = s;
    const struct job_span *last = s;
    while (first > f->spans && first[-1].version->phase == JOB_PAUSED)
        first--;
    while (last < service__span_last(f) && last[1].version->phase == JOB_PAUSED)
        last++;
    out->since = first->version->from_at;
    out->until = last->until != WALL_NEVER ? last->until : last->version->paused_until;
    out->reason = xstrdup(s->version->reason);
    const char *reason = out->reason ? out->reason : "no reason was given";
    if (out->until == WALL_NEVER)
        say(out, EXPLAIN_PAUSED, "the job is paused since %s: %s", time_words(out->since).text,
            reason);
    else
        say(out, EXPLAIN_PAUSED, "the job %s paused from %s to %s: %s",
            out->until < f->now ? "was" : "is", time_words(out->since).text,
            time_words(out->until).text, reason);
}

// Whether the job's max_runs are used up before the instant comes.
static bool runs_out(const struct explain_facts *f, const struct job_span *s)
{
    if (!s->version->max_runs)
        return false;
    wall_ms next = MIN(f->progress.shard.watermark, f->at - 1);
    uint32_t looked_at = MIN(f->runs_left, RUNS_LOOKED_AT);
    for (uint32_t i = 0; i < looked_at; i++) {
        next = job_span_next(s, next, WALL_NEVER);
        if (next >= f->at)
            return false;
    }
    return looked_at < RUNS_LOOKED_AT;
}

static void judge_to_come(const struct explain_facts *f, const struct job_span *s,
                          struct explanation *out)
{
    if (is_held(f) && f->at <= f->progress.shard.watermark) {
        out->until = f->progress.shard.watermark;
        say(out, EXPLAIN_HELD_BY_CLOCK, "the clock went back, so schedules hold until %s",
            time_words(out->until).text);
    } else if (runs_out(f, s)) {
        say(out, EXPLAIN_FINISHED, "the job will have had all its %" PRIu32 " runs before",
            s->version->max_runs);
    } else {
        say(out, EXPLAIN_FUTURE, "it is to come");
    }
}

static void judge_due(const struct explain_facts *f, struct explanation *out)
{
    if (f->store_stalled)
        say(out, EXPLAIN_WAITING, "it is due, but %s: no record can be written",
            store_stall_find(f->store_stalled)->what);
    else if (f->draining)
        say(out, EXPLAIN_WAITING, "it is due, and is planned when the server has started again");
    else
        say(out, EXPLAIN_WAITING, "it is due, but its record is not written yet: planning is at %s",
            time_words(f->progress.shard.watermark).text);
}

static void judge_active(const struct explain_facts *f, const struct job_span *s,
                         struct explanation *out)
{
    if (f->missed)
        judge_missed(f->missed, out);
    else if (f->at <= f->progress.removed_to)
        say(out, EXPLAIN_EXPIRED, "executions up to %s are not kept any more",
            time_words(f->progress.removed_to).text);
    else if (f->at > f->now)
        judge_to_come(f, s, out);
    else if (f->at > f->progress.shard.watermark)
        judge_due(f, out);
    else if (s->version->max_runs)
        say(out, EXPLAIN_FINISHED, "the job had had all its %" PRIu32 " runs before",
            s->version->max_runs);
    else
        say(out, EXPLAIN_LOST,
            "it was owed, but nothing accounts for it: please run carillon "
            "doctor on the database and report this");
}

// A job that was changed while the clock was ahead begins only when the clock gets there again.
static bool awaits_its_version(const struct explain_facts *f)
{
    const struct job_span *last = service__span_last(f);
    return is_held(f) && f->at > f->now && f->at <= last->version->from_at &&
           last->version->phase == JOB_ACTIVE && service__is_scheduled(last, f->at);
}

static void judge_version(const struct explain_facts *f, const struct job_span *s,
                          struct explanation *out)
{
    const struct job_version *v = s->version;
    if (v->phase == JOB_DELETED)
        say(out, EXPLAIN_DELETED, "the job was deleted at %s", time_words(v->from_at).text);
    else if (v->phase == JOB_FINISHED)
        say(out, EXPLAIN_FINISHED, "the job had finished by %s", time_words(v->from_at).text);
    else if (f->at > v->end_at)
        say(out, EXPLAIN_FINISHED, "the job has no occurrence after its end_at, %s",
            time_words(v->end_at).text);
    else if (!service__is_scheduled(s, f->at))
        judge_unscheduled(f, s, out);
    else if (v->phase == JOB_PAUSED)
        judge_paused(f, s, out);
    else
        judge_active(f, s, out);
    if (out->verdict == EXPLAIN_NOT_SCHEDULED && awaits_its_version(f)) {
        out->until = service__span_last(f)->version->from_at;
        say(out, EXPLAIN_HELD_BY_CLOCK,
            "the clock went back, so the job's last change holds only from %s on",
            time_words(out->until).text);
    }
}

void service__judge(const struct explain_facts *f, struct explanation *out)
{
    const struct job_span *s = service__span_at(f, f->at);
    out->at = f->at;
    out->until = WALL_NEVER;
    out->previous = service__previous_of(f, f->at);
    out->next = service__next_of(f, f->at);
    if (f->execution && is_owed(f))
        judge_row(f, out);
    else if (s)
        judge_version(f, s, out);
    else
        judge_before_first(f, out);
}

// --- The job as it is now ------------------------------------------------------------------------

static void judge_job(const struct explain_facts *f, const struct job_span *s,
                      struct explanation *out)
{
    const struct job_version *v = s->version;
    if (v->phase == JOB_DELETED)
        say(out, EXPLAIN_DELETED, "the job was deleted at %s", time_words(v->from_at).text);
    else if (v->phase == JOB_FINISHED)
        say(out, EXPLAIN_FINISHED, "the job has finished: it can fire no more");
    else if (v->phase == JOB_PAUSED)
        judge_paused(f, s, out);
    else if (is_held(f)) {
        out->until = f->progress.shard.watermark;
        say(out, EXPLAIN_HELD_BY_CLOCK, "the clock went back, so schedules hold until %s",
            time_words(out->until).text);
    } else
        say(out, EXPLAIN_ACTIVE, "the job is active");
}

void service__judge_present(const struct explain_facts *f, struct explanation *out)
{
    out->at = f->at;
    out->until = WALL_NEVER;
    out->previous = service__scheduled_up_to(f, f->at);
    out->next = service__scheduled_after(f, f->at);
    judge_job(f, service__span_last(f), out);
}
