// SPDX-License-Identifier: MIT
// queue_priv.h: what nodes and executors agree on, and the parts of a node's side.
//
//   carillon:queue        stream: attempts, for one group of consumers, the executors
//   carillon:out:<node>   stream: outcomes for a node
//   carillon:executors    sorted set: who lives, by the time of the server until which that holds
//
// An entry of the queue has the fields `n` (the instant of not_after), `w` (the owner's wall clock
// minus the server's, in ms), `r` (the life of the server in which it was added) and `e` (the
// attempt). What was added in another life of the server is sent by nobody: when Redis comes back
// with what it had on its disk, nobody knows whether it was delivered before.
//
// not_after is an instant of the clock of the Redis server (its command TIME), since that is the
// one machine which owners and executors both talk to: executors have no database. A node reads
// that clock at the earliest it can be, and an executor at the latest, so that the time a message
// takes makes the span shorter and never longer.

#ifndef CARILLON_DISPATCH_QUEUE_QUEUE_PRIV_H
#define CARILLON_DISPATCH_QUEUE_QUEUE_PRIV_H

#include "base/mailbox.h"
#include "dispatch/adapter_priv.h"
#include "dispatch/queue/codec_priv.h"
#include "dispatch/wire/deadline_priv.h"

#include <pthread.h>
#include <stdatomic.h>

#define QUEUE_STREAM "carillon:queue"
#define QUEUE_GROUP "executors"
#define QUEUE_LIVING "carillon:executors"
#define QUEUE_OUT "carillon:out:" // And the node.

#define QUEUE_WINDOW_MS 10000  // From the send to not_after, at most.
#define QUEUE_GRACE_MS 2000    // For the way back of an outcome.
#define QUEUE_BEAT_MS 500      // How often each side looks at the other,
#define QUEUE_SOON_MS 100      // and while the other side is not there.
#define QUEUE_LIFE_MS 3000     // An executor without a beat for so long is dead.
#define QUEUE_KEPT_MS 60000    // Nobody waits any more for what is so old, in either stream.
#define QUEUE_STREAM_MAX 65536 // Entries of the queue, about.
#define QUEUE_OUT_MAX 65536
#define QUEUE_BATCH_MAX 256 // Entries that are added, taken or told of in one call.
#define QUEUE_BATCH_BYTES_MAX (4 << 20)
#define QUEUE_ID_BYTES 48 // The id of an entry, as text.

// --- The clock of the server (server_clock.c) ---

// mono_ms + low <= the server's time in ms <= mono_ms + high. Zeroed: not known.
struct server_clock {
    bool is_known;
    int64_t low;
    int64_t high;
    mono_ms keeps_high_until; // The clock was turned back: till then the old `high` counts.
};

// The answer to TIME, asked for at `sent`, known at `came`.
void server_clock_learn(struct server_clock *c, int64_t time, mono_ms sent, mono_ms came);
// Calls TIME.
bool server_clock_ask(struct server_clock *c, struct redis *r);
// The answer to TIME in ms.
bool server_clock_read(const struct redis_reply *r, int64_t *out);

// A random name, of a node or an executor.
MUST_CHECK enum err queue__name(char out[static QUEUE_NODE_BYTES], struct fault *f);

// --- Attempts that executors have (flights.c) ---

struct flight {
    struct flight *next; // In its bucket.
    struct deadline deadline;
    struct queue *owner;
    uint64_t ticket;
    uint32_t shard;
    int64_t epoch;
    struct now started;
    bool has_rules; // The body of its answer is to be judged.
    bool cancelled;
};

struct flights {
    struct flight **buckets;
    size_t bucket_count; // A power of two, or 0.
    size_t count;
};

void flights__add(struct flights *all, struct flight *f);
struct flight *flights__find(const struct flights *all, uint64_t ticket);
void flights__remove(struct flights *all, struct flight *f);
struct flight *flights__any(const struct flights *all);
void flights__fini(struct flights *all); // Empty.

// --- Adding, on a thread of its own (adder.c) ---

// From the loop to the adder; it comes back when it was not added for certain.
struct addition {
    struct mail mail;
    bool stops; // The thread is to end.
    uint64_t ticket;
    mono_ms not_after;
    struct request_text entry;
};

struct addition *addition_new(void);
void addition_free(struct addition *a);

void *queue__adder_run(void *queue);

// --- Collecting outcomes, on a thread of its own (collector.c) ---

void *queue__collector_run(void *queue);

// --- The node's side (adapter.c) ---

// From either thread to the loop: an outcome, or an addition that comes back.
struct news {
    struct mail mail;
    struct addition *returned; // NULL: an outcome.
    struct queue_outcome outcome;
};

struct queue {
    struct dispatch dispatch; // First.
    struct loop *loop;
    dispatch_done *done;
    void *context;
    struct dispatch *direct; // Sends what does not go through the queue.
    char node[QUEUE_NODE_BYTES];
    struct flights flights;
    struct deadlines deadlines;
    struct mailbox *news; // To the loop.
    struct loop_source news_source;

    struct mailbox *additions; // To the adder.
    struct redis *adder;
    struct redis *collector;
    pthread_t adder_thread;
    pthread_t collector_thread;
    bool adder_runs;
    bool collector_runs;
    atomic_bool is_served; // Redis is there, and an executor lives.
};

// Takes the addition.
void queue__return(struct queue *q, struct addition *a);

#endif
