// SPDX-License-Identifier: MIT
// hops_priv.h: an attempt that follows redirects: what its next request says, and which way it
// came.
//
// Pure. An adapter asks for each answer whether it leads on, and then sends what `request` has
// become. The rules are those of RFC 9110 (15.4) as browsers apply them:
//
//   307, 308        the same method and body
//   301, 302, 303   GET without a body; HEAD stays HEAD
//
// When the way leads to another origin (scheme, host or port), the job's headers that may carry a
// credential stay behind, with its Host, its signature, its access token and its client
// certificate. What carries the identity of the execution goes along: a redirect does not make
// another call of it.

#ifndef CARILLON_DISPATCH_HOPS_PRIV_H
#define CARILLON_DISPATCH_HOPS_PRIV_H

#include "dispatch/location_priv.h"
#include "dispatch/request_priv.h"

struct hops {
    struct request request; // The next one. Its texts are its own.
    unsigned taken;
    struct request_text record; // All hops, as struct attempt tells them.
    size_t record_before;       // Bytes of the record before the last hop.
    unsigned status;            // The answer that led to the last one.
    struct fault refused;       // Why an answer that led on was not followed; ERR_OK when none was.
};

// NULL when the job follows no redirects.
struct hops *hops_new(const struct request *r);
void hops_free(struct hops *h); // NULL is a no-op.

// Whether an answer of this status and Location leads on, as far as these tell. `h` may be NULL.
bool hops_lead_on(const struct hops *h, unsigned status, const struct request_text *location);

// Makes `request` what is to be sent next. False, with `refused` filled in, when the answer is the
// last one: as many were followed as may be, or nothing can be called at its Location.
bool hops_follow(struct hops *h, unsigned status, const struct request_text *location);

#define HOPS_LOCATION_BYTES (LOCATION_TEXT_BYTES + FAULT_TEXT_MAX + 32)

// What an outcome says of the last answer's Location, and of why it was not followed: `out`, or
// NULL when it has none. `h` may be NULL.
const char *hops_location(const struct hops *h, const struct request_text *location,
                          char out[static HOPS_LOCATION_BYTES]);

// The last hop was not taken after all: `why` goes into `refused`. The answer before it counts.
void hops_step_back(struct hops *h, const char *why);

#endif
