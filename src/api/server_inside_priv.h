// SPDX-License-Identifier: MIT
// server_inside_priv.h: the HTTP server, from the inside.
//
//   server.c             open, drain, close
//   server_listen.c      a listening socket; server_listen_unix.c: one that is a file
//   server_accept.c      a thread for each of them that accepts connections and gives them to the
//                        others
//   server_thread.c      one of the others: its loop, its mail, its clock
//   server_arrive.c      where a connection finds a seat
//   server_census.c      how many connections there are, in all and of each address
//   server_client.c      one connection: its states, and what its socket says
//   server_request.c     what arrives: guard*.c (bytes -> requests), bodies, the handler's call
//   server_answer.c      what leaves: heads of answers, writing, the end of an exchange
//   server_stream.c      answers that are written piece by piece
//   server_transport.c   bytes in and out of a socket, in plain text or through TLS
//   server_handshake.c   a connection through TLS before its first request; server_tls.c: the
//                        certificate of the server
//   server_exchange.c    what the handler sees; server_target.c: paths and queries
//   server_refusal.c     what a client is told when its request never gets to the handler
//
//   accept -> arrive -> read -> guard -> handler -> (later) answer -> write -> read ...
//
// Everything of a connection happens on its thread, but for the exchange while it is lent: from the
// handler's call until the answer it belongs to whoever has it, and comes back as mail. A request
// is read only when the answer to the one before it is sent, so a connection has one exchange and
// one answer at a time, and a client that sends many requests at once waits in its own socket.

#ifndef CARILLON_API_SERVER_INSIDE_PRIV_H
#define CARILLON_API_SERVER_INSIDE_PRIV_H

#include "api/guard_priv.h"
#include "api/server_census_priv.h"
#include "api/server_priv.h"
#include "api/server_tls_priv.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/memory.h"
#include "base/time.h"
#include "base/tls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <sys/uio.h>

#define SERVER_RECEIVE_BYTES (16 * 1024)
// What a client may still send after the server has ended, without losing the answer to a reset.
#define SERVER_DISCARD_BYTES_MAX (4 * 1024 * 1024)

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

// Whether the path of `text`, as it came, is one of `paths`, which end in NULL.
bool target_has_path(const char *text, const char *const *paths);

// --- server_transport.c --------------------------------------------------------------------------

struct transport {
    int fd;
    SSL *ssl; // NULL: plain text.
};

// Bytes moved; 0: the client's end of the stream (reading only); -1 and errno, EAGAIN for "not
// now". A read of SERVER_RECEIVE_BYTES leaves nothing behind of which the loop would not tell.
ssize_t transport_read(struct transport *t, char *bytes, size_t count);
ssize_t transport_write(struct transport *t, struct iovec *parts, int count);
void transport_end(struct transport *t); // Nothing more will be written.
void transport_close(struct transport *t);

// As tls_shake; *reason, in words for the log, when it failed.
enum tls_shake transport_shake(struct transport *t, const char **reason);
void transport_strip(struct transport *t); // From now on without TLS.

// --- Mail to a thread ----------------------------------------------------------------------------

enum server_mail_kind { MAIL_ARRIVAL, MAIL_EXCHANGE, MAIL_DRAIN, MAIL_CLOSE, SERVER_MAIL_KINDS };

struct server_mail {
    struct mail mail; // First: mailboxes hand out these.
    enum server_mail_kind kind;
};

struct arrival {
    struct server_mail mail; // First.
    int fd;
    enum server_door door;
    union socket_address peer;
    union socket_address local;
};

// --- server_exchange.c ---------------------------------------------------------------------------

struct answer_header {
    struct answer_header *next;
    const char *name;
    const char *value;
};

struct answer {
    unsigned status;
    const char *content_type; // NULL: there is no body.
    const char *body;
    size_t body_bytes;
    char *owned; // The body, when it has to be freed.
    size_t budget_bytes;
    struct answer_header *headers;
};

struct stream;

struct exchange {
    struct server_mail mail;
    struct client *client;
    struct arena arena;
    struct target target;
    const char *method;
    char request_id[SERVER_REQUEST_ID_BYTES_MAX + 1];
    char *body;
    size_t body_bytes;
    size_t body_capacity;
    size_t body_budget_bytes;
    void *attachment;
    bool lent;     // The handler has it, or whoever got it from there.
    bool answered; // Handed back on the connection's thread, before the handler returned.
    struct answer answer;
    struct stream *stream; // NULL: the answer comes in one piece.
};

// False: the limit is reached; the request must be refused with *status and *detail.
MUST_CHECK bool exchange__append_body(struct exchange *x, const char *bytes, size_t n,
                                      unsigned *status, const char **detail);

// Fills in what the accessors return, once the request is complete. False: *detail says why not.
MUST_CHECK bool exchange__complete(struct exchange *x, const char **detail);

// Answers by the server itself, on the connection's thread.
void exchange__refuse(struct exchange *x, unsigned status, const char *detail);

// Gives the exchange back to its connection, which looks at what there is to send.
void exchange__hand_back(struct exchange *x);

// Forgets request and answer.
void exchange__reset(struct exchange *x);

// --- server_refusal.c ----------------------------------------------------------------------------

// A fresh request id.
void server__request_id(struct server *s, char out[static SERVER_REQUEST_ID_BYTES_MAX + 1]);

// The body of a refusal, malloc'ed, and its content type.
char *server__refusal_body(struct server *s, const struct refusal *r, size_t *bytes,
                           const char **content_type);

// --- server_client.c -------------------------------------------------------------------------

//                .-------------------------------------------------------------.
//                v                                                             |
//   opened ---> IDLE --> HEAD --> BODY --> READY --> HANDLED --> ANSWERING ----+--> LINGERING
//                                                       |            ^                  |
//                                                       '-> STREAMING'                CLOSED
//
// A connection through TLS is SHAKING before it is IDLE; if that fails it is LINGERING, and HANDLED
// if a client of plain HTTP is to be told. A request without a body goes from HEAD to READY, one
// that is refused to HANDLED. A client that leaves while its exchange is lent makes the connection
// GONE until the answer comes.
enum client_state {
    CLIENT_SHAKING,
    CLIENT_IDLE,
    CLIENT_HEAD,
    CLIENT_BODY,
    CLIENT_READY, // The request waits for the handler; the first that came is the first in the
                  // list.
    CLIENT_HANDLED,
    CLIENT_ANSWERING,
    CLIENT_STREAMING,
    CLIENT_LINGERING, // Ended; what still comes is thrown away until the client closes.
    CLIENT_GONE,
    CLIENT_CLOSED, // Freed at the end of the turn.
    CLIENT_STATES
};

// What is to be written, in up to three parts.
struct output {
    struct iovec parts[3];
    int count;
    int first;           // The first that is not yet written.
    char chunk_size[24]; // The state of a streaming answer.
    char *owned;         // A streaming answer's part 1, when it has to be freed.
};

// Received, and not yet read because an earlier answer is not sent.
struct unread {
    char *bytes; // NULL: none.
    size_t at;
    size_t count;
};

struct client {
    struct loop_source source;
    struct server_thread *thread;
    struct transport transport;
    enum client_state state;
    TAILQ_ENTRY(client) link; // In thread->places[state].
    uint32_t events;          // What the loop is asked for.
    mono_ms since;            // The state's beginning; of an answer, its last progress.
    mono_ms answer_began;
    struct host *host;                // NULL: a seat of the reserve.
    TAILQ_ENTRY(client) reserve_link; // In thread->reserve.
    enum server_door door;
    bool greeted; // TLS: the first byte has come.
    bool closes;  // With the present answer.
    struct guard guard;
    struct unread unread;
    struct output output;
    size_t discarded;
    char peer[INET6_ADDRSTRLEN];
    char *caller; // The peer and whom its certificate names; NULL: it has shown none.
    char local[INET6_ADDRSTRLEN];
    uint16_t local_port;
    struct exchange exchange;
};

TAILQ_HEAD(client_list, client);

// Takes the descriptor. A host of NULL means a seat of the reserve.
void client__open(struct server_thread *t, const struct arrival *a, struct host *host);
void client__close(struct client *c);
void client__move(struct client *c, enum client_state to);
void client__want(struct client *c, uint32_t events);
bool client__is_reading(const struct client *c);

// The client has gone while its exchange is lent.
void client__lose(struct client *c);

// To be called when something outside of the loop's callbacks has moved the connection: goes on
// with what was received before.
void client__go_on(struct client *c);

// Reads what there is without having been told that there is something. Only while it is reading.
void client__hear(struct client *c);

// Does what has to be done when the time is over that the connection's state may last.
void client__check_time(struct client *c, mono_ms now);

// --- server_handshake.c --------------------------------------------------------------------------

void handshake__go_on(struct client *c); // The socket has something to say.
void handshake__expire(struct client *c);

// --- server_request.c ----------------------------------------------------------------------------

// Reads requests as long as the connection is ready for them. Returns how many bytes it took.
size_t request__take(struct client *c, const char *bytes, size_t n);

// Answers a request that is not complete by the server itself, and ends the connection.
void request__refuse(struct client *c, unsigned status, const char *detail);

// Calls the handler for a request that is ready.
void request__handle(struct client *c);

// --- server_answer.c -----------------------------------------------------------------------------

// Sends the exchange's answer, or as much as the client takes now. The connection may be IDLE,
// LINGERING or CLOSED afterwards.
void answer__send(struct client *c);
void answer__go_on(struct client *c); // The client takes more.

// The head as it goes over the wire, in the exchange's arena. `length` < 0: not known.
char *answer__head(struct client *c, int64_t length, size_t *bytes);

bool answer__is_to_head(const struct client *c); // An answer to HEAD has no body.

enum flushed { FLUSHED_ALL, FLUSHED_SOME, FLUSHED_FAILED };

enum flushed output__flush(struct client *c);
void output__clear(struct output *o);

// The exchange is over: its memory is given back, and the connection ends or waits for the next.
void answer__done(struct client *c);

// --- server_stream.c -----------------------------------------------------------------------------

void stream__mail(struct client *c);  // The stream was begun, written to, or ended.
void stream__go_on(struct client *c); // The client takes more.
// The client has gone. False: the owner has ended the stream already, and no mail is under way.
MUST_CHECK bool stream__lost(struct client *c);
void stream__drain(struct client *c); // The server drains.
void stream__free(struct stream *s);  // NULL is a no-op.

// --- server_thread.c -----------------------------------------------------------------------------

struct server_thread {
    struct server *server;
    struct loop *loop;
    struct mailbox *mailbox;
    struct loop_source mail;
    pthread_t thread;
    bool started;
    struct client_list places[CLIENT_STATES];
    struct client_list reserve; // The oldest first.
    unsigned reserve_count;
    unsigned reserve_max;
    struct exchange *handling; // The one whose handler is running.
    size_t lent;               // Exchanges.
    atomic_uint connections;   // Read by the acceptor.
    atomic_uint arriving;      // Connections in the mail.
    mono_ms now;               // The time of the present callback.
    mono_ms look_at;           // When deadlines are looked at; MONO_NEVER without connections.
    bool closing;
    mono_ms closing_since;
    struct server_mail drain_mail;
    struct server_mail close_mail;
    time_t date_at;
    char date[32];
    char received[SERVER_RECEIVE_BYTES];
};

MUST_CHECK enum err server_thread__open(struct server *s, struct server_thread **out,
                                        struct fault *f);
MUST_CHECK enum err server_thread__start(struct server_thread *t, struct fault *f);
void server_thread__close(struct server_thread *t); // After the thread has ended. NULL is a no-op.

// Makes a turn of the loop, waiting at most `timeout_ms` (-1: as long as nothing has to be done).
void server_thread__turn(struct server_thread *t, int timeout_ms);

// Closes every connection. No exchange may be lent.
void server_thread__close_connections(struct server_thread *t);

// Whether this is the thread on which it is called.
bool server_thread__is_current(const struct server_thread *t);

const char *server_thread__date(struct server_thread *t);

// --- server_arrive.c -----------------------------------------------------------------------------

// A connection has come to the thread. The arrival stays the caller's.
void server_thread__arrive(struct server_thread *t, const struct arrival *a);

// --- server_listen.c -----------------------------------------------------------------------------

// The file of a Unix socket, known by its inode.
struct unix_file {
    char path[SERVER_UNIX_PATH_BYTES]; // "" when there is none.
    dev_t device;
    ino_t inode;
};

struct listener {
    struct server *server;
    enum server_door door;
    int fd; // -1: the server has no such door.
    union socket_address bound;
    struct unix_file file;
    pthread_t acceptor;
    bool accepting; // The acceptor was started.
};

// Each opens a socket that listens; l->bound becomes where.
MUST_CHECK enum err listener__open(struct listener *l, const char *host, uint16_t port,
                                   struct fault *f);
MUST_CHECK enum err listener__open_unix(struct listener *l, const char *path, unsigned mode,
                                        struct fault *f);

// Removes the file of a Unix socket; without one a no-op.
void listener__remove_file(struct listener *l);

// --- server_accept.c -----------------------------------------------------------------------------

MUST_CHECK enum err acceptor__start(struct listener *l, struct fault *f);
void acceptor__join(struct listener *l); // After the listening socket was shut down.

// --- server.c ------------------------------------------------------------------------------------

struct server {
    struct server_options options; // With the defaults filled in; the doors' texts are not kept.
    server_handler *handler;
    void *context;
    struct listener listeners[SERVER_DOORS];
    struct server_tls *tls;        // NULL: plain text.
    atomic_uint handshakes_failed; // Since the log said so last.
    _Atomic mono_ms handshakes_logged_at;
    struct server_thread **threads;
    size_t threads_count;
    struct census census;
    struct budget bodies;
    struct budget answers;
    uint32_t id_prefix;
    atomic_uint id_next;
    atomic_bool draining;
};

// A server whose threads and socket are not there yet, and its end.
struct server *server__new(const struct server_options *o, server_handler *handler, void *context);
void server__free(struct server *s);

#endif
