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

struct load_part;

// --- Mail that other threads send to the engine (mail.c) ---

enum mail_kind {
    MAIL_COMMAND,
    MAIL_RECORDED,
    MAIL_STALLED,
    MAIL_ROOM,
    MAIL_FENCED,
    MAIL_SHARD_GAINED,
    MAIL_SHARD_LOST,
    MAIL_GIVE_BACK,
    MAIL_PART,
    MAIL_START,
    MAIL_BEGIN,
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
    bool room_is_low;             // ROOM
    int64_t free_bytes;           // ROOM
    struct store_fencing fencing; // FENCED
    struct shard row;             // SHARD_GAINED
    uint32_t shard;               // SHARD_LOST, GIVE_BACK
    dur_ms flights_ms;            // GIVE_BACK
    struct load_part *part;       // PART: owned.
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
void engine__post_room(struct engine *e, bool is_low, int64_t free_bytes);
void engine__post_part(struct engine *e, struct load_part *p);
void engine__post_fenced(void *engine, const struct store_fencing *x);

// Delivers the reply, with its row, to whoever submitted the command, and frees the command's mail,
// which is the reply's token.
void engine__answer(const struct reply *r);
// The shard that the command was about.
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

// --- The thread that loads (loader.c) ---

enum part_kind { PART_ROW, PART_JOBS, PART_OPEN, PART_END, PART_FAILED };

struct loaded_job {
    struct job *job; // Owned by the part.
    const struct zone *zone;
    char *reason; // Why it cannot be used; NULL: it can. Owned by the part.
};

// What was read of a shard, as the engine gets it by mail.
struct load_part {
    struct load_part *next; // While the slice is read.
    enum part_kind kind;
    bool ends_slice;         // The engine has the whole slice then.
    struct shard row;        // As it was taken, with its next ids raised above those that there
                             // are, whoever edited the row.
    struct loaded_job *jobs; // JOBS
    size_t job_count;
    size_t job_capacity;
    struct execution *executions; // OPEN
    size_t execution_count;
    size_t execution_capacity;
    struct arena texts; // Texts of the executions.
    bool is_ours;       // END: the shard was, after all else had been read.
    struct fault fault; // FAILED, at a start only.
};

void engine__part_free(struct load_part *p); // NULL is a no-op.

struct loader;

struct loader *engine__loader_new(struct engine *e);
MUST_CHECK enum err engine__loader_start(struct loader *l, struct fault *f);
void engine__loader_stop(struct loader *l); // Also one that was not started. Mails nothing more.
void engine__loader_free(struct loader *l); // NULL is a no-op.

// To be loaded, in this order; each shard once at a time. May be called before it is started.
void engine__loader_add(struct loader *l, const struct shard *row);
void engine__loader_forget(struct loader *l, uint32_t shard); // No part of it is read any more.
void engine__loader_took(struct loader *l);                   // The engine has taken a slice.
void engine__loader_end_start(struct loader *l); // From now on what fails is tried again.

// --- A shard comes and goes (load.c) ---

enum load_phase { LOAD_NONE, LOAD_READING, LOAD_READ, LOAD_SETTLING };

// A shard that was gained and takes no commands yet.
struct shard_load {
    enum load_phase phase;
    int64_t epoch; // 0: there is no such shard.
    mono_ms began;
    uint64_t jobs;
    uint64_t executions;
    bool is_of_start; // What the log says of the start tells of it.
};

void engine__shard_gained(struct engine *e, const struct shard *row);
void engine__shard_lost(struct engine *e, uint32_t number);
void engine__forget_load(struct engine *e, uint32_t number); // The core has forgotten the shard.
void engine__part(struct engine *e, struct load_part *p);    // Takes the part.
void engine__command(struct engine *e, struct engine_mail *m);
// Commands that were held back and need not be any more.
void engine__release_commands(struct engine *e);
void engine__look_at_settling(struct engine *e); // After each tick of the core.
void engine__start_asked(struct engine *e);      // Tells when all is read that was gained before.
void engine__begin(struct engine *e); // Everything that the last life owed goes on from here.

// --- A shard is given back (give.c) ---

// Shards that are given back once their last batch is durable.
struct giving {
    int64_t epoch; // 0: the shard is not among them.
    uint64_t sequence;
};

void engine__give_back(struct engine *e, uint32_t number, dur_ms flights_ms);
void engine__give_recorded(struct engine *e); // More batches are durable.
// Others have it already: it is not given back. True when it was about to be, in this epoch.
bool engine__give_fenced(struct engine *e, uint32_t number, int64_t epoch);
void engine__hand_off(struct engine *e, const struct handoff *h);

// --- A request leaves (callback.c) ---

void engine__send(struct engine *e, struct send *s);

// --- What the log says (trace.c) ---

void engine__log_move(const struct job_state *s);

// At level debug only: each request, how it ended, and how its execution did.
void engine__trace_send(const struct send *s);
void engine__trace_outcome(const struct core *c, const struct outcome *o);
void engine__trace_execution(const struct execution *e);

// Shards that came or went together, to be told in one line.
struct tenures {
    uint64_t shards;
    uint32_t number; // The first of them.
    int64_t epoch;
    mono_ms began;
    uint64_t jobs;
    uint64_t executions;
};

void engine__note_gain(struct tenures *t, uint32_t number, const struct shard_load *s);
void engine__note_loss(struct tenures *t, uint32_t number, int64_t epoch);
void engine__log_gains(struct engine *e); // Nothing when there are none.
void engine__log_losses(struct engine *e);

// What a start finds and has to catch up with, and that it has. The planner has caught up when the
// watermark is where the clock was at the start.
void engine__log_start(struct engine *e);
void engine__log_caught_up(struct engine *e, wall_ms watermark);

// --- Counting (count.c) ---

// Counts the changes from index `from` on, and holds back the alerts among them that people are
// told of.
void engine__count_changes(struct held_list *l, const struct batch *b, size_t from);

// When `wait_ms` from `now` on have passed.
struct timespec engine__deadline(struct timespec now, dur_ms wait_ms);

struct engine {
    struct store *store;
    struct store_writer_options store_options;
    struct loader *loader;
    struct shard_load loads[SHARDS_MAX]; // By number.
    size_t loading;                      // So many of them take no commands yet,
    size_t reading;                      // and so many of those are not read yet.
    struct giving givings[SHARDS_MAX];   // By number.
    size_t giving_count;
    const char *callback_base;
    const char *callback_key; // NULL: there is none.
    const char *node;         // What rows of flights call this node.
    struct tenures gains;     // Since the log told of any.
    struct tenures losses;    // In this turn.
    struct mail *held_back;   // Commands for shards that have not begun.
    struct engine_mail *held_back_last;
    bool draining;
    bool start_was_asked;
    bool has_started;            // What is gained later begins by itself.
    struct store_writer *writer; // NULL before the start. Set under the lock.
    bool leads;                  // As engine_leader said last. Guarded by the lock.
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
    bool start_is_ready;      // All that was gained is read,
    struct fault start_fault; // or cannot be.
    bool has_begun;           // What the start wrote is durable, or it is known why it is not.
    _Atomic(enum err) refuse_writes; // Mirrors `stalled` for engine_submit.
    _Atomic bool room_is_low;        // Only the reserve of the disk is left.
    atomic_size_t held_back_count;
    size_t mails_max;
    void (*store_lost)(const struct fault *f);
    // Each may be NULL.
    void (*shard_fenced)(void *context, uint32_t shard, int64_t epoch);
    void (*shard_given_back)(void *context, uint32_t shard, int64_t epoch);
    void (*outcome_elsewhere)(void *context, const struct command *c);
    void (*shard_loaded)(void *context, uint32_t shard, int64_t epoch);
    void *context;
};

// --- The turn (engine.c) ---

void engine__step(struct engine *e, const struct event *event);
struct now engine__now(struct engine *e); // The time of this turn.
void engine__tell_fenced(struct engine *e, uint32_t shard, int64_t epoch);

#endif
