// SPDX-License-Identifier: MIT
// postgres_priv.h: a node of several on one database of PostgreSQL.
//
// Two threads, each with a connection of its own. "lease" does nothing but raise this node's beat
// (lease.c). "cluster" does all the rest, in turns (turn.c): it looks at the database, buries whose
// beat stands still, takes, gives back and releases shards (shards.c), and begins again under a new
// id when the lease is lost (life.c); tell.c tells of it. What they share is under the lock, which
// is never held during a call of the database or an event. status.c answers from what was seen
// last.
//
// A life is what lies between two registrations: an answer about an id of before is dropped.

#ifndef CARILLON_CLUSTER_POSTGRES_PRIV_H
#define CARILLON_CLUSTER_POSTGRES_PRIV_H

#include "cluster/cluster_priv.h"
#include "cluster/postgres/rules_priv.h"

#include <pthread.h>

#define LOOK_MS 650           // Between two looks at the database,
#define LOOK_UNSETTLED_MS 100 // while shards are on their way from node to node,
#define LOOK_ALONE_MS 1000    // and of a node that has all shards and nobody to bury.
#define REPLICAS_MS 10000     // Between two questions for replicas.
#define RETRY_MS 250          // After a call that has failed.
#define BUSY_MS 15000         // So long a start waits for what others lock.

// Where a shard is, as this node sees it.
enum tenure_place {
    TENURE_NONE,       // Not this node's.
    TENURE_OWNED,      // Gained.
    TENURE_GIVING,     // The engine was asked to be done with the shard.
    TENURE_GIVEN_BACK, // The engine is done with the shard, and its row is to be released.
    TENURE_FENCED      // The engine has dropped the shard, and its row is to be released.
};

struct tenure {
    enum tenure_place place;
    int64_t epoch;
};

// What the last look has shown; belongs to the thread "cluster", and is copied for the status.
struct seen {
    struct nodes_view view;
    struct sightings sightings;
    mono_ms looked_at; // 0: not yet in this life.
    struct node_replica *replicas;
    size_t replica_count;
    char standbys[NODE_STANDBYS_BYTES];
};

struct postgres_cluster {
    struct cluster cluster;
    struct node self; // The id is that of this life, or of the last one. Changed under the lock.
    char *url;
    bool (*may_lead)(void *context);
    void *may_lead_context;
    struct cluster_events events;
    uint32_t shards;
    struct nodes *renewing; // The thread "lease"'s connection.
    struct nodes *sharing;  // The thread "cluster"'s.
    pthread_t lease_thread;
    pthread_t cluster_thread;
    bool lease_runs;
    bool cluster_runs;

    // The thread "cluster" alone.
    mono_ms next_look_at;
    mono_ms replicas_at; // When the replicas are asked for next.
    int64_t timeline;    // 0: not known yet.
    bool told_fault;     // The log has said that calls fail.

    // Held for reading while an event is told, for writing to end them. Never taken under `lock`.
    pthread_rwlock_t telling;
    bool is_mute;

    pthread_mutex_t lock; // Guards what follows, and the id in `self`.
    pthread_cond_t changed;
    bool stopping;
    bool draining;
    bool drain_said;      // The database has it.
    bool is_registered;   // A life is under way.
    uint64_t life;        // Counts them.
    mono_ms asked_at;     // When the last renewal that was granted was asked for.
    mono_ms lease_until;  // 0: no lease yet in this life.
    struct fault refused; // The renewal was refused: the life is over.
    bool wakes;           // The thread "cluster" has something to do at once,
    bool looks;           // and that is to look at the database.
    struct tenure tenures[SHARDS_MAX];
    bool leads;
    struct offset_view offset;
    int64_t machine_ahead_us; // This machine's clock less the database's.
    mono_ms told_clock_at;    // When the log said last that the two differ; 0: never.
    struct seen seen;         // Replaced by the thread "cluster" only, which reads it without lock.
};

// --- Calls between the parts; all take the lock themselves unless they say otherwise ---

// Each tells an event, unless the cluster is mute. Not under the lock.
void cluster__tell_gained(struct postgres_cluster *p, const struct shard *row);
void cluster__tell_lease(struct postgres_cluster *p, mono_ms until);
void cluster__tell_released(struct postgres_cluster *p);
void cluster__tell_leader(struct postgres_cluster *p, bool leads);
void cluster__tell_buried(struct postgres_cluster *p, const char *name, dur_ms silent_ms);
// Tells `lost` or `give_back` of each of these shards.
void cluster__tell_lost(struct postgres_cluster *p, const struct shard_set *shards);
void cluster__tell_give_back(struct postgres_cluster *p, const struct shard_set *shards);

// Waits for a change, or until `at`. Under the lock.
void cluster__wait(struct postgres_cluster *p, mono_ms at);

void *cluster__lease_run(void *postgres_cluster); // The thread "lease".
void *cluster__turn_run(void *postgres_cluster);  // The thread "cluster".

// Asks for a renewal, and says how long the lease runs then. A renewal that is
// refused ends the life.
MUST_CHECK enum err cluster__renew(struct postgres_cluster *p, struct fault *f);

// The database says that this life is over; `f` says why.
void cluster__note_refused(struct postgres_cluster *p, uint64_t life, const struct fault *f);

// Looks at the database. ERR_CLOSED: this node is dead, and its life over. The thread "cluster", or
// before it runs.
MUST_CHECK enum err cluster__look(struct postgres_cluster *p, struct fault *f);
// The database's clock was read between two moments of clock_mono_us.
void cluster__note_clock(struct postgres_cluster *p, int64_t clock_us, int64_t sent_us,
                         int64_t received_us);
// Draws an id and registers; a node of the same name that has died is buried first, which may take
// as long as its lease. Not while there is a life.
MUST_CHECK enum err cluster__register(struct postgres_cluster *p, bool waits, struct fault *f);
// Ends the life when its lease has run out or its renewal was refused, and says so of every shard.
void cluster__end_life_if_over(struct postgres_cluster *p);
// Whether this node may send at `now`. Under the lock.
bool cluster__has_lease(const struct postgres_cluster *p, mono_ms now);

// Releases what was given back, compares with the rows what does not fit them, gives back what is
// over the share and takes what is missing.
MUST_CHECK enum err cluster__release(struct postgres_cluster *p, struct fault *f);
MUST_CHECK enum err cluster__compare(struct postgres_cluster *p, struct fault *f);
MUST_CHECK enum err cluster__balance(struct postgres_cluster *p, struct fault *f);
// Whether shards are on their way, so that another look is worth while soon.
bool cluster__is_unsettled(struct postgres_cluster *p);
// The shards in this place, and how many. Under the lock.
struct shard_set cluster__shards_in(const struct postgres_cluster *p, enum tenure_place place,
                                    uint32_t *count);

// Says whether this node is the leader, when that is news. The thread "cluster".
void cluster__set_leader(struct postgres_cluster *p, bool leads);

void cluster__mute(struct cluster *c);
bool cluster__is_mute(struct postgres_cluster *p);

void cluster__status(struct cluster *c, struct cluster_status *out);

#endif
