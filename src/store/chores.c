// SPDX-License-Identifier: MIT
// chores.c: the thread of chores that go on beside commits.
//
// Steps are short and far enough apart that a backlog, such as a retention that was lowered, leaves
// the database to the commits. What stalls commits is no fault of a chore: it is tried again after
// the pause. Anything else, such as a right that the user of the database lacks, is told once for
// each cause and tried again after a minute, since executions go on without.

#define _GNU_SOURCE // pthread_setname_np
#include "store/chores_priv.h"

#include "base/err.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define STEP_PAUSE_MS 10    // Between two steps when there is more to do.
#define IDLE_PAUSE_MS 10000 // After there was nothing to do.
#define FAILED_PAUSE_MS 60000
#define DAYS_PAUSE_MS 60000 // There is room for days ahead, so it need not be made at once.

struct chores {
    struct store *store;
    struct store_retention retention;
    void (*failed)(void *context, const struct fault *f);
    void *context;
    pthread_t thread;
    enum err told;   // The last cause that was told. Owned by the thread, as is what follows.
    mono_ms days_at; // When the days are looked after next.

    pthread_mutex_t lock; // Guards the rest.
    pthread_cond_t change;
    bool is_on;
    bool is_stopping;
};

// --- One step --------------------------------------------------------------------------------

static enum err look_after_days(struct chores *c, wall_ms now, bool *more, struct fault *f)
{
    if (clock_mono_ms() < c->days_at)
        return ERR_OK;
    enum err err = store_make_days(c->store, now, more, f);
    if (!err && !*more)
        c->days_at = clock_mono_ms() + DAYS_PAUSE_MS;
    return err;
}

static enum err step(struct chores *c, bool *more, struct fault *f)
{
    size_t removed = 0;
    wall_ms now = clock_wall_ms();
    enum err err = look_after_days(c, now, more, f);
    if (err || *more)
        return err;
    err = store_retain(c->store, &c->retention, now, CHORE_ROWS, &removed, f);
    *more = removed >= CHORE_ROWS;
    return err;
}

static void tell(struct chores *c, const struct fault *f)
{
    assert(f->code != ERR_OK);
    if (f->code != c->told && c->failed)
        c->failed(c->context, f);
    c->told = f->code;
}

// How long to wait before the next.
static dur_ms do_step(struct chores *c)
{
    struct fault f = {0};
    bool more = false;
    enum err err = step(c, &more, &f);
    if (!err) {
        c->told = ERR_OK;
        return more ? STEP_PAUSE_MS : IDLE_PAUSE_MS;
    }
    if (store_stall_find(err))
        return CHORE_PAUSE_MS;
    tell(c, &f);
    return FAILED_PAUSE_MS;
}

// --- The thread ------------------------------------------------------------------------------

static struct timespec deadline_in(dur_ms left)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns = t.tv_nsec + left % 1000 * 1000000;
    t.tv_sec += left / 1000 + ns / 1000000000;
    t.tv_nsec = ns % 1000000000;
    return t;
}

// Until the time is over, or somebody switches or stops. Under the lock.
static void pause_for(struct chores *c, dur_ms left)
{
    struct timespec deadline = deadline_in(left);
    bool was_on = c->is_on;
    int rc = 0;
    while (rc == 0 && !c->is_stopping && c->is_on == was_on)
        rc = pthread_cond_timedwait(&c->change, &c->lock, &deadline);
}

static void *run(void *argument)
{
    struct chores *c = argument;
    pthread_mutex_lock(&c->lock);
    while (!c->is_stopping) {
        if (!c->is_on) {
            pthread_cond_wait(&c->change, &c->lock);
            continue;
        }
        pthread_mutex_unlock(&c->lock);
        dur_ms left = do_step(c);
        pthread_mutex_lock(&c->lock);
        pause_for(c, left);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

// Signals are for the main thread.
static int start_thread(struct chores *c)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&c->thread, NULL, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error)
        pthread_setname_np(c->thread, "chores");
    return error;
}

static void free_chores(struct chores *c)
{
    pthread_cond_destroy(&c->change);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

enum err chores_start(struct store *s, const struct store_retention *retention,
                      void (*failed)(void *context, const struct fault *f), void *context,
                      struct chores **out, struct fault *f)
{
    struct chores *c = xcalloc(1, sizeof *c);
    pthread_condattr_t attributes;
    c->store = s;
    c->retention = *retention;
    c->failed = failed;
    c->context = context;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&c->change, &attributes);
    pthread_condattr_destroy(&attributes);
    int error = start_thread(c);
    if (error) {
        free_chores(c);
        return fault_set(f, ERR_SYSTEM, "cannot start the thread of chores: %s", strerror(error));
    }
    *out = c;
    return ERR_OK;
}

void chores_set(struct chores *c, bool is_on)
{
    pthread_mutex_lock(&c->lock);
    c->is_on = is_on;
    pthread_cond_broadcast(&c->change);
    pthread_mutex_unlock(&c->lock);
}

void chores_stop(struct chores *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->is_stopping = true;
    pthread_cond_broadcast(&c->change);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    free_chores(c);
}
