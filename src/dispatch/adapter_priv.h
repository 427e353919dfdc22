// SPDX-License-Identifier: MIT
// adapter_priv.h: what an adapter of the dispatch port provides.
//
// An adapter's own struct starts with a struct dispatch; dispatch.c hands every call of the port
// on to the adapter it came from.

#ifndef CARILLON_DISPATCH_ADAPTER_PRIV_H
#define CARILLON_DISPATCH_ADAPTER_PRIV_H

#include "dispatch/dispatch.h"

struct dispatch_adapter {
    void (*close)(struct dispatch *d);
    void (*send)(struct dispatch *d, const struct send *s);
    void (*cancel)(struct dispatch *d, uint64_t ticket);
    size_t (*in_flight)(const struct dispatch *d);
    void (*set_lease)(struct dispatch *d, mono_ms until); // NULL: it asks the port.
};

struct dispatch {
    const struct dispatch_adapter *adapter;
    bool has_lease; // The lease ends at `lease`; else never.
    mono_ms lease;
};

// What speaks HTTP by itself; dispatch_wire_open and dispatch_curl_open put the layer of tokens
// before each (oauth/oauth_priv.h).
dispatch_opener wire__open;
dispatch_opener curl__open;

// Whether no request may leave any more: asked just before its first byte would.
bool dispatch_lease_is_over(const struct dispatch *d);
// The same of an attempt's own bound, which may be 0.
bool dispatch_is_late(mono_ms not_after);

#endif
