// SPDX-License-Identifier: MIT
// commands.h: commands as rows of the store, by which nodes speak to the owners of shards.
//
// An API server puts a command and waits for its reply; the owner of the shard claims the command,
// carries it out, and writes the reply in the very commit that holds the effects (CHANGE_REPLY). So
// a command is carried out once, whoever dies when: what nobody has answered, the next owner of
// the shard claims. A row goes through these places:
//
//    put --> waiting --- claim ---> claimed --- commit ---> replied --- tidy, after a day ---> gone
//               |                   |     ^
//     withdraw, | tidy              +-----+ claim in a newer epoch
//     (expired) v
//              gone: certainly not carried out
//
// A command may carry a client's Idempotency-Key, which is reserved by the statement that puts the
// command: of two commands with one key, the first to be put is carried out, whichever node it
// came to. A commit turns the reservation into what the key stood for, or removes it, when the
// command is refused. So is the `key` of a job that is to be created: it is the job's from the
// commit of the reply until that of the job's deletion.
//
// Each struct store_commands is a connection of its own, and belongs to one thread at a time. Only
// stores that several nodes have open have commands: those of memory and of PostgreSQL. Calls say
// ERR_STORE_AWAY, ERR_STORE_FULL or ERR_BUSY when nothing came of them, and ERR_DOUBT when the
// answer was lost, so that they may have had their effect.

#ifndef CARILLON_STORE_COMMANDS_H
#define CARILLON_STORE_COMMANDS_H

#include "store/store.h"

struct store_commands;

// ERR_UNSUPPORTED: a store for one node alone. No connection is made before the first call.
MUST_CHECK enum err store_commands_open(struct store *s, struct store_commands **out,
                                        struct fault *f);
void store_commands_close(struct store_commands *c); // NULL is a no-op.

// --- The side that asks ----------------------------------------------------------------------

enum command_put_outcome {
    PUT_NEW,    // The command is there now, or was there already: this very call was repeated.
    PUT_REPLAY, // The key stood for the same request: `reply` says what came of it.
    PUT_BUSY,   // A command with this key is not answered yet.
    PUT_OTHER,  // The key stood for another request.
    PUT_LATE,   // The command had expired when it came.
    PUT_TAKEN   // Another job has the job's key: `reply` names the job; 0: the command that is to
                // make it is not answered yet.
};

struct command_put {
    struct command_id id;
    uint32_t shard;
    wall_ms expires_at; // By the store's clock, which the clock of every node of a cluster follows.
    const void *body;   // Borrowed, as all that follows.
    size_t bytes;
    const struct client_key *key; // Text and digest; NULL: none.
    const char *job_key;          // The key of the job to be created; NULL: none.
    // Filled in by store_commands_put.
    enum command_put_outcome outcome;
    struct command_reply reply; // PUT_REPLAY: job and execution. PUT_TAKEN: job.
};

#define COMMANDS_PUT_MAX 1024 // In one call.

// All of them are durable together. `now` is the node's clock, for stores that have none. After
// ERR_DOUBT the same call may be repeated; a command that comes after it has expired does nothing.
MUST_CHECK enum err store_commands_put(struct store_commands *c, struct command_put *puts,
                                       size_t count, wall_ms now, struct fault *f);

// The replies to those of the commands that have one, in no order.
typedef void store_each_reply(void *context, const struct command_reply *r);
MUST_CHECK enum err store_commands_read(struct store_commands *c, const struct command_id *ids,
                                        size_t count, store_each_reply *each, void *context,
                                        struct fault *f);

// Takes back what nobody has claimed: the command will certainly not be carried out. Else it may
// be, or has been.
MUST_CHECK enum err store_commands_withdraw(struct store_commands *c, const struct command_id *id,
                                            bool *withdrawn, struct fault *f);

// --- The side of owners ----------------------------------------------------------------------

// A shard that the caller owns, and has loaded.
struct command_shard {
    uint32_t number;
    int64_t epoch;
};

struct command_claim {
    const struct command_shard *shards;
    size_t shard_count;
    // Also what was claimed in the very epochs and has no reply, since the answer of a claim may
    // have been lost: with numbers above `after`.
    bool again;
    int64_t after;
    size_t limit; // When fewer come, these were all.
};

struct command_row {
    struct command_id id;
    uint32_t shard;
    int64_t epoch;  // In which the command was claimed by this call.
    int64_t number; // Rises in the order in which commands were put.
    const void *body;
    size_t bytes;
};

// Claims what waits and has not expired, and what was claimed in an older epoch of its shard and
// has no reply. Calls back in order of number, and borrows the row for the call.
typedef void store_each_command(void *context, const struct command_row *r);
MUST_CHECK enum err store_commands_claim(struct store_commands *c, const struct command_claim *o,
                                         wall_ms now, store_each_command *each, void *context,
                                         struct fault *f);

// How long the row of a command is kept after its reply, so that the command's id is known.
#define COMMAND_KEPT_MS 86400000

// A chore that one of the nodes does now and then: removes at most `rows_max` rows of commands
// that have expired unclaimed, with their reservations, or were answered long ago.
MUST_CHECK enum err store_commands_tidy(struct store_commands *c, size_t rows_max, wall_ms now,
                                        size_t *removed, struct fault *f);

// --- Wake-ups --------------------------------------------------------------------------------
//
// They carry no data, and may be lost. A channel is a word of small letters, digits, "-" and "_".

#define COMMANDS_CHANNEL_BYTES 64

// Listens on a channel from now on, until the connection ends: then the next call of any kind makes
// a new one, on which nothing is heard. ERR_UNSUPPORTED: this store has no wake-ups.
MUST_CHECK enum err store_commands_listen(struct store_commands *c, const char *channel,
                                          struct fault *f);
MUST_CHECK enum err store_commands_notify(struct store_commands *c, const char *channel,
                                          struct fault *f);
// Waits until a wake-up comes, `fd` can be read, or the time is over. Calls back for each wake-up.
// ERR_STORE_AWAY: the connection has ended.
typedef void store_heard(void *context, const char *channel);
MUST_CHECK enum err store_commands_hear(struct store_commands *c, int fd, dur_ms timeout_ms,
                                        store_heard *heard, void *context, struct fault *f);

#endif
