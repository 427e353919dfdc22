#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A whole cluster on this machine, to look at and to break: `./dev cluster`.

    tools/cluster.py [--workers 3] [--apis 2] [--ttl 5s]

PostgreSQL with a synchronous replica, Redis, HAProxy, API servers, workers, a target and sample
jobs, in a folder of its own, on ports that the kernel chooses. It says which addresses to open and
which processes to kill; Ctrl-C ends all of it, and leaves nothing. What it starts it starts by the
same code as the tests (test/e2e/harness).
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "e2e"))
os.environ.setdefault("CARILLON_BIN", str(ROOT / "build" / "carillon"))

from harness.cluster import Cluster  # noqa: E402
from harness.jobs import create_jobs  # noqa: E402
from harness.postgres import Postgres, url  # noqa: E402
from harness.redis import Redis  # noqa: E402

TARGET = ROOT / "build" / "release" / "test" / "target" / "target"
# name, schedule, path of the target, and what else the job has.
SAMPLES = (
    ("heartbeat", "* * * * * *", "/ok", {}),
    ("every five seconds", "*/5 * * * * *", "/ok", {}),
    ("slow export", "*/10 * * * * *", "/delay/3000", {}),
    ("one payment only", "*/15 * * * * *", "/ok", {"type": "ATMOST_ONCE"}),
    ("broken report", "*/30 * * * * *", "/status/500", {}),
    ("nightly in Paris", "30 2 * * *", "/ok", {"timezone": "Europe/Paris"}),
)
RESTART_SECONDS = 15
LOOK_SECONDS = 0.5
EVERY_SECOND = 60  # So many jobs more, so that each worker has something to do.


def arguments():
    parser = argparse.ArgumentParser(prog="./dev cluster", description=__doc__.split("\n")[0])
    parser.add_argument("--apis", type=int, default=2, help="API servers (2)")
    parser.add_argument("--workers", type=int, default=3, help="workers (3)")
    parser.add_argument("--ttl", default="5s", help="length of a lease (5s)")
    return parser.parse_args()


class SampleTarget:
    """The target that the benchmarks use. Its process ends with this one."""

    def __enter__(self):
        self.process = subprocess.Popen(
            [TARGET], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.port = int(self.process.stdout.readline().split()[1])
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def sample_jobs(port):
    base = f"http://127.0.0.1:{port}"
    jobs = [
        {"name": name, "schedule": schedule, "api": base + path, **more}
        for name, schedule, path, more in SAMPLES
    ]
    for n in range(EVERY_SECOND):
        name = f"every second, {n + 1}"
        jobs.append({"name": name, "schedule": "* * * * * *", "api": f"{base}/ok/{n + 1}"})
    return jobs


def say(text=""):
    print(text, flush=True)


def show(cluster, primary, replica, redis, target):
    door = f"http://127.0.0.1:{cluster.door.port}"
    psql = f"{primary.programs}/psql '{primary.url()}'"
    say("\nThe cluster runs. Its address, through the load balancer:\n")
    for path in ("/cluster", "/jobs", "/observability/executions/recent", "/observability/health"):
        say(f"  curl -s {door}{path}")
    say(f"  {psql}")
    say("\nKill what you like, also with -9, and look at /cluster:\n")
    rows = [(n.process.pid, n.name, f"http://127.0.0.1:{n.port}") for n in cluster.nodes]
    rows += [
        (primary.pid, "PostgreSQL, the primary", primary.folder.path),
        (replica.pid, "PostgreSQL, the replica: without it commits wait", replica.folder.path),
        (redis.pid, "Redis", redis.socket),
        (cluster.balancer.pid, "HAProxy", door),
        (target.process.pid, "the target of the jobs", f"http://127.0.0.1:{target.port}"),
    ]
    for pid, name, where in rows:
        say(f"  kill -9 {pid:<9} # {name}: {where}")
    say("\nWhat ends is named here. Ctrl-C ends all of it.\n")


class Watch:
    """Names each process that has ended, and does what a supervisor and a manager of databases do:
    starts a node or Redis again after a while, promotes the replica when the primary has ended."""

    def __init__(self, cluster, primary, replica, redis):
        self.ended = {}  # When we saw that a process had ended, by its name.
        self.parts = [(node.name, node, node.start) for node in cluster.nodes]
        self.parts.append(("Redis", redis.process, redis.start))
        self.primary = primary
        self.replica = replica
        self.is_promoted = False

    def look(self):
        for name, part, start in self.parts:
            if part.is_running:
                continue
            if name not in self.ended:
                self.ended[name] = time.monotonic()
                say(f"  {name} ended; it is started again in {RESTART_SECONDS} s")
                if part.process.poll() != -signal.SIGKILL and part.lines:
                    say(f"    {part.lines[-1]}")  # Nobody has killed it: this is why.
            if time.monotonic() - self.ended[name] >= RESTART_SECONDS:
                start()
                del self.ended[name]
                say(f"  {name} runs again, as process {part.process.pid}")
        if not self.primary.process.is_running and not self.is_promoted:
            say("  the primary of PostgreSQL ended; its replica is promoted")
            self.replica.promote()
            self.is_promoted = True


def run(options):
    with ExitStack() as stack:
        say("starting PostgreSQL, its replica, Redis, the nodes and HAProxy ...")
        primary = stack.enter_context(Postgres())
        replica = stack.enter_context(primary.make_replica())
        redis = stack.enter_context(Redis())
        target = stack.enter_context(SampleTarget())
        cluster = Cluster(
            url(primary, replica),
            apis=options.apis,
            workers=options.workers,
            ttl=options.ttl,
            arguments=("--redis", redis.url),
            prefix=("setpriv", "--pdeathsig", "KILL", "setsid"),  # Ctrl-C is ours.
        )
        stack.enter_context(cluster)
        create_jobs(cluster.door, sample_jobs(target.port))
        show(cluster, primary, replica, redis, target)
        watch = Watch(cluster, primary, replica, redis)
        while True:
            watch.look()
            time.sleep(LOOK_SECONDS)


def main():
    def stop(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    try:
        run(arguments())
    except KeyboardInterrupt:
        say("\neverything has ended")
    return 0


sys.exit(main())
