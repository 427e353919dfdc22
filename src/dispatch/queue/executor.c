// SPDX-License-Identifier: MIT
// executor.c: sends what the taker has taken, and hands the outcomes to the teller.

#define _GNU_SOURCE // pthread_setname_np
#include "dispatch/queue/executor_priv.h"

#include "base/metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define MAILS_MAX 65536

// --- Sending ---------------------------------------------------------------------------------

static void outcome_came(void *context, const struct outcome *o)
{
    struct executor *e = context;
    struct holding *h = (struct holding *)(uintptr_t)o->ticket; // As send_one has given it.
    struct telling *t = xcalloc(1, sizeof *t);
    struct outcome told = *o;
    told.ticket = h->ticket;
    memcpy(t->id, h->id, sizeof t->id);
    memcpy(t->node, h->node, sizeof t->node);
    if (!queue__encode_outcome(&t->outcome, &told))
        t->outcome.count = 0; // The owner waits in vain.
    metric_add(METRIC_attempts_failed, o->kind != OUTCOME_ANSWERED);
    metric_set(METRIC_attempts_in_flight, (int64_t)dispatch_in_flight(e->dispatch));
    LIST_REMOVE(h, link);
    free(h);
    executor__tell(e, t);
}

static void send_one(struct executor *e, struct taking *t)
{
    struct holding *h = xcalloc(1, sizeof *h);
    struct send s = t->attempt.send;
    memcpy(h->id, t->id, sizeof h->id);
    memcpy(h->node, t->attempt.node, sizeof h->node);
    h->ticket = s.ticket;
    LIST_INSERT_HEAD(&e->holdings, h, link);
    s.ticket = (uint64_t)(uintptr_t)h;
    s.not_after = t->not_after;
    metric_add(METRIC_attempts_started, 1);
    dispatch_send(e->dispatch, &s);
}

static void taking_free(struct taking *t)
{
    arena_clear(&t->attempt.texts);
    free(t);
}

static void takings_came(void *context, uint32_t events)
{
    (void)events;
    struct executor *e = context;
    for (struct mail *m = mailbox_take(e->takings), *next; m; m = next) {
        struct taking *t = (struct taking *)m;
        next = m->next;
        e->stopping = e->stopping || t->stops;
        if (!e->stopping)
            send_one(e, t);
        taking_free(t);
    }
    metric_set(METRIC_attempts_in_flight, (int64_t)dispatch_in_flight(e->dispatch));
}

static void *run(void *executor)
{
    struct executor *e = executor;
    while (!e->stopping)
        loop_turn(e->loop, -1);
    return NULL;
}

// --- What its threads share ------------------------------------------------------------------

void executor__telling_free(struct telling *t)
{
    free(t->outcome.bytes);
    free(t);
}

void executor__tell(struct executor *e, struct telling *t)
{
    t->since = clock_mono_ms();
    if (mailbox_post_always(e->tellings, &t->mail))
        executor__telling_free(t);
}

void executor__done(struct executor *e, size_t count, size_t untold)
{
    pthread_mutex_lock(&e->lock);
    assert(e->held >= count);
    e->held -= count;
    e->sent += count - untold;
    e->untold += untold;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

mono_ms executor__leaving_since(struct executor *e)
{
    pthread_mutex_lock(&e->lock);
    mono_ms since = e->leaving_since;
    pthread_mutex_unlock(&e->lock);
    return since;
}

struct executor_status executor_status(struct executor *e)
{
    pthread_mutex_lock(&e->lock);
    struct executor_status s = {.is_taking = atomic_load(&e->is_taking),
                                .held = e->held,
                                .sent = e->sent,
                                .untold = e->untold};
    pthread_mutex_unlock(&e->lock);
    return s;
}

// --- The end ---------------------------------------------------------------------------------

static struct timespec in_ms(dur_ms ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + ms % 1000 * 1000000;
    at.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    return at;
}

size_t executor_drain(struct executor *e, dur_ms timeout_ms)
{
    struct timespec until = in_ms(timeout_ms);
    pthread_mutex_lock(&e->lock);
    e->leaving_since = clock_mono_ms();
    while (!e->has_ended_taking || e->held > 0)
        if (pthread_cond_timedwait(&e->changed, &e->lock, &until) == ETIMEDOUT)
            break;
    size_t left = e->held;
    pthread_mutex_unlock(&e->lock);
    return left;
}

static void stop_thread(struct executor *e)
{
    struct taking *last = xcalloc(1, sizeof *last);
    last->stops = true;
    if (mailbox_post_always(e->takings, &last->mail))
        free(last);
    pthread_join(e->thread, NULL);
}

static void stop_teller(struct executor *e)
{
    struct telling *last = xcalloc(1, sizeof *last);
    last->stops = true;
    executor__tell(e, last);
    pthread_join(e->teller_thread, NULL);
}

static void stop_threads(struct executor *e)
{
    pthread_mutex_lock(&e->lock);
    e->is_over = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
    redis_interrupt(e->taker);
    if (e->taker_runs)
        pthread_join(e->taker_thread, NULL);
    if (e->runs)
        stop_thread(e);
    if (e->teller_runs)
        stop_teller(e);
}

static void drop_mail(struct executor *e)
{
    if (e->takings)
        for (struct mail *m = mailbox_take(e->takings), *next; m; m = next) {
            next = m->next;
            taking_free((struct taking *)m);
        }
    if (e->tellings)
        for (struct mail *m = mailbox_take(e->tellings), *next; m; m = next) {
            next = m->next;
            executor__telling_free((struct telling *)m);
        }
}

void executor_stop(struct executor *e)
{
    if (!e)
        return;
    stop_threads(e);
    drop_mail(e);
    dispatch_close(e->dispatch);
    for (struct holding *h; (h = LIST_FIRST(&e->holdings));) {
        LIST_REMOVE(h, link);
        free(h);
    }
    if (e->takings_source.ready)
        loop_remove(e->loop, &e->takings_source);
    mailbox_close(e->takings);
    mailbox_close(e->tellings);
    loop_close(e->loop);
    redis_free(e->taker);
    redis_free(e->teller);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->changed);
    free(e);
}

// --- The start -------------------------------------------------------------------------------

static enum err start(pthread_t *thread, bool *runs, const char *name, void *body(void *),
                      struct executor *e, struct fault *f)
{
    int problem = pthread_create(thread, NULL, body, e);
    if (problem)
        return fault_set(f, ERR_SYSTEM, "cannot start a thread of the executor: %s",
                         strerror(problem));
    pthread_setname_np(*thread, name);
    *runs = true;
    return ERR_OK;
}

static enum err open_parts(struct executor *e, const struct executor_options *o, struct fault *f)
{
    enum err err = queue__name(e->name, f);
    if (!err)
        err = loop_open(&e->loop, f);
    if (!err)
        err = o->open(e->loop, &o->dispatch, outcome_came, e, &e->dispatch, f);
    if (!err)
        err = mailbox_open(MAILS_MAX, &e->takings, f);
    if (!err)
        err = mailbox_open(MAILS_MAX, &e->tellings, f);
    if (err)
        return err;
    e->takings_source = (struct loop_source){.fd = mailbox_fd(e->takings), .context = e};
    err = loop_add(e->loop, &e->takings_source, EPOLLIN, f);
    if (!err)
        e->takings_source.ready = takings_came;
    return err;
}

static enum err start_threads(struct executor *e, struct fault *f)
{
    enum err err = start(&e->thread, &e->runs, "executor", run, e, f);
    if (!err)
        err = start(&e->teller_thread, &e->teller_runs, "queue-tell", executor__teller_run, e, f);
    if (!err)
        err = start(&e->taker_thread, &e->taker_runs, "queue-take", executor__taker_run, e, f);
    return err;
}

static struct executor *executor_new(const struct executor_options *o)
{
    struct executor *e = xcalloc(1, sizeof *e);
    pthread_condattr_t monotonic;
    LIST_INIT(&e->holdings);
    e->follows_clock = o->follows_clock;
    e->held_max = o->in_flight_max;
    e->taker = redis_new(o->dispatch.redis);
    e->teller = redis_new(o->dispatch.redis);
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&e->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return e;
}

enum err executor_start(const struct executor_options *o, struct executor **out, struct fault *f)
{
    if (!o->dispatch.redis)
        return fault_set(f, ERR_UNSUPPORTED, "an executor needs Redis: none is named");
    assert(o->in_flight_max > 0);
    struct executor *e = executor_new(o);
    enum err err = open_parts(e, o, f);
    if (!err)
        err = start_threads(e, f);
    if (err)
        executor_stop(e);
    else
        *out = e;
    return err;
}
