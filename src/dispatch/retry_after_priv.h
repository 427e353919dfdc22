// SPDX-License-Identifier: MIT
// retry_after_priv.h: how long a target asks to be left alone.

#ifndef CARILLON_DISPATCH_RETRY_AFTER_PRIV_H
#define CARILLON_DISPATCH_RETRY_AFTER_PRIV_H

#include "dispatch/dispatch.h"

// No job waits longer than this between two attempts.
#define RETRY_AFTER_MS_MAX JOB_RETRY_MS_MAX

// The wait that a value of Retry-After asks for: seconds, or a date (RFC 9110's preferred form).
// The text is in lower case. From 0 to RETRY_AFTER_MS_MAX; 0 also when it is neither.
dur_ms retry_after_read(const char *text, wall_ms now);

// The same for a number of seconds that somebody else has read.
dur_ms retry_after_of_seconds(int64_t seconds);

#endif
