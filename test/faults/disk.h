// SPDX-License-Identifier: MIT
// disk.h: a disk in memory that fails and loses power on command, as SQLite's default VFS.
//
// For each file it knows what is read back now, and what a power cut would leave: a write reaches
// the platter with the next sync of its file, not before. So a test can cut the power at any
// moment and see what a real disk might have kept, and it can have the nth call of SQLite fail,
// for every n, within milliseconds.
//
// Several connections and threads of one program may use it. Waiting for a lock takes no time.

#ifndef CARILLON_FAULTS_DISK_H
#define CARILLON_FAULTS_DISK_H

#include <stdbool.h>
#include <stdint.h>

// Makes an empty disk the place of every database that is opened from now on.
void disk_start(void);
// Forgets its files. All of them must be closed.
void disk_stop(void);

// Whether this thread is inside the disk, which then allocates memory of its own.
bool disk_is_at_work(void);

// --- Failing calls ---------------------------------------------------------------------------

enum disk_call {
    DISK_OPEN,
    DISK_READ,
    DISK_WRITE,
    DISK_TRUNCATE,
    DISK_SYNC,
    DISK_SIZE,
    DISK_DELETE,
    DISK_ACCESS,
    DISK_LOCK,
    DISK_MAP, // A piece of the shared index of the log.
    DISK_CALLS
};

#define DISK_ON(call) (1u << (call))
#define DISK_ON_EVERY (DISK_ON(DISK_CALLS) - 1)
#define DISK_ON_CHANGES                                                                            \
    (DISK_ON(DISK_WRITE) | DISK_ON(DISK_TRUNCATE) | DISK_ON(DISK_SYNC) | DISK_ON(DISK_DELETE))

enum disk_failure {
    DISK_BROKEN, // EIO. Of a write, half has been done.
    DISK_FULL,   // ENOSPC. Of a write, half has been done.
    DISK_BUSY,   // Another program has it locked.
    DISK_DEAD    // The power is off: from now on nothing works.
};

struct disk_plan {
    uint32_t calls; // A set of DISK_ON(call), which are counted
    uint64_t nth;   // from 1, and this one fails;
    bool lasting;   // as do all after it.
    enum disk_failure failure;
};

// Counts anew. NULL: everything works again.
void disk_plan(const struct disk_plan *p);
// Whether a call has failed since disk_plan.
bool disk_plan_was_reached(void);

// All files together take at most so many bytes; a write beyond is ENOSPC. 0: there is no bound.
void disk_limit(uint64_t bytes);
// What they take now.
uint64_t disk_bytes_used(void);

// --- Power -----------------------------------------------------------------------------------

enum disk_loss {
    DISK_LOSES_ALL,  // What was not synced is gone.
    DISK_LOSES_NONE, // As after kill -9.
    DISK_LOSES_SOME  // Some sectors of some writes are there, in any order.
};

// The power goes and comes back; ends the plan. Every file must be closed. `random` decides what
// DISK_LOSES_SOME keeps; another number, other sectors.
void disk_cut_power(enum disk_loss loss, uint64_t random);

// The program that had the files open is dead, but for a last look at them: its locks are gone.
void disk_bury(void);

// From now on a sync does nothing but say that it has. For a test of the tests.
void disk_ignore_syncs(bool ignore);

#endif
