// SPDX-License-Identifier: MIT
// dispatch.h: the port that carries one attempt over HTTP and reports its outcome.
//
// A dispatcher lives on its owner's event loop: dispatch_send returns at once, and the outcome is
// called back from a later turn of the loop, exactly once for each send. Deadlines run on the
// monotonic clock and cover the whole attempt, from dispatch_send to the last byte of the answer.
// How many attempts are under way is the caller's business; dispatch refuses none. Wire opens only
// a few connections in each turn of the loop, so that the first of a herd need not wait for the
// last.
//
// Adapters: dispatch_wire_open, dispatch_curl_open. Every adapter passes one contract suite.
//
// One send is at most one request on the wire, and one for each redirect that it follows. A
// connection that dies before an answer is reported as LOST, also when it was a kept one which the
// target may have closed before: nobody can tell. The exception: a `repeatable` request is sent
// once more by wire, on a fresh connection, when TCP tells that the target closed the kept one
// before any of it arrived. Kept connections are used again only within 4 s, which is shorter than
// most servers keep them, so that both are rare.
//
// Headers that every attempt carries, beside the job's own: Idempotency-Key (the quoted execution
// id), webhook-id, webhook-timestamp, Carillon-Job, Carillon-Scheduled-At, Carillon-Attempt,
// Carillon-Fence, traceparent, User-Agent, and with a body Content-Type (application/json of the
// default body and of one that came as JSON, else text/plain), unless the job sets it.
// Retry-After is read as seconds or a date in any of its three forms, up to an hour.
//
// So many redirects are followed as request.redirects says (hops_priv.h has the rules), each after
// its answer was read. The attempt is one: its deadline covers them all, its outcome is that of the
// last request, and it is LOST, not NOT_SENT, when it ends behind a redirect. A 3xx that is not
// followed is an answer like any other; outcome.location says where it leads, and why nobody went
// there if the job wanted it.
//
// What makes an answer: its head, read whole, of up to RESPONSE_HEAD_BYTES_MAX with interim answers
// (libcurl reads no single line of more than 100 KiB). Then the attempt is ANSWERED, whatever comes
// after: the head has told how the target judged the request, and a body that breaks off, is still
// on its way when the time is over or the attempt is cancelled, or cannot be read does not change
// that. The body is read up to RESPONSE_BYTES_MAX and then cut; the first
// request.response_excerpt_bytes of it are reported, as text. What was not read to its end is
// response_truncated, what broke the rules of HTTP is response_damaged. An attempt whose head does
// not come whole is LOST, but its http_status is known from the end of the status line on.
//
// HELD is an attempt that was not made, since this machine lacked descriptors, ports or memory, or
// since its lease was over: the target has nothing to do with it, and was not told of it.
//
// In an outcome, attempt.started_at is when the request was begun, or the attempt if none was;
// first_byte_ms counts from there to the first byte of the answer. attempt.error is NULL only for
// ANSWERED.

#ifndef CARILLON_DISPATCH_DISPATCH_H
#define CARILLON_DISPATCH_DISPATCH_H

#include "base/address_policy.h"
#include "base/loop.h"
#include "core/core.h"

#define RESPONSE_HEAD_BYTES_MAX 262144
#define RESPONSE_BYTES_MAX 65536
#define EXCERPT_BYTES_MAX JOB_MAX(response_excerpt_bytes)

struct dispatch;

// `o` and its strings are borrowed for the call. It may call dispatch_send.
typedef void dispatch_done(void *context, const struct outcome *o);

struct dispatch_options {
    const char *version;    // For User-Agent: "Carillon/<version>".
    dur_ms connect_ms;      // Bound of name resolution and TCP connect together; 0: 5000.
    dur_ms tls_ms;          // Further time for the TLS handshake of https; 0: 5000.
    size_t connections_max; // Idle connections kept for reuse, in all; 0: 4096.
    const char *ca_file;    // Certificates to trust beside the system's; may be NULL.
    bool ca_only;           // The system's are not trusted.
    // "http://[user:password@]host:port" that every request goes through; may be NULL. Only for
    // curl. Names are then resolved by the proxy: of the policy only what the URL itself says is
    // judged.
    const char *proxy;
    // "address:port,..." to resolve names, instead of the system's; may be NULL. Only for wire.
    const char *name_servers;
    // Which addresses may be called, asked for each that is connected to. NULL: all. Borrowed until
    // the dispatcher is closed.
    const struct address_policy *targets;
};

typedef enum err dispatch_opener(struct loop *l, const struct dispatch_options *o,
                                 dispatch_done *done, void *context, struct dispatch **out,
                                 struct fault *f);

// What opens the adapter called `name`: "wire" or "curl". NULL when there is none.
dispatch_opener *dispatch_find(const char *name);

// Carillon's own client: HTTP/1.1, by far the cheapest. ERR_SYSTEM when the certificates or the
// name servers cannot be used. The program must ignore SIGPIPE.
MUST_CHECK enum err dispatch_wire_open(struct loop *l, const struct dispatch_options *o,
                                       dispatch_done *done, void *context, struct dispatch **out,
                                       struct fault *f);

// ERR_UNSUPPORTED when the libcurl at hand lacks what is needed. The program must ignore SIGPIPE.
MUST_CHECK enum err dispatch_curl_open(struct loop *l, const struct dispatch_options *o,
                                       dispatch_done *done, void *context, struct dispatch **out,
                                       struct fault *f);

// Attempts under way end without an outcome being reported. NULL is a no-op.
void dispatch_close(struct dispatch *d);

// Starts the attempt; what the request borrows is copied. Never fails: what cannot be started
// (a malformed URL, no descriptors left) is an outcome like any other, reported in a later turn.
void dispatch_send(struct dispatch *d, const struct send *s);

// From `until` on no request leaves, whenever its attempt was started: somebody else may send by
// then. It is asked right before the first byte; what comes too late ends HELD, and when it is to
// follow a redirect, LOST. MONO_NEVER: it does not end, as before the first call.
void dispatch_set_lease(struct dispatch *d, mono_ms until);

// The attempt is no longer wanted: it ends as soon as may be, and its outcome (LOST or NOT_SENT,
// "cancelled"; or what it was if it has ended already) comes as for every other. An unknown ticket
// is a no-op.
void dispatch_cancel(struct dispatch *d, uint64_t ticket);

size_t dispatch_in_flight(const struct dispatch *d);

#endif
