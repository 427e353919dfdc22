// SPDX-License-Identifier: MIT
// teller.c: the thread of an executor that tells outcomes, acknowledges entries, and says that the
// executor lives.
//
// While Redis is away outcomes are kept for as long as somebody may wait for them. One that was
// told twice, since the answer of the server was lost, is dropped by its node.

#include "dispatch/queue/executor_priv.h"

#include <assert.h>
#include <string.h>

struct teller {
    struct executor *executor;
    struct redis *redis;
    struct server_clock clock;
    mono_ms next_beat;
    struct mail *first; // What is to be told, oldest first.
    struct mail *last;
    bool stops;
};

// --- Beats -----------------------------------------------------------------------------------

// An executor that takes nothing is not there for owners.
static void beat(struct teller *t)
{
    struct executor *e = t->executor;
    bool is_taking = atomic_load(&e->is_taking);
    t->next_beat = clock_mono_ms() + (is_taking ? QUEUE_BEAT_MS : QUEUE_SOON_MS);
    if (!server_clock_ask(&t->clock, t->redis))
        return;
    int64_t now = clock_mono_ms() + t->clock.low;
    if (is_taking && !executor__leaving_since(e) && !t->stops)
        redis_add(t->redis, "ZADD %s %lld %s", QUEUE_LIVING, (long long)(now + QUEUE_LIFE_MS),
                  e->name);
    else
        redis_add(t->redis, "ZREM %s %s", QUEUE_LIVING, e->name);
    redis_add(t->redis, "ZREMRANGEBYSCORE %s -inf %lld", QUEUE_LIVING,
              (long long)(now - QUEUE_KEPT_MS));
    if (redis_run(t->redis, REDIS_CALL_MS, NULL))
        return; // The next beat tries again.
}

// --- Telling ---------------------------------------------------------------------------------

static void add(struct teller *t, const struct telling *x)
{
    if (x->outcome.count > 0)
        redis_add(t->redis, "XADD " QUEUE_OUT "%s MAXLEN ~ %d * o %b", x->node, QUEUE_OUT_MAX,
                  x->outcome.bytes, x->outcome.count);
    if (x->outcome.count > 0) // The stream of a node that is gone goes away.
        redis_add(t->redis, "PEXPIRE " QUEUE_OUT "%s %d", x->node, QUEUE_KEPT_MS);
    redis_add(t->redis, "XACK %s %s %s", QUEUE_STREAM, QUEUE_GROUP, x->id);
    redis_add(t->redis, "XDEL %s %s", QUEUE_STREAM, x->id);
}

static void drop_first(struct teller *t)
{
    struct mail *m = t->first;
    assert(m && t->last && !t->last->next);
    t->first = m->next;
    if (!t->first)
        t->last = NULL;
    executor__telling_free((struct telling *)m);
}

// Whether the server took the outcome; `at` is the first reply about it, and moves on.
static bool was_told(const struct teller *t, const struct telling *x, size_t *at)
{
    bool is_told = x->outcome.count == 0 || redis_text(redis_reply(t->redis, *at), NULL);
    *at += x->outcome.count > 0 ? 4 : 2;
    return is_told;
}

// Tells the first few. What the server does not take, as when its memory is full, is lost: its
// owner makes the next attempt.
static bool tell_some(struct teller *t)
{
    size_t count = 0, bytes = 0, at = 0, untold = 0;
    for (struct mail *m = t->first; m && count < QUEUE_BATCH_MAX && bytes < QUEUE_BATCH_BYTES_MAX;
         m = m->next, count++) {
        add(t, (struct telling *)m);
        bytes += ((struct telling *)m)->outcome.count;
    }
    if (redis_run(t->redis, REDIS_CALL_MS, NULL))
        return false;
    assert(count > 0 && count <= QUEUE_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        untold += !was_told(t, (struct telling *)t->first, &at);
        drop_first(t);
    }
    executor__done(t->executor, count, untold);
    return true;
}

static void drop_old(struct teller *t)
{
    mono_ms oldest = clock_mono_ms() - QUEUE_KEPT_MS;
    size_t count = 0;
    for (; t->first && ((struct telling *)t->first)->since < oldest; count++)
        drop_first(t);
    if (count > 0)
        executor__done(t->executor, count, count);
}

// --- The thread ------------------------------------------------------------------------------

static void append(struct teller *t, struct mail *list)
{
    for (struct mail *m = list, *next; m; m = next) {
        struct telling *x = (struct telling *)m;
        next = m->next;
        m->next = NULL;
        if (x->stops) {
            t->stops = true;
            executor__telling_free(x);
            continue;
        }
        if (t->last)
            t->last->next = m;
        else
            t->first = m;
        t->last = m;
    }
}

static int patience(const struct teller *t)
{
    mono_ms left = t->next_beat - clock_mono_ms();
    return t->first ? 0 : (int)MAX(left, 0);
}

// A last try to tell what there is, and to leave no trace.
static void leave(struct teller *t)
{
    while (t->first && tell_some(t))
        ;
    beat(t);
    redis_add(t->redis, "XGROUP DELCONSUMER %s %s %s", QUEUE_STREAM, QUEUE_GROUP,
              t->executor->name);
    if (executor_status(t->executor).held > 0 || redis_run(t->redis, REDIS_CALL_MS, NULL))
        return; // Others forget it later.
}

void *executor__teller_run(void *executor)
{
    struct teller t = {.executor = executor};
    t.redis = t.executor->teller;
    while (!t.stops) {
        append(&t, mailbox_wait(t.executor->tellings, patience(&t)));
        if (clock_mono_ms() >= t.next_beat)
            beat(&t);
        drop_old(&t);
        if (t.first && !tell_some(&t))
            redis_rest(t.redis);
    }
    leave(&t);
    while (t.first)
        drop_first(&t);
    assert(!t.last);
    return NULL;
}
