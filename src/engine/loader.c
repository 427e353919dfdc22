// SPDX-License-Identifier: MIT
// loader.c: the thread that reads what a shard holds, for an engine that has gained it.
//
// The engine goes on with the shards that it has meanwhile. What is read goes to it by mail, a part
// at a time and few at once, so that a shard of any size takes little memory and no long turn:
//
//   the row     its next ids raised above those that there are
//   jobs        in order of id, some hundred at a time
//   executions  those that are open, the same way
//   the end     and whether the shard was still ours after the last row had been read
//
// At a start a failure to read is the failure of the start. Later it is tried again, from where it
// was, for as long as the shard is ours. Which shards are wanted is the engine's to say; between
// two parts the loader looks whether the one at hand still is.

#define _GNU_SOURCE // pthread_setname_np

#include "engine/engine_priv.h"
#include "zones/zones.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define PARTS_MAX 2 // On their way to the engine.
#define ROWS_AT_WORK 256
#define ROWS_AT_START 1024 // What a slice held leaves holes among the jobs that stay.
#define RETRY_MS 1000

struct loader {
    struct engine *engine;
    pthread_t thread;
    bool thread_runs;
    struct store_reader *reader; // Owned by the thread. NULL while there is nothing to read.

    pthread_mutex_t lock; // Guards what follows.
    pthread_cond_t changed;
    struct shard queue[SHARDS_MAX]; // Rows of shards that wait to be loaded.
    size_t queued;
    int64_t wanted[SHARDS_MAX]; // By shard: the epoch in which it is to be loaded; 0: it is not.
    unsigned parts_out;
    bool is_start;
    bool ending;
};

// A shard on its way.
struct task {
    struct shard row;
    struct store_slice slice;
    struct load_part *part; // Being filled.
    bool is_told;           // The log says that it cannot be read.
    struct fault *fault;
};

static struct load_part *part_new(enum part_kind kind, const struct shard *row)
{
    struct load_part *p = xcalloc(1, sizeof *p);
    p->kind = kind;
    p->row = *row;
    return p;
}

void engine__part_free(struct load_part *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->job_count; i++) {
        job_free(p->jobs[i].job);
        free(p->jobs[i].reason);
    }
    free(p->jobs);
    free(p->executions);
    arena_clear(&p->texts);
    free(p);
}

// --- What is wanted ------------------------------------------------------------------------------

static bool is_wanted(const struct loader *l, const struct shard *row)
{
    return !l->ending && l->wanted[row->number] == row->epoch;
}

static bool is_wanted_now(struct loader *l, const struct shard *row)
{
    pthread_mutex_lock(&l->lock);
    bool wanted = is_wanted(l, row);
    pthread_mutex_unlock(&l->lock);
    return wanted;
}

void engine__loader_add(struct loader *l, const struct shard *row)
{
    pthread_mutex_lock(&l->lock);
    assert(l->wanted[row->number] == 0 && l->queued < SHARDS_MAX);
    l->wanted[row->number] = row->epoch;
    l->queue[l->queued++] = *row;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

void engine__loader_forget(struct loader *l, uint32_t shard)
{
    size_t kept = 0;
    pthread_mutex_lock(&l->lock);
    l->wanted[shard] = 0;
    for (size_t i = 0; i < l->queued; i++)
        if (l->queue[i].number != shard)
            l->queue[kept++] = l->queue[i];
    l->queued = kept;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

void engine__loader_took(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    assert(l->parts_out > 0);
    l->parts_out--;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

void engine__loader_end_start(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->is_start = false;
    pthread_mutex_unlock(&l->lock);
}

static bool is_start(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    bool start = l->is_start;
    pthread_mutex_unlock(&l->lock);
    return start;
}

// --- Reading -------------------------------------------------------------------------------------

// An id that is given twice would end the program at its commit. A row whose id nobody can have
// given counts for nothing.
static void raise_above(int64_t *next, int64_t last, int64_t max)
{
    if (last <= max)
        *next = MAX(*next, last + 1);
}

static enum err read_row(struct loader *l, struct task *t)
{
    struct last_ids last;
    enum err err = store_read_last_ids(l->reader, t->row.number, &last, t->fault);
    if (err)
        return err;
    assert(t->row.epoch > 0 && t->row.tick == 0); // Nobody has written in this epoch.
    raise_above(&t->row.job_next, last.job, JOB_ID_MAX - 1);
    raise_above(&t->row.execution_next, last.execution, INT64_MAX / 4);
    raise_above(&t->row.alert_next, last.alert, INT64_MAX / 4);
    t->part = part_new(PART_ROW, &t->row);
    return ERR_OK;
}

// Only what is no fault of the job ends the list: the machine's time zones cannot be read.
static enum err judge_job(struct task *t, struct loaded_job *out)
{
    char reason[JOB_REASON_BYTES];
    struct fault f = {0};
    const struct job *j = out->job;
    enum err err = j->damaged ? ERR_OK : zone_find(j->timezone, &out->zone, &f);
    if (err == ERR_SYSTEM)
        return fault_set(t->fault, err, "%s", f.text);
    if (j->damaged)
        snprintf(reason, sizeof reason, "its row holds what no version writes: %s", j->damaged);
    else
        snprintf(reason, sizeof reason, "its time zone cannot be used: %s", f.text);
    if (j->damaged || err)
        out->reason = xstrdup(reason);
    return ERR_OK;
}

static enum err note_job(void *context, const struct job *j)
{
    struct task *t = context;
    struct load_part *p = t->part;
    p->jobs = grow(p->jobs, p->job_count, &p->job_capacity, sizeof *p->jobs);
    struct loaded_job *out = &p->jobs[p->job_count++];
    *out = (struct loaded_job){.job = job_copy(j)};
    t->slice.after = j->id;
    return judge_job(t, out);
}

static enum err note_execution(void *context, const struct execution *x)
{
    struct task *t = context;
    struct load_part *p = t->part;
    p->executions =
        grow(p->executions, p->execution_count, &p->execution_capacity, sizeof *p->executions);
    struct execution *out = &p->executions[p->execution_count++];
    *out = *x;
    out->error = arena_text(&p->texts, x->error);
    out->request_body = arena_text(&p->texts, x->request_body);
    out->held_by = arena_text(&p->texts, x->held_by);
    out->reason = arena_text(&p->texts, x->reason);
    t->slice.after = x->id;
    return ERR_OK;
}

static enum err read_jobs(struct loader *l, struct task *t)
{
    t->part = part_new(PART_JOBS, &t->row);
    return store_load_jobs(l->reader, &t->slice, note_job, t, t->fault);
}

static enum err read_open(struct loader *l, struct task *t)
{
    t->part = part_new(PART_OPEN, &t->row);
    return store_load_open(l->reader, &t->slice, note_execution, t, t->fault);
}

// Only an epoch that stands after the last row was read tells that all rows were ours.
static enum err read_end(struct loader *l, struct task *t)
{
    struct shard now;
    enum err err = store_read_shard(l->reader, t->row.number, &now, t->fault);
    if (err)
        return err;
    t->part = part_new(PART_END, &t->row);
    t->part->is_ours = now.epoch == t->row.epoch;
    return ERR_OK;
}

// --- One step of a task --------------------------------------------------------------------------

// False: the shard is not wanted any more, or nobody listens.
static bool mail_part(struct loader *l, struct load_part *p)
{
    pthread_mutex_lock(&l->lock);
    while (l->parts_out >= PARTS_MAX && is_wanted(l, &p->row))
        pthread_cond_wait(&l->changed, &l->lock);
    bool goes = is_wanted(l, &p->row);
    l->parts_out += goes;
    pthread_mutex_unlock(&l->lock);
    if (goes)
        engine__post_part(l->engine, p);
    else
        engine__part_free(p);
    return goes;
}

// False: the shard is not wanted any more.
static bool wait_to_retry(struct loader *l, const struct shard *row)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const struct timespec until = engine__deadline(now, RETRY_MS);
    int rc = 0;
    pthread_mutex_lock(&l->lock);
    while (is_wanted(l, row) && rc == 0)
        rc = pthread_cond_timedwait(&l->changed, &l->lock, &until);
    bool wanted = is_wanted(l, row);
    pthread_mutex_unlock(&l->lock);
    return wanted;
}

// What was read of the part is dropped, and the slice is read again from its beginning.
static bool failed(struct loader *l, struct task *t, enum err err)
{
    engine__part_free(t->part);
    t->part = NULL;
    store_reader_close(l->reader);
    l->reader = NULL;
    if (is_start(l)) {
        t->part = part_new(PART_FAILED, &t->row);
        t->part->fault = *t->fault;
        t->part->fault.code = err;
        return false;
    }
    if (!t->is_told)
        log_error("shard.load_failed", LOG_INT("shard", t->row.number),
                  LOG_TEXT("error", err_text(err)), LOG_TEXT("detail", t->fault->text));
    t->is_told = true;
    return wait_to_retry(l, &t->row);
}

// Reads a part, as often as it takes, and mails it. *count: its rows. False: this was the last one.
static bool carry_out(struct loader *l, struct task *t,
                      enum err (*read)(struct loader *l, struct task *t), size_t *count)
{
    const int64_t after = t->slice.after;
    bool goes_on = is_wanted_now(l, &t->row);
    while (goes_on && !t->part) {
        struct fault f = {0};
        t->fault = &f;
        t->slice.after = after;
        t->slice.limit = is_start(l) ? ROWS_AT_START : ROWS_AT_WORK;
        enum err err = l->reader ? ERR_OK : store_reader_open(l->engine->store, &l->reader, &f);
        if (!err)
            err = read(l, t);
        if (err)
            goes_on = failed(l, t, err);
    }
    struct load_part *p = t->part;
    t->part = NULL;
    *count = p ? p->job_count + p->execution_count : 0;
    return p && mail_part(l, p) && goes_on;
}

static bool carry_out_all(struct loader *l, struct task *t,
                          enum err (*read)(struct loader *l, struct task *t))
{
    size_t count;
    bool goes_on = true;
    t->slice.after = 0;
    do
        goes_on = carry_out(l, t, read, &count);
    while (goes_on && count == t->slice.limit);
    return goes_on;
}

static void load(struct loader *l, const struct shard *row)
{
    struct task t = {.row = *row, .slice = {.shard = row->number}};
    size_t ignored;
    if (carry_out(l, &t, read_row, &ignored) && carry_out_all(l, &t, read_jobs) &&
        carry_out_all(l, &t, read_open))
        (void)carry_out(l, &t, read_end, &ignored);
}

// --- The thread ----------------------------------------------------------------------------------

// False: the end. The connection is not kept while there is nothing to read.
static bool next_shard(struct loader *l, struct shard *out)
{
    pthread_mutex_lock(&l->lock);
    if (l->queued == 0) {
        pthread_mutex_unlock(&l->lock);
        store_reader_close(l->reader);
        l->reader = NULL;
        pthread_mutex_lock(&l->lock);
    }
    while (l->queued == 0 && !l->ending)
        pthread_cond_wait(&l->changed, &l->lock);
    bool goes_on = !l->ending;
    if (goes_on) {
        *out = l->queue[0];
        memmove(l->queue, l->queue + 1, --l->queued * sizeof *l->queue);
    }
    pthread_mutex_unlock(&l->lock);
    return goes_on;
}

static void *run(void *context)
{
    struct loader *l = context;
    struct shard row;
    while (next_shard(l, &row))
        load(l, &row);
    store_reader_close(l->reader);
    l->reader = NULL;
    return NULL;
}

struct loader *engine__loader_new(struct engine *e)
{
    struct loader *l = xcalloc(1, sizeof *l);
    l->engine = e;
    l->is_start = true;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return l;
}

enum err engine__loader_start(struct loader *l, struct fault *f)
{
    assert(!l->thread_runs);
    sigset_t all; // Signals are for the main thread.
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int problem = pthread_create(&l->thread, NULL, run, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (problem)
        return fault_set(f, ERR_SYSTEM, "cannot start the loading thread: %s", strerror(problem));
    pthread_setname_np(l->thread, "loader");
    l->thread_runs = true;
    return ERR_OK;
}

void engine__loader_stop(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->ending = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (l->thread_runs)
        pthread_join(l->thread, NULL);
    l->thread_runs = false;
}

void engine__loader_free(struct loader *l)
{
    if (!l)
        return;
    assert(!l->thread_runs);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
