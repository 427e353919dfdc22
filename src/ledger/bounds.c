// SPDX-License-Identifier: MIT
// bounds.c: which instants of its schedule a job has: those within start_at, end_at and max_runs.

#include "ledger/ledger.h"

struct job_bounds job_bounds_of(const struct job *j)
{
    return (struct job_bounds){j->start_at, j->end_at, j->max_runs, 0};
}

struct job_bounds job_version_bounds(const struct job_version *v)
{
    return (struct job_bounds){v->start_at, v->end_at, v->max_runs, 0};
}

wall_ms job_bounds_next(const struct job_bounds *b, uint32_t runs, const struct cron_schedule *s,
                        const struct zone *z, wall_ms after)
{
    after = MAX(after, b->start_at - 1);
    if ((b->max_runs && runs >= b->max_runs) || after >= b->end_at)
        return WALL_NEVER;
    wall_ms next = cron_next(s, z, after);
    return next > b->end_at ? WALL_NEVER : next;
}

bool job_bounds_have(const struct job_bounds *b, const struct cron_schedule *s,
                     const struct zone *z, wall_ms at)
{
    return at >= b->start_at && at <= b->end_at && cron_matches(s, z, at);
}
