// SPDX-License-Identifier: MIT
// check_text.c: the members of a job that are text: which must be there, and how long they may be.

#include "service/service_priv.h"

#include <inttypes.h>
#include <string.h>

static enum err check_length(const char *name, const char *text, int64_t bytes_max,
                             struct service_problem *p)
{
    size_t bytes = text ? strlen(text) : 0;
    if (bytes <= (size_t)bytes_max)
        return ERR_OK;
    return service_refuse(p, ERR_LIMIT, PROBLEM_FIELD, name,
                          "%s has %zu bytes; at most %" PRId64 " are allowed", name, bytes,
                          bytes_max);
}

static enum err check_text(const struct job_member *m, const struct job *j,
                           struct service_problem *p)
{
    const char *text = *job_text_at(m, j);
    if (!text && m->form == TEXT_REQUIRED)
        return service_refuse(p, ERR_SYNTAX, PROBLEM_FIELD, m->name, "%s is required", m->name);
    return m->greatest ? check_length(m->name, text, m->greatest, p) : ERR_OK;
}

// Texts that must be there come first.
static enum err check_texts(const struct job *j, bool required, struct service_problem *p)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < job_member_count && !err; i++) {
        const struct job_member *m = &job_members[i];
        if (m->kind == MEMBER_TEXT && (m->form == TEXT_REQUIRED) == required)
            err = check_text(m, j, p);
    }
    return err;
}

enum err service__check_texts(const struct job *j, struct service_problem *p)
{
    enum err err = check_texts(j, true, p);
    return err ? err : check_texts(j, false, p);
}

enum err service__check_body(const char *body, struct service_problem *p)
{
    return check_length("body", body, JOB_MAX(body), p);
}
