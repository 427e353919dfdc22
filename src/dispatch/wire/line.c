// SPDX-License-Identifier: MIT
// line.c: who waits for a connection, when many are wanted at once.
//
// To open a connection costs ten times as much as a request on a kept one. If all that a herd wants
// were opened in one go, the first of its requests would leave after the last connection was begun,
// and the answers that make a connection free again would find nobody who can use it. So only a few
// are opened in each turn of the loop. The others stand in line at their target; in a later turn
// they get a connection that has become free, or one of the next few. A target that answers at once
// is then called over a few dozen connections, and a slow one gets all that it needs within some
// turns.
//
//   line.targets   those with somebody in line; first those with a kept connection, then in turn
//   target.line    its calls, in the order in which they came

#include "dispatch/wire/wire_priv.h"

#include <assert.h>

#define OPENED_PER_TURN 8

void line__init(struct wire *w)
{
    TAILQ_INIT(&w->line.targets);
    w->line.openings = OPENED_PER_TURN;
}

static void join(struct call *c)
{
    struct target *t = c->target;
    assert(!c->in_line && !c->connection);
    if (TAILQ_EMPTY(&t->line))
        TAILQ_INSERT_TAIL(&c->owner->line.targets, t, waiting);
    TAILQ_INSERT_TAIL(&t->line, c, place);
    c->in_line = true;
}

void line__leave(struct call *c)
{
    struct target *t = c->target;
    if (!c->in_line)
        return;
    assert(!TAILQ_EMPTY(&t->line) && !TAILQ_EMPTY(&c->owner->line.targets));
    c->in_line = false;
    TAILQ_REMOVE(&t->line, c, place);
    if (TAILQ_EMPTY(&t->line))
        TAILQ_REMOVE(&c->owner->line.targets, t, waiting);
}

static bool can_have_kept(const struct call *c)
{
    return !c->fresh && c->target->idle_count > 0;
}

bool line__ask(struct call *c)
{
    struct line *l = &c->owner->line;
    bool others = !TAILQ_EMPTY(&c->target->line);
    if (!others && can_have_kept(c))
        return true;
    if (!others && l->openings > 0) {
        l->openings--;
        return true;
    }
    join(c);
    wire__soon(c->owner);
    return false;
}

void line__kept(struct target *t, struct wire *w)
{
    if (TAILQ_EMPTY(&t->line))
        return;
    TAILQ_REMOVE(&w->line.targets, t, waiting);
    TAILQ_INSERT_HEAD(&w->line.targets, t, waiting);
}

// The target whose connection was not a kept one lets the others go first.
static void serve_first(struct wire *w, struct target *t)
{
    struct call *c = TAILQ_FIRST(&t->line);
    bool kept = can_have_kept(c);
    assert(c->in_line && c->target == t);
    line__leave(c);
    if (!kept && !TAILQ_EMPTY(&t->line)) {
        TAILQ_REMOVE(&w->line.targets, t, waiting);
        TAILQ_INSERT_TAIL(&w->line.targets, t, waiting);
    }
    call__connect(c);
}

// Connections that have become free count as opened: where they come back fast enough, no more of
// them are needed.
bool line__serve(struct wire *w)
{
    struct line *l = &w->line;
    l->openings = OPENED_PER_TURN;
    for (struct target *t; (t = TAILQ_FIRST(&l->targets));) {
        if (!can_have_kept(TAILQ_FIRST(&t->line)) && l->openings == 0)
            break;
        if (l->openings > 0)
            l->openings--;
        serve_first(w, t);
    }
    return !TAILQ_EMPTY(&l->targets);
}
