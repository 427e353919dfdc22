// SPDX-License-Identifier: MIT
// tasks.c: tasks that run elsewhere, and ping the heartbeats that watch them.
//
// A task pings for an occurrence that is to come: too early, a little early, in time, or late. It
// says that it has begun, has ended well or badly, or only a note, with and without the name of its
// run; some say things twice, and some nothing. Nobody pings again what got no answer.

#include "world.h"

#define IDLE_MS 20000
#define AHEAD_MS 120000 // So far a task looks for its next occurrence.

static bool is_watched(const struct world *w, job_id id)
{
    return history_is_live(&w->history, id) && history_last(&w->history, id)->kind == JOB_HEARTBEAT;
}

static job_id choose_heartbeat(struct world *w)
{
    job_id chosen = 0;
    int64_t count = 0;
    for (job_id id = 1; id <= (job_id)w->history.job_count; id++)
        if (is_watched(w, id) && dice_between(&w->dice, 0, count++) == 0)
            chosen = id;
    return chosen;
}

static dur_ms choose_offset(struct world *w, dur_ms grace)
{
    int64_t number = dice_between(&w->dice, 0, 99);
    if (number < 5)
        return -dice_between(&w->dice, 1001, 5000);
    if (number < 20)
        return -dice_between(&w->dice, 0, 1000);
    if (number < 85)
        return dice_between(&w->dice, 0, grace);
    return grace + dice_between(&w->dice, 0, 5000);
}

static enum ping_kind choose_kind(struct world *w)
{
    static const enum ping_kind kinds[] = {PING_SUCCESS, PING_SUCCESS, PING_SUCCESS, PING_SUCCESS,
                                           PING_FAIL,    PING_START,   PING_START,   PING_LOG};
    return DICE_PICK(&w->dice, kinds);
}

static void plan(struct world *w, struct task *t)
{
    *t = (struct task){.job = choose_heartbeat(w), .at = w->now.mono + IDLE_MS};
    if (!t->job)
        return;
    const struct version *v = history_last(&w->history, t->job);
    wall_ms now = w->now.wall, next = v->active ? version_next(v, now, now + AHEAD_MS) : WALL_NEVER;
    if (next == WALL_NEVER)
        next = now + dice_between(&w->dice, 0, IDLE_MS);
    dur_ms wait = next + choose_offset(w, (dur_ms)v->grace_s * 1000) - now;
    t->at = w->now.mono + MAX(wait, 0);
    t->kind = choose_kind(w);
    t->run = (char)('a' + dice_between(&w->dice, 0, 2));
    if (dice_chance(&w->dice, 700000))
        t->run = 0;
}

// What comes of a run that was begun; of some nothing does. Some pings come twice.
static void plan_next(struct world *w, struct task *t)
{
    dur_ms grace = (dur_ms)history_last(&w->history, t->job)->grace_s * 1000;
    bool is_begun = t->kind == PING_START && dice_chance(&w->dice, 800000);
    bool is_twice = !is_begun && dice_chance(&w->dice, 150000);
    if (is_begun) {
        t->kind = dice_chance(&w->dice, 750000) ? PING_SUCCESS : PING_FAIL;
        t->at = w->now.mono + dice_skewed(&w->dice, 1, grace + grace / 4);
    } else if (is_twice) {
        t->at = w->now.mono + dice_between(&w->dice, 0, 50);
    } else {
        plan(w, t);
    }
}

static struct task *first_of(struct world *w)
{
    struct task *first = &w->tasks[0];
    for (size_t i = 1; i < TASKS; i++)
        if (w->tasks[i].at < first->at)
            first = &w->tasks[i];
    return first;
}

mono_ms tasks_wake_at(struct world *w)
{
    bool are_at_work = w->has_heartbeats && (w->faults || w->calm);
    return are_at_work ? first_of(w)->at : MONO_NEVER;
}

static void ping(struct world *w, struct task *t)
{
    char run[] = "00000000-0000-4000-8000-00000000000a";
    struct node *n = client_find_owner(w, ledger_shard_number(&w->ledger, t->job));
    struct command c = {.kind = COMMAND_PING, .id = t->job, .ping = t->kind, .body = "by itself"};
    run[sizeof run - 2] = t->run;
    c.run = t->run ? run : NULL;
    c.exit_status = t->kind == PING_FAIL ? (uint32_t)dice_between(&w->dice, 0, 2) : 0;
    trace_line(&w->trace, w->now.wall, "job %lld is pinged: %s%s", (long long)t->job,
               ping_kind_name(t->kind), n ? "" : ", and nobody hears it");
    if (!n)
        return;
    w->is_delivering = true; // See heart_hear.
    node_step(n, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    w->is_delivering = false;
}

void tasks_ping(struct world *w)
{
    struct task *t = first_of(w);
    if (!t->job || !is_watched(w, t->job)) {
        plan(w, t);
        return;
    }
    ping(w, t);
    plan_next(w, t);
}
