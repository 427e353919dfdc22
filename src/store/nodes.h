// SPDX-License-Identifier: MIT
// nodes.h: the nodes that share a database of PostgreSQL, and who of them owns which shard.
//
// A door of the store for the cluster alone. Each node has a row with a beat, which the node
// raises, and each shard has an owner, which is a node. Whoever becomes the owner of a shard gets a
// new epoch of it, and who releases one ends the epoch that it had: so of all that write for a
// shard the one with the epoch of its row is the owner, and the fence of a commit is the epoch.
//
// No clock decides here who is alive: others bury a node whose beat they saw stand still for long.
//
// A struct nodes is a connection, and belongs to one thread at a time. Every call ends within the
// time that it was made with. ERR_STORE_AWAY: the server cannot be reached, or its answer was lost,
// also when the server gave up waiting for its replica: the call may have been carried out, and
// all of them may be made again.

#ifndef CARILLON_STORE_NODES_H
#define CARILLON_STORE_NODES_H

#include "ledger/ledger.h"

#define NODE_ID_BYTES 37 // A UUID as text, and the NUL.
#define NODE_NAME_BYTES 64
#define NODE_ROLE_BYTES 16
#define NODE_VERSION_BYTES 32

struct nodes;

// Connects with the first call.
struct nodes *nodes_new(const char *url, dur_ms call_ms);
void nodes_free(struct nodes *n); // NULL is a no-op.

// --- This node's row -------------------------------------------------------------------------

struct node {
    char id[NODE_ID_BYTES]; // Drawn by the process, and never used before.
    char name[NODE_NAME_BYTES];
    char role[NODE_ROLE_BYTES];
    char version[NODE_VERSION_BYTES];
    dur_ms ttl_ms; // Others may bury the node when its beat has stood still for so long.
    bool works;    // Takes shards.
    bool is_draining;
    int64_t beat;
    uint32_t shards; // How many it owns.
};

// Makes the row. `before` (NULL: none) is the id that this very process had before: that node is
// dead from then on, and its shards are free. ERR_EXISTS: *twin is a node with the same name that
// is not dead. ERR_STORE_VERSION: the database is for newer programs.
MUST_CHECK enum err nodes_register(struct nodes *n, const struct node *self, const char *before,
                                   struct node *twin, struct fault *f);

// Raises the beat. ERR_CLOSED: the node is dead, and must begin again under another id.
// ERR_STORE_VERSION: as of nodes_register. *clock_us: what the database's clock said meanwhile.
MUST_CHECK enum err nodes_renew(struct nodes *n, const char *id, int64_t *clock_us,
                                struct fault *f);

// The node is dead by its own will, its shards are free, and the next leader may be another one.
MUST_CHECK enum err nodes_leave(struct nodes *n, const char *id, struct fault *f);

// --- All of them -----------------------------------------------------------------------------

// What there is, in one look, which writes nothing.
struct nodes_view {
    struct node *nodes; // All that are not dead, in order of name.
    size_t count;
    int64_t clock_us; // What the database's clock said meanwhile.
    int64_t timeline; // Rises when another server has become the primary.
    uint32_t shards;
    uint32_t unowned;           // Nobody's, or those of a node that is dead.
    uint32_t own;               // How many have this node as their owner,
    int64_t own_epochs;         // and the sum of their epochs, modulo 2^63.
    char leader[NODE_ID_BYTES]; // Empty: nobody was it ever.
    int64_t leader_epoch;
};
MUST_CHECK enum err nodes_look(struct nodes *n, const char *id, struct nodes_view *out,
                               struct fault *f);
void nodes_view_fini(struct nodes_view *v);

// Declares the node dead, if its beat is still the one that was seen and nobody is just at its row.
// *done: the node is dead by this call.
MUST_CHECK enum err nodes_bury(struct nodes *n, const char *id, int64_t beat, bool *done,
                               struct fault *f);

// Makes this node the leader, unless the one of before is alive and does not drain. *leads: this
// node is it now, or was it already.
MUST_CHECK enum err nodes_lead(struct nodes *n, const char *id, bool *leads, struct fault *f);

struct node_replica {
    char name[NODE_NAME_BYTES]; // What it calls itself: application_name.
    char sync[16];              // "sync", "quorum", "potential", "async"; empty: not shown.
    int64_t lag_bytes;          // What it has not replayed; -1: not shown.
    int64_t lag_ms;             // -1: not shown.
};

#define NODE_STANDBYS_BYTES 128

// The replicas of the database, as far as the server shows them to this user; *out is the caller's.
// standbys: which of them commits wait for, as synchronous_standby_names says, and cut if need be.
MUST_CHECK enum err nodes_list_replicas(struct nodes *n, struct node_replica **out, size_t *count,
                                        char standbys[static NODE_STANDBYS_BYTES], struct fault *f);

// --- Shards ----------------------------------------------------------------------------------

// Shards with the epochs in which a node has them.
struct node_shards {
    size_t count;
    uint32_t numbers[SHARDS_MAX];
    int64_t epochs[SHARDS_MAX];
};

// Takes up to `limit` shards that are nobody's or a dead node's, each in a new epoch. rows[]: as
// the last commit left them. None when this node is dead or drains.
MUST_CHECK enum err nodes_acquire(struct nodes *n, const char *id, size_t limit,
                                  struct shard rows[static SHARDS_MAX], size_t *count,
                                  struct fault *f);

// Makes nobody the owner of these, as far as this node still is, and ends their epochs. With
// `drains` the node is said to drain in the same transaction.
MUST_CHECK enum err nodes_release(struct nodes *n, const char *id, const struct node_shards *shards,
                                  bool drains, struct fault *f);

// Compares what this node believes to have with the rows. *lost: those of `held` that are not its
// own in that epoch. What is its own by the rows and not held is released: a promotion, or a lost
// answer, has left it there.
MUST_CHECK enum err nodes_compare(struct nodes *n, const char *id, const struct node_shards *held,
                                  struct shard_set *lost, struct fault *f);

#endif
