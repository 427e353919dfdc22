// SPDX-License-Identifier: MIT
// replays.c: what is to be carried out again: one execution that is over, or a range of a job.
//
// An execution that was itself a replay leads to what it names, so that every replay names an
// occurrence or a manual run, and never a replay. The occurrences of a range are counted by the
// schedule as it stands; the command names the version that was counted, so that the core, which
// goes through them again, comes to the same ones.

#include "service/service_priv.h"

#include <inttypes.h>

// --- An execution --------------------------------------------------------------------------------

static enum err note_origin(void *context, const struct execution *e)
{
    struct service_change *c = context;
    c->state = (enum execution_state)e->state;
    c->count = (uint32_t)MIN(MAX(e->missed_count, 1), UINT32_MAX);
    if (!e->origin || !execution_id_parse(e->origin, &c->execution))
        c->execution = e->key;
    free(c->text);
    c->text = xstrdup(e->request_body);
    c->text_is_json = e->request_body_is_json;
    return ERR_OK;
}

static enum err no_attempt(void *context, const struct attempt *a)
{
    (void)context;
    (void)a;
    return ERR_OK;
}

enum err service__find_origin(struct service_change *c, struct service_problem *p)
{
    const struct execution_key key = c->execution;
    enum err err = service_get_execution(c->service, &key, note_origin, no_attempt, c, p);
    if (err)
        return err;
    if (!execution_state_is_terminal(c->state))
        return service_refuse(p, ERR_CONFLICT, PROBLEM_NOT_OVER, NULL,
                              "the execution is not over: it is %s",
                              execution_state_name(c->state));
    if (c->count > 1)
        return service_refuse(p, ERR_CONFLICT, PROBLEM_RANGE, NULL,
                              "the execution stands for %" PRIu32
                              " missed occurrences; POST /jobs/%" PRId64
                              "/backfill carries out a range",
                              c->count, c->id);
    c->count = 1;
    return ERR_OK;
}

// --- A range -------------------------------------------------------------------------------------

static enum err count(const struct job *j, wall_ms from, wall_ms to, struct occurrences *out,
                      struct service_problem *p)
{
    struct service_schedule s;
    if (j->damaged || !service_read_schedule(j, &s))
        return service__refuse_err(p, ERR_UNUSABLE, NULL);
    const struct job_bounds bounds = job_bounds_of(j);
    *out = (struct occurrences){0};
    wall_ms at = from - 1;
    while ((at = job_bounds_next(&bounds, 0, &s.compiled, s.zone, at)) <= to) {
        out->more = out->count == OCCURRENCES_COUNTED_MAX;
        if (out->more)
            break;
        out->first = out->count++ ? out->first : at;
        out->last = at;
    }
    return ERR_OK;
}

enum err service_count_occurrences(struct service *s, job_id id, wall_ms from, wall_ms to,
                                   struct occurrences *out, struct service_problem *p)
{
    struct job *j;
    enum err err = service_get_job(s, id, &j, p);
    if (err)
        return err;
    err = count(j, from, to, out, p);
    job_free(j);
    return err;
}

enum err service__count_backfill(struct service_change *c, struct service_problem *p)
{
    struct occurrences found = {0};
    job_free(c->before);
    c->before = NULL;
    enum err err = service_get_job(c->service, c->id, &c->before, p);
    if (!err)
        err = count(c->before, c->from, c->to, &found, p);
    if (err)
        return err;
    if (found.count == 0)
        return service_refuse(p, ERR_RANGE, PROBLEM_FIELD, "from",
                              "the job's schedule has no instant from from to to");
    if (found.count > BACKFILL_MAX)
        return service_refuse(p, ERR_LIMIT, PROBLEM_FIELD, "to",
                              "the range has %s%" PRIu32
                              " occurrences; at most %d are carried out at a time",
                              found.more ? "more than " : "", found.count, BACKFILL_MAX);
    c->count = found.count;
    return ERR_OK;
}
