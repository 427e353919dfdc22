// SPDX-License-Identifier: MIT
// api.h: the HTTP API: routes, JSON, problems, in front of the service.
//
// A request is matched against one table of routes, its parameters and its body are decoded
// strictly, the service is asked, and the answer is encoded. Changes are answered later, on the
// service's thread, when they are durable.
//
// Order of an orderly stop: api_retire in a cluster, api_drain, engine_drain, service_stop and
// observer_stop, engine_stop, service_settle, api_close, service_close. Until api_close questions
// are answered.

#ifndef CARILLON_API_API_H
#define CARILLON_API_API_H

#include "access/access.h"
#include "observe/observe.h"
#include "secrets/secrets.h"
#include "service/service.h"

struct api;

struct api_options {
    // The doors, see server_priv.h; at the one to observe only health and metrics are answered.
    const char *host;      // An address: "127.0.0.1", "::1". NULL: only the Unix socket.
    uint16_t port;         // 0: the kernel chooses; see api_port.
    const char *unix_path; // NULL: none.
    unsigned unix_mode;
    const char *observe_host; // NULL: none.
    uint16_t observe_port;
    const char *tls_certificate; // Files, see server_priv.h; NULL: plain text.
    const char *tls_key;
    const char *tls_client_ca; // NULL: clients need no certificate.
    unsigned threads;          // At least as many questions can be asked at once; 0: 2.
    const char *version;       // Borrowed for as long as the API lives.
    // Zero in the next ones means a default, see server_priv.h.
    unsigned connections_max;
    unsigned connections_per_address_max;
    unsigned connections_reserved; // In addition, for health and metrics.
    size_t answers_bytes_max;
    unsigned request_timeout_ms;
    // Names by which clients may call the server, beside its address: "a.example, b:3000", "*".
    const char *allowed_hosts;
    // Whether the database is known to be away, so that nobody need wait to hear of it. Called on
    // any thread; NULL: it never is.
    bool (*database_is_away)(void *context);
    void *context;
    // The role of a node that answers only probes and metrics: all else is not found. NULL: no such
    // node. Borrowed for as long as the API lives.
    const char *probes_only;
    const char *callback_key; // As base/callback.h has it; set by api_serve. Borrowed likewise.
    const char *public_url; // Where others reach the API; NULL or "": not known. Borrowed likewise.
    const struct secret_ring *secrets; // NULL: secrets are refused. Borrowed likewise.
};

// Takes the addresses: clients that connect from now on wait. Comes first in a start, so that one
// which cannot have its port has done nothing. ERR_BUSY when the port is taken, ERR_FORBIDDEN,
// ERR_SYNTAX (the host is no address, a name is none) or ERR_SYSTEM.
MUST_CHECK enum err api_listen(const struct api_options *o, struct api **out, struct fault *f);

// Answers from now on. Service, access and observer stay the caller's, until the API is closed;
// with probes_only the service may be NULL. After an error the API can only be closed.
MUST_CHECK enum err api_serve(struct api *a, struct service *s, struct access *access,
                              struct observer *observer, struct fault *f);

uint16_t api_port(const struct api *a); // 0 without a host.
uint16_t api_observe_port(const struct api *a);

// Reads the files of TLS again; without TLS a no-op. The log says what came of it.
void api_reload(struct api *a);

// From now on /readyz says no, so that a load balancer sends nobody here; all else is answered as
// before.
void api_retire(struct api *a);

// From now on changes are refused with 503 and /readyz says no; questions are answered as before.
void api_drain(struct api *a);

// Stops listening, waits until every request is answered, ends the threads. The rooms that
// answer must still be there, or have answered: the service is settled before. NULL is a no-op.
void api_close(struct api *a);

#endif
