// SPDX-License-Identifier: MIT
// rules_priv.h: what a node decides by itself: how long it may send, who is dead, how many shards
// are its share, and what the database's clock says. Pure: all times come in as arguments.

#ifndef CARILLON_CLUSTER_POSTGRES_RULES_PRIV_H
#define CARILLON_CLUSTER_POSTGRES_RULES_PRIV_H

#include "base/time.h"
#include "store/nodes.h"

// --- The lease -------------------------------------------------------------------------------

// How much before others may bury it a node stops sending, for clocks that run unequally and
// requests on their way.
dur_ms lease_guard(dur_ms ttl_ms);
dur_ms lease_renewal_every(dur_ms ttl_ms);
// Until when a node may send that has asked for the renewal at `asked_at`, not when it was granted:
// others see the new beat between the two.
mono_ms lease_deadline(mono_ms asked_at, dur_ms ttl_ms);

// --- Whose beats stand still -----------------------------------------------------------------

struct sighting {
    char id[NODE_ID_BYTES];
    int64_t beat;
    mono_ms since; // Seen with this beat from then on.
    dur_ms ttl_ms;
};

// What this node has seen of the others. Zeroed: of none. Owns its array; sightings_fini.
struct sightings {
    struct sighting *of;
    size_t count;
    mono_ms looked_at;
};

// A look whose answer came at `now`. When the last one is long ago, nobody was seen in between, and
// all are given their time anew: while the database was away no node could raise its beat.
void sightings_note(struct sightings *s, const struct nodes_view *v, mono_ms now);
void sightings_fini(struct sightings *s);

// The node whose beat has stood still for its whole lease, but `self`; NULL: none. *at: when there
// will be one, MONO_NEVER: never.
const struct sighting *sightings_find_dead(const struct sightings *s, const char *self, mono_ms now,
                                           mono_ms *at);
// For how long the node has been seen with the same beat; 0: it was not seen.
dur_ms sightings_age(const struct sightings *s, const char *id, mono_ms now);

// --- Shares ----------------------------------------------------------------------------------

uint32_t share_of(uint32_t shards, uint32_t workers); // Rounded up. No workers: 0.
// How many nodes take shards: they work and do not drain.
uint32_t count_workers(const struct nodes_view *v);
// Whether the leader of the view is there and does not drain.
bool has_leader(const struct nodes_view *v);
// The `surplus` highest of the owned ones.
struct shard_set choose_surplus(const struct shard_set *owned, uint32_t surplus);
// "0-3,7": the set as text, cut with "..." where it is long.
void format_shards(const struct shard_set *s, char *out, size_t bytes);

// --- Replicas --------------------------------------------------------------------------------

// For how many replicas a commit waits, by the value of synchronous_standby_names: "a, b", "2 (a,
// b)", "FIRST 2 (a, b)", "ANY 2 (*)", or nothing.
uint32_t commit_quorum(const char *standbys);

// --- The database's clock --------------------------------------------------------------------

// What is known of the difference between the database's clock and clock_mono_us of this machine:
// it lies between two bounds, as of one moment. Nothing is early by the lower one.
struct offset_view {
    bool is_known;
    int64_t least_us;
    int64_t most_us;
    int64_t at_us; // The moment, by clock_mono_us.
};

enum offset_change {
    OFFSET_SMOOTH,
    OFFSET_STEPPED // Further than two clocks can have run apart: the database's clock was set.
};

// The database has read its clock somewhere between the two moments of clock_mono_us.
enum offset_change offset_note(struct offset_view *o, int64_t clock_us, int64_t sent_us,
                               int64_t received_us);

#endif
