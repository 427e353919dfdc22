// SPDX-License-Identifier: MIT
// wishes.c: what clients want their jobs to be: schedules, bounds and policies from the dice.

#include "world.h"

#include <stdio.h>

static const char *const schedules[] = {
    "*/10 * * * * *", "*/15 * * * * *",   "0 * * * * *",       "30 * * * * *",
    "0 */2 * * * *",  "*/5 * * * *",      "5,20,45 * * * * *", "0-3 */7 * * * *",
    "@every 90s",     "@every 7s",        "15 10-20 * * * *",  "0 */15 9-17 * * MON-FRI",
    "0 30 2 * * *",   "0 0,30 2 * * *",   "0 30 1-4 * * *",    "*/20 59 1-2 * * *",
    "0 0 0 * * *",    "0 15 2 28,29 2 *", "0 45 2 1-7 * SUN",
};

static bool one_in(struct world *w, unsigned n)
{
    return dice_between(&w->dice, 1, n) == 1;
}

static void choose_schedule(struct world *w, struct version *v)
{
    snprintf(v->schedule, sizeof v->schedule, "%s", DICE_PICK(&w->dice, schedules));
    if (!one_in(w, 16))
        return;
    char text[RFC3339_BYTES]; // A single instant, soon.
    wall_format(w->now.wall / 1000 * 1000 + dice_between(&w->dice, 1, 120) * 1000, text);
    snprintf(v->schedule, sizeof v->schedule, "%.19sZ", text);
}

// Half of them fall on an instant of many schedules, which is still inside.
static wall_ms choose_bound(struct world *w, wall_ms after, dur_ms furthest)
{
    wall_ms at = after + dice_skewed(&w->dice, 1000, furthest);
    return one_in(w, 2) ? at : (at + 4999) / 5000 * 5000;
}

static void choose_bounds(struct world *w, struct version *v)
{
    v->start_at = 0;
    v->end_at = WALL_NEVER;
    if (one_in(w, 8))
        v->start_at = choose_bound(w, w->now.wall, 1200000);
    if (one_in(w, 8))
        v->end_at = choose_bound(w, MAX(v->start_at, w->now.wall), 3600000);
}

static void choose_catch_up(struct world *w, struct version *v)
{
    static const uint32_t windows_s[] = {0, 60, 600, 3600};
    v->catch_up = (uint8_t)dice_between(&w->dice, 0, CATCH_UPS - 1);
    v->catch_up_window_s = DICE_PICK(&w->dice, windows_s);
    if (w->has_servers) // A row keeps to the bounds of the API.
        v->catch_up_window_s = MAX(v->catch_up_window_s, 1u);
    if (w->calm && w->node_count > 1 && one_in(w, 2)) { // Where shards lie fallow, for a backlog.
        v->catch_up = CATCH_UP_ALL;
        v->catch_up_window_s = 3600;
    }
}

// Half of all jobs let their executions overlap, as most do outside.
static void choose_overlap(struct world *w, struct version *v)
{
    v->overlap = one_in(w, 2) ? OVERLAP_ALLOW : (uint8_t)dice_between(&w->dice, 0, OVERLAPS - 1);
    v->max_in_flight = w->calm ? FLIGHTS_MAX : (uint32_t)dice_skewed(&w->dice, 1, 100);
}

static void choose_jitter(struct world *w, struct version *v)
{
    static const uint32_t jitters_ms[] = {0, 0, 0, 50, 2500, 60000};
    v->jitter_ms = DICE_PICK(&w->dice, jitters_ms);
}

static void choose_retries(struct world *w, struct version *v)
{
    static const uint32_t bases_ms[] = {100, 1000, 1000, 20000}, caps_ms[] = {1500, 60000, 60000};
    v->retry_strategy = (uint8_t)dice_between(&w->dice, 0, RETRY_STRATEGIES - 1);
    v->retry_base_ms = DICE_PICK(&w->dice, bases_ms);
    v->retry_cap_ms = DICE_PICK(&w->dice, caps_ms);
}

static void choose_judgement(struct world *w, struct version *v)
{
    v->success = one_in(w, 2) ? 0 : (uint8_t)dice_between(&w->dice, 0, SUCCESS_SETS - 1);
    v->permanent_4xx = one_in(w, 3);
    v->alert_after = one_in(w, 2) ? 1 : (uint16_t)dice_between(&w->dice, 1, 5);
    v->alert_recover_after = one_in(w, 2) ? 1 : (uint16_t)dice_between(&w->dice, 1, 4);
    v->alert_late_ms = one_in(w, 4) ? (uint32_t)dice_skewed(&w->dice, 1, 600000) : 0;
    v->alert_slow_ms = one_in(w, 4) ? (uint32_t)dice_skewed(&w->dice, 1, 60000) : 0;
    v->alert_silent_s = one_in(w, 4) ? (uint32_t)dice_skewed(&w->dice, 10, 7200) : 0;
    v->alert_remind_s = one_in(w, 4) ? (uint32_t)dice_between(&w->dice, 60, 1200) : 0;
}

static void choose_completion(struct world *w, struct version *v)
{
    if (w->has_waits)
        v->completion_timeout_s = one_in(w, 3) ? 0 : (uint32_t)dice_skewed(&w->dice, 1, 120);
}

static void choose_host(struct world *w, struct version *v)
{
    v->host = (char)('a' + dice_between(&w->dice, 0, HOSTS - 1));
}

// A heartbeat makes no request, and has nothing that says how one is made.
static void be_heartbeat(struct world *w, struct version *v)
{
    static const uint32_t graces_s[] = {1, 5, 5, 20, 40};
    struct version plain = *v;
#define JOB_TEXT(...)
#define JOB_OF_POLICY(member) plain.member = job_defaults.member;
#include "ledger/job.def"
    plain.alert_after = v->alert_after;
    plain.alert_recover_after = v->alert_recover_after;
    plain.alert_late_ms = v->alert_late_ms;
    plain.alert_slow_ms = v->alert_slow_ms;
    plain.alert_silent_s = v->alert_silent_s;
    plain.alert_remind_s = v->alert_remind_s;
    *v = plain;
    v->kind = JOB_HEARTBEAT;
    v->grace_s = DICE_PICK(&w->dice, graces_s);
    v->host = (char)('a' + HOSTS);
    v->success = 0;
    v->max_runs = w->clock_steps ? 0 : v->max_runs;
}

// Policies about which nobody has a wish keep their defaults.
void wish_job(struct world *w, struct version *v)
{
    *v = (struct version){
        .active = !one_in(w, 30),
        .paused_until = WALL_NEVER,
#define JOB_TEXT(...)
#define JOB_OF_POLICY(member) .member = job_defaults.member,
#include "ledger/job.def"
    };
    choose_host(w, v);
    v->paris = one_in(w, 2);
    v->type = one_in(w, 4) ? JOB_ATMOST_ONCE : JOB_ATLEAST_ONCE;
    v->max_retries = (uint16_t)dice_between(&w->dice, 0, 3);
    v->timeout_ms = (uint32_t)dice_between(&w->dice, 1, 8) * 1000;
    v->max_runs = one_in(w, 10) ? (uint32_t)dice_skewed(&w->dice, 1, 100) : 0;
    choose_schedule(w, v);
    choose_bounds(w, v);
    choose_catch_up(w, v);
    choose_overlap(w, v);
    choose_jitter(w, v);
    choose_retries(w, v);
    choose_judgement(w, v);
    choose_completion(w, v);
    if (w->has_heartbeats && one_in(w, 2))
        be_heartbeat(w, v);
}

// Type, retries and max_runs stay, so that what is already under way is judged by one rule.
void wish_change(struct world *w, struct version *v)
{
    static void (*const choices[])(struct world *, struct version *) = {
        choose_schedule, choose_schedule, choose_bounds,    choose_catch_up,
        choose_jitter,   choose_retries,  choose_judgement,
    };
    for (int64_t n = dice_between(&w->dice, 1, 3); n > 0; n--)
        DICE_PICK(&w->dice, choices)(w, v);
    if (one_in(w, 5))
        v->paris = !v->paris;
    if (one_in(w, 10))
        choose_overlap(w, v);
    if (one_in(w, 5))
        choose_host(w, v);
    if (v->kind == JOB_HEARTBEAT)
        be_heartbeat(w, v);
    if (w->has_waits && one_in(w, 5))
        choose_completion(w, v);
}

void wish_pause(struct world *w, struct version *v)
{
    v->active = !v->active;
    v->paused_until = WALL_NEVER;
    if (!v->active && one_in(w, 2))
        v->paused_until = w->now.wall + dice_skewed(&w->dice, 100, 600000);
}
