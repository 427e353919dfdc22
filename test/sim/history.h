// SPDX-License-Identifier: MIT
// history.h: what clients asked for, as they remember it: every version of every job, and triggers.
//
// A command enters when its batch is durable, with the instant of its step, which the simulator
// knows by itself. So the checker need not believe what the core wrote about its jobs. What changes
// a job without a client (a pause that ends, a target that answers 410, a clock that is corrected)
// makes a version as well.

#ifndef CARILLON_SIM_HISTORY_H
#define CARILLON_SIM_HISTORY_H

#include "core/core.h"

#define SCHEDULE_BYTES 40

// A version of a job holds for the instants after `at`, up to the `at` of the next one.
struct version {
    wall_ms at;
    wall_ms asked_at; // The clock when it was asked for: behind `at` where the clock went back.
    int64_t series;   // The generation of the clock that it belongs to.
    wall_ms paused_until;
    wall_ms start_at;
    wall_ms end_at;
    wall_ms overlap_since; // The overlap policy holds for the instants after this one.
    char schedule[SCHEDULE_BYTES];
    char host; // 'a', 'b' ...
    bool paris;
    bool active;
    bool deleted;
    bool finished;   // The job has said so itself.
    uint8_t success; // Which set of statuses counts as success; see version_accepts.
    uint32_t max_runs;
#define JOB_TEXT(...)
#define JOB_OF_POLICY(member) __typeof__(((struct job *)0)->member) member;
#include "ledger/job.def"
};

#define SUCCESS_SETS 4

struct job_history {
    struct version *versions;
    size_t count;
    size_t capacity;
    // Every occurrence of this generation up to here was found in the ledger (see coverage.c).
    int64_t covered_series;
    wall_ms covered_to;
    size_t covered_index; // The versions before this one ended there.
};

struct history {
    struct job_history *jobs; // By job id - 1.
    size_t job_count;
    size_t job_capacity;
    job_id *living; // Not deleted when last looked at.
    size_t living_count;
    size_t living_capacity;
    struct execution_key *triggers;
    size_t trigger_count;
    size_t trigger_capacity;
};

void history_fini(struct history *h);
void history_add(struct history *h, job_id id, const struct version *v);
void history_add_trigger(struct history *h, const struct execution_key *key);
// A clock that was ahead is set right at `now`: the job, if it lives, begins a new series there.
void history_correct(struct history *h, job_id id, int64_t series, wall_ms now);

const struct version *history_last(const struct history *h, job_id id); // NULL: unknown job.
bool history_is_live(const struct history *h, job_id id);               // Known and not deleted.

// What becomes of a version when a clock that was ahead is set right at `now`.
void version_correct(struct version *v, int64_t series, wall_ms now);
// The version owes the instants of its schedule after this one; WALL_NEVER: none.
wall_ms version_owes_from(const struct version *v);
// The first instant in (after, until] that the version's schedule has within its bounds; WALL_NEVER
// when there is none. Whether the version holds there is not asked.
wall_ms version_next(const struct version *v, wall_ms after, wall_ms until);
// Up to where this version of a history certainly holds, given that all hold up to `until`.
wall_ms version_ends(const struct job_history *j, size_t index, wall_ms until);

// Whether the version of the job that held at this instant owed it; false for an unknown job.
bool history_owes(const struct history *h, const struct execution_key *key);

// Whether an answer with this status is a success.
bool version_accepts(const struct version *v, unsigned status);
// How many attempts the job may have under way.
uint32_t version_limit(const struct version *v);

// The job row that stands for this version. The caller owns it.
struct job *version_job(const struct version *v);

#endif
