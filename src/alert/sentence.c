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
static void write_name(FILE *out, const struct alert *a)
{
    char id[EXECUTION_ID_BYTES] = "";
    if (a->execution_id)
        execution_id_format(&a->key, id);
    fprintf(out, "%s%s of job %" PRId64, a->execution_id ? "execution " : "an execution", id,
            a->job);
}

static void write_failure(FILE *out, const struct alert *a)
{
    write_name(out, a);
    fprintf(out, " failed after %" PRId64 " attempt%s: %s", a->attempts, plural(a->attempts),
            shown(a->last_error));
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

// What an incident is about, in the words of its reminder, of its end, and of its count.
static const struct {
    const char *still;
    const char *again;
    const char *counted[2]; // For one execution, and for several; NULL: nothing is counted.
} causes[INCIDENT_CAUSES] = {
    [CAUSE_FAILURE] = {"still fails",
                       "works again: it had failed",
                       {"failed or was missed", "failed or were missed"}},
    [CAUSE_RATE] = {"still fails too often",
                    "fails less often: it had failed too often",
                    {"failed", "failed"}},
    [CAUSE_LATE] = {"still starts late",
                    "starts in time again: it had started late",
                    {"was late", "were late"}},
    [CAUSE_SLOW] = {"still takes too long",
                    "is fast enough again: it had taken too long",
                    {"took too long", "took too long"}},
    [CAUSE_SILENT] = {"still has no success", "succeeds again: it was known not to", {NULL, NULL}},
};

static void write_standing(FILE *out, const struct alert *a, bool is_over)
{
    int cause = CAUSE_FAILURE;
    char since[RFC3339_BYTES];
    if (!a->subject || !enum_find(&incident_cause_words, a->subject, &cause))
        cause = CAUSE_FAILURE; // A row that was edited.
    wall_format(a->from, since);
    fprintf(out, "job %" PRId64 " %s since %s, for ", a->job,
            is_over ? causes[cause].again : causes[cause].still, since);
    write_length(out, (is_over ? a->to : a->created_at) - a->from);
    const char *counted = causes[cause].counted[a->count != 1];
    if (counted)
        fprintf(out, "; %" PRId64 " execution%s %s", a->count, plural(a->count), counted);
}

static void write_reminder(FILE *out, const struct alert *a)
{
    write_standing(out, a, false);
}

static void write_recovered(FILE *out, const struct alert *a)
{
    write_standing(out, a, true);
}

static void write_rate(FILE *out, const struct alert *a)
{
    fprintf(out,
            "%" PRId64 " of the last %" PRId64 " executions of job %" PRId64
            " failed, the last one: %s",
            a->count, a->attempts, a->job, shown(a->last_error));
}

static void write_flapping(FILE *out, const struct alert *a)
{
    char since[RFC3339_BYTES];
    wall_format(a->from, since);
    fprintf(out,
            "job %" PRId64 " fails and recovers again and again, for the %" PRId64
            ". time since %s; when it has been quiet for half an hour, there is a message",
            a->job, a->count, since);
}

static void write_late(FILE *out, const struct alert *a)
{
    write_name(out, a);
    fprintf(out, " started ");
    write_length(out, a->to - a->from);
    fprintf(out, " after it was due");
}

static void write_slow(FILE *out, const struct alert *a)
{
    write_name(out, a);
    fprintf(out, " took ");
    write_length(out, a->to - a->from);
}

static void write_silent(FILE *out, const struct alert *a)
{
    char since[RFC3339_BYTES];
    wall_format(a->from, since);
    fprintf(out, "job %" PRId64 " has had no success since %s, for ", a->job, since);
    write_length(out, a->created_at - a->from);
}

static void write_channel_down(FILE *out, const struct alert *a)
{
    char since[RFC3339_BYTES];
    wall_format(a->from, since);
    fprintf(out,
            "messages do not get through to channel %s since %s: %" PRId64
            " attempt%s failed in a row, the last one: %s",
            shown(a->subject), since, a->attempts, plural(a->attempts), shown(a->last_error));
}

static void write_channel_up(FILE *out, const struct alert *a)
{
    char since[RFC3339_BYTES];
    wall_format(a->from, since);
    fprintf(out, "messages get through to channel %s again: they had not since %s",
            shown(a->subject), since);
}

static void write_span(FILE *out, wall_ms from, wall_ms to)
{
    char text[RFC3339_BYTES];
    wall_format(from, text);
    fprintf(out, " since %s, for ", text);
    write_length(out, to - from);
}

static void write_store_stalled(FILE *out, const struct alert *a)
{
    fprintf(out, "the database is written again: nothing could be written");
    write_span(out, a->from, a->to);
    fprintf(out, ": %s", shown(a->last_error));
}

static void write_disk_low(FILE *out, const struct alert *a)
{
    fprintf(out,
            "%" PRId64 " MiB of the disk are left, which are kept for executions: changes that "
            "need room are refused until there is more",
            a->count >> 20);
}

static void write_disk_ok(FILE *out, const struct alert *a)
{
    fprintf(out, "%" PRId64 " MiB of the disk are free again: changes were refused",
            a->count >> 20);
    write_span(out, a->from, a->to);
}

static void write_lease_lost(FILE *out, const struct alert *a)
{
    char since[RFC3339_BYTES];
    wall_format(a->from, since);
    fprintf(out,
            "node %s has lost its lease: it is not heard of since %s, and its jobs go to the nodes "
            "that are left",
            shown(a->subject), since);
}

static void (*const write_kind[ALERT_KINDS])(FILE *out, const struct alert *a) = {
    [ALERT_FAILURE] = write_failure,
    [ALERT_MISSED] = write_missed,
    [ALERT_CLOCK] = write_clock,
    [ALERT_TARGET_DOWN] = write_target_down,
    [ALERT_TARGET_UP] = write_target_up,
    [ALERT_JOB_UNUSABLE] = write_job_unusable,
    [ALERT_JOB_PAUSED] = write_job_paused,
    [ALERT_REMINDER] = write_reminder,
    [ALERT_RECOVERED] = write_recovered,
    [ALERT_FAILURE_RATE] = write_rate,
    [ALERT_LATE] = write_late,
    [ALERT_SLOW] = write_slow,
    [ALERT_SILENT] = write_silent,
    [ALERT_FLAPPING] = write_flapping,
    [ALERT_CHANNEL_DOWN] = write_channel_down,
    [ALERT_CHANNEL_UP] = write_channel_up,
    [ALERT_STORE_STALLED] = write_store_stalled,
    [ALERT_DISK_LOW] = write_disk_low,
    [ALERT_DISK_OK] = write_disk_ok,
    [ALERT_LEASE_LOST] = write_lease_lost,
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

const char *alert_headline(enum alert_kind kind)
{
    static const char *const headlines[ALERT_KINDS] = {
        [ALERT_FAILURE] = "fails",
        [ALERT_MISSED] = "was missed",
        [ALERT_JOB_UNUSABLE] = "cannot be used",
        [ALERT_JOB_PAUSED] = "was paused",
        [ALERT_REMINDER] = "is still not well",
        [ALERT_RECOVERED] = "is well again",
        [ALERT_FLAPPING] = "comes and goes",
        [ALERT_FAILURE_RATE] = "fails too often",
        [ALERT_LATE] = "starts late",
        [ALERT_SLOW] = "takes long",
        [ALERT_SILENT] = "is silent",
    };
    assert(kind < ALERT_KINDS);
    return headlines[kind];
}
