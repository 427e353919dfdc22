// SPDX-License-Identifier: MIT
// explain.c: gathers what is known of one instant of a job, for judge.c.
//
// Everything is read over one connection, the watermark first: rows up to it never come later, so
// what is read after it cannot make an instant look lost that is not.

#include "service/service_priv.h"
#include "zones/zones.h"

#include <stdio.h>
#include <string.h>

#define ROWS_MAX                                                                                   \
    8 // Rows of one instant: a generation each, and manual ones of the same millisecond.

// All that is read, until the explanation is made of it.
struct known {
    struct explain_facts facts;
    struct job_versions versions;
    struct job_span *spans;
    struct execution execution;
    struct execution missed;
    struct job *job; // As it is now; NULL: deleted.
};

static void own_texts(struct execution *e)
{
    e->error = xstrdup(e->error);
    e->reason = xstrdup(e->reason);
    e->request_body = NULL;
}

static void free_texts(struct execution *e)
{
    free((char *)e->error);
    free((char *)e->reason);
}

static void known_fini(struct known *k)
{
    free(k->spans);
    job_versions_fini(&k->versions);
    free_texts(&k->execution);
    free_texts(&k->missed);
    job_free(k->job);
}

static enum err keep_version(void *context, const struct job_version *v)
{
    job_versions_add(&((struct known *)context)->versions, v);
    return ERR_OK;
}

static void replace_execution(struct execution *kept, const struct execution *e)
{
    free_texts(kept);
    *kept = *e;
    own_texts(kept);
}

// A scheduled row, and not one from before the clock was corrected for an instant after that.
static bool tells(const struct known *k, const struct execution *e)
{
    const struct shard *p = &k->facts.progress.shard;
    return e->key.series >= 0 && (k->facts.at <= p->corrected_at || e->key.series == p->generation);
}

// When an instant has several rows, that of the last correction of the clock counts.
static enum err keep_execution(void *context, const struct execution *e)
{
    struct known *k = context;
    bool later = !k->facts.execution || e->key.series > k->execution.key.series;
    if (!tells(k, e) || !later)
        return ERR_OK;
    replace_execution(&k->execution, e);
    k->facts.execution = &k->execution;
    return ERR_OK;
}

static enum err keep_missed(void *context, const struct execution *e)
{
    struct known *k = context;
    if (k->facts.missed || !tells(k, e) || e->missed_to < k->facts.at)
        return ERR_OK;
    replace_execution(&k->missed, e);
    k->facts.missed = &k->missed;
    return ERR_OK;
}

static enum err read_rows(struct store_reader *reader, job_id id, struct known *k, struct fault *f)
{
    struct execution_query q = {
        .job = id,
        .trigger = -1,
        .from = k->facts.at,
        .to = k->facts.at,
        .before = {.scheduled_at = WALL_NEVER, .id = INT64_MAX},
        .limit = ROWS_MAX,
    };
    enum err err = store_list_executions(reader, &q, keep_execution, k, f);
    q.states = EXECUTION_BIT(EXECUTION_MISSED);
    q.from = 0;
    return err ? err : store_list_executions(reader, &q, keep_missed, k, f);
}

static enum err read_all(struct store_reader *reader, job_id id, struct known *k, struct fault *f)
{
    enum err err = store_read_progress(reader, id, &k->facts.progress, f);
    if (!err)
        err = store_list_versions(reader, id, keep_version, k, f);
    if (!err && k->versions.count == 0)
        err = ERR_NOT_FOUND;
    if (!err)
        err = read_rows(reader, id, k, f);
    if (err)
        return err;
    err = store_get_job(reader, id, &k->job, f);
    return err == ERR_NOT_FOUND ? ERR_OK : err; // Deleted, but its versions are there.
}

// Makes the versions ready to be asked.
static enum err prepare(struct known *k, struct service_problem *p)
{
    enum err err = job_spans_new(&k->versions, &k->spans);
    if (err)
        return service_refuse(p, err, PROBLEM_DAMAGED, NULL,
                              "an earlier schedule of the job can no longer be read");
    for (size_t i = 0; i < k->versions.count && !err; i++) {
        const char *name = k->versions.rows[i].timezone;
        err = zone_find(name, &k->spans[i].zone, NULL);
        if (err)
            service_refuse(p, err, PROBLEM_UNUSABLE, NULL,
                           "the time zone '%.64s' cannot be read on this server", name);
    }
    k->facts.spans = k->spans;
    k->facts.span_count = k->versions.count;
    if (k->job && k->job->kind == JOB_HEARTBEAT)
        k->facts.grace_ms = (dur_ms)k->job->grace_s * 1000;
    if (k->job && k->job->max_runs)
        k->facts.runs_left = k->job->max_runs - MIN(k->job->runs, k->job->max_runs);
    return err;
}

static size_t next_runs(const struct known *k, wall_ms out[static SERVICE_NEXT_RUNS])
{
    struct service_schedule s;
    return service_read_schedule(k->job, &s)
               ? service_next_runs(k->job, &s, k->facts.now, SERVICE_NEXT_RUNS, out)
               : 0;
}

static struct explanation *explain_occurrence(struct known *k)
{
    struct explanation *out = xcalloc(1, sizeof *out);
    service__judge(&k->facts, out);
    if (k->facts.execution) {
        out->execution = k->execution;
        k->execution = (struct execution){0};
    } else if (out->verdict == EXPLAIN_MISSED) {
        out->execution = k->missed;
        k->missed = (struct execution){0};
    }
    return out;
}

static struct explanation *explain_job(struct known *k)
{
    struct explanation *out = xcalloc(1, sizeof *out);
    service__judge_present(&k->facts, out);
    return out;
}

// The outage of the host that the job calls, or NULL.
static const struct host_down *find_down(const struct core_status *s, const struct job *j)
{
    char origin[ORIGIN_BYTES];
    url_origin(j ? j->api : "", origin);
    for (uint32_t i = 0; i < MIN(s->hosts_down, HOSTS_DOWN_SHOWN); i++)
        if (strcmp(s->down[i].origin, origin) == 0)
            return &s->down[i];
    return NULL;
}

// The host that the job calls, when executions of the job's rate wait there, or NULL.
static const struct host_paced *find_paced(const struct core_status *s, const struct job *j)
{
    char origin[ORIGIN_BYTES];
    url_origin(j ? j->api : "", origin);
    uint32_t own = j ? j->max_rate_per_host : 0;
    uint32_t rate = own ? own : s->host_rate_max;
    for (uint32_t i = 0; i < MIN(s->hosts_paced, HOSTS_PACED_SHOWN); i++)
        if (s->paced[i].rate == rate && strcmp(s->paced[i].origin, origin) == 0)
            return &s->paced[i];
    return NULL;
}

static enum err explain_at(struct service *s, job_id id, wall_ms at, bool job_itself,
                           struct explanation **out, struct service_problem *p)
{
    struct engine_status status = engine_status(s->engine);
    struct known k = {.facts = {.at = at - ((at % 1000) + 1000) % 1000,
                                .now = clock_wall_ms(),
                                .store_stalled = status.store_stalled,
                                .draining = status.core.draining}};
    struct fault f = {0};
    struct store_reader *reader = service__reader_take(&s->readers);
    enum err err = read_all(reader, id, &k, &f);
    service__reader_return(&s->readers, reader);
    k.facts.down = find_down(&status.core, k.job);
    k.facts.paced = find_paced(&status.core, k.job);
    if (err)
        service__refuse_err(p, err, &f);
    else
        err = prepare(&k, p);
    if (!err)
        *out = job_itself ? explain_job(&k) : explain_occurrence(&k);
    if (!err && k.job)
        (*out)->run_count = next_runs(&k, (*out)->runs);
    known_fini(&k);
    return err;
}

enum err service_explain(struct service *s, job_id id, wall_ms at, struct explanation **out,
                         struct service_problem *p)
{
    return explain_at(s, id, at, false, out, p);
}

enum err service_explain_job(struct service *s, job_id id, struct explanation **out,
                             struct service_problem *p)
{
    return explain_at(s, id, clock_wall_ms(), true, out, p);
}

void explanation_free(struct explanation *e)
{
    if (!e)
        return;
    free_texts(&e->execution);
    free(e->reason);
    free(e);
}
