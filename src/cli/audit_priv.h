// SPDX-License-Identifier: MIT
// audit_priv.h: is there a record of every occurrence that a job owed?
//
// Pure: computes the occurrences of every version of a job again, and compares them with the
// records as they come by. What retention has passed is not asked for, nor what lies behind the
// watermark.

#ifndef CARILLON_CLI_AUDIT_PRIV_H
#define CARILLON_CLI_AUDIT_PRIV_H

#include "store/inspect.h"

struct audit_totals {
    uint64_t jobs;
    uint64_t occurrences; // Occurrences that were owed.
    uint64_t rows;        // Rows of scheduled occurrences.
    uint64_t missed_ranges;
    uint64_t gaps; // Occurrences without a record.
};

typedef void audit_gap(void *context, job_id job, wall_ms at);

// An audit of many jobs. Starts zeroed but for the callback, which is called for each gap.
struct audit {
    audit_gap *gap;
    void *context;
    struct audit_totals totals;

    // What follows is about the job at hand.
    const struct job_span *spans;
    size_t span_count;
    struct store_progress progress;
    struct store_record *ranges; // In order of their first instant.
    size_t range_count;
    size_t range_capacity;
    size_t range_at; // Ranges before this one lie before `owed`.
    size_t span_at;
    uint32_t runs_left; // Runs left to a version with max_runs.
    wall_ms owed;       // The next occurrence that is owed; WALL_NEVER: no more.
};

// For each job: begin, its missed ranges in order, its rows in order, end. `spans` is borrowed
// until the end; each must have its zone.
void audit_job_begin(struct audit *a, const struct job_span *spans, size_t count,
                     const struct store_progress *p);
void audit_record(struct audit *a, const struct store_record *r);
void audit_job_end(struct audit *a);
void audit_fini(struct audit *a);

#endif
