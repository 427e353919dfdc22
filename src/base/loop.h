// SPDX-License-Identifier: MIT
// loop.h: one thread's event loop, a thin skin over epoll.
//
// A source is a file descriptor with a callback. The caller owns the descriptor and the memory of
// the source, which must stay put from loop_add to loop_remove. Timers are descriptors too
// (timerfd), so the loop knows nothing of time. Everything here belongs to the loop's thread.

#ifndef CARILLON_BASE_LOOP_H
#define CARILLON_BASE_LOOP_H

#include "base/err.h"

#include <stdint.h>

struct loop;

// `events` is a set of EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR.
typedef void loop_ready(void *context, uint32_t events);

struct loop_source {
    int fd;
    loop_ready *ready;
    void *context;
};

MUST_CHECK enum err loop_open(struct loop **out, struct fault *f);
void loop_close(struct loop *l); // NULL is a no-op. Sources are not closed.

MUST_CHECK enum err loop_add(struct loop *l, struct loop_source *s, uint32_t events,
                             struct fault *f);
void loop_modify(struct loop *l, struct loop_source *s, uint32_t events);

// Safe inside a callback, also for another source: its pending events are dropped.
void loop_remove(struct loop *l, struct loop_source *s);

// Waits up to `timeout_ms` (-1: for ever, 0: not at all) and calls back each ready source once.
// Returns how many were called; a signal counts as none.
int loop_turn(struct loop *l, int timeout_ms);

#endif
