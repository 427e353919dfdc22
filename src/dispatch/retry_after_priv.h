// SPDX-License-Identifier: MIT
// retry_after_priv.h: how long a target asks to be left alone.

#ifndef CARILLON_DISPATCH_RETRY_AFTER_PRIV_H
#define CARILLON_DISPATCH_RETRY_AFTER_PRIV_H

#include "dispatch/dispatch.h"

// No job waits longer than this between two attempts.
#define RETRY_AFTER_MS_MAX JOB_MAX(retry_cap_ms)

// Room for every value that can be read, in lower case: a date has up to 33 bytes.
#define RETRY_AFTER_BYTES 40

// The wait that a value of Retry-After asks for: seconds, or a date in any of the three forms of
// RFC 9110. The text is in lower case. From 0 to RETRY_AFTER_MS_MAX; 0 also when it is neither.
dur_ms retry_after_read(const char *text, wall_ms now);

#endif
