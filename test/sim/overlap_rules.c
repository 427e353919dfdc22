// SPDX-License-Identifier: MIT
// overlap_rules.c: jobs whose executions must not overlap, looked at when a request leaves.
//
// A rule is applied to two executions when it held before either of them was scheduled.

#include "world.h"

struct pair {
    const struct row *leaving;
    const struct row *other;
};

// With jitter, only of those whose order it did not change.
static bool is_earlier(const struct row *a, const struct row *b)
{
    return row_due_at(a) < row_due_at(b) && a->e.key.scheduled_at < b->e.key.scheduled_at;
}

static bool left_in_this_tenure(const struct node *n, const struct row *r)
{
    if (wire_is_elsewhere(n->world, r) || wait_is_on(n, r))
        return true;
    return r->seen.sends > 0 && r->seen.tenure_last == node_tenure(n, r->e.key.job)->number;
}

// The oldest first, one after the other. A manual one takes its turn like the others.
static void check_queue(struct node *n, const struct pair *p)
{
    struct world *w = n->world;
    bool over = observe_is_over(n, p->other->e.id);
    if (!over && left_in_this_tenure(n, p->other))
        trace_fail(&w->trace, "P8: row %lld is sent while row %lld of its queue is not over",
                   (long long)p->leaving->e.id, (long long)p->other->e.id);
    bool both_scheduled = p->leaving->e.key.series >= 0 && p->other->e.key.series >= 0;
    if (!over && both_scheduled && is_earlier(p->other, p->leaving))
        trace_fail(&w->trace, "P8: row %lld is sent before row %lld of its queue",
                   (long long)p->leaving->e.id, (long long)p->other->e.id);
}

static void check_skip(struct node *n, const struct pair *p)
{
    struct world *w = n->world;
    bool first = p->leaving->seen.sends == 0;
    if (first && is_earlier(p->other, p->leaving) && left_in_this_tenure(n, p->other) &&
        !observe_is_over(n, p->other->e.id))
        trace_fail(&w->trace, "row %lld is sent while row %lld is not over, which it should skip",
                   (long long)p->leaving->e.id, (long long)p->other->e.id);
}

// Perhaps in this very step, whose requests leave first.
static bool is_given_up(const struct node *n, const struct flight *f)
{
    bool given_up = f && f->cancelled;
    for (size_t i = 0; f && i < n->out.cancel_count; i++)
        given_up |= n->out.cancels[i] == f->ticket;
    return given_up;
}

// What is older is over, or is being given up; and nothing is younger.
static void check_replace(struct node *n, const struct pair *p)
{
    struct world *w = n->world;
    long long id = (long long)p->leaving->e.id, other_id = (long long)p->other->e.id;
    if (is_earlier(p->leaving, p->other) && left_in_this_tenure(n, p->other))
        trace_fail(&w->trace, "row %lld is sent after row %lld, which replaces it", id, other_id);
    if (!is_earlier(p->other, p->leaving))
        return;
    const struct flight *f = wire_find(n, &p->other->e.key);
    // Nobody tells the node that has it, and what it says of the end is waited for.
    bool is_elsewhere = p->other->e.state == EXECUTION_RUNNING && p->other->e.held_until > 0;
    if (!observe_is_over(n, p->other->e.id) && !is_given_up(n, f) && !is_elsewhere)
        trace_fail(&w->trace, "row %lld is sent, and row %lld, which it replaces, goes on", id,
                   other_id);
}

static bool applies(const struct version *v, const struct row *r)
{
    bool same_series = r->e.key.series < 0 || r->e.key.series == v->series;
    return same_series && r->e.key.scheduled_at > v->overlap_since;
}

static void check_pair(struct node *n, const struct version *v, const struct pair *p)
{
    bool manual = p->leaving->e.key.series < 0 || p->other->e.key.series < 0;
    if (v->overlap == OVERLAP_QUEUE)
        check_queue(n, p);
    else if (v->overlap == OVERLAP_SKIP && !manual)
        check_skip(n, p);
    else if (v->overlap == OVERLAP_REPLACE && !manual)
        check_replace(n, p);
}

void overlap_check(struct node *n, const struct row *r)
{
    struct world *w = n->world;
    const struct version *v = promise_last(n, r->e.key.job);
    if (!v || v->overlap == OVERLAP_ALLOW || !applies(v, r))
        return;
    for (size_t i = ledger_open_from(&w->ledger); i < w->ledger.row_count; i++) {
        const struct row *other = &w->ledger.rows[i];
        if (other != r && other->e.key.job == r->e.key.job && applies(v, other))
            check_pair(n, v, &(struct pair){r, other});
    }
}
