// SPDX-License-Identifier: MIT
// schedule.c: schedule and zone of a job: read, judged by the present time, looked ahead.

#include "service/service_priv.h"
#include "zones/zones.h"

#include <stdio.h>
#include <string.h>

static enum err refuse_schedule(struct service_problem *p, enum err code,
                                const struct cron_error *e)
{
    const char *field = cron_field_name(e->field);
    service_refuse(p, code, PROBLEM_SCHEDULE, "schedule", "%s%s%s", field, *field ? ": " : "",
                   e->message);
    p->code = cron_code_name(e->code);
    p->has_position = true;
    p->position = e->position;
    p->length = e->length;
    snprintf(p->expected, sizeof p->expected, "%s", e->expected);
    snprintf(p->hint, sizeof p->hint, "%s", e->hint);
    return code;
}

static enum err find_zone(const char *name, const struct zone **out, struct service_problem *p)
{
    struct fault f = {0};
    enum err err = zone_find(name, out, &f);
    if (!err)
        return ERR_OK;
    if (err != ERR_NOT_FOUND)
        return service_refuse(p, err, PROBLEM_TIMEZONE, "timezone",
                              "the time zone '%.64s' cannot be read on this server", name);
    service_refuse(p, err, PROBLEM_TIMEZONE, "timezone", "unknown time zone '%.64s'", name);
    snprintf(p->expected, sizeof p->expected, "an IANA name such as Europe/Paris, or UTC");
    char hint[ZONE_HINT_BYTES];
    zone_hint(name, hint);
    snprintf(p->hint, sizeof p->hint, "%.*s", (int)sizeof p->hint - 1, hint);
    return err;
}

enum err service__read_schedule(const char *schedule, const char *zone_text,
                                const struct cron_options *o, struct service_schedule *out,
                                struct service_problem *p)
{
    struct cron_error e = {0};
    enum err err = cron_compile(schedule, strlen(schedule), o, &out->compiled, out->normal, &e);
    if (err)
        return refuse_schedule(p, err, &e);
    return find_zone(zone_text, &out->zone, p);
}

struct cron_options service__options(const struct job *j)
{
    return (struct cron_options){.hash_seed = j->id, .gap = j->dst_gap, .fold = j->dst_fold};
}

bool service_read_schedule(const struct job *j, struct service_schedule *out)
{
    struct cron_options options = service__options(j);
    if (cron_compile(j->schedule, strlen(j->schedule), &options, &out->compiled, out->normal, NULL))
        return false;
    if (zone_find(j->timezone, &out->zone, NULL))
        out->zone = NULL;
    return true;
}

enum err service__check_can_fire(const struct cron_schedule *s, const struct zone *z, wall_ms now,
                                 struct service_problem *p)
{
    struct cron_error e = {0};
    enum err err = cron_check(s, z, now, &e);
    return err ? refuse_schedule(p, err, &e) : ERR_OK;
}

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
