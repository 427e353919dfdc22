// SPDX-License-Identifier: MIT
// schedule.c: the schedule of a job that is stored, and what lies ahead; previews.

#include "service/service_priv.h"

#include <string.h>

static size_t list_runs(const struct cron_schedule *s, const struct zone *z, wall_ms after,
                        size_t count, wall_ms *out)
{
    size_t n = 0;
    while (n < count && (after = cron_next(s, z, after)) != WALL_NEVER)
        out[n++] = after;
    return n;
}

size_t service_next_runs(const struct job *j, const struct service_schedule *s, wall_ms now,
                         size_t count, wall_ms *out)
{
    struct job_bounds bounds = job_bounds_of(j);
    wall_ms at = MAX(now, j->effective_from);
    uint32_t n = 0;
    if (!j->is_active || !s->zone)
        return 0;
    while (n < count &&
           (at = job_bounds_next(&bounds, j->runs + n, &s->compiled, s->zone, at)) != WALL_NEVER)
        out[n++] = at;
    return n;
}

enum err service_preview_schedule(const char *schedule, const char *zone_text, wall_ms from,
                                  size_t count, struct service_preview *out,
                                  struct service_problem *p)
{
    struct service_schedule s;
    enum err err = service__read_schedule(schedule, zone_text ? zone_text : "UTC", NULL, &s, p);
    if (!err)
        err = service__check_can_fire(&s.compiled, s.zone, from, p);
    if (err)
        return err;

    out->zone = s.zone;
    memcpy(out->normal, s.normal, sizeof out->normal);
    cron_explain(&s.compiled, out->words, sizeof out->words);
    out->fixed = cron_is_fixed(&s.compiled);
    out->oneshot = cron_is_oneshot(&s.compiled);
    out->run_count =
        list_runs(&s.compiled, s.zone, from, MIN(count, SERVICE_PREVIEW_RUNS_MAX), out->runs);
    out->warning_count = cron_warnings(&s.compiled, s.zone, from, out->warnings);
    return ERR_OK;
}
