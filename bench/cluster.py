#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures what the death of a worker, a restart of all nodes, and jobs in plenty are to a cluster.

    bench/cluster.py [--only faults|restart|create|crowd|idle] [--jobs N] [--rounds N] [--ttl 2s]

Two API servers, three workers, PostgreSQL and the target, all on this machine.

  faults   150 jobs fire every second. In each round a worker is killed with -9, and started again
           once the others have its shards; at the end every node is stopped and started, one after
           the other. Per row: how late the requests came, how many never came, and how many came
           twice.
  restart  the restart of all nodes, under 1,000 executions per second
  create   how many jobs clients of an API server make in a second, and how long one waits
  crowd    1,000,000 jobs: from when on all are on time, after a start of all workers and after the
           death of one
  idle     what nodes ask of the database that have nothing to do

Without --only, all of them. --jobs and --rounds change what is written there of the part.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test" / "e2e"))

import calm  # noqa: E402
import crowd  # noqa: E402
from harness.account import Account  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.target import Target  # noqa: E402
from harness.times import now_ms  # noqa: E402
from harness.wait import wait_until  # noqa: E402

WINDOW_MS = 10000  # After a fault.
COLUMNS = "{:<42} {:>9} {:>8} {:>8} {:>8} {:>6} {:>9}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--ttl", default="2s")
    return parser.parse_args()


def instant_of(arrival):
    return int(arrival.key.split("-")[1])


def lateness(arrivals):
    """Of the first request of each execution."""
    first = {}
    for arrival in arrivals:
        first.setdefault(arrival.key, arrival.at_ms - instant_of(arrival))
    return sorted(first.values())


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0


def print_row(name, arrivals, lost="", repeated=""):
    late = lateness(arrivals)
    figures = [f"{percentile(late, share):.0f}" for share in (0.5, 0.99, 1)]
    print(COLUMNS.format(name, len(late), *figures, lost, repeated), flush=True)


def wait_seconds_of(target, jobs, seconds):
    before = len(target.arrivals())
    wait_until(lambda: len(target.arrivals()) >= before + jobs * seconds, 120, "jobs run")


def kill_one(cluster, target, jobs, n):
    """The requests of the window after the kill: of the victim's share, and of the others."""
    fences = {arrival.job_id: arrival.fence for arrival in target.arrivals()}
    victim = cluster.workers[n % len(cluster.workers)]
    killed_ms = now_ms()
    victim.kill()
    cluster.wait_until_shared()
    wait_until(lambda: now_ms() > killed_ms + WINDOW_MS, 60, "the window is over")
    came = [a for a in target.arrivals() if 0 <= instant_of(a) - killed_ms < WINDOW_MS / 2]
    moved = {a.job_id for a in came if a.fence != fences.get(a.job_id)}
    victim.start()
    cluster.wait_until_shared()
    return [a for a in came if a.job_id in moved], [a for a in came if a.job_id not in moved]


def restart_all(cluster, target, jobs):
    began_ms = now_ms()
    for node in cluster.nodes:
        node.stop()
        node.start()
        cluster.wait_until_shared()
    wait_seconds_of(target, jobs, 2)
    return [a for a in target.arrivals() if instant_of(a) >= began_ms]


def settle(account, cluster):
    account.settle(cluster.door, 120)
    owed = {e["id"] for e in account.owed_executions()}
    keys = account.arrivals_by_key()
    return len(owed - keys.keys()), sum(len(keys.get(key, ())) > 1 for key in owed)


def measure_faults(postgres, jobs, rounds, ttl):
    print(f"{jobs} jobs of every second, --lease-ttl {ttl}, milliseconds")
    print(COLUMNS.format("", "requests", "p50", "p99", "latest", "lost", "repeated"))
    with Target() as target, Cluster(postgres.url(), ttl=ttl) as cluster:
        account = Account(cluster.door, target, jobs)
        wait_seconds_of(target, jobs, 5)
        print_row("nothing happens", target.arrivals())
        share, others = [], []
        for n in range(rounds):
            of_one, of_others = kill_one(cluster, target, jobs, n)
            share += of_one
            others += of_others
        lost, repeated = settle(account, cluster)
        name = f"a worker is killed, {rounds} times: its share"
        print_row(name, share, lost, repeated)
        print_row("  the others", others)
        account = Account(cluster.door, target, jobs)
        wait_seconds_of(target, jobs, 3)
        came = restart_all(cluster, target, jobs)
        print_row("every node is restarted", came, *settle(account, cluster))


PARTS = {
    "faults": lambda p, _, o: measure_faults(p, o.jobs or 150, o.rounds or 5, o.ttl),
    "restart": lambda p, f, o: calm.measure_restart(p, f, o.jobs or 1000, o.rounds or 3, o.ttl),
    "create": lambda p, f, o: calm.measure_create(p, f, o.ttl),
    "crowd": lambda p, f, o: crowd.measure(p, f, o.jobs or 1_000_000, o.ttl),
    "idle": lambda p, _, __: calm.measure_idle(p),
}


def main():
    options = arguments()
    for part in [options.only] if options.only else PARTS:
        with Postgres() as postgres, tempfile.TemporaryDirectory() as folder:
            PARTS[part](postgres, Path(folder), options)
    return 0


sys.exit(main())
