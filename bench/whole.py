#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the whole program: the real binary, the C target beside it, loopback, a real disk.

    bench/whole.py [--rates 1000,5000,...] [--window SECONDS] [--idle JOBS] [--folder FOLDER]

Three questions, each with databases of its own:

  load    N jobs that fire every second, for each N: are all executions durable, delivered once and
          on time, and at what price? A rate is *sustained* when in the window each job has a
          SUCCESS row for each second, each reached the target exactly once, and none was later
          than a second. Lateness is arrival at the target minus the instant of the schedule, so it
          includes the way through the kernel and the target itself. The CPU time is the server's,
          per request.
  idle    what 100,000 jobs that are not due cost in memory
  start   how long a start with them takes: to the first answer, and to the first firing on time

Loss or a duplicate is printed, never averaged away.
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "test" / "e2e"))

import meter  # noqa: E402
from harness.jobs import create_job  # noqa: E402
from harness.program import Program, server_arguments  # noqa: E402
from harness.times import EVERY_SECOND, now_ms  # noqa: E402
from harness.wait import wait_until, wait_until_clock  # noqa: E402

BUILD = ROOT / "build" / "release"
RATES = "1000,2000,5000,8000,12000,16000,20000"
YEARLY = "0 0 0 1 1 *"
LATE_MS_MAX = 1000
WARM_UP_MS = 4000


# --- The processes -------------------------------------------------------------------------------


class Arrivals:
    """The C target and its log: who arrived when."""

    def __init__(self, folder):
        self.log = folder / "arrivals"
        self.process = subprocess.Popen(
            [BUILD / "test" / "target" / "target", "--log", self.log],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline().split()[1])

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def read(self):
        """(job, instant in ms, arrival in us) of each request so far that a schedule asked for."""
        with open(self.log) as log:
            for line in log:
                if line.endswith("\n"):  # The last one may not have been written whole yet.
                    arrival_us, _method, _path, key, _attempt = line.split(" ")
                    job, _, instant_ms = key.partition("-")
                    if instant_ms.isdigit():  # A manual execution has none.
                        yield int(job), int(instant_ms), int(arrival_us)


@contextmanager
def target_in(folder):
    target = Arrivals(folder)
    try:
        yield target
    finally:
        target.stop()


@contextmanager
def server_on(database, *arguments):
    server = Program(*server_arguments(database, *arguments))
    try:
        yield server.wait_until_listening()
        server.stop()
    finally:
        if server.is_running:
            server.kill()


def create_many(server, count, schedule, url, fields=""):
    """Seconds that it took. `fields` are further members of each job, as JSON."""
    program = BUILD / "bench" / "create_jobs"
    command = [program, str(server.port), str(count), schedule, url, fields]
    words = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(words[2])


def cpu_us(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 // os.sysconf("SC_CLK_TCK")


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# --- Load ----------------------------------------------------------------------------------------


def rows_in_window(database, first_ms, last_ms):
    """(rows, rows that are SUCCESS) whose instant is in the window."""
    query = """SELECT count(*), coalesce(sum(status = 'SUCCESS'), 0) FROM job_executions
               WHERE scheduled_at BETWEEN ? AND ?"""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(query, (first_ms, last_ms)).fetchone()


def arrivals_in_window(target, first_ms, last_ms):
    """(sorted lateness in ms of the window's instants, how many different keys that were,
    requests that came during the window)."""
    keys, late_ms, during = set(), [], 0
    for job, instant_ms, arrival_us in target.read():
        during += first_ms <= arrival_us / 1000 < last_ms + 1000
        if first_ms <= instant_ms <= last_ms:
            keys.add((job, instant_ms))
            late_ms.append(arrival_us / 1000 - instant_ms)
    return sorted(late_ms), len(keys), during


def measure_load(folder, jobs, window_s):
    """One row of the table."""
    database = folder / "carillon.db"
    with target_in(folder) as target:
        with server_on(database) as server:
            create_s = create_many(server, jobs, EVERY_SECOND, target.url("/ok"))
            first_ms = (now_ms() + WARM_UP_MS) // 1000 * 1000
            last_ms = first_ms + (window_s - 1) * 1000
            pid = server.process.pid
            wait_until_clock(first_ms - 500)
            before_us = cpu_us(pid)
            wait_until_clock(last_ms + 500)
            spent_us = cpu_us(pid) - before_us
            memory_mib = meter.memory_mib([pid])
            wait_until_clock(last_ms + 2000)
        late_ms, keys, during = arrivals_in_window(target, first_ms, last_ms)
    rows, successes = rows_in_window(database, first_ms, last_ms)
    due = jobs * window_s
    return {
        "due/s": jobs,
        "done/s": during / window_s,
        "lost": due - keys,
        "no row": due - rows,
        "failed": rows - successes,
        "repeated": len(late_ms) - keys,
        "late ms min": late_ms[0],
        "p50": percentile(late_ms, 0.50),
        "p99": percentile(late_ms, 0.99),
        "max": late_ms[-1],
        "CPU us": spent_us / max(during, 1),
        "PSS MiB": memory_mib,
        "POST /jobs per s": jobs / create_s,
    }


def is_sustained(row):
    faults = any(row[name] for name in ("lost", "no row", "failed", "repeated"))
    return not faults and 0 <= row["late ms min"] and row["max"] < LATE_MS_MAX


def print_row(row, cells):
    widths = [max(7, len(name)) for name in row]
    line = " | ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths))
    print(f"| {line} |", flush=True)


def formatted(value):
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def run_rate(scratch, rate, window_s, headed):
    """Prints the row of one try; whether the rate was sustained."""
    folder = scratch / "load"
    folder.mkdir()
    row = measure_load(folder, rate, window_s)
    shutil.rmtree(folder)
    row["sustained"] = "yes" if is_sustained(row) else "no"
    if headed:
        print_row(row, row)
        print_row(row, ["---:"] * len(row))
    print_row(row, map(formatted, row.values()))
    return is_sustained(row)


def run_load(scratch, rates, window_s):
    """Prints a row for each rate, up to the first which is not sustained in any of its tries."""
    sustained = 0
    for rate in rates:
        # Something else may have kept the machine busy, so a rate has a second try.
        headed = rate == rates[0]
        if not run_rate(scratch, rate, window_s, headed) and not run_rate(
            scratch, rate, window_s, headed=False
        ):
            break
        sustained = rate
    print(f"\nsustained with durable rows: {sustained} executions per second\n", flush=True)


# --- Many idle jobs ------------------------------------------------------------------------------


def run_idle(scratch, jobs):
    folder = scratch / "idle"
    folder.mkdir()
    database = folder / "carillon.db"
    with target_in(folder) as target:
        with server_on(database) as server:
            empty_mib = meter.memory_mib([server.process.pid])
            create_s = create_many(server, jobs, YEARLY, target.url("/ok/idle"))
            create_job(server, target.url("/ok/witness"), EVERY_SECOND)
            full_mib = meter.memory_mib([server.process.pid])
        print(f"{jobs} idle jobs: created in {create_s:.1f} s, {jobs / create_s:.0f} per s")
        print(f"memory: {empty_mib:.1f} MiB empty, {full_mib:.1f} MiB after creating them")
        print_start(database, target, jobs, empty_mib)
    shutil.rmtree(folder)


def print_start(database, target, jobs, empty_mib):
    start_s, start_us = time.monotonic(), time.time_ns() // 1000
    with server_on(database) as server:
        wait_until(lambda: server.get("/readyz").status == 200, 60, "it is ready")
        ready_s = time.monotonic() - start_s

        def first_on_time_us():
            started = (a for a in target.read() if a[2] >= start_us)
            return next((a[2] for a in started if a[2] / 1000 - a[1] < 1000), None)

        on_time_s = (wait_until(first_on_time_us, 60, "a job fired on time") - start_us) / 1e6
        memory_mib = meter.memory_mib([server.process.pid])
    print(f"start: {ready_s:.2f} s to the first answer of /readyz,")
    print(f"       {on_time_s:.2f} s to the first firing on time of a job that fires every second")
    job_bytes = (memory_mib - empty_mib) * 2**20 / jobs
    print(f"memory: {memory_mib:.1f} MiB after a start with them, {job_bytes:.0f} bytes each")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", default=RATES, help=f"jobs per second (default {RATES})")
    parser.add_argument("--window", type=int, default=10, help="seconds measured (default 10)")
    parser.add_argument("--idle", type=int, default=100_000, help="idle jobs (default 100000)")
    parser.add_argument("--folder", help="where the databases are written (default: TMPDIR)")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    kernel = os.uname().release
    print(f"{os.cpu_count()} CPUs, kernel {kernel}, load {load:.1f} before\n", flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        if arguments.rates:
            run_load(Path(scratch), list(map(int, arguments.rates.split(","))), arguments.window)
        if arguments.idle:
            run_idle(Path(scratch), arguments.idle)


if __name__ == "__main__":
    main()
