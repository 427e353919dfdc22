# SPDX-License-Identifier: MIT
"""Scenarios in which the server is killed by SIGKILL: at random, around the instants, in the middle
of a write, and by the target that it calls."""

from editor import Editor
from harness.times import now_ms
from harness.wait import wait_until_clock
from world import preload, run_for

FAULTY_SECONDS_MAX = 3  # A server that has not got as far as to its fault is killed then.


def next_second_ms(at_ms):
    return -(-at_ms // 1000) * 1000


def kill_instants(generator, count, pause_ms, around_ms):
    """`count` moments; half of them at any time of a second, the others around a whole one, when
    requests are about to leave, under way, or done and not yet written."""
    at_ms = now_ms() + 1000
    for n in range(count):
        at_ms += generator.randrange(*pause_ms)
        yield next_second_ms(at_ms) + generator.randrange(*around_ms) if n % 2 else at_ms


def kill_at(world, instants):
    for at_ms in instants:
        wait_until_clock(at_ms)
        world.end_now()
        world.start()


def kills(world, options):
    """kill -9 at random instants, under load and edits."""
    world.start()
    world.create_load()
    with Editor(world) as editor:
        kill_at(world, kill_instants(world.random, options.kills, (250, 1100), (-20, 80)))
    world.finish()
    return [f"kills={options.kills}", f"edits={editor.answered}"]


def at_most_once(world, options):
    """kill -9 around the instants of ATMOST_ONCE jobs."""
    count = max(2, options.kills // 5)
    world.start()
    for n in range(40):
        behaviour = ("ok", "delay/20", "delay/80", "reset")[n % 4]
        world.create(behaviour, "ATMOST_ONCE")
    for at_ms in kill_instants(world.random, 2 * count, (600, 900), (-30, 60)):
        if at_ms % 1000 < 60 or at_ms % 1000 >= 970:
            kill_at(world, [at_ms])
    world.finish()
    return [f"kills={world.kills}"]


def die_at_call(world, fault):
    """A life of a server with the fault, which may be too short to listen."""
    world.launch(**preload("faults", FAULT_FILE=world.database, **fault))
    world.lives_to_listen()
    code = world.wait_for_death(FAULTY_SECONDS_MAX)
    if code is None:
        world.end_now()
    elif code == -9:
        world.kills += 1
    else:
        world.problems.append(f"it ended by itself: {world.last_words()}")


def some_fault(generator):
    """Mostly a small number, sometimes a large one: the calls of a start, and those after it."""
    nth = generator.choice((generator.randrange(1, 12), generator.randrange(1, 120)))
    calls = generator.choice(("any", "write", "sync"))
    act = generator.choice(("kill", "tear") if calls != "sync" else ("kill",))
    return {"FAULT_NTH": nth, "FAULT_CALLS": calls, "FAULT_ACT": act}


def nth_call(world, options):
    """kill -9 right after, or in the middle of, the nth write or sync of the database."""
    for nth in range(1, 2 + options.kills // 10):  # While the database is being made.
        die_at_call(world, {"FAULT_NTH": nth, "FAULT_CALLS": "any", "FAULT_ACT": "kill"})
    world.start()
    world.create_load(share=0.5)
    with Editor(world) as editor:
        for _ in range(max(2, options.kills // 4)):
            run_for(world.random.uniform(0, 0.6))
            world.end_now()
            die_at_call(world, some_fault(world.random))
            world.start()
    world.finish()
    return [f"kills={world.kills}", f"edits={editor.answered}"]


def killing_target(world, options):
    """A target that kills the server while it sends a request."""
    count = max(2, options.kills // 10)
    world.start()
    world.create_load(share=0.3)
    world.create("kill/50", schedule="*/2 * * * * *")
    world.target.is_armed = True
    while world.target.kills < count:
        assert world.wait_for_death(60) == -9, world.last_words()
        world.launch()
        while not world.lives_to_listen():
            assert world.wait_for_death(0) == -9, world.last_words()
            world.launch()
    world.target.is_armed = False
    world.finish()
    return [f"kills={world.target.kills}"]
