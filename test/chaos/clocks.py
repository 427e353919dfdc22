# SPDX-License-Identifier: MIT
"""Scenarios of time: a server that is stopped and goes on, and a wall clock that steps.

The steps are made by steps.c, a library in front of libc: the wall clock and the timers on it are
shifted for the server alone, and its monotonic clocks are not.
"""

import signal

from harness.jobs import expect
from harness.times import now_ms
from harness.wait import wait_until, wait_until_clock
from history import DAILY
from world import preload, run_for

STOPS_SECONDS = (0.5, 1.0, 3.0, 8.0, 20.0)
DAY_MS = 86_400_000
BEHAVIOURS = ("ok", "ok", "delay/40", "ok")


def stop_and_continue(world, options):
    """SIGSTOP for half a second to twenty, then SIGCONT."""
    stops = [s for s in STOPS_SECONDS if s <= max(1.0, options.kills / 5)]
    world.start()
    world.create_load(share=0.5)
    for seconds in stops:
        run_for(1.5 + world.random.random())
        world.server.signal(signal.SIGSTOP)
        run_for(seconds)
        world.server.signal(signal.SIGCONT)
    run_for(2)
    world.finish()
    return [f"stopped for {', '.join(map(str, stops))} s"]


# --- A clock that steps --------------------------------------------------------------------------


def start_with_clock(world, offset_ms):
    """The jobs are of every second, half of them ATMOST_ONCE."""
    world.step_clock(offset_ms)
    world.environment = preload("steps", STEP_FILE=world.offset_file)
    world.start()
    for job_type in ("ATLEAST_ONCE", "ATMOST_ONCE"):
        for behaviour in BEHAVIOURS:
            world.create(behaviour, job_type)


def wait_for_clock_alert(world, words):
    def raised():
        alerts = expect(world.server.get("/observability/alerts"), 200).json["alerts"]
        return [a for a in alerts if a["kind"] == "clock" and words in a["message"]]

    wait_until(raised, 10, f"an alert says {words!r}")


def wait_until_server_clock(world, instant_ms):
    wait_until_clock(instant_ms - world.offset_ms)


def back_300_seconds(world, _):
    """The clock goes back by 300 s: schedules hold, also through a kill -9; nothing comes twice."""
    start_with_clock(world, 0)
    run_for(3)
    wait_until_clock(now_ms() // 1000 * 1000 + 1500)  # Nothing is being sent.
    stepped_ms = now_ms()
    world.step_clock(-300_000)
    wait_for_clock_alert(world, "clock stepped")
    run_for(1)
    before = len(world.arrivals())
    run_for(2)
    world.end_now()
    world.start()
    run_for(2)
    if len(world.arrivals()) != before:
        world.problems.append("sent while the clock was behind the watermark")
    world.trigger(next(iter(world.jobs.values())))  # What is asked for by hand need not wait.
    world.step_clock(-(now_ms() - stepped_ms) - 2000)  # Soon it is where it was.
    run_for(6)
    world.finish()
    return ["held, then went on"]


def back_2_hours(world, _):
    """The clock was two hours ahead and is corrected: schedules go on at once, under other keys."""
    start_with_clock(world, 0)
    run_for(3)
    wait_until_clock(now_ms() // 1000 * 1000 + 1500)
    before_ms = world.wall_ms()
    world.step_clock(-7_200_000)
    for job in world.jobs.values():
        job.correct_clock(before_ms, world.wall_ms())
    wait_for_clock_alert(world, "clock corrected")
    run_for(3)
    world.end_now()
    world.start()
    run_for(2)
    world.finish()
    return ["went on at once"]


def back_1_second_at_midnight(world, _):
    """Half a second after midnight the clock goes back by one: midnight comes only once."""
    midnight_ms = (now_ms() // DAY_MS + 3) * DAY_MS
    start_with_clock(world, midnight_ms - 4000 - now_ms())
    for _ in range(4):
        world.create("ok", schedule=DAILY)
    wait_until_server_clock(world, midnight_ms + 500)
    world.step_clock(world.offset_ms - 1000)
    wait_for_clock_alert(world, "clock stepped")
    wait_until_server_clock(world, midnight_ms + 4000)
    world.finish()
    return ["midnight came once"]


def ahead_600_seconds(world, _):
    """The clock goes ahead by 600 s: what lies between is caught up, or missed by policy."""
    start_with_clock(world, 0)
    run_for(3)
    world.step_clock(600_000)
    run_for(3)
    world.end_now()
    world.start()
    run_for(2)
    world.finish()
    return ["caught up"]
