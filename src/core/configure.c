// SPDX-License-Identifier: MIT
// configure.c: from the row of a job to what the core keeps of it.
//
// There may be a million jobs, so what many of them have in common is kept once: the timing and the
// policy are interned. Jobs that spread by `H` or by jitter differ in one of them at most. Equal
// timings are one object, so that a change of it is a change of which occurrences there are. A new
// one is taken before the old one is released: its address cannot be the same by chance.

#include "core/core_priv.h"

#include <assert.h>
#include <string.h>

// --- Shared by jobs ---

_Static_assert(sizeof(struct timing) == sizeof(struct cron_schedule) + 32, "it has padding");
_Static_assert(sizeof(struct policy) ==
                   offsetof(struct policy, unused) + sizeof(((struct policy *)0)->unused),
               "it has padding");
_Static_assert(offsetof(struct policy, unused) ==
                   sizeof(struct status_set) + sizeof(struct failure_rate) + POLICY_BYTES,
               "it has padding");

enum err core__timing_read(const struct job *from, const struct zone *zone,
                           const struct cron_schedule *compiled, struct timing *out)
{
    struct cron_options options = {
        .hash_seed = from->id, .gap = from->dst_gap, .fold = from->dst_fold};
    *out = (struct timing){
        .zone = zone,
        .bounds = job_bounds_of(from),
    };
    if (compiled) {
        out->schedule = *compiled;
        return ERR_OK;
    }
    return cron_parse(from->schedule, strlen(from->schedule), &options, &out->schedule, NULL);
}

// A queue is a limit of one.
static struct policy policy_of(const struct job *from)
{
    struct policy p = {.success_status = status_set_2xx};
#define JOB_TEXT(...)
#define JOB_OF_POLICY(member) p.member = from->member;
#include "ledger/job.def"
    if (from->overlap == OVERLAP_QUEUE)
        p.max_in_flight = 1;
    struct status_set set;
    if (from->success_status && status_set_parse(from->success_status, &set, NULL) == ERR_OK)
        p.success_status = set; // Checked when it came; the default holds if it is unreadable now.
    if (failure_rate_parse(from->alert_rate, &p.alert_rate, NULL))
        p.alert_rate = (struct failure_rate){0}; // As above.
    return p;
}

static void set_timing(struct core *c, struct core_job *j, const struct timing *timing)
{
    const struct timing *old = j->timing;
    j->timing = intern_take(&c->timings, timing);
    intern_release(&c->timings, old);
}

static void set_policy(struct core *c, struct core_job *j, const struct policy *policy)
{
    const struct policy *old = j->policy;
    j->policy = intern_take(&c->policies, policy);
    intern_release(&c->policies, old);
}

void core__job_set_zone(struct core *c, struct core_job *j, const struct zone *zone)
{
    struct timing timing = *j->timing;
    timing.zone = zone;
    set_timing(c, j, &timing);
}

// --- Its own ---

static char *text_copy(char **at, const char *text)
{
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    char *copy = memcpy(*at, text, bytes);
    *at += bytes;
    return copy;
}

// Each text is bounded where it is accepted, so a job's have far less than 4 GiB.
static uint32_t texts_bytes(const struct job *from)
{
    return (uint32_t)job_texts_bytes(from);
}

uint64_t core__texts_growth(const struct core_job *j, const struct job *from)
{
    uint32_t before = j ? j->texts_bytes : 0, after = texts_bytes(from);
    return after > before ? after - before : 0;
}

bool core__texts_fit(const struct core *c, const struct core_job *j, const struct job *from)
{
    uint32_t before = j ? j->texts_bytes : 0, after = texts_bytes(from);
    return after <= before || c->texts_bytes - before + after <= c->limits.texts_bytes_max;
}

// The texts of a request in one allocation, which api, the first of them, points to.
static void set_request(struct core *c, struct core_job *j, const struct job *from)
{
    if (j->api) {
        c->lent_texts =
            grow(c->lent_texts, c->lent_count, &c->lent_capacity, sizeof *c->lent_texts);
        c->lent_texts[c->lent_count++] = (char *)j->api;
    }
    c->texts_bytes -= j->texts_bytes;
    j->texts_bytes = texts_bytes(from);
    c->texts_bytes += j->texts_bytes;
    char *at = xmalloc(j->texts_bytes);
#define JOB_OF_REQUEST(member) j->member = text_copy(&at, from->member);
#include "ledger/job.def"
}

// Executions on their way hold the host they set out for, so the old one may still be in use.
static void set_host(struct core *c, struct core_job *j, const struct url *url)
{
    char origin[ORIGIN_BYTES];
    if (url)
        url_origin_of(url, origin);
    else
        url_origin(j->api, origin);
    struct host *old = j->host;
    j->host = core__host_take(c, origin);
    for (const struct open *o = j->first_open; o; o = o->job_next) {
        j->host->open++;
        old->open--;
    }
    core__host_release(c, old);
}

bool core__job_configure(struct core *c, struct core_job *j, const struct job *from,
                         const struct timing *timing, const struct url *url)
{
    const struct timing *timing_before = j->timing;
    bool was_active = j->active;
    struct policy policy = policy_of(from);
    set_request(c, j, from);
    set_host(c, j, url);
    set_timing(c, j, timing);
    set_policy(c, j, &policy);
    j->version = from->version;
    j->effective_from = j->changed_at = from->effective_from;
    j->paused_until = from->paused_until;
    j->runs = from->runs;
    j->failures = from->failures;
    core__incident_load(j, from->trouble);
    j->active = from->is_active;
    j->finished = from->finished && !from->is_active;
    j->unusable = false;
    c->jobs_active += j->active;
    c->jobs_active -= was_active;
    return j->active != was_active || j->timing != timing_before;
}

enum err core__job_add(struct core *c, const struct job *from, const struct timing *timing,
                       const struct url *url, struct core_job **out)
{
    if (c->jobs.count >= c->limits.jobs_max)
        return ERR_LIMIT;
    struct core_job *j = core__job_insert(c, from->id);
    core__job_configure(c, j, from, timing, url);
    *out = j;
    return ERR_OK;
}

void core__job_forget(struct core *c, struct core_job *j)
{
    assert(!j->first_open);
    core__host_release(c, j->host);
    intern_release(&c->timings, j->timing);
    intern_release(&c->policies, j->policy);
    core__incident_forget(c, j);
    free((char *)j->api);
    c->texts_bytes -= j->texts_bytes;
    core__job_remove(c, j);
}
