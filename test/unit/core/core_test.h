// SPDX-License-Identifier: MIT
// core_test.h: a rig that turns the core by hand, with a store that records when it is told to.
//
// The rig holds the clocks, the open batch, and a log of every batch that was made durable. Nothing
// becomes durable by itself: rig_record() does it, so a test decides what a crash would have lost.
// Every request and reply that the core hands out is kept, with the time of its step. The rig
// itself fails the test when a second row is inserted for one key, when a terminal row changes, or
// when a request leaves before its row and its epoch are durable, or the first one early.

#ifndef CARILLON_TEST_CORE_TEST_H
#define CARILLON_TEST_CORE_TEST_H

#include "core/core.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define T0 1795514400000 // 2026-11-24T10:00:00Z, a Tuesday.
#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

#define RIG_BATCHES_MAX 4096
#define RIG_SENDS_MAX 4096

// A request as it left the core.
struct sent {
    uint64_t ticket;
    uint32_t shard;
    struct execution_key key;
    wall_ms at;
    dur_ms timeout_ms;
    int64_t epoch;
    unsigned attempt;
    enum execution_trigger trigger;
    enum job_method method;
    bool answered;
    bool body_is_json;
    bool wants_callback;
    bool tls_verify;
    bool fresh_connection;
    uint8_t redirects;
    uint32_t response_excerpt_bytes;
    char api[128];
    char headers[128];
    char body[128]; // "" when the request asks for the default body.
    char signing[128];
    char oauth[128];
    char tls_ca[128];
    char tls_client_cert[128];
    char tls_client_key[128];
    char origin[EXECUTION_ID_BYTES]; // "": the request has none.
    char success_body[128];
    char failure_body[128];
};

struct rig {
    struct core_limits limits;
    job_id edited;       // The job whose row cannot be used when the next core is started.
    const char *damaged; // What is then wrong with the rows of executions; NULL: nothing.
    struct core *core;
    struct now now;
    struct actions out;
    uint64_t sequence; // The sequence of the open batch.
    int64_t epoch;     // Counts the starts.
    struct batch *durable[RIG_BATCHES_MAX];
    size_t durable_count;
    struct sent sends[RIG_SENDS_MAX];
    size_t send_count;
    struct reply reply; // The last one.
    size_t reply_count;
};

// A core that is not started yet, at T0, with the default limits.
struct rig *rig_new(void);
void rig_free(struct rig *r);
// The same, and started on an empty store, its first batch durable.
struct rig *rig_started(void);

// --- Events ---

void rig_step(struct rig *r, const struct event *e); // At the rig's time, whatever it is.
void rig_start(struct rig *r);                       // Gains the shard, loads what is durable.
void rig_pass(struct rig *r, dur_ms d); // Time passes on both clocks; the core is told nothing.
void rig_tick(struct rig *r);           // Until there is nothing more to do now.
void rig_record(struct rig *r);         // The open batch becomes durable, and its consequences.
// Lets time pass, ticking whenever the core asked for it and recording after each tick.
void rig_run(struct rig *r, dur_ms d);

// The machine dies: what is not durable is lost, and a new core starts `down` later.
void rig_crash(struct rig *r, dur_ms down);

// --- Commands; each returns what the reply says, without recording it ---

// An active job of `schedule` in UTC that calls http://a.test/; for tests to change before use.
struct job *job_of(const char *schedule);
job_id rig_create(struct rig *r, struct job *j);              // Takes the job; must be accepted.
enum err rig_update(struct rig *r, job_id id, struct job *j); // Takes the job.
enum err rig_delete(struct rig *r, job_id id);
enum err rig_trigger(struct rig *r, job_id id, const char *body);
// Any command; what it has taken or borrowed is the command's.
enum err rig_ask(struct rig *r, struct command *c);
enum err rig_cancel(struct rig *r, const struct execution_key *key);
// Reads the job as it would be if everything so far were durable. The caller owns it.
struct job *rig_job(const struct rig *r, job_id id);
enum err rig_pause(struct rig *r, job_id id, wall_ms until);
enum err rig_resume(struct rig *r, job_id id);

// --- Outcomes, by the place of the request in `sends` ---

void rig_answer(struct rig *r, size_t send, unsigned status);
void rig_ask_to_wait(struct rig *r, size_t send); // 202, and the target says later how it ends.
// The answer's body breaks a rule of the job.
void rig_answer_body(struct rig *r, size_t send, unsigned status, const char *body_error);
void rig_redirect(struct rig *r, size_t send, unsigned status, const char *location);
void rig_lose(struct rig *r, size_t send, const char *error); // After the first byte.
// The same behind redirects that were followed.
void rig_lose_behind(struct rig *r, size_t send, const char *redirects, const char *error);
// Nobody knows what the target did.
void rig_lose_unheard(struct rig *r, size_t send, const char *error);
void rig_refuse(struct rig *r, size_t send, const char *error); // Before it.
void rig_hold(struct rig *r, size_t send, const char *error);   // For want of something here.

// --- What the store knows ---

struct shard rig_shard(const struct rig *r); // As last made durable.

// Durable, then (when `all`) also what is only in the open batch. False when there is no such row.
bool rig_find(const struct rig *r, job_id job, wall_ms at, bool all, struct execution *out);
bool rig_find_manual(const struct rig *r, job_id job, int64_t number, struct execution *out);
// The row must be there (durable or not); fails the test otherwise. Strings are the batches'.
struct execution rig_row(const struct rig *r, job_id job, wall_ms at);
#define assert_state(r, job, at, expected)                                                         \
    assert_string_equal(execution_state_name(rig_row(r, job, at).state),                           \
                        execution_state_name(EXECUTION_##expected))
size_t rig_rows(const struct rig *r, job_id job); // Rows of the job, durable or not.
size_t rig_alerts(const struct rig *r, job_id job, enum alert_kind kind);
// The last alert of this kind, whose texts are the batch's; fails the test when there is none.
struct alert rig_alert(const struct rig *r, job_id job, enum alert_kind kind);
size_t rig_told(const struct rig *r, job_id job); // Alerts of the job that people are told of.
// How many changes of this kind there are in all batches, the open one included.
size_t rig_changes(const struct rig *r, enum change_kind kind);
size_t rig_updates(const struct rig *r, job_id job, wall_ms at); // Updates of a row.

#endif
