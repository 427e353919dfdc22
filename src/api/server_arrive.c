// SPDX-License-Identifier: MIT
// server_arrive.c: where a connection that has come to a thread finds a seat.
//
// A seat that is free, or else that of the connection which has been idle longest; when there is
// none, a seat of the reserve. The others of the thread are looked at only when seats are short.

#include "api/server_inside_priv.h"
#include "base/metrics.h"

#include <string.h>
#include <unistd.h>

static bool close_first(struct server_thread *t, enum client_state state,
                        const struct host_key *key)
{
    struct client *c;
    TAILQ_FOREACH(c, &t->places[state], link) {
        if (c->host && (!key || memcmp(&c->host->key, key, sizeof *key) == 0)) {
            client__close(c);
            return true;
        }
    }
    return false;
}

// Closes the connection that has had nothing to do for the longest time; with a key, of that host.
static bool make_room(struct server_thread *t, const struct host_key *key)
{
    return close_first(t, CLIENT_LINGERING, key) || close_first(t, CLIENT_IDLE, key);
}

static enum seat find_seat(struct server_thread *t, const union socket_address *peer,
                           struct host **host)
{
    struct census *census = &t->server->census;
    struct host_key key = host_key(peer);
    enum seat seat = census__enter(census, peer, host);
    if (seat == SEAT_GIVEN)
        return seat;
    metric_add(METRIC_api_connections_crowded, 1);
    if (make_room(t, seat == SEAT_NONE_FREE ? NULL : &key))
        seat = census__enter(census, peer, host);
    return seat;
}

static bool close_first_reserved(struct server_thread *t, enum client_state state)
{
    struct client *c;
    TAILQ_FOREACH(c, &t->reserve, reserve_link) {
        if (c->state == state) {
            client__close(c);
            return true;
        }
    }
    return false;
}

// Reads what has come since the loop was last asked.
static void hear_reserve(struct server_thread *t)
{
    struct client *next;
    for (struct client *c = TAILQ_FIRST(&t->reserve); c; c = next) {
        next = TAILQ_NEXT(c, reserve_link);
        if (c->state == CLIENT_IDLE)
            client__hear(c);
    }
}

// A connection of the reserve makes room for the next: one that has its answer, else the oldest
// that has said something, but not all. A probe says all at once, so one that has said nothing yet
// may be a probe, and goes last.
static bool reserve_has_room(struct server_thread *t)
{
    if (t->reserve_count < t->reserve_max)
        return true;
    hear_reserve(t);
    return t->reserve_count < t->reserve_max || close_first_reserved(t, CLIENT_LINGERING) ||
           close_first_reserved(t, CLIENT_HEAD) || close_first_reserved(t, CLIENT_BODY) ||
           close_first_reserved(t, CLIENT_SHAKING) || close_first_reserved(t, CLIENT_IDLE);
}

void server_thread__arrive(struct server_thread *t, const struct arrival *a)
{
    struct host *host = NULL;
    t->now = clock_mono_ms();
    if (find_seat(t, &a->peer, &host) != SEAT_GIVEN && !reserve_has_room(t)) {
        close(a->fd);
        return;
    }
    client__open(t, a, host);
    if (t->look_at == MONO_NEVER)
        t->look_at = t->now;
}
