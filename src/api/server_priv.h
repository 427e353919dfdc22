// SPDX-License-Identifier: MIT
// server_priv.h: an HTTP/1.1 server: requests in, answers out.
//
// The server listens at one to three doors and runs a few threads. For every complete and
// well-framed request it calls the handler once, on one of these threads, with an exchange: the
// request to read and the place to put the answer. The handler answers before it returns, or hands
// the exchange to another owner, who answers it later, from any thread; the connection sleeps
// meanwhile. Every exchange is answered exactly once, also when its client has gone. The server
// sets no time limit on that: the owner of an exchange must answer it, also when the owner is
// shutting down.
//
// What two HTTP parsers could understand differently never reaches the handler: guard_priv.h
// refuses it with 400 and closes the connection. The same holds for what is too long (413, 414,
// 431) or too slow (408). HEAD is the handler's GET: the server drops the body of the answer.
//
// What clients can take is bounded (struct server_options). Connections beyond the limits, of all
// or of one address, first take the place of the connection that has been idle longest. When no
// connection is idle they get a seat of the reserve, where only the reserved paths are answered,
// everything else is 503, and the oldest connection makes room for the newest.

#ifndef CARILLON_API_SERVER_PRIV_H
#define CARILLON_API_SERVER_PRIV_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVER_URI_BYTES_MAX (8 * 1024)
#define SERVER_HEAD_BYTES_MAX (16 * 1024) // Request line, header lines and the empty line.
#define SERVER_HEADERS_MAX 100
#define SERVER_BODY_BYTES_MAX (1024 * 1024)
#define SERVER_REQUEST_ID_BYTES_MAX 64
#define SERVER_PARAMETERS_MAX 100 // A parameter of the query.
#define SERVER_SMALL_BYTES (16 * 1024)

#define SERVER_UNIX_PATH_BYTES 108 // The path of a Unix socket, with its NUL.
#define SERVER_UNIX_MODE 0600

struct server;
struct exchange;

// Where a client came in.
enum server_door {
    DOOR_MAIN,    // The address.
    DOOR_UNIX,    // The Unix socket: a process on this machine that the mode of the file lets in.
    DOOR_OBSERVE, // A second address, for those who only look.
    SERVER_DOORS
};

// --- The server ----------------------------------------------------------------------------------

// Called once per request, on any of the server's threads, several at a time.
typedef void server_handler(void *context, struct exchange *x);

// A request that the server refuses by itself, before the handler sees it.
struct refusal {
    unsigned status;        // 400, 408, 413, 414, 431 or 503.
    bool draining;          // 503 because the server is about to end, not because it is busy.
    const char *detail;     // A sentence for a person, without a full stop.
    const char *request_id; // Never NULL.
};

// Writes the body of a refusal: a malloc'ed text and its length, which the server frees. It is
// called on any of the server's threads, with the handler's context.
typedef char *server_error_body(void *context, const struct refusal *r, size_t *bytes);

// Zero in a number means the default in brackets.
struct server_options {
    // The doors, of which there must be one. A host is "127.0.0.1", "::1" or "localhost": never
    // looked up by DNS. All three texts are borrowed for the call.
    const char *host;         // NULL: no such door.
    uint16_t port;            // 0: the kernel chooses; see server_port.
    const char *unix_path;    // NULL: no such door.
    unsigned unix_mode;       // [SERVER_UNIX_MODE] Of the socket's file.
    const char *observe_host; // NULL: no such door.
    uint16_t observe_port;

    // TLS at the address, which then speaks nothing else. Paths of files in PEM, borrowed for the
    // call; see server_tls_priv.h.
    const char *tls_certificate; // NULL: plain text.
    const char *tls_key;
    const char *tls_client_ca; // NULL: clients need no certificate.

    unsigned threads; // [2]

    // Connections. An address is an IPv4 address or the /64 network of an IPv6 address. This
    // machine's own addresses of loopback may hold half of all, if that is more: a proxy on this
    // machine speaks for many clients.
    unsigned connections_max;             // [2048]
    unsigned connections_per_address_max; // [256]
    unsigned connections_reserved;        // [64] In addition, for the reserved paths.
    const char *const *reserved_paths;    // Ending in NULL; NULL: none. Borrowed.

    // A request and its answer.
    size_t body_bytes_max; // [SERVER_BODY_BYTES_MAX]
    size_t uri_bytes_max;  // [SERVER_URI_BYTES_MAX]
    size_t head_bytes_max; // [SERVER_HEAD_BYTES_MAX]
    unsigned headers_max;  // [SERVER_HEADERS_MAX]

    // Memory of all requests and answers. What a connection needs beyond SERVER_SMALL_BYTES for the
    // body of its request, or for its answer, is taken from these, at most half of each by one
    // address. When nothing is left the request is refused with 503; an answer to anything but GET
    // is sent all the same.
    size_t bodies_bytes_max;  // [32 MiB]
    size_t answers_bytes_max; // [64 MiB]
    size_t stream_bytes_max;  // [64 KiB] Of one streaming answer, written and not yet sent.

    // Time. When three quarters of the connections are taken, of all or of the address, a head has
    // the pressed time, and so has a client to take the next bytes of its answer when three
    // quarters of the memory for answers are.
    unsigned handshake_timeout_ms; // [5000] Of TLS.
    unsigned idle_timeout_ms;      // [30000] Without a request.
    unsigned request_timeout_ms;   // [20000] From a request's first byte to its last.
    unsigned answer_timeout_ms;  // [30000] Without any progress of the answer; in all, so long and
                                 // the time that the slowest rate needs.
    size_t answer_bytes_per_s;   // [64 KiB] The slowest rate.
    unsigned pressed_timeout_ms; // [5000]
    unsigned linger_timeout_ms;  // [5000] For a client to close when the server has ended.

    // Headers of every answer, refusals too: lines that end in CRLF. NULL: none. Borrowed.
    const char *headers;

    server_error_body *error_body; // NULL: refusals have a short body of text/plain.
    const char *error_type;        // [application/problem+json] Content type of error_body's text.
};

// Takes the addresses, and makes the Unix socket, replacing one that a killed server has left:
// clients that connect from now on wait. `context` goes to every call of
// `handler` and of the error_body hook. ERR_BUSY when the port is taken, or the path, ERR_FORBIDDEN
// when the system does not allow it, ERR_SYNTAX when a host is not an address or the path is too
// long or a file of TLS cannot be used, ERR_SYSTEM otherwise; *f names the address or the file.
MUST_CHECK enum err server_listen(const struct server_options *o, server_handler *handler,
                                  void *context, struct server **out, struct fault *f);

// Starts the threads, which answer. Once; after an error the server can only be closed.
MUST_CHECK enum err server_serve(struct server *s, struct fault *f);

// server_listen and server_serve in one.
MUST_CHECK enum err server_open(const struct server_options *o, server_handler *handler,
                                void *context, struct server **out, struct fault *f);

uint16_t server_port(const struct server *s); // 0 without the door.
uint16_t server_observe_port(const struct server *s);

// Open ones, with those of the reserve.
unsigned server_connections(const struct server *s);

// Reads the files of TLS again; an error leaves all as it was, and both ends are logged. Without
// TLS a no-op. They are also read when they change.
MUST_CHECK enum err server_reload(struct server *s, struct fault *f);

// Stops listening, and removes the Unix socket. Exchanges under way go on; a new request on an open
// connection is refused with 503, and every connection is closed with its next answer. May be
// called more than once.
void server_drain(struct server *s);

// Drains, waits until every exchange is answered and its answer sent (or its client gone), and
// stops the threads. It waits for whoever took an exchange, so it must not be called on the thread
// which has to answer. NULL is a no-op.
void server_close(struct server *s);

// --- The request ---------------------------------------------------------------------------------
//
// Everything returned here belongs to the exchange and is good until it is answered. The accessors
// may be called on any thread, by one thread at a time: the one that has the exchange.

const char *exchange_method(const struct exchange *x); // As sent, in capitals; HEAD is "GET".
const char *exchange_target(const struct exchange *x); // Raw, as it came: "/jobs/7?limit=5".

// The path, cut at each "/" and then percent-decoded, once: "/jobs/7" has the segments "jobs" and
// "7", "/" has none, and "/jobs/" ends in an empty one. A segment is UTF-8 without control
// characters; it may contain a "/" that came as %2F. A path that breaks these rules is refused
// with 400, and so is a query.
size_t exchange_segments(const struct exchange *x);
const char *exchange_segment(const struct exchange *x, size_t index);

// The parameters of the query in the order in which they came, decoded once ("+" is a space).
size_t exchange_parameters(const struct exchange *x);
const char *exchange_parameter_name(const struct exchange *x, size_t index);
const char *exchange_parameter_value(const struct exchange *x, size_t index); // "" without "=".

// How often the query has this parameter; *value becomes the first one's, or NULL.
size_t exchange_parameter(const struct exchange *x, const char *name, const char **value);

// A header's value without white space around it; NULL when there is none. Upper and lower case
// are the same in `name`. When a header came several times the values are joined by ", "; headers
// that must not be repeated (Content-Type, Authorization, If-Match, Idempotency-Key and their
// like) were refused with 400.
const char *exchange_header(struct exchange *x, const char *name);

// The body, followed by a NUL which is not counted. "" and 0 when there is none.
const char *exchange_body(const struct exchange *x, size_t *bytes);

// X-Request-Id of the request if it was 1 to 64 letters, digits and "-._", else a new one.
// Every answer carries it.
const char *exchange_request_id(const struct exchange *x);

enum server_door exchange_door(const struct exchange *x);

// "127.0.0.1" or "::1", without the port; "unix:uid=1000" for a user of this machine at the Unix
// socket, as the kernel says who that is.
const char *exchange_peer(const struct exchange *x);

// The same, and behind a blank whom the client's certificate names, if it had to show one:
// "192.0.2.7 CN=alice,O=Example". To tell people who did something.
const char *exchange_caller(const struct exchange *x);

bool exchange_is_tls(const struct exchange *x);

// The address of this machine that the client has connected to, likewise, and its port; "unix" and
// 0 for the Unix socket.
const char *exchange_local(const struct exchange *x);
uint16_t exchange_local_port(const struct exchange *x);

// --- The answer ----------------------------------------------------------------------------------

// Adds a header to the answer to be. Date, Content-Length, Connection, Content-Type and
// X-Request-Id are the server's. Both are copied; a value must not contain control characters.
void exchange_add_header(struct exchange *x, const char *name, const char *value);

// Answers and ends the exchange, which must not be touched afterwards. `body` is malloc'ed and
// moved here; NULL and 0 when there is none. `content_type` is copied, NULL only without a body.
// Any thread may call it, while the handler runs or later.
void exchange_answer(struct exchange *x, unsigned status, const char *content_type, char *body,
                     size_t bytes);

// The same for a body that outlives the server: it is neither copied nor freed.
void exchange_answer_static(struct exchange *x, unsigned status, const char *content_type,
                            const char *body, size_t bytes);

// --- A streaming answer --------------------------------------------------------------------------
//
// Begun once, written to as often as there is something to say, and ended once; the exchange must
// not be touched after its end. Any thread may do this, one at a time. What is written is copied
// and sent as soon as the client takes it.

// Called on one of the server's threads, with the context of exchange_stream_begin, and never after
// exchange_stream_end has returned. It must not call the exchange's functions itself, only wake
// its owner.
typedef void exchange_stream_call(void *context);

struct exchange_stream_calls {
    exchange_stream_call *room; // After ERR_LIMIT: half of the bound is free again.
    exchange_stream_call *over; // The client has gone, or the server drains: end the stream.
    void *context;
};

void exchange_stream_begin(struct exchange *x, unsigned status, const char *content_type,
                           const struct exchange_stream_calls *calls);

// ERR_LIMIT: so much waits for the client that this has no room (stream_bytes_max). ERR_CLOSED: the
// client has gone. Nothing is taken then.
MUST_CHECK enum err exchange_stream_write(struct exchange *x, const char *bytes, size_t n);

// What has been written is still sent.
void exchange_stream_end(struct exchange *x);

// A value that travels with the exchange for whoever answers it; the server does not look at it.
void exchange_attach(struct exchange *x, void *attachment);
void *exchange_attachment(const struct exchange *x);

#endif
