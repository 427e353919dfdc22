// SPDX-License-Identifier: MIT
// sentence.c: the facts of an alert as one English sentence.
//
// The sentence is made when somebody reads the alert, so that its words can change without a row
// that changes, and a row tells a program what it tells a person.

#include "alert/alert.h"
#include "base/stream.h"

#include <assert.h>
#include <inttypes.h>

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

static const char *shown(const char *text)
{
    return text ? text : "unknown error";
}

static const char *subject_of(const struct alert *a)
{
    return a->subject ? a->subject : "a target";
}

// An execution without a name has a row that was edited.
static void write_failure(FILE *out, const struct alert *a)
{
    char id[EXECUTION_ID_BYTES] = "";
    if (a->execution_id)
        execution_id_format(&a->key, id);
    fprintf(out, "%s%s of job %" PRId64 " failed after %" PRId64 " attempt%s: %s",
            a->execution_id ? "execution " : "an execution", id, a->job, a->attempts,
            plural(a->attempts), shown(a->last_error));
}

static void write_missed(FILE *out, const struct alert *a)
{
    char from[RFC3339_BYTES], to[RFC3339_BYTES];
    wall_format(a->from, from);
    wall_format(a->to, to);
    fprintf(out, "%" PRId64 " occurrence%s missed ", a->count, plural(a->count));
    if (a->to == 0)
        fprintf(out, "at %s", from);
    else
        fprintf(out, "from %s to %s", from, to);
    fprintf(out, ": %s", shown(a->last_error));
}

static void write_clock(FILE *out, const struct alert *a)
{
    char at[RFC3339_BYTES];
    wall_format(a->to ? a->to : a->from, at);
    if (a->to)
        fprintf(
            out,
            "clock stepped: it was ahead before, so schedules hold until %s, when it gets there",
            at);
    else
        fprintf(out,
                "clock corrected: schedules go on from %s; their executions are marked -g%" PRId64,
                at, a->count);
}

static void write_target_down(FILE *out, const struct alert *a)
{
    fprintf(out,
            "nothing answers at %s: %" PRId64
            " attempts in a row got no answer, the last one: %s; its "
            "%" PRId64 " open executions wait until one is answered",
            subject_of(a), a->attempts, shown(a->last_error), a->count);
}

static void write_target_up(FILE *out, const struct alert *a)
{
    char since[RFC3339_BYTES];
    wall_format(a->from, since);
    fprintf(out, "%s %s: nothing had answered there since %s",
            a->to ? "there are answers again from" : "no job is left that calls", subject_of(a),
            since);
}

static void write_job_unusable(FILE *out, const struct alert *a)
{
    if (a->job)
        fprintf(out, "job %" PRId64 " was made inactive: %s", a->job, shown(a->last_error));
    else
        fprintf(out, "%" PRId64 " job%s made inactive: %s", a->count,
                a->count == 1 ? " was" : "s were", shown(a->last_error));
}

static void write_job_paused(FILE *out, const struct alert *a)
{
    fprintf(out,
            "job %" PRId64 " was paused, as %" PRId64
            " execution%s failed in a row, the last one: %s",
            a->job, a->count, plural(a->count), shown(a->last_error));
}

// The two largest units of a length: "2 h 5 min".
static void write_length(FILE *out, dur_ms length)
{
    static const struct {
        dur_ms ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    size_t k = 0;
    length = MAX(length, 0);
    while (k + 1 < COUNT_OF(units) && length < units[k].ms)
        k++;
    fprintf(out, "%" PRId64 " %s", length / units[k].ms, units[k].name);
    dur_ms rest = length % units[k].ms;
    if (k + 1 < COUNT_OF(units) - 1 && rest >= units[k + 1].ms)
        fprintf(out, " %" PRId64 " %s", rest / units[k + 1].ms, units[k + 1].name);
}

static void write_count(FILE *out, const struct alert *a)
{
    fprintf(out, ", %" PRId64 " execution%s failed or %s missed", a->count, plural(a->count),
            a->count == 1 ? "was" : "were");
}

static void write_reminder(FILE *out, const struct alert *a)
{
    char since[RFC3339_BYTES];
    wall_format(a->from, since);
    fprintf(out, "job %" PRId64 " still fails: since %s, for ", a->job, since);
    write_length(out, a->created_at - a->from);
    write_count(out, a);
}

static void write_recovered(FILE *out, const struct alert *a)
{
    char since[RFC3339_BYTES];
    wall_format(a->from, since);
    fprintf(out, "job %" PRId64 " works again: it had failed since %s, for ", a->job, since);
    write_length(out, a->to - a->from);
    write_count(out, a);
}

static void (*const write_kind[ALERT_KINDS])(FILE *out, const struct alert *a) = {
    [ALERT_FAILURE] = write_failure,       [ALERT_MISSED] = write_missed,
    [ALERT_CLOCK] = write_clock,           [ALERT_TARGET_DOWN] = write_target_down,
    [ALERT_TARGET_UP] = write_target_up,   [ALERT_JOB_UNUSABLE] = write_job_unusable,
    [ALERT_JOB_PAUSED] = write_job_paused, [ALERT_REMINDER] = write_reminder,
    [ALERT_RECOVERED] = write_recovered,
};

char *alert_sentence(const struct alert *a)
{
    assert(a->kind < ALERT_KINDS);
    if (a->message && a->message[0])
        return xstrdup(a->message);
    char *text;
    size_t bytes;
    FILE *out = stream_open(&text, &bytes);
    write_kind[a->kind](out, a);
    stream_close(out);
    return text;
}
