// SPDX-License-Identifier: MIT
// export_thread.c: a thread for each whole export, which waits for its client.
//
// It waits as long as the server lets a client take; the server's threads and those that ask the
// database go on meanwhile. It ends the exchange as the very last thing, so that whoever waits for
// all exchanges also waits for it.

#include "api/export_priv.h"
#include "base/metrics.h"

#include <pthread.h>

struct export_stream {
    struct exchange *exchange;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool has_room; // Since the last refusal.
    bool is_over;
};

struct export_order {
    struct api_request *request;
    job_id after;
};

static void note(struct export_stream *s, bool *what)
{
    pthread_mutex_lock(&s->lock);
    *what = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void room(void *context)
{
    struct export_stream *s = context;
    note(s, &s->has_room);
}

static void over(void *context)
{
    struct export_stream *s = context;
    note(s, &s->is_over);
}

// False when the stream is to end.
static bool wait_for_room(struct export_stream *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->has_room && !s->is_over)
        pthread_cond_wait(&s->changed, &s->lock);
    s->has_room = false;
    bool goes_on = !s->is_over;
    pthread_mutex_unlock(&s->lock);
    return goes_on;
}

enum err export_stream_write(struct export_stream *s, const char *bytes, size_t n)
{
    enum err err;
    while ((err = exchange_stream_write(s->exchange, bytes, n)) == ERR_LIMIT) {
        if (!wait_for_room(s))
            return ERR_CLOSED;
    }
    return err;
}

static void *run(void *context)
{
    struct export_order order = *(struct export_order *)context;
    struct api *api = order.request->api;
    struct export_stream s = {.exchange = order.request->exchange};
    free(context);
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.changed, NULL);
    struct exchange_stream_calls calls = {.room = room, .over = over, .context = &s};
    bool pretty = order.request->pretty;
    answer_stream(order.request, 200, "application/json", &calls);
    export_write(&s, api->service, order.after, pretty);
    atomic_fetch_sub(&api->exports, 1);
    exchange_stream_end(s.exchange);
    pthread_cond_destroy(&s.changed);
    pthread_mutex_destroy(&s.lock);
    return NULL;
}

static enum err start_thread(struct export_order *order)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, order) != 0)
        return ERR_SYSTEM;
    pthread_detach(thread);
    return ERR_OK;
}

enum err export_start(struct api_request *r, job_id after, struct problem *p)
{
    struct export_order *order = xmalloc(sizeof *order);
    *order = (struct export_order){r, after};
    bool free_seat = atomic_fetch_add(&r->api->exports, 1) < EXPORTS_MAX;
    if (free_seat && start_thread(order) == ERR_OK)
        return ERR_OK;
    atomic_fetch_sub(&r->api->exports, 1);
    free(order);
    return service_refuse(&p->what, ERR_LIMIT, PROBLEM_BUSY, NULL,
                          "%d exports are under way; try again in a moment", EXPORTS_MAX);
}
