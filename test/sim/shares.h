// SPDX-License-Identifier: MIT
// shares.h: many seeds on all processors.

#ifndef CARILLON_SIM_SHARES_H
#define CARILLON_SIM_SHARES_H

#include "sim.h"

// Runs the seeds from 1 to `seeds`, each as long as `length`. Of *out, `happened` is the sum of
// what happened; if any seed broke a promise, the failure is that of one of them.
void shares_run(uint64_t seeds, dur_ms length, struct sim_report *out);

#endif
