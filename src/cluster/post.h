// SPDX-License-Identifier: MIT
// post.h: how what clients ask of one node gets to the node that owns the job, and the reply back.
//
// The database is the mailbox (store/commands.h). The node that was asked puts the command and
// waits for its reply; the owner of the shard claims the command and hands it on to its engine, and
// the reply is durable together with what the command changed. A node may do both, or one: also
// what a node asks of itself goes this way, so that there is one way only.
//
// Wake-ups make it fast: those of Redis where there is one, else those of the database. Without
// them both sides look from time to time, which costs latency and nothing else.

#ifndef CARILLON_CLUSTER_POST_H
#define CARILLON_CLUSTER_POST_H

#include "core/core.h"
#include "redis/redis.h"
#include "store/store.h"

struct cluster_post;

// What engine_submit wants as well: see there. `r` is borrowed for the call, but its row is moved.
typedef void cluster_reply(void *context, const struct reply *r);
typedef enum err cluster_hand_on(void *context, const struct command *c, cluster_reply *done,
                                 void *reply_context);

struct cluster_post_options {
    struct store *store;        // Borrowed, as all that follows.
    struct redis_server *redis; // For wake-ups; NULL: those of the database.
    bool asks;                  // cluster_post_submit will be called.
    // Hands a claimed command on to the engine; NULL: this node owns nothing. The command is the
    // callee's as engine_submit says. Called on a thread of the post.
    cluster_hand_on *hand_on;
    // Another node has said that shards are free. NULL: nobody here wants to know. Called on a
    // thread of the wake-ups.
    void (*shards_free)(void *context);
    void *context;
    dur_ms timeout_ms; // What nobody has taken by then is not carried out.
};

// The database may be away. ERR_SYSTEM, ERR_UNSUPPORTED (a database of one node).
MUST_CHECK enum err cluster_post_open(const struct cluster_post_options *o,
                                      struct cluster_post **out, struct fault *f);

// Sends a command to the owner of its shard, whoever that is; a new job goes to any shard, and the
// acceptance of a clock to all. Takes the command's job, also on failure, and copies the rest.
// `done` is called once if ERR_OK is returned, on a thread of the post, with a reply that says
// besides what the core can say:
//
//   ERR_UNCLAIMED          nobody took the command in time; nothing was changed
//   ERR_DOUBT              somebody took it, or it is not known whether; it may still be done
//   ERR_EXISTS             see reply.source: the client's key is in use, or was used otherwise, or
//                          another job has the key of the job
//   ERR_UNSUPPORTED        the owner is of another version and cannot read the command
//   ERR_STORE_AWAY, ...    nothing came of it (store/commands.h)
//
// and without a row, but of ERR_RANGE. Any thread. ERR_LIMIT: too many wait; ERR_CLOSED.
MUST_CHECK enum err cluster_post_submit(struct cluster_post *p, const struct command *c,
                                        cluster_reply *done, void *context);

// The engine takes commands of the shard from now on, in this epoch, or does not any more. What is
// claimed of a shard that is lost meanwhile is left to the next owner. Any thread.
void cluster_post_loaded(struct cluster_post *p, uint32_t shard, int64_t epoch);
void cluster_post_lost(struct cluster_post *p, uint32_t shard);

// Tells the other nodes that shards are free. A wake-up may be lost, which costs them some time.
void cluster_post_tell_free(struct cluster_post *p);

// Whether this node removes commands that are over. Any thread.
void cluster_post_lead(struct cluster_post *p, bool is_leader);

// Nothing is submitted any more: waits a moment for the replies that are left, and answers all; and
// claims nothing more. To be called before the engine stops, which answers what was handed on. NULL
// is a no-op.
void cluster_post_stop(struct cluster_post *p);
// To be called after the engine has stopped. NULL is a no-op.
void cluster_post_close(struct cluster_post *p);

#endif
