// SPDX-License-Identifier: MIT
// check_schedule.c: schedule and time zone of a job: read, and judged by the present time.
//
// An update is judged as a whole, but its schedule is compared with the present time only when the
// update asks for something that must fire: a finished one-shot can still be given a new name.

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

static struct cron_options options_of(const struct job *j)
{
    return (struct cron_options){.hash_seed = j->id, .gap = j->dst_gap, .fold = j->dst_fold};
}

bool service_read_schedule(const struct job *j, struct service_schedule *out)
{
    struct cron_options options = options_of(j);
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

// Whether an occurrence lies between now and the job's bounds. How many of max_runs are left is
// known to the core alone.
static enum err check_bounds(const struct job *j, const struct service_schedule *s, wall_ms now,
                             struct service_problem *p)
{
    const struct cron_schedule *compiled = &s->compiled;
    bool depends_on_id = j->id == 0 && cron_is_hashed(compiled);
    if (depends_on_id && cron_next(compiled, s->zone, -1) != WALL_NEVER)
        return ERR_OK;
    enum err err = service__check_can_fire(compiled, s->zone, now, p);
    struct job_bounds bounds = job_bounds_of(j);
    if (err || j->end_at == WALL_NEVER ||
        job_bounds_next(&bounds, 0, compiled, s->zone, now) != WALL_NEVER)
        return err;
    return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, "end_at",
                          "the schedule has no occurrence between %s and end_at",
                          j->start_at > now ? "start_at" : "now");
}

enum err service__check_schedule(struct job *j, const struct job_check *c,
                                 struct service_schedule *out, struct service_problem *p)
{
    const struct job *before = c->before;
    struct cron_options options = options_of(j);
    enum err err = service__read_schedule(j->schedule, j->timezone, &options, out, p);
    if (err)
        return err;
    if (c->must_fire || !before || job_timing_differs(j, before) ||
        (j->is_active && !before->is_active && !before->finished))
        return check_bounds(j, out, c->now, p);
    if (before->finished) {
        j->is_active = false;
        j->finished = true;
    }
    return ERR_OK;
}

enum err service__refuse_vain(const struct job *j, wall_ms now, struct service_problem *p)
{
    struct service_schedule s;
    struct cron_options options = options_of(j);
    enum err err = service__read_schedule(j->schedule, j->timezone, &options, &s, p);
    if (!err)
        err = check_bounds(j, &s, now, p);
    if (err)
        return err;
    if (j->max_runs && j->runs >= j->max_runs)
        return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, "max_runs",
                              "the job has had %u runs, and max_runs is %u; raise it, or set it to "
                              "0, to let the job go on",
                              j->runs, j->max_runs);
    return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, "schedule",
                          "the schedule has no occurrence to come");
}
