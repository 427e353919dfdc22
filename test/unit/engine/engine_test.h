// SPDX-License-Identifier: MIT
// engine_test.h: an engine between a store and targets that the test plays.
//
// The store is one in memory whose commits the test answers: it may hold them back and let them
// fail. Targets take every attempt and answer when they are told to. Alerts and replies are noted
// down.

#ifndef CARILLON_TEST_ENGINE_TEST_H
#define CARILLON_TEST_ENGINE_TEST_H

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

struct rig {
    struct store store;
    struct store *inner; // Where commits go that succeed.
    struct engine *engine;

    pthread_mutex_t lock; // Guards what follows.
    pthread_cond_t changed;
    bool gate_is_shut;      // Commits wait.
    enum err commit_answer; // How each commit ends from now on.
    unsigned commits;       // Asked for so far.
    unsigned alerts;        // Raised so far.
    unsigned sends;         // Attempts given to the targets so far.
};

extern struct rig rig;

// What a command was answered, once.
struct answer {
    unsigned count;
    struct reply reply;
    struct job *row; // The test frees it.
};

int rig_setup(void **state);
int rig_setup_held(void **state); // The clock was ahead before, so schedules are held.
int rig_teardown(void **state);   // Stops the engine unless rig_stop did.
void rig_stop(void);

void rig_set_commit_answer(enum err err);
void rig_shut_gate(bool shut);
void rig_wait_for_commits(unsigned count); // Until so many have been asked for.
void rig_wait_for_alerts(unsigned count);
// Stops the engine while a commit is held back, and lets the commit go on when the engine's own
// thread has ended.
void rig_stop_during_commit(void);

// A job as engine_submit takes it.
struct job *rig_job(const char *schedule);
enum err rig_submit(const struct command *c, struct answer *a);
// The command is accepted, and from its commit on all are answered with an error.
void rig_submit_unwritten(const struct command *c, struct answer *a, enum err commit_answer);
void rig_wait_for(struct answer *a);
// Whether it has been answered by now.
bool rig_has(struct answer *a);

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
#define RIG_TEST_HELD(name) cmocka_unit_test_setup_teardown(name, rig_setup_held, rig_teardown)

#endif
