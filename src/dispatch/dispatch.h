// SPDX-License-Identifier: MIT
// dispatch.h: the port that carries one attempt over HTTP and reports its outcome.
//
// A dispatcher lives on its owner's event loop: dispatch_send returns at once, and the outcome is
// called back from a later turn of the loop, exactly once for each send. Deadlines run on the
// monotonic clock and cover the whole attempt, from dispatch_send to the last byte of the answer.
// How many attempts are under way is the caller's business; dispatch never queues.
//
// Adapters: dispatch_curl_open. Every adapter passes one contract suite.
//
// Headers that every attempt carries, beside the job's own: Idempotency-Key (the quoted execution
// id), webhook-id, webhook-timestamp, Carillon-Job, Carillon-Scheduled-At, Carillon-Attempt,
// Carillon-Fence, traceparent, User-Agent, Content-Type (application/json unless the job sets it).
// Redirects are not followed: 3xx is an answer like any other. The response body is read up to
// RESPONSE_BYTES_MAX and then cut; the first EXCERPT_BYTES_MAX of it are reported.

#ifndef CARILLON_DISPATCH_DISPATCH_H
#define CARILLON_DISPATCH_DISPATCH_H

#include "base/loop.h"
#include "core/core.h"

#define RESPONSE_HEAD_BYTES_MAX 16384
#define RESPONSE_BYTES_MAX 65536
#define EXCERPT_BYTES_MAX 4096

struct dispatch;

// `o` and its strings are borrowed for the call. It may call dispatch_send.
typedef void dispatch_done(void *context, const struct outcome *o);

struct dispatch_options {
    const char *version;    // For User-Agent: "Carillon/<version>".
    dur_ms connect_ms;      // Bound of name resolution and TCP connect together; default 5000.
    dur_ms tls_ms;          // Bound of the TLS handshake after it; default 5000.
    size_t connections_max; // Idle connections kept for reuse, in all; default 4096.
    const char *ca_file;    // NULL: the system's certificates.
};

MUST_CHECK enum err dispatch_curl_open(struct loop *l, const struct dispatch_options *o,
                                       dispatch_done *done, void *context, struct dispatch **out,
                                       struct fault *f);

// Attempts under way end without an outcome being reported. NULL is a no-op.
void dispatch_close(struct dispatch *d);

// Starts the attempt; what the request borrows is copied. Never fails: what cannot be started
// (a malformed URL, no descriptors left) is an outcome like any other, reported in a later turn.
void dispatch_send(struct dispatch *d, const struct send *s);

size_t dispatch_in_flight(const struct dispatch *d);

#endif
