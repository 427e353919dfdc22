# SPDX-License-Identifier: MIT
"""What a cluster does apart from executions: it makes jobs, restarts, and idles."""

import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test" / "e2e"))

from harness.cluster import Cluster  # noqa: E402
from harness.times import EVERY_SECOND, now_ms  # noqa: E402
from harness.wait import wait_until  # noqa: E402
from whole import BUILD, YEARLY, percentile, target_in  # noqa: E402

CLIENTS = 64
CREATED = 10_000  # By all clients,
CREATED_ALONE = 300  # and by one that is alone.
WARM_UP = 2_000
SETTLE_S = 8  # What follows a start is over.
IDLE_S = 20
STATEMENT = re.compile(r"LOG:  (?:execute|statement)")  # Each is a transaction of its own.


# --- Making jobs ---------------------------------------------------------------------------------


def create(node, url, count, clients, schedule=YEARLY):
    """(jobs per second, median and 99th percentile of the answers in ms)."""
    command = [BUILD / "bench" / "create_jobs", str(node.port), str(count), schedule, url, ""]
    run = subprocess.run([*command, str(clients)], check=True, stdout=subprocess.PIPE, text=True)
    seconds, median_ms, late_ms = map(float, run.stdout.split()[2:])
    return count / seconds, median_ms, late_ms


def measure_create(postgres, folder, ttl):
    print("POST /jobs through an API server, two workers; median and p99 in milliseconds")
    row = "{:<42} {:>9} {:>8} {:>8}"
    print(row.format("", "jobs/s", "median", "p99"))
    with target_in(folder) as target:
        with Cluster(postgres.url(), apis=1, workers=2, ttl=ttl, balancer=False) as cluster:
            node, url = cluster.apis[0], target.url("/ok")
            create(node, url, WARM_UP, CLIENTS)
            for clients, count in ((CLIENTS, CREATED), (1, CREATED_ALONE)):
                rate, median_ms, late_ms = create(node, url, count, clients)
                figures = (f"{rate:.0f}", f"{median_ms:.1f}", f"{late_ms:.1f}")
                print(row.format(f"{clients} clients", *figures), flush=True)


# --- A rolling restart ---------------------------------------------------------------------------


def restart_all(cluster):
    began_ms = now_ms()
    for node in cluster.nodes:
        node.stop()
        node.start()
        cluster.wait_until_shared()
    return began_ms, now_ms()


def arrivals_between(target, began_ms, ended_ms):
    """{(job, instant): [ms too late, ...]}"""
    found = {}
    for job, instant_ms, arrival_us in target.read():
        if began_ms <= instant_ms < ended_ms:
            found.setdefault((job, instant_ms), []).append(arrival_us / 1000 - instant_ms)
    return found


def measure_restart(postgres, folder, jobs, rounds, ttl):
    print(f"{jobs} jobs of every second, --lease-ttl {ttl}: every node is restarted; milliseconds")
    row = "{:<42} {:>9} {:>6} {:>8} {:>8} {:>6} {:>9}"
    print(row.format("", "requests", "p50", "p99", "latest", "lost", "repeated"))
    with target_in(folder) as target, Cluster(postgres.url(), ttl=ttl) as cluster:
        create(cluster.apis[0], target.url("/ok"), jobs, CLIENTS, EVERY_SECOND)
        wait_until(lambda: sum(1 for _ in target.read()) > 5 * jobs, 120, "the jobs run")
        for number in range(1, rounds + 1):
            began_ms, ended_ms = restart_all(cluster)
            wait_until(lambda: now_ms() > ended_ms + 5000, 60, "what is late has come")
            came = arrivals_between(target, began_ms, ended_ms)
            late = sorted(times[0] for times in came.values())
            figures = [f"{percentile(late, share):.0f}" for share in (0.5, 0.99, 1)]
            lost = jobs * len({instant for _, instant in came}) - len(came)
            repeated = sum(len(times) > 1 for times in came.values())
            name = f"restart {number}, of {(ended_ms - began_ms) / 1000:.0f} s"
            print(row.format(name, len(late), *figures, lost, repeated), flush=True)


# --- Idling --------------------------------------------------------------------------------------


def statements(postgres):
    return sum(1 for line in list(postgres.process.lines) if STATEMENT.search(line))


def measure_idle(postgres):
    print("transactions in a second of each node that has nothing to do")
    for ttl in ("2s", "5s"):
        for nodes in (1, 3):
            name = f"idle_{ttl}_{nodes}"
            url = postgres.make_database(name)
            postgres.ask(f"ALTER DATABASE {name} SET log_statement = 'all'", "postgres")
            with Cluster(url, apis=0, workers=0, alls=nodes, ttl=ttl, balancer=False):
                time.sleep(SETTLE_S)
                before, began = statements(postgres), time.monotonic()
                time.sleep(IDLE_S)
                rate = (statements(postgres) - before) / (time.monotonic() - began) / nodes
                print(f"{nodes} nodes, --lease-ttl {ttl}: {rate:.1f}", flush=True)
