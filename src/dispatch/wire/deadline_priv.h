// SPDX-License-Identifier: MIT
// deadline_priv.h: everything that waits for a moment, on one timerfd.
//
// Deadlines run on the clock of mono_ms. A deadline is embedded in the object that waits; the
// object must take it back before it dies.

#ifndef CARILLON_DISPATCH_WIRE_DEADLINE_PRIV_H
#define CARILLON_DISPATCH_WIRE_DEADLINE_PRIV_H

#include "agenda/agenda.h"
#include "base/loop.h"

typedef void deadline_over(void *context);

struct deadline {
    struct agenda_node node; // First: the agenda hands out nodes.
    deadline_over *over;
    void *context;
};

struct deadlines {
    struct agenda *agenda;
    struct loop *loop;
    struct loop_source timer;
    mono_ms armed;       // What the kernel knows: at or before the earliest deadline.
    deadline_over *done; // Called when all that were over have been called.
    void *context;
};

MUST_CHECK enum err deadlines__open(struct deadlines *all, struct loop *l, deadline_over *done,
                                    void *context, struct fault *f);
void deadlines__close(struct deadlines *all);

// Sets it, or moves it.
void deadline__set(struct deadlines *all, struct deadline *d, mono_ms at);
bool deadline__is_set(const struct deadline *d);
void deadline__clear(struct deadlines *all, struct deadline *d);

#endif
