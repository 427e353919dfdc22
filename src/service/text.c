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
    bool one_line;
} texts[] = {
    {"schedule", offsetof(struct job, schedule), SIZE_MAX, true, false},
    {"api", offsetof(struct job, api), SIZE_MAX, true, false},
    {"name", offsetof(struct job, name), SERVICE_NAME_BYTES_MAX, false, true},
    {"body", offsetof(struct job, body), SERVICE_BODY_BYTES_MAX, false, false},
    {"paused_reason", offsetof(struct job, paused_reason), SERVICE_REASON_BYTES_MAX, false, true},
};

bool service__is_one_line(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c < 0x20 || *c == 0x7f)
            return false;
    }
    return true;
}

static enum err check_text(const char *name, const char *text, size_t bytes_max, bool one_line,
                           struct service_problem *p)
{
    size_t bytes = strlen(text);
    if (bytes > bytes_max)
        return service_refuse(p, ERR_LIMIT, PROBLEM_FIELD, name,
                              "%s has %zu bytes; at most %zu are allowed", name, bytes, bytes_max);
    if (one_line && !service__is_one_line(text))
        return service_refuse(p, ERR_SYNTAX, PROBLEM_FIELD, name,
                              "%s must be one line without control characters", name);
    return ERR_OK;
}

enum err service__check_texts(const struct job *j, struct service_problem *p)
{
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const char *text = *(char *const *)((const char *)j + texts[i].offset);
        if (!text && texts[i].required)
            return service_refuse(p, ERR_SYNTAX, PROBLEM_FIELD, texts[i].name, "%s is required",
                                  texts[i].name);
        if (!text)
            continue;
        enum err err = check_text(texts[i].name, text, texts[i].bytes_max, texts[i].one_line, p);
        if (err)
            return err;
    }
    return ERR_OK;
}

enum err service__check_body(const char *body, struct service_problem *p)
{
    return body ? check_text("body", body, SERVICE_BODY_BYTES_MAX, false, p) : ERR_OK;
}
