// SPDX-License-Identifier: MIT
// clocks.c: the passing of time: events that come late, a wall clock that drifts and steps.
//
// The monotonic clock is the world's true time. The wall clock gains or loses up to 500 millionths,
// and from time to time somebody sets it: back by a little, back by much, or forward.

#include "world.h"

#define HOUR_MS 3600000
#define DRIFT_PPM_MAX 500

static void plan_change(struct world *w)
{
    w->clock_changes_at = w->now.mono + dice_skewed(&w->dice, 10000, 2 * HOUR_MS);
}

void clocks_init(struct world *w)
{
    w->clock_steps = w->faults && dice_chance(&w->dice, 500000);
    if (w->faults && dice_chance(&w->dice, 500000))
        w->drift_ppm = dice_between(&w->dice, -DRIFT_PPM_MAX, DRIFT_PPM_MAX);
    plan_change(w);
}

void clocks_pass(struct world *w, dur_ms d)
{
    w->now.mono += d;
    w->drift_rest += d * w->drift_ppm;
    w->now.wall += d + w->drift_rest / 1000000;
    w->drift_rest %= 1000000;
}

// Most steps are small, as by a time server; some are what a person does by mistake.
static dur_ms choose_step(struct world *w)
{
    int64_t number = dice_between(&w->dice, 0, 99);
    if (number < 40)
        return -dice_skewed(&w->dice, 100, 20000);
    if (number < 55)
        return -dice_skewed(&w->dice, 20000, HOUR_MS);
    if (number < 65)
        return -HOUR_MS - dice_skewed(&w->dice, 1, 100 * HOUR_MS);
    return dice_skewed(&w->dice, 100, 2 * HOUR_MS);
}

// The kernel tells a process that waits on the wall clock; it looks at the time soon.
void clocks_change(struct world *w)
{
    dur_ms step = choose_step(w);
    plan_change(w);
    w->now.wall += step;
    count(w, step < 0 ? HAPPENING_STEP_BACK : HAPPENING_STEP_AHEAD);
    w->went_back |= step < 0;
    for (size_t i = 0; i < w->node_count; i++)
        w->nodes[i].alarm_at = w->now.mono + dice_between(&w->dice, 0, COMMIT_MS_MAX);
    trace_line(&w->trace, w->now.wall, "the clock steps by %lld ms", (long long)step);
}

// Events come at their time, or a little later; rarely the whole process stands still for long.
dur_ms clocks_lateness(struct world *w)
{
    if (!w->faults || !dice_chance(&w->dice, 100000))
        return 0;
    if (dice_chance(&w->dice, 2000)) {
        count(w, HAPPENING_STANDSTILL);
        return dice_skewed(&w->dice, 1000, 300000);
    }
    return dice_chance(&w->dice, 100000) ? dice_skewed(&w->dice, 1, 1000)
                                         : dice_between(&w->dice, 0, 3);
}
