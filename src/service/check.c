// SPDX-License-Identifier: MIT
// check.c: whether a job as its client wants it is acceptable, member by member.
//
// An update is judged as a whole, but its schedule is compared with the present time only when the
// update asks for something that must fire: a finished one-shot can still be given a new name.
// Headers are not looked at here: service_set_header has checked each of them.

#include "base/certificates.h"
#include "base/url.h"
#include "service/service_priv.h"

#include <string.h>

// The job keeps its URL as it is sent: percent-encoded.
static enum err accept_api(struct job *j, struct url *u, struct service_problem *p)
{
    struct fault f = {0};
    char *api;
    enum err err = url_accept_parsed(j->api, &api, u, &f);
    if (err)
        return service_refuse(p, err, PROBLEM_URL, "api", "%s", f.text);
    free(j->api);
    j->api = api;
    return ERR_OK;
}

static enum err check_method(const struct job *j, struct service_problem *p)
{
    if (j->method != METHOD_HEAD || !j->body || !*j->body)
        return ERR_OK;
    return service_refuse(p, ERR_CONFLICT, PROBLEM_FIELD, "body", "a HEAD request has no body");
}

static enum err refuse_port(uint16_t port, struct service_problem *p)
{
    const char *protocol = port_protocol(port);
    return service_refuse(p, ERR_FORBIDDEN, PROBLEM_TARGET, "api",
                          "port %u%s%s%s is one that deny_ports denies", (unsigned)port,
                          protocol ? ", of " : "", protocol ? protocol : "", protocol ? "," : "");
}

static enum err check_target(const struct url *u, const struct address_policy *targets,
                             struct service_problem *p)
{
    union address a;
    char reason[ADDRESS_REASON_BYTES];
    if (!address_policy_allows_port(targets, u->port))
        return refuse_port(u->port, p);
    if (!u->is_address || !address_read(u->host, &a) ||
        address_policy_allows(targets, &a.any, u->port))
        return ERR_OK;
    address_policy_reason(targets, &a.any, u->port, reason);
    return service_refuse(p, ERR_FORBIDDEN, PROBLEM_TARGET, "api", "%.64s is %s", u->host, reason);
}

static enum err check_api(struct job *j, const struct job *before,
                          const struct address_policy *targets, struct url *out,
                          struct service_problem *p)
{
    enum err err = accept_api(j, out, p);
    bool is_touched = !before || strcmp(j->api, before->api) != 0;
    return err || !is_touched ? err : check_target(out, targets, p);
}

// A pause is said of a job that is paused; saying it of an active one would be lost.
static enum err check_pause(const struct job *j, const struct job *before, wall_ms now,
                            struct service_problem *p)
{
    if (j->is_active && j->paused_reason)
        return service_refuse(p, ERR_CONFLICT, PROBLEM_FIELD, "paused_reason",
                              "only a paused job has a paused_reason; set is_active to false too");
    if (j->paused_until == WALL_NEVER || (before && j->paused_until == before->paused_until))
        return ERR_OK;
    if (j->is_active)
        return service_refuse(p, ERR_CONFLICT, PROBLEM_FIELD, "paused_until",
                              "only a paused job has a paused_until; set is_active to false too");
    if (j->paused_until <= now)
        return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, "paused_until",
                              "paused_until lies in the past");
    return ERR_OK;
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

static enum err check_success_status(const struct job *j, struct service_problem *p)
{
    struct status_set ignored;
    struct fault f = {0};
    enum err err = j->success_status ? status_set_parse(j->success_status, &ignored, &f) : ERR_OK;
    return err ? service_refuse(p, err, PROBLEM_FIELD, "success_status", "success_status: %s",
                                f.text)
               : ERR_OK;
}

static enum err check_tls_ca(const struct job *j, struct service_problem *p)
{
    struct fault f = {0};
    enum err err = j->tls_ca ? certificates_add(j->tls_ca, NULL, &f) : ERR_OK;
    return err ? service_refuse(p, err, PROBLEM_FIELD, "tls_ca", "tls_ca: %s", f.text) : ERR_OK;
}

enum err service__refuse_vain(const struct job *j, wall_ms now, struct service_problem *p)
{
    struct service_schedule s;
    struct cron_options options = service__options(j);
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

static enum err check_schedule(struct job *j, const struct job *before, bool must_fire, wall_ms now,
                               struct service_schedule *out, struct service_problem *p)
{
    struct cron_options options = service__options(j);
    enum err err = service__read_schedule(j->schedule, j->timezone, &options, out, p);
    if (err)
        return err;
    if (must_fire || !before || job_timing_differs(j, before) ||
        (j->is_active && !before->is_active && !before->finished))
        return check_bounds(j, out, now, p);
    if (before->finished) {
        j->is_active = false;
        j->finished = true;
    }
    return ERR_OK;
}

enum err service__check_job(struct job *j, const struct job *before,
                            const struct address_policy *targets, bool must_fire, wall_ms now,
                            struct service_reading *out, struct service_problem *p)
{
    if (!j->timezone)
        job_set_text(&j->timezone, "UTC");
    enum err err = service__check_texts(j, p);
    if (!err)
        err = check_schedule(j, before, must_fire, now, &out->schedule, p);
    if (!err)
        err = check_api(j, before, targets, &out->url, p);
    if (!err)
        err = check_method(j, p);
    if (!err)
        err = service__check_numbers(j, p);
    if (!err)
        err = check_success_status(j, p);
    if (!err)
        err = check_tls_ca(j, p);
    if (!err)
        err = service__check_tags(j->tags, p);
    if (!err)
        err = check_pause(j, before, now, p);
    return err;
}

enum err service_check_job(const struct service *s, struct job *draft, struct service_problem *p)
{
    struct service_reading ignored;
    return service__check_job(draft, NULL, s->targets, true, clock_wall_ms(), &ignored, p);
}
