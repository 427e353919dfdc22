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

#include "engine/engine.h"

#include <jansson.h>

// --- Health --------------------------------------------------------------------------------------

enum health_level { HEALTH_OK, HEALTH_DEGRADED, HEALTH_FAILING };
enum health_part { HEALTH_STORE, HEALTH_PLANNER, HEALTH_DISPATCH, HEALTH_CLOCK, HEALTH_PARTS };

#define HEALTH_REASON_BYTES 360 // The name of a host may be in it.

struct health {
    enum health_level level; // The worst of the parts.
    struct {
        enum health_level level;
        char reason[HEALTH_REASON_BYTES]; // Empty when ok.
    } parts[HEALTH_PARTS];
    struct engine_status status;
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

// Pure.
void health_judge(const struct engine_status *s, wall_ms now, struct health *out);

json_t *health_json(const struct health *h, const char *version);

// --- The observer of a running server ------------------------------------------------------------

struct observer;

// The engine stays the caller's; `version` is borrowed for as long as the observer lives.
struct observer *observer_new(struct engine *e, const char *version);

// Forgets the engine, so that it may be stopped; health is then what it was last.
void observer_stop(struct observer *o);
void observer_free(struct observer *o); // NULL is a no-op.

void observer_health(struct observer *o, struct health *out);
json_t *observer_health_json(struct observer *o, enum health_level *level);

// --- Metrics -------------------------------------------------------------------------------------

// A member for each metric; a histogram is an object of count, sum and quantiles.
json_t *observe_metrics_json(void);

// The same as a malloc'ed text in Prometheus' format, which the caller frees.
char *observe_metrics_text(const char *version, wall_ms started_at, size_t *bytes);

#define OBSERVE_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
