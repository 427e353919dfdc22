// SPDX-License-Identifier: MIT
// errands.h: what clients want of a cluster, on its way through the database to the owner and back.
//
// With several nodes a client speaks to an API server, which owns nothing. The server puts the
// change as a row of `commands`; the owner of the shard claims the row and carries it out; the
// reply comes with the effects. An errand is one such request: what its server knows of it, and
// beside that what is true of it, which only the simulator knows.

#ifndef CARILLON_SIM_ERRANDS_H
#define CARILLON_SIM_ERRANDS_H

#include "happening.h"
#include "history.h"

#include "core/core.h"

struct world;
struct node;
struct promise;
struct batch;

#define CLAIMED_MAX 64

struct errand {
    enum command_kind kind;
    job_id job; // 0: a new one, or none.
    unsigned shard;
    struct version version; // The one that it makes.
    char *body;             // A letter.
    size_t bytes;
    unsigned key;   // The client's Idempotency-Key; 0: none.
    size_t sibling; // The same request at another server: its number; 0: none.
    wall_ms expires_at;

    // The API server.
    bool is_waiting; // For a reply. Else it has yet to put the command.
    mono_ms acts_at; // MONO_NEVER: it is done, or dead.
    mono_ms gives_up_at;

    // What is true.
    bool is_put;
    bool is_withdrawn;
    int64_t claimed_in; // The last epoch; 0: nobody has claimed it,
    int64_t handed_in;  // or heard of that.
    bool is_replied;    // Durably.
    struct command_reply reply;
    unsigned entries; // Durable entries of the audit.
    unsigned effects; // Durable changes that it has made, of which this is the last one:
    job_id effect_job;
    struct execution_key effect_key;
};

// A claimed command on its way to the core of its node.
struct claimed {
    size_t errand;
    int64_t epoch;
    mono_ms at;
    char *body;
    size_t bytes;
};

struct errands {
    struct store_commands *line;
    struct errand *rows; // By number - 1.
    size_t count;
    size_t capacity;
    size_t from; // The servers of those before are done.
    unsigned keys;
    size_t asked;        // This step carries out this one; 0: none,
    int64_t asked_epoch; // which was claimed in this epoch.
};

struct errand *errand_of(struct world *w, size_t number);
struct command_id errand_id(size_t number);
size_t errand_number(const struct command_id *id);

// servers.c: API servers.
void servers_open(struct world *w);
void servers_close(struct world *w);
// A client asks for this. Takes the command's job.
void servers_take(struct world *w, struct command *c, const struct version *v);
mono_ms servers_wake_at(const struct world *w);
void servers_act(struct world *w); // The one whose time comes first.

// claims.c: owners.
void claims_start(struct node *n);
void claims_drop(struct node *n); // The process dies.
void claims_wake(struct node *n); // There may be something to claim.
void claims_load(struct node *n); // A shard was loaded.
mono_ms claims_wake_at(const struct node *n);
void claims_act(struct node *n);

// errand_rules.c: what must hold of commands.
void errands_see_claim(struct world *w, size_t number, int64_t epoch);
// What the core says to a command that was claimed. True: it is left to the next owner.
bool errands_see_away(struct node *n, const struct reply *r);
void errands_keep(struct world *w, const struct promise *p); // An effect is durable.
void errands_record(struct world *w, const struct batch *b); // And so are these replies.
void errands_check_reply(struct world *w, size_t number, const struct command_reply *r);
void errands_check_withdrawn(struct world *w, size_t number);
void errands_check_key(struct world *w, size_t number, const struct command_reply *replay);
void errands_check(struct world *w); // All is healed.

#endif
