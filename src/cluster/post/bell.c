// SPDX-License-Identifier: MIT
// bell.c: wakes a thread that waits with a time limit.

#define _GNU_SOURCE // pthread_setname_np

#include "cluster/post/post_priv.h"

#include <string.h>
#include <time.h>

#define DAY_MS 86400000

void bell_init(struct bell *b)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->rung, &monotonic);
    pthread_condattr_destroy(&monotonic);
    b->has_rung = false;
}

void bell_fini(struct bell *b)
{
    pthread_cond_destroy(&b->rung);
    pthread_mutex_destroy(&b->lock);
}

void bell_ring(struct bell *b)
{
    pthread_mutex_lock(&b->lock);
    b->has_rung = true;
    pthread_cond_signal(&b->rung);
    pthread_mutex_unlock(&b->lock);
}

void bell_wait(struct bell *b, dur_ms timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_ms % 1000 * 1000000;
    until.tv_sec += (time_t)(timeout_ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    while (!b->has_rung)
        if (pthread_cond_timedwait(&b->rung, &b->lock, &until) != 0)
            break;
    b->has_rung = false;
}

dur_ms bell_left(mono_ms at)
{
    mono_ms now = clock_mono_ms();
    if (at <= now)
        return 0;
    return MIN(at - now, DAY_MS);
}

enum err post_thread(pthread_t *thread, const char *name, void *(*run)(void *), void *context,
                     struct fault *f)
{
    int error = pthread_create(thread, NULL, run, context);
    if (error)
        return fault_set(f, ERR_SYSTEM, "cannot start a thread: %s", strerror(error));
    pthread_setname_np(*thread, name);
    return ERR_OK;
}
