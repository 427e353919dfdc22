// SPDX-License-Identifier: MIT
// tell.c: the events, until nobody hears them any more.

#include "cluster/postgres/postgres_priv.h"

// False, and nothing is held: nobody hears.
static bool begin(struct postgres_cluster *p)
{
    pthread_rwlock_rdlock(&p->telling);
    if (!p->is_mute)
        return true;
    pthread_rwlock_unlock(&p->telling);
    return false;
}

void cluster__tell_gained(struct postgres_cluster *p, const struct shard *row)
{
    if (!begin(p))
        return;
    p->events.gained(p->events.context, row);
    pthread_rwlock_unlock(&p->telling);
}

void cluster__tell_released(struct postgres_cluster *p)
{
    if (!p->events.released || !begin(p))
        return;
    p->events.released(p->events.context);
    pthread_rwlock_unlock(&p->telling);
}

void cluster__tell_lease(struct postgres_cluster *p, mono_ms until)
{
    if (!begin(p))
        return;
    p->events.lease(p->events.context, until);
    pthread_rwlock_unlock(&p->telling);
}

void cluster__tell_leader(struct postgres_cluster *p, bool leads)
{
    if (!p->events.leader || !begin(p))
        return;
    p->events.leader(p->events.context, leads);
    pthread_rwlock_unlock(&p->telling);
}

void cluster__tell_buried(struct postgres_cluster *p, const char *name, dur_ms silent_ms)
{
    if (!p->events.buried || !begin(p))
        return;
    p->events.buried(p->events.context, name, silent_ms);
    pthread_rwlock_unlock(&p->telling);
}

// Waits until no event is under way.
void cluster__mute(struct cluster *c)
{
    struct postgres_cluster *p = (struct postgres_cluster *)c;
    pthread_rwlock_wrlock(&p->telling);
    p->is_mute = true;
    pthread_rwlock_unlock(&p->telling);
}

bool cluster__is_mute(struct postgres_cluster *p)
{
    pthread_rwlock_rdlock(&p->telling);
    bool is_mute = p->is_mute;
    pthread_rwlock_unlock(&p->telling);
    return is_mute;
}

static void tell_each(struct postgres_cluster *p, const struct shard_set *shards,
                      void (*event)(void *context, uint32_t shard))
{
    for (uint32_t n = 0; n < SHARDS_MAX; n++) {
        if (!shard_set_has(shards, n) || !begin(p))
            continue;
        event(p->events.context, n);
        pthread_rwlock_unlock(&p->telling);
    }
}

void cluster__tell_lost(struct postgres_cluster *p, const struct shard_set *shards)
{
    tell_each(p, shards, p->events.lost);
}

void cluster__tell_give_back(struct postgres_cluster *p, const struct shard_set *shards)
{
    tell_each(p, shards, p->events.give_back);
}
