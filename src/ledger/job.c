// SPDX-License-Identifier: MIT
// job.c: a job as a whole: its defaults, its strings, what the core itself changes of it.

#include "ledger/ledger.h"

#include <assert.h>
#include <string.h>

// Where the strings of a job are, so that copying and freeing cannot forget one.
static const size_t strings[] = {
#define JOB_TEXT(member, form, greatest, role, access) offsetof(struct job, member),
#include "ledger/job.def"
    offsetof(struct job, damaged),
};

static char **string_at(struct job *j, size_t i)
{
    return (char **)((char *)j + strings[i]);
}

const struct job job_defaults = {
#define JOB_MEMBER(member, type, initial, role) .member = (initial),
#include "ledger/job.def"
};

struct job *job_new(void)
{
    return job_copy(&job_defaults);
}

struct job *job_copy(const struct job *j)
{
    struct job *copy = xmalloc(sizeof *copy);
    *copy = *j;
    for (size_t i = 0; i < COUNT_OF(strings); i++)
        *string_at(copy, i) = xstrdup(*string_at(copy, i));
    return copy;
}

void job_free(struct job *j)
{
    if (!j)
        return;
    for (size_t i = 0; i < COUNT_OF(strings); i++)
        free(*string_at(j, i));
    free(j);
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

size_t job_texts_bytes(const struct job *j)
{
    size_t bytes = 0;
#define JOB_OF_REQUEST(member) bytes += text_bytes(j->member);
#include "ledger/job.def"
    return bytes;
}

void job_apply_state(struct job *j, const struct job_state *s)
{
    assert(j->id == s->id);
#define JOB_TEXT(...)
#define JOB_OF_PHASE(member) j->member = s->member;
#define JOB_OF_STATE JOB_OF_PHASE
#include "ledger/job.def"
    if (s->is_active || s->paused_reason)
        job_set_text(&j->paused_reason, s->is_active ? NULL : s->paused_reason);
    job_set_text(&j->trouble, s->trouble);
}

void job_set_text(char **member, const char *text)
{
    char *copy = xstrdup(text); // First, since `text` may be the old value.
    free(*member);
    *member = copy;
}
