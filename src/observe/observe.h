// SPDX-License-Identifier: MIT
// observe.h: is the server well, and what has it counted.
//
// Health is judged by a pure function from what the engine looked like at the end of its last
// turn: each part of the server is ok, degraded or failing, with a reason for people. Metrics come
// from one table (base/metrics.def) and are shown as JSON or in Prometheus' text format.
//
// JSON values are the caller's (json_decref). Any thread may ask.

#ifndef CARILLON_OBSERVE_OBSERVE_H
#define CARILLON_OBSERVE_OBSERVE_H

#include "cluster/cluster.h"
#include "engine/engine.h"

#include <jansson.h>

// --- Health --------------------------------------------------------------------------------------

enum health_level { HEALTH_OK, HEALTH_DEGRADED, HEALTH_FAILING };
enum health_part {
    HEALTH_STORE,
    HEALTH_PLANNER,
    HEALTH_DISPATCH,
    HEALTH_CLOCK,
    HEALTH_CLUSTER,
    HEALTH_ALERTS,
    HEALTH_PARTS
};

#define HEALTH_REASON_BYTES 360 // The name of a host may be in it.

// What the judgement of the cluster rests on. A server that is alone is a node with one shard and a
// lease for ever.
struct cluster_summary {
    uint32_t nodes;   // Nodes that live.
    uint32_t workers; // Nodes that live and take shards.
    uint32_t shards;  // In all.
    uint32_t owned;   // By this node.
    uint32_t unowned; // By nobody who lives.
    bool is_alone;
    bool has_lease;
    bool is_leader;
    bool is_draining;
    char leader[NODE_NAME_BYTES]; // Empty: there is none.
    dur_ms lease_age_ms;
    dur_ms seen_ms_ago;
    int64_t clock_offset_us;
};

#define TELLING_NAME_BYTES 104

// How it stands with telling people of alerts, as the node that tells knows; zeroed on others.
struct telling_state {
    int64_t waiting;                  // Alerts that no message has taken yet,
    wall_ms oldest_at;                // and when the oldest of them was raised; 0: none waits.
    uint32_t down;                    // Channels that messages do not get through to,
    wall_ms down_since;               // since when the first of them is so,
    char channel[TELLING_NAME_BYTES]; // and its name.
};

// What is judged: the engine at the end of its last turn, and what this node knows of the others.
struct health_facts {
    struct engine_status engine;
    struct cluster_status cluster; // Borrowed.
    struct telling_state telling;
    mono_ms mono_now;
    wall_ms now;
};

struct health {
    enum health_level level; // The worst of the parts.
    struct {
        enum health_level level;
        char reason[HEALTH_REASON_BYTES]; // Empty when ok.
    } parts[HEALTH_PARTS];
    struct engine_status status;
    struct cluster_summary cluster;
    struct telling_state telling;
    wall_ms judged_at;
};

// The planner lags when its last turn left it more than PLANNER_LAG_MS behind; the clock is
// suspect when the watermark is more than CLOCK_HOLD_MS ahead of it, for rows are planned only a
// little ahead of time.
#define PLANNER_LAG_MS 5000
#define CLOCK_HOLD_MS 10000

// A few executions may always wait for a limit of their own job; so many are the server's concern.
#define WAITING_MAX 1000
#define HELD_FRESH_MS 15000 // Attempts that were put off longer ago are no news.

// In a cluster the database's clock counts; that of a machine which differs by more is worth a
// look.
#define CLOCK_OFFSET_MS 2000

#define TELLING_LATE_MS 60000 // An alert that nobody has looked at for so long is stuck.

// Pure.
void health_judge(const struct health_facts *facts, struct health *out);

json_t *health_json(const struct health *h, const char *version);

// --- The observer of a running server ------------------------------------------------------------

struct observer;

// Engine and cluster stay the caller's; the cluster, and `version`, which is borrowed, must be
// there for as long as the observer lives.
struct observer *observer_new(struct engine *e, struct cluster *c, const char *version);

// The observer of a process that has neither: it is well while `works` says so, which is called on
// any thread.
struct observer *observer_new_probe(bool (*works)(void *context), void *context,
                                    const char *version);

// Forgets the engine, so that it may be stopped; its part of health is then what it was last.
void observer_stop(struct observer *o);
void observer_free(struct observer *o); // NULL is a no-op.

void observer_health(struct observer *o, struct health *out);
json_t *observer_health_json(struct observer *o, enum health_level *level);

// What the node that tells people of alerts knows now. Any thread.
void observer_telling(struct observer *o, const struct telling_state *t);

// Sets the metrics that nobody counts as things happen: those of the cluster. To be called before
// metrics are shown.
void observer_count(struct observer *o);

// --- The cluster ---------------------------------------------------------------------------------

// All that this node knows of the cluster: who is there, who owns what, who leads, and how far its
// own lease, its clock and the database's replicas are.
json_t *observer_cluster_json(struct observer *o);
json_t *cluster_json(const struct cluster_status *s, mono_ms now);

// --- Metrics -------------------------------------------------------------------------------------

// A member for each metric; a histogram is an object of count, sum and quantiles.
json_t *observe_metrics_json(void);

// The same as a malloc'ed text in Prometheus' format, which the caller frees.
char *observe_metrics_text(const char *version, wall_ms started_at, size_t *bytes);

#define OBSERVE_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
