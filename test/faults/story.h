// SPDX-License-Identifier: MIT
// story.h: everything that a store does in its life, told once, with one thing going wrong.
//
// The store under test is the SQLite adapter on the disk of disk.h. What it acknowledges is done to
// a memory store, too, which cannot fail and is the measure: whatever goes wrong, the two must hold
// the same in the end, and after each mishap. A change that failed may be there or not, but only as
// a whole; after ERR_STORE_FULL and ERR_BUSY it must not be there, and the same call must go
// through as soon as the fault is over.

#ifndef CARILLON_FAULTS_STORY_H
#define CARILLON_FAULTS_STORY_H

#include "disk.h"
#include "store/store.h"

// How the mishap goes on.
struct story_turn {
    struct disk_plan plan; // Zeroed: nothing goes wrong on the disk.
    bool power_is_cut;     // After the mishap, and at the end.
    enum disk_loss loss;
    uint64_t random;
    // Callbacks, each may be NULL, that frame every call of the store, so that a test can have
    // something else go wrong than the disk.
    void (*before_call)(void);
    void (*after_call)(void);
};

struct story_end {
    bool reached;  // The plan's call came.
    bool reported; // Some call of the store returned an error for it.
    bool lost;     // What was acknowledged is not there. Nothing else is checked then.
};

// On a disk that was started and is empty. Fails the test for everything that must never happen,
// but for a loss, which it reports.
struct story_end story_tell(const struct story_turn *t);

// For a process that dies in the midst of a call of the store, as its last words: what would a
// start find? Compares as after any other mishap; false if something is lost.
bool story_survives_death(void);

#endif
