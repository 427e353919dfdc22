// SPDX-License-Identifier: MIT
// guard_watch.c: wakes connections whose request is overdue.
//
// The HTTP library can close a silent connection, but without an answer, and a client that sends a
// byte now and then is not silent. So one thread sleeps until the earliest deadline and shuts the
// socket down for reading: its server thread wakes up and finds the request overdue. All deadlines
// are set by the same delay, hence the list is in their order and a new one goes to its end. Most
// requests arrive in one piece and never come here.

#include "api/guard_socket_priv.h"

#include "base/memory.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

struct guard_watch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct guard_watched list; // A ring: `list` itself is its head.
    bool stop;
};

static void list_remove(struct guard_watched *entry)
{
    entry->previous->next = entry->next;
    entry->next->previous = entry->previous;
    entry->deadline = MONO_NEVER;
}

static void list_append(struct guard_watch *w, struct guard_watched *entry, mono_ms deadline)
{
    entry->deadline = deadline;
    entry->previous = w->list.previous;
    entry->next = &w->list;
    w->list.previous->next = entry;
    w->list.previous = entry;
}

static void wake_overdue(struct guard_watch *w, mono_ms now)
{
    while (w->list.next != &w->list && w->list.next->deadline <= now) {
        struct guard_watched *entry = w->list.next;
        list_remove(entry);
        shutdown(entry->fd, SHUT_RD);
    }
}

static struct timespec monotonic_after(dur_ms delay)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + delay % 1000 * 1000000;
    at.tv_sec += delay / 1000 + ns / 1000000000;
    at.tv_nsec = ns % 1000000000;
    return at;
}

static void *watch_run(void *argument)
{
    struct guard_watch *w = argument;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        mono_ms now = clock_mono_ms();
        wake_overdue(w, now);
        if (w->list.next == &w->list) {
            pthread_cond_wait(&w->changed, &w->lock);
        } else {
            struct timespec until = monotonic_after(w->list.next->deadline - now);
            pthread_cond_timedwait(&w->changed, &w->lock, &until);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

void guard_watch_set(struct guard_watch *w, struct guard_watched *entry, mono_ms deadline)
{
    pthread_mutex_lock(&w->lock);
    if (entry->deadline != MONO_NEVER)
        list_remove(entry);
    if (deadline != MONO_NEVER) {
        if (w->list.next == &w->list)
            pthread_cond_signal(&w->changed); // It sleeps without a time limit.
        list_append(w, entry, deadline);
    }
    pthread_mutex_unlock(&w->lock);
}

enum err guard_watch_open(struct guard_watch **out, struct fault *f)
{
    struct guard_watch *w = xcalloc(1, sizeof *w);
    w->list.next = w->list.previous = &w->list;
    pthread_mutex_init(&w->lock, NULL);

    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);

    int problem = pthread_create(&w->thread, NULL, watch_run, w);
    if (problem != 0) {
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return fault_set(f, ERR_SYSTEM, "cannot start a thread: %s", strerror(problem));
    }
    *out = w;
    return ERR_OK;
}

void guard_watch_close(struct guard_watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
