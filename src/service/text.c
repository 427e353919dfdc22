// SPDX-License-Identifier: MIT
// text.c: the members of a job that are text: which must be there, and how long they may be.

#include "service/service_priv.h"

#include <string.h>

// The length of a schedule and of a URL is judged where they are read.
static const struct {
    const char *name;
    size_t offset; // In struct job.
    size_t bytes_max;
    bool required;
} texts[] = {
    {"schedule", offsetof(struct job, schedule), SIZE_MAX, true},
    {"api", offsetof(struct job, api), SIZE_MAX, true},
    {"name", offsetof(struct job, name), SERVICE_NAME_BYTES_MAX, false},
    {"body", offsetof(struct job, body), SERVICE_BODY_BYTES_MAX, false},
    {"success_status", offsetof(struct job, success_status), SERVICE_STATUS_BYTES_MAX, false},
    {"tls_ca", offsetof(struct job, tls_ca), SERVICE_TLS_CA_BYTES_MAX, false},
    {"paused_reason", offsetof(struct job, paused_reason), SERVICE_REASON_BYTES_MAX, false},
};

static enum err check_length(const char *name, const char *text, size_t bytes_max,
                             struct service_problem *p)
{
    size_t bytes = text ? strlen(text) : 0;
    if (bytes <= bytes_max)
        return ERR_OK;
    return service_refuse(p, ERR_LIMIT, PROBLEM_FIELD, name,
                          "%s has %zu bytes; at most %zu are allowed", name, bytes, bytes_max);
}

enum err service__check_texts(const struct job *j, struct service_problem *p)
{
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const char *text = *(char *const *)((const char *)j + texts[i].offset);
        if (!text && texts[i].required)
            return service_refuse(p, ERR_SYNTAX, PROBLEM_FIELD, texts[i].name, "%s is required",
                                  texts[i].name);
        enum err err = check_length(texts[i].name, text, texts[i].bytes_max, p);
        if (err)
            return err;
    }
    return ERR_OK;
}

enum err service__check_body(const char *body, struct service_problem *p)
{
    return check_length("body", body, SERVICE_BODY_BYTES_MAX, p);
}
