// SPDX-License-Identifier: MIT
// agenda.h: what is due next.
//
// A heap of nodes ordered by due time, then by `tie`, so the same inputs always leave in the same
// order. The agenda never reads a clock: the caller says what time it is, on whichever clock the
// agenda is kept. Nodes are embedded in the caller's objects and borrowed while they are in the
// agenda; an object has at most one entry per node. It grows with its entries and stays grown.

#ifndef CARILLON_AGENDA_AGENDA_H
#define CARILLON_AGENDA_AGENDA_H

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agenda;

// Zeroed is "in no agenda".
struct agenda_node {
    uint32_t position; // 1-based place in the heap; 0 when not in one.
};

#define AGENDA_NEVER INT64_MAX

struct agenda *agenda_new(void);
void agenda_free(struct agenda *a); // NULL is a no-op.

// Adds the node, or moves it if it is already there.
void agenda_put(struct agenda *a, struct agenda_node *n, int64_t at, int64_t tie);

// Takes the node out if it is there.
void agenda_remove(struct agenda *a, struct agenda_node *n);

// Takes out the earliest node due at or before `now`; NULL if there is none.
struct agenda_node *agenda_pop(struct agenda *a, int64_t now);

// The earliest node, which stays where it is; NULL when empty.
struct agenda_node *agenda_first(const struct agenda *a);

// When to look again: the earliest entry, or AGENDA_NEVER when empty.
int64_t agenda_next(const struct agenda *a);

// When this node is due; it must be in the agenda.
int64_t agenda_when(const struct agenda *a, const struct agenda_node *n);

size_t agenda_count(const struct agenda *a);

#endif
