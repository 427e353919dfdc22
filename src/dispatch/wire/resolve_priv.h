// SPDX-License-Identifier: MIT
// resolve_priv.h: names -> addresses, without waiting.
//
// An address in numbers is read, "localhost" and names below it are this machine (RFC 6761), and
// everything else is asked of the system's name servers and /etc/hosts by c-ares. Answers are kept
// as long as they say, between 1 s and 60 s; that there is none, for 1 s, unless nobody could be
// asked. NAMES_MAX names are kept at most, the longest unused ones make room.

#ifndef CARILLON_DISPATCH_WIRE_RESOLVE_PRIV_H
#define CARILLON_DISPATCH_WIRE_RESOLVE_PRIV_H

#include "base/address_policy.h"
#include "dispatch/wire/deadline_priv.h"

#include <sys/queue.h>

#define ADDRESSES_MAX 8
#define NAMES_MAX 4096

// In the order in which they should be tried; the families alternate. Ports are 0.
struct addresses {
    size_t count; // 0: the name has none, or none could be learnt.
    union address list[ADDRESSES_MAX];
};

struct question;
// `a` is borrowed for the call.
typedef void question_answered(void *context, const struct addresses *a);

// Zeroed but for the first two is "not asked".
struct question {
    question_answered *answered;
    void *context;
    struct name *name; // Not NULL while the answer is awaited.
    TAILQ_ENTRY(question) link;
};

struct resolver;

// `name_servers`: "address:port,..." instead of the system's; may be NULL.
MUST_CHECK enum err resolver__open(struct loop *l, struct deadlines *deadlines,
                                   const char *name_servers, deadline_over *done, void *context,
                                   struct resolver **out, struct fault *f);
// Nobody may be waiting any more. NULL is a no-op.
void resolver__close(struct resolver *r);

// Answers at once, inside the call, if that is possible.
void resolver__ask(struct resolver *r, const char *host, struct question *q);

// The answer is no longer wanted. A no-op when it is not awaited.
void resolver__forget(struct question *q);

#endif
