# SPDX-License-Identifier: MIT
"""A cluster with very many jobs: how long a start and the death of a worker are felt.

The jobs run once an hour, spread over its seconds. They are copies of one that the API has made,
put into the tables by SQL while no worker runs: a million by the API would take minutes.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test" / "e2e"))

from harness.cluster import Cluster  # noqa: E402
from harness.jobs import create_job  # noqa: E402
from harness.times import now_ms  # noqa: E402
from harness.wait import wait_until  # noqa: E402
from whole import percentile, target_in  # noqa: E402

SCHEDULE = "H H * * * *"
LATE_MS = 1000
LATEST_MS = 10000  # What comes later than that is counted as lost.
WATCHED_MS = 20000
SHARDS = 256
COLUMNS = "{:<42} {:>9} {:>6} {:>8} {:>8} {:>8} {:>6}"
COLUMNS_OF = "SELECT column_name FROM information_schema.columns WHERE table_name = '{}'"
COPY = """INSERT INTO {table} ({id}, {columns}) SELECT (n / {shards} + 1) * {shards} + n % {shards},
          {columns} FROM {table}, generate_series(0, {last}) AS n WHERE {id} = {job}
          ON CONFLICT DO NOTHING"""


def fill(postgres, job, count):
    """Copies of the job: as many as there are to be, with ids as the shards give them."""
    for table, column in (("job_versions", "job_id"), ("jobs", "id")):
        names = [row[0] for row in postgres.ask(COLUMNS_OF.format(table)) if row[0] != column]
        numbers = {"id": column, "job": job, "shards": SHARDS, "last": count - 1}
        postgres.ask(COPY.format(table=table, columns=", ".join(names), **numbers))
    postgres.ask(f"UPDATE shards SET job_next = {count // SHARDS + 2}")
    postgres.ask("ANALYZE jobs")


def first_arrivals(target, since_ms, until_ms):
    """{(job, instant): ms too late} of what was due from the one instant to the other."""
    first = {}
    for job, instant_ms, arrival_us in target.read():
        if since_ms <= instant_ms < until_ms:
            first.setdefault((job, instant_ms), arrival_us / 1000 - instant_ms)
    return first


def print_row(name, since_ms, came, lost):
    late = sorted(came.values())
    figures = [f"{percentile(late, share):.0f}" for share in (0.5, 0.99, 1)] if late else [""] * 3
    over = [instant - since_ms for (_, instant), by in came.items() if by > LATE_MS]
    on_time = (max(over) // 1000 + 1) if over else 0
    print(COLUMNS.format(name, len(late), *figures, on_time, lost), flush=True)


def watch(postgres, target, since_ms, name):
    """What was due in some seconds from an instant on, held against the rows of the database."""
    until_ms = since_ms + WATCHED_MS
    wait_until(lambda: now_ms() > until_ms + LATEST_MS, 120, "the window is over")
    came = first_arrivals(target, since_ms, until_ms)
    span = f"scheduled_at >= {since_ms} AND scheduled_at < {until_ms}"
    rows = postgres.ask(f"SELECT job_id, scheduled_at FROM job_executions WHERE {span}")
    lost = sum((int(job), int(at)) not in came for job, at in rows)
    print_row(name, since_ms, came, lost)


def stop_workers(cluster):
    for node in cluster.workers:
        node.stop()


def leave_out_the_past(postgres):
    """What was missed while nobody ran is not what is measured."""
    postgres.ask(f"UPDATE shards SET watermark = {now_ms()}, open_from = {now_ms()}")


def start_workers(cluster):
    began_ms = now_ms()
    for node in cluster.workers:
        node.begin()
    for node in cluster.workers:
        node.runs[-1].wait_until_listening()
        node._port = node.port
    return began_ms


def measure(postgres, folder, jobs, ttl):
    print(f"{jobs} jobs of every hour, --lease-ttl {ttl}, milliseconds")
    print("on time: from so many seconds after the event on nothing was later than a second")
    print(COLUMNS.format("", "requests", "p50", "p99", "latest", "on time", "lost"))
    with target_in(folder) as target, Cluster(postgres.url(), ttl=ttl, balancer=False) as cluster:
        job = create_job(cluster.door, target.url("/ok"), SCHEDULE)["id"]
        stop_workers(cluster)
        fill(postgres, job, jobs)
        leave_out_the_past(postgres)
        began_ms = start_workers(cluster)
        watch(postgres, target, began_ms, "three workers start")
        cluster.wait_until_shared()
        killed_ms = now_ms()
        cluster.workers[0].kill()
        watch(postgres, target, killed_ms, "one of them is killed: all jobs")
