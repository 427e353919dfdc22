// SPDX-License-Identifier: MIT
// wakeups_store.c: wake-ups by the database itself, on a connection and a thread of their own.
//
// The thread listens, and sends what others have announced meanwhile: in one channel at most once
// in WAKEUP_APART_MS. Behind a pooler that lends a connection for a transaction, LISTEN succeeds
// and nothing is ever heard: so now and then the thread sends a wake-up to itself.

#define _GNU_SOURCE // pthread_setname_np

#include "cluster/wakeups_store_priv.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "store/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#define TEST_MS 15000  // So often is tested whether anything is heard,
#define ANSWER_MS 2000 // which takes so long at most.
#define AGAIN_MS 1000  // A lost connection is made anew no more often than that.

struct announcement {
    char channel[WAKEUP_CHANNEL_BYTES];
    bool is_due;
    mono_ms sent_at;
};

struct store_wakeups {
    struct wakeups wakeups;
    struct wakeups_options options;
    struct store_commands *line;
    pthread_t thread;
    int fd; // Wakes the thread.
    _Atomic bool hears;
    pthread_mutex_t lock; // Guards the next three.
    struct announcement announcements[WAKEUP_CHANNELS_MAX];
    size_t announced;
    bool is_stopping;
    // The thread's own:
    char self[WAKEUP_CHANNEL_BYTES]; // The channel of the test.
    bool is_listening;
    mono_ms connects_at;
    mono_ms tests_at;  // The next test begins.
    mono_ms doubts_at; // The test that is under way has failed. MONO_NEVER: none is under way.
};

// --- Announcing ------------------------------------------------------------------------------

static struct announcement *find(struct store_wakeups *w, const char *channel)
{
    size_t i = 0;
    while (i < w->announced && strcmp(w->announcements[i].channel, channel) != 0)
        i++;
    if (i == WAKEUP_CHANNELS_MAX)
        return NULL;
    struct announcement *a = &w->announcements[i];
    if (i == w->announced) {
        snprintf(a->channel, sizeof a->channel, "%s", channel);
        w->announced++;
    }
    return a;
}

static void announce(struct wakeups *wakeups, const char *channel)
{
    struct store_wakeups *w = (struct store_wakeups *)wakeups;
    pthread_mutex_lock(&w->lock);
    struct announcement *a = find(w, channel);
    bool is_new = a && !a->is_due;
    if (a)
        a->is_due = true;
    pthread_mutex_unlock(&w->lock);
    if (is_new)
        eventfd_write(w->fd, 1);
}

static void lose(struct store_wakeups *w)
{
    w->is_listening = false;
    w->connects_at = clock_mono_ms() + AGAIN_MS;
    if (atomic_exchange(&w->hears, false))
        log_info("wakeups.unheard");
}

static void send(struct store_wakeups *w, const char *channel)
{
    if (!w->is_listening || !store_commands_notify(w->line, channel, NULL))
        return;
    metric_add(METRIC_wakeups_lost, 1);
    lose(w);
}

// Returns when the next one may be sent that is due.
static mono_ms send_due(struct store_wakeups *w)
{
    mono_ms next = MONO_NEVER;
    for (size_t i = 0; i < WAKEUP_CHANNELS_MAX; i++) {
        struct announcement *a = &w->announcements[i];
        mono_ms now = clock_mono_ms();
        pthread_mutex_lock(&w->lock);
        bool is_due = a->is_due && w->is_listening;
        bool is_soon = now - a->sent_at < WAKEUP_APART_MS;
        if (is_due && is_soon)
            next = MIN(next, a->sent_at + WAKEUP_APART_MS);
        if (is_due && !is_soon)
            a->is_due = false;
        pthread_mutex_unlock(&w->lock);
        if (is_due && !is_soon) {
            a->sent_at = now;
            send(w, a->channel);
        }
    }
    return next;
}

// --- Hearing ---------------------------------------------------------------------------------

static void heard(void *context, const char *channel)
{
    struct store_wakeups *w = context;
    bool is_own = strcmp(channel, w->self) == 0;
    if (!is_own) {
        metric_add(METRIC_wakeups_heard, 1);
        w->options.heard(w->options.context, channel);
        return;
    }
    w->doubts_at = MONO_NEVER;
    if (atomic_exchange(&w->hears, true))
        return;
    log_info("wakeups.heard");
    w->options.heard(w->options.context, NULL);
}

static void listen_again(struct store_wakeups *w)
{
    enum err err = store_commands_listen(w->line, w->self, NULL);
    for (size_t i = 0; i < WAKEUP_CHANNELS_MAX && w->options.channels[i] && !err; i++)
        err = store_commands_listen(w->line, w->options.channels[i], NULL);
    if (err) {
        lose(w);
        return;
    }
    w->is_listening = true;
    w->tests_at = 0;
}

static void test(struct store_wakeups *w)
{
    mono_ms now = clock_mono_ms();
    if (now >= w->doubts_at) {
        w->doubts_at = MONO_NEVER;
        if (atomic_exchange(&w->hears, false))
            log_info("wakeups.unheard");
    }
    if (now < w->tests_at)
        return;
    w->tests_at = now + TEST_MS;
    w->doubts_at = now + ANSWER_MS;
    send(w, w->self);
}

// --- The thread ------------------------------------------------------------------------------

static bool is_stopping(struct store_wakeups *w)
{
    pthread_mutex_lock(&w->lock);
    bool is = w->is_stopping;
    pthread_mutex_unlock(&w->lock);
    return is;
}

static dur_ms left(mono_ms at)
{
    mono_ms now = clock_mono_ms();
    return at <= now ? 0 : MIN(at - now, TEST_MS);
}

static void turn(struct store_wakeups *w)
{
    eventfd_t ignored;
    mono_ms at = w->connects_at;
    if (!w->is_listening && clock_mono_ms() >= w->connects_at)
        listen_again(w);
    if (w->is_listening) {
        test(w);
        at = MIN(send_due(w), MIN(w->tests_at, w->doubts_at));
    }
    if (!w->is_listening) {
        struct pollfd ring = {.fd = w->fd, .events = POLLIN};
        poll(&ring, 1, (int)left(w->connects_at));
    } else if (store_commands_hear(w->line, w->fd, left(at), heard, w, NULL)) {
        lose(w);
    }
    eventfd_read(w->fd, &ignored);
}

static void *run(void *context)
{
    struct store_wakeups *w = context;
    while (!is_stopping(w))
        turn(w);
    return NULL;
}

// --- Opening and closing ---------------------------------------------------------------------

static bool hear(const struct wakeups *wakeups)
{
    return atomic_load(&((const struct store_wakeups *)wakeups)->hears);
}

static void fini(struct store_wakeups *w)
{
    store_commands_close(w->line);
    if (w->fd >= 0)
        close(w->fd);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void close_wakeups(struct wakeups *wakeups)
{
    struct store_wakeups *w = (struct store_wakeups *)wakeups;
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_mutex_unlock(&w->lock);
    eventfd_write(w->fd, 1);
    pthread_join(w->thread, NULL);
    fini(w);
}

static const struct wakeups_adapter adapter = {
    .close = close_wakeups, .announce = announce, .hear = hear};

static enum err start(struct store_wakeups *w, struct fault *f)
{
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = w->fd < 0 ? errno : pthread_create(&w->thread, NULL, run, w);
    if (error)
        return fault_set(f, ERR_SYSTEM, "cannot start a thread: %s", strerror(error));
    pthread_setname_np(w->thread, "wakeups");
    return ERR_OK;
}

enum err wakeups_store_open(struct store *s, const struct wakeups_options *o, struct wakeups **out,
                            struct fault *f)
{
    struct store_wakeups *w = xcalloc(1, sizeof *w);
    uint64_t bits = 0;
    ssize_t drawn = getrandom(&bits, sizeof bits, 0);
    (void)drawn; // So few bytes always come.
    w->wakeups.adapter = &adapter;
    w->options = *o;
    w->fd = -1;
    w->doubts_at = MONO_NEVER;
    pthread_mutex_init(&w->lock, NULL);
    snprintf(w->self, sizeof w->self, "self-%" PRIx64, bits);
    enum err err = store_commands_open(s, &w->line, f);
    if (!err)
        err = start(w, f);
    if (err) {
        fini(w);
        return err;
    }
    *out = &w->wakeups;
    return ERR_OK;
}
