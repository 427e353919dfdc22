# SPDX-License-Identifier: MIT
"""The scenario of an old snapshot: somebody holds one open for minutes under load, as a dump or a
forgotten session does, so that PostgreSQL keeps every version of each row that is rewritten; and
dumps are made while retention drops partitions.
"""

import subprocess

from cluster_world import ClusterWorld
from harness.jobs import create_jobs
from harness.neighbours import whose
from harness.target import Arrival
from harness.times import EVERY_SECOND, now_ms, wall_text
from harness.wait import wait_until
from world import PROFILE, run_for

AT_MOST_ONCE_EACH = 10  # One job of so many.
OLD_DAYS = 5
OLD_ROWS = 10_000
DAY_MS = 86_400_000
DUMP_AGE_SECONDS = 2  # From which on retention goes out of its way.
IN_THE_WAY_SECONDS = 4
DUMPS_IN_A_ROW = 3
DUMP_SECONDS_MAX = 120
GONE_MEANWHILE = ("does not exist", "could not open relation")


class CountingTarget:
    """The target in C, whose log says which requests came."""

    def __init__(self, folder):
        self._log = folder / "arrivals"
        self._process = None
        self.is_healed = True

    def __enter__(self):
        program = PROFILE / "test" / "target" / "target"
        assert program.exists(), f"there is no {program}: build it with `make chaos-programs`"
        self._process = subprocess.Popen(
            [program, "--log", self._log], stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._process.stdout.readline().split()[1])
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def arrivals(self):
        """Of the headers it tells those that a repeat is known by; nodes do not die here."""
        if self._process.poll() is None:
            self.__exit__()
        with open(self._log, encoding="utf-8") as log:
            return [self._arrival(*line.split()) for line in log]

    @staticmethod
    def _arrival(at_us, method, path, key, attempt):
        job, _, instant = key.partition("-")
        headers = {
            "idempotency-key": key,
            "carillon-attempt": attempt,
            "carillon-fence": "0",
            "carillon-job": job,
            "carillon-scheduled-at": wall_text(int(instant)),
        }
        return Arrival(int(at_us) / 1000, method, path, headers, b"")


class SnapshotWorld(ClusterWorld):
    settings = ("--retention-age", "3d")

    def __enter__(self):
        super().__enter__()
        self.counting = self.add_target(CountingTarget(self.folder))
        return self

    def create_many(self, count):
        bodies = [
            {
                "schedule": EVERY_SECOND,
                "api": self.counting.url(f"/ok/{n}"),
                "type": "ATMOST_ONCE" if n % AT_MOST_ONCE_EACH == 0 else "ATLEAST_ONCE",
            }
            for n in range(count)
        ]
        for answer in create_jobs(self.server, bodies):
            self.add(answer)

    def program(self, name, *arguments, **options):
        """A program that came with PostgreSQL, as the user of the server."""
        command = [f"{self.primary.programs}/{name}", *arguments, self.primary.url()]
        return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, **whose(), **options)


# --- A snapshot ----------------------------------------------------------------------------------


def hold_snapshot(world, seconds):
    """One session, which sees the database as it was at its beginning."""
    statements = (
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "SELECT count(*) FROM job_executions",
        f"SELECT pg_sleep({seconds})",
        "COMMIT",
    )
    words = [word for statement in statements for word in ("-c", statement)]
    session = world.program("psql", "-XAtq", *words, stdout=subprocess.DEVNULL)
    code = session.wait(seconds + DUMP_SECONDS_MAX)
    assert code == 0, session.stderr.read()


def lateness(arrivals, from_ms, until_ms):
    """p50, p99 and the latest, in milliseconds, of what was due in this span."""
    due = ((a, int(a.key.partition("-")[2])) for a in arrivals)
    late = sorted(a.at_ms - instant for a, instant in due if from_ms <= instant < until_ms)
    at = [late[min(len(late) - 1, int(share * len(late)))] for share in (0.5, 0.99, 1)]
    return "/".join(f"{ms:.0f}" for ms in at)


# --- Dumps ---------------------------------------------------------------------------------------

# History of days which are over: as of today's, some days earlier.
PLANT = """
    INSERT INTO job_executions SELECT r.*
     FROM (SELECT * FROM job_executions WHERE status = 'SUCCESS' AND series = 0 LIMIT {rows}) AS o,
      generate_series({first}, {last}) AS d,
      LATERAL (SELECT ({today} - d) * 86400000 AS past) AS p,
      LATERAL jsonb_populate_record(NULL::job_executions, to_jsonb(o) || jsonb_build_object(
       'scheduled_at', o.scheduled_at - past, 'started_at', o.started_at - past,
       'completed_at', o.completed_at - past)) AS r"""
# A day stays as long as it is said to hold something of a later day.
MAKE_DAY = """
    SELECT carillon_make_day_1({day});
    UPDATE execution_days SET until = 9000000000000000 WHERE day = {day}"""
LET_GO = "UPDATE execution_days SET until = 0 WHERE day <= {last}"


class OldDays:
    """Days with their history, which retention may drop once they are let go."""

    def __init__(self, world):
        today = now_ms() // DAY_MS
        self.world = world
        self.last = today - 11
        first = self.last - OLD_DAYS + 1
        rows = OLD_ROWS // OLD_DAYS
        world.ask(PLANT.format(rows=rows, first=first, last=self.last, today=today))
        for day in range(first, self.last + 1):
            self._wait_for(lambda d=day: self._make(d), "a day is made")

    @staticmethod
    def _wait_for(condition, what):
        wait_until(condition, DUMP_SECONDS_MAX, what)

    def _make(self, day):
        """Refused while somebody has the tables."""
        return self.world.ask(f"BEGIN; {MAKE_DAY.format(day=day)}; COMMIT") == [["1"]]

    def count(self):
        query = f"SELECT count(*) FROM execution_days WHERE day <= {self.last}"
        return int(self.world.ask(query)[0][0])

    def let_go(self):
        self.world.ask(LET_GO.format(last=self.last))

    def wait_until_dropped(self):
        self._wait_for(lambda: self.count() == 0, "the old days are dropped")


def dump_in_the_way(world):
    """A dump that nobody reads on: the days stay meanwhile, and nothing else waits for it."""
    days = OldDays(world)
    dump = world.program("pg_dump", stdout=subprocess.PIPE)
    beginning = dump.stdout.read(1)  # It has all its locks by now.
    run_for(DUMP_AGE_SECONDS)
    days.let_go()
    run_for(IN_THE_WAY_SECONDS)
    if days.count() != OLD_DAYS:
        world.problems.append("days were dropped that a dump was at work on")
    text, error = dump.communicate(timeout=DUMP_SECONDS_MAX)
    if dump.returncode != 0 or "database dump complete" not in beginning + text:
        world.problems.append(f"a dump is not complete: {error}")
    days.wait_until_dropped()


def dump_beside_drops(world):
    """Days go while dumps begin: a dump is whole, or says which table was gone meanwhile."""
    days = OldDays(world)
    days.let_go()
    for _ in range(DUMPS_IN_A_ROW):
        dump = world.program("pg_dump", stdout=subprocess.DEVNULL)
        error = dump.communicate(timeout=DUMP_SECONDS_MAX)[1]
        if dump.returncode != 0 and not any(words in error for words in GONE_MEANWHILE):
            world.problems.append(f"a dump failed: {error}")
    days.wait_until_dropped()


# --- The scenario --------------------------------------------------------------------------------


def snapshot(world, options):
    """A snapshot is held open at so many executions per second; then come the dumps."""
    rounds = max(1, options.kills // 20)
    world.create_many(options.rate)
    run_for(5)
    began_ms = now_ms()
    hold_snapshot(world, options.hold)
    ended_ms = now_ms()
    for _ in range(rounds):
        dump_in_the_way(world)
        dump_beside_drops(world)
    dumped_ms = now_ms()
    world.settle()
    arrivals = world.counting.arrivals()
    part_ms = min(60_000, (ended_ms - began_ms) // 2)
    parts = {
        "first minute": (began_ms, began_ms + part_ms),
        "last minute": (ended_ms - part_ms, ended_ms),
        "dumps": (ended_ms, dumped_ms),
    }
    late = [f"{name} {lateness(arrivals, *span)} ms" for name, span in parts.items()]
    return [
        f"faults={1 + 2 * rounds}",
        f"snapshot={options.hold:.0f} s at {options.rate}/s",
        f"dump_in_the_way={rounds}, dump_beside_drops={rounds}",
        f"late p50/p99/most: {', '.join(late)}",
    ]
