// SPDX-License-Identifier: MIT
// server_census_priv.h: how many connections the server has, in all and of each address, and how
// much memory they share.
//
// All threads of the server use these at the same time.

#ifndef CARILLON_API_SERVER_CENSUS_PRIV_H
#define CARILLON_API_SERVER_CENSUS_PRIV_H

#include "api/server_priv.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

// The user of the process at the other end of a Unix socket. The family is AF_UNIX.
struct unix_peer {
    sa_family_t family;
    uid_t uid;
};

union socket_address {
    struct sockaddr any;
    struct unix_peer of_unix;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// --- Memory that all connections share -----------------------------------------------------------

struct budget {
    atomic_size_t used;
    size_t max;
};

// What an address has of a budget is counted in `own`, which is NULL for the reserve. False, and
// nothing is taken, when so much is not left, or the address would have more than half. What is
// taken while nothing else is may be more than that.
bool budget_take(struct budget *b, atomic_size_t *own, size_t bytes);
void budget_add(struct budget *b, atomic_size_t *own, size_t bytes); // Also what is not left.
void budget_give(struct budget *b, atomic_size_t *own, size_t bytes);
bool budget_is_short(const struct budget *b);   // Three quarters are taken.
bool budget_is_used_up(const struct budget *b); // Nothing is left.

// --- Connections ---------------------------------------------------------------------------------

// An IPv4 address, the network of an IPv6 address, or a user at the Unix socket.
struct host_key {
    uint8_t bytes[8];
};

// The connections of one address.
struct host {
    struct host *next;
    struct host_key key;
    bool loopback;
    atomic_uint connections;
    atomic_size_t bodies; // Bytes taken from the budgets.
    atomic_size_t answers;
};

struct census {
    pthread_mutex_t lock; // Guards the table.
    struct host **hosts;  // By the hash of the key.
    size_t hosts_count;   // A power of two.
    uint32_t seed;
    unsigned connections_max;
    unsigned per_host_max;
    unsigned loopback_max;
    atomic_uint connections; // Written under the lock.
};

enum seat { SEAT_GIVEN, SEAT_NONE_FREE, SEAT_NONE_FOR_HOST };

void census__init(struct census *c, const struct server_options *o, uint32_t seed);
void census__fini(struct census *c);

struct host_key host_key(const union socket_address *address);

// Counts a connection of the address if the limits allow it; *host is then its own until it leaves.
enum seat census__enter(struct census *c, const union socket_address *address, struct host **host);
void census__leave(struct census *c, struct host *host);

// Whether three quarters of the seats are taken, in all or of those for the host.
bool census__is_crowded(const struct census *c, const struct host *host);

#endif
