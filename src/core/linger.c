// SPDX-License-Identifier: MIT
// linger.c: before which instant nothing is open, so that a start finds what is.
//
// No index tells which executions are open: it would change at the end of each. The shard's row has
// a mark instead, `open_from`, and no row scheduled before it is open, but for those that linger.
// The mark is the least instant of the open executions that do not linger, as of the end of each
// batch, and is written with it. It moves back as freely as forth, so neither steps of the clock
// nor what is caught up or triggered can leave an open row before it.
//
// An execution that stays open for long must not hold the mark back, or a start would read all that
// was planned since. So its row is marked as lingering, when it is written anyway: when it is
// planned late, when its RUNNING is written, when it waits for a retry. What waits for its turn for
// long is not written in between; only if very many rows were planned since is it written for this.
//
// The executions that do not linger are in a list, in order of id. Their least instant is kept for
// two parts of the list: up to an id, and behind it. When the first part is over, the second
// becomes the first. So the mark may lie a little further back than it could, never further forth.

#include "core/core_priv.h"

#include <assert.h>

#define LINGER_MS 1000        // Most executions end before.
#define ROWS_SINCE_MAX 250000 // A start reads so many in a part of a second.
#define LINGER_WRITES_MAX 64  // In one tick.

static struct fresh *fresh_of(struct core *c, const struct open *o)
{
    return &core__shard_of(c, o->record.key.job)->fresh;
}

static void leave(struct core *c, struct open *o)
{
    if (!o->is_fresh)
        return;
    struct fresh *f = fresh_of(c, o);
    *(o->fresh_previous ? &o->fresh_previous->fresh_next : &f->first) = o->fresh_next;
    *(o->fresh_next ? &o->fresh_next->fresh_previous : &f->last) = o->fresh_previous;
    o->is_fresh = false;
}

static void enter(struct core *c, struct open *o)
{
    struct fresh *f = fresh_of(c, o);
    assert(!o->is_fresh && (!f->last || f->last->record.id < o->record.id));
    o->fresh_previous = f->last;
    o->fresh_next = NULL;
    *(f->last ? &f->last->fresh_next : &f->first) = o;
    f->last = o;
    o->is_fresh = true;
    f->newer_from = MIN(f->newer_from, o->record.key.scheduled_at);
}

void core__linger_loaded(struct core *c, struct open *o)
{
    if (!o->record.lingers)
        enter(c, o);
}

// Whether the row, which is about to be written, will be open long after its instant.
static bool is_lingering(const struct core *c, const struct execution *e)
{
    wall_ms open_until = MAX(e->next_attempt_at, e->completion_deadline);
    return MAX(c->now.wall, open_until) - e->key.scheduled_at >= LINGER_MS;
}

void core__linger_insert(struct core *c, struct open *o)
{
    o->record.lingers = is_lingering(c, &o->record);
    if (!o->record.lingers)
        enter(c, o);
}

// What ends is no longer open, whether it lingers or not; its row's last change still tells which.
void core__linger_update(struct core *c, struct open *o)
{
    if (!execution_state_is_terminal(o->record.state))
        o->record.lingers |= is_lingering(c, &o->record);
    if (o->record.lingers)
        leave(c, o);
}

void core__linger_end(struct core *c, struct open *o)
{
    leave(c, o);
}

static int64_t rows_since(const struct core *c, const struct core_shard *s, const struct open *o)
{
    return s->row.execution_next - o->record.id / c->limits.shards;
}

// What waits in line while very many others come and go.
void core__linger_waiting(struct core *c, struct core_shard *s)
{
    int64_t most = ROWS_SINCE_MAX + 2 * (int64_t)c->pool.used;
    for (int i = 0; i < LINGER_WRITES_MAX && !c->halted; i++) {
        struct open *o = s->fresh.first;
        if (!o || o->phase == PHASE_UNRECORDED || rows_since(c, s, o) <= most)
            return;
        o->record.lingers = true;
        leave(c, o);
        core__record_lingering(c, o);
    }
}

wall_ms core__open_from(struct core_shard *s)
{
    struct fresh *f = &s->fresh;
    if (!f->first || f->first->record.id > f->older_to) {
        f->older_from = f->first ? f->newer_from : WALL_NEVER;
        f->newer_from = WALL_NEVER;
        f->older_to = f->last ? f->last->record.id : 0;
    }
    wall_ms from = MIN(f->older_from, f->newer_from);
    return f->first ? from : MIN(s->front->watermark + 1, WALL_LAST);
}
