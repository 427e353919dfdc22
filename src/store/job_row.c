// SPDX-License-Identifier: MIT
// job_row.c: reads the row of a job or an open execution as far as it can be used.
//
// Operators edit this table by hand. What others assert of a job, or what would fail only when its
// request is made, is judged here, so that one edited row harms nobody else: a column that holds
// what no version writes is read as its default and named in the job's `damaged`. Schedule and time
// zone are not judged: what they mean depends on this machine.

#include "base/certificates.h"
#include "base/header.h"
#include "base/url.h"
#include "store/columns_priv.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static bool is_url(const char *text)
{
    struct url ignored;
    return url_read(text, &ignored, NULL) == ERR_OK;
}

static bool are_headers(const char *text)
{
    return !text || header_check_lines(text, NULL) == ERR_OK;
}

static bool are_tags(const char *text)
{
    if (!text)
        return true;
    json_t *array = json_loads(text, 0, NULL);
    bool fine = json_is_array(array);
    size_t i;
    json_t *tag;
    json_array_foreach(array, i, tag)
        fine = fine && json_is_string(tag);
    json_decref(array);
    return fine;
}

static bool are_statuses(const char *text)
{
    struct status_set ignored;
    return !text || status_set_parse(text, &ignored, NULL) == ERR_OK;
}

static bool are_certificates(const char *text)
{
    return !text || certificates_add(text, NULL, NULL) == ERR_OK;
}

// Texts with a form. A text that does not have it is forgotten, or kept for somebody to look at.
static const struct form {
    const char *column;
    size_t offset;
    bool (*is_fine)(const char *text);
    bool keeps;
} forms[] = {
    {"api", offsetof(struct job, api), is_url, true},
    {"headers", offsetof(struct job, headers), are_headers, false},
    {"tags", offsetof(struct job, tags), are_tags, false},
    {"alert_channels", offsetof(struct job, alert_channels), are_tags, false},
    {"success_status", offsetof(struct job, success_status), are_statuses, false},
    {"tls_ca", offsetof(struct job, tls_ca), are_certificates, false},
    {"tls_client_cert", offsetof(struct job, tls_client_cert), are_certificates, false},
};

static void name_damage(char *damaged, size_t bytes, const char *column)
{
    size_t used = strlen(damaged);
    snprintf(damaged + used, bytes - used, "%s%s", used ? ", " : "", column);
}

static void judge_forms(struct job *j, char *damaged, size_t bytes)
{
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        const struct form *m = &forms[i];
        char **text = (char **)((char *)j + m->offset);
        bool is_none = j->kind == JOB_HEARTBEAT && *text && !**text; // A heartbeat calls nobody.
        if (m->is_fine(*text) || is_none)
            continue;
        name_damage(damaged, bytes, m->column);
        if (!m->keeps)
            *text = NULL;
    }
    if (j->retry_cap_ms < j->retry_base_ms) {
        name_damage(damaged, bytes, "retry_cap_ms");
        j->retry_cap_ms = j->retry_base_ms;
    }
}

bool job_row_read(read_cell *read, void *source, struct job *out,
                  char damaged[static JOB_DAMAGED_BYTES])
{
    *damaged = '\0';
    *out = job_defaults;
    for (size_t i = 0; i < job_rows.count; i++) {
        if (read(&job_rows, i, source, out))
            continue;
        if (i == 0)
            return false;
        name_damage(damaged, JOB_DAMAGED_BYTES, row_column(&job_rows, i));
    }
    judge_forms(out, damaged, JOB_DAMAGED_BYTES);
    out->damaged = *damaged ? damaged : NULL;
    return true;
}

#define EXECUTION_KEYS 2 // The id of the execution and that of its job are the first columns.

bool execution_row_read(read_cell *read, void *source, struct execution *e,
                        char words[static EXECUTION_DAMAGED_BYTES])
{
    size_t used = 0;
    for (size_t i = 0; i < execution_rows.count; i++) {
        if (read(&execution_rows, i, source, e))
            continue;
        if (i < EXECUTION_KEYS)
            return false;
        used += (size_t)snprintf(
            words + used, EXECUTION_DAMAGED_BYTES - used, "%s%s",
            used ? ", " : "its row in the database is damaged: ", row_column(&execution_rows, i));
        e->damaged = true;
    }
    if (!e->damaged && execution_state_is_terminal(e->state) && e->completed_at == 0) {
        snprintf(words, EXECUTION_DAMAGED_BYTES,
                 "its row in the database is damaged: %s without an end",
                 execution_state_name(e->state));
        e->state = EXECUTION_RUNNING;
        e->damaged = true;
    }
    if (e->damaged)
        e->error = words;
    return true;
}
