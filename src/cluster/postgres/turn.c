// SPDX-License-Identifier: MIT
// turn.c: the turns of the thread "cluster".
//
// A turn releases what was given back, looks at the database when it is time, buries whose beat has
// stood still, sees to it that there is a leader, and brings this node to its share. A call that
// fails ends the turn, and another one comes soon.

#define _GNU_SOURCE // pthread_setname_np

#include "cluster/postgres/postgres_priv.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

// --- Burying ---------------------------------------------------------------------------------

// NULL: the view has none with this id.
static const struct node *find_node(const struct nodes_view *v, const char *id)
{
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->nodes[i].id, id) == 0)
            return &v->nodes[i];
    return NULL;
}

static void tell_buried(struct postgres_cluster *p, const struct sighting *x)
{
    const struct node *n = find_node(&p->seen.view, x->id);
    log_warn("cluster.buried", LOG_TEXT("name", n ? n->name : ""), LOG_TEXT("node", x->id),
             LOG_INT("beat", x->beat));
    if (n && n->works)
        cluster__tell_buried(p, n->name, p->seen.looked_at - x->since);
}

// Right after a look. Whoever may not be buried yet is looked at again soon.
static enum err bury(struct postgres_cluster *p, struct fault *f)
{
    mono_ms ignored;
    const struct seen *s = &p->seen;
    const struct sighting *x =
        sightings_find_dead(&s->sightings, p->self.id, s->looked_at, &ignored);
    if (!x)
        return ERR_OK;
    bool done = false;
    enum err err = nodes_bury(p->sharing, x->id, x->beat, &done, f);
    if (err)
        return err;
    if (done)
        tell_buried(p, x);
    p->next_look_at = clock_mono_ms() + (done ? 0 : LOOK_UNSETTLED_MS);
    return ERR_OK;
}

// --- The leader ------------------------------------------------------------------------------

void cluster__set_leader(struct postgres_cluster *p, bool leads)
{
    pthread_mutex_lock(&p->lock);
    bool is_news = p->leads != leads;
    p->leads = leads;
    int64_t epoch = p->seen.view.leader_epoch;
    pthread_mutex_unlock(&p->lock);
    if (!is_news)
        return;
    log_info("cluster.leader", LOG_TEXT("this_node", leads ? "yes" : "no"),
             LOG_INT("epoch_seen", epoch));
    cluster__tell_leader(p, leads);
}

// Right after a look.
static enum err lead(struct postgres_cluster *p, struct fault *f)
{
    pthread_mutex_lock(&p->lock);
    bool may = p->self.works && !p->draining && cluster__has_lease(p, clock_mono_ms());
    pthread_mutex_unlock(&p->lock);
    const struct nodes_view *v = &p->seen.view;
    bool leads = may && has_leader(v) && strcmp(v->leader, p->self.id) == 0;
    bool tries = may && !has_leader(v) && (!p->may_lead || p->may_lead(p->may_lead_context));
    enum err err = tries ? nodes_lead(p->sharing, p->self.id, &leads, f) : ERR_OK;
    if (!err)
        cluster__set_leader(p, leads);
    return err;
}

// --- The turn --------------------------------------------------------------------------------

static mono_ms next_death(const struct postgres_cluster *p)
{
    mono_ms at;
    sightings_find_dead(&p->seen.sightings, p->self.id, p->seen.looked_at, &at);
    return at;
}

// An idle node asks the database little: at most five times in a second, all threads together.
static dur_ms pause_after_look(struct postgres_cluster *p)
{
    if (cluster__is_unsettled(p))
        return LOOK_UNSETTLED_MS;
    return p->seen.view.count == 1 ? LOOK_ALONE_MS : LOOK_MS;
}

static enum err look_around(struct postgres_cluster *p, struct fault *f)
{
    enum err err = cluster__look(p, f);
    p->next_look_at = MONO_NEVER;
    if (!err)
        err = cluster__compare(p, f);
    if (!err)
        err = bury(p, f);
    if (!err)
        err = lead(p, f);
    p->next_look_at = MIN(p->next_look_at, clock_mono_ms() + pause_after_look(p));
    return err;
}

static enum err turn(struct postgres_cluster *p, struct fault *f)
{
    enum err err = cluster__release(p, f);
    mono_ms now = clock_mono_ms();
    if (!err && (now >= p->next_look_at || now >= next_death(p)))
        err = look_around(p, f);
    return err ? err : cluster__balance(p, f);
}

static enum err live(struct postgres_cluster *p, struct fault *f)
{
    pthread_mutex_lock(&p->lock);
    bool is_registered = p->is_registered;
    bool begins = !is_registered && !p->draining;
    pthread_mutex_unlock(&p->lock);
    if (is_registered)
        return turn(p, f);
    p->next_look_at = MONO_NEVER;
    enum err err = begins ? cluster__register(p, false, f) : ERR_OK;
    if (begins && !err)
        p->next_look_at = 0;
    return err;
}

// Said once for as long as calls fail.
static void note_fault(struct postgres_cluster *p, enum err err, const struct fault *f)
{
    if (err && err != ERR_CLOSED && !p->told_fault)
        log_warn("cluster.call_failed", LOG_TEXT("error", err_text(err)),
                 LOG_TEXT("detail", f->text));
    p->told_fault = err != ERR_OK;
    if (err)
        p->next_look_at = clock_mono_ms() + RETRY_MS;
}

// False: the thread ends. Under the lock a life has an end that may come before the next look.
static bool wait_for_turn(struct postgres_cluster *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->stopping && !p->wakes) {
        mono_ms at = MIN(p->next_look_at, next_death(p));
        if (p->is_registered && p->lease_until)
            at = MIN(at, p->lease_until);
        if (clock_mono_ms() >= at)
            break;
        cluster__wait(p, at);
    }
    if (p->looks)
        p->next_look_at = 0;
    p->wakes = p->looks = false;
    bool goes_on = !p->stopping;
    pthread_mutex_unlock(&p->lock);
    return goes_on;
}

void *cluster__turn_run(void *context)
{
    struct postgres_cluster *p = context;
    pthread_setname_np(pthread_self(), "cluster");
    while (wait_for_turn(p)) {
        struct fault f = {0};
        cluster__end_life_if_over(p);
        note_fault(p, live(p, &f), &f);
    }
    return NULL;
}
