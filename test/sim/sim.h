// SPDX-License-Identifier: MIT
// sim.h: days of traffic, edits, crashes and slow disks through the real core, from a seed.
//
// Everything is decided by the seed: two runs of one seed give the same trace, and so the same
// hash. After every event the promises hold that can be judged at once (see ledger.h and wire.c);
// at the end the faults stop, time runs on, and everything that was owed must have been settled.

#ifndef CARILLON_SIM_SIM_H
#define CARILLON_SIM_SIM_H

#include "happening.h"
#include "trace.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SIM_HOURS 3 // How long a run is, if nobody says otherwise.
#define SIM_OWNERS_MAX 3

struct sim_options {
    uint64_t seed;
    dur_ms length;   // Before the faults stop.
    unsigned owners; // Nodes, up to 3, which share the ledger; 0: as the seed has it.
    bool commands;   // Several nodes get what clients want as rows that servers put.
    bool calm;       // No crash, nothing late, no narrow limit; only clients and bad targets.
    FILE *trace;     // Gets every line of what happens; NULL: nobody reads along.
};

struct sim_report {
    uint64_t seed;
    bool failed;
    char failure[VERDICT_BYTES];
    uint64_t hash;
    uint64_t events;
    struct tally happened;
};

void sim_run(const struct sim_options *o, struct sim_report *out);

#endif
