// SPDX-License-Identifier: MIT
// shortage_priv.h: attempts that failed for want of something on this machine: descriptors,
// buffers, memory, local ports. They say nothing about their target.

#ifndef CARILLON_DISPATCH_SHORTAGE_PRIV_H
#define CARILLON_DISPATCH_SHORTAGE_PRIV_H

#include "base/address_policy.h"

#include <stdbool.h>

// Whether an errno of socket(), connect() or epoll_ctl() is one.
bool shortage_is(int number);

// The errno with which a socket cannot be opened at this moment, or 0: for libraries that do not
// tell why they failed.
int shortage_now(void);

// EADDRNOTAVAIL of connect() is said of two things: no local port is free, and this machine has no
// address from which `to` could be reached. A datagram socket needs an address all the same but
// shares no ports with us: it tells them apart. The second becomes ENETUNREACH; other errors are
// returned.
int shortage_or_no_route(int number, const union address *to);

#endif
