// SPDX-License-Identifier: MIT
// wakeups_priv.h: a small port by which nodes wake one another.
//
// A wake-up says "look into the database now" and carries nothing else. Losing all of them costs
// latency only, since everybody also looks from time to time: seldom while wake-ups are heard, and
// often while they are not, which wakeups_hear tells.
//
// Adapters announce and hear in different ways: NOTIFY and LISTEN of PostgreSQL, or publish and
// subscribe of Redis. Polling is the adapter that hears nothing.

#ifndef CARILLON_CLUSTER_WAKEUPS_PRIV_H
#define CARILLON_CLUSTER_WAKEUPS_PRIV_H

#include "base/err.h"

#include <stdbool.h>

// A channel is a short name, such as "commands" or "replies-<node>", of small letters, digits, "-"
// and "_".
#define WAKEUP_CHANNEL_BYTES 64 // With its NUL.
#define WAKEUP_CHANNELS_MAX 8   // A node hears so many.
#define WAKEUP_APART_MS 5       // A sender announces in one channel no more often than that.

struct wakeups;

// On a thread of the adapter; must not block. `channel` is borrowed, and NULL when the adapter
// begins to hear, again or for the first time: anything may have been missed before.
typedef void wakeup_heard(void *context, const char *channel);

struct wakeups_options {
    const char *channels[WAKEUP_CHANNELS_MAX]; // To be heard; the rest is NULL.
    wakeup_heard *heard;
    void *context;
};

struct wakeups_adapter {
    void (*close)(struct wakeups *w);
    void (*announce)(struct wakeups *w, const char *channel);
    bool (*hear)(const struct wakeups *w);
};

// An adapter's own struct begins with this one.
struct wakeups {
    const struct wakeups_adapter *adapter;
};

// After what is announced was committed. Any thread; never blocks, and may be lost.
void wakeups_announce(struct wakeups *w, const char *channel);

// Whether wake-ups are heard at this moment, as far as the adapter knows. Any thread.
bool wakeups_hear(const struct wakeups *w);

// `heard` is not called any more when this returns. NULL is a no-op.
void wakeups_close(struct wakeups *w);

#endif
