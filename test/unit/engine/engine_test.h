// SPDX-License-Identifier: MIT
// engine_test.h: an engine between a store and targets that the test plays.
//
// The store is one in memory whose commits the test answers: it may hold them back and let them
// fail. Targets take every attempt and answer when they are told to (engine_targets.c). Alerts and
// replies are noted down, and so is the log when a test asks for that (engine_log.c).

#ifndef CARILLON_TEST_ENGINE_TEST_H
#define CARILLON_TEST_ENGINE_TEST_H

#include "base/log.h"
#include "base/loop.h"
#include "dispatch/adapter_priv.h"
#include "engine/engine.h"
#include "store/store_priv.h"

#include <pthread.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define RIG_MAILS_MAX 64

struct rig {
    struct store store;
    struct store *inner; // Where commits go that succeed.
    struct engine *engine;

    pthread_mutex_t lock; // Guards what follows.
    pthread_cond_t changed;
    bool gate_is_shut;       // Commits wait.
    enum err commit_answer;  // How each commit ends from now on; ERR_FENCED: the next one alone.
    bool commit_is_doubtful; // The answer of a commit is lost.
    unsigned commits;        // Asked for so far.
    unsigned alerts;         // Raised so far.
    int64_t free_bytes;   // Free on the disk, of which half is the reserve. 0: that is not known.
    bool reading_is_shut; // Who loads jobs waits.
    enum err read_answer; // How each list of jobs ends that is loaded from now on.
    unsigned reads;       // Lists of jobs asked for so far.
    unsigned given_back;  // How often the engine said that a shard may go,
    int64_t given_epoch;  // and in which epoch it had it.
    unsigned handed_off;  // Outcomes for other owners.
    job_id handed_job;
    struct attempt handed; // Without its texts.
    unsigned fenced;       // How often the engine said that another node has a shard.
    int64_t fenced_epoch;
    unsigned sends;   // Attempts given to the targets so far.
    unsigned cancels; // Attempts taken back.
};

extern struct rig rig;

// What a command was answered, once.
struct answer {
    unsigned count;
    struct reply reply;
    struct job *row; // The test frees it.
};

int rig_setup(void **state);
int rig_setup_held(void **state);  // The clock was ahead before, so schedules are held.
int rig_setup_store(void **state); // Only the store, empty: the test calls rig_start.
// The same with so many shards, of which none is gained at the start but by rig_gain.
#define RIG_SHARDS 4
int rig_setup_shards(void **state);
int rig_teardown(void **state); // Stops the engine unless rig_stop did.
// Opens the engine, without starting it, or both. False when that fails.
bool rig_open(void);
bool rig_start(void);
void rig_stop(void);
// Takes the shard and says so to the engine, which may not be started yet.
void rig_gain(uint32_t shard);

void rig_shut_reading(bool shut);
void rig_set_read_answer(enum err err);
void rig_wait_for_reads(unsigned count); // Until so many lists of jobs have been asked for.
void rig_wait_for_fenced(unsigned count);
void rig_wait_for_given_back(unsigned count);
void rig_wait_for_handed_off(unsigned count);

void rig_set_commit_answer(enum err err);
void rig_shut_gate(bool shut);
void rig_wait_for_commits(unsigned count); // Until so many have been asked for.
void rig_wait_for_alerts(unsigned count);
// Stops the engine while a commit is held back, and lets the commit go on when the engine's own
// thread has ended.
void rig_stop_during_commit(void);

// --- Targets ---

enum err rig_targets_open(struct loop *l, const struct dispatch_options *o, dispatch_done *done,
                          void *context, struct dispatch **out, struct fault *f);
void rig_wait_for_sends(unsigned count);
// The attempt that was given to the targets as the `number`th, from 1 on, ends so.
void rig_end_attempt(unsigned number, enum outcome_kind kind, int status, const char *error);
void rig_answer(unsigned number, int status);

// --- The log ---

// From here to rig_read_log, which returns the lines of between, nothing reaches standard error.
// The text stays until the next call. Both are called while no engine runs.
void rig_keep_log(enum log_level lowest);
const char *rig_read_log(void);

// --- Clients ---

// Adds one to what the lock guards, and wakes who waits for a change.
void rig_note(unsigned *counter);
// A job as engine_submit takes it.
struct job *rig_job(const char *schedule);
enum err rig_submit(const struct command *c, struct answer *a);
// The command is accepted, and from its commit on all are answered with an error.
void rig_submit_unwritten(const struct command *c, struct answer *a, enum err commit_answer);
void rig_wait_for(struct answer *a);
// Submits, waits, and demands that the command was not refused. The id of the job of the first.
job_id rig_create(const char *schedule);
void rig_trigger(job_id id);
// Whether it has been answered by now.
bool rig_has(struct answer *a);

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
#define RIG_TEST_STORE(name) cmocka_unit_test_setup_teardown(name, rig_setup_store, rig_teardown)
#define RIG_TEST_HELD(name) cmocka_unit_test_setup_teardown(name, rig_setup_held, rig_teardown)

#endif
