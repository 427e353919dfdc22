// SPDX-License-Identifier: MIT
// look.c: what this node sees of the database: the other nodes, its clock, its timeline.

#include "cluster/postgres/postgres_priv.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define CLOCK_DIFFERS_US 2000000 // More than this is worth a word,
#define CLOCK_TOLD_MS 600000     // now and then.

// --- The clock -------------------------------------------------------------------------------

// Under the lock.
static bool differs_and_is_to_be_told(struct postgres_cluster *p, mono_ms now)
{
    if (llabs(p->machine_ahead_us) <= CLOCK_DIFFERS_US) {
        p->told_clock_at = 0;
        return false;
    }
    bool is_news = p->told_clock_at == 0 || now - p->told_clock_at >= CLOCK_TOLD_MS;
    if (is_news)
        p->told_clock_at = now;
    return is_news;
}

// The whole process follows. Under the lock, so that of two threads the later answer counts.
static enum offset_change follow(struct postgres_cluster *p, int64_t clock_us, int64_t sent_us,
                                 int64_t received_us)
{
    if (received_us < p->offset.at_us)
        return OFFSET_SMOOTH; // A later answer was here first.
    enum offset_change change = offset_note(&p->offset, clock_us, sent_us, received_us);
    clock_follow(p->offset.least_us);
    p->machine_ahead_us = clock_machine_us() - clock_wall_us();
    return change;
}

void cluster__note_clock(struct postgres_cluster *p, int64_t clock_us, int64_t sent_us,
                         int64_t received_us)
{
    pthread_mutex_lock(&p->lock);
    int64_t before_us = p->offset.least_us;
    enum offset_change change = follow(p, clock_us, sent_us, received_us);
    int64_t step_us = p->offset.least_us - before_us;
    int64_t ahead_us = p->machine_ahead_us;
    bool differs = differs_and_is_to_be_told(p, received_us / 1000);
    pthread_mutex_unlock(&p->lock);
    if (change == OFFSET_STEPPED)
        log_warn("cluster.clock_stepped", LOG_INT("step_ms", step_us / 1000));
    if (differs)
        log_warn("cluster.clock_differs", LOG_INT("machine_ahead_ms", ahead_us / 1000),
                 LOG_TEXT("counts", "the database's"));
}

// --- The nodes -------------------------------------------------------------------------------

static void note_timeline(struct postgres_cluster *p, int64_t timeline)
{
    if (p->timeline != 0 && p->timeline != timeline)
        log_warn("cluster.promoted", LOG_INT("timeline", timeline), LOG_INT("before", p->timeline));
    p->timeline = timeline;
}

static void keep_view(struct postgres_cluster *p, const struct nodes_view *v, mono_ms now)
{
    pthread_mutex_lock(&p->lock);
    sightings_note(&p->seen.sightings, v, now);
    nodes_view_fini(&p->seen.view);
    p->seen.view = *v;
    p->seen.looked_at = now;
    pthread_mutex_unlock(&p->lock);
}

static enum err look_at_replicas(struct postgres_cluster *p, mono_ms now, struct fault *f)
{
    struct node_replica *found;
    size_t count;
    char standbys[NODE_STANDBYS_BYTES];
    enum err err = nodes_list_replicas(p->sharing, &found, &count, standbys, f);
    if (err)
        return err;
    p->replicas_at = now + REPLICAS_MS;
    pthread_mutex_lock(&p->lock);
    free(p->seen.replicas);
    p->seen.replicas = found;
    p->seen.replica_count = count;
    memcpy(p->seen.standbys, standbys, sizeof standbys);
    pthread_mutex_unlock(&p->lock);
    return ERR_OK;
}

// A node that is dead counts for nobody, and so has no share either.
static enum err look_for_self(struct postgres_cluster *p, struct fault *f)
{
    const struct nodes_view *v = &p->seen.view;
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->nodes[i].id, p->self.id) == 0)
            return ERR_OK;
    struct fault dead = {0};
    fault_set(&dead, ERR_CLOSED, "other nodes have declared this one dead");
    cluster__note_refused(p, p->life, &dead);
    return fault_set(f, ERR_CLOSED, "%s", dead.text);
}

enum err cluster__look(struct postgres_cluster *p, struct fault *f)
{
    struct nodes_view v;
    int64_t sent_us = clock_mono_us();
    enum err err = nodes_look(p->sharing, p->self.id, &v, f);
    if (err)
        return err;
    int64_t received_us = clock_mono_us();
    mono_ms now = clock_mono_ms();
    cluster__note_clock(p, v.clock_us, sent_us, received_us);
    note_timeline(p, v.timeline);
    keep_view(p, &v, now);
    err = look_for_self(p, f);
    return !err && now >= p->replicas_at ? look_at_replicas(p, now, f) : err;
}
