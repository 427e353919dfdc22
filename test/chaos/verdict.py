# SPDX-License-Identifier: MIT
"""The verdict on a scenario: what was owed, held against the ledger and against the target.

The ledger is read from the database file after the server has ended, and what the target saw comes
from the target; the server is not asked about itself. A `Verdict` counts, and lists in `problems`
whatever must not be: then the scenario has failed.
"""

from collections import Counter
from dataclasses import dataclass, field

from harness import ledger
from harness.times import parse_ms

OPEN = ("PENDING", "RUNNING")
# Targets that answer well: whatever they get twice was repeated because of a fault.
WELL_BEHAVED = ("ok", "delay", "kill")
ROWS = """
    SELECT job_id, scheduled_at, series, status, missed_to, missed_count, completed_at, error
    FROM job_executions"""


class Row:
    def __init__(self, values):
        self.job_id, self.at_ms, self.series, self.status = values[:4]
        self.missed_to, self.missed_count, self.completed_ms, self.error = values[4:]

    @property
    def id(self):
        if self.series < 0:
            return f"{self.job_id}-m{-self.series}"
        generation = f"-g{self.series}" if self.series else ""
        return f"{self.job_id}-{self.at_ms}{generation}"


@dataclass
class Verdict:
    expected: int = 0
    recorded: int = 0
    delivered: int = 0
    lost: int = 0
    repeated: int = 0  # Requests of well-behaved targets beyond the first.
    retried: int = 0  # Requests beyond the first to targets that fail on purpose.
    withheld: Counter = field(default_factory=Counter)  # Recorded but not delivered, by status.
    problems: list = field(default_factory=list)

    def __str__(self):
        unlabelled = [p for p in self.problems if p.startswith("unlabelled")]
        labels = f"{len(unlabelled)} unlabelled" if unlabelled else "all labelled"
        return (
            f"expected={self.expected} recorded={self.recorded} delivered={self.delivered} "
            f"lost={self.lost} repeated={self.repeated} ({labels})"
        )

    def details(self):
        """What the line leaves out: how often it was tried again by the rules, and why something
        that is recorded was not delivered."""
        words = [f"retried={self.retried}"] if self.retried else []
        not_sent = [f"{count} {status}" for status, count in sorted(self.withheld.items())]
        return words + ([f"not delivered: {' and '.join(not_sent)}"] if not_sent else [])

    def add(self, other):
        for name in ("expected", "recorded", "delivered", "lost", "repeated", "retried"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.withheld += other.withheld
        self.problems += other.problems

    def lose(self, what):
        self.lost += 1
        self.problems.append(f"lost: {what}")


class Ledger:
    """Rows of a database, as ROWS asks for them: by execution, and the ranges that were missed."""

    def __init__(self, rows):
        self.rows = {}
        self.ranges = {}  # {job id: missed rows}
        self.doubled = []
        for row in map(Row, rows):
            if row.id in self.rows:
                self.doubled.append(row.id)
            self.rows[row.id] = row
            if row.missed_to:
                self.ranges.setdefault(row.job_id, []).append(row)

    @classmethod
    def of_file(cls, database):
        ledger.check_sound(database)
        return cls(ledger.read(database, ROWS))

    def find(self, job, key, instant):
        """The row that accounts for an instant: its own, or the range that has it."""
        if row := self.rows.get(key):
            return row
        for row in self.ranges.get(job.id, ()):
            if row.at_ms <= instant <= row.missed_to:
                return row
        return None


def may_be_undelivered(job, row, instant):
    """Whether the rules allow that an instant with this row never reached the target."""
    if row.status == "CANCELLED":
        return job.was_stopped_between(instant, row.completed_ms)
    if not job.at_most_once:
        return False
    return row.status == "MISSED" or (row.status == "FAILED" and "unknown" in row.error)


def judge_instant(verdict, job, key, instant, row, arrived):
    verdict.expected += 1
    what = f"{key} ({job.kind})"
    if not row or row.status in OPEN:
        return verdict.lose(f"{what}: {row.status if row else 'no row'}")
    verdict.recorded += 1
    verdict.delivered += arrived
    if not arrived:
        verdict.withheld[row.status] += 1
        if not may_be_undelivered(job, row, instant):
            verdict.lose(f"{what}: {row.status}, but the target never saw it")
    return None


def judge_ranges(verdict, ledger_rows, job, owed):
    """A range of missed instants says how many there were."""
    for row in ledger_rows.ranges.get(job.id, ()):
        count = sum(row.at_ms <= instant <= row.missed_to for instant in owed.values())
        if count != row.missed_count:
            verdict.problems.append(f"{row.id}: says {row.missed_count} missed, not {count}")


def judge_triggers(verdict, ledger_rows, job, arrivals):
    """A manual execution that was answered happens, unless the job is deleted first."""
    for key in job.triggered:
        verdict.expected += 1
        row = ledger_rows.rows.get(key)
        if not row or row.status in OPEN:
            verdict.lose(f"{key}: {row.status if row else 'no row'}")
            continue
        verdict.recorded += 1
        verdict.delivered += key in arrivals
        if key not in arrivals:
            verdict.withheld[row.status] += 1
            if row.status != "CANCELLED" or job.deleted_ms is None:
                verdict.lose(f"{key}: {row.status}, but the target never saw it")


def judge_repeats(verdict, job, key, arrivals):
    """A repeated request has the same key and a higher attempt number; ATMOST_ONCE has none. In one
    life of the server there are no more than the retries, and each crash adds one at most."""
    further = len(arrivals) - 1
    if job.kind in WELL_BEHAVED:
        verdict.repeated += further
    else:
        verdict.retried += further
    told = sorted((a.fence, a.attempt) for a in arrivals)
    if any(first[1] >= second[1] for first, second in zip(told, told[1:])):
        verdict.problems.append(f"unlabelled: {key} came with (fence, attempt) {told}")
    if job.at_most_once and further:
        verdict.problems.append(f"twice: {key} is ATMOST_ONCE and came with {told}")
    crashes = len({a.fence for a in arrivals}) - 1
    if further > job.max_retries + crashes:
        verdict.problems.append(f"too often: {key} came with {told}")


def judge_arrival(verdict, arrival, owed, latest_wall_ms):
    instant = parse_ms(arrival.headers["carillon-scheduled-at"])
    if arrival.key.partition("-")[2].startswith("m"):
        return
    if arrival.key not in owed:
        verdict.problems.append(f"not owed: {arrival.key} came all the same")
    elif owed[arrival.key] != instant:
        verdict.problems.append(f"unlabelled: {arrival.key} was scheduled at {instant}")
    if latest_wall_ms(arrival.at_ms) < instant:
        verdict.problems.append(f"early: {arrival.key} came at {arrival.at_ms}")


def judge_extra_rows(verdict, ledger_rows, owed):
    """What was planned and then no longer owed is CANCELLED; nothing else may be there."""
    for row in ledger_rows.rows.values():
        known = row.series < 0 or row.missed_to or row.id in owed.get(row.job_id, ())
        if not known and row.status != "CANCELLED":
            verdict.problems.append(f"not owed: {row.id} is {row.status}")


def judge(jobs, rows, arrivals, latest_wall_ms):
    """`jobs` by id; `rows`: the Ledger; `arrivals` of every target; latest_wall_ms(t): the latest
    time that the server's wall clock may have shown when ours showed t."""
    verdict = Verdict()
    verdict.problems += [f"doubled: {key} has two rows" for key in rows.doubled]
    by_key = {}
    for arrival in arrivals:
        by_key.setdefault(arrival.key, []).append(arrival)

    owed = {}
    for job in jobs.values():
        owed[job.id] = job.owed()
        for key, instant in owed[job.id].items():
            judge_instant(verdict, job, key, instant, rows.find(job, key, instant), key in by_key)
        judge_ranges(verdict, rows, job, owed[job.id])
        judge_triggers(verdict, rows, job, by_key)
    judge_extra_rows(verdict, rows, owed)
    for key, same in by_key.items():
        if same[0].job_id in jobs:
            judge_repeats(verdict, jobs[same[0].job_id], key, same)
        for arrival in same:
            judge_arrival(verdict, arrival, owed.get(arrival.job_id, {}), latest_wall_ms)
    return verdict
