// SPDX-License-Identifier: MIT
// cluster.h: the port that says who owns which shards, and until when this node may send.
//
// Jobs are spread over shards, and one node at a time owns a shard. An adapter takes shards for
// this node, which raises their epochs, and says so; it says when one is lost or wanted by others,
// how long the lease runs, and whether this node is the leader. It never calls the core: what it
// says goes by mail to the engine.
//
// The `solo` adapter is the single node, which owns every shard for ever: it holds a lock on a file
// beside the database for as long as the process lives, so a second server on the same database
// cannot start. The `postgres` adapter is one of several nodes on one database, which share its
// shards by leases.
//
// The life of a shard at a node, of which each step is told with the epoch that it was taken in:
//
//   gained -+-> lost: at once, by the lapse of the lease or because the row is somebody else's
//           +-> give_back -> cluster_given_back -> the row is released: in an orderly way
//           +-> cluster_fenced -> the row is released: a commit showed that it was not as the
//               engine had left it, and the engine has dropped the shard already

#ifndef CARILLON_CLUSTER_CLUSTER_H
#define CARILLON_CLUSTER_CLUSTER_H

#include "base/err.h"
#include "base/time.h"
#include "store/store.h"

struct cluster;

// Takes the lock file "<db_path>.lock". ERR_BUSY names the process that holds it, where the kernel
// knows; ERR_SYSTEM when the file cannot be made. The kernel releases the lock when the process
// ends, however it ends. Once at a time in a process, which must not open the file otherwise.
MUST_CHECK enum err cluster_solo_open(const char *db_path, struct cluster **out, struct fault *f);

// A node of several on one database of PostgreSQL, whose tables are there (store_open). What is
// pointed to is copied.
struct cluster_postgres_options {
    const char *url;
    const char *name;    // For people; two live nodes never have the same. ERR_RANGE: too long.
    const char *role;    // For people: "all", "api", "worker".
    const char *version; // For people.
    bool works;          // Takes shards, and may be the leader.
    dur_ms ttl_ms;       // The lease's length, CLUSTER_TTL_MIN_MS to CLUSTER_TTL_MAX_MS.
    // Asked on the thread "cluster" before this node tries to be the leader; NULL: it may.
    bool (*may_lead)(void *context);
    void *context;
};
#define CLUSTER_TTL_MIN_MS 2000
#define CLUSTER_TTL_MAX_MS 60000
#define CLUSTER_TTL_MS 5000 // By default.

// Nothing is connected or written before cluster_start.
MUST_CHECK enum err cluster_postgres_open(const struct cluster_postgres_options *o,
                                          struct cluster **out, struct fault *f);

// What the adapter says. No callback may block or call the cluster; none comes before
// cluster_start or after cluster_mute. `solo` calls them inside cluster_start. `postgres` calls
// lease on its thread "lease", and once inside cluster_start, and all others on its thread
// "cluster", one after the other. Those that are NULL are not called.
struct cluster_events {
    // The shard is ours: its row as it was taken, borrowed for the call.
    void (*gained)(void *context, const struct shard *row);
    // Nothing of it may be sent or written from now on.
    void (*lost)(void *context, uint32_t shard);
    // This node may send before `until`, and not then; MONO_NEVER: for ever. Said with each
    // renewal.
    void (*lease)(void *context, mono_ms until);
    // Others want the shard: start nothing more of it, commit, then call cluster_given_back. The
    // shard may still be lost meanwhile, and is then not given back.
    void (*give_back)(void *context, uint32_t shard);
    // This node has released shards, or will have no share of them any more: who tells the others
    // to call cluster_look spares them the time until their next look. NULL: nobody is told.
    void (*released)(void *context);
    // Whether the chores that one node does for all are this one's. Nobody is, until it is said.
    void (*leader)(void *context, bool is_leader);
    // This node has declared another one dead that takes shards, which was not heard of for so
    // long: its shards are free. Of all nodes one says so; inside cluster_start of a node that died
    // under the same name.
    void (*buried)(void *context, const char *name, dur_ms silent_ms);
    void *context;
};

// From now on shards come and go. Solo has taken all of them when this returns ERR_OK; else what
// store_take_shard says, and nothing was told. Postgres has registered this node, has a lease and
// knows the clock, and takes shards from then on; else ERR_EXISTS (a live node has the same name),
// ERR_STORE_VERSION (this program is too old for the database), ERR_STORE_AWAY. A node of the same
// name that died is waited for, for as long as a lease lasts. Before the store's writing thread is
// started. Once.
MUST_CHECK enum err cluster_start(struct cluster *c, struct store *s,
                                  const struct cluster_events *e, struct fault *f);

// Whether this node is the owner, as far as it knows: from `gained` to `lost` or to `give_back`.
// Any thread.
bool cluster_owns(const struct cluster *c, uint32_t shard);

// The answer to give_back: everything of the shard and this epoch is committed, and nothing more
// will be sent or written. Any thread, also within an event's mail; never blocks.
void cluster_given_back(struct cluster *c, uint32_t shard, int64_t epoch);

// A commit was refused: the shard's row is not as this epoch left it, and the engine has dropped
// the shard. It comes again by `gained` when it is still this node's. Any thread; never blocks.
void cluster_fenced(struct cluster *c, uint32_t shard, int64_t epoch);

// Another node says that it has released shards: this one looks at once. Any thread, also before
// the start.
void cluster_look(struct cluster *c);

// Says that this node drains, and gives all shards back (by give_back), each row being released as
// soon as it is given back; the first release tells the others. Waits for that, up to `timeout_ms`,
// and takes no shard any more. Returns how many shards were not given back. Not within an event.
size_t cluster_drain(struct cluster *c, dur_ms timeout_ms);

// --- What is known of the cluster ---

#define NODE_ID_BYTES 37 // A UUID as text, and the NUL.
#define NODE_NAME_BYTES 64
#define NODE_ROLE_BYTES 16
#define NODE_VERSION_BYTES 32

struct cluster_node {
    char id[NODE_ID_BYTES]; // Drawn with each start; empty for solo.
    char name[NODE_NAME_BYTES];
    char role[NODE_ROLE_BYTES];
    char version[NODE_VERSION_BYTES];
    dur_ms beat_age_ms; // Since this node has seen the other's last beat.
    uint32_t shards;    // How many it owns.
    bool works;         // Takes shards.
    bool is_draining;
    bool is_leader;
    bool is_self;
};

// A replica of the database, as the database shows it.
struct cluster_replica {
    char name[NODE_NAME_BYTES]; // What it calls itself: application_name.
    char sync[16];              // "sync", "quorum", "potential", "async"; empty: not shown.
    int64_t lag_bytes;          // What it has not replayed; -1: not shown.
    int64_t lag_ms;             // -1: not shown.
};

#define NODE_STANDBYS_BYTES 128

struct cluster_status {
    struct cluster_node *nodes; // All that are not dead, in order of their names.
    size_t node_count;
    struct cluster_replica *replicas;
    size_t replica_count;
    char standbys[NODE_STANDBYS_BYTES]; // The database's synchronous_standby_names.
    uint32_t commit_quorum;             // For so many replicas a commit waits.
    uint32_t shards;                    // In all.
    uint32_t owned;                     // By this node.
    uint32_t unowned;                   // Nobody's, or those of a node that is dead.
    mono_ms lease_until;                // 0: there is no lease; MONO_NEVER.
    dur_ms lease_age_ms;     // Since the last renewal that was granted was asked for; 0 for solo.
    dur_ms lease_ttl_ms;     // 0 for solo.
    int64_t clock_offset_us; // This machine's clock less the database's; 0 for solo.
    int64_t timeline;        // The database's; 0 for solo.
    int64_t leader_epoch;    // 0: there is none.
    dur_ms seen_ms_ago;      // The age of all this: of the last look at the database.
    bool is_leader;
    bool is_draining;
};

// A snapshot; asks no database. Any thread. The caller gives *out to cluster_status_fini.
void cluster_status(struct cluster *c, struct cluster_status *out);
void cluster_status_fini(struct cluster_status *s);

// From its return on no event comes, so what hears them may end before the cluster does. No shard
// comes or goes any more; the lease is renewed until cluster_close, so that the last commits are
// not fenced. Not within an event. NULL is a no-op.
void cluster_mute(struct cluster *c);

// Ends the threads and gives up what is left: other nodes may take it at once. After the store's
// writing thread has ended. NULL is a no-op.
void cluster_close(struct cluster *c);

#endif
