// SPDX-License-Identifier: MIT
// wakeups.c: the door of the port of wake-ups; behind it stands the adapter that was opened.

#include "cluster/wakeups_priv.h"

#include <assert.h>
#include <string.h>

void wakeups_announce(struct wakeups *w, const char *channel)
{
    assert(*channel && strlen(channel) < WAKEUP_CHANNEL_BYTES);
    w->adapter->announce(w, channel);
}

bool wakeups_hear(const struct wakeups *w)
{
    return w->adapter->hear(w);
}

void wakeups_close(struct wakeups *w)
{
    if (w)
        w->adapter->close(w);
}
