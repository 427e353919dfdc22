// SPDX-License-Identifier: MIT
// server.c: what all connections to a server of Redis share: where it is, and whether it is there.
//
// One connection may still work while another cannot connect; what the log says is what was seen
// last. A server that is away at the start is told of like one that is lost later.

#include "base/log.h"
#include "base/memory.h"
#include "redis/redis_priv.h"

#include <stdio.h>

enum err redis_server_open(const char *url, struct redis_server **out, struct fault *f)
{
    struct redis_server *s = xcalloc(1, sizeof *s);
    enum err err = redis__place_parse(url, &s->place, f);
    if (!err)
        err = redis__tls_open(&s->place, &s->tls, f);
    if (err) {
        redis_server_close(s);
        return err;
    }
    const struct redis_place *p = &s->place;
    if (p->is_socket)
        snprintf(s->name, sizeof s->name, "%s/%u", p->host, p->database);
    else
        snprintf(s->name, sizeof s->name, "%s:%u/%u", p->host, p->port, p->database);
    *out = s;
    return ERR_OK;
}

void redis_server_close(struct redis_server *s)
{
    if (!s)
        return;
    redis__tls_close(s->tls);
    free(s);
}

const char *redis_server_name(const struct redis_server *s)
{
    return s->name;
}

unsigned redis_server_database(const struct redis_server *s)
{
    return s->place.database;
}

bool redis_server_is_up(const struct redis_server *s)
{
    return atomic_load(&s->state) == REDIS_UP;
}

void redis__server_came(struct redis_server *s)
{
    enum redis_state before = atomic_exchange(&s->state, REDIS_UP);
    if (before == REDIS_UNTRIED)
        log_info("redis.connected", LOG_TEXT("server", s->name));
    else if (before == REDIS_LOST)
        log_info("redis.back", LOG_TEXT("server", s->name));
}

void redis__server_went(struct redis_server *s, const char *why)
{
    if (atomic_exchange(&s->state, REDIS_LOST) != REDIS_LOST)
        log_warn("redis.lost", LOG_TEXT("server", s->name), LOG_TEXT("error", why));
}
