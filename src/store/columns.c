// SPDX-License-Identifier: MIT
// columns.c: the columns of every table that the adapters of databases have in common.

#include "store/columns_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

// The columns of table `jobs` are named as the members of a job are.
#define IS_LONG(form)                                                                              \
    ((form) == TEXT_LONG || (form) == TEXT_HEADERS || (form) == TEXT_PAYLOAD ||                    \
     (form) == TEXT_SEALED)
static const struct column job_columns[] = {
#define JOB_NUMBER(member, type, initial, least, greatest, role, access)                           \
    {RANGE(job, #member, member, least, greatest)},
#define JOB_OPTIONAL_NUMBER(member, type, initial, least, greatest, role, access)                  \
    {RANGE_UNKNOWN(job, #member, member, least, greatest, initial)},
#define JOB_FLAG(member, initial, role, access) {YES_OR_NO(job, #member, member)},
#define JOB_WORD(member, tag, initial, role, access) {WORD(job, #member, member, tag##_words)},
#define JOB_TIME(member, role, access) {TIME(job, #member, member)},
#define JOB_OPTIONAL_TIME(member, initial, role, access)                                           \
    {TIME_UNKNOWN(job, #member, member, initial)},
#define JOB_COUNT(member, least, greatest, role, access)                                           \
    {RANGE(job, #member, member, least, greatest), .is_fixed = ACCESS_##access == ACCESS_GIVEN},
#define JOB_OPTIONAL_COUNT(member, least, greatest, role, access)                                  \
    {RANGE_UNKNOWN(job, #member, member, least, greatest, 0)},
#define JOB_TEXT(member, form, greatest, role, access)                                             \
    {TEXT_CELL(job, #member, member), .is_long = IS_LONG(TEXT_##form)},
#include "ledger/job.def"
};

static const struct column version_columns[] = {
    {JOB_KEY(job_version, "job_id", job)},
    {COUNT(job_version, "number", number)},
    {COUNT(job_version, "version", version)},
    {TIME(job_version, "from_at", from_at)},
    {WORD(job_version, "phase", phase, job_phase_words)},
    {TEXT_CELL(job_version, "schedule", schedule)},
    {TEXT_CELL(job_version, "timezone", timezone)},
    {WORD(job_version, "dst_gap", dst_gap, cron_gap_words)},
    {WORD(job_version, "dst_fold", dst_fold, cron_fold_words)},
    {TIME_UNKNOWN(job_version, "start_at", start_at, 0)},
    {TIME_UNKNOWN(job_version, "end_at", end_at, WALL_NEVER)},
    {RANGE_UNKNOWN(job_version, "max_runs", max_runs, 0, JOB_MAX(runs), 0)},
    {RANGE(job_version, "runs", runs, 0, JOB_MAX(runs))},
    {TIME_UNKNOWN(job_version, "paused_until", paused_until, WALL_NEVER)},
    {TEXT_CELL(job_version, "reason", reason)},
};

static const struct column execution_columns[] = {
    {COUNT(execution, "id", id), FIXED},
    {JOB_KEY(execution, "job_id", key.job), FIXED},
    {WORD(execution, "status", state, execution_state_words)},
    {TIME(execution, "scheduled_at", key.scheduled_at), FIXED},
    {TIME_UNKNOWN(execution, "due_at", due_at, 0), FIXED},
    {TIME_UNKNOWN(execution, "started_at", started_at, 0)},
    {TIME_UNKNOWN(execution, "completed_at", completed_at, 0)},
    {.name = "duration", .cell = CELL_DURATION},
    {RANGE_UNKNOWN(execution, "http_status", http_status, 0, 999, 0)},
    {TEXT_CELL(execution, "error", error)},
    {RANGE(execution, "retry_count", retry_count, 0, UINT16_MAX)},
    {RANGE(execution, "series", key.series, -COUNT_MAX, COUNT_MAX), FIXED},
    {WORD(execution, "trigger", trigger, execution_trigger_words), FIXED},
    {RANGE(execution, "attempts", attempts, 0, UINT16_MAX)},
    {RANGE(execution, "recoveries", recoveries, 0, UINT16_MAX)},
    {TIME_UNKNOWN(execution, "next_attempt_at", next_attempt_at, 0)},
    {TIME_UNKNOWN(execution, "missed_to", missed_to, 0)},
    {RANGE_UNKNOWN(execution, "missed_count", missed_count, 0, COUNT_MAX, 0)},
    {TEXT_CELL(execution, "reason", reason)},
    {TEXT_CELL(execution, "request_body", request_body), FIXED},
    {RANGE_UNKNOWN(execution, "request_body_is_json", request_body_is_json, 0, 1, 0), FIXED},
    {TEXT_CELL(execution, "origin", origin), FIXED},
    {TEXT_CELL(execution, "held_by", held_by)},
    {TIME_UNKNOWN(execution, "held_until", held_until, 0)},
    {TIME_UNKNOWN(execution, "completion_deadline", completion_deadline, 0)},
    {RANGE_UNKNOWN(execution, "completion", completion, 1, COMPLETIONS - 1, COMPLETION_NONE)},
    {TEXT_CELL(execution, "notes", notes)},
};

static const struct column attempt_columns[] = {
    {COUNT(attempt, "execution_id", execution_id)},
    {RANGE(attempt, "number", number, 0, UINT16_MAX)},
    {RANGE_UNKNOWN(attempt, "http_status", http_status, 0, 999, 0)},
    {TIME(attempt, "started_at", started_at)},
    {COUNT(attempt, "duration_ms", duration_ms)},
    {RANGE_UNKNOWN(attempt, "dns_ms", dns_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "connect_ms", connect_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "tls_ms", tls_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "first_byte_ms", first_byte_ms, 0, INT32_MAX, -1)},
    {TEXT_CELL(attempt, "error", error)},
    {TEXT_CELL(attempt, "response", response)},
    {YES_OR_NO(attempt, "response_truncated", response_truncated)},
    {YES_OR_NO(attempt, "response_damaged", response_damaged)},
    {TEXT_CELL(attempt, "redirects", redirects)},
};

// The columns of an attempt without its number, which is 1. All are NULL where there is none.
static const struct column first_attempt_columns[] = {
    {COUNT(attempt, "id", execution_id), FIXED},
    {RANGE_UNKNOWN(attempt, "first_http_status", http_status, 0, 999, 0)},
    {TIME(attempt, "first_started_at", started_at)},
    {COUNT(attempt, "first_duration_ms", duration_ms)},
    {RANGE_UNKNOWN(attempt, "first_dns_ms", dns_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "first_connect_ms", connect_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "first_tls_ms", tls_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(attempt, "first_first_byte_ms", first_byte_ms, 0, INT32_MAX, -1)},
    {TEXT_CELL(attempt, "first_error", error)},
    {TEXT_CELL(attempt, "first_response", response)},
    {YES_OR_NO(attempt, "first_truncated", response_truncated)},
    {YES_OR_NO(attempt, "first_damaged", response_damaged)},
    {TEXT_CELL(attempt, "first_redirects", redirects)},
};
_Static_assert(COUNT_OF(first_attempt_columns) + 1 == COUNT_OF(attempt_columns),
               "an attempt has the same columns wherever it is");

static const struct column alert_columns[] = {
    {RANGE(alert, "id", id, 1, COUNT_MAX)},
    {RANGE_UNKNOWN(alert, "job_id", job, 1, JOB_ID_MAX, 0)},
    {RANGE_UNKNOWN(alert, "execution_id", execution_id, 0, COUNT_MAX, 0)},
    {WORD(alert, "kind", kind, alert_kind_words)},
    {TIME(alert, "created_at", created_at)},
    {TEXT_CELL(alert, "message", message)},
    {TEXT_CELL(alert, "subject", subject)},
    {RANGE(alert, "attempts", attempts, 0, UINT32_MAX)},
    {TIME(alert, "from_at", from)},
    {TIME(alert, "to_at", to)},
    {COUNT(alert, "count", count)},
    {TEXT_CELL(alert, "last_error", last_error)},
    {TIME_UNKNOWN(alert, "acknowledged_at", acknowledged_at, 0)},
    {RANGE_UNKNOWN(alert, "incident_id", incident_id, 1, COUNT_MAX, 0)},
    {WORD(alert, "telling", telling, alert_telling_words)},
    {RANGE_UNKNOWN(alert, "silence_id", silence_id, 1, COUNT_MAX, 0)},
};

// Without its digest, which is no cell.
static const struct column token_columns[] = {
    {COUNT(access_token, "id", id)},
    {TEXT_CELL(access_token, "name", name)},
    {WORD(access_token, "scope", scope, token_scope_words)},
    {TEXT_CELL(access_token, "tag", tag)},
    {TIME(access_token, "created_at", created_at)},
    {TIME_UNKNOWN(access_token, "expires_at", expires_at, WALL_NEVER)},
    {TIME_UNKNOWN(access_token, "revoked_at", revoked_at, 0)},
    {TIME_UNKNOWN(access_token, "last_used_at", last_used_at, 0)},
    {TEXT_CELL(access_token, "last_address", last_address)},
    {RANGE_UNKNOWN(access_token, "executions_per_second", executions_per_second, 0,
                   TOKEN_EXECUTIONS_MAX, 0)},
    {RANGE_UNKNOWN(access_token, "max_jobs", max_jobs, 0, TOKEN_JOBS_MAX, 0)},
    {RANGE_UNKNOWN(access_token, "max_bytes", max_bytes, 0, TOKEN_JOBS_BYTES_MAX, 0)},
};

static const struct column audit_columns[] = {
    {RANGE_UNKNOWN(audit_entry, "id", id, 1, COUNT_MAX, 0), FIXED},
    {TIME(audit_entry, "at", at)},
    {WORD(audit_entry, "action", action, audit_action_words)},
    {RANGE_UNKNOWN(audit_entry, "job_id", job, 1, JOB_ID_MAX, 0)},
    {TEXT_CELL(audit_entry, "subject", subject)},
    {RANGE_UNKNOWN(audit_entry, "token_id", by.token, 1, COUNT_MAX, 0)},
    {TEXT_CELL(audit_entry, "token_name", by.token_name)},
    {TEXT_CELL(audit_entry, "address", by.address)},
    {TEXT_CELL(audit_entry, "request_id", by.request_id)},
    {TEXT_CELL(audit_entry, "before", before)},
    {TEXT_CELL(audit_entry, "after", after)},
};

// What deliveries note is written by a statement of its own.
static const struct column channel_columns[] = {
    {RANGE_UNKNOWN(channel, "id", id, 1, COUNT_MAX, 0), FIXED},
    {TEXT_CELL(channel, "name", name)},
    {WORD(channel, "kind", kind, channel_kind_words), FIXED},
    {TEXT_CELL(channel, "config", config)},
    {TEXT_CELL(channel, "secrets", secrets)},
    {WORDS(channel, "kinds", kinds, alert_kind_words)},
    {TEXT_CELL(channel, "tags", tags)},
    {TEXT_CELL(channel, "jobs", jobs)},
    {YES_OR_NO(channel, "is_default", is_default)},
    {YES_OR_NO(channel, "is_enabled", is_enabled)},
    {TIME(channel, "created_at", created_at), FIXED},
    {TIME(channel, "updated_at", updated_at)},
    {COUNT(channel, "version", version)},
    {TIME_UNKNOWN(channel, "failing_since", failing_since, 0), FIXED},
    {TEXT_CELL(channel, "last_error", last_error), FIXED},
    {TIME_UNKNOWN(channel, "delivered_at", delivered_at, 0), FIXED},
};

static const struct column silence_columns[] = {
    {RANGE_UNKNOWN(silence, "id", id, 1, COUNT_MAX, 0)},
    {RANGE_UNKNOWN(silence, "job_id", job, 1, JOB_ID_MAX, 0)},
    {TEXT_CELL(silence, "tag", tag)},
    {WORDS(silence, "kinds", kinds, alert_kind_words)},
    {TIME(silence, "from_at", from)},
    {TIME_UNKNOWN(silence, "until_at", until, WALL_NEVER)},
    {TEXT_CELL(silence, "schedule", schedule)},
    {TEXT_CELL(silence, "timezone", timezone)},
    {RANGE_UNKNOWN(silence, "duration_s", duration_s, 0, INT32_MAX, 0)},
    {TEXT_CELL(silence, "reason", reason)},
    {TIME(silence, "created_at", created_at)},
    {TEXT_CELL(silence, "created_by", created_by)},
};

static const struct column delivery_columns[] = {
    {RANGE_UNKNOWN(delivery, "id", id, 1, COUNT_MAX, 0), FIXED},
    {COUNT(delivery, "channel_id", channel)},
    {TEXT_CELL(delivery, "channel_name", channel_name)},
    {WORD(delivery, "state", state, delivery_state_words)},
    {YES_OR_NO(delivery, "is_test", is_test)},
    {COUNT(delivery, "window_ms", window_ms)},
    {RANGE(delivery, "attempts", attempts, 0, UINT16_MAX)},
    {TIME(delivery, "created_at", created_at)},
    {TIME_UNKNOWN(delivery, "next_attempt_at", next_attempt_at, 0)},
    {TIME_UNKNOWN(delivery, "finished_at", finished_at, 0)},
    {RANGE_UNKNOWN(delivery, "http_status", http_status, 0, 999, 0)},
    {TEXT_CELL(delivery, "error", error)},
    {TEXT_CELL(delivery, "message", message)},
    {COUNT(delivery, "alert_count", alert_count)},
};

static const struct column delivery_attempt_columns[] = {
    {COUNT(delivery_attempt, "delivery_id", delivery)},
    {RANGE(delivery_attempt, "number", number, 1, UINT16_MAX)},
    {TIME(delivery_attempt, "started_at", started_at)},
    {COUNT(delivery_attempt, "duration_ms", duration_ms)},
    {RANGE_UNKNOWN(delivery_attempt, "http_status", http_status, 0, 999, 0)},
    {TEXT_CELL(delivery_attempt, "error", error)},
    {RANGE_UNKNOWN(delivery_attempt, "dns_ms", dns_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(delivery_attempt, "connect_ms", connect_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(delivery_attempt, "tls_ms", tls_ms, 0, INT32_MAX, -1)},
    {RANGE_UNKNOWN(delivery_attempt, "first_byte_ms", first_byte_ms, 0, INT32_MAX, -1)},
};

const struct row_map job_rows = {MAP("jobs", job_columns)};
const struct row_map job_brief_rows = {MAP("jobs", job_columns), .is_brief = true};
const struct row_map version_rows = {MAP("job_versions", version_columns)};
const struct row_map execution_rows = {MAP("job_executions", execution_columns)};
const struct row_map attempt_rows = {MAP("job_attempts", attempt_columns)};
const struct row_map first_attempt_rows = {MAP("job_executions", first_attempt_columns),
                                           .present = "first_started_at",
                                           .bound_before = COUNT_OF(execution_columns)};
const struct row_map alert_rows = {MAP("alerts", alert_columns)};
const struct row_map token_rows = {MAP("tokens", token_columns)};
const struct row_map delivery_rows = {MAP("deliveries", delivery_columns)};
const struct row_map delivery_attempt_rows = {MAP("delivery_attempts", delivery_attempt_columns)};
const struct row_map audit_rows = {MAP("audit", audit_columns)};
const struct row_map channel_rows = {MAP("channels", channel_columns)};
const struct row_map silence_rows = {MAP("silences", silence_columns)};

const struct small_rows small_tables[SMALL_TABLES] = {
    [SMALL_CHANNELS] = {&channel_rows, NULL},
    [SMALL_SILENCES] = {&silence_rows, "until_at"},
};

const char *row_column(const struct row_map *m, size_t i)
{
    assert(i < m->count);
    return m->columns[i].name;
}

void row_append(char *out, size_t bytes, const char *format, ...)
{
    size_t used = strlen(out);
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(out + used, bytes - used, format, arguments);
    va_end(arguments);
    assert(n >= 0 && (size_t)n < bytes - used);
}

void row_names(const struct row_map *m, char *out, size_t bytes)
{
    *out = '\0';
    for (size_t i = 0; i < m->count; i++)
        row_append(out, bytes, "%s%s", i ? ", " : "",
                   m->is_brief && m->columns[i].is_long ? "NULL" : m->columns[i].name);
}

int64_t column_integer(const struct column *c, const void *row)
{
    assert(c->bytes != sizeof(int32_t) || c->max <= INT32_MAX); // See base/integer.h.
    return integer_load((const char *)row + c->offset, c->bytes);
}

const char *column_text(const struct column *c, const void *row)
{
    const char *text;
    memcpy(&text, (const char *)row + c->offset, sizeof text);
    return text;
}

bool column_is_text(const struct column *c)
{
    return c->cell == CELL_TEXT || c->cell == CELL_WORD || c->cell == CELL_WORDS;
}

const char *column_words(const struct column *c, const void *row,
                         char out[static COLUMN_WORDS_BYTES])
{
    uint64_t set = (uint64_t)column_integer(c, row);
    out[0] = '\0';
    for (int i = 0; i < c->words->count; i++)
        if (set >> i & 1)
            row_append(out, COLUMN_WORDS_BYTES, "%s%s", out[0] ? "," : "", enum_word(c->words, i));
    return out[0] ? out : NULL;
}

bool column_set_integer(const struct column *c, void *row, bool is_null, int64_t value)
{
    bool is_fine = is_null ? c->null != NOT_NULL : c->min <= value && value <= c->max;
    if (is_fine)
        integer_store((char *)row + c->offset, c->bytes, is_null ? c->null : value);
    return is_fine;
}

bool column_set_word(const struct column *c, void *row, const char *word)
{
    int value;
    if (!word || !enum_find(c->words, word, &value))
        return false;
    integer_store((char *)row + c->offset, c->bytes, value);
    return true;
}

bool column_set_words(const struct column *c, void *row, const char *words)
{
    char word[64];
    uint64_t set = 0;
    int value;
    for (const char *at = words; at && *at;) {
        size_t chars = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)MIN(chars, sizeof word), at);
        if (!enum_find(c->words, word, &value))
            return false;
        set |= (uint64_t)1 << value;
        at += chars + (at[chars] == ',');
    }
    integer_store((char *)row + c->offset, c->bytes, (int64_t)set);
    return true;
}

void column_set_text(const struct column *c, void *row, const char *text)
{
    memcpy((char *)row + c->offset, &text, sizeof text);
}

bool execution_duration(const struct execution *e, int64_t *out)
{
    if (!e->started_at || !e->completed_at)
        return false;
    *out = e->completed_at - e->started_at;
    return true;
}
