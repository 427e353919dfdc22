// SPDX-License-Identifier: MIT
// check_number.c: the members of a job that are numbers, and their bounds.

#include "service/service_priv.h"

#include <inttypes.h>

#define REMIND_S_MIN 60

static enum err check_bounds(const struct job_member *m, int64_t value, struct service_problem *p)
{
    if (value >= m->least && value <= m->greatest)
        return ERR_OK;
    return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, m->name,
                          "%s must be %" PRId64 " to %" PRId64 ", not %" PRId64, m->name, m->least,
                          m->greatest, value);
}

enum err service_set_number(const struct job_member *m, struct job *j, int64_t value,
                            struct service_problem *p)
{
    enum err err = check_bounds(m, value, p);
    if (!err)
        job_set_integer(m, j, value);
    return err;
}

enum err service__check_numbers(const struct job *j, struct service_problem *p)
{
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        enum err err = m->kind == MEMBER_NUMBER ? check_bounds(m, job_integer(m, j), p) : ERR_OK;
        if (err)
            return err;
    }
    if (j->alert_remind_s && j->alert_remind_s < REMIND_S_MIN)
        return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, "alert_remind_s",
                              "alert_remind_s must be 0 or at least %d, not %u", REMIND_S_MIN,
                              j->alert_remind_s);
    if (j->retry_cap_ms < j->retry_base_ms)
        return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, "retry_cap_ms",
                              "retry_cap_ms (%u) must not be below retry_base_ms (%u)",
                              j->retry_cap_ms, j->retry_base_ms);
    return ERR_OK;
}

enum catch_up service_catch_up_default(enum job_type type)
{
    return type == JOB_ATMOST_ONCE ? CATCH_UP_NONE : CATCH_UP_ALL;
}
