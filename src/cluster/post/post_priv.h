// SPDX-License-Identifier: MIT
// post_priv.h: how the parts of the post see each other.
//
// post.c opens and closes, sender.c puts commands, waiter.c waits for their replies, claimer.c
// claims those of this node's shards, bell.c wakes a thread.

#ifndef CARILLON_CLUSTER_POST_PRIV_H
#define CARILLON_CLUSTER_POST_PRIV_H

#include "base/memory.h"
#include "cluster/post.h"
#include "cluster/wakeups_priv.h"
#include "store/commands.h"

#include <pthread.h>
#include <stdatomic.h>

#define POST_COMMANDS "commands" // Channels: there are new commands,
#define POST_REPLIES "replies"   // there are new replies,
#define POST_SHARDS "shards"     // and shards are free.

// Without wake-ups, and with them, so often is looked.
#define POST_POLL_MS 250
#define POST_POLL_SELDOM_MS 3000

// --- Bells (bell.c) --------------------------------------------------------------------------

// Wakes the one thread that waits for it, also when it was rung before. Its lock guards what the
// thread shares with others.
struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    bool has_rung;
};

void bell_init(struct bell *b);
void bell_fini(struct bell *b);
void bell_ring(struct bell *b);
// The caller holds the lock. Until the bell rings, at once if it has rung, or the time is over.
void bell_wait(struct bell *b, dur_ms timeout_ms);
// When this comes, in ms from now on, at least 0. MONO_NEVER: a day.
dur_ms bell_left(mono_ms at);

// --- Commands on their way (errand.c) --------------------------------------------------------

// A command that this node has asked for, as one row. Whoever holds it answers it once.
struct errand {
    struct errand *next;
    struct errand *chain; // waiter.c: in its bucket.
    struct command_id id;
    uint32_t shard;
    enum command_kind kind;
    char *body;
    size_t bytes;
    struct client_key key; // Owns its text; NULL: none.
    char *job_key;         // The key of the job to be created; NULL: none.
    wall_ms expires_at;
    mono_ms gives_up_at;
    cluster_reply *done;
    void *context;
    struct chorus *chorus; // The command goes to several shards; NULL: to one.
};

// Takes the command's job. A command to all shards becomes an errand for each.
struct errand *errand_new(const struct command *c, uint32_t shards, dur_ms timeout_ms,
                          cluster_reply *done, void *context);
// Answers and frees the errand. The row of `r` is moved.
void errand_answer(struct errand *e, struct reply *r);
void errand_refuse(struct errand *e, enum err err);
void errand_drop(struct errand *list); // Frees what errand_new has made, and answers nobody.

// --- The parts -------------------------------------------------------------------------------

struct cluster_post;

struct sender {
    struct bell bell;
    struct store_commands *line;
    pthread_t thread;
    struct errand *first; // Guarded by the bell's lock, as all that follows.
    struct errand **last;
    size_t count;
    bool is_stopping;
    struct errand *behind; // Wait for another's reply, to be put again. The thread's own.
    mono_ms again_at;      // When `behind` is put.
    bool runs;             // The thread.
};

#define WAITER_BUCKETS 1024

struct waiter {
    struct bell bell;
    struct store_commands *line;
    pthread_t thread;
    struct errand *came; // Guarded by the bell's lock, as the next two.
    bool is_stopping;
    bool is_woken;
    struct errand *buckets[WAITER_BUCKETS]; // The thread's own, as the next one.
    size_t count;
    bool runs; // The thread.
};

#define CLAIMER_BUCKETS 1024

struct claimer {
    struct bell bell;
    struct store_commands *line;
    pthread_t thread;
    struct command_shard shards[SHARDS_MAX]; // Guarded by the bell's lock, as all that follows.
    size_t shard_count;
    struct task *tasks[CLAIMER_BUCKETS];
    size_t task_count;
    size_t open_count; // Tasks that are not answered.
    uint64_t claims;   // So many have begun.
    bool again;        // Also what was claimed and is not answered is to be asked for.
    bool is_woken;
    bool is_stopping;
    bool is_leader;
    bool runs; // The thread.
};

struct cluster_post {
    struct cluster_post_options options;
    uint32_t shards;
    struct wakeups *wakeups;
    struct sender sender;
    struct waiter waiter;
    struct claimer claimer;
    bool asks;  // Has sender and waiter.
    bool works; // Has a claimer.
};

// Each part is there from its first function to its last one, and its thread runs from the second
// one to the third one, which is a no-op when the thread does not run.
void sender_init(struct sender *s);
MUST_CHECK enum err sender_start(struct cluster_post *p, struct fault *f);
void sender_stop(struct sender *s); // What waits is put; the rest is refused.
void sender_fini(struct sender *s);
MUST_CHECK enum err sender_add(struct cluster_post *p, struct errand *list);

void waiter_init(struct waiter *w);
MUST_CHECK enum err waiter_start(struct cluster_post *p, struct fault *f);
void waiter_add(struct cluster_post *p, struct errand *list); // All have been put, or may have.
void waiter_wake(struct cluster_post *p);
void waiter_stop(struct waiter *w); // Answers all.
void waiter_fini(struct waiter *w);

void claimer_init(struct claimer *c);
MUST_CHECK enum err claimer_start(struct cluster_post *p, struct fault *f);
void claimer_wake(struct cluster_post *p);
void claimer_stop(struct claimer *c); // Claims no more.
void claimer_fini(struct claimer *c); // All that was handed on is answered.

MUST_CHECK enum err post_thread(pthread_t *thread, const char *name, void *(*run)(void *),
                                void *context, struct fault *f);

#endif
