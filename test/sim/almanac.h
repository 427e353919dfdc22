// SPDX-License-Identifier: MIT
// almanac.h: the instants of a schedule, remembered by the hour.
//
// The slow way to ask whether a schedule fires is asked of every second once; the answers are kept
// for all jobs, seeds and questions that come later. They depend on nothing but the question.

#ifndef CARILLON_SIM_ALMANAC_H
#define CARILLON_SIM_ALMANAC_H

#include <stdbool.h>
#include <stdint.h>

// The first second in (after_s, until_s] at which the schedule fires, or -1.
int64_t almanac_next(const char *schedule, bool paris, int64_t after_s, int64_t until_s);

#endif
