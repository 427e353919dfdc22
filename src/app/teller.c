// SPDX-License-Identifier: MIT
// teller.c: the thread that tells people of alerts.
//
// One node tells for all, so that a herd of alerts in many shards becomes one message for each
// channel: the leader, in a cluster. The thread looks for waiting alerts and pending deliveries
// once a second; nobody has to wake it, and what it finds is all that it knows, so a start, a new
// leader and normal running are the same. It has a loop and a dispatcher of its own: whatever
// channels do, executions are as punctual as before.

#define _GNU_SOURCE // pthread_setname_np

#include "app/teller_priv.h"
#include "base/log.h"
#include "base/metrics.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOK_MS 1000
#define IDLE_LOOK_MS 2000 // In a cluster, where an idle node leaves the database alone.
#define SELDOM_MS                                                                                  \
    10000 // Between two looks for what look_seldom has, when nothing else is to be done.
#define MAIL_MS 15000 // For a mail in all.
#define STOP_MS 3000  // Attempts under way at the end have so long.

struct teller_thread {
    pthread_t thread;
    struct loop_source stop; // An eventfd, readable once the thread is to end.
    bool is_stopping;        // Owned by the thread.
};

// --- Who tells -------------------------------------------------------------------------------

// *epoch: of the leader, if this node is it; 0: it is alone.
static bool leads(const struct carillon *c, int64_t *epoch)
{
    struct cluster_status s;
    cluster_status(c->cluster, &s);
    bool is_alone = s.lease_ttl_ms == 0;
    bool leads = s.is_leader && (is_alone || s.leader_epoch > 0);
    *epoch = is_alone ? 0 : s.leader_epoch;
    cluster_status_fini(&s);
    return leads;
}

// --- A rest ----------------------------------------------------------------------------------

// Who waits for SQLite's lock asks again after 25 ms at most, for its first 130 ms.
#define WORK_MS 40
#define REST_MS 30

void teller__rest(struct teller *t)
{
    mono_ms now = clock_mono_ms();
    if (now - t->rested_at < WORK_MS)
        return;
    for (mono_ms until = now + REST_MS; now < until && !t->thread->is_stopping;
         now = clock_mono_ms())
        loop_turn(t->loop, (int)(until - now));
    t->rested_at = now;
}

// --- A look ----------------------------------------------------------------------------------

// What health says of it.
static void show(const struct teller *t, const struct outbox_counts *counts)
{
    struct telling_state shown = {.waiting = counts->waiting, .oldest_at = counts->oldest_at};
    for (size_t i = 0; i < t->channel_count; i++) {
        const struct channel *c = &t->channels[i];
        if (!t->desks[i].is_down || shown.down++ > 0)
            continue;
        shown.down_since = c->failing_since;
        snprintf(shown.channel, sizeof shown.channel, "%s", c->name);
    }
    observer_telling(t->server->observer, &shown);
}

static enum err measure(struct teller *t, wall_ms now, struct outbox_counts *counts,
                        struct fault *f)
{
    enum err err = store_outbox_count(t->registry, counts, f);
    if (err)
        return err;
    dur_ms age = counts->oldest_at ? MAX(now - counts->oldest_at, 0) : 0;
    show(t, counts);
    metric_set(METRIC_alerts_waiting, counts->waiting);
    metric_set(METRIC_alerts_waiting_age_milliseconds, age);
    return ERR_OK;
}

static enum err read_all(struct teller *t, wall_ms now, struct fault *f)
{
    enum err err = teller__read_channels(t, f);
    return err ? err : teller__read_silences(t, now, f);
}

// What is looked for at some looks only, as long as nothing else is to be done.
static enum err look_seldom(struct teller *t, wall_ms now, struct fault *f)
{
    mono_ms at = clock_mono_ms();
    bool is_time = !t->seldom_at || at - t->seldom_at >= SELDOM_MS;
    bool is_cheap = t->epoch == 0; // The database is this node's own.
    enum err err = ERR_OK;
    if (is_time) {
        t->seldom_at = at;
        err = read_all(t, now, f);
        if (!err)
            err = teller__unsilence(t, f);
    }
    return !err && (is_time || is_cheap || !t->is_idle) ? teller__follow(t, now, f) : err;
}

static enum err look(struct teller *t, struct fault *f)
{
    wall_ms now = clock_wall_ms();
    struct outbox_counts counts = {0};
    enum err err = look_seldom(t, now, f);
    if (!err)
        err = measure(t, now, &counts, f);
    t->is_idle = !err && counts.waiting == 0 && counts.pending == 0;
    if (err || t->is_idle)
        return err;
    err = teller__read_pending(t, f);
    if (!err)
        err = read_all(t, now, f);
    if (!err && counts.waiting > 0)
        err = teller__gather(t, now, f);
    return err ? err : teller__send(t, now, f);
}

// What stalls the store is told once, and looked for again.
static void tell_trouble(struct teller *t, enum err err, const struct fault *f)
{
    if (err && err != t->told && err != ERR_FENCED)
        log_warn("teller.failed", LOG_TEXT("error", err_text(err)), LOG_TEXT("detail", f->text));
    t->told = err;
}

static void show_nothing(const struct teller *t)
{
    metric_set(METRIC_alerts_waiting, 0);
    observer_telling(t->server->observer, &(struct telling_state){0});
}

static void look_if_leading(struct teller *t)
{
    struct fault f = {0};
    if (leads(t->server, &t->epoch))
        tell_trouble(t, look(t, &f), &f);
    else
        show_nothing(t);
}

// --- The thread ------------------------------------------------------------------------------

static void stop_comes(void *context, uint32_t events)
{
    struct teller *t = context;
    (void)events;
    t->thread->is_stopping = true;
    loop_remove(t->loop, &t->thread->stop);
}

static void *run(void *teller)
{
    struct teller *t = teller;
    mono_ms next = 0;
    while (!t->thread->is_stopping) {
        mono_ms now = clock_mono_ms();
        if (now >= next) {
            app__raise_again(t->server);
            look_if_leading(t);
            next = clock_mono_ms() + (t->is_idle && t->server->post ? IDLE_LOOK_MS : LOOK_MS);
        }
        loop_turn(t->loop, (int)MAX(next - clock_mono_ms(), 0));
    }
    mono_ms until = clock_mono_ms() + STOP_MS;
    while (teller__under_way(t) > 0 && clock_mono_ms() < until)
        loop_turn(t->loop, (int)MAX(until - clock_mono_ms(), 0));
    return NULL;
}

// Signals are for the main thread.
static int start_thread(struct teller *t)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&t->thread->thread, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error)
        pthread_setname_np(t->thread->thread, "teller");
    return error;
}

static enum err open_parts(struct teller *t, struct fault *f)
{
    const struct carillon *c = t->server;
    struct dispatch_options o = app__dispatch_options(c);
    dispatch_opener *open = dispatch_find(c->settings.proxy[0] ? "curl" : "wire");
    const struct mailer_options m = {
        .ca_file = o.ca_file, .ca_only = o.ca_only, .targets = o.targets, .timeout_ms = MAIL_MS};
    o.connections_max = 1;
    o.redis = NULL;
    enum err err = store_registry_open(c->store, &t->registry, f);
    if (!err)
        err = loop_open(&t->loop, f);
    if (!err)
        err = open(t->loop, &o, teller__outcome, t, &t->dispatch, f);
    if (!err)
        err = mailer_open(t->loop, &m, teller__mail_outcome, t, &t->mailer, f);
    if (!err)
        err = loop_add(t->loop, &t->thread->stop, EPOLLIN, f);
    return err;
}

static void teller_free(struct teller *t)
{
    dispatch_close(t->dispatch);
    mailer_close(t->mailer);
    loop_close(t->loop);
    store_registry_close(t->registry);
    teller__forget(t);
    if (t->thread->stop.fd >= 0)
        close(t->thread->stop.fd);
    free(t->thread);
    free(t);
}

enum err app__teller_start(struct carillon *c, struct fault *f)
{
    struct teller *t = xcalloc(1, sizeof *t);
    t->server = c;
    t->thread = xcalloc(1, sizeof *t->thread);
    t->thread->stop = (struct loop_source){eventfd(0, EFD_CLOEXEC), stop_comes, t};
    enum err err = t->thread->stop.fd < 0 ? fault_set(f, ERR_SYSTEM, "cannot make an eventfd")
                                          : open_parts(t, f);
    if (!err && start_thread(t))
        err = fault_set(f, ERR_SYSTEM, "cannot start the thread that tells of alerts");
    if (err) {
        teller_free(t);
        return err;
    }
    c->teller = t;
    return ERR_OK;
}

void app__teller_stop(struct carillon *c)
{
    struct teller *t = c->teller;
    if (!t)
        return;
    c->teller = NULL;
    eventfd_write(t->thread->stop.fd, 1);
    pthread_join(t->thread->thread, NULL);
    teller_free(t);
}
