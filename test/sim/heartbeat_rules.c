// SPDX-License-Identifier: MIT
// heartbeat_rules.c: what must hold of heartbeats, whoever pings when, and whoever dies.
//
// A ping that is accepted counts for one execution, which the reply names, and no more. It is one
// that waits: its instant is at most a second away, and its grace is not over, as far as anybody
// has looked. When the grace is over the occurrence FAILED if somebody listened then, and is MISSED
// if nobody did. No request is ever sent. What was durable of the pings is kept with the rows, and
// in the end each row is what its pings say.

#include "world.h"

#include <string.h>

#define EARLY_MS 1000
#define ROOM_MIN 1000
#define FOLLOWS_MS 60000
#define LATE_MS 1000 // Who looks so late may have stood still.

static dur_ms grace_of(const struct node *n, job_id job)
{
    return (dur_ms)promise_last(n, job)->grace_s * 1000;
}

static bool is_heartbeat(const struct node *n, job_id job)
{
    const struct version *v = n->world->has_heartbeats ? promise_last(n, job) : NULL;
    return v && v->kind == JOB_HEARTBEAT;
}

void heart_check_send(struct node *n, job_id job)
{
    if (is_heartbeat(n, job))
        trace_fail(&n->world->trace, "a request is sent for heartbeat %lld", (long long)job);
}

// --- A ping ------------------------------------------------------------------------------------

static bool is_refused_well(const struct node *n, job_id job, enum err err)
{
    const struct world *w = n->world;
    const struct version *v = promise_last(n, job);
    if (err == ERR_NOT_FOUND)
        return !v || v->deleted;
    return err == ERR_LIMIT && 2 * (n->open + 1) >= w->limits.open_max;
}

// The row which the step wrote for this key; NULL: none.
static const struct execution *find_written(const struct node *n, const struct execution_key *k,
                                            size_t from)
{
    const struct batch *b = n->out.batch;
    for (size_t i = from; i < b->count; i++) {
        const struct change *c = &b->changes[i];
        bool is_row = c->kind == CHANGE_EXECUTION_INSERT || c->kind == CHANGE_EXECUTION_UPDATE;
        if (is_row && memcmp(&c->execution.key, k, sizeof *k) == 0)
            return &c->execution;
    }
    return NULL;
}

static size_t count_pings(const struct node *n, size_t from, int64_t execution)
{
    const struct batch *b = n->out.batch;
    size_t count = 0;
    for (size_t i = from; i < b->count; i++)
        count += b->changes[i].kind == CHANGE_ATTEMPT && b->changes[i].attempt.is_ping &&
                 (!execution || b->changes[i].attempt.execution_id == execution);
    return count;
}

static bool is_in(const struct deafness *d, wall_ms at)
{
    return d->from <= at && at <= d->to;
}

// Whether nobody can have heard a ping at this time.
static bool was_deaf(const struct node *n, job_id job, wall_ms at)
{
    return node_tenure(n, job)->listens_from >= at || is_in(&n->late, at) || is_in(&n->full, at);
}

// Else the planner waits for it, and so is behind though the node listens.
static bool has_room(const struct world *w)
{
    return w->limits.open_max > ROOM_MIN;
}

// Whether another grace came while the row waited: it has ended by that, at the change, or before.
static bool was_changed(const struct node *n, const struct execution *e)
{
    return promise_last(n, e->key.job)->asked_at > e->key.scheduled_at;
}

static void check_time(struct node *n, const struct execution *e, bool is_begun)
{
    struct world *w = n->world;
    wall_ms at = e->key.scheduled_at, deadline = at + grace_of(n, e->key.job);
    if (w->now.wall < at - EARLY_MS)
        trace_fail(&w->trace, "row %lld is pinged %lld ms before its instant", (long long)e->id,
                   (long long)(at - w->now.wall));
    bool may_be_late = w->clock_steps || !has_room(w) || was_changed(n, e) ||
                       w->now.wall <= deadline + LATE_MS || n->looked_at <= deadline ||
                       was_deaf(n, e->key.job, deadline);
    if (!is_begun && w->now.wall > deadline && !may_be_late)
        trace_fail(&w->trace, "row %lld is pinged %lld ms after its grace", (long long)e->id,
                   (long long)(w->now.wall - deadline));
    w->happened.of[HAPPENING_PING_EARLY] += w->now.wall < at;
}

void heart_hear(struct node *n, const struct command *c, const struct reply *r, size_t from)
{
    struct world *w = n->world;
    if (r->err == ERR_AWAY || r->err == ERR_CLOSED ||
        node_is_stale(n, ledger_shard_number(&w->ledger, c->id)))
        return; // What it says will not reach anybody.
    if (r->err) {
        if (!is_refused_well(n, c->id, r->err))
            trace_fail(&w->trace, "a ping is refused with %s", err_name(r->err));
        return;
    }
    const struct execution *e = find_written(n, &r->key, from);
    if (!e || e->key.job != c->id || count_pings(n, from, e->id) != count_pings(n, from, 0)) {
        trace_fail(&w->trace, "a ping of job %lld counts for another row", (long long)c->id);
        return;
    }
    count(w, e->key.series < 0 ? HAPPENING_PING_UNEXPECTED : HAPPENING_PING);
    if (e->key.series >= 0)
        check_time(n, e, observe_is(n, e->id, EXECUTION_RUNNING));
    struct promise *p = promise_add(n, PROMISE_PING, c->id);
    p->key = r->key;
    p->ping = c->ping;
    p->now = w->now.wall;
    p->grace = grace_of(n, c->id);
}

// The ping is durable, and so its answer leaves.
void heart_keep(struct world *w, const struct promise *p)
{
    struct row *r = ledger_find(&w->ledger, &p->key);
    struct pinged *of = r ? &r->pinged : NULL;
    if (!of || of->is_over) {
        trace_fail(&w->trace, "a ping of job %lld is for a row that %s", (long long)p->job,
                   of ? "has its ping" : "is not there");
        return;
    }
    of->count++;
    w->ledger.jobs[p->job - 1].pinged_at = MAX(w->ledger.jobs[p->job - 1].pinged_at, p->now);
    if (p->ping == PING_START && !of->ends_from)
        of->ends_from = MAX(row_due_at(r), p->now) + p->grace;
    if (p->ping == PING_SUCCESS || p->ping == PING_FAIL) {
        of->is_over = true;
        of->is_well = p->ping == PING_SUCCESS;
    }
}

// --- The end of a wait -------------------------------------------------------------------------

static bool says(const char *text, const char *words)
{
    return text && strstr(text, words);
}

// The wait for what was not begun is over. By which clock it waited is not known where that steps.
static void check_silence(struct node *n, const struct execution *e)
{
    struct world *w = n->world;
    wall_ms deadline = e->key.scheduled_at + grace_of(n, e->key.job);
    wall_ms gained_at = node_tenure(n, e->key.job)->gained_at - w->now.mono + w->now.wall;
    if (w->now.wall < deadline)
        trace_fail(&w->trace, "row %lld FAILED %lld ms before its grace is over", (long long)e->id,
                   (long long)(deadline - w->now.wall));
    if (deadline < gained_at || (n->full.from < deadline && deadline < n->full.to))
        trace_fail(&w->trace, "row %lld FAILED, and nobody listened for its ping",
                   (long long)e->id);
}

static void check_unheard(struct node *n, const struct execution *e)
{
    struct world *w = n->world;
    wall_ms deadline = e->key.scheduled_at + grace_of(n, e->key.job);
    if (has_room(w) && node_tenure(n, e->key.job)->loaded && !was_deaf(n, e->key.job, deadline))
        trace_fail(&w->trace, "row %lld is MISSED, and its owner listened", (long long)e->id);
}

void heart_check(struct node *n, const struct execution *e)
{
    struct world *w = n->world;
    if (!is_heartbeat(n, e->key.job) || !execution_state_is_terminal(e->state))
        return;
    bool is_ended = e->state == EXECUTION_SUCCESS || e->state == EXECUTION_FAILED;
    if (is_ended && e->key.series >= 0 && e->key.scheduled_at > w->now.wall && !w->went_back)
        trace_fail(&w->trace, "row %lld is %s before its instant", (long long)e->id,
                   execution_state_name(e->state));
    if (w->clock_steps || was_changed(n, e))
        return;
    if (e->state == EXECUTION_FAILED && says(e->error, happening_words(HAPPENING_NO_PING)))
        check_silence(n, e);
    if (says(e->reason, happening_words(HAPPENING_UNHEARD)))
        check_unheard(n, e);
}

// Only some steps look at the time.
static bool looks(const struct event *e)
{
    return e->kind == EVENT_TICK || e->kind == EVENT_SHARD_LOADED;
}

// What was planned after one standstill may be judged after the next one only.
static void hear_nothing(struct deafness *d, wall_ms from, wall_ms to)
{
    bool follows = d->to <= from && from - d->to < FOLLOWS_MS;
    *d = (struct deafness){.from = follows ? d->from : from, .to = to};
}

void heart_listen(struct node *n, const struct event *e)
{
    const struct world *w = n->world;
    if (looks(e) && n->looks_at != MONO_NEVER && w->now.mono - n->looks_at > LATE_MS)
        hear_nothing(&n->late, n->looked_at, w->now.wall);
    if (n->was_stalled)
        n->full.to = w->now.wall;
    else if (n->stalled && n->full.to != WALL_NEVER)
        n->full = (struct deafness){.from = w->now.wall, .to = WALL_NEVER};
}

void heart_look(struct node *n, const struct event *e)
{
    const struct world *w = n->world;
    mono_ms at = MAX(node_wakes_at(n), w->now.mono);
    n->looks_at = looks(e) ? at : MIN(n->looks_at, at);
    if (looks(e))
        n->looked_at = w->now.wall;
}

// --- In the end --------------------------------------------------------------------------------

// What is wrong with the row, given its pings; NULL: nothing is.
static const char *find_fault(const struct world *w, const struct row *r)
{
    const struct execution *e = &r->e;
    const struct pinged *p = &r->pinged;
    bool is_told = says(e->error, "the ping says") || says(e->error, "exit status");
    bool is_silent = says(e->error, "no ping");
    if (e->attempts != p->count || r->attempt_rows != p->count)
        return "it has other pings than it was sent";
    if (e->state == EXECUTION_SUCCESS && !(p->is_over && p->is_well))
        return "no ping says that it was done";
    if (e->state == EXECUTION_FAILED && is_told != (p->is_over && !p->is_well))
        return "no ping says that it failed";
    if (e->state == EXECUTION_FAILED && !is_told && p->is_over)
        return "its ping is forgotten";
    if (is_silent && p->ends_from && e->completed_at < p->ends_from && !w->clock_steps)
        return "its run had more time";
    if (e->state == EXECUTION_MISSED && p->count > 0 && (p->is_over || p->ends_from))
        return "it is MISSED, and was pinged";
    return NULL;
}

static bool may_wait(const struct account *a, const struct row *r, wall_ms until)
{
    dur_ms grace = 0;
    for (size_t i = 0; i < a->history->count; i++)
        grace = MAX(grace, (dur_ms)a->history->versions[i].grace_s * 1000);
    return MAX(row_due_at(r) + grace, r->pinged.ends_from) > until;
}

const char *heart_find_fault(const struct account *a, const struct row *r, wall_ms until)
{
    if (a->history->versions[0].kind != JOB_HEARTBEAT) // Never changes.
        return NULL;
    if (ledger_is_terminal(r->e.state))
        return find_fault(a->w, r);
    return may_wait(a, r, until) ? NULL : "I11: its ping is still waited for";
}
