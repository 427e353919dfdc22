// SPDX-License-Identifier: MIT
// wire_priv.h: our own HTTP/1.1 client, from the inside.
//
//   adapter.c     the port: open, send, cancel, close, and reporting what has ended
//   call.c        one attempt, from its start to its end
//                 (call_connect.c: a connection for it; call_exchange.c: request and answer)
//   compose.c     its request, as bytes
//   follow.c      from an answer that leads on to the next request of the attempt
//   verdict.c     how it ended -> struct outcome
//   dial.c        host -> connected socket: addresses tried one after the other, overlapping
//   connection.c  one socket: open, read, write, close, in plain text or through TLS
//   tls.c         handshakes, verification, resumption
//   trust.c       the certificates that a job trusts beside the server's own
//   pair.c        the certificate that a job shows, and its key
//   pool.c        targets, and their connections that wait for the next request
//   line.c        calls that wait for a connection, when many are wanted at once
//   ../response*.c   bytes -> answer (pure)
//   resolve.c     names that are known; lookup.c: name servers
//   deadline.c    all the waiting, on one timer; table.c: text -> object
//
//   dispatch_send -> call -> pool has one? ------------------------------> write -> read -> end
//                               | no                                      ^
//                               '-> line -> dial (resolve, connect) -> TLS'
//
// A call ends once, wherever that is noticed, and is then only put on a list: outcomes are reported
// at the end of each callback of the loop, so nothing is pulled away under a caller's feet. Calls,
// their texts and their excerpts are used again; steady traffic allocates nothing.

#ifndef CARILLON_DISPATCH_WIRE_WIRE_PRIV_H
#define CARILLON_DISPATCH_WIRE_WIRE_PRIV_H

#include "base/origin.h"
#include "base/url.h"
#include "dispatch/adapter_priv.h"
#include "dispatch/hops_priv.h"
#include "dispatch/judge_priv.h"
#include "dispatch/location_priv.h"
#include "dispatch/request_priv.h"
#include "dispatch/response_priv.h"
#include "dispatch/wire/deadline_priv.h"
#include "dispatch/wire/resolve_priv.h"
#include "dispatch/wire/table_priv.h"
#include "dispatch/words_priv.h"

#include <openssl/ssl.h>
#include <sys/queue.h>
#include <sys/types.h>

#define RECEIVE_BYTES 16384
#define TARGET_ORIGIN 17 // Where the origin begins in the key of a target.

TAILQ_HEAD(call_list, call);
TAILQ_HEAD(connection_list, connection);
TAILQ_HEAD(target_list, target);

// Targets and the connections to them that wait for the next request.
struct pool {
    struct table targets;
    struct target_list unused; // No call and no connection needs them; the oldest first.
    size_t unused_count;
    struct connection_list idle; // Idle connections to all targets, the longest idle first.
    size_t idle_count;
    size_t idle_max;
    struct deadline sweep; // When the first of them has waited long enough.
};

// Who waits for a connection.
struct line {
    struct target_list targets;
    unsigned openings; // So many connections may still be opened in this turn of the loop.
};

struct wire {
    struct dispatch dispatch; // First: the port's calls arrive with a pointer to it.
    struct loop *loop;
    dispatch_done *done;
    void *context;
    char *version;
    dur_ms connect_ms;
    dur_ms tls_ms;
    const struct address_policy *targets; // Borrowed; NULL: every address will do.
    const struct secret_ring *secrets;    // Borrowed; may be NULL.

    struct deadlines deadlines;
    struct judge judge;
    struct resolver *resolver;
    SSL_CTX *tls;
    struct table trusts;
    uint32_t trust_last; // The number given last.
    struct table pairs;
    uint32_t pair_last; // The same for pairs.
    struct pool pool;
    struct line line;

    struct call_list under_way;
    struct call_list ended; // To be reported.
    struct call_list spare; // At most CALLS_SPARE_MAX.
    struct excerpt *excerpts;
    size_t in_flight;
    size_t spare_count;
    size_t excerpt_count;
    struct loop_source soon; // Always readable: has the loop call back in its next turn.
    bool is_soon;            // Whether the loop looks at it.

    struct request_parts parts;   // Parts of the request being composed.
    char received[RECEIVE_BYTES]; // What was read of the connection at hand.
};

// The certificates of one tls_ca. Calls and targets use it; it goes with the last of them.
struct trust {
    struct table_entry entry;
    char *pem; // The key.
    X509_STORE *store;
    size_t uses;
    uint32_t number; // Never given twice.
};

// The client certificate of a job, with its key. Calls and targets use it; it goes with the last.
struct client_pair {
    struct table_entry entry;
    char *text;       // The key of the table: the sealed private key, a line end, certificates.
    size_t key_chars; // So long is the sealed private key.
    size_t uses;
    uint32_t number; // Never given twice.
};

// Scheme, host and port, how the host has to prove itself, and how we do.
struct target {
    struct table_entry entry;
    TAILQ_ENTRY(target) link;    // In pool.unused.
    size_t uses;                 // Calls and connections; 0: it may go.
    struct connection_list idle; // The one used last comes first.
    size_t idle_count;
    struct call_list line;       // The one that came first is served first.
    TAILQ_ENTRY(target) waiting; // In line.targets, while somebody is in line.
    SSL_SESSION *session;        // To resume; NULL when there is none.
    struct trust *trust;         // Counts as a use of it; NULL: the server's own alone.
    struct client_pair *pair;    // Counts as a use of it; NULL: we are anybody.
    bool https;
    bool verified; // The host must prove who it is.
    bool is_address;
    uint16_t port;
    char host[URL_HOST_BYTES_MAX + 1];
    char key[TARGET_ORIGIN + ORIGIN_BYTES]; // The key in the table.
};

// A socket: a racer of a dial, carries a call, or is idle in the pool; `source.ready` is
// the function of the one who has it.
struct connection {
    struct loop_source source;
    struct wire *owner;
    struct target *target; // Counts as a use of it.
    struct call *call;     // NULL: idle.
    SSL *ssl;              // NULL: plain text.
    int alert;             // The TLS alert by which the target ended it; -1: none came.
    bool is_asked;         // The target wanted a certificate of ours, and we had none.
    uint32_t events;       // What the loop is asked for.
    mono_ms opened_at;
    mono_ms idle_since;
    TAILQ_ENTRY(connection) link; // In target.idle or dial.racers.
    TAILQ_ENTRY(connection) age;  // In pool.idle.
};

struct dial {
    struct question question;
    struct addresses addresses;
    size_t next;
    struct connection_list racers;
    struct deadline patience;       // When the next address is tried beside the last.
    int error;                      // Why the last racer failed.
    const union address *forbidden; // The last one that the policy denies; NULL: none so far.
};

enum ending {
    END_ANSWERED,
    END_TROUBLE,
    END_CONNECT,
    END_FORBIDDEN,
    END_TLS,
    END_TIMEOUT,
    END_UNREADABLE, // What came cannot be the head of an answer.
};

struct call {
    TAILQ_ENTRY(call) link; // In one of the lists of struct wire.
    struct wire *owner;
    struct target *target;    // NULL: the URL was none.
    struct trust *trust;      // What the job's tls_ca vouches for, or NULL.
    struct client_pair *pair; // What the request under way may show, or NULL.
    TAILQ_ENTRY(call) place;  // In target.line.
    bool in_line;
    struct connection *connection;
    struct dial dial;
    struct deadline deadline; // The end of the attempt, or of the stage it is in.
    dur_ms bound_ms;          // Which of them.

    uint64_t ticket; // These three are told with the outcome.
    uint32_t shard;
    int64_t epoch;
    struct hops *hops; // NULL: the job follows no redirects.
    dur_ms timeout_ms;
    mono_ms not_after; // No first request leaves then; 0: at any time.
    bool repeatable;
    bool tls_verify;
    bool fresh;               // The attempt takes no kept connection and leaves none.
    bool has_callback;        // The last request named where the target may tell how it ended.
    struct rules_taken rules; // What the job wants of the body.
    uint32_t excerpt_bytes;   // So much of the body is told,
    uint32_t kept_bytes;      // and so much is kept for that, or to be judged.
    bool to_head;             // The request is HEAD: its answer has no body.
    bool kept;                // The connection has carried other requests.
    bool sent;                // The first byte was given to the kernel.
    bool write_failed;        // The target takes no more; it may have answered.
    bool whole;               // The answer was read to its end.
    bool damaged;             // The answer cannot be read any further.
    bool turned_back;         // The last hop was forbidden: the answer before it is the last one.
    bool has_secrets;         // The text of the request is wiped at the end.
    enum stage stage;
    struct request_text request;
    size_t written;
    struct response response;
    struct request_text
        location; // Where an answer 3xx leads, as it came; cut at LOCATION_BYTES_MAX.
    size_t body_bytes;
    struct excerpt *excerpt; // NULL before the first byte of the body.

    wall_ms started_wall;
    mono_ms started;
    mono_ms resolved_at; // These are 0 when it did not happen.
    mono_ms dialed_at;   // When the addresses were asked for.
    mono_ms connected_at;
    mono_ms secured_at;
    mono_ms begun_at;
    mono_ms first_byte_at;

    enum ending ending;
    enum trouble trouble; // END_TROUBLE
    int error;            // END_CONNECT: an errno.
    const char *reason;   // END_TLS: static text.
    char *why;            // TROUBLE_SECRET: why no request could be made.
};

// The beginning of a body as it came.
struct excerpt {
    struct excerpt *next;
    size_t bytes_max;
    char bytes[];
};

// --- adapter.c

void wire__report(struct wire *w);
void wire__soon(struct wire *w); // The line is served and ends are reported in the next turn.
struct excerpt *wire__excerpt_take(struct wire *w, size_t bytes);
// Room for `bytes`, of which the first `used` are in `e`, which may be NULL.
struct excerpt *wire__excerpt_widen(struct wire *w, struct excerpt *e, size_t used, size_t bytes);
void wire__excerpt_put(struct wire *w, struct excerpt *e);

// --- call.c

struct call *call__new(struct wire *w);
void call__free(struct call *c);
// Prepares and starts the attempt. It may end inside the call.
void call__start(struct call *c, const struct send *s);
void call__end(struct call *c, enum ending ending);
void call__trouble(struct call *c, enum trouble t); // The same for END_TROUBLE.
void call__cancel(struct call *c);                  // Nobody waits for it any more.
// A request of the attempt, which may have been redirected. It may end inside the call.
void call__set_out(struct call *c, const struct request *r);
void call__let_go(struct call *c,
                  bool reusable); // Gives up the call's connection, if there is one.
// The head has told how the target judged the request; a body that is cut does not change that.
void call__cut(struct call *c);
// What the call does now may take `stage_ms` from `now` on, but no longer than the whole.
void call__bound_stage(struct call *c, mono_ms now, dur_ms stage_ms);
void call__bound_whole(struct call *c);

// --- call_connect.c

// The call's turn has come: it gets a kept connection, or else a fresh one, and may end inside.
void call__connect(struct call *c);
void call__dial(struct call *c, mono_ms now); // A fresh one.
// From dial.c: the addresses are known; a socket is connected (and now the call's); none is.
void call__resolved(struct call *c);
void call__connected(struct call *c, struct connection *n);
void call__unconnected(struct call *c, int error);

// --- call_exchange.c

// Sends the request over the connection, which is now the call's. False when that was closed before
// a byte of it.
bool call__use(struct call *c, struct connection *n);
void call__begin(struct call *c, struct connection *n); // Over a fresh one; it may end inside.

// --- follow.c

// Whether the answer, whose head was read, is not the last one of the attempt.
bool call__leads_on(const struct call *c);
// Goes on where the answer leads. False when it is the last one. The attempt may end inside the
// call.
bool call__follow(struct call *c);
// The policy denies every address of the target.
void call__forbidden(struct call *c);

// --- compose.c

// False, with c->why: what the job holds sealed cannot be opened.
bool call__compose(struct call *c, const struct request *r, const struct url *u);

// --- verdict.c

// Backing for the strings of an outcome.
struct verdict {
    struct outcome outcome;
    char error[ERROR_TEXT_MAX];
    char body_error[ERROR_TEXT_MAX];
    char location[HOPS_LOCATION_BYTES];
    char response[EXCERPT_BYTES_MAX + 1];
};

void call__verdict(const struct call *c, mono_ms now, struct verdict *out);

// --- line.c

void line__init(struct wire *w);
// True: the call may have a connection now. False: it waits; call__connect is called in its turn.
bool line__ask(struct call *c);
void line__leave(struct call *c);                  // A no-op when it does not wait.
void line__kept(struct target *t, struct wire *w); // A connection to it has become free.
// Once in a turn while somebody waits; false when nobody does any more.
bool line__serve(struct wire *w);

// --- dial.c

void dial__init(struct call *c);
void dial__start(struct call *c); // Ends with one of the three above, perhaps at once.
void dial__stop(struct call *c);

// --- connection.c

// Begins to connect; `ready` is called with the connection. NULL with *error filled in: an errno.
struct connection *connection__open(struct target *t, struct call *c, const union address *to,
                                    loop_ready *ready, int *error);
int connection__error(const struct connection *n); // Pending; 0: it is connected.
void connection__want(struct connection *n, uint32_t events);
// Bytes moved; 0: the end of the stream (reading only); -1 and errno, EAGAIN for "not now".
ssize_t connection__read(struct connection *n, char *bytes, size_t count);
ssize_t connection__write(struct connection *n, const char *bytes, size_t count);
// Looks without waiting whether the target has closed it, or spoken without being asked.
bool connection__is_alive(struct connection *n);
// Bytes written that the other side has not acknowledged; with TLS, of its records.
size_t connection__unacknowledged(const struct connection *n);
void connection__close(struct connection *n);

// --- tls.c

enum tls_step { TLS_SECURED, TLS_WAITS, TLS_FAILED };

// The system's certificates unless `ca_only`, and those of `ca_file` if it is not NULL.
MUST_CHECK enum err tls__open(const char *ca_file, bool ca_only, SSL_CTX **out, struct fault *f);
// An error says what is wrong with the client certificate, and there can be no handshake.
MUST_CHECK enum err tls__begin(struct connection *n, struct fault *f);
// Goes on with the handshake. *reason, static text, is filled in when it failed.
enum tls_step tls__shake(struct connection *n, const char **reason);
void tls__close(struct connection *n);

// --- trust.c

// Counts as a use of it. NULL when the text is no certificates.
struct trust *trust__take(struct wire *w, const char *pem);
void trust__release(struct wire *w, struct trust *t); // NULL is a no-op.
// Verifies by the certificates of `t` (NULL: none) or else by those of `usual`; 1: verified.
int trust__verify(struct trust *t, X509_STORE_CTX *usual);

// --- pair.c

// Counts as a use of it. The request has both certificate and key.
struct client_pair *pair__take(struct wire *w, const struct request *r);
void pair__release(struct wire *w, struct client_pair *p); // NULL is a no-op.
// Has the connection show the certificate when the target asks for one.
MUST_CHECK enum err pair__show(const struct client_pair *p, const struct secret_ring *secrets,
                               SSL *ssl, struct fault *f);

// --- pool.c

void pool__init(struct wire *w, size_t idle_max);
void pool__fini(struct wire *w); // Closes what is idle; nothing else may be left.
// Where the call's next request goes to. Counts as a use of it.
struct target *pool__target(const struct call *c, const struct url *u, const char *origin);
void target__release(struct wire *w, struct target *t);
// A connection that is idle and was alive a moment ago, without unread bytes; NULL: none.
struct connection *pool__take(struct target *t);
void pool__put(struct connection *n);
bool pool__drop_oldest(struct wire *w); // False: there is no idle one.

#endif
