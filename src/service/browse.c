// SPDX-License-Identifier: MIT
// browse.c: lists of jobs with what each did last and does next.
//
// Nothing stores a "next run", so orders and bounds by it are computed: first a search goes through
// the jobs, without their bodies, and keeps as many as will be shown; then these are read whole. By
// id the search ends as soon as it has enough; another order needs every job.

#include "service/service_priv.h"

#include <string.h>

#define WINDOW_IDS 2500 // In one query.
#define WINDOWS_MIN 2   // In one page at least, and
#define WINDOWS_MS 8    // as many as this time has room for.

struct choice {
    wall_ms at; // What the order goes by; WALL_NEVER: the job has no such instant.
    job_id id;
};

struct search {
    const struct browse_query *query;
    struct choice *chosen; // The best so far, in no order; room for two times `wanted`.
    size_t count;
    size_t wanted;
    size_t looked_at;
    job_id last_id; // The last job looked at.
    job_id rest;    // From where a search that has looked long enough goes on; 0: it is over.
};

// --- Which of two comes first --------------------------------------------------------------------

static int compare_by(bool descending, const struct choice *a, const struct choice *b)
{
    bool a_none = a->at == WALL_NEVER, b_none = b->at == WALL_NEVER;
    if (a_none != b_none)
        return a_none ? 1 : -1;
    if (a->at != b->at)
        return (a->at < b->at) == descending ? 1 : -1;
    return (a->id > b->id) - (a->id < b->id);
}

static int compare_up(const void *a, const void *b)
{
    return compare_by(false, a, b);
}

static int compare_down(const void *a, const void *b)
{
    return compare_by(true, a, b);
}

static void sort(struct search *s)
{
    qsort(s->chosen, s->count, sizeof *s->chosen, s->query->descending ? compare_down : compare_up);
}

static bool is_after_cursor(const struct search *s, const struct choice *c)
{
    const struct browse_cursor *after = &s->query->after;
    const struct choice at = {after->at, after->id};
    return !after->id || compare_by(s->query->descending, c, &at) > 0;
}

static void choose(struct search *s, const struct choice *c)
{
    if (s->count == 2 * s->wanted) { // Half of them will not be shown.
        sort(s);
        s->count = s->wanted;
    }
    s->chosen[s->count++] = *c;
}

// --- Searching -----------------------------------------------------------------------------------

static wall_ms next_of(const struct job *j, wall_ms now)
{
    wall_ms next;
    struct service_schedule s;
    if (!j->is_active || !service_read_schedule(j, &s))
        return WALL_NEVER;
    return service_next_runs(j, &s, now, 1, &next) == 1 ? next : WALL_NEVER;
}

static bool needs_next(const struct browse_query *q)
{
    return q->order == JOBS_BY_NEXT_RUN || q->next_before != WALL_NEVER;
}

static bool is_wanted(const struct browse_query *q, const struct job_found *j, wall_ms next)
{
    if (q->last_states && !(j->has_last && (q->last_states & EXECUTION_BIT(j->last_state))))
        return false;
    if (q->also_tag && !job_tags_have(j->job->tags, q->also_tag))
        return false;
    return q->next_before == WALL_NEVER || next < q->next_before;
}

static wall_ms key_of(const struct browse_query *q, const struct job_found *j, wall_ms next)
{
    if (q->order == JOBS_BY_NEXT_RUN)
        return next;
    if (q->order == JOBS_BY_LAST_RUN)
        return j->has_last ? j->last_at : WALL_NEVER;
    return 0;
}

// ERR_LIMIT ends the search: by id it has found enough, or looked far enough.
static enum err look_at(void *search, const struct job_found *j)
{
    struct search *s = search;
    const struct browse_query *q = s->query;
    bool by_id = q->order == JOBS_BY_ID;
    s->last_id = j->job->id;
    if (s->looked_at++ == BROWSE_SORTED_MAX && !by_id)
        return ERR_LIMIT;
    wall_ms next = needs_next(q) ? next_of(j->job, q->jobs.now) : WALL_NEVER;
    struct choice c = {key_of(q, j, next), j->job->id};
    if (is_wanted(q, j, next) && is_after_cursor(s, &c))
        choose(s, &c);
    bool enough = s->count == s->wanted || s->looked_at == BROWSE_LOOKED_AT_MAX;
    return by_id && enough ? ERR_LIMIT : ERR_OK;
}

static enum err keep_id(void *id, const struct job_found *j)
{
    *(job_id *)id = j->job->id;
    return ERR_OK;
}

// The first job behind `after`, whatever it is; 0: there is none.
static enum err find_next(struct store_reader *reader, job_id after, job_id *out, struct fault *f)
{
    struct job_query any = {.is_active = -1, .after = after, .limit = 1};
    *out = 0;
    return store_find_jobs(reader, &any, keep_id, out, f);
}

// What no index finds is looked for in one window of ids after the other, so that a page comes soon
// whatever is asked for and however many jobs there are. The end of the windows is the rest.
static enum err search_windows(struct store_reader *reader, struct job_query *jobs,
                               struct search *s, struct fault *f)
{
    mono_ms begun = clock_mono_ms();
    job_id next = 0;
    enum err err = ERR_OK;
    for (size_t windows = 1; !err; windows++) {
        err = find_next(reader, jobs->after, &next, f);
        if (err || !next)
            return err;
        jobs->until = next + WINDOW_IDS - 1;
        err = store_find_jobs(reader, jobs, look_at, s, f);
        jobs->after = jobs->until;
        if (!err && windows >= WINDOWS_MIN && clock_mono_ms() - begun >= WINDOWS_MS) {
            s->rest = jobs->until;
            return ERR_OK;
        }
    }
    return err;
}

static enum err search(struct store_reader *reader, struct search *s, struct service_problem *p)
{
    const struct browse_query *q = s->query;
    struct fault f = {0};
    struct job_query jobs = q->jobs;
    jobs.limit = SIZE_MAX;
    jobs.after = q->order == JOBS_BY_ID ? q->after.id : 0;
    jobs.wants_last = q->last_states || q->order == JOBS_BY_LAST_RUN;
    bool in_windows = q->order == JOBS_BY_ID && !store_has_index_for(reader, &jobs);
    enum err err = in_windows ? search_windows(reader, &jobs, s, &f)
                              : store_find_jobs(reader, &jobs, look_at, s, &f);
    if (err == ERR_LIMIT && q->order != JOBS_BY_ID)
        return service_refuse(p, err, PROBLEM_FIELD, "sort",
                              "there are more than %d jobs to bring into order; narrow the list "
                              "with q, tag or is_active",
                              BROWSE_SORTED_MAX);
    if (err && err != ERR_LIMIT)
        return service__refuse_err(p, err, &f);
    sort(s);
    s->count = MIN(s->count, s->wanted);
    return ERR_OK;
}

// --- Showing -------------------------------------------------------------------------------------

struct showing {
    struct browsed_job job;
    service_each_browsed *each;
    void *context;
    bool shown;
};

static enum err show_with_last(void *showing, const struct execution *e)
{
    struct showing *s = showing;
    s->job.last = e;
    s->shown = true;
    return s->each(s->context, &s->job);
}

// A job that is deleted meanwhile, or cannot be read, is left out.
static enum err show(struct store_reader *reader, const struct browse_query *q,
                     const struct choice *c, service_each_browsed *each, void *context,
                     struct fault *f)
{
    struct job *j;
    enum err err = store_get_job(reader, c->id, &j, f);
    if (err == ERR_NOT_FOUND || err == ERR_STORE_CORRUPT)
        return ERR_OK;
    if (err)
        return err;
    struct showing s = {
        .job = {.job = j, .next = next_of(j, q->jobs.now), .cursor = {c->at, c->id}},
        .each = each,
        .context = context,
    };
    struct execution_query last = {
        .job = c->id,
        .trigger = -1,
        .to = q->jobs.now,
        .before = {.scheduled_at = WALL_NEVER, .id = INT64_MAX},
        .limit = 1,
    };
    err = store_list_executions(reader, &last, show_with_last, &s, f);
    if (!err && !s.shown)
        err = each(context, &s.job);
    job_free(j);
    return err;
}

static enum err show_all(struct store_reader *reader, const struct search *s,
                         service_each_browsed *each, void *context, struct service_problem *p)
{
    struct fault f = {0};
    enum err err = ERR_OK;
    for (size_t i = 0; i < s->count && !err; i++)
        err = show(reader, s->query, &s->chosen[i], each, context, &f);
    return err ? service__refuse_err(p, err, &f) : ERR_OK;
}

enum err service_browse_jobs(struct service *s, const struct browse_query *q,
                             service_each_browsed *each, void *context, struct browse_cursor *rest,
                             struct service_problem *p)
{
    struct search found = {.query = q, .wanted = q->limit + 1};
    found.chosen = xcalloc(2 * found.wanted, sizeof *found.chosen);
    struct readers *from;
    struct store_reader *reader = service__list_reader_take(s, &from);
    enum err err = search(reader, &found, p);
    if (!err)
        err = show_all(reader, &found, each, context, p);
    service__reader_return(from, reader);
    bool looked_enough = q->order == JOBS_BY_ID && found.count < found.wanted &&
                         found.looked_at == BROWSE_LOOKED_AT_MAX;
    *rest = (struct browse_cursor){.id = looked_enough ? found.last_id : found.rest};
    free(found.chosen);
    return err;
}
