// SPDX-License-Identifier: MIT
// server_census.c: how many connections there are, in all and of each address; and the memory that
// they share.
//
// Connections come and go on several threads, so the table has a lock; it is taken twice in a
// connection's life. A client of IPv6 owns a network of 2^64 addresses, so those are counted by
// their network. The memory's counters are touched only by requests and answers that are not small.

#include "api/server_census_priv.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

void census__init(struct census *c, const struct server_options *o, uint32_t seed)
{
    *c = (struct census){
        .seed = seed,
        .hosts_count = 64,
        .connections_max = o->connections_max,
        .per_host_max = o->connections_per_address_max,
        .loopback_max = MAX(o->connections_per_address_max, o->connections_max / 2),
    };
    while (c->hosts_count < o->connections_max)
        c->hosts_count *= 2;
    c->hosts = xcalloc(c->hosts_count, sizeof(struct host *));
    pthread_mutex_init(&c->lock, NULL);
}

void census__fini(struct census *c)
{
    assert(atomic_load(&c->connections) == 0);
    pthread_mutex_destroy(&c->lock);
    free(c->hosts);
}

// --- Addresses -----------------------------------------------------------------------------------

struct host_key host_key(const union socket_address *address)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct host_key key = {0};
    if (address->any.sa_family == AF_UNIX) {
        key.bytes[0] = 0xff; // No client of IPv6 has such an address: multicast.
        memcpy(key.bytes + 4, &address->of_unix.uid, 4);
        return key;
    }
    if (address->any.sa_family == AF_INET) {
        memcpy(key.bytes + 4, &address->v4.sin_addr, 4);
        return key;
    }
    const uint8_t *v6 = address->v6.sin6_addr.s6_addr;
    if (memcmp(v6, mapped, sizeof mapped) == 0)
        memcpy(key.bytes + 4, v6 + 12, 4);
    else
        memcpy(key.bytes, v6, sizeof key.bytes);
    return key;
}

static bool is_loopback(const union socket_address *address)
{
    if (address->any.sa_family == AF_UNIX)
        return true;
    if (address->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
}

static struct host **bucket_of(struct census *c, struct host_key key)
{
    uint64_t hash;
    memcpy(&hash, key.bytes, sizeof hash);
    hash = (hash ^ c->seed) * 0x9e3779b97f4a7c15U;
    hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9U;
    return &c->hosts[hash >> 32 & (c->hosts_count - 1)];
}

// Where the pointer to the host with this key is, or would be.
static struct host **place_of(struct census *c, struct host_key key)
{
    struct host **at = bucket_of(c, key);
    while (*at && memcmp((*at)->key.bytes, key.bytes, sizeof key.bytes) != 0)
        at = &(*at)->next;
    return at;
}

// --- Seats ---------------------------------------------------------------------------------------

static unsigned host_max(const struct census *c, bool loopback)
{
    return loopback ? c->loopback_max : c->per_host_max;
}

static struct host *host_new(const union socket_address *address)
{
    struct host *host = xcalloc(1, sizeof *host);
    host->key = host_key(address);
    host->loopback = is_loopback(address);
    return host;
}

static enum seat enter(struct census *c, const union socket_address *address, struct host **out)
{
    if (atomic_load_explicit(&c->connections, memory_order_relaxed) >= c->connections_max)
        return SEAT_NONE_FREE;
    struct host **at = place_of(c, host_key(address));
    unsigned connections =
        *at ? atomic_load_explicit(&(*at)->connections, memory_order_relaxed) : 0;
    if (connections >= host_max(c, is_loopback(address)))
        return SEAT_NONE_FOR_HOST;
    if (!*at)
        *at = host_new(address);
    atomic_fetch_add_explicit(&(*at)->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->connections, 1, memory_order_relaxed);
    *out = *at;
    return SEAT_GIVEN;
}

enum seat census__enter(struct census *c, const union socket_address *address, struct host **host)
{
    pthread_mutex_lock(&c->lock);
    enum seat seat = enter(c, address, host);
    pthread_mutex_unlock(&c->lock);
    return seat;
}

void census__leave(struct census *c, struct host *host)
{
    pthread_mutex_lock(&c->lock);
    assert(atomic_load(&host->connections) > 0 && atomic_load(&c->connections) > 0);
    atomic_fetch_sub_explicit(&c->connections, 1, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&host->connections, 1, memory_order_relaxed) == 1) {
        struct host **at = place_of(c, host->key);
        assert(*at == host);
        *at = host->next;
        free(host);
    }
    pthread_mutex_unlock(&c->lock);
}

bool census__is_crowded(const struct census *c, const struct host *host)
{
    uint64_t all = atomic_load_explicit(&c->connections, memory_order_relaxed);
    uint64_t own = atomic_load_explicit(&host->connections, memory_order_relaxed);
    return 4 * all >= 3 * (uint64_t)c->connections_max ||
           4 * own >= 3 * (uint64_t)host_max(c, host->loopback);
}

// --- Memory --------------------------------------------------------------------------------------

// Takes what `max` allows; the first may be more.
static bool take(atomic_size_t *used, size_t bytes, size_t max)
{
    size_t before = atomic_fetch_add_explicit(used, bytes, memory_order_relaxed);
    if (before == 0 || before + bytes <= max)
        return true;
    atomic_fetch_sub_explicit(used, bytes, memory_order_relaxed);
    return false;
}

bool budget_take(struct budget *b, atomic_size_t *own, size_t bytes)
{
    if (own && !take(own, bytes, b->max / 2))
        return false;
    if (take(&b->used, bytes, b->max))
        return true;
    if (own)
        atomic_fetch_sub_explicit(own, bytes, memory_order_relaxed);
    return false;
}

void budget_add(struct budget *b, atomic_size_t *own, size_t bytes)
{
    if (own)
        atomic_fetch_add_explicit(own, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->used, bytes, memory_order_relaxed);
}

void budget_give(struct budget *b, atomic_size_t *own, size_t bytes)
{
    if (bytes == 0)
        return;
    if (own)
        atomic_fetch_sub_explicit(own, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&b->used, bytes, memory_order_relaxed);
}

bool budget_is_short(const struct budget *b)
{
    return atomic_load_explicit(&b->used, memory_order_relaxed) >= b->max / 4 * 3;
}

bool budget_is_used_up(const struct budget *b)
{
    return atomic_load_explicit(&b->used, memory_order_relaxed) >= b->max;
}
