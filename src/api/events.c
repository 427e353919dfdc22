// SPDX-License-Identifier: MIT
// events.c: GET /events: server-sent events, for whoever shows what happens as it happens.
//
// One thread looks once a second and writes to all clients, so that a client gets a few messages a
// second at most, whatever happens, and all that is between two looks is one message. Without
// clients the thread sleeps, and looks at nothing; for a minute after the last one has gone it goes
// on, so that a client which comes back misses nothing.
//
// A client that takes its time is written to when it has room, from the ring; when the ring is past
// it, or it comes back too late, it is told that there is a gap. The lock is never held while an
// exchange is written to, since an exchange calls back with a lock of its own held.

#define _GNU_SOURCE // pthread_setname_np

#include "api/events_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 1000
#define HEARTBEAT_MS 10000 // So that proxies and the server itself see a sign of life.
#define LINGER_MS 60000
#define LAST_ID_BYTES 64

struct listener {
    struct listener *next;
    struct events *events;
    struct exchange *exchange;
    char last_id[LAST_ID_BYTES]; // What the client has seen; "": nothing.
    uint64_t at;                 // The number of the message that it gets next.
    mono_ms written_at;
    bool is_greeted;
    atomic_bool is_over;
};

struct events {
    const struct api *api;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct listener *arrived; // Under the lock; all else is the thread's.
    bool ending;              // Under the lock.
    struct listener *listeners;
    struct ring ring;
    struct look *look; // NULL: nobody has listened for a while.
    mono_ms look_at;
    mono_ms left_at; // When the last listener had gone.
};

// --- Writing to one ------------------------------------------------------------------------------

// False: there is no room now, or nobody reads any more.
static bool write_text(struct listener *l, const char *text, size_t bytes, mono_ms now)
{
    if (exchange_stream_write(l->exchange, text, bytes))
        return false;
    l->written_at = now;
    return true;
}

static bool tell_gap(struct listener *l, const struct ring *r, mono_ms now)
{
    char text[256];
    int bytes =
        snprintf(text, sizeof text,
                 "id: %s-%" PRIu64 "\nevent: gap\n"
                 "data: {\"reason\":\"what happened since then is not known any more\"}\n\n",
                 r->life, r->next - 1);
    if (!write_text(l, text, (size_t)bytes, now))
        return false;
    l->at = r->next;
    return true;
}

// The id alone tells the client from where it can go on.
static bool greet(struct listener *l, const struct ring *r, mono_ms now)
{
    char text[128];
    bool resumes = ring_resume(r, *l->last_id ? l->last_id : NULL, &l->at);
    int bytes =
        snprintf(text, sizeof text, "retry: 2000\nid: %s-%" PRIu64 "\n\n", r->life, l->at - 1);
    if (!write_text(l, text, (size_t)bytes, now))
        return false;
    l->is_greeted = true;
    return resumes || tell_gap(l, r, now);
}

static bool write_news(struct listener *l, const struct ring *r, mono_ms now)
{
    while (l->at < r->next) {
        const struct ring_message *m = ring_find(r, l->at);
        if (!m)
            return tell_gap(l, r, now);
        if (!write_text(l, m->text, m->bytes, now))
            return false;
        l->at++;
    }
    return true;
}

static void serve(struct listener *l, const struct ring *r, mono_ms now)
{
    static const char heartbeat[] = ":\n\n";
    if (!l->is_greeted && !greet(l, r, now))
        return;
    if (write_news(l, r, now) && now - l->written_at >= HEARTBEAT_MS)
        write_text(l, heartbeat, strlen(heartbeat), now);
}

// --- The thread ----------------------------------------------------------------------------------

static void add_news(void *events, const char *event, const json_t *data)
{
    ring_add(&((struct events *)events)->ring, event, data);
}

static void look(struct events *e, mono_ms now)
{
    if (e->look && !e->listeners && now - e->left_at >= LINGER_MS) {
        look_free(e->look);
        e->look = NULL;
    }
    if (!e->look && !e->listeners)
        return;
    if (!e->look) {
        e->look = look_new(e->api);
        ring_begin(&e->ring);
        e->look_at = now;
    }
    if (now < e->look_at)
        return;
    look_again(e->look, add_news, e);
    e->look_at = now + LOOK_MS;
}

static void end(struct listener *l)
{
    exchange_stream_end(l->exchange);
    free(l);
}

static void serve_all(struct events *e, mono_ms now)
{
    struct listener **at = &e->listeners;
    bool had_some = *at != NULL;
    while (*at) {
        struct listener *l = *at;
        if (!atomic_load(&l->is_over)) {
            serve(l, &e->ring, now);
            at = &l->next;
            continue;
        }
        *at = l->next;
        end(l);
    }
    if (had_some && !e->listeners)
        e->left_at = now;
}

static void take_arrived(struct events *e)
{
    while (e->arrived) {
        struct listener *l = e->arrived;
        e->arrived = l->next;
        l->next = e->listeners;
        e->listeners = l;
    }
}

// Until somebody comes or goes, or it is time to look. The lock is held.
static void wait(struct events *e)
{
    if (!e->look && !e->listeners) {
        pthread_cond_wait(&e->changed, &e->lock);
        return;
    }
    mono_ms until = MAX(e->look_at, clock_mono_ms());
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    pthread_cond_timedwait(&e->changed, &e->lock, &at);
}

static void *work(void *context)
{
    struct events *e = context;
    pthread_mutex_lock(&e->lock);
    while (!e->ending) {
        if (!e->arrived)
            wait(e);
        take_arrived(e);
        pthread_mutex_unlock(&e->lock);
        mono_ms now = clock_mono_ms();
        look(e, now);
        serve_all(e, now);
        pthread_mutex_lock(&e->lock);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

enum err events_open(const struct api *a, struct events **out, struct fault *f)
{
    pthread_condattr_t monotonic;
    struct events *e = xcalloc(1, sizeof *e);
    e->api = a;
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&e->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    ring_init(&e->ring);
    int error = pthread_create(&e->thread, NULL, work, e);
    if (error) {
        ring_fini(&e->ring);
        free(e);
        return fault_set(f, ERR_SYSTEM, "cannot start a thread: %s", strerror(error));
    }
    pthread_setname_np(e->thread, "events");
    *out = e;
    return ERR_OK;
}

void events_close(struct events *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->ending = true;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
    pthread_join(e->thread, NULL);
    assert(!e->listeners && !e->arrived);
    look_free(e->look);
    ring_fini(&e->ring);
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

// --- Clients come and go -------------------------------------------------------------------------

static void has_room(void *listener)
{
    (void)listener; // The next look writes.
}

// On a thread of the server, also before the listener has arrived.
static void is_over(void *listener)
{
    struct listener *l = listener;
    struct events *e = l->events;
    atomic_store(&l->is_over, true);
    pthread_mutex_lock(&e->lock);
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

enum err handle_events(struct api_request *r, struct problem *p)
{
    (void)p;
    struct events *e = r->api->events;
    struct listener *l = xcalloc(1, sizeof *l);
    const char *last_id = exchange_header(r->exchange, "Last-Event-ID");
    struct exchange_stream_calls calls = {.room = has_room, .over = is_over, .context = l};
    l->events = e;
    l->exchange = r->exchange;
    snprintf(l->last_id, sizeof l->last_id, "%s", last_id ? last_id : "");
    exchange_add_header(r->exchange, "X-Accel-Buffering", "no"); // For nginx.
    answer_stream(r, 200, "text/event-stream", &calls);
    pthread_mutex_lock(&e->lock);
    l->next = e->arrived;
    e->arrived = l;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
    return ERR_OK;
}
