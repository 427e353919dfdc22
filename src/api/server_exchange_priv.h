// SPDX-License-Identifier: MIT
// server_exchange_priv.h: what the files of the server share and nobody else sees.

#ifndef CARILLON_API_SERVER_EXCHANGE_PRIV_H
#define CARILLON_API_SERVER_EXCHANGE_PRIV_H

#include "api/guard_socket_priv.h"
#include "api/server_priv.h"
#include "base/memory.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

// --- server_target.c -----------------------------------------------------------------------------

struct target_parameter {
    char *name;
    char *value;
};

// A request target, decoded. Zeroed is empty; everything lives in an arena.
struct target {
    char **segments;
    size_t segments_count;
    struct target_parameter *parameters;
    size_t parameters_count;
};

// False if the encoding is wrong: *detail says how, as a literal sentence.
MUST_CHECK bool target_parse(const char *text, struct arena *a, struct target *out,
                             const char **detail);

// --- server_exchange.c ---------------------------------------------------------------------------

// READING -> HANDLED -+-> ANSWERED            the handler answered before it returned
//                     +-> WAITING -> ANSWERED the connection sleeps until somebody answers
//
// Two threads meet in the last step, the one that answers and the one that puts the connection to
// sleep; both move the state in one atomic exchange, so that exactly one of them sees the other.
enum exchange_state { EXCHANGE_READING, EXCHANGE_HANDLED, EXCHANGE_WAITING, EXCHANGE_ANSWERED };

struct answer_header {
    struct answer_header *next;
    const char *name;
    const char *value;
};

struct exchange {
    struct server *server;
    struct MHD_Connection *connection;
    struct guard_socket *socket;
    struct arena arena;
    char *target_text;
    struct target target;
    char method[GUARD_METHOD_BYTES_MAX + 1];
    char request_id[SERVER_REQUEST_ID_BYTES_MAX + 1];
    char peer[INET6_ADDRSTRLEN];
    char *body;
    size_t body_bytes;
    size_t body_capacity;
    bool head_read; // The library has called once, with the head alone.
    bool claimed;   // Counted by the guard and by the server.
    void *attachment;

    _Atomic enum exchange_state state;
    struct answer_header *headers;
    struct MHD_Response *response; // Set before the state becomes ANSWERED.
    unsigned status;
};

struct exchange *exchange_new(struct server *s, struct MHD_Connection *c, const char *target);
void exchange_free(struct exchange *x);
void exchange_append_body(struct exchange *x, const char *bytes, size_t n);

// Fills in what the accessors return, once the request is complete. False: *detail says why not.
MUST_CHECK bool exchange_complete(struct exchange *x, const char *method, const char **detail);

// Answers by the server itself.
void exchange_refuse(struct exchange *x, unsigned status, const char *detail);

// --- server_refusal.c ----------------------------------------------------------------------------

// A fresh request id.
void server__request_id(struct server *s, char out[static SERVER_REQUEST_ID_BYTES_MAX + 1]);

// The body of a refusal, malloc'ed, and its content type.
char *server__refusal_body(struct server *s, const struct refusal *r, size_t *bytes,
                           const char **content_type);

// The guard's hook: a refusal as it goes over the wire. `context` is the server.
char *server__refusal_answer(void *context, const struct guard_refusal *r, size_t *bytes);

// --- server_listen.c -----------------------------------------------------------------------------

// A socket that listens on the address; *port becomes the port it got.
MUST_CHECK enum err server__listen(const char *host, uint16_t port, int *fd, uint16_t *port_out,
                                   struct fault *f);

// --- server.c ------------------------------------------------------------------------------------

struct server {
    struct server_options options; // With the defaults filled in; `host` is not kept.
    server_handler *handler;
    void *context;
    struct MHD_Daemon *daemon;
    struct guard_front *front;
    int listen_fd;
    uint16_t port;
    uint32_t id_prefix;
    atomic_uint id_next;

    pthread_mutex_t lock;
    pthread_cond_t idle;
    atomic_bool draining; // Written under the lock.
    unsigned under_way;   // Exchanges which the handler has got and whose answer is not sent.
};

#endif
