#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures Carillon side by side with what people would pick instead, in one run.

    bench/peers.py [--quick] [--only load,herd,...] [--rounds N] [--minutes M] [--json FILE]

Every contender does the same work: N jobs that fire every second, a POST for each to the C target
on the same machine, a durable record. The contenders take turns, so that what else the machine does
meets all of them alike, and the turns are repeated: a figure is the median of the rounds, with the
range beside it. When the minutes are over, what is left is not measured and the table says so.

  load    lateness and CPU per execution at fixed rates, and the highest rate of a ladder at which
          nothing is lost, repeated or without a record, and nothing is a second late
  grown   the same in a ledger that has hundreds of executions of each of the jobs already
  herd    many jobs that are due at one instant
  idle    memory and start with many jobs that are not due
  create  POST /jobs by 64 clients
  read    GET the last executions of a job with millions of them
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "test" / "e2e"))

import experiments  # noqa: E402
from contenders import PEER_LIST, SEED, Carillon, Died, carillons  # noqa: E402

LADDER = [100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 10_000]
LADDER += list(range(15_000, 100_001, 5000))
ONLY = "load,grown,herd,idle,create,read"
FULL = {
    "rates": [100, 1000, 10_000],
    "grown": (10_000, 300),
    "herd": [10_000, 100_000],
    "idle": [10_000, 100_000, 1_000_000],
    "create": 10_000,
    "ledger": 10_000_000,
}
QUICK = {
    "rates": [100, 1000],
    "grown": (1000, 300),
    "herd": [1000],
    "idle": [10_000],
    "create": 2000,
    "ledger": 200_000,
}
PEER_RATE_MAX = 5000  # The fixed rates above it are for Carillon only.
PEER_HERD_MAX = 10_000
PEER_IDLE_MAX = 100_000
READ_LOAD = 5000
READ_SECONDS = 4


class Figures:
    """What was measured: {(experiment, what): {contender: [figures of each round]}}."""

    def __init__(self):
        self.rows = defaultdict(lambda: defaultdict(list))

    def add(self, experiment, contender, figures):
        for what, value in figures.items():
            self.rows[experiment, what][contender.name].append(value)

    def cell(self, row, contender):
        values = self.rows[row].get(contender.name, []) if row in self.rows else []
        numbers = [value for value in values if not isinstance(value, str)]
        if not numbers:
            return values[0] if values else "-"
        return summary(numbers)


def summary(numbers):
    """Median and range, as one cell of a table."""
    if len(numbers) == 1:
        return shown(numbers[0])
    return f"{shown(median(numbers))} ({shown(min(numbers))} to {shown(max(numbers))})"


def shown(value):
    if value == float("inf"):
        return "never"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


class Bench:
    """One run: the contenders, the time that is left, and the figures so far."""

    def __init__(self, scratch, arguments):
        self.scratch = scratch
        self.size = QUICK if arguments.quick else FULL
        self.window_s = arguments.window
        self.deadline = time.monotonic() + arguments.minutes * 60
        self.figures = Figures()
        self.carillons = carillons()
        self.contenders = [*self.carillons, *PEER_LIST]
        self.best = {}  # {contender: the highest rate that it has sustained so far}.

    def measure(self, experiment, contender, function, *arguments):
        """The figures of one measurement in a fresh folder, or None; notes them as `experiment`."""
        if time.monotonic() > self.deadline:
            return None
        folder = self.scratch / "run"
        folder.mkdir()
        folder.chmod(0o755)  # PostgreSQL runs as a user of its own.
        start = time.monotonic()
        try:
            figures = function(contender, folder, *arguments)
        except (Died, AssertionError) as problem:
            figures = None
            self.figures.add(experiment, contender, {"problem": str(problem).splitlines()[0]})
            print(f"  {experiment}, {contender.name}: {problem}", flush=True)
        finally:
            shutil.rmtree(folder)
        if figures:
            self.figures.add(experiment, contender, figures)
            words = ", ".join(f"{what} {shown(value)}" for what, value in figures.items())
            took_s = time.monotonic() - start
            print(f"  {experiment}, {contender.name}: {words} ({took_s:.0f} s)", flush=True)
        return figures

    # --- load ------------------------------------------------------------------------------------

    def load(self, _round):
        for contender in self.contenders:
            is_ours = isinstance(contender, Carillon)
            known = {}  # {rate: whether it was sustained in this round}.

            def sustains(rate, contender=contender, known=known):
                if rate not in known:
                    row = self.measure(
                        f"load {rate}", contender, experiments.measure_load, rate, self.window_s
                    )
                    known[rate] = row is not None and experiments.is_sustained(row)
                return known[rate]

            for rate in self.size["rates"]:
                if is_ours or rate <= PEER_RATE_MAX:
                    sustains(rate)
            rate = highest(sustains, self.best.get(contender.name, contender.hint))
            if time.monotonic() < self.deadline:
                self.figures.add("sustained", contender, {"per_s": rate})
                self.best[contender.name] = max(rate, LADDER[0])
        self.jitter()

    def jitter(self):
        rate = self.size["rates"][-1]
        spread = replace(self.carillons[0], fields='"jitter_ms":1000')
        self.measure(f"jitter {rate}", spread, experiments.measure_load, rate, self.window_s)

    def grown(self, round_number):
        if round_number == 0:
            arguments = (*self.size["grown"], self.window_s)
            self.measure("grown", self.carillons[0], experiments.measure_grown, *arguments)

    # --- the others ------------------------------------------------------------------------------

    def herd(self, _round):
        for jobs in self.size["herd"]:
            everybody = jobs <= PEER_HERD_MAX
            for contender in self.contenders if everybody else self.carillons[:1]:
                self.measure(f"herd {jobs}", contender, experiments.measure_herd, jobs)

    def idle(self, round_number):
        for jobs in self.size["idle"]:
            for contender in [*self.carillons[:1], *PEER_LIST]:
                is_ours = isinstance(contender, Carillon)
                if round_number == 0 and (is_ours or jobs <= PEER_IDLE_MAX):
                    self.measure(f"idle {jobs}", contender, experiments.measure_idle, jobs)

    def create(self, _round):
        jobs = self.size["create"]
        for contender in (*self.carillons[:1], SEED):
            self.measure("create", contender, experiments.measure_create, jobs)

    def read(self, round_number):
        if round_number == 0:
            arguments = (self.size["ledger"], READ_LOAD, READ_SECONDS)
            self.measure("read", self.carillons[0], experiments.measure_read, *arguments)

    # --- the table -------------------------------------------------------------------------------

    def table(self):
        names = [contender.name for contender in self.contenders]
        yield ["measure", *names]
        yield ["---", *["---:"] * len(names)]
        for row, title in self.titles():
            cells = [self.cell(row, contender) for contender in self.contenders]
            if any(cell != "-" for cell in cells):
                yield [title, *cells]

    def cell(self, row, contender):
        cell = self.figures.cell(row, contender)
        return cell if cell != "-" else self.figures.cell((row[0], "problem"), contender)

    def titles(self):
        yield ("sustained", "per_s"), "executions per second, sustained"
        for rate in self.size["rates"]:
            load = f"load {rate}"
            for what, word in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"), ("max", "max")):
                yield (load, what), f"{rate:,} per second: lateness {word}, ms"
            yield (load, "lost"), f"{rate:,} per second: lost in {self.window_s} s"
            yield (load, "cpu_us"), f"{rate:,} per second: CPU per execution, us"
        for part in ("engine user", "engine kernel", "store user", "store kernel"):
            yield (load, part), f"{rate:,} per second: of it {part}, us"
        jitter = f"jitter {self.size['rates'][-1]}"
        for what in ("p50", "p99", "max"):
            yield (jitter, what), f"the same with jitter_ms 1000: lateness {what}, ms"
        rate, past = self.size["grown"]
        for what, unit in (("p99", "lateness p99, ms"), ("lost", "lost"), ("cpu_us", "CPU, us")):
            yield ("grown", what), f"{rate:,} per second after {past} executions of each: {unit}"
        for jobs in self.size["herd"]:
            for what in ("first", "p50", "p99", "max", "lost"):
                unit = "" if what == "lost" else " lateness, ms"
                yield (f"herd {jobs}", what), f"herd of {jobs:,}: {what}{unit}"
            yield (f"herd {jobs}", "memory_mib"), f"herd of {jobs:,}: memory, MiB"
        for jobs in self.size["idle"]:
            yield (f"idle {jobs}", "memory_mib"), f"{jobs:,} idle jobs: memory, MiB"
            yield (f"idle {jobs}", "job_bytes"), f"{jobs:,} idle jobs: bytes per job"
            yield (f"idle {jobs}", "start_s"), f"{jobs:,} idle jobs: start to on time, s"
        yield ("create", "per_s"), "POST /jobs per second, 64 clients"
        read = f"GET executions, {self.size['ledger']:,} rows"
        yield ("read", "rest_per_s"), f"{read}: per second, 16 clients"
        yield ("read", "rest_p99_ms"), f"{read}: p99, ms"
        yield ("read", "busy_p99_ms"), f"{read}: p99 under {READ_LOAD:,} executions per second, ms"


def highest(sustains, first):
    """The highest rate of the ladder that is sustained, looking up or down from `first`."""
    i = max(i for i, rate in enumerate(LADDER) if rate <= first)
    if sustains(LADDER[i]):
        while i + 1 < len(LADDER) and sustains(LADDER[i + 1]):
            i += 1
        return LADDER[i]
    while i > 0 and not sustains(LADDER[i]):
        i -= 1
    return LADDER[i] if sustains(LADDER[i]) else 0


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, one round, few minutes")
    parser.add_argument("--only", default=ONLY, help=f"some of {ONLY}")
    parser.add_argument("--rounds", type=int, help="turns of each contender (default 3; quick 1)")
    parser.add_argument("--window", type=int, default=5, help="seconds watched (default 5)")
    parser.add_argument("--minutes", type=float, help="stop after these (default 30; quick 6)")
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--folder", help="where the databases are written (default: TMPDIR)")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    arguments.minutes = arguments.minutes or (6 if arguments.quick else 30)
    return arguments


def main():
    arguments = read_arguments()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} CPUs, kernel {os.uname().release}, load {load:.1f} before")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        Path(scratch).chmod(0o755)
        bench = Bench(Path(scratch), arguments)
        for round_number in range(arguments.rounds):
            print(f"\nround {round_number + 1} of {arguments.rounds}", flush=True)
            for name in arguments.only.split(","):
                getattr(bench, name)(round_number)
    print()
    for cells in bench.table():
        print(f"| {' | '.join(cells)} |")
    if arguments.json:
        figures = {" ".join(row): cells for row, cells in bench.figures.rows.items()}
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
