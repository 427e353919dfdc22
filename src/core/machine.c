// SPDX-License-Identifier: MIT
// machine.c: what the core tells of the machine that it runs on.
//
// Nothing can be written while the store is stalled, so that people hear of it when it is over, and
// only if it lasted: an alert says since when, until when and why. A disk on which only the reserve
// is left can still be written, and people are told at once, and of the end.
//
// A node that has no shard just then, as it lost them while the database was away, tells as soon as
// it has one. What a process has not told by its end is forgotten, and a disk that is low at a
// start is told of again.

#include "core/core_priv.h"

#define STALL_TOLD_MS 5000 // Nobody need hear of a shorter one.

// Beyond the maximum the first ones count: nobody could be told for long.
static void tell(struct core *c, const struct alert *facts)
{
    struct machine *m = &c->machine;
    if (m->untold_count < UNTOLD_MAX)
        m->untold[m->untold_count++] = *facts;
}

static void stall_ended(struct core *c)
{
    const struct machine *m = &c->machine;
    if (c->now.mono - m->stalled_since >= STALL_TOLD_MS)
        tell(c, &(struct alert){.kind = ALERT_STORE_STALLED,
                                .from = m->stalled_from,
                                .to = c->now.wall,
                                .last_error = err_text(m->stall)});
}

void core__store_changed(struct core *c, enum err cause)
{
    struct machine *m = &c->machine;
    if (cause && !c->halted) {
        m->stalled_from = c->now.wall;
        m->stalled_since = c->now.mono;
        m->stall = cause;
    }
    if (!cause && c->halted)
        stall_ended(c);
    c->halted = cause;
}

void core__disk_changed(struct core *c, bool is_low, int64_t free_bytes)
{
    struct machine *m = &c->machine;
    if (is_low == (m->low_from != 0))
        return;
    tell(c, &(struct alert){.kind = is_low ? ALERT_DISK_LOW : ALERT_DISK_OK,
                            .subject = "disk",
                            .from = is_low ? c->now.wall : m->low_from,
                            .to = is_low ? 0 : c->now.wall,
                            .count = free_bytes});
    m->low_from = is_low ? c->now.wall : 0;
}

void core__machine_tell(struct core *c)
{
    struct machine *m = &c->machine;
    if (m->untold_count == 0 || TAILQ_EMPTY(&c->settled))
        return;
    for (size_t i = 0; i < m->untold_count; i++)
        core__record_server_alert(c, NULL, &m->untold[i]);
    m->untold_count = 0;
}
