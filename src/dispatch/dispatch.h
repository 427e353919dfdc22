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
// Adapters: dispatch_wire_open, dispatch_curl_open, and dispatch_queue_open, behind which executors
// use one of the others. Every adapter passes one contract suite.
//
// One send is at most one request on the wire, and one for each redirect that it follows. A
// connection that dies before an answer is reported as LOST, also when it was a kept one which the
// target may have closed before: nobody can tell. The exception: a `repeatable` request is sent
// once more by wire, on a fresh connection, when TCP tells that the target closed the kept one
// before any of it arrived. Kept connections are used again only within 4 s, which is shorter than
// most servers keep them, so that both are rare.
//
// Headers that every attempt carries, beside the job's own: Idempotency-Key (the quoted execution
// id), webhook-id, webhook-timestamp, webhook-signature if the job has keys for it, Carillon-Job,
// Carillon-Scheduled-At, Carillon-Attempt, Carillon-Fence, traceparent, User-Agent, and with a body
// Content-Type (application/json of the default body and of one that came as JSON, else
// text/plain), unless the job sets it; and with request.callback Carillon-Callback, which
// goes to no other origin by a redirect. An answer 202 to such a request that has
// "Carillon-Completion: wait" is reported with outcome.asks_to_wait. Retry-After is read as seconds
// or a date in any of its three forms, up to an hour.
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
// since its lease or send.not_after was over: the target has nothing to do with it, and was not
// told of it.
//
// What a job holds sealed (secrets/secrets.h) is opened right before it is sent, by whoever sends,
// and wiped after. When it cannot be opened, nothing is sent: the attempt is NOT_SENT, its error
// says which secret and why, and the target is not to blame (is_unheard).
//
// An attempt with request.oauth gets an access token first, with its own time, from the token
// server or from memory, and carries that to its target; request.bearer is dispatch's own. Without
// a token nothing is sent: NOT_SENT and is_unheard, and the error begins with "oauth: ". An answer
// 401 makes dispatch forget the token, and is an answer like any other (oauth/oauth_priv.h).
//
// In an outcome, attempt.started_at is when the request was begun, or the attempt if none was;
// first_byte_ms counts from there to the first byte of the answer. attempt.error is NULL only for
// ANSWERED.

#ifndef CARILLON_DISPATCH_DISPATCH_H
#define CARILLON_DISPATCH_DISPATCH_H

#include "base/address_policy.h"
#include "base/loop.h"
#include "core/core.h"
#include "redis/redis.h"
#include "secrets/secrets.h"

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
    struct redis_server *redis; // Only for queue. Borrowed until the dispatcher is closed.
    // Opens what jobs hold sealed; NULL: nothing can be opened. Borrowed likewise.
    const struct secret_ring *secrets;
};

typedef enum err dispatch_opener(struct loop *l, const struct dispatch_options *o,
                                 dispatch_done *done, void *context, struct dispatch **out,
                                 struct fault *f);

// What opens the adapter called `name`: "wire", "curl" or "queue". NULL when there is none.
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

// Attempts go through a stream of Redis to executors. An attempt which must be made at most once,
// or which comes while Redis is away or no executor lives, is sent by this process, by wire, or by
// curl through the proxy. What reaches no executor within 10 s, within the attempt's timeout or the
// rest of the lease if that is less, is not sent any more; of what no executor has told when the
// timeout is over after that, the outcome is LOST and is_unheard. An attempt that is cancelled ends
// at once, and may still be sent in this time. Redis may come and go, and forget all that it holds.
// ERR_UNSUPPORTED without `redis`; else what wire or curl say.
MUST_CHECK enum err dispatch_queue_open(struct loop *l, const struct dispatch_options *o,
                                        dispatch_done *done, void *context, struct dispatch **out,
                                        struct fault *f);

// Attempts under way end without an outcome being reported. NULL is a no-op.
void dispatch_close(struct dispatch *d);

// Starts the attempt; what the request borrows is copied. A ticket has bit 31 clear, or one of its
// highest 15 bits: dispatch has tickets of its own. Never fails: what cannot be started
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

// --- Executors -------------------------------------------------------------------------------
//
// The other end of the queue: takes attempts from Redis, sends them, tells what became of them. An
// executor needs no database and no configuration elsewhere: it joins the group of consumers for
// which owners of shards write, takes as much as it can hold, and leaves. It decides nothing: which
// attempt is made, and how often, is the owner's business, and what could not be sent in time is
// not sent. Which addresses are called is said by the executor's own policy.

struct executor;

struct executor_options {
    dispatch_opener *open;            // What sends: dispatch_wire_open or dispatch_curl_open.
    struct dispatch_options dispatch; // `redis` is needed.
    size_t in_flight_max;             // The executor takes no more at once.
    // The wall clock of this process is set (clock_follow) to that of whoever adds attempts, so
    // that requests and outcomes tell the same time. For a process that has no other use for the
    // clock.
    bool follows_clock;
};

// Starts its threads. Redis may be away. ERR_UNSUPPORTED without `redis`; else what `open` says, or
// ERR_SYSTEM.
MUST_CHECK enum err executor_start(const struct executor_options *o, struct executor **out,
                                   struct fault *f);

struct executor_status {
    bool is_taking;  // Redis answers, and attempts are taken.
    size_t held;     // Attempts under way, or whose outcome is not told yet.
    uint64_t sent;   // Requests begun since the start.
    uint64_t untold; // Outcomes that could not be told in time.
};

struct executor_status executor_status(struct executor *e); // Any thread.

// Says that it leaves, takes on for as long as owners need to notice, and then waits until all that
// it holds has ended and is told. Returns how many were not after `timeout_ms`. Not on a thread
// that must not wait.
size_t executor_drain(struct executor *e, dur_ms timeout_ms);

// Ends at once; what is under way is abandoned, and its owners make the next attempt when their
// time is over. NULL is a no-op.
void executor_stop(struct executor *e);

#endif
