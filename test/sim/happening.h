// SPDX-License-Identifier: MIT
// happening.h: what happened in simulated worlds, counted by kind (happenings.def).

#ifndef CARILLON_SIM_HAPPENING_H
#define CARILLON_SIM_HAPPENING_H

#include <stdint.h>
#include <stdio.h>

enum happening {
#define HAPPENING(name, words) HAPPENING_##name,
#include "happenings.def"
#undef HAPPENING
    HAPPENINGS
};

struct tally {
    uint64_t of[HAPPENINGS];
};

const char *happening_words(enum happening h);
void tally_add(struct tally *sum, const struct tally *t);
void tally_print(const struct tally *t, FILE *out); // Prints a line.

#endif
