// SPDX-License-Identifier: MIT
// loader.c: the thread that reads what shards hold, for an engine that has gained them.
//
// The engine goes on with the shards that it has meanwhile. What is read goes to it by mail, a
// slice at a time and few at once, so that shards of any size take little memory and no long turn.
// All shards that wait are read together, since most queries cost the same for one shard and for a
// hundred; a slice may hold parts of several:
//
//   the rows    their next ids raised above those that there are
//   jobs        in order of shard and id, some hundred at a time; behind each slice, for the shards
//               whose last job was in it:
//   executions  those that are open, the same way
//   the end     and whether the shard was still ours after the last row had been read
//
// At a start a failure to read is the failure of the start. Later it is tried again, from where it
// was, for as long as a shard is ours. Which shards are wanted is the engine's to say; between two
// slices the loader looks whether those at hand still are.

#define _GNU_SOURCE // pthread_setname_np

#include "engine/loader_priv.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#define SLICES_MAX 2 // On their way to the engine.
#define ROWS_AT_WORK 256
#define ROWS_AT_START 1024 // What a slice held leaves holes among the jobs that stay.
#define RETRY_MS 1000

static void free_parts(struct load_part *list)
{
    while (list) {
        struct load_part *next = list->next;
        engine__part_free(list);
        list = next;
    }
}

// --- What is wanted ------------------------------------------------------------------------------

static bool is_wanted(const struct loader *l, const struct shard *row)
{
    return !l->ending && l->wanted[row->number] == row->epoch;
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
    assert(l->slices_out > 0);
    l->slices_out--;
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

// --- Mailing -------------------------------------------------------------------------------------

// Under the lock.
static bool is_any_wanted(const struct loader *l, const struct load_part *list)
{
    while (list && !is_wanted(l, &list->row))
        list = list->next;
    return list != NULL;
}

// Moves the parts of shards that are not wanted any more out of the list. Under the lock.
static struct load_part *take_unwanted(const struct loader *l, struct load_part **list)
{
    struct load_part *unwanted = NULL;
    while (*list) {
        struct load_part *p = *list;
        if (is_wanted(l, &p->row)) {
            list = &p->next;
            continue;
        }
        *list = p->next;
        p->next = unwanted;
        unwanted = p;
    }
    return unwanted;
}

// The last part tells that the engine has the slice.
static void mail_slice(struct group *g)
{
    struct loader *l = g->loader;
    pthread_mutex_lock(&l->lock);
    while (l->slices_out >= SLICES_MAX && is_any_wanted(l, g->first))
        pthread_cond_wait(&l->changed, &l->lock);
    struct load_part *unwanted = take_unwanted(l, &g->first);
    struct load_part *p = g->first;
    l->slices_out += p != NULL;
    pthread_mutex_unlock(&l->lock);
    free_parts(unwanted);
    g->first = g->last = NULL;
    while (p) {
        struct load_part *next = p->next;
        p->next = NULL;
        p->ends_slice = !next;
        engine__post_part(l->engine, p);
        p = next;
    }
}

// --- One step of a group -------------------------------------------------------------------------

// What is not wanted any more leaves the group. Returns how many of the first `count` stay.
static size_t keep_wanted(struct group *g, size_t count)
{
    struct loader *l = g->loader;
    size_t kept = 0;
    size_t first_kept = 0;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < g->count; i++) {
        if (!is_wanted(l, &g->rows[i]))
            continue;
        first_kept += i < count;
        g->rows[kept++] = g->rows[i];
    }
    pthread_mutex_unlock(&l->lock);
    g->count = kept;
    return first_kept;
}

static void leave_first(struct group *g, size_t count)
{
    g->count -= count;
    memmove(g->rows, g->rows + count, g->count * sizeof *g->rows);
}

// The slice behind the row where the one before has ended, of the first `count` shards. False:
// nothing is left there.
static bool aim(struct group *g, const struct store_slice *before, size_t count)
{
    size_t i = 0;
    while (i < count && g->rows[i].number < before->shard)
        i++;
    if (i == count)
        return false;
    bool goes_on = g->rows[i].number == before->shard;
    g->further = (struct shard_set){0};
    g->slice = (struct store_slice){.shard = g->rows[i].number,
                                    .after = goes_on ? before->after : 0,
                                    .further = &g->further,
                                    .limit = is_start(g->loader) ? ROWS_AT_START : ROWS_AT_WORK};
    while (++i < count)
        shard_set_add(&g->further, g->rows[i].number);
    return true;
}

static void fail_start(struct group *g, enum err err)
{
    for (size_t i = 0; i < g->count; i++) {
        struct load_part *p = engine__add_part(g, PART_FAILED, &g->rows[i]);
        p->fault = *g->fault;
        p->fault.code = err;
    }
    mail_slice(g);
    g->count = 0;
}

// Under the lock.
static bool is_group_wanted(const struct group *g)
{
    size_t i = 0;
    while (i < g->count && !is_wanted(g->loader, &g->rows[i]))
        i++;
    return i < g->count;
}

static void wait_to_retry(struct group *g)
{
    struct loader *l = g->loader;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const struct timespec until = engine__deadline(now, RETRY_MS);
    int rc = 0;
    pthread_mutex_lock(&l->lock);
    while (is_group_wanted(g) && rc == 0)
        rc = pthread_cond_timedwait(&l->changed, &l->lock, &until);
    pthread_mutex_unlock(&l->lock);
}

// What was read of the slice is dropped, and it is read again from its beginning.
static void failed(struct group *g, enum err err)
{
    free_parts(g->first);
    g->first = g->last = NULL;
    store_reader_close(g->loader->reader);
    g->loader->reader = NULL;
    if (is_start(g->loader)) {
        fail_start(g, err);
        return;
    }
    if (!g->is_told)
        log_error("shard.load_failed", LOG_INT("shard", g->rows[0].number),
                  LOG_INT("shards", g->count), LOG_TEXT("error", err_text(err)),
                  LOG_TEXT("detail", g->fault->text));
    g->is_told = true;
    wait_to_retry(g);
}

// Reads a slice of the first `count` shards, and mails it.
static enum err carry_out(struct group *g, read_some *read, size_t count)
{
    struct loader *l = g->loader;
    struct fault f = {0};
    g->fault = &f;
    g->slice_count = 0;
    enum err err = l->reader ? ERR_OK : store_reader_open(l->engine->store, &l->reader, &f);
    if (!err)
        err = read(g, count);
    if (err)
        failed(g, err);
    else
        mail_slice(g);
    return err;
}

// Reads of the first `*count` shards, of which some may leave, all in one slice.
static void carry_out_once(struct group *g, read_some *read, size_t *count)
{
    while ((*count = keep_wanted(g, *count)) > 0)
        if (carry_out(g, read, *count) == ERR_OK)
            return;
}

// Reads a slice from *at on, and moves *at behind it.
static void carry_out_from(struct group *g, read_some *read, size_t *count, struct store_slice *at)
{
    enum err err = ERR_OK;
    do {
        *count = keep_wanted(g, *count);
        if (!aim(g, at, *count)) {
            *at = (struct store_slice){.shard = SHARDS_MAX};
            return;
        }
        err = carry_out(g, read, *count);
    } while (err);
    *at = g->slice;
    if (g->slice_count < g->slice.limit)
        *at = (struct store_slice){.shard = SHARDS_MAX};
}

// Shards whose jobs are all read, the first ones, are read to their end, and leave the group.
static void finish(struct group *g, size_t count)
{
    struct store_slice at = {0};
    while (count > 0 && at.shard < SHARDS_MAX)
        carry_out_from(g, engine__read_open, &count, &at);
    carry_out_once(g, engine__read_ends, &count);
    leave_first(g, count);
}

static void load(struct group *g)
{
    struct store_slice at = {0};
    carry_out_once(g, engine__read_rows, &g->count);
    while (g->count > 0) {
        carry_out_from(g, engine__read_jobs, &g->count, &at);
        size_t whole = 0;
        while (whole < g->count && g->rows[whole].number < at.shard)
            whole++;
        finish(g, whole);
    }
}

// --- The thread ----------------------------------------------------------------------------------

static int compare_numbers(const void *a, const void *b)
{
    const struct shard *left = a;
    const struct shard *right = b;
    return left->number < right->number ? -1 : left->number > right->number;
}

// All that wait. False: the end. The connection is not kept while there is nothing to read.
static bool next_group(struct loader *l, struct group *out)
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
    *out = (struct group){.loader = l};
    if (goes_on) {
        out->count = l->queued;
        memcpy(out->rows, l->queue, l->queued * sizeof *l->queue);
        l->queued = 0;
    }
    pthread_mutex_unlock(&l->lock);
    qsort(out->rows, out->count, sizeof *out->rows, compare_numbers);
    return goes_on;
}

static void *run(void *context)
{
    struct loader *l = context;
    struct group g;
    while (next_group(l, &g))
        load(&g);
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
