// SPDX-License-Identifier: MIT
// engine_priv.h: the engine's parts: its mail, its timers, and what waits for a commit.

#ifndef CARILLON_ENGINE_ENGINE_PRIV_H
#define CARILLON_ENGINE_ENGINE_PRIV_H

#include "alert/alert.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/memory.h"
#include "engine/engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

// --- Mail that other threads send to the engine (mail.c) ---

enum mail_kind {
    MAIL_COMMAND,
    MAIL_RECORDED,
    MAIL_STALLED,
    MAIL_FENCED,
    MAIL_SHARD_LOST,
    MAIL_LEASE,
    MAIL_ZONES,
    MAIL_DRAIN,
    MAIL_STOP
};

struct engine_mail {
    struct mail mail;
    enum mail_kind kind;
    uint64_t sequence;            // RECORDED; STALLED: up to here it is in doubt.
    enum err cause;               // STALLED
    struct store_fencing fencing; // FENCED
    uint32_t shard;               // SHARD_LOST
    mono_ms until;                // LEASE
    struct command command;       // COMMAND: owns its job; what else it points to is borrowed.
    engine_reply *done;           // COMMAND
    void *context;                // COMMAND
};

struct engine_mail *engine__mail_new(enum mail_kind kind);
void engine__mail_free(struct engine_mail *m);

void engine__post(struct engine *e, enum mail_kind kind);
void engine__post_recorded(void *engine, uint64_t sequence);
void engine__post_stalled(struct engine *e, enum err cause, uint64_t doubtful);
void engine__post_fenced(void *engine, const struct store_fencing *x);

// Delivers the reply, with its row, to whoever submitted the command, and frees the command's mail,
// which is the reply's token.
void engine__answer(const struct reply *r);
// The shard whose job the command was about; of a command about none it is shard 0.
uint32_t engine__shard_of(const struct engine *e, const struct reply *r);

// --- Waiting for a commit (held.c) ---

struct held;
struct held_list {
    struct held *first;
    struct held *last;
};

// Takes the reply's row.
void engine__hold_reply(struct held_list *l, uint64_t sequence, uint32_t shard,
                        const struct reply *r);
void engine__hold_alert(struct held_list *l, uint64_t sequence, uint32_t shard,
                        const struct alert *a);
void engine__hold_move(struct held_list *l, uint64_t sequence, uint32_t shard,
                       const struct job_state *s);
void engine__release(struct held_list *l, uint64_t sequence);
// What was dropped: replies become errors, the rest is forgotten.
void engine__refuse_fenced(struct held_list *l, const struct store_fencing *x);
// At the end: nobody will commit any more. Up to `doubtful` it may have been done.
void engine__refuse_held(struct held_list *l, uint64_t doubtful);

// --- Timers (timer.c) ---

struct timer {
    struct loop_source source;
    int64_t at; // What it is set to, INT64_MAX: off.
};

MUST_CHECK enum err engine__timer_open(struct timer *t, struct loop *l, int clock, struct fault *f);
void engine__timer_close(struct timer *t, struct loop *l);
void engine__timer_set(struct timer *t, int64_t at_ms);

// --- Loading (load.c) ---

// Tells the core what the shard holds, in slices.
MUST_CHECK enum err engine__load(struct engine *e, uint32_t shard, struct fault *f);
// The next ids that the shard gives lie above those that there are, whoever edited the row.
MUST_CHECK enum err engine__raise_ids(struct engine *e, struct shard *row, struct fault *f);

// --- What the log says (trace.c) ---

void engine__log_move(const struct job_state *s);

// At level debug only: each request, how it ended, and how its execution did.
void engine__trace_send(const struct send *s);
void engine__trace_outcome(const struct core *c, const struct outcome *o);
void engine__trace_execution(const struct execution *e);

// What a start finds and has to catch up with, and that it has. The planner has caught up when the
// watermark is where the clock was at the start.
void engine__log_start(struct engine *e);
void engine__log_caught_up(struct engine *e, wall_ms watermark);

// --- Counting (count.c) ---

// Counts the changes from index `from` on, and holds back the alerts among them.
void engine__count_changes(struct held_list *l, const struct batch *b, size_t from);

// When `wait_ms` from `now` on have passed.
struct timespec engine__deadline(struct timespec now, dur_ms wait_ms);

struct engine {
    struct store *store;
    struct store_writer_options store_options;
    struct shard gained[SHARDS_MAX]; // As they were taken, before the start.
    size_t gained_count;
    struct store_writer *writer; // NULL before the start. Set under the lock.
    struct core *core;
    struct loop *loop;
    struct dispatch *dispatch;
    struct mailbox *mailbox;
    struct loop_source mail_source;
    struct timer wall_timer;
    struct timer mono_timer;
    struct batch *batch;  // Being filled.
    uint64_t recorded;    // Batches up to this one are durable.
    uint64_t doubtful;    // Batches up to this one may be durable or not; 0: no doubt.
    mono_ms hand_over_at; // When it goes to the store at the latest; MONO_NEVER: it is empty.
    struct actions actions;
    struct held_list held;
    struct now now;    // The time of this turn; wall 0: not read yet.
    struct now begun;  // The turn at which the planner began to catch up; wall 0: it has caught up.
    enum err stalled;  // ERR_OK, or why nothing is written.
    mono_ms held_told; // When the log said last that attempts are put off.
    bool stopping;
    pthread_t thread;
    bool thread_runs;

    pthread_mutex_t lock; // Guards what follows.
    pthread_cond_t turned;
    struct engine_status status;
    bool has_begun; // What the start wrote is durable, or it is known why it is not.
    _Atomic(enum err) refuse_writes; // Mirrors `stalled` for engine_submit.
    _Atomic bool room_is_low;        // Only the reserve of the disk is left.
    void (*store_lost)(const struct fault *f);
};

#endif
