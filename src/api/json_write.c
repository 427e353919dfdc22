// SPDX-License-Identifier: MIT
// json_write.c: executions, attempts and alerts as JSON.
//
// What is not known yet is null, so that the same members are always there.

#include "alert/alert.h"
#include "api/api_priv.h"
#include "api/json_priv.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

// Texts may have been cut in the middle of a character, or come from elsewhere.
json_t *json_text(const char *text)
{
    return text ? json_stringn_nocheck(text, utf8_span(text, strlen(text))) : json_null();
}

json_t *json_time(wall_ms at)
{
    char text[RFC3339_BYTES];
    if (at <= 0 || at == WALL_NEVER)
        return json_null();
    wall_format(at, text);
    return json_string(text);
}

json_t *json_times(const wall_ms *at, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_time(at[i]));
    return array;
}

// A number that is -1 or 0 when there is none.
static json_t *number_from(int64_t value, int64_t least)
{
    return value < least ? json_null() : json_integer(value);
}

json_t *json_execution_id(const struct execution_key *k)
{
    char id[EXECUTION_ID_BYTES];
    execution_id_format(k, id);
    return json_string(id);
}

// A line for each: "AT PERCENT TEXT\n".
json_t *json_progress(const char *notes)
{
    json_t *list = json_array();
    for (const char *line = notes ? notes : ""; *line;) {
        char *percent, *text;
        wall_ms at = strtoll(line, &percent, 10);
        percent += strspn(percent, " ");
        long number = strtol(percent, &text, 10);
        bool has_percent = text > percent;
        text += has_percent ? 0 : strspn(text, "-");
        text += *text == ' ';
        size_t bytes = strcspn(text, "\n");
        json_t *note = json_object();
        json_object_set_new(note, "at", json_time(at));
        json_object_set_new(note, "percent", has_percent ? json_integer(number) : json_null());
        json_object_set_new(note, "note", bytes ? json_stringn(text, bytes) : json_null());
        json_array_append_new(list, note);
        line = text + bytes + (text[bytes] == '\n');
    }
    return list;
}

// How an execution ends that waits for its target to say so.
static void add_completion(const struct execution *e, json_t *o)
{
    json_object_set_new(o, "completion_deadline", json_time(e->completion_deadline));
    json_object_set_new(o, "completion",
                        e->completion ? json_string(completion_name(e->completion)) : json_null());
}

static void add_times(const struct execution *e, json_t *o)
{
    bool started = e->started_at > 0;
    bool ended = started && e->completed_at > 0;
    json_object_set_new(o, "scheduled_at", json_time(e->key.scheduled_at));
    json_object_set_new(o, "due_at", json_time(e->due_at ? e->due_at : e->key.scheduled_at));
    json_object_set_new(o, "started_at", json_time(e->started_at));
    json_object_set_new(o, "completed_at", json_time(e->completed_at));
    json_object_set_new(o, "duration",
                        ended ? json_integer(e->completed_at - e->started_at) : json_null());
    json_object_set_new(o, "lateness_ms",
                        started ? json_integer(execution_lateness_ms(e)) : json_null());
    json_object_set_new(o, "next_attempt_at", json_time(e->next_attempt_at));
}

// A MISSED execution stands for every occurrence of a range.
static void add_missed(const struct execution *e, json_t *o)
{
    if (e->state != EXECUTION_MISSED)
        return;
    json_object_set_new(o, "missed_to", json_time(e->missed_to));
    json_object_set_new(o, "missed_count", json_integer(e->missed_count));
}

json_t *json_execution(const struct execution *e)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_execution_id(&e->key));
    json_object_set_new(o, "job_id", json_integer(e->key.job));
    json_object_set_new(o, "status", json_string(execution_state_name(e->state)));
    json_object_set_new(o, "trigger", json_string(execution_trigger_name(e->trigger)));
    json_object_set_new(o, "origin", json_text(e->origin));
    add_times(e, o);
    json_object_set_new(o, "http_status", number_from(e->http_status, 1));
    json_object_set_new(o, "error", json_text(e->error));
    json_object_set_new(o, "reason", json_text(e->reason));
    json_object_set_new(o, "retry_count", json_integer(e->retry_count));
    json_object_set_new(o, "attempts_made", json_integer(e->attempts));
    add_completion(e, o);
    add_missed(e, o);
    return o;
}

// A line for each: "302 http://where.it/led\n".
static json_t *redirects(const char *lines)
{
    json_t *list = json_array();
    for (const char *line = lines ? lines : ""; *line;) {
        char *url;
        long status = strtol(line, &url, 10);
        size_t blanks = strspn(url, " ");
        size_t bytes = strcspn(url, "\n");
        json_t *hop = json_object();
        json_object_set_new(hop, "http_status", json_integer(status));
        json_object_set_new(hop, "location", json_stringn(url + blanks, bytes - blanks));
        json_array_append_new(list, hop);
        line = url + bytes + (url[bytes] == '\n');
    }
    return list;
}

json_t *json_attempt(const struct attempt *a)
{
    json_t *o = json_object();
    json_object_set_new(o, "number", json_integer(a->number));
    json_object_set_new(o, "started_at", json_time(a->started_at));
    json_object_set_new(o, "duration_ms", number_from(a->duration_ms, 0));
    json_object_set_new(o, "dns_ms", number_from(a->dns_ms, 0));
    json_object_set_new(o, "connect_ms", number_from(a->connect_ms, 0));
    json_object_set_new(o, "tls_ms", number_from(a->tls_ms, 0));
    json_object_set_new(o, "first_byte_ms", number_from(a->first_byte_ms, 0));
    json_object_set_new(o, "redirects", redirects(a->redirects));
    json_object_set_new(o, "http_status", number_from(a->http_status, 1));
    json_object_set_new(o, "error", json_text(a->error));
    json_object_set_new(o, "response_excerpt", json_text(a->response));
    json_object_set_new(o, "response_truncated", json_boolean(a->response_truncated));
    json_object_set_new(o, "response_damaged", json_boolean(a->response_damaged));
    return o;
}

json_t *json_alert(const struct alert *a)
{
    char *sentence = alert_sentence(a);
    json_t *o = json_object();
    json_object_set_new(o, "id", json_integer(a->id));
    json_object_set_new(o, "job_id", number_from(a->job, 1));
    json_object_set_new(o, "execution_id",
                        a->execution_id ? json_execution_id(&a->key) : json_null());
    json_object_set_new(o, "kind", json_string(alert_kind_name(a->kind)));
    json_object_set_new(o, "message", json_text(sentence));
    json_object_set_new(o, "created_at", json_time(a->created_at));
    json_object_set_new(o, "acknowledged_at", json_time(a->acknowledged_at));
    json_object_set_new(o, "incident_id", number_from(a->incident_id, 1));
    json_object_set_new(o, "telling", json_string(alert_telling_name(a->telling)));
    json_object_set_new(o, "silence_id", number_from(a->silence_id, 1));
    free(sentence);
    return o;
}
