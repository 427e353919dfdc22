#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures what one execution costs the store of PostgreSQL, with a server of its own.

    bench/postgres.py [--jobs N] [--rows N] [--created N] [--planned N] [--ended N] [--rounds N]
    bench/postgres.py --rates 1000,10000,20000

With --rates, the whole program: so many jobs that fire every second, as in bench/peers.py. Else the
store alone. Every commit is synced. Jobs are created, as many in a commit as clients wait. Then, in
each round, the rows of N executions are written ahead of time, and how they ended: batches as the
engine makes them, large for what is planned and small for what ends. The first round finds empty
tables without statistics. Printed for each part, for each job or execution: microseconds of wall
time, of CPU of PostgreSQL with all its processes and of the client, bytes of its log, and which
share of the updates stayed in their page (HOT).
"""

import argparse
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "test" / "e2e"))

import experiments  # noqa: E402
import meter  # noqa: E402
from contenders import CarillonOnPostgres  # noqa: E402
from stores import ask_postgres, make_database, postgres_in  # noqa: E402

PROGRAM = ROOT / "build" / "release" / "bench" / "postgres_bench"
CREATED = 10_000  # Jobs.
HOT = """SELECT coalesce(sum(n_tup_upd), 0), coalesce(sum(n_tup_hot_upd), 0)
         FROM pg_stat_user_tables WHERE relname LIKE 'job_executions%'"""


class Database:
    """The database of the benchmark, as its measuring side sees it."""

    def __init__(self, socket, pid):
        self.pid = pid
        self.url = make_database(socket, "bench")

    def ask(self, sql):
        return ask_postgres(self.url, sql)

    def log_bytes(self):
        return int(self.ask("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").split(".")[0])

    def updates(self):
        return [int(word) for word in self.ask(HOT).split("|")]


class Client:
    """The C program that commits."""

    def __init__(self, database, arguments):
        sizes = (arguments.created, arguments.planned, arguments.ended)
        words = [database.url, *map(str, (arguments.jobs, *sizes))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([PROGRAM, *words], text=True, **pipes)
        self.line()

    def line(self):
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{PROGRAM.name} ended with {self._process.wait()}")
        return line

    def phase(self, word, rows):
        self._process.stdin.write(f"{word} {rows}\n")
        self._process.stdin.flush()
        return [float(figure) for figure in self.line().split()]

    def stop(self):
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def client_of(database, arguments):
    client = Client(database, arguments)
    try:
        yield client
    finally:
        client.stop()


def measure(database, client, word, rows):
    log, cpu = database.log_bytes(), meter.cpu_us([database.pid])
    wall_us, client_us, longest_ms = client.phase(word, rows)
    cpu = (meter.cpu_us([database.pid]) - cpu) / rows
    log = (database.log_bytes() - log) / rows
    print(f"{word:>6} {wall_us:9.1f} {cpu:11.1f} {client_us:10.1f} {log:10.0f} {longest_ms:11.1f}")


def rounds(database, client, arguments):
    titles = ("wall us", "database us", "client us", "log bytes", "longest ms")
    print(f"{'':>6} {titles[0]:>9} {titles[1]:>11} {titles[2]:>10} {titles[3]:>10} {titles[4]:>11}")
    measure(database, client, "create", CREATED)
    for _ in range(arguments.rounds):
        for word in ("plan", "end"):
            measure(database, client, word, arguments.rows)
    all_updates, hot = database.updates()
    if all_updates:
        print(f"{100 * hot / all_updates:.1f} % of {all_updates} updates stayed in their page")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000, help="default 10000")
    parser.add_argument("--rows", type=int, default=100_000, help="of a round; default 100000")
    parser.add_argument("--created", type=int, default=64, help="jobs in a commit; default 64")
    parser.add_argument("--planned", type=int, default=10_000, help="in a commit; default 10000")
    parser.add_argument("--ended", type=int, default=500, help="in a commit; default 500")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--rates", help="of the whole program: such as 1000,10000")
    parser.add_argument("--window", type=int, default=5, help="seconds watched (default 5)")
    parser.add_argument("--folder", help="where the database is written (default: TMPDIR)")
    return parser.parse_args()


def measure_store(folder, arguments):
    with postgres_in(folder) as (socket, pid):
        database = Database(socket, pid)
        with client_of(database, arguments) as client:
            rounds(database, client, arguments)


def measure_program(folder, rate, window_s):
    row = experiments.measure_load(CarillonOnPostgres("Carillon"), folder, rate, window_s)
    words = ", ".join(f"{what} {value:.4g}" for what, value in row.items())
    print(f"{rate} per second, sustained: {experiments.is_sustained(row)}; {words}", flush=True)


def main():
    arguments = read_arguments()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        Path(scratch).chmod(0o755)
        for number, rate in enumerate(arguments.rates.split(",") if arguments.rates else [None]):
            folder = Path(scratch) / f"run-{number}"
            folder.mkdir()
            folder.chmod(0o755)
            if rate:
                measure_program(folder, int(rate), arguments.window)
            else:
                measure_store(folder, arguments)


if __name__ == "__main__":
    main()
