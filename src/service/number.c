// SPDX-License-Identifier: MIT
// number.c: the members of a job that are numbers, and their bounds.

#include "service/service_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define NUMBER(member, low, high)                                                                  \
    .name = #member, .min = (low), .max = (high), .offset = offsetof(struct job, member),          \
    .bytes = sizeof(((struct job *)0)->member)

static const struct service_number numbers[] = {
    {NUMBER(timeout_ms, JOB_TIMEOUT_MS_MIN, JOB_TIMEOUT_MS_MAX)},
    {NUMBER(max_retries, 0, JOB_RETRIES_MAX)},
    {NUMBER(retry_base_ms, 1, JOB_RETRY_MS_MAX)},
    {NUMBER(retry_cap_ms, 1, JOB_RETRY_MS_MAX)},
    {NUMBER(catch_up_window_s, 1, JOB_CATCH_UP_WINDOW_S_MAX)},
    {NUMBER(max_in_flight, 1, JOB_IN_FLIGHT_MAX)},
    {NUMBER(jitter_ms, 0, JOB_JITTER_MS_MAX)},
    {NUMBER(max_runs, 0, JOB_RUNS_MAX)},
    {NUMBER(runs, 0, JOB_RUNS_MAX)},
    {NUMBER(alert_after, 1, JOB_ALERT_AFTER_MAX)},
    {NUMBER(redirects, 0, JOB_REDIRECTS_MAX)},
    {NUMBER(response_excerpt_bytes, 0, JOB_EXCERPT_BYTES_MAX)},
};

const struct service_number *service_number_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (strcmp(numbers[i].name, name) == 0)
            return &numbers[i];
    }
    return NULL;
}

int64_t service_number_get(const struct service_number *n, const struct job *j)
{
    const char *at = (const char *)j + n->offset;
    if (n->bytes == sizeof(uint16_t))
        return *(const uint16_t *)at;
    assert(n->bytes == sizeof(uint32_t));
    return *(const uint32_t *)at;
}

static enum err check_bounds(const struct service_number *n, int64_t value,
                             struct service_problem *p)
{
    if (value >= n->min && value <= n->max)
        return ERR_OK;
    return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, n->name,
                          "%s must be %" PRId64 " to %" PRId64 ", not %" PRId64, n->name, n->min,
                          n->max, value);
}

enum err service_number_set(const struct service_number *n, struct job *j, int64_t value,
                            struct service_problem *p)
{
    enum err err = check_bounds(n, value, p);
    if (err)
        return err;
    char *at = (char *)j + n->offset;
    if (n->bytes == sizeof(uint16_t))
        *(uint16_t *)at = (uint16_t)value;
    else
        *(uint32_t *)at = (uint32_t)value;
    return ERR_OK;
}

enum err service__check_numbers(const struct job *j, struct service_problem *p)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        enum err err = check_bounds(&numbers[i], service_number_get(&numbers[i], j), p);
        if (err)
            return err;
    }
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
