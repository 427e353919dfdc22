// SPDX-License-Identifier: MIT
// member.c: the members of a job as a table, for what is done with each of them in the same way.

#include "base/integer.h"
#include "ledger/ledger.h"

#include <assert.h>
#include <string.h>

#define ROW(what, member, for_what, who)                                                           \
    .name = #member, .kind = (what), .role = ROLE_##for_what, .access = ACCESS_##who,              \
    .offset = offsetof(struct job, member), .bytes = sizeof(((struct job *)0)->member)

const struct job_member job_members[] = {
#define JOB_NUMBER(member, type, initial, low, high, role, access)                                 \
    {ROW(MEMBER_NUMBER, member, role, access), .least = (low), .greatest = (high)},
#define JOB_FLAG(member, initial, role, access) {ROW(MEMBER_FLAG, member, role, access)},
#define JOB_WORD(member, tag, initial, role, access)                                               \
    {ROW(MEMBER_WORD, member, role, access), .words = &tag##_words},
#define JOB_TIME(member, role, access) {ROW(MEMBER_TIME, member, role, access)},
#define JOB_OPTIONAL_TIME(member, initial, role, access) JOB_TIME(member, role, access)
#define JOB_COUNT(member, low, high, role, access) {ROW(MEMBER_COUNT, member, role, access)},
#define JOB_OPTIONAL_COUNT(member, low, high, role, access)                                        \
    {ROW(MEMBER_COUNT, member, role, access), .is_optional = true},
#define JOB_TEXT(member, how, high, role, access)                                                  \
    {ROW(MEMBER_TEXT, member, role, access), .form = TEXT_##how, .greatest = (high)},
#define JOB_COMPUTED(member, who)                                                                  \
    {.name = #member, .kind = MEMBER_COMPUTED, .access = ACCESS_##who},
#include "ledger/job.def"
};
const size_t job_member_count = COUNT_OF(job_members);

const struct job_member *job_member_find(const char *name)
{
    for (size_t i = 0; i < job_member_count; i++)
        if (strcmp(job_members[i].name, name) == 0)
            return &job_members[i];
    return NULL;
}

static void *place(const struct job_member *m, const struct job *j)
{
    return (char *)j + m->offset;
}

char **job_text_at(const struct job_member *m, const struct job *j)
{
    assert(m->kind == MEMBER_TEXT);
    return place(m, j);
}

int64_t job_integer(const struct job_member *m, const struct job *j)
{
    assert(m->kind != MEMBER_TEXT && m->kind != MEMBER_COMPUTED);
    return integer_load(place(m, j), m->bytes);
}

void job_set_integer(const struct job_member *m, struct job *j, int64_t value)
{
    assert(m->kind != MEMBER_TEXT && m->kind != MEMBER_COMPUTED);
    integer_store(place(m, j), m->bytes, value);
}

void job_reset(const struct job_member *m, struct job *j)
{
    if (m->kind == MEMBER_TEXT)
        job_set_text(job_text_at(m, j), NULL);
    else
        job_set_integer(m, j, job_integer(m, &job_defaults));
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool job_same_member(const struct job_member *m, const struct job *a, const struct job *b)
{
    if (m->kind == MEMBER_COMPUTED)
        return true;
    if (m->kind == MEMBER_TEXT)
        return same_text(*job_text_at(m, a), *job_text_at(m, b));
    return job_integer(m, a) == job_integer(m, b);
}

static bool differ_in(enum job_role role, const struct job *a, const struct job *b)
{
    for (size_t i = 0; i < job_member_count; i++)
        if (job_members[i].role == role && !job_same_member(&job_members[i], a, b))
            return true;
    return false;
}

bool job_timing_differs(const struct job *a, const struct job *b)
{
    return differ_in(ROLE_TIMING, a, b);
}

bool job_version_begins(const struct job *before, const struct job *j)
{
    return job_timing_differs(before, j) || differ_in(ROLE_PHASE, before, j);
}
