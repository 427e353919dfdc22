// SPDX-License-Identifier: MIT
// trace.h: what happened, as lines for people and as one number for comparing runs; and the
// verdict.

#ifndef CARILLON_SIM_TRACE_H
#define CARILLON_SIM_TRACE_H

#include "base/err.h"
#include "base/time.h"

#include <stdint.h>
#include <stdio.h>

#define VERDICT_BYTES 400

struct trace {
    uint64_t hash; // A hash of every line so far.
    uint64_t lines;
    FILE *out; // NULL: nobody reads along.
    bool failed;
    char failure[VERDICT_BYTES]; // The first broken promise.
};

void trace_init(struct trace *t, FILE *out);
void trace_line(struct trace *t, wall_ms at, const char *format, ...) PRINTF_LIKE(3, 4);

// A detail for people only: not part of the hash, and free when nobody reads along.
void trace_note(struct trace *t, wall_ms at, const char *format, ...) PRINTF_LIKE(3, 4);

// A promise was broken. The first one is kept, and ends the run.
void trace_fail(struct trace *t, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
