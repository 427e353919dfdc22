// SPDX-License-Identifier: MIT
// executor_priv.h: the three threads of an executor: the taker reads attempts from the stream, the
// executor itself turns a loop with the adapter that sends them, the teller writes the outcomes.

#ifndef CARILLON_DISPATCH_QUEUE_EXECUTOR_PRIV_H
#define CARILLON_DISPATCH_QUEUE_EXECUTOR_PRIV_H

#include "dispatch/queue/queue_priv.h"

#include <sys/queue.h>

#define EXECUTOR_BLOCK_MS 500
#define EXECUTOR_NOTICE_MS 1500 // Owners have noticed by then that an executor leaves.
#define EXECUTOR_SWEEP_MS 30000 // How often what dead executors have left is cleaned up.
#define EXECUTOR_IDLE_MS 600000 // An executor without a call for so long is forgotten.

// An entry of the stream that this executor has.
struct holding {
    LIST_ENTRY(holding) link;
    char id[QUEUE_ID_BYTES];
    char node[QUEUE_NODE_BYTES];
    uint64_t ticket;
};

LIST_HEAD(holding_list, holding);

// From the taker to the executor.
struct taking {
    struct mail mail;
    bool stops; // The thread is to end.
    char id[QUEUE_ID_BYTES];
    int64_t server_not_after; // By the server's clock.
    int64_t wall;             // The owner's wall clock minus the server's.
    mono_ms not_after;        // By ours.
    struct queue_send attempt;
};

// To the teller: an entry is done with.
struct telling {
    struct mail mail;
    bool stops; // The thread is to end.
    char id[QUEUE_ID_BYTES];
    char node[QUEUE_NODE_BYTES];
    struct request_text outcome; // Empty: nobody is told.
    mono_ms since;
};

struct executor {
    struct loop *loop;
    struct dispatch *dispatch;
    struct mailbox *takings;
    struct loop_source takings_source;
    struct holding_list holdings;
    bool stopping;
    bool follows_clock;
    size_t held_max;
    char name[QUEUE_NODE_BYTES];

    struct mailbox *tellings;
    struct redis *taker;
    struct redis *teller;
    pthread_t thread;
    pthread_t taker_thread;
    pthread_t teller_thread;
    bool runs;
    bool taker_runs;
    bool teller_runs;
    atomic_bool is_taking;

    pthread_mutex_t lock; // Guards what follows.
    pthread_cond_t changed;
    size_t held;           // Taken, and not done with by the teller.
    mono_ms leaving_since; // 0: it stays.
    bool has_ended_taking;
    bool is_over; // The taker takes no more, and waits for nothing.
    uint64_t sent;
    uint64_t untold;
};

void *executor__taker_run(void *executor);
void *executor__teller_run(void *executor);

// Moves `t` to the teller.
void executor__tell(struct executor *e, struct telling *t);
void executor__telling_free(struct telling *t);

// So many entries less are held.
void executor__done(struct executor *e, size_t count, size_t untold);

mono_ms executor__leaving_since(struct executor *e);

#endif
