// SPDX-License-Identifier: MIT
// redis_priv.h: the parts of a server and of a connection.

#ifndef CARILLON_REDIS_REDIS_PRIV_H
#define CARILLON_REDIS_REDIS_PRIV_H

#include "redis/redis.h"

#include <hiredis/hiredis.h>
#include <openssl/types.h>
#include <pthread.h>
#include <stdatomic.h>

#define REDIS_CONNECT_MS 2000
#define REDIS_REST_MS_MIN 50
#define REDIS_REST_MS_MAX 2000
#define REDIS_ADDED_BYTES_KEPT (1 << 20) // Room for commands that is used again.

// --- Where a server is (place.c) ---

struct redis_place {
    bool tls;
    bool is_socket;      // `host` is the path of a socket.
    char host[256];      // An address of IPv6 has no brackets.
    uint16_t port;       // 0 for a socket.
    char user[128];      // "": the default one.
    char password[1024]; // "": none.
    unsigned database;
};

MUST_CHECK enum err redis__place_parse(const char *url, struct redis_place *out, struct fault *f);

// --- TLS (tls.c) ---

// NULL for a place without TLS.
MUST_CHECK enum err redis__tls_open(const struct redis_place *p, SSL_CTX **out, struct fault *f);
void redis__tls_close(SSL_CTX *context);
// The handshake on a connection that blocks, with its time limits.
MUST_CHECK enum err redis__tls_begin(redisContext *c, SSL_CTX *context, const char *host,
                                     struct fault *f);

// --- The server (server.c) ---

enum redis_state { REDIS_UNTRIED, REDIS_UP, REDIS_LOST };

struct redis_server {
    struct redis_place place;
    char name[320];
    SSL_CTX *tls;
    _Atomic(enum redis_state) state;
};

// Said once for each change.
void redis__server_came(struct redis_server *s);
void redis__server_went(struct redis_server *s, const char *why);

// --- A connection (connect.c, exchange.c, connection.c) ---

struct redis {
    struct redis_server *server;
    redisContext *context; // NULL while there is no connection.
    int stop_fd;           // Readable once the connection was interrupted.
    atomic_bool is_over;
    uint64_t connects;
    char run_id[REDIS_RUN_ID_BYTES];
    mono_ms next_try; // No connection is tried before.
    dur_ms rest_ms;   // The wait after the next failure.
    char *added;      // Commands that redis_run will send, as they go over the wire.
    size_t added_bytes;
    size_t added_capacity;
    size_t added_count;
    redisReply **replies;
    size_t reply_count;
    size_t reply_capacity;
};

// Waits for the socket. ERR_TIMEOUT, ERR_CLOSED.
MUST_CHECK enum err redis__wait(const struct redis *r, short events, mono_ms deadline,
                                struct fault *f);

// Connects, says who we are and chooses the database.
MUST_CHECK enum err redis__connect_now(struct redis *r, struct fault *f);

// Sends these commands and reads so many replies. Leaves the connection open, whatever happens.
MUST_CHECK enum err redis__exchange(struct redis *r, const char *commands, size_t bytes,
                                    size_t count, mono_ms deadline, struct fault *f);
// Reads one reply more. ERR_TIMEOUT, ERR_CLOSED, ERR_STORE_AWAY.
MUST_CHECK enum err redis__read(struct redis *r, mono_ms deadline, struct fault *f);

void redis__drop_replies(struct redis *r);

// The connection cannot be used any more; the next one is tried after a rest.
void redis__lose(struct redis *r, const char *why);

#endif
