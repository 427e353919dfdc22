// SPDX-License-Identifier: MIT
// waiter.c: one thread waits for the replies to all commands of this node.
//
// It looks when it is woken, and from time to time while anything is waited for; otherwise it asks
// nothing of the database. A command that waits for too long is withdrawn: what nobody has claimed
// was certainly not carried out. Of the rest nobody here knows what came of it.

#include "cluster/post/post_priv.h"

#include "base/metrics.h"

#include <assert.h>
#include <string.h>

#define STOP_MS 2000 // An orderly stop waits so long for replies.

void waiter_add(struct cluster_post *p, struct errand *list)
{
    struct waiter *w = &p->waiter;
    pthread_mutex_lock(&w->bell.lock);
    while (list) {
        struct errand *next = list->next;
        list->next = w->came;
        w->came = list;
        list = next;
    }
    pthread_mutex_unlock(&w->bell.lock);
    bell_ring(&w->bell);
}

void waiter_wake(struct cluster_post *p)
{
    struct waiter *w = &p->waiter;
    pthread_mutex_lock(&w->bell.lock);
    w->is_woken = true;
    pthread_mutex_unlock(&w->bell.lock);
    bell_ring(&w->bell);
}

// --- Those that wait -------------------------------------------------------------------------

static struct errand **bucket(struct waiter *w, const struct command_id *id)
{
    return &w->buckets[(id->bytes[14] << 8 | id->bytes[15]) % WAITER_BUCKETS];
}

static struct errand *take(struct waiter *w, const struct command_id *id)
{
    struct errand **place = bucket(w, id);
    while (*place && !command_ids_equal(&(*place)->id, id))
        place = &(*place)->chain;
    struct errand *e = *place;
    if (e) {
        *place = e->chain;
        w->count--;
    }
    return e;
}

static void enter(struct waiter *w, struct errand *e)
{
    struct errand **place = bucket(w, &e->id);
    e->chain = *place;
    *place = e;
    w->count++;
}

// Calls for each, which may be taken out by the call.
static void each(struct waiter *w, void (*call)(void *context, struct errand *e), void *context)
{
    for (size_t i = 0; i < WAITER_BUCKETS; i++)
        for (struct errand *e = w->buckets[i], *next; e; e = next) {
            next = e->chain;
            call(context, e);
        }
}

// --- Looking ---------------------------------------------------------------------------------

static void reply_came(void *waiter, const struct command_reply *c)
{
    struct errand *e = take(waiter, &c->command);
    struct reply r = {.err = c->err, .job = c->job, .version = c->version, .key = c->execution};
    if (e)
        errand_answer(e, &r);
}

struct id_list {
    struct command_id *ids;
    size_t count;
};

static void add_id(void *list, struct errand *e)
{
    struct id_list *l = list;
    l->ids[l->count++] = e->id;
}

static enum err look(struct waiter *w)
{
    struct id_list l = {.ids = xcalloc(w->count, sizeof *l.ids)};
    struct fault f = {0};
    each(w, add_id, &l);
    enum err err = store_commands_read(w->line, l.ids, l.count, reply_came, w, &f);
    free(l.ids);
    return err;
}

// --- Giving up -------------------------------------------------------------------------------

struct giving_up {
    struct waiter *waiter;
    mono_ms now;
    bool is_away; // The database does not answer: each call would take its time.
};

static void give_up(void *context, struct errand *e)
{
    struct giving_up *g = context;
    struct fault f = {0};
    bool withdrawn = false;
    enum err err = ERR_STORE_AWAY;
    if (e->gives_up_at > g->now)
        return;
    if (!g->is_away)
        err = store_commands_withdraw(g->waiter->line, &e->id, &withdrawn, &f);
    g->is_away |= err == ERR_STORE_AWAY || err == ERR_DOUBT;
    struct command_id id = e->id;
    if (!err && !withdrawn) // A reply may have come since the last look.
        err = store_commands_read(g->waiter->line, &id, 1, reply_came, g->waiter, &f);
    e = take(g->waiter, &id);
    if (e)
        errand_refuse(e, withdrawn && !err ? ERR_UNCLAIMED : ERR_DOUBT);
}

static void find_first(void *at, struct errand *e)
{
    mono_ms *first = at;
    *first = MIN(*first, e->gives_up_at);
}

static void hurry(void *until, struct errand *e)
{
    e->gives_up_at = MIN(e->gives_up_at, *(mono_ms *)until);
}

// --- The thread ------------------------------------------------------------------------------

struct turn {
    mono_ms looks_at; // At the latest, while anything is waited for.
    mono_ms stops_at; // MONO_NEVER: there is no order to end.
};

// Waits for something to do. Returns whether to look at once.
static bool wait(struct cluster_post *p, struct turn *t)
{
    struct waiter *w = &p->waiter;
    mono_ms at = MONO_NEVER;
    if (w->count > 0)
        at = t->looks_at;
    each(w, find_first, &at);
    pthread_mutex_lock(&w->bell.lock);
    if (!w->is_woken && !w->came)
        bell_wait(&w->bell, bell_left(at));
    bool is_woken = w->is_woken;
    struct errand *came = w->came;
    w->is_woken = false;
    w->came = NULL;
    if (w->is_stopping && t->stops_at == MONO_NEVER)
        t->stops_at = clock_mono_ms() + STOP_MS;
    pthread_mutex_unlock(&w->bell.lock);
    if (w->count == 0) // What comes now was put a moment ago.
        t->looks_at = clock_mono_ms() + POST_POLL_MS;
    for (struct errand *next; came; came = next) {
        next = came->next;
        enter(w, came);
    }
    each(w, hurry, &t->stops_at);
    metric_set(METRIC_commands_waiting, (int64_t)w->count);
    return is_woken;
}

static void *run(void *context)
{
    struct cluster_post *p = context;
    struct waiter *w = &p->waiter;
    struct turn t = {.stops_at = MONO_NEVER};
    while (t.stops_at == MONO_NEVER || w->count > 0) {
        bool is_woken = wait(p, &t);
        mono_ms now = clock_mono_ms();
        struct giving_up g = {.waiter = w, .now = now};
        if (w->count > 0 && (is_woken || now >= t.looks_at)) {
            g.is_away = look(w) != ERR_OK;
            bool hears = wakeups_hear(p->wakeups) && !g.is_away;
            t.looks_at = clock_mono_ms() + (hears ? POST_POLL_SELDOM_MS : POST_POLL_MS);
        }
        each(w, give_up, &g);
        metric_set(METRIC_commands_waiting, (int64_t)w->count);
    }
    return NULL;
}

void waiter_init(struct waiter *w)
{
    bell_init(&w->bell);
}

enum err waiter_start(struct cluster_post *p, struct fault *f)
{
    struct waiter *w = &p->waiter;
    enum err err = store_commands_open(p->options.store, &w->line, f);
    if (!err)
        err = post_thread(&w->thread, "replies", run, p, f);
    w->runs = !err;
    return err;
}

void waiter_stop(struct waiter *w)
{
    pthread_mutex_lock(&w->bell.lock);
    w->is_stopping = true;
    pthread_mutex_unlock(&w->bell.lock);
    if (!w->runs)
        return;
    bell_ring(&w->bell);
    pthread_join(w->thread, NULL);
    w->runs = false;
}

void waiter_fini(struct waiter *w)
{
    assert(w->count == 0 && !w->came);
    store_commands_close(w->line);
    bell_fini(&w->bell);
}
