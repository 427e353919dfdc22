// SPDX-License-Identifier: MIT
// questions.c: threads that ask the store, so that nobody else waits for a query.
//
// Questions wait in one line for whichever thread is free, so a slow one holds back no other as
// long as there is a second thread. The line is bounded: who comes when it is full is told so at
// once. The threads have a lower priority than all others of the process: on a machine that is
// busy, what is due goes before what somebody would like to know.

#define _GNU_SOURCE // gettid, pthread_setname_np

#include "base/metrics.h"
#include "service/service_priv.h"

#include <assert.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICENESS 5

static void *work(void *context)
{
    struct questions *q = context;
    int ignored =
        setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); // The niceness of this thread alone.
    (void)ignored;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        while (!q->count && !q->ending) {
            q->idle++;
            pthread_cond_wait(&q->came, &q->lock);
            q->idle--;
        }
        if (!q->count)
            break;
        struct question next = q->ring[q->first];
        q->first = (q->first + 1) % q->max;
        q->count--;
        pthread_mutex_unlock(&q->lock);
        metric_add(METRIC_queries_waiting, -1);
        next.ask(next.context);
        pthread_mutex_lock(&q->lock);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

enum err service__questions_open(struct questions *q, size_t threads, size_t max, struct fault *f)
{
    assert(threads > 0 && max > 0);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->came, NULL);
    q->ring = xcalloc(max, sizeof *q->ring);
    q->max = max;
    q->threads = xcalloc(threads, sizeof *q->threads);
    for (; q->thread_count < threads; q->thread_count++) {
        int error = pthread_create(&q->threads[q->thread_count], NULL, work, q);
        if (error) {
            service__questions_close(q);
            return fault_set(f, ERR_SYSTEM, "cannot start a thread: %s", strerror(error));
        }
        pthread_setname_np(q->threads[q->thread_count], "query");
    }
    return ERR_OK;
}

enum err service_ask(struct service *s, service_question *ask, void *context)
{
    struct questions *q = &s->questions;
    pthread_mutex_lock(&q->lock);
    assert(!q->ending);
    bool full = q->count == q->max;
    if (!full)
        q->ring[(q->first + q->count++) % q->max] = (struct question){ask, context};
    bool wake = !full && q->idle > 0;
    pthread_mutex_unlock(&q->lock);
    if (full)
        return ERR_LIMIT;
    metric_add(METRIC_queries_waiting, 1);
    if (wake)
        pthread_cond_signal(&q->came);
    return ERR_OK;
}

void service__questions_close(struct questions *q)
{
    pthread_mutex_lock(&q->lock);
    q->ending = true;
    pthread_mutex_unlock(&q->lock);
    pthread_cond_broadcast(&q->came);
    for (size_t i = 0; i < q->thread_count; i++)
        pthread_join(q->threads[i], NULL);
    free(q->threads);
    free(q->ring);
    pthread_cond_destroy(&q->came);
    pthread_mutex_destroy(&q->lock);
}
