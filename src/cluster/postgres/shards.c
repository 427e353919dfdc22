// SPDX-License-Identifier: MIT
// shards.c: shards come and go, on the thread "cluster".
//
// Only this thread changes what the database says of this node's shards, so between two of its
// calls the rows and the table of tenures fit each other; where they do not, a promotion or a lost
// answer has come in between, and cluster__compare settles it.

#include "cluster/postgres/postgres_priv.h"

#include "base/log.h"

#include <assert.h>

#define TEXT_BYTES 256

struct shard_set cluster__shards_in(const struct postgres_cluster *p, enum tenure_place place,
                                    uint32_t *count)
{
    struct shard_set s = {0};
    *count = 0;
    for (uint32_t n = 0; n < p->shards; n++) {
        if (p->tenures[n].place != place)
            continue;
        shard_set_add(&s, n);
        ++*count;
    }
    return s;
}

static void log_shards(enum log_level level, const char *event, const struct shard_set *s,
                       uint32_t count)
{
    char text[TEXT_BYTES];
    format_shards(s, text, sizeof text);
    LOG_AT(level, event, LOG_INT("count", count), LOG_TEXT("shards", text));
}

// All that are in these places, a set of bits. Under the lock.
#define IN(place) (1u << (place))
static void list_tenures(const struct postgres_cluster *p, unsigned places, struct node_shards *out)
{
    out->count = 0;
    for (uint32_t n = 0; n < p->shards; n++) {
        if (!(places & IN(p->tenures[n].place)))
            continue;
        out->numbers[out->count] = n;
        out->epochs[out->count++] = p->tenures[n].epoch;
    }
}

// --- Releasing -------------------------------------------------------------------------------

static void forget_released(struct postgres_cluster *p, const struct node_shards *s, bool drains)
{
    struct shard_set released = {0};
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < s->count; i++) {
        struct tenure *t = &p->tenures[s->numbers[i]];
        assert(t->epoch == s->epochs[i]);
        *t = (struct tenure){0};
        shard_set_add(&released, s->numbers[i]);
    }
    p->drain_said |= drains;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (s->count > 0)
        log_shards(LOG_LEVEL_INFO, "cluster.released", &released, (uint32_t)s->count);
}

enum err cluster__release(struct postgres_cluster *p, struct fault *f)
{
    struct node_shards s;
    pthread_mutex_lock(&p->lock);
    list_tenures(p, IN(TENURE_GIVEN_BACK) | IN(TENURE_FENCED), &s);
    bool drains = p->draining && !p->drain_said;
    pthread_mutex_unlock(&p->lock);
    if (s.count == 0 && !drains)
        return ERR_OK;
    enum err err = nodes_release(p->sharing, p->self.id, &s, drains, f);
    if (err)
        return err;
    forget_released(p, &s, drains);
    cluster__tell_released(p);
    return ERR_OK;
}

// --- Comparing -------------------------------------------------------------------------------

// Whether the rows of the last look are those of the tenures. Under the lock.
static bool fits(const struct postgres_cluster *p, const struct node_shards *held)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < held->count; i++)
        sum += (uint64_t)held->epochs[i];
    return held->count == p->seen.view.own && (int64_t)(sum & INT64_MAX) == p->seen.view.own_epochs;
}

static void lose(struct postgres_cluster *p, const struct shard_set *lost)
{
    uint32_t count = 0;
    struct shard_set told = {0};
    pthread_mutex_lock(&p->lock);
    for (uint32_t n = 0; n < p->shards; n++) {
        struct tenure *t = &p->tenures[n];
        if (!shard_set_has(lost, n))
            continue;
        if (t->place == TENURE_OWNED || t->place == TENURE_GIVING) {
            shard_set_add(&told, n);
            count++;
        }
        *t = (struct tenure){0};
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (count == 0)
        return;
    log_shards(LOG_LEVEL_WARN, "cluster.lost", &told, count);
    cluster__tell_lost(p, &told);
}

enum err cluster__compare(struct postgres_cluster *p, struct fault *f)
{
    struct node_shards held;
    struct shard_set lost;
    pthread_mutex_lock(&p->lock);
    list_tenures(p, ~IN(TENURE_NONE), &held);
    bool is_same = fits(p, &held);
    pthread_mutex_unlock(&p->lock);
    if (is_same)
        return ERR_OK;
    enum err err = nodes_compare(p->sharing, p->self.id, &held, &lost, f);
    if (err)
        return err;
    lose(p, &lost);
    p->next_look_at = clock_mono_ms(); // What was seen is no longer so.
    return ERR_OK;
}

// --- Giving back and taking ------------------------------------------------------------------

static void give_back(struct postgres_cluster *p, const struct shard_set *s, uint32_t count)
{
    if (count == 0)
        return;
    pthread_mutex_lock(&p->lock);
    for (uint32_t n = 0; n < p->shards; n++) {
        if (!shard_set_has(s, n))
            continue;
        assert(p->tenures[n].place == TENURE_OWNED);
        p->tenures[n].place = TENURE_GIVING;
    }
    pthread_mutex_unlock(&p->lock);
    log_shards(LOG_LEVEL_INFO, "cluster.giving_back", s, count);
    cluster__tell_give_back(p, s);
}

// What was taken is told of only while the lease lasts; else the end of the life frees it.
static void gain(struct postgres_cluster *p, const struct shard *rows, size_t count)
{
    struct shard_set gained = {0};
    pthread_mutex_lock(&p->lock);
    bool counts = cluster__has_lease(p, clock_mono_ms());
    for (size_t i = 0; i < count && counts; i++) {
        struct tenure *t = &p->tenures[rows[i].number];
        assert(t->place == TENURE_NONE && rows[i].epoch > t->epoch);
        *t = (struct tenure){TENURE_OWNED, rows[i].epoch};
        shard_set_add(&gained, rows[i].number);
    }
    pthread_mutex_unlock(&p->lock);
    if (!counts || count == 0)
        return;
    log_shards(LOG_LEVEL_INFO, "cluster.gained", &gained, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        cluster__tell_gained(p, &rows[i]);
}

static enum err take(struct postgres_cluster *p, uint32_t limit, struct fault *f)
{
    struct shard rows[SHARDS_MAX];
    size_t count;
    enum err err = nodes_acquire(p->sharing, p->self.id, limit, rows, &count, f);
    if (err)
        return err;
    gain(p, rows, count);
    if (count > 0)
        p->next_look_at = MIN(p->next_look_at, clock_mono_ms() + LOOK_UNSETTLED_MS);
    return ERR_OK;
}

// How many shards this node is to have now. Under the lock.
static uint32_t wanted(const struct postgres_cluster *p)
{
    bool takes = p->self.works && !p->draining;
    return takes ? share_of(p->shards, count_workers(&p->seen.view)) : 0;
}

enum err cluster__balance(struct postgres_cluster *p, struct fault *f)
{
    if (cluster__is_mute(p))
        return ERR_OK; // Nobody would hear of it.
    uint32_t owned, giving;
    struct shard_set surplus = {0};
    pthread_mutex_lock(&p->lock);
    struct shard_set all = cluster__shards_in(p, TENURE_OWNED, &owned);
    cluster__shards_in(p, TENURE_GIVING, &giving);
    bool may = cluster__has_lease(p, clock_mono_ms()) && (p->seen.looked_at || p->draining);
    uint32_t share = may ? wanted(p) : owned;
    uint32_t unowned = p->seen.view.unowned;
    pthread_mutex_unlock(&p->lock);
    if (owned > share) {
        surplus = choose_surplus(&all, owned - share);
        give_back(p, &surplus, owned - share);
    }
    if (owned >= share || unowned == 0 || giving > 0)
        return ERR_OK;
    return take(p, share - owned, f);
}

// Not a node that has less than its share: shares are rounded up.
bool cluster__is_unsettled(struct postgres_cluster *p)
{
    uint32_t giving;
    pthread_mutex_lock(&p->lock);
    const struct nodes_view *v = &p->seen.view;
    uint32_t share = share_of(p->shards, count_workers(v));
    bool is_unsettled = share > 0 && v->unowned > 0;
    for (size_t i = 0; i < v->count; i++)
        is_unsettled |= v->nodes[i].shards > (v->nodes[i].is_draining ? 0 : share);
    cluster__shards_in(p, TENURE_GIVING, &giving);
    is_unsettled |= giving > 0;
    pthread_mutex_unlock(&p->lock);
    return is_unsettled;
}
