// SPDX-License-Identifier: MIT
// room_rules.c: an occurrence is given up since too much is open at its host.
//
// A host may have as many executions open as there is room left, so of all the room at least half
// is used when it may have no more; a quarter of that when it is behind time, and then only if
// nothing answers there: else the occurrence waits. How much is open at which host is not known
// here, only how much in all.

#include "world.h"

#include <string.h>

void room_check(struct node *n, const struct execution *e, bool is_late)
{
    struct world *w = n->world;
    if (e->state != EXECUTION_MISSED || !strstr(e->reason, "no room"))
        return;
    count(w, is_late ? HAPPENING_NO_ROOM_LATE : HAPPENING_NO_ROOM);
    uint32_t most = w->limits.open_max;
    char host = promise_last(n, e->key.job)->host;
    if (is_late ? 5 * n->open + 3 < most : 2 * n->open < most)
        trace_fail(&w->trace, "P10: row %lld has no room, and %u of %u are open", (long long)e->id,
                   n->open, most);
    const struct host *h = &n->hosts[host - 'a'];
    if (is_late && !h->told && !h->uncertain)
        trace_fail(&w->trace, "P10: row %lld is given up, and host %c answers", (long long)e->id,
                   host);
}
