# SPDX-License-Identifier: MIT
"""What is measured of each contender, one function for each question.

Each takes a folder of its own, which it may fill, and returns a dictionary of figures. All requests
go to the C target, whose log says who arrived when: (job, instant, arrival). A Died is raised when
a contender cannot do what is asked.
"""

import json
import sqlite3
import subprocess
import time
import urllib.request
from contextlib import closing
from datetime import datetime, timezone

import meter
from contenders import Died, seconds_since
from harness.jobs import create_job
from harness.times import EVERY_SECOND, now_ms, second_after, wall_text
from harness.wait import wait_until, wait_until_clock
from whole import BUILD, YEARLY, create_many, percentile, server_on, target_in

LATE_MS_MAX = 1000
WARM_UP_MS = 3000
FILLED_PER_MS = 60  # Rows, with some reserve.
HERD_LEAD_MS = 9000
HERD_CREATED_PER_MS = 4  # Of many jobs, with some reserve.
HERD_ALONE_MS = 250  # Its first moments, in which nobody asks how far it is.
HERD_SECONDS = 20
FIRE_SECONDS = 60


# --- Jobs that fire every second -----------------------------------------------------------------


def measure_load(contender, folder, rate, window_s):
    """`rate` jobs that fire every second, watched for the seconds of the window."""
    with target_in(folder) as target:
        return watch(contender, folder, target, rate, window_s)


def measure_grown(contender, folder, rate, past, window_s):
    """The same in a ledger that has `past` executions of each of the jobs already."""
    since_ms = second_after(20_000 + rate * past // FILLED_PER_MS)
    with target_in(folder) as target:
        with server_on(folder / contender.database) as server:
            start = f'"start_at":"{wall_text(since_ms)}"'
            create_many(server, rate, EVERY_SECOND, target.url("/ok"), start)
        fill_ledger(folder / contender.database, past)
        if now_ms() > since_ms - WARM_UP_MS:
            raise Died("not filled in time")
        return watch(contender, folder, target, rate, window_s, since_ms)


def watch(contender, folder, target, rate, window_s, since_ms=0):
    """The seconds of the window, which begins when the jobs have fired for a while."""
    with contender.running(folder, target.url("/ok"), jobs=rate) as running:
        since_ms = max(since_ms, running.since_ms)
        warm_up_ms = max(WARM_UP_MS, getattr(contender, "warm_up_ms", 0))
        first_ms = second_after(max(0, since_ms - now_ms()) + warm_up_ms)
        last_ms = first_ms + (window_s - 1) * 1000
        wait_until_clock(first_ms - 200)
        before_us, parts_before = meter.cpu_us(running.pids), parts_of(contender, running)
        wait_until_clock(last_ms + 800)
        spent_us = meter.cpu_us(running.pids) - before_us
        parts_after = parts_of(contender, running)
        wait_until_clock(last_ms + 1300)
    arrivals = list(target.read())
    due_ms = due_instants(contender, folder)
    during = sum(first_ms - 200 <= at / 1000 < last_ms + 800 for _, _, at in arrivals)
    window = [a for a in arrivals if first_ms <= a[1] <= last_ms]
    row = lateness(at / 1000 - due_ms.get((job, ms), ms) for job, ms, at in window)
    parts_us = {part: after - parts_before[part] for part, after in parts_after.items()}
    keys = {(job, ms) for job, ms, _ in window}
    everything = {(job, ms) for job, ms, _ in arrivals}
    return row | {
        "lost": rate * window_s - len(keys),
        "repeated": len(window) - len(keys),
        "unrecorded": max(0, len(everything) - running.counts["succeeded"]),
        **{what: per(us, during) for what, us in ({"cpu_us": spent_us} | parts_us).items()},
    }


def per(us, executions):
    return us / executions if executions else float("inf")


def parts_of(contender, running):
    """{"engine user": us so far, ...} of a contender whose threads have names."""
    names = getattr(contender, "threads", ())
    return meter.cpu_us_by_part(running.pids[0], names) if names else {}


def lateness(values):
    ordered = sorted(values) or [float("inf")]
    shares = {"p50": 0.50, "p99": 0.99, "p999": 0.999}
    row = {name: percentile(ordered, share) for name, share in shares.items()}
    return row | {"first": ordered[0], "max": ordered[-1]}


def due_instants(contender, folder):
    """{(job, instant): when it was due} of jobs with jitter, for which the two differ."""
    if not getattr(contender, "fields", ""):
        return {}
    query = "SELECT job_id, scheduled_at, due_at FROM job_executions WHERE due_at IS NOT NULL"
    with closing(sqlite3.connect(folder / contender.database)) as connection:
        return {(job, ms): due_ms for job, ms, due_ms in connection.execute(query)}


def is_sustained(row):
    faults = any(row[name] for name in ("lost", "repeated", "unrecorded"))
    return not faults and row["max"] < LATE_MS_MAX


# --- A herd at one instant -----------------------------------------------------------------------


def measure_herd(contender, folder, jobs):
    """So many jobs that are due at one instant, and never again."""
    at_ms = second_after(max(HERD_LEAD_MS, jobs // HERD_CREATED_PER_MS))
    at = datetime.fromtimestamp(at_ms // 1000, timezone.utc)
    schedule = f"{at.second} {at.minute} {at.hour} {at.day} {at.month} *"
    with target_in(folder) as target:
        with contender.running(folder, target.url("/ok"), jobs=jobs, schedule=schedule) as running:
            if now_ms() >= at_ms - 200:
                raise Died("not ready in time")
            wait_until_clock(at_ms + HERD_ALONE_MS)
            wait_for_requests(target, jobs)
            memory = memory_after_herd(contender, running)
        arrivals = list(target.read())
    keys = {job for job, _, _ in arrivals}
    row = lateness(at_us / 1000 - at_ms for _, _, at_us in arrivals)
    unrecorded = max(0, len(keys) - running.counts["succeeded"])
    return row | {
        "lost": jobs - len(keys),
        "repeated": len(arrivals) - len(keys),
        "unrecorded": unrecorded,
        **memory,
    }


# Only of Carillon: a peer may have died of the herd, which is told when it is stopped.
def memory_after_herd(contender, running):
    is_ours = hasattr(contender, "threads")
    return {"memory_mib": meter.memory_mib(running.pids)} if is_ours else {}


# Looks seldom: it shares the processors with what it watches.
def wait_for_requests(target, count):
    deadline = time.monotonic() + HERD_SECONDS
    while requests_of(target) < count and time.monotonic() < deadline:
        time.sleep(0.25)


def requests_of(target):
    with urllib.request.urlopen(target.url("/stats")) as answer:
        return json.load(answer)["requests"]


# --- Many idle jobs ------------------------------------------------------------------------------


def measure_idle(contender, folder, jobs):
    """A start with so many idle jobs and one that fires every second: how long until that one is
    on time, and how much memory all the processes take then. A job's share is what they take more
    than without the idle ones."""
    empty = folder / "empty"
    empty.mkdir()
    with target_in(folder) as target:
        _, empty_mib = measure_start(contender, empty, target, 0)
        with contender.running(folder, target.url("/ok"), jobs=1, idle=jobs):
            pass
        start_s, memory_mib = measure_start(contender, folder, target, jobs)
    job_bytes = (memory_mib - empty_mib) * 2**20 / jobs
    return {"start_s": start_s, "memory_mib": memory_mib, "job_bytes": job_bytes}


def measure_start(contender, folder, target, idle):
    start, start_ms = time.monotonic(), now_ms()
    with contender.running(folder, target.url("/ok"), jobs=1, idle=idle) as running:
        start_s = first_on_time_s(target, start, start_ms)
        return start_s, meter.memory_mib(running.pids)


def first_on_time_s(target, start, start_ms):
    def has_fired():
        since = (a for a in target.read() if a[1] >= start_ms)
        return any(at_us / 1000 - ms < LATE_MS_MAX for _, ms, at_us in since)

    wait_until(has_fired, FIRE_SECONDS, "a job fired on time")
    return seconds_since(start)


# --- The API -------------------------------------------------------------------------------------


def measure_create(contender, folder, jobs):
    """POST /jobs by 64 clients."""
    with target_in(folder) as target:
        with contender.running(folder, target.url("/ok")) as running:
            return {"per_s": jobs / create_many(running, jobs, YEARLY, target.url("/ok"))}


def get_many(port, path, connections, seconds):
    command = [BUILD / "bench" / "get_many", str(port), path, str(connections), str(seconds)]
    words = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    count, p50_us, p99_us, max_us = map(int, words[1:])
    times = {"p50_ms": p50_us / 1000, "p99_ms": p99_us / 1000, "max_ms": max_us / 1000}
    return {"per_s": count / seconds} | times


def measure_read(contender, folder, rows, load, seconds):
    """GET the last 5 executions of a job that has millions of them: at rest with 16 clients, and
    with one while `load` other executions are carried out each second."""
    keep = ("--retention-age", "0")
    database = folder / contender.database
    with target_in(folder) as target:
        with server_on(database, *keep) as server:
            job = create_job(server, target.url("/ok/read"))
        path = f"/jobs/{job['id']}/executions?limit=5"
        fill_ledger(database, rows)
        with server_on(database, *contender.arguments, *keep) as server:
            rest = get_many(server.port, path, 16, seconds)
            create_many(server, load, EVERY_SECOND, target.url("/ok/load"))
            wait_until_clock(second_after(WARM_UP_MS))
            busy = get_many(server.port, path, 1, seconds)
    return {f"rest_{name}": value for name, value in rest.items()} | {
        f"busy_{name}": value for name, value in busy.items()
    }


def fill_ledger(database, rows):
    """Executions of every job at each of so many seconds up to a day ago, as if they had run."""
    newest_ms = now_ms() // 1000 * 1000 - 86_400_000
    insert = """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
        INSERT INTO job_executions (id, job_id, status, scheduled_at, started_at, completed_at,
            duration, http_status, retry_count, series, trigger, attempts, recoveries)
        SELECT (i - 1) * :jobs + number + (SELECT execution_next FROM progress), job, 'SUCCESS', at,
            at + 1, at + 3, 2, 200, 0, 0, 'schedule', 1, 0
        FROM (SELECT i, :newest - (:rows - i) * 1000 AS at FROM n)
        CROSS JOIN (SELECT id AS job, row_number() OVER (ORDER BY id) AS number FROM jobs)"""
    count = """UPDATE progress SET execution_next = execution_next + :rows * :jobs + 1,
                   executions = executions + :rows * :jobs"""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")  # KiB: the index is written all over.
        (jobs,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
        connection.execute(insert, {"rows": rows, "newest": newest_ms, "jobs": jobs})
        connection.execute(count, {"rows": rows, "jobs": jobs})
        connection.commit()
