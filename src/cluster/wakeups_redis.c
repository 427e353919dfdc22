// SPDX-License-Identifier: MIT
// wakeups_redis.c: wake-ups by publish and subscribe of Redis.
//
// Channels of Redis are common to all its databases, so the number of ours is part of their names:
// clusters that share a server by using different databases do not wake each other.
//
// One thread announces and one hears, each with a connection of its own. What was announced while
// the server was away is lost, and whoever begins to hear again looks into the database anyhow.

#define _GNU_SOURCE // pthread_setname_np
#include "base/mailbox.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "cluster/wakeups_redis_priv.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ANNOUNCEMENTS_MAX 1024 // So many may wait; the rest is lost.
#define PREFIX_BYTES 24
#define SILENCE_MS 1000 // After so long the one that hears asks whether the server is there.

struct announcement {
    struct mail mail;
    bool stops; // The thread is to end.
    char channel[WAKEUP_CHANNEL_BYTES];
};

struct redis_wakeups {
    struct wakeups wakeups;
    struct wakeups_options options;
    char channels[WAKEUP_CHANNELS_MAX][WAKEUP_CHANNEL_BYTES]; // What the options point to.
    char prefix[PREFIX_BYTES];
    struct mailbox *mailbox;
    struct redis *announcer;
    struct redis *hearer;
    pthread_t announcer_thread;
    pthread_t hearer_thread;
    bool announcer_runs;
    bool hearer_runs;
    atomic_bool hears;
};

// --- Announcing ------------------------------------------------------------------------------

static bool is_repeated(const struct announcement *a)
{
    for (const struct mail *m = a->mail.next; m; m = m->next)
        if (strcmp(((const struct announcement *)m)->channel, a->channel) == 0)
            return true;
    return false;
}

// Adds each channel once, and frees the list. False: the thread is to end.
static bool add_all(struct redis_wakeups *w, struct mail *first, size_t *count)
{
    bool goes_on = true;
    for (struct mail *m = first, *next; m; m = next) {
        struct announcement *a = (struct announcement *)m;
        next = m->next;
        goes_on = goes_on && !a->stops;
        if (!a->stops && !is_repeated(a)) {
            redis_add(w->announcer, "PUBLISH %s%s 1", w->prefix, a->channel);
            ++*count;
        }
        free(a);
    }
    return goes_on;
}

// What comes within the pause goes out after it, in one piece.
static void *announce_all(void *wakeups)
{
    struct redis_wakeups *w = wakeups;
    bool goes_on = true;
    while (goes_on) {
        size_t count = 0;
        goes_on = add_all(w, mailbox_wait(w->mailbox, -1), &count);
        if (redis_run(w->announcer, REDIS_CALL_MS, NULL))
            metric_add(METRIC_wakeups_lost, (int64_t)count);
        if (goes_on && count)
            redis_pause(w->announcer, WAKEUP_APART_MS);
    }
    return NULL;
}

static void announce(struct wakeups *wakeups, const char *channel)
{
    struct redis_wakeups *w = (struct redis_wakeups *)wakeups;
    struct announcement *a = xcalloc(1, sizeof *a);
    snprintf(a->channel, sizeof a->channel, "%s", channel);
    if (mailbox_post(w->mailbox, &a->mail)) {
        metric_add(METRIC_wakeups_lost, 1);
        free(a);
    }
}

// --- Hearing ---------------------------------------------------------------------------------

static bool subscribe(struct redis_wakeups *w)
{
    for (size_t i = 0; i < WAKEUP_CHANNELS_MAX && w->options.channels[i]; i++)
        redis_add(w->hearer, "SUBSCRIBE %s%s", w->prefix, w->options.channels[i]);
    if (redis_run(w->hearer, REDIS_CALL_MS, NULL))
        return false;
    for (size_t i = 0; redis_reply(w->hearer, i); i++)
        if (redis_error(redis_reply(w->hearer, i))) {
            redis_cut(w->hearer, redis_error(redis_reply(w->hearer, i)));
            return false;
        }
    return true;
}

// "message", the channel, and what was said in it; anything else tells only that the server lives.
static void hear_message(struct redis_wakeups *w, const struct redis_reply *m)
{
    const char *kind = redis_text(redis_at(m, 0), NULL);
    const char *channel = redis_text(redis_at(m, 1), NULL);
    size_t prefix = strlen(w->prefix);
    if (!kind || !channel || strcmp(kind, "message") != 0 || strlen(channel) < prefix)
        return;
    for (size_t i = 0; i < WAKEUP_CHANNELS_MAX && w->options.channels[i]; i++)
        if (strcmp(channel + prefix, w->options.channels[i]) == 0) {
            metric_add(METRIC_wakeups_heard, 1);
            w->options.heard(w->options.context, w->options.channels[i]);
        }
}

// The answer to a PING is heard like a message. Its absence is the end of the connection.
static bool hear_one(struct redis_wakeups *w)
{
    const struct redis_reply *m = NULL;
    enum err err = redis_listen(w->hearer, SILENCE_MS, &m, NULL);
    if (err == ERR_TIMEOUT) {
        redis_add(w->hearer, "PING");
        err = redis_run(w->hearer, REDIS_CALL_MS, NULL);
        m = redis_reply(w->hearer, 0);
    }
    if (!err)
        hear_message(w, m);
    return !err;
}

static void hear_on(struct redis_wakeups *w)
{
    atomic_store(&w->hears, true);
    w->options.heard(w->options.context, NULL);
    while (hear_one(w))
        ;
    atomic_store(&w->hears, false);
}

static void *hear_all(void *wakeups)
{
    struct redis_wakeups *w = wakeups;
    enum err err;
    while ((err = redis_connect(w->hearer, NULL)) != ERR_CLOSED) {
        if (!err && subscribe(w))
            hear_on(w);
        else
            redis_rest(w->hearer);
    }
    return NULL;
}

static bool hear(const struct wakeups *wakeups)
{
    return atomic_load(&((const struct redis_wakeups *)wakeups)->hears);
}

// --- Beginning and end -----------------------------------------------------------------------

static void stop_threads(struct redis_wakeups *w)
{
    if (w->hearer_runs) {
        redis_interrupt(w->hearer);
        pthread_join(w->hearer_thread, NULL);
    }
    if (w->announcer_runs) {
        struct announcement *last = xcalloc(1, sizeof *last);
        last->stops = true;
        if (mailbox_post_always(w->mailbox, &last->mail))
            free(last);
        redis_interrupt(w->announcer);
        pthread_join(w->announcer_thread, NULL);
    }
}

static void redis_wakeups_close(struct wakeups *wakeups)
{
    struct redis_wakeups *w = (struct redis_wakeups *)wakeups;
    stop_threads(w);
    mailbox_close(w->mailbox);
    redis_free(w->announcer);
    redis_free(w->hearer);
    free(w);
}

static const struct wakeups_adapter redis_adapter = {
    .close = redis_wakeups_close,
    .announce = announce,
    .hear = hear,
};

static void copy_channels(struct redis_wakeups *w, const struct wakeups_options *o)
{
    w->options = *o;
    for (size_t i = 0; i < WAKEUP_CHANNELS_MAX && o->channels[i]; i++) {
        assert(strlen(o->channels[i]) < WAKEUP_CHANNEL_BYTES);
        snprintf(w->channels[i], WAKEUP_CHANNEL_BYTES, "%s", o->channels[i]);
        w->options.channels[i] = w->channels[i];
    }
}

static enum err start(pthread_t *thread, bool *runs, const char *name, void *run(void *),
                      struct redis_wakeups *w, struct fault *f)
{
    int problem = pthread_create(thread, NULL, run, w);
    if (problem)
        return fault_set(f, ERR_SYSTEM, "cannot start a thread for wake-ups: %s",
                         strerror(problem));
    pthread_setname_np(*thread, name);
    *runs = true;
    return ERR_OK;
}

enum err wakeups_redis_open(struct redis_server *s, const struct wakeups_options *o,
                            struct wakeups **out, struct fault *f)
{
    struct redis_wakeups *w = xcalloc(1, sizeof *w);
    w->wakeups.adapter = &redis_adapter;
    copy_channels(w, o);
    snprintf(w->prefix, sizeof w->prefix, "carillon:%u:", redis_server_database(s));
    w->announcer = redis_new(s);
    w->hearer = redis_new(s);
    enum err err = mailbox_open(ANNOUNCEMENTS_MAX, &w->mailbox, f);
    if (!err)
        err = start(&w->announcer_thread, &w->announcer_runs, "wake-others", announce_all, w, f);
    if (!err)
        err = start(&w->hearer_thread, &w->hearer_runs, "wake-me", hear_all, w, f);
    if (err)
        redis_wakeups_close(&w->wakeups);
    else
        *out = &w->wakeups;
    return err;
}
