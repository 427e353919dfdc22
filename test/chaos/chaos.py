#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""./dev chaos: tries to make Carillon lose something.

Real processes on a real database: servers are killed, stopped, lied to about the time and the disk;
then the server is started once more, and what the jobs owed is counted in its database and at the
target. Each scenario prints a line, and all together one more:

    expected=N recorded=N delivered=N lost=0 repeated=K (all labelled)

`--cluster` is a scenario of its own, with several nodes, PostgreSQL, Redis and a load balancer.
`--kills 100` means a hundred kills in the first scenario, and as much of the others as goes with
it. The exit code is 1 when anything was lost, doubled, early, sent without being owed, or repeated
without its first key and a higher attempt number, or when an ATMOST_ONCE execution came twice.
docs/reliability.md says what is promised and what the scenarios do.
"""

import argparse
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

import clocks  # noqa: E402
import disks  # noqa: E402
import edits  # noqa: E402
import kills  # noqa: E402
import moves  # noqa: E402
import nodes  # noqa: E402
import snapshots  # noqa: E402
from cluster_world import ClusterWorld, PooledWorld, QueueWorld, UpgradedWorld  # noqa: E402
from harness.program import BINARY  # noqa: E402
from snapshots import SnapshotWorld  # noqa: E402
from verdict import Verdict  # noqa: E402
from world import World  # noqa: E402

PROBLEMS_SHOWN = 10
SCENARIOS = {
    "kills": kills.kills,
    "at-most-once": kills.at_most_once,
    "nth-call": kills.nth_call,
    "target": kills.killing_target,
    "stop": clocks.stop_and_continue,
    "back-300": clocks.back_300_seconds,
    "back-7200": clocks.back_2_hours,
    "midnight": clocks.back_1_second_at_midnight,
    "ahead-600": clocks.ahead_600_seconds,
    "full-disk": disks.full_disk,
    "broken-disk": disks.broken_disk,
    "edits": edits.edits,
}
# The scenarios of a cluster, each with the world that it plays in.
CLUSTER = {
    "cluster": (nodes.cluster, ClusterWorld),
    "pooler": (nodes.pooler, PooledWorld),
    "queue": (nodes.queue, QueueWorld),
    "upgrade": (nodes.upgrade, UpgradedWorld),
    "move": (moves.move, moves.MovingWorld),
    "snapshot": (snapshots.snapshot, SnapshotWorld),
}


def arguments():
    every = [*SCENARIOS, *CLUSTER]
    names = ", ".join(every)
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--kills", type=int, default=100, metavar="N", help="how hard to try (default 100)")
    add("--seed", type=int, default=int(time.time()) % 1_000_000, help="what is drawn at random")
    add("--minutes", type=float, default=0, metavar="M", help="go on with new seeds for so long")
    add("--only", action="append", choices=every, metavar="NAME", help=f"one of: {names}")
    add("--cluster", action="store_true", help="a cluster of nodes, with N faults in each scenario")
    add("--old-binary", default=BINARY, metavar="FILE", help="the version before, for upgrade")
    add("--hold", type=float, default=600, metavar="S", help="snapshot: held for so many seconds")
    add("--rate", type=int, default=1000, metavar="N", help="snapshot: executions per second")
    return parser.parse_args()


def run(name, options, seed):
    """The verdict on one scenario, whose line is printed."""
    begin = time.monotonic()
    verdict = Verdict()
    scenario, kind = CLUSTER.get(name) or (SCENARIOS[name], World)
    with tempfile.TemporaryDirectory(prefix="carillon-chaos-") as folder:
        with kind(folder, seed, options) as world:
            try:
                notes = scenario(world, options)
                verdict = world.judge()
            except Exception:
                notes = ["ended early"]
                verdict.problems = [f"{traceback.format_exc()}\n{world.last_words()}"]
    words = [*notes, *verdict.details(), f"{time.monotonic() - begin:.0f} s"]
    print(f"{name:<13}{verdict}  {', '.join(words)}", flush=True)
    for problem in verdict.problems[:PROBLEMS_SHOWN]:
        print(f"  {problem}", flush=True)
    if len(verdict.problems) > PROBLEMS_SHOWN:
        print(f"  and {len(verdict.problems) - PROBLEMS_SHOWN} more", flush=True)
    return verdict


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("chaos: stopped"))  # Ends its servers, too.
    if not BINARY.exists():
        sys.exit(f"there is no {BINARY}: build it first, with ./dev build")
    deadline = time.monotonic() + options.minutes * 60
    seed = options.seed
    total = Verdict()
    while True:
        print(f"seed {seed}: repeat with --seed {seed} --kills {options.kills}", flush=True)
        for name in options.only or (CLUSTER if options.cluster else SCENARIOS):
            total.add(run(name, options, seed))
        seed += 1
        if time.monotonic() >= deadline:
            break
    print(f"{'total':<13}{total}")
    return 1 if total.lost or total.problems else 0


if __name__ == "__main__":
    sys.exit(main())
