// SPDX-License-Identifier: MIT
// lookup_priv.h: one question to the name servers, on our event loop.

#ifndef CARILLON_DISPATCH_WIRE_LOOKUP_PRIV_H
#define CARILLON_DISPATCH_WIRE_LOOKUP_PRIV_H

#include "dispatch/wire/resolve_priv.h"

struct lookup;

// `a` is borrowed for the call; no address: there is none, or nobody answered in time.
typedef void lookup_learnt(void *context, const struct addresses *a, int64_t ttl_s);

// `done` is called at the end of each callback of the loop in which something may have been learnt.
MUST_CHECK enum err lookup__open(struct loop *l, struct deadlines *deadlines,
                                 const char *name_servers, deadline_over *done, void *context,
                                 struct lookup **out, struct fault *f);
void lookup__close(struct lookup *l); // What is under way ends without an address.

// Exactly one call of `learnt` follows, perhaps at once.
void lookup__start(struct lookup *l, const char *host, lookup_learnt *learnt, void *context);

#endif
