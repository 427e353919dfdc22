// SPDX-License-Identifier: MIT
// spans.c: the occurrences of a job around an instant, over all versions that are known of the job.

#include "service/service_priv.h"

// The version that held at `at`, or NULL before the first.
const struct job_span *service__span_at(const struct explain_facts *f, wall_ms at)
{
    for (size_t i = f->span_count; i-- > 0;)
        if (f->spans[i].version->from_at < at && at <= f->spans[i].until)
            return &f->spans[i];
    return NULL;
}

const struct job_span *service__span_last(const struct explain_facts *f)
{
    return &f->spans[f->span_count - 1];
}

wall_ms service__next_of(const struct explain_facts *f, wall_ms after)
{
    for (size_t i = 0; i < f->span_count; i++) {
        wall_ms next = job_span_next(&f->spans[i], after, WALL_NEVER);
        if (next != WALL_NEVER)
            return next;
    }
    return WALL_NEVER;
}

// The span's last occurrence up to `limit`, or 0. There is no way to ask a schedule for that, so a
// distance in which there is one is found by doubling, and then halved.
static wall_ms last_of_span(const struct job_span *s, wall_ms limit)
{
    wall_ms first = MAX(s->version->from_at, 0);
    if (limit <= first || job_span_next(s, first, limit) == WALL_NEVER)
        return 0;
    wall_ms none = limit; // No occurrence lies in (none, limit],
    wall_ms one = limit;  // and one lies in (one, limit].
    for (dur_ms back = 1000; job_span_next(s, one, limit) == WALL_NEVER; back *= 2) {
        none = one;
        one = MAX(limit - back, first);
    }
    while (none - one > 1000) {
        wall_ms middle = one + (none - one) / 2;
        if (job_span_next(s, middle, limit) == WALL_NEVER)
            none = middle;
        else
            one = middle;
    }
    return job_span_next(s, one, limit);
}

wall_ms service__previous_of(const struct explain_facts *f, wall_ms before)
{
    for (size_t i = f->span_count; i-- > 0;) {
        wall_ms last = last_of_span(&f->spans[i], before - 1);
        if (last)
            return last;
    }
    return 0;
}

// Whether the version's schedule names the instant, whatever else there is about the version.
bool service__is_scheduled(const struct job_span *s, wall_ms at)
{
    struct job_bounds bounds = job_version_bounds(s->version);
    return job_bounds_have(&bounds, &s->schedule, s->zone, at);
}

// --- What a paused job would do ------------------------------------------------------------------

// The versions that have a schedule, as if none of them were paused. False for the others.
static bool as_active(const struct job_span *s, struct job_span *out, struct job_version *v)
{
    *v = *s->version;
    *out = *s;
    out->version = v;
    if (v->phase != JOB_ACTIVE && v->phase != JOB_PAUSED)
        return false;
    v->phase = JOB_ACTIVE;
    return true;
}

wall_ms service__scheduled_up_to(const struct explain_facts *f, wall_ms at)
{
    struct job_span span;
    struct job_version v;
    for (size_t i = f->span_count; i-- > 0;) {
        wall_ms last = as_active(&f->spans[i], &span, &v) ? last_of_span(&span, at) : 0;
        if (last)
            return last;
    }
    return 0;
}

wall_ms service__scheduled_after(const struct explain_facts *f, wall_ms at)
{
    struct job_span span;
    struct job_version v;
    for (size_t i = 0; i < f->span_count; i++) {
        wall_ms next =
            as_active(&f->spans[i], &span, &v) ? job_span_next(&span, at, WALL_NEVER) : WALL_NEVER;
        if (next != WALL_NEVER)
            return next;
    }
    return WALL_NEVER;
}
