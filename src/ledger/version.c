// SPDX-License-Identifier: MIT
// version.c: what decided a job's occurrences, and since when, so that they can be computed again.
//
// The planner does not need this: it is for whoever asks why a job did not run, and for those who
// check that nothing was lost. Versions begin in order of number. Only a clock that was far ahead
// can leave a later one that begins before an earlier one; the earlier one then holds for nothing.

#include "ledger/ledger.h"

#include <assert.h>
#include <string.h>

// --- Lists -----------------------------------------------------------------------------------

void job_versions_add(struct job_versions *l, const struct job_version *v)
{
    l->rows = grow(l->rows, l->count, &l->capacity, sizeof *l->rows);
    struct job_version *copy = &l->rows[l->count++];
    *copy = *v;
#define JOB_MEMBER(...)
#define JOB_TEXT(member, form, greatest, role, access) JOB_OF_##role(member)
#define JOB_OF_TIMING(member) copy->member = xstrdup(v->member);
#include "ledger/job.def"
    copy->reason = xstrdup(v->reason);
}

void job_versions_begin(struct job_versions *l, const struct job *j, wall_ms from_at,
                        enum job_phase phase)
{
    bool paused = phase == JOB_PAUSED;
    struct job_version v = {
        .job = j->id,
        .number = l->count ? l->rows[l->count - 1].number + 1 : 1,
        .version = j->version,
        .from_at = from_at,
#define JOB_OF_TIMING(member) .member = j->member,
#include "ledger/job.def"
        .paused_until = paused ? j->paused_until : WALL_NEVER,
        .reason = paused ? j->paused_reason : NULL,
        .runs = j->runs,
        .phase = (uint8_t)phase,
    };
    job_versions_add(l, &v);
}

static void drop(struct job_version *v)
{
#define JOB_MEMBER(...)
#define JOB_TEXT(member, form, greatest, role, access) JOB_OF_##role(member)
#define JOB_OF_TIMING(member) free(v->member);
#include "ledger/job.def"
    free(v->reason);
}

void job_versions_prune(struct job_versions *l, wall_ms before)
{
    size_t ended = l->count; // How many come before the last one that had begun by then.
    while (ended > 0 && l->rows[ended - 1].from_at > before)
        ended--;
    if (ended < 2)
        return;
    ended--;
    for (size_t i = 0; i < ended; i++)
        drop(&l->rows[i]);
    l->count -= ended;
    memmove(l->rows, l->rows + ended, l->count * sizeof *l->rows);
}

struct job_versions job_versions_copy(const struct job_versions *l)
{
    struct job_versions copy = {0};
    for (size_t i = 0; i < l->count; i++)
        job_versions_add(&copy, &l->rows[i]);
    return copy;
}

void job_versions_fini(struct job_versions *l)
{
    for (size_t i = 0; i < l->count; i++)
        drop(&l->rows[i]);
    free(l->rows);
    *l = (struct job_versions){0};
}

// --- Their occurrences -----------------------------------------------------------------------

static enum err compile(struct job_span *s)
{
    const struct job_version *v = s->version;
    struct cron_options options = {.hash_seed = v->job, .gap = v->dst_gap, .fold = v->dst_fold};
    return cron_parse(v->schedule, strlen(v->schedule), &options, &s->schedule, NULL);
}

enum err job_spans_new(const struct job_versions *l, struct job_span **out)
{
    struct job_span *spans = xcalloc(l->count, sizeof *spans);
    wall_ms until = WALL_NEVER;
    for (size_t i = l->count; i-- > 0;) {
        spans[i].version = &l->rows[i];
        spans[i].until = until;
        until = MIN(until, l->rows[i].from_at);
        enum err err = compile(&spans[i]);
        if (err) {
            free(spans);
            return err;
        }
    }
    *out = spans;
    return ERR_OK;
}

wall_ms job_span_next(const struct job_span *s, wall_ms after, wall_ms limit)
{
    const struct job_version *v = s->version;
    struct job_bounds bounds = job_version_bounds(v);
    assert(s->zone);
    limit = MIN(limit, s->until);
    after = MAX(after, v->from_at);
    if (v->phase != JOB_ACTIVE || after >= limit)
        return WALL_NEVER;
    wall_ms next = job_bounds_next(&bounds, 0, &s->schedule, s->zone, after);
    return next > limit ? WALL_NEVER : next;
}
