// SPDX-License-Identifier: MIT
// history.h: what clients asked for, as they remember it: every version of every job, and triggers.
//
// A command enters when its batch is durable, with the instant of its step, which the simulator
// knows by itself. So the checker need not believe what the core wrote about its jobs.

#ifndef CARILLON_SIM_HISTORY_H
#define CARILLON_SIM_HISTORY_H

#include "core/core.h"

#define SCHEDULE_BYTES 40

// A version of a job holds for the instants after `at`, up to the `at` of the next one.
struct version {
    wall_ms at;
    wall_ms paused_until;
    char schedule[SCHEDULE_BYTES];
    char host; // 'a', 'b' ...
    bool paris;
    bool active;
    bool deleted;
    uint8_t type;
    uint8_t catch_up;
    uint16_t max_retries;
    uint32_t catch_up_window_s;
    uint32_t max_in_flight;
    uint32_t timeout_ms;
};

struct job_history {
    struct version *versions;
    size_t count;
    size_t capacity;
};

struct history {
    struct job_history *jobs; // By job id - 1.
    size_t job_count;
    size_t job_capacity;
    struct execution_key *triggers;
    size_t trigger_count;
    size_t trigger_capacity;
};

void history_fini(struct history *h);
void history_add(struct history *h, job_id id, const struct version *v);
void history_add_trigger(struct history *h, const struct execution_key *key);

const struct version *history_last(const struct history *h, job_id id); // NULL: unknown job.
bool history_is_live(const struct history *h, job_id id);               // Known and not deleted.

// The version owes the instants of its schedule after this one; WALL_NEVER: none.
wall_ms version_owes_from(const struct version *v);

// Whether the version of the job that held at this instant owed it; false for an unknown job.
bool history_owes(const struct history *h, job_id id, wall_ms at);

// The job row that stands for this version. The caller owns it.
struct job *version_job(const struct version *v);

#endif
