// SPDX-License-Identifier: MIT
// redis.h: connections to Redis of which every call ends within a time.
//
// Nothing here is an authority: what goes through Redis may be lost at any moment, and its users
// say what happens then. A `redis_server` says where the server is and whether it can be reached,
// for all connections of the process: the log has one line when it is lost and one when it is back.
// A `redis` is one connection, of one thread, which connects when it is used and after a loss waits
// a little longer each time, up to 2 s. Only the resolution of the server's name is bounded by the
// system's resolver instead, so who may not wait for that uses a thread of its own.
//
//     redis_add(r, "SET %s %b PX %d", key, bytes, count, 1000);
//     redis_add(r, "GET %s", key);
//     enum err err = redis_run(r, REDIS_CALL_MS, &f);
//     if (!err)
//         use(redis_text(redis_reply(r, 1), &count));

#ifndef CARILLON_REDIS_REDIS_H
#define CARILLON_REDIS_REDIS_H

#include "base/err.h"
#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

#define REDIS_CALL_MS 2000 // For a call of which no other time is known.
#define REDIS_RUN_ID_BYTES 41
#define REDIS_COMMANDS_MAX 4096 // In one redis_run.

// --- The server ------------------------------------------------------------------------------

struct redis_server;
struct redis_reply;

// "redis://[[user]:password@]host[:port][/database]", the same with rediss:// for TLS, or
// "unix://[[user]:password@]/path[?db=database]"; user and password may be percent-encoded.
// ERR_SYNTAX with a sentence without any part of the URL that could be a password;
// ERR_UNSUPPORTED for rediss:// when hiredis was built without TLS. Nothing is connected to.
MUST_CHECK enum err redis_server_open(const char *url, struct redis_server **out, struct fault *f);
void redis_server_close(struct redis_server *s); // After its connections. NULL is a no-op.

// "host:port/database" or "/path/database", for people.
const char *redis_server_name(const struct redis_server *s);

unsigned redis_server_database(const struct redis_server *s);

// Whether the last that was tried succeeded; false before the first connection. Any thread.
bool redis_server_is_up(const struct redis_server *s);

// --- A connection ----------------------------------------------------------------------------

struct redis;

struct redis *redis_new(struct redis_server *s); // Opens no connection yet.
void redis_free(struct redis *r);                // NULL is a no-op.

// Any thread: a call under way and all later ones end with ERR_CLOSED.
void redis_interrupt(struct redis *r);

// Connects unless it is connected. ERR_STORE_AWAY, also when it is too early to try again;
// ERR_CLOSED.
MUST_CHECK enum err redis_connect(struct redis *r, struct fault *f);

// Waits until the next redis_connect may try, or redis_interrupt is called.
void redis_rest(struct redis *r);
// Waits so long, or until redis_interrupt is called.
void redis_pause(const struct redis *r, dur_ms ms);

// How many connections it has had: what was set up in an earlier one is gone.
uint64_t redis_connects(const struct redis *r);

// Names this life of the server, in the present connection; "" when the server does not say. Data
// that a restart has read back from its disk were written under another name.
const char *redis_run_id(const struct redis *r);

// Adds a command, to be sent by the next redis_run. %s is a word, %b bytes (const char *, size_t),
// %d, %u, %lld and %llu are numbers; words are parted by blanks in the format alone.
void redis_add(struct redis *r, const char *format, ...);

// Sends what was added, connecting if need be, and reads a reply for each, in order. On an error
// there are no replies, and what was added is dropped. ERR_STORE_AWAY: nothing was sent. ERR_DOUBT:
// any part of it may have been carried out; the connection is closed. ERR_CLOSED.
MUST_CHECK enum err redis_run(struct redis *r, dur_ms within_ms, struct fault *f);

// The next message that no command asked for, as *out, which lives until the next call.
// ERR_TIMEOUT: there was none; ERR_STORE_AWAY: the connection is lost; ERR_CLOSED.
MUST_CHECK enum err redis_listen(struct redis *r, dur_ms within_ms, const struct redis_reply **out,
                                 struct fault *f);

// Closes the connection: what it says cannot be trusted. The next call connects again.
void redis_cut(struct redis *r, const char *why);

// --- Replies ---------------------------------------------------------------------------------

// The reply to the command that was added i-th, counted from 0. Lives until the next call.
const struct redis_reply *redis_reply(const struct redis *r, size_t i);

// These take NULL, and say so of a reply of another kind: NULL, false or 0.
const char *redis_text(const struct redis_reply *r, size_t *bytes); // Ends with a NUL as well.
bool redis_number(const struct redis_reply *r, int64_t *out); // A number, or a text that is one.
size_t redis_count(const struct redis_reply *r);
const struct redis_reply *redis_at(const struct redis_reply *r, size_t i);
const char *
redis_error(const struct redis_reply *r); // "NOGROUP No such key ..."; NULL: it is none.

// --- A lock ----------------------------------------------------------------------------------

// A lock with a time to live that one process holds at a time, kept by a thread of its own. It
// elects who tries to do what one node should do, and decides nothing: it can be lost without a
// word, and two can believe that they hold it.
struct redis_lock;

// `key` is copied. The server may be away.
MUST_CHECK enum err redis_lock_open(struct redis_server *s, const char *key, dur_ms ttl_ms,
                                    struct redis_lock **out, struct fault *f);
// Gives the lock up if it is held and the server can be reached. NULL is a no-op.
void redis_lock_close(struct redis_lock *l);

// Until when this process competes for the lock; MONO_NEVER, as at first: for ever. After that a
// lock that is held is given up. So whoever could not do what the lock elects for, such as a node
// without a lease, stands in nobody's way. Any thread.
void redis_lock_want(struct redis_lock *l, mono_ms until);

// Whether it is held, as far as is known at this moment. Any thread.
bool redis_lock_is_held(const struct redis_lock *l);

// Whether to try what the lock elects for: it is held, or the server has been away for a time to
// live, since the opening too, so that all may try. Any thread.
bool redis_lock_lets_try(const struct redis_lock *l);

#endif
