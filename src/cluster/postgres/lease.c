// SPDX-License-Identifier: MIT
// lease.c: the thread that raises this node's beat, and nothing else.
//
// The lease counts from before the renewal was asked for. A renewal that is refused ends the life;
// one whose answer is late or lost is made again, and changes nothing.

#define _GNU_SOURCE // pthread_setname_np

#include "cluster/postgres/postgres_priv.h"

#include "base/log.h"

#include <assert.h>
#include <string.h>
#include <time.h>

bool cluster__has_lease(const struct postgres_cluster *p, mono_ms now)
{
    return p->is_registered && p->refused.code == ERR_OK && now < p->lease_until;
}

// False: the answer is about a life that is over, or came when the lease was over already.
static bool note_granted(struct postgres_cluster *p, uint64_t life, mono_ms asked_at)
{
    mono_ms until = lease_deadline(asked_at, p->self.ttl_ms);
    pthread_mutex_lock(&p->lock);
    bool counts = p->is_registered && p->life == life && clock_mono_ms() < until;
    if (counts) {
        assert(until >= p->lease_until); // Renewals are asked for one after the other.
        p->wakes |= p->lease_until == 0; // Shards may be taken now.
        p->lease_until = until;
        p->asked_at = asked_at;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    if (counts)
        cluster__tell_lease(p, until);
    return counts;
}

void cluster__note_refused(struct postgres_cluster *p, uint64_t life, const struct fault *f)
{
    pthread_mutex_lock(&p->lock);
    if (p->life == life) {
        p->refused = *f;
        p->wakes = true;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
}

enum err cluster__renew(struct postgres_cluster *p, struct fault *f)
{
    char id[NODE_ID_BYTES];
    pthread_mutex_lock(&p->lock);
    uint64_t life = p->life;
    memcpy(id, p->self.id, sizeof id);
    pthread_mutex_unlock(&p->lock);
    int64_t clock_us;
    mono_ms asked_at = clock_mono_ms();
    int64_t sent_us = clock_mono_us();
    enum err err = nodes_renew(p->renewing, id, &clock_us, f);
    if (!err) {
        cluster__note_clock(p, clock_us, sent_us, clock_mono_us());
        bool counts = note_granted(p, life, asked_at);
        return counts ? ERR_OK : fault_set(f, ERR_TIMEOUT, "the lease was granted too late");
    }
    if (err == ERR_CLOSED || err == ERR_STORE_VERSION)
        cluster__note_refused(p, life, f);
    return err;
}

// When the next renewal is due: at once in a life that has none.
struct schedule {
    uint64_t life;
    mono_ms at;
};

// Waits until a renewal is due. False: the thread ends.
static bool wait_for_turn(struct postgres_cluster *p, struct schedule *s)
{
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        bool is_alive = p->is_registered && p->refused.code == ERR_OK;
        mono_ms now = clock_mono_ms();
        if (is_alive && (now >= s->at || p->life != s->life))
            break;
        cluster__wait(p, is_alive ? s->at : MONO_NEVER);
    }
    bool goes_on = !p->stopping;
    s->life = p->life;
    pthread_mutex_unlock(&p->lock);
    return goes_on;
}

void *cluster__lease_run(void *context)
{
    struct postgres_cluster *p = context;
    dur_ms every = lease_renewal_every(p->self.ttl_ms);
    struct schedule s = {.life = 1, .at = clock_mono_ms() + every}; // The first life has a lease.
    bool has_failed = false;
    pthread_setname_np(pthread_self(), "lease");
    while (wait_for_turn(p, &s)) {
        struct fault f = {0};
        mono_ms begun_at = clock_mono_ms();
        enum err err = cluster__renew(p, &f);
        if (err == ERR_STORE_AWAY && !has_failed)
            log_warn("cluster.renewal_failed", LOG_TEXT("detail", f.text));
        has_failed = err != ERR_OK;
        s.at = err ? clock_mono_ms() + RETRY_MS : begun_at + every;
    }
    return NULL;
}
