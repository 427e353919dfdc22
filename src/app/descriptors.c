// SPDX-License-Identifier: MIT
// descriptors.c: the sharing out.
//
// A quarter of what the fixed part leaves is for clients and the rest for attempts, but what one of
// them does not want the other may have. More than these are opened now and then: an attempt tries
// two addresses, an idle connection to a target is kept. Those give way when there is no descriptor
// left.

#include "app/descriptors_priv.h"

#include <inttypes.h>

#define FIXED 48 // Database, lock, log, loops, timers, name servers, zone files, a backup.
#define FIXED_PER_THREAD 6
#define RESERVE_MIN 8
#define RESERVE_MAX 64
#define CONNECTIONS_MIN 16
#define ATTEMPTS_MIN 16

// Enough for probes of health, and no more than the clients have.
static uint64_t reserve_for(uint64_t connections)
{
    return MAX(RESERVE_MIN, MIN(RESERVE_MAX, connections / 16));
}

// As many as are in the reserve may have been accepted and not yet have been looked at.
static uint64_t for_clients_of(uint64_t connections, uint64_t reserve)
{
    return connections + 2 * reserve;
}

enum err descriptors_share(uint64_t limit, struct descriptors *d, struct fault *f)
{
    uint64_t fixed = FIXED + FIXED_PER_THREAD * d->api_threads;
    uint64_t clients_min = for_clients_of(CONNECTIONS_MIN, RESERVE_MIN);
    uint64_t needed = fixed + clients_min + ATTEMPTS_MIN;
    if (limit < needed)
        return fault_set(f, ERR_LIMIT,
                         "this process may open %" PRIu64 " files and sockets; with %" PRIu64
                         " API threads it needs at least %" PRIu64 " (ulimit -n, LimitNOFILE)",
                         limit, d->api_threads, needed);

    uint64_t left = limit - fixed;
    uint64_t for_clients = for_clients_of(d->connections, reserve_for(d->connections));
    if (for_clients > left || d->attempts > left - for_clients) {
        uint64_t unwanted = left > d->attempts ? left - d->attempts : 0;
        uint64_t share = MAX(MAX(left / 4, clients_min), unwanted);
        for_clients = MIN(for_clients, share);
    }
    d->reserve = MIN(reserve_for(d->connections), MAX(RESERVE_MIN, for_clients / 16));
    d->connections = MIN(d->connections, for_clients - 2 * d->reserve);
    d->attempts = MIN(d->attempts, left - for_clients);
    return ERR_OK;
}
