# SPDX-License-Identifier: MIT
"""One scenario's world: a database, the server in whichever of its lives, targets and jobs.

The server is ended in every way there is, and started again on the same database. What the world
remembers of the jobs is what the server has answered; judge() makes the verdict of it.
"""

import os
import random
import time
from contextlib import ExitStack
from pathlib import Path

from harness import ledger
from harness.jobs import expect
from harness.program import BINARY, START_SECONDS, Program, run_to_end, server_arguments
from harness.times import EVERY_SECOND, now_ms, wall_text
from harness.wait import wait_until, wait_until_clock
from history import Job
from target import ChaosTarget
from verdict import Ledger, judge

SETTLE_SECONDS = 90
LOOK_PAUSE_SECONDS = 0.005
# An end must have an instant of the schedule before it, which only schedules this frequent have,
# however long a busy machine takes between our look at the clock and the server's.
EVERY_S_MAX = 5
END_AFTER_MS = 15000
RETRIES = {"max_retries": 2, "retry_base_ms": 200}
# How many jobs of every second call which kind of target, and of which type they are.
LOAD = (
    (12, "ok", "ATLEAST_ONCE"),
    (8, "delay/40", "ATLEAST_ONCE"),
    (4, "delay/400", "ATLEAST_ONCE"),
    (1, "delay/1500", "ATLEAST_ONCE"),
    (4, "status/500", "ATLEAST_ONCE"),
    (4, "flaky/500,200", "ATLEAST_ONCE"),
    (4, "drop/30", "ATLEAST_ONCE"),
    (3, "reset", "ATLEAST_ONCE"),
    (3, "close", "ATLEAST_ONCE"),
    (6, "ok", "ATMOST_ONCE"),
    (4, "delay/40", "ATMOST_ONCE"),
    (2, "status/500", "ATMOST_ONCE"),
    (2, "reset", "ATMOST_ONCE"),
)
UNANSWERING = ("reset", "close")  # These have a target of their own, lest its breaker hold others.


# Where the Makefile puts what belongs to the program: build/carillon is a copy of release's.
PROFILE = BINARY.parent / "release" if BINARY.parent.name == "build" else BINARY.parent


def preload(name, **variables):
    """The environment of a server that runs with this library of ours in front of libc."""
    library = PROFILE / "test" / "chaos" / f"{name}.so"
    assert library.exists(), f"there is no {library}: build it with `make chaos-programs`"
    sanitizer = f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0"
    values = {name: str(value) for name, value in variables.items()}
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": sanitizer.lstrip(":"), **values}


def run_for(seconds):
    wait_until_clock(now_ms() + round(seconds * 1000))


class World:
    def __init__(self, folder, seed, options=None):
        self.seed = seed
        self.options = options  # Of the command line.
        self.random = random.Random(seed)
        self.folder = Path(folder)
        self.database = self.folder / "carillon.db"
        self.targets = []
        self.cleanup = ExitStack()
        self.offset_file = self.folder / "offset"
        self.environment = {}  # Of every start,
        self.arguments = ()  # and beside those of every server.
        self.server = None
        self.listening = None  # The latest server that listened; it may have died since.
        self.jobs = {}
        self.kills = 0
        self.offsets = [(0, 0)]  # (since when, by our clock; the server's clock minus ours)
        self.problems = []

    def __enter__(self):
        self.target = self.add_target(ChaosTarget(self.seed, self._kill_now))
        self.unanswering = self.add_target(ChaosTarget(self.seed))
        return self

    def __exit__(self, *_):
        if self.server and self.server.is_running:
            self.server.kill()
        self.cleanup.close()

    def add_target(self, target):
        self.targets.append(self.cleanup.enter_context(target))
        return target

    # --- The server ------------------------------------------------------------------------------

    def launch(self, **environment):
        """A server which may not live long enough to listen."""
        arguments = server_arguments(self.database, *self.arguments)
        self.server = Program(*arguments, environment={**self.environment, **environment})
        return self.server

    def start(self, **environment):
        self.listening = self.launch(**environment).wait_until_listening()
        return self.server

    def lives_to_listen(self, seconds=START_SECONDS):
        """Whether the server that was launched listens before it dies, or the time is up."""
        deadline = time.monotonic() + seconds
        while self.server.is_running and time.monotonic() < deadline:
            if self.server.events("server.listening"):
                self.listening = self.server.wait_until_listening()
                return True
            time.sleep(LOOK_PAUSE_SECONDS)
        return False

    def end_now(self):
        """kill -9. A server that has ended by itself is a failure."""
        if not self.server.is_running:
            self.problems.append(f"it ended by itself: {self.last_words()}")
        self.server.kill()
        self.server.check_sanitizers()
        self.kills += 1

    def _kill_now(self):
        self.server.process.kill()

    def wait_for_death(self, seconds):
        """The exit code once it has ended, or None when it lives longer than this."""
        deadline = time.monotonic() + seconds
        while self.server.is_running and time.monotonic() < deadline:
            time.sleep(LOOK_PAUSE_SECONDS)
        return None if self.server.is_running else self.server.wait()

    def rest(self, seconds):
        """Something between these two."""
        run_for(self.random.uniform(*seconds))

    def last_words(self):
        return f"{self.server}\n{self.server.log_tail()}" if self.server else "no server yet"

    # --- Its clock -------------------------------------------------------------------------------

    @property
    def offset_ms(self):
        return self.offsets[-1][1]

    def wall_ms(self):
        return now_ms() + self.offset_ms

    def latest_wall_ms(self, at_ms):
        """The latest that its clock may have shown about when ours showed at_ms: it may have read
        its clock just before a step, and have sent after it."""
        ends = [since for since, _ in self.offsets[1:]] + [at_ms]
        in_force = zip(self.offsets, ends)
        return at_ms + max(o for (since, o), end in in_force if since <= at_ms <= end + 1000)

    def step_clock(self, offset_ms):
        """From now on the server's clock differs from ours by this much."""
        self.offsets.append((now_ms(), offset_ms))
        new = self.folder / "offset.new"
        new.write_text(f"{offset_ms}\n")
        new.rename(self.offset_file)

    # --- Jobs ------------------------------------------------------------------------------------

    @property
    def door(self):
        """Where jobs are created."""
        return self.server

    def create(self, behaviour, job_type="ATLEAST_ONCE", target=None, **fields):
        kind = behaviour.partition("/")[0]
        if target is None:
            target = self.unanswering if kind in UNANSWERING else self.target
        api = target.url(f"/{behaviour}/{len(self.jobs)}")
        body = {"schedule": EVERY_SECOND, "api": api, "type": job_type, **RETRIES, **fields}
        return self.add(expect(self.door.post("/jobs", body), 201).json)

    def add(self, answer):
        kind = answer["api"].split("/")[3]
        job = Job(answer, kind)
        self.jobs[job.id] = job
        return job

    def create_load(self, share=1.0):
        for count, behaviour, job_type in LOAD:
            for _ in range(max(1, round(count * share))):
                self.create(behaviour, job_type)

    def trigger(self, job):
        """Runs it now, and waits until the target has it."""
        answer = expect(self.server.post(f"/jobs/{job.id}/trigger"), 202).json
        job.triggered.append(answer["execution_id"])
        wait_until(
            lambda: any(a.key == answer["execution_id"] for a in self.arrivals()),
            10,
            "the triggered request came",
        )

    def arrivals(self):
        return [arrival for target in self.targets for arrival in target.arrivals()]

    # --- The end ---------------------------------------------------------------------------------

    def settle(self):
        """The targets get well and every job ends within seconds; when all that they owed is done,
        the server ends in order. An answered change that is not there any more is found here."""
        self._let_jobs_end()
        self.server.stop()
        self.server.check_sanitizers()

    def _let_jobs_end(self):
        self.target.is_healed = self.unanswering.is_healed = True
        for job in self.jobs.values():
            if not job.is_deleted:
                self._end(job)
        try:
            wait_until(self._is_quiet, SETTLE_SECONDS, "everything owed is done")
        except AssertionError as reason:
            raise AssertionError(f"{reason}; {self._what_is_open()}") from reason

    def _what_is_open(self):
        answer = self.server.get("/executions?status=PENDING,RUNNING&limit=3")
        return f"of jobs and executions {self.server.get('/observability/metrics').json}, {answer}"

    def _end(self, job):
        if job.versions[-1].every_s > EVERY_S_MAX:
            job.delete(self.wall_ms())
            return expect(self.server.delete(f"/jobs/{job.id}"), 204)
        end = {"end_at": wall_text((self.wall_ms() + END_AFTER_MS) // 1000 * 1000)}
        number = job.number
        job.learn(expect(self.server.patch(f"/jobs/{job.id}", end), 200).json)
        if job.number != number + 1:
            job.problems.append(f"lost: a version of job {job.id} after {number}")
        return job

    def _is_quiet(self):
        metrics = expect(self.server.get("/observability/metrics"), 200).json
        return metrics["jobs_active"] == 0 and metrics["executions_open"] == 0

    def finish(self):
        """Starts the server once more, and settles."""
        if self.server.is_running:
            self.end_now()
        self.start()
        self.settle()

    def _ask_the_doctor(self):
        """The program's own opinion of its database must be as good as ours."""
        end = run_to_end("doctor", self.database)
        return [f"doctor: {end.stdout}{end.stderr}"] if end.returncode else []

    def judge(self):
        deleted = dict(ledger.read(self.database, "SELECT id, deleted_at FROM jobs"))
        for job in self.jobs.values():
            job.learn_end(deleted)
        rows = Ledger.of_file(self.database)
        verdict = judge(self.jobs, rows, self.arrivals(), self.latest_wall_ms)
        verdict.problems += self.problems + self._ask_the_doctor()
        for job in self.jobs.values():
            verdict.problems += job.problems
        return verdict
