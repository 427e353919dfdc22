// SPDX-License-Identifier: MIT
// upcoming.c: what jobs will do, in order of time: forecasts are made, and kept for the next page.
//
// To read a million jobs takes seconds, so a forecast is good for ten times as long as it took to
// make: who asks all the time costs a tenth of a thread, and where there are few jobs a change is
// seen at once. One thread makes a forecast at a time. Others take an older one meanwhile, or are
// told to come again, so that they do not keep the threads for questions from everybody else.

#include "service/forecast_priv.h"

#include <assert.h>
#include <string.h>

#define GOOD_FOR 10        // Times as long as the making took.
#define JOBS_AT_ONCE 20000 // A query may not take as long as all jobs would.

void service__forecasts_init(struct forecasts *f)
{
    *f = (struct forecasts){0};
    pthread_mutex_init(&f->lock, NULL);
}

static void kept_free(struct kept_forecast *k)
{
    if (!k)
        return;
    assert(k->readers == 0);
    forecast_free(k->forecast);
    free(k->text);
    free(k->tag);
    free(k);
}

void service__forecasts_fini(struct forecasts *f)
{
    for (size_t i = 0; i < FORECASTS_KEPT; i++)
        kept_free(f->kept[i]);
    pthread_mutex_destroy(&f->lock);
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

// --- Keeping, under the lock ---------------------------------------------------------------------

static struct kept_forecast **place_of(struct forecasts *f, const struct upcoming_query *q)
{
    struct kept_forecast **free_place = NULL, **oldest = NULL;
    for (size_t i = 0; i < FORECASTS_KEPT; i++) {
        struct kept_forecast **place = &f->kept[i];
        if (*place && same((*place)->text, q->text) && same((*place)->tag, q->tag))
            return place;
        if (!*place)
            free_place = place;
        else if (!oldest || (*place)->used_at < (*oldest)->used_at)
            oldest = place;
    }
    return free_place ? free_place : oldest;
}

static struct kept_forecast *find(struct forecasts *f, const struct upcoming_query *q)
{
    struct kept_forecast *k = *place_of(f, q);
    return k && same(k->text, q->text) && same(k->tag, q->tag) ? k : NULL;
}

static void keep(struct forecasts *f, const struct upcoming_query *q, struct kept_forecast *k)
{
    struct kept_forecast **place = place_of(f, q), *old = *place;
    *place = k;
    if (old && old->readers > 0)
        old->is_old = true;
    else
        kept_free(old);
}

static void let_go(struct forecasts *f, struct kept_forecast *k)
{
    pthread_mutex_lock(&f->lock);
    bool is_last = --k->readers == 0 && k->is_old;
    pthread_mutex_unlock(&f->lock);
    if (is_last)
        kept_free(k);
}

// --- Making --------------------------------------------------------------------------------------

struct making {
    struct forecast *forecast;
    job_id last;
    size_t seen; // In the query under way.
};

static enum err add_found(void *making, const struct job_found *j)
{
    struct making *m = making;
    m->last = j->job->id;
    m->seen++;
    return forecast_add(m->forecast, j->job);
}

static enum err read_jobs(struct store_reader *reader, const struct upcoming_query *q,
                          struct making *m, struct fault *f)
{
    struct job_query jobs = {.text = q->text, .tag = q->tag, .is_active = 1, .limit = JOBS_AT_ONCE};
    enum err err = ERR_OK;
    do {
        m->seen = 0;
        jobs.after = m->last;
        err = store_find_jobs(reader, &jobs, add_found, m, f);
    } while (!err && m->seen == jobs.limit);
    return err;
}

static enum err make(struct service *s, const struct upcoming_query *q, struct kept_forecast **out,
                     struct service_problem *p)
{
    struct readers *from;
    struct fault f = {0};
    mono_ms begun = clock_mono_ms();
    struct making m = {.forecast = forecast_new(clock_wall_ms(), UPCOMING_RULES_MAX)};
    struct store_reader *reader = service__list_reader_take(s, &from);
    enum err err = read_jobs(reader, q, &m, &f);
    service__reader_return(from, reader);
    if (err)
        forecast_free(m.forecast);
    if (err == ERR_LIMIT)
        return service_refuse(p, err, PROBLEM_FIELD, "q",
                              "the jobs have more than %d different schedules; narrow the list "
                              "with q or tag",
                              UPCOMING_RULES_MAX);
    if (err)
        return service__refuse_err(p, err, &f);
    mono_ms now = clock_mono_ms();
    struct kept_forecast *k = xcalloc(1, sizeof *k);
    k->forecast = m.forecast;
    k->text = xstrdup(q->text);
    k->tag = xstrdup(q->tag);
    k->good_until = now + GOOD_FOR * (now - begun);
    *out = k;
    return ERR_OK;
}

// The forecast is the caller's to let go.
static enum err make_and_keep(struct service *s, const struct upcoming_query *q,
                              struct kept_forecast **out, struct service_problem *p)
{
    struct forecasts *f = &s->forecasts;
    enum err err = make(s, q, out, p);
    pthread_mutex_lock(&f->lock);
    f->is_making = false;
    if (!err) {
        (*out)->readers = 1;
        (*out)->used_at = clock_mono_ms();
        keep(f, q, *out);
    }
    pthread_mutex_unlock(&f->lock);
    return err;
}

static enum err take(struct service *s, const struct upcoming_query *q, struct kept_forecast **out,
                     struct service_problem *p)
{
    struct forecasts *f = &s->forecasts;
    mono_ms now = clock_mono_ms();
    pthread_mutex_lock(&f->lock);
    struct kept_forecast *k = find(f, q);
    bool will_do = k && (now < k->good_until || f->is_making);
    bool is_busy = !will_do && f->is_making;
    if (will_do) {
        k->readers++;
        k->used_at = now;
    } else if (!is_busy) {
        f->is_making = true;
    }
    pthread_mutex_unlock(&f->lock);
    *out = k;
    if (is_busy)
        return service_refuse(p, ERR_BUSY, PROBLEM_BUSY, NULL,
                              "the jobs are being read for another list; try again");
    return will_do ? ERR_OK : make_and_keep(s, q, out, p);
}

// --- Listing -------------------------------------------------------------------------------------

struct known_job {
    job_id id;
    char *name;
    bool is_gone; // Deleted since the forecast was made.
};

struct listing {
    struct store_reader *reader;
    service_each_upcoming *each;
    void *context;
    struct fault fault;
    struct known_job *known; // Jobs that are in the list already; few, as a page is short.
    size_t count;
    size_t capacity;
};

static enum err look_up(struct listing *l, job_id id, const struct known_job **out)
{
    struct job *j = NULL;
    for (size_t i = 0; i < l->count; i++) {
        *out = &l->known[i];
        if (l->known[i].id == id)
            return ERR_OK;
    }
    enum err err = store_get_job(l->reader, id, &j, &l->fault);
    bool is_gone = err == ERR_NOT_FOUND || err == ERR_STORE_CORRUPT;
    if (err && !is_gone)
        return err;
    l->known = grow(l->known, l->count, &l->capacity, sizeof *l->known);
    l->known[l->count] = (struct known_job){.id = id, .is_gone = is_gone};
    if (j)
        l->known[l->count].name = xstrdup(j->name);
    job_free(j);
    *out = &l->known[l->count++];
    return ERR_OK;
}

static enum err tell(void *listing, const struct forecast_place *o)
{
    struct listing *l = listing;
    const struct known_job *j;
    enum err err = look_up(l, o->job, &j);
    if (err || j->is_gone)
        return err;
    return l->each(l->context, &(struct upcoming_run){{o->at, o->job}, j->name});
}

static void listing_fini(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->known[i].name);
    free(l->known);
}

enum err service_list_upcoming(struct service *s, const struct upcoming_query *q,
                               service_each_upcoming *each, void *context, wall_ms *as_of,
                               struct service_problem *p)
{
    struct kept_forecast *k;
    struct readers *from;
    bool is_first = q->after.at == WALL_NEVER;
    struct forecast_place after = {is_first ? clock_wall_ms() : q->after.at,
                                   is_first ? INT64_MAX : q->after.job};
    enum err err = take(s, q, &k, p);
    if (err)
        return err;
    *as_of = forecast_made_at(k->forecast);
    struct listing l = {.each = each, .context = context};
    l.reader = service__list_reader_take(s, &from);
    err = forecast_list(k->forecast, &after, q->until, tell, &l);
    service__reader_return(from, l.reader);
    listing_fini(&l);
    let_go(&s->forecasts, k);
    if (err == ERR_RANGE)
        return service_refuse(p, ERR_LIMIT, PROBLEM_FIELD, "cursor",
                              "jobs with max_runs run too often to be counted that far ahead; "
                              "narrow the list with q, tag or until");
    return err && err != ERR_LIMIT ? service__refuse_err(p, err, &l.fault) : err;
}
