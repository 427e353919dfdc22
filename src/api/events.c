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
//
// Whether a client may still listen is asked again before it is told more: a stream may be open for
// days, and its token revoked or over meanwhile.

#define _GNU_SOURCE // pthread_setname_np

#include "api/events_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 1000
#define HEARTBEAT_MS 10000 // So that proxies and the server itself see a sign of life.
#define LINGER_MS 60000
#define LAST_ID_BYTES 64
#define ADDRESS_BYTES 64
#define ASK_MS 500  // A client that was let in so long ago is asked about again.
#define ASKED_MAX 8 // At once, so that requests find room in the line.

enum asked { ASKED_NOTHING, ASKED_WAITS, ASKED_ANSWERED };

struct listener {
    struct listener *next;
    struct events *events;
    struct exchange *exchange;
    char last_id[LAST_ID_BYTES]; // What the client has seen; "": nothing.
    uint64_t at;                 // The number of the message that it gets next.
    mono_ms written_at;
    bool is_greeted;
    atomic_bool is_over;
    struct access_question question; // May this client listen?
    char secret[TOKEN_TEXT_BYTES];   // What is longer is no token.
    char address[ADDRESS_BYTES];
    mono_ms asked_at;
    atomic_int asked; // An enum asked.
};

struct events {
    const struct api *api;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct listener *arrived; // Under the lock; all else is the thread's.
    bool ending;              // Under the lock.
    bool is_woken;            // Under the lock: there is something to do before the next look.
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

// --- Whether one may still listen ----------------------------------------------------------------

// The lock is held.
static void wake(struct events *e)
{
    e->is_woken = true;
    pthread_cond_signal(&e->changed);
}

// On the thread of the room `access`. The listener may be gone as soon as that is said; the lock
// keeps the rest until this is over.
static void answered(void *listener)
{
    struct listener *l = listener;
    struct events *e = l->events;
    pthread_mutex_lock(&e->lock);
    atomic_store(&l->asked, ASKED_ANSWERED);
    wake(e);
    pthread_mutex_unlock(&e->lock);
}

static void ask(struct listener *l, mono_ms now)
{
    const struct api *a = l->events->api;
    l->asked_at = now;
    l->question.database_is_away = a->database_is_away && a->database_is_away(a->context);
    atomic_store(&l->asked, ASKED_WAITS);
    if (access_ask(a->access, &l->question) != ACCESS_LATER)
        atomic_store(&l->asked, ASKED_ANSWERED);
}

// Without a database there is no news that somebody could be told in error.
static bool may_listen(const struct access_question *q)
{
    if (q->verdict == ACCESS_AWAY || q->verdict == ACCESS_BUSY)
        return true;
    return q->verdict == ACCESS_GRANTED && q->caller.scope >= SCOPE_READ && !*q->caller.tag;
}

enum standing { STANDING_GOOD, STANDING_UNKNOWN, STANDING_OVER };

static enum standing standing_of(struct listener *l, size_t *asked_count, mono_ms now)
{
    bool is_due = atomic_load(&l->asked) == ASKED_NOTHING && now - l->asked_at >= ASK_MS;
    bool is_over = atomic_load(&l->is_over);
    if (is_due && !is_over && *asked_count < ASKED_MAX)
        ask(l, now);
    else if (is_due && !is_over)
        return STANDING_UNKNOWN;
    if (atomic_load(&l->asked) == ASKED_WAITS) {
        (*asked_count)++;
        return STANDING_UNKNOWN;
    }
    bool may =
        atomic_exchange(&l->asked, ASKED_NOTHING) == ASKED_NOTHING || may_listen(&l->question);
    return may && !is_over ? STANDING_GOOD : STANDING_OVER;
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
    OPENSSL_cleanse(l->secret, sizeof l->secret);
    free(l);
}

static void serve_all(struct events *e, mono_ms now)
{
    struct listener **at = &e->listeners;
    bool had_some = *at != NULL;
    size_t asked_count = 0;
    while (*at) {
        struct listener *l = *at;
        enum standing standing = standing_of(l, &asked_count, now);
        if (standing == STANDING_GOOD)
            serve(l, &e->ring, now);
        if (standing != STANDING_OVER) {
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
        if (!e->arrived && !e->is_woken)
            wait(e);
        e->is_woken = false;
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
    wake(e);
    pthread_mutex_unlock(&e->lock);
}

// Copies what the question borrows from the request, which is gone before the stream is.
static void keep_question(struct listener *l, const struct access_question *q)
{
    snprintf(l->address, sizeof l->address, "%s", q->address);
    snprintf(l->secret, sizeof l->secret, "%s", q->secret ? q->secret : "");
    l->question = (struct access_question){.secret = q->secret ? l->secret : NULL,
                                           .address = l->address,
                                           .answered = answered,
                                           .context = l};
    l->asked_at = clock_mono_ms();
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
    keep_question(l, &r->access);
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
