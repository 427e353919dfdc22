// SPDX-License-Identifier: MIT
// life.c: a node registers, and begins again under a new id when its lease is lost.
//
// An id is drawn for each life and never used again, so nothing that is left of a life of before,
// here or in the database, can be taken for this one.

#include "cluster/postgres/postgres_priv.h"

#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

// --- Registering -----------------------------------------------------------------------------

static enum err draw_id(char out[static NODE_ID_BYTES], struct fault *f)
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        return fault_set(f, ERR_SYSTEM, "getrandom gave no bytes");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); // Version 4: random.
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    size_t used = 0;
    for (size_t i = 0; i < sizeof b; i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        used += (size_t)snprintf(out + used, NODE_ID_BYTES - used, "%s%02x", dash, b[i]);
    }
    assert(used == NODE_ID_BYTES - 1);
    return ERR_OK;
}

// Another node of the name: alive when its beat moves, dead when it stands still for its lease. A
// process that was killed may have left a renewal on its way, so a beat that moves once says
// nothing.
struct twin {
    struct node seen;
    mono_ms since;
    unsigned moves;
};

// ERR_EXISTS: the twin lives. ERR_OK: it is worth while to try again.
static enum err judge_twin(struct postgres_cluster *p, struct twin *t, const struct node *now,
                           struct fault *f)
{
    bool is_same = strcmp(t->seen.id, now->id) == 0;
    bool has_moved = is_same && t->seen.beat != now->beat;
    mono_ms at = clock_mono_ms();
    if (has_moved && ++t->moves == 2)
        return f->code;
    if (!is_same)
        log_info("cluster.waiting", LOG_TEXT("name", p->self.name), LOG_TEXT("for", now->id),
                 LOG_INT("at_most_ms", now->ttl_ms));
    if (!is_same || has_moved)
        *t = (struct twin){*now, at, is_same ? t->moves : 0};
    if (at - t->since < now->ttl_ms)
        return ERR_OK;
    bool done = false;
    enum err err = nodes_bury(p->sharing, now->id, now->beat, &done, f);
    if (!err && done && p->self.works) // And so did the node of before.
        cluster__tell_buried(p, p->self.name, at - t->since);
    return err;
}

static void begin_life(struct postgres_cluster *p, const char *id)
{
    pthread_mutex_lock(&p->lock);
    assert(!p->is_registered);
    memcpy(p->self.id, id, NODE_ID_BYTES);
    p->is_registered = true;
    p->life++;
    p->lease_until = 0;
    p->refused = (struct fault){0};
    p->seen.looked_at = 0;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    log_info("cluster.registered", LOG_TEXT("name", p->self.name), LOG_TEXT("role", p->self.role),
             LOG_TEXT("node", id), LOG_INT("ttl_ms", p->self.ttl_ms));
}

static void pause_between_tries(struct postgres_cluster *p)
{
    mono_ms until = clock_mono_ms() + RETRY_MS;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping && clock_mono_ms() < until)
        cluster__wait(p, until);
    pthread_mutex_unlock(&p->lock);
}

// Whether it is worth while to register again. A lock may be held for as long as a replica that
// comes back takes to catch up.
static bool may_try_again(struct postgres_cluster *p, struct twin *t, const struct node *found,
                          mono_ms until, struct fault *f)
{
    if (f->code == ERR_EXISTS)
        return judge_twin(p, t, found, f) == ERR_OK;
    return f->code == ERR_BUSY && clock_mono_ms() < until;
}

enum err cluster__register(struct postgres_cluster *p, bool waits, struct fault *f)
{
    struct node next = p->self;
    struct twin twin = {0};
    enum err err = draw_id(next.id, f);
    if (err)
        return err;
    const char *before = p->self.id[0] ? p->self.id : NULL;
    struct node found;
    mono_ms until = clock_mono_ms() + BUSY_MS;
    while ((err = nodes_register(p->sharing, &next, before, &found, f)) && waits) {
        if (!may_try_again(p, &twin, &found, until, f))
            return f->code;
        pause_between_tries(p);
    }
    if (!err)
        begin_life(p, next.id);
    return err;
}

// --- The end of a life -----------------------------------------------------------------------

// Why the life is over, in words; NULL: it is not. Under the lock.
static const char *why_over(const struct postgres_cluster *p)
{
    if (!p->is_registered)
        return NULL;
    if (p->refused.code)
        return p->refused.text;
    if (p->lease_until && clock_mono_ms() >= p->lease_until)
        return "the lease ran out before it was renewed";
    return NULL;
}

static struct shard_set take_all(struct postgres_cluster *p, uint32_t *count)
{
    struct shard_set lost = {0};
    *count = 0;
    for (uint32_t n = 0; n < SHARDS_MAX; n++) {
        enum tenure_place place = p->tenures[n].place;
        if (place == TENURE_OWNED || place == TENURE_GIVING) {
            shard_set_add(&lost, n);
            ++*count;
        }
        p->tenures[n] = (struct tenure){0};
    }
    return lost;
}

void cluster__end_life_if_over(struct postgres_cluster *p)
{
    char why[FAULT_TEXT_MAX];
    uint32_t count = 0;
    struct shard_set lost = {0};
    pthread_mutex_lock(&p->lock);
    const char *words = why_over(p);
    if (words) {
        snprintf(why, sizeof why, "%s", words);
        lost = take_all(p, &count);
        p->is_registered = false;
        p->lease_until = 0;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    if (!words)
        return;
    log_warn("cluster.lease_lost", LOG_TEXT("why", why), LOG_TEXT("node", p->self.id),
             LOG_INT("shards", count));
    cluster__tell_lost(p, &lost);
    cluster__set_leader(p, false);
}
