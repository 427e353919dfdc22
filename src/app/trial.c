// SPDX-License-Identifier: MIT
// trial.c: the one attempt of a draft that POST /jobs/test asks for, sent by this very server.
//
// A node that only answers the API has nothing that sends, and where there is something it is busy
// with what is due. So each trial has a thread, a loop and a dispatcher of its own, for as long as
// its attempt takes; there are a few at most. It sees the same policy of addresses, certificates,
// proxy and keys as every other attempt of the server.

#define _GNU_SOURCE // pthread_setname_np

#include "app/app_priv.h"
#include "dispatch/dispatch.h"

#include <pthread.h>
#include <string.h>

#define TRIALS_MAX 8
#define STOP_LOOK_MS 100 // So often a trial looks whether the server stops.

struct trials {
    const struct carillon *server;
    pthread_mutex_t lock; // Guards what follows.
    pthread_cond_t ended;
    size_t running;
    bool is_stopping;
};

struct trial {
    struct trials *trials;
    struct send send; // Owns its texts.
    service_outcome *done;
    void *context;
    bool is_over;
};

struct trials *app__trials_new(const struct carillon *c)
{
    struct trials *t = xcalloc(1, sizeof *t);
    t->server = c;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->ended, NULL);
    return t;
}

void app__trials_free(struct trials *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->is_stopping = true;
    while (t->running > 0)
        pthread_cond_wait(&t->ended, &t->lock);
    pthread_mutex_unlock(&t->lock);
    pthread_cond_destroy(&t->ended);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static bool is_stopping(struct trials *t)
{
    pthread_mutex_lock(&t->lock);
    bool stops = t->is_stopping;
    pthread_mutex_unlock(&t->lock);
    return stops;
}

// --- The attempt ---------------------------------------------------------------------------------

static void outcome_came(void *context, const struct outcome *o)
{
    struct trial *t = context;
    t->is_over = true;
    t->done(t->context, o);
}

static void fail(struct trial *t, const char *why)
{
    outcome_came(t, &(struct outcome){.kind = OUTCOME_NOT_SENT,
                                      .attempt = {.started_at = clock_wall_ms(),
                                                  .dns_ms = -1,
                                                  .connect_ms = -1,
                                                  .tls_ms = -1,
                                                  .first_byte_ms = -1,
                                                  .error = why}});
}

static void send_it(struct trial *t, struct loop *l)
{
    const struct carillon *c = t->trials->server;
    struct dispatch_options o = app__dispatch_options(c);
    struct fault f = {0};
    struct dispatch *d = NULL;
    o.connections_max = 1;
    o.redis = NULL;
    dispatch_opener *open = dispatch_find(c->settings.proxy[0] ? "curl" : "wire");
    if (open(l, &o, outcome_came, t, &d, &f)) {
        fail(t, f.text);
        return;
    }
    dispatch_send(d, &t->send);
    while (!t->is_over) {
        loop_turn(l, STOP_LOOK_MS);
        if (!t->is_over && is_stopping(t->trials))
            dispatch_cancel(d, t->send.ticket);
    }
    dispatch_close(d);
}

static void trial_free(struct trial *t)
{
    const struct request *r = &t->send.request;
    free((char *)(uintptr_t)r->api);
    free((char *)(uintptr_t)r->headers);
    free((char *)(uintptr_t)r->body);
    free((char *)(uintptr_t)r->tls_ca);
    free((char *)(uintptr_t)r->tls_client_cert);
    free((char *)(uintptr_t)r->tls_client_key);
    free((char *)(uintptr_t)r->signing);
    free((char *)(uintptr_t)r->oauth);
    free((char *)(uintptr_t)r->success_body);
    free((char *)(uintptr_t)r->failure_body);
    free(t);
}

static void *run(void *trial)
{
    struct trial *t = trial;
    struct trials *all = t->trials;
    struct loop *l = NULL;
    struct fault f = {0};
    if (loop_open(&l, &f))
        fail(t, f.text);
    else
        send_it(t, l);
    loop_close(l);
    trial_free(t);
    pthread_mutex_lock(&all->lock);
    all->running--;
    pthread_cond_broadcast(&all->ended);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

// --- The way in ----------------------------------------------------------------------------------

static enum err enter(struct trials *all)
{
    pthread_mutex_lock(&all->lock);
    enum err err = all->is_stopping ? ERR_CLOSED : all->running >= TRIALS_MAX ? ERR_LIMIT : ERR_OK;
    all->running += !err;
    pthread_mutex_unlock(&all->lock);
    return err;
}

static void leave(struct trials *all)
{
    pthread_mutex_lock(&all->lock);
    all->running--;
    pthread_mutex_unlock(&all->lock);
}

enum err app__try(void *trials, const struct send *s, service_outcome *done, void *context)
{
    struct trials *all = trials;
    pthread_t thread;
    enum err err = enter(all);
    if (err)
        return err;
    struct trial *t = xcalloc(1, sizeof *t);
    *t = (struct trial){.trials = all, .send = *s, .done = done, .context = context};
    t->send.request.api = xstrdup(s->request.api);
    t->send.request.headers = xstrdup(s->request.headers);
    t->send.request.body = xstrdup(s->request.body);
    t->send.request.tls_ca = xstrdup(s->request.tls_ca);
    t->send.request.tls_client_cert = xstrdup(s->request.tls_client_cert);
    t->send.request.tls_client_key = xstrdup(s->request.tls_client_key);
    t->send.request.signing = xstrdup(s->request.signing);
    t->send.request.oauth = xstrdup(s->request.oauth);
    t->send.request.success_body = xstrdup(s->request.success_body);
    t->send.request.failure_body = xstrdup(s->request.failure_body);
    if (pthread_create(&thread, NULL, run, t)) {
        trial_free(t);
        leave(all);
        return ERR_LIMIT;
    }
    pthread_setname_np(thread, "trial");
    pthread_detach(thread);
    return ERR_OK;
}
