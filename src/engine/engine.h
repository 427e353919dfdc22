// SPDX-License-Identifier: MIT
// engine.h: turns the crank: gathers events, calls the core, performs its actions in order.
//
// The engine owns one thread with the core, its agendas and the dispatcher, and one that reads what
// a shard holds. It hands batches to the store's writing thread and lets replies and first attempts
// go only when the store says that they are durable. Other threads speak to it through
// engine_submit and read engine_status.

#ifndef CARILLON_ENGINE_ENGINE_H
#define CARILLON_ENGINE_ENGINE_H

#include "core/core.h"
#include "dispatch/dispatch.h"
#include "store/store.h"

struct engine;

struct engine_options {
    struct core_limits limits;
    dispatch_opener *dispatch_open; // Opens the adapter that carries the attempts.
    struct dispatch_options dispatch;
    struct store_writer_options store;
    // For jobs whose targets may say later how an attempt ended: the URL by which they reach this
    // server ("": none is known, and they are told a path), and the key of base/callback.h. NULL:
    // they are not told. Both must stay.
    const char *callback_base;
    const char *callback_key;
    size_t mails_max; // Commands that may wait; default 65536.
    // Called once, on some thread, when the store is lost (a failed write or sync proves that
    // nothing may be promised any more). It must end the process.
    void (*store_lost)(const struct fault *f);
    // Called on the engine's thread: the store has said that another node took the shard while it
    // was ours in this epoch. It is lost by now, as after engine_shard_lost. Must not block; NULL:
    // nobody wants to know.
    void (*shard_fenced)(void *context, uint32_t shard, int64_t epoch);
    // What the rows of attempts call this node which go on when their shard was given back: its
    // incarnation. NULL: there are no other nodes. Must stay.
    const char *node;
    // The answer to engine_shard_give_back. Both on the engine's thread; they must not block.
    void (*shard_given_back)(void *context, uint32_t shard, int64_t epoch);
    // Such an attempt has ended: the command, COMMAND_OUTCOME, is for the shard's owner. Borrowed.
    void (*outcome_elsewhere)(void *context, const struct command *c);
    // Called on the engine's thread: what the shard holds has been loaded, and its commands are
    // taken from now on. Must not block; NULL: nobody wants to know.
    void (*shard_loaded)(void *context, uint32_t shard, int64_t epoch);
    void *context;
};

// The store stays the caller's and must outlive the engine. Nothing is written or sent before
// engine_start.
MUST_CHECK enum err engine_open(const struct engine_options *o, struct store *s,
                                struct engine **out, struct fault *f);

// What the cluster says, on any thread, in the order in which it happens.
//
// `gained`: the row of a shard as it was taken, in an epoch above the last one. What it holds is
// read by a thread of the engine and comes to the core in slices, between all that the other shards
// do; a failure to read is tried again for as long as the shard is ours. Commands for it wait until
// it is there. `lost`: its jobs, executions and attempts under way are dropped, and what is asked
// of it is refused with ERR_AWAY. `lease`: requests leave before `until`, and not then; none before
// the first one.
void engine_shard_gained(struct engine *e, const struct shard *row);
void engine_shard_lost(struct engine *e, uint32_t shard);
void engine_lease(struct engine *e, mono_ms until);

// The shard is to go to another node, in an orderly way: nothing more of it starts, what is asked
// of it is refused with ERR_AWAY, and when all is durable shard_given_back is called, unless the
// shard was lost meanwhile. Attempts under way go on for at most `flights_ms`, and are then
// cancelled; how they end is told by outcome_elsewhere. A shard that is not ours is given back at
// once, with epoch 0. Any thread.
void engine_shard_give_back(struct engine *e, uint32_t shard, dur_ms flights_ms);

// Starts the engine's threads, loads the shards that were gained before, which may be none, and
// then starts the store's thread; what was owed is under way, and durable unless the disk is full
// or the database held by others, when it returns. The last step of a start, since nothing can take
// it back. Once. After an error, such as that of a shard that cannot be read, the engine can only
// be stopped, and nothing has been sent or written.
MUST_CHECK enum err engine_start(struct engine *e, struct fault *f);

// Called on the engine's thread when the command's change is durable (or refused, with
// reply->err). ERR_FENCED: nothing was changed, since another node owns the job by now. ERR_DOUBT:
// whether it was changed is not known, since the answer of the database was lost. It must not
// block. `reply` is borrowed for the call, but its row is moved: whoever is called owns it.
typedef void engine_reply(void *context, const struct reply *r);

// Hands over a command from any thread; before engine_start it waits. `c` is copied and its job
// taken, also on failure; its schedule, body and client key are borrowed until `done` is called.
// `done` is called exactly once when ERR_OK is returned, else never. ERR_LIMIT: too many commands
// wait; ERR_CLOSED: stopping; ERR_STORE_FULL, ERR_BUSY, ERR_STORE_AWAY (see store_stall_find):
// nothing can be written now.
// ERR_STORE_LOW: what the command adds would be taken from the reserve of the disk; jobs that are
// deleted or not active need none.
MUST_CHECK enum err engine_submit(struct engine *e, const struct command *c, engine_reply *done,
                                  void *context);

// This node is the leader, or no longer: whether it does what one node does for all, such as
// retention (store_writer_set_chores). A node with the only shard of a store does that from the
// start. Any thread, also before the start.
void engine_leader(struct engine *e, bool leads);

// What the engine looked like at the end of its last turn.
struct engine_status {
    struct core_status core;
    struct store_writer_status store;
    wall_ms turned_at;
    wall_ms started_at; // 0: not yet; then the rest is not set either.
    int64_t epoch;      // In which the start had its first shard; 0: it had none.
    uint32_t loading;   // Shards that were gained and take no commands yet; also before the start.
    wall_ms held_at;    // When an attempt was put off last for want of something here; 0: never.
    char held_by[ERROR_TEXT_MAX];
    enum err store_stalled; // ERR_OK, or why nothing is written now: see engine_submit.
};
struct engine_status engine_status(struct engine *e); // Any thread.

// To be called after zone_refresh has found new rules: from now on jobs are planned by them. What
// is planned already stays as it is. Any thread.
void engine_zones_changed(struct engine *e);

// Refuses commands, starts no more attempts, waits for those under way up to `timeout_ms`. Returns
// the number of attempts abandoned; they are made again after the next start.
size_t engine_drain(struct engine *e, dur_ms timeout_ms);

// Commits what waits and ends both threads. Starts no attempt, also without a drain before; those
// under way are abandoned. NULL is a no-op.
void engine_stop(struct engine *e);

#endif
