// SPDX-License-Identifier: MIT
// ledger.h: the simulated disk: what is durable, and the promises that hold of it at every moment.
//
// Applies batches whole and in order, as a store does. It refuses nothing: what a store would
// refuse (a second row for a key, a terminal row that changes) and what no batch may do (FAILED
// without its alert, a watermark that falls, more attempts than allowed) is a broken promise. What
// the targets saw of an execution is kept with its row, since nothing may be sent without one.

#ifndef CARILLON_SIM_LEDGER_H
#define CARILLON_SIM_LEDGER_H

#include "trace.h"

#include "core/core.h"

#define SHARDS_PLAYED 16

// What left for the targets under one key, whoever sent it.
struct deliveries {
    unsigned sends;
    unsigned attempt_last;
    int64_t epoch_last;
    unsigned unsafe;       // Sends of which a byte may have left.
    unsigned reached;      // Requests that a target took in.
    unsigned good;         // Requests whose outcome was a success that was heard.
    unsigned refused;      // Attempts that failed for good, by the job's own rule.
    unsigned failures;     // Attempts whose failure the last sender heard of.
    unsigned tenure_first; // The tenure in which the first one left.
    unsigned tenure_last;
    wall_ms first_at;   // When the first one left.
    mono_ms again_from; // The last tenure may try again from here on; 0: not known.
    // Of the last one: its target asked to wait,
    unsigned asked_tenure; // heard in this tenure; 0: it did not.
    mono_ms asked_at;
    dur_ms wait_ms;
    wall_ms deadline;
    uint8_t heard; // And said how it ended, enum completion, heard in this tenure,
    unsigned heard_tenure;
    uint8_t kept;          // or durably.
    unsigned ended_tenure; // Where targets may ask to wait: it was written last in this one.
    bool is_unsure; // The job was deleted, so that nobody knows whether it would have waited.
};

// The pings that count for a heartbeat's execution.
struct pinged {
    unsigned count;
    bool is_over; // A ping said how the execution ended.
    bool is_well;
    wall_ms ends_from; // Up to here the end of what was begun is waited for; 0: nothing was.
};

struct row {
    struct execution e; // The strings are the row's own.
    unsigned alerts;
    unsigned alerts_due; // As many as its end asks for.
    unsigned attempt_rows;
    struct deliveries seen;
    struct pinged pinged;
    uint32_t next_of_job; // Row number + 1 of the job's next row; 0: none.
    bool was_planned;     // Not inserted as MISSED.
    bool is_heartbeat;    // Attempts are pings, and mere notes among them.
    bool was_running;
    bool is_unwanted; // A client has asked to cancel it, heard or not.
    // Of its job when it became terminal, or was inserted so.
    uint8_t catch_up;
    bool was_stopped; // A client had paused or deleted it before, or its target had.
    uint32_t catch_up_window_s;
};

struct missed_range {
    int64_t series;
    wall_ms from;
    wall_ms to;
};

// What is wrong with a job, by the list of the promises: worked out from its rows and alerts alone.
struct open_incident {
    int64_t id; // The alert that opened it; 0: none is open.
    wall_ms since;
    wall_ms told_at;
    int64_t count;
    int64_t good;
    wall_ms turned_at; // From failure to success, or back.
    bool is_flapping;
    bool is_opening;      // The alert that brought it about comes next.
    int64_t opened_by;    // The row whose alert must open it in this batch; 0: none.
    int64_t recovered_by; // The row whose success must close it in this batch; 0: none.
};

struct durable_job {
    struct job *job; // Kept after deletion, for the limits that held.
    bool deleted;
    bool was_stopped;
    uint32_t row_first; // Row number + 1.
    uint32_t row_last;
    uint32_t planned;  // Rows since it has max_runs.
    uint32_t returned; // Runs taken back before their instant,
    uint32_t perhaps;  // and those stopped before an attempt, perhaps also before it.
    uint32_t begun;    // And those sent.
    unsigned failures; // In a row.
    struct open_incident incidents[INCIDENT_CAUSES];
    wall_ms pinged_at;    // What was due by then has its rows.
    wall_ms succeeded_at; // The last success.
    int64_t openings;     // Incidents of failures since
    wall_ms openings_from;
    struct missed_range *missed;
    size_t missed_count;
    size_t missed_capacity;
};

// A shard: its row, and what came before it.
struct durable_shard {
    struct shard row;
    int64_t execution_last; // The ids that were given last.
    int64_t job_last;
    int64_t alert_last;
    wall_ms *ended; // By generation: the last watermark of each one before the present one.
    size_t ended_count;
    size_t ended_capacity;
};

struct ledger {
    struct trace *trace;
    struct row *rows; // In the order in which they became durable.
    size_t open_from; // Every row before this one is terminal.
    size_t row_count;
    size_t row_capacity;
    uint32_t *places; // By execution id: row number + 1, or 0.
    size_t place_count;
    size_t place_capacity;
    uint32_t *slots; // A hash by key: row number + 1, or 0.
    size_t slot_count;
    struct durable_job *jobs; // By job id - 1.
    size_t job_count;
    size_t job_capacity;
    struct durable_shard shards[SHARDS_PLAYED];
    unsigned shard_count;
};

void ledger_init(struct ledger *l, unsigned shard_count, struct trace *t);
void ledger_fini(struct ledger *l);

void ledger_apply(struct ledger *l, const struct batch *b);
// Somebody takes the shard, and gets this row.
void ledger_take(struct ledger *l, const struct shard *row);

struct row *ledger_find(const struct ledger *l, const struct execution_key *key); // NULL: none.
struct row *ledger_row(const struct ledger *l, int64_t id);      // NULL: there is none.
struct row *ledger_first_of(const struct ledger *l, job_id job); // In order of id; NULL: none.
struct row *ledger_next_of(const struct ledger *l, const struct row *r);
size_t ledger_open_from(struct ledger *l); // Rows before this one are terminal.
// The shard of this job, or of this execution of such a job.
unsigned ledger_shard_number(const struct ledger *l, int64_t id);
const struct durable_shard *ledger_shard(const struct ledger *l, job_id job);
const struct job *ledger_job(const struct ledger *l, job_id id); // NULL: unknown or deleted.
// Whether a MISSED range of the job covers this instant.
bool ledger_missed(const struct ledger *l, const struct execution_key *key);
// By the list of the promises, not by the core's.
bool ledger_is_terminal(unsigned state);
wall_ms row_due_at(const struct row *r);
bool row_is_returned(const struct row *r); // Taken back, certainly before its instant.

// ledger_rules.c: what a change must keep to, asked before it goes in.
void ledger_check_insert(const struct ledger *l, const struct execution *e);
void ledger_check_update(const struct ledger *l, const struct row *r, const struct execution *e);
void ledger_check_alert(const struct ledger *l, const struct row *r, const struct alert *a);
void ledger_check_put(const struct ledger *l, const struct durable_job *d, const struct job *j);
void ledger_check_state(const struct ledger *l, const struct durable_job *d,
                        const struct job_state *s);
void ledger_check_alert_id(const struct ledger *l, const struct alert *a);
void ledger_check_take(const struct ledger *l, const struct durable_shard *s,
                       const struct shard *row);
void ledger_check_shard(const struct ledger *l, const struct durable_shard *s,
                        const struct shard *row);

// incident_rules.c: what people are told, and when it is over.
void incident_rules(struct durable_job *d); // The job has changed: what it does not ask for ends.
void incident_time(struct durable_job *d, wall_ms now);      // What lies too far back is forgotten.
void incident_hear(struct ledger *l, const struct alert *a); // An alert about a job.
void incident_see(struct ledger *l, const struct row *r);    // An execution has ended.
void incident_check(const struct ledger *l, const struct batch *b); // After the batch.

// After the batch.
void ledger_check_batch(const struct ledger *l, const struct batch *b);

#endif
