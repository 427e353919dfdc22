// SPDX-License-Identifier: MIT
// adder.c: the thread of a node that adds attempts to the stream, and looks whether executors live.
//
// What certainly was not added goes back to the loop, which sends it itself. When the answer of the
// server was lost, an attempt may be in the stream, and the loop waits for its outcome.

#include "dispatch/queue/queue_priv.h"

#include "base/metrics.h"

#include <assert.h>
#include <string.h>

#define SPAN_MS_MIN 100 // What could reach an executor only later than that is not added.

struct addition *addition_new(void)
{
    return xcalloc(1, sizeof(struct addition));
}

void addition_free(struct addition *a)
{
    free(a->entry.bytes);
    free(a);
}

// What the thread knows.
struct adder {
    struct queue *queue;
    struct server_clock clock;
    uint64_t connects; // The connection that `clock` was learnt over.
    mono_ms next_beat;
    struct mail *waiting; // Additions, oldest first.
    bool stops;
};

// --- Beats -----------------------------------------------------------------------------------

static void set_served(struct adder *a, int64_t executors)
{
    atomic_store(&a->queue->is_served, executors > 0);
    metric_set(METRIC_executors, executors);
}

static bool ask_for_living(struct adder *a, int64_t *out)
{
    struct redis *r = a->queue->adder;
    mono_ms now = clock_mono_ms();
    redis_add(r, "ZCOUNT %s %lld +inf", QUEUE_LIVING, (long long)(now + a->clock.high));
    return !redis_run(r, REDIS_CALL_MS, NULL) && redis_number(redis_reply(r, 0), out);
}

static void beat(struct adder *a)
{
    int64_t executors = 0;
    bool is_known = server_clock_ask(&a->clock, a->queue->adder) && ask_for_living(a, &executors);
    set_served(a, is_known ? executors : 0);
    a->clock.is_known = is_known;
    a->connects = redis_connects(a->queue->adder);
    a->next_beat = clock_mono_ms() + (executors > 0 ? QUEUE_BEAT_MS : QUEUE_SOON_MS);
}

// --- Adding ----------------------------------------------------------------------------------

static void add(struct adder *a, const struct addition *x, mono_ms now)
{
    struct redis *r = a->queue->adder;
    int64_t not_after = x->not_after + a->clock.low;
    int64_t wall = clock_wall_ms() - (now + a->clock.low);
    redis_add(r, "XADD %s MAXLEN ~ %d * n %lld w %lld r %b e %b", QUEUE_STREAM, QUEUE_STREAM_MAX,
              (long long)not_after, (long long)wall, redis_run_id(r), strlen(redis_run_id(r)),
              x->entry.bytes, x->entry.count);
}

// Takes the first few of those that wait.
static size_t take(struct adder *a, struct addition *out[static QUEUE_BATCH_MAX])
{
    size_t count = 0, bytes = 0;
    while (a->waiting && count < QUEUE_BATCH_MAX && bytes < QUEUE_BATCH_BYTES_MAX) {
        struct addition *x = (struct addition *)a->waiting;
        a->waiting = a->waiting->next;
        bytes += x->entry.count;
        assert(!x->stops && x->entry.bytes);
        out[count++] = x;
    }
    return count;
}

// `err`: of the whole call. Only what the server itself has refused was certainly not added then.
static void settle(struct adder *a, struct addition *const *list, size_t count, enum err err)
{
    assert(0 < count && count <= QUEUE_BATCH_MAX);
    bool in_doubt = err == ERR_DOUBT || err == ERR_CLOSED;
    for (size_t i = 0; i < count; i++) {
        bool is_added = !err && redis_text(redis_reply(a->queue->adder, i), NULL);
        if (is_added || in_doubt)
            addition_free(list[i]);
        else
            queue__return(a->queue, list[i]);
        metric_add(METRIC_attempts_queued, is_added);
    }
    if (err)
        set_served(a, 0);
}

// A connection made by redis_run itself could be to another life of the server than the one that
// the entries name; the clock must be known as well.
static bool is_ready(const struct adder *a)
{
    return a->clock.is_known && a->connects == redis_connects(a->queue->adder) &&
           !redis_connect(a->queue->adder, NULL) && a->connects == redis_connects(a->queue->adder);
}

static void add_some(struct adder *a)
{
    struct addition *list[QUEUE_BATCH_MAX];
    size_t count = take(a, list), kept = 0;
    mono_ms now = clock_mono_ms();
    bool ready = is_ready(a);
    for (size_t i = 0; i < count; i++) {
        if (ready && list[i]->not_after >= now + SPAN_MS_MIN) {
            add(a, list[i], now);
            list[kept++] = list[i];
        } else {
            queue__return(a->queue, list[i]);
        }
    }
    if (kept > 0)
        settle(a, list, kept, redis_run(a->queue->adder, REDIS_CALL_MS, NULL));
    if (!ready)
        beat(a);
}

// --- The thread ------------------------------------------------------------------------------

// What waits at the end is freed: its outcomes are nobody's any more.
static void drop_stop(struct adder *a)
{
    struct mail **link = &a->waiting;
    while (*link) {
        struct addition *x = (struct addition *)*link;
        a->stops = a->stops || x->stops;
        if (x->stops || a->stops) {
            *link = x->mail.next;
            addition_free(x);
        } else {
            link = &x->mail.next;
        }
    }
}

void *queue__adder_run(void *queue)
{
    struct adder a = {.queue = queue};
    while (!a.stops) {
        mono_ms left = a.next_beat - clock_mono_ms();
        a.waiting = mailbox_wait(a.queue->additions, (int)MAX(left, 0));
        drop_stop(&a);
        if (!a.stops && clock_mono_ms() >= a.next_beat)
            beat(&a);
        while (a.waiting)
            add_some(&a);
    }
    return NULL;
}
