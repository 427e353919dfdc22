// SPDX-License-Identifier: MIT
// guard_socket_priv.h: puts the guard between a socket and the HTTP library that reads it.
//
// A program that links this has the guard's recv() instead of the C library's; for descriptors that
// are not guarded it does the same. guard_socket.c says why.
//
// The front is the part which all connections of a server share. A guard socket belongs to one
// connection; all calls for it come from the thread that serves the connection. When a request is
// refused or takes too long, the guard socket writes the refusal itself, once the requests before
// it are answered, and from then on gives the library nothing but the end of the connection.

#ifndef CARILLON_API_GUARD_SOCKET_PRIV_H
#define CARILLON_API_GUARD_SOCKET_PRIV_H

#include "api/guard_priv.h"
#include "base/err.h"
#include "base/time.h"

// What a client may still send after a refusal without losing the answer to a reset.
#define GUARD_DISCARD_BYTES_MAX (4 * 1024 * 1024)

// Writes a whole answer with head and body, malloc'ed, for the guard to send and to free. Called
// on any of the server's threads.
typedef char *guard_answer(void *context, const struct guard_refusal *r, size_t *bytes);

struct guard_front_options {
    struct guard_limits limits;
    dur_ms request_timeout_ms; // From the first byte of a request to its last.
    guard_answer *answer;
    void *context;
};

struct guard_front;
struct guard_socket;

MUST_CHECK enum err guard_front_open(const struct guard_front_options *o, struct guard_front **out,
                                     struct fault *f);
void guard_front_close(struct guard_front *front); // No socket may be left. NULL is a no-op.

// Guards `fd` from its first byte on. NULL when the descriptor's number is too high to be guarded;
// the socket is then shut down.
struct guard_socket *guard_socket_open(struct guard_front *front, int fd);
void guard_socket_close(struct guard_socket *s); // Before `fd` is closed. NULL is a no-op.

// The library says that a request is complete. False if the guard has not seen it: then the bytes
// went past it, and the request must not be served.
MUST_CHECK bool guard_socket_claim(struct guard_socket *s);

// The answer to a claimed request has been sent.
void guard_socket_answered(struct guard_socket *s);

// --- Between guard_socket.c and guard_watch.c ---------------------------------------------------

struct guard_watch;

// When a watched descriptor is still there at its deadline it is shut down for reading, which wakes
// whoever waits for it. MONO_NEVER ends the watch.
struct guard_watched {
    struct guard_watched *next;
    struct guard_watched *previous;
    int fd;
    mono_ms deadline;
};

MUST_CHECK enum err guard_watch_open(struct guard_watch **out, struct fault *f);
void guard_watch_close(struct guard_watch *w); // NULL is a no-op.
void guard_watch_set(struct guard_watch *w, struct guard_watched *entry, mono_ms deadline);

#endif
