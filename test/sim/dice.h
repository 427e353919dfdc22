// SPDX-License-Identifier: MIT
// dice.h: chance from a seed: the same seed gives the same run, on every machine.

#ifndef CARILLON_SIM_DICE_H
#define CARILLON_SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

void dice_seed(struct dice *d, uint64_t seed);
int64_t dice_between(struct dice *d, int64_t low, int64_t high); // `low` and `high` may come, too.

// Between the two, but as often between 10 and 100 as between 100 and 1000: short delays are
// common, long ones happen. `low` is at least 1.
int64_t dice_skewed(struct dice *d, int64_t low, int64_t high);

bool dice_chance(struct dice *d, unsigned of_a_million);

#define DICE_PICK(d, array) ((array)[dice_between(d, 0, (int64_t)COUNT_OF(array) - 1)])

#endif
