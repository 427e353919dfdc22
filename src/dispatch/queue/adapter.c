// SPDX-License-Identifier: MIT
// adapter.c: the dispatch port on executors: the loop's side of a node.
//
// An attempt that executors have is a flight, and ends once: by its outcome, when nobody can tell
// one any more, when it is cancelled, or by coming back since it was not added; then this process
// sends it. What arrives of a flight that has ended is dropped.

#define _GNU_SOURCE // pthread_setname_np
#include "dispatch/queue/queue_priv.h"
#include "dispatch/words_priv.h"

#include "base/metrics.h"

#include <assert.h>
#include <string.h>
#include <sys/epoll.h>

#define MAILS_MAX 65536 // Attempts that wait for the adder; others are sent by this process.

// --- The end of a flight ---------------------------------------------------------------------

static void flight_free(struct queue *q, struct flight *f)
{
    deadline__clear(&q->deadlines, &f->deadline);
    flights__remove(&q->flights, f);
    free(f);
}

static void report(struct queue *q, struct flight *f, struct outcome *o)
{
    o->ticket = f->ticket;
    o->shard = f->shard;
    o->epoch = f->epoch;
    flight_free(q, f);
    q->done(q->context, o);
}

// Nobody knows what became of it, and it may have been sent.
static void flight_over(void *context)
{
    struct flight *f = context;
    struct queue *q = f->owner;
    char error[ERROR_TEXT_MAX];
    words_trouble(error, f->cancelled ? TROUBLE_CANCELLED : TROUBLE_UNHEARD, "");
    metric_add(METRIC_attempts_unheard, !f->cancelled);
    struct outcome o = {.kind = OUTCOME_LOST,
                        .is_unheard = true,
                        .attempt = {.started_at = f->started.wall,
                                    .duration_ms = clock_mono_ms() - f->started.mono,
                                    .dns_ms = -1,
                                    .connect_ms = -1,
                                    .tls_ms = -1,
                                    .first_byte_ms = -1,
                                    .error = error}};
    report(q, f, &o);
}

static void outcome_came(struct queue *q, struct queue_outcome *x)
{
    struct flight *f = flights__find(&q->flights, x->outcome.ticket);
    struct outcome *o = &x->outcome;
    if (f && !f->cancelled) {
        // The clock of an executor may be wrong, but not by more than is known here.
        o->attempt.started_at = MAX(f->started.wall, MIN(o->attempt.started_at, clock_wall_ms()));
        // An executor of an older version passes over rules, and nobody has asked the body.
        if (f->has_rules && o->kind == OUTCOME_ANSWERED && !o->body_is_judged)
            o->body_error = "its body was not judged: the executor is of an older version";
        report(q, f, o);
    }
    arena_clear(&x->texts);
}

// The attempt begins anew, with its whole time.
static void came_back(struct queue *q, const struct addition *a)
{
    struct flight *f = flights__find(&q->flights, a->ticket);
    struct queue_send x;
    if (!f || f->cancelled)
        return;
    enum err err = queue__decode_send(a->entry.bytes, a->entry.count, &x, NULL);
    assert(!err); // Our own.
    (void)err;
    flight_free(q, f);
    dispatch_send(q->direct, &x.send);
    arena_clear(&x.texts);
}

static void news_came(void *context, uint32_t events)
{
    (void)events;
    struct queue *q = context;
    for (struct mail *m = mailbox_take(q->news), *next; m; m = next) {
        struct news *n = (struct news *)m;
        next = m->next;
        if (n->returned) {
            came_back(q, n->returned);
            addition_free(n->returned);
        } else {
            outcome_came(q, &n->outcome);
        }
        free(n);
    }
}

void queue__return(struct queue *q, struct addition *a)
{
    struct news *n = xcalloc(1, sizeof *n);
    n->returned = a;
    if (mailbox_post_always(q->news, &n->mail) == ERR_OK)
        return;
    addition_free(a);
    free(n);
}

// --- The port --------------------------------------------------------------------------------

// No later than the end of the lease: who owns the shard then must not meet an attempt of ours.
static mono_ms not_after_of(const struct queue *q, const struct send *s, mono_ms now)
{
    mono_ms not_after = now + MIN(QUEUE_WINDOW_MS, s->request.timeout_ms);
    if (q->dispatch.has_lease)
        not_after = MIN(not_after, q->dispatch.lease);
    return s->not_after ? MIN(not_after, s->not_after) : not_after;
}

static bool post(struct queue *q, const struct send *s, mono_ms not_after)
{
    struct addition *a = addition_new();
    a->ticket = s->ticket;
    a->not_after = not_after;
    if (queue__encode_send(&a->entry, q->node, s) && !mailbox_post(q->additions, &a->mail))
        return true;
    addition_free(a);
    return false;
}

static void queue_send(struct dispatch *dispatch, const struct send *s)
{
    struct queue *q = (struct queue *)dispatch;
    struct now now = clock_now();
    mono_ms not_after = not_after_of(q, s, now.mono);
    bool may_queue = s->request.repeatable && atomic_load(&q->is_served) && not_after > now.mono;
    if (!may_queue || !post(q, s, not_after)) {
        dispatch_send(q->direct, s);
        return;
    }
    struct flight *f = xcalloc(1, sizeof *f);
    *f = (struct flight){.deadline = {.over = flight_over, .context = f},
                         .owner = q,
                         .ticket = s->ticket,
                         .shard = s->shard,
                         .epoch = s->request.epoch,
                         .has_rules = s->request.success_body || s->request.failure_body,
                         .started = now};
    flights__add(&q->flights, f);
    deadline__set(&q->deadlines, &f->deadline, not_after + s->request.timeout_ms + QUEUE_GRACE_MS);
}

static void queue_cancel(struct dispatch *dispatch, uint64_t ticket)
{
    struct queue *q = (struct queue *)dispatch;
    struct flight *f = flights__find(&q->flights, ticket);
    if (!f) {
        dispatch_cancel(q->direct, ticket);
        return;
    }
    f->cancelled = true;
    deadline__set(&q->deadlines, &f->deadline, clock_mono_ms());
}

static size_t queue_in_flight(const struct dispatch *dispatch)
{
    const struct queue *q = (const struct queue *)dispatch;
    return q->flights.count + dispatch_in_flight(q->direct);
}

static void queue_set_lease(struct dispatch *dispatch, mono_ms until)
{
    dispatch_set_lease(((struct queue *)dispatch)->direct, until);
}

static void direct_done(void *context, const struct outcome *o)
{
    struct queue *q = context;
    q->done(q->context, o);
}

// --- Beginning and end -----------------------------------------------------------------------

static void stop_threads(struct queue *q)
{
    if (q->adder_runs) {
        struct addition *last = addition_new();
        last->stops = true;
        redis_interrupt(q->adder);
        if (mailbox_post_always(q->additions, &last->mail))
            addition_free(last);
        pthread_join(q->adder_thread, NULL);
    }
    if (q->collector_runs) {
        redis_interrupt(q->collector);
        pthread_join(q->collector_thread, NULL);
    }
}

static void drop_news(struct queue *q)
{
    for (struct mail *m = mailbox_take(q->news), *next; m; m = next) {
        struct news *n = (struct news *)m;
        next = m->next;
        if (n->returned)
            addition_free(n->returned);
        else
            arena_clear(&n->outcome.texts);
        free(n);
    }
}

static void queue_close(struct dispatch *dispatch)
{
    struct queue *q = (struct queue *)dispatch;
    stop_threads(q);
    while (q->flights.count > 0)
        flight_free(q, flights__any(&q->flights));
    flights__fini(&q->flights);
    if (q->news) {
        drop_news(q);
        if (q->news_source.ready)
            loop_remove(q->loop, &q->news_source);
    }
    mailbox_close(q->news);
    mailbox_close(q->additions);
    redis_free(q->adder);
    redis_free(q->collector);
    if (q->deadlines.agenda)
        deadlines__close(&q->deadlines);
    dispatch_close(q->direct);
    free(q);
}

static const struct dispatch_adapter queue_adapter = {
    .close = queue_close,
    .send = queue_send,
    .cancel = queue_cancel,
    .in_flight = queue_in_flight,
    .set_lease = queue_set_lease,
};

static enum err start(pthread_t *thread, bool *runs, const char *name, void *run(void *),
                      struct queue *q, struct fault *f)
{
    int problem = pthread_create(thread, NULL, run, q);
    if (problem)
        return fault_set(f, ERR_SYSTEM, "cannot start a thread of the queue: %s",
                         strerror(problem));
    pthread_setname_np(*thread, name);
    *runs = true;
    return ERR_OK;
}

static enum err open_news(struct queue *q, struct fault *f)
{
    enum err err = mailbox_open(MAILS_MAX, &q->news, f);
    if (err)
        return err;
    q->news_source = (struct loop_source){.fd = mailbox_fd(q->news), .context = q};
    err = loop_add(q->loop, &q->news_source, EPOLLIN, f);
    if (!err)
        q->news_source.ready = news_came;
    return err;
}

static void after_deadlines(void *queue)
{
    (void)queue;
}

static enum err open_parts(struct queue *q, const struct dispatch_options *o, struct fault *f)
{
    dispatch_opener *direct = o->proxy ? dispatch_curl_open : dispatch_wire_open;
    enum err err = direct(q->loop, o, direct_done, q, &q->direct, f);
    if (!err)
        err = queue__name(q->node, f);
    if (!err)
        err = deadlines__open(&q->deadlines, q->loop, after_deadlines, q, f);
    if (!err)
        err = open_news(q, f);
    if (!err)
        err = mailbox_open(MAILS_MAX, &q->additions, f);
    if (!err)
        err = start(&q->adder_thread, &q->adder_runs, "queue-add", queue__adder_run, q, f);
    if (!err)
        err = start(&q->collector_thread, &q->collector_runs, "queue-collect", queue__collector_run,
                    q, f);
    return err;
}

enum err dispatch_queue_open(struct loop *l, const struct dispatch_options *o, dispatch_done *done,
                             void *context, struct dispatch **out, struct fault *f)
{
    if (!o->redis)
        return fault_set(f, ERR_UNSUPPORTED, "executors are reached through Redis: none is named");
    struct queue *q = xcalloc(1, sizeof *q);
    q->dispatch.adapter = &queue_adapter;
    q->loop = l;
    q->done = done;
    q->context = context;
    q->adder = redis_new(o->redis);
    q->collector = redis_new(o->redis);
    enum err err = open_parts(q, o, f);
    if (err)
        queue_close(&q->dispatch);
    else
        *out = &q->dispatch;
    return err;
}
