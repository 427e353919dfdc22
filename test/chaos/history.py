# SPDX-License-Identifier: MIT
"""What the jobs owed: computed from the answers of the server, without asking it what it planned.

A job is a list of versions, each from the instant at which the server said it took effect. The
instants of a version's schedule up to the beginning of the next one are owed. Times are
milliseconds since the Unix epoch, as the server's wall clock shows them. When a clock that was far
ahead is corrected, a generation ends and another begins: its executions have other keys.
"""

from dataclasses import dataclass, replace

from harness.times import parse_ms

# The schedules that are used here fire at every multiple of so many seconds.
DAILY = "0 0 0 * * *"
SECONDS_OF = {
    "* * * * * *": 1,
    "*/2 * * * * *": 2,
    "*/3 * * * * *": 3,
    DAILY: 86400,
}


def instants(every_s, after_ms, until_ms):
    """The multiples of `every_s` seconds in (after, until]."""
    step = every_s * 1000
    return range(after_ms // step * step + step, until_ms + 1, step)


@dataclass(frozen=True)
class Version:
    from_ms: int
    every_s: int
    is_active: bool

    @classmethod
    def of(cls, answer):
        return cls(
            parse_ms(answer["updated_at"]), SECONDS_OF[answer["schedule"]], answer["is_active"]
        )


def owed_instants(versions, end_ms):
    ends = [version.from_ms for version in versions[1:]] + [end_ms]
    for version, until_ms in zip(versions, ends):
        if version.is_active:
            yield from instants(version.every_s, version.from_ms, min(until_ms, end_ms))


class Job:
    """A job that was created, and every change of it that was answered or found out."""

    def __init__(self, answer, kind):
        self.id = answer["id"]
        self.kind = kind  # Of its target.
        self.at_most_once = answer["type"] == "ATMOST_ONCE"
        self.max_retries = answer["max_retries"]
        self.number = 0  # Of the latest version.
        self.versions = []  # Of this generation of the clock.
        self.generations = []  # The ones before: (versions, when it ended).
        self.end_ms = None
        self.is_deleted = False
        self.deleted_ms = None  # When that was asked for; more exactly once the ledger is read.
        self.triggered = []  # Ids of manual executions that were answered.
        self.problems = []
        self.learn(answer)

    def learn(self, answer):
        """`answer` is the job as the API gives it."""
        if answer["version"] < self.number:
            self.problems.append(f"lost: version {self.number} of job {self.id} was answered")
        if answer["version"] > self.number:
            self.number = answer["version"]
            self.versions.append(Version.of(answer))
            self.end_ms = answer["end_at"] and parse_ms(answer["end_at"])

    def delete(self, asked_ms):
        self.is_deleted = True
        self.deleted_ms = asked_ms

    def learn_end(self, deleted):
        """{job id: when the ledger says it was deleted}. Deleted jobs that never ran are gone."""
        if self.is_deleted != (deleted.get(self.id, self.deleted_ms) is not None):
            self.problems.append(f"lost: job {self.id} was deleted, or it was not")
        self.deleted_ms = deleted.get(self.id, self.deleted_ms)

    def correct_clock(self, before_ms, after_ms):
        """The clock showed `before_ms`, and now shows `after_ms`."""
        self.generations.append((self.versions, before_ms))
        self.versions = [replace(self.versions[-1], from_ms=after_ms)]

    def key(self, instant, generation):
        return f"{self.id}-{instant}" + (f"-g{generation}" if generation else "")

    def owed(self):
        """{key: instant} of all that the job owed, until it ended or was deleted."""
        end_ms = min(ms for ms in (self.end_ms, self.deleted_ms) if ms is not None)
        return {
            self.key(instant, generation): instant
            for generation, part in enumerate([*self.generations, (self.versions, end_ms)])
            for instant in owed_instants(*part)
        }

    def stops(self):
        """When the job was paused or deleted: what it was doing then may have been cancelled."""
        paused = [version.from_ms for version in self.versions if not version.is_active]
        return paused + [self.deleted_ms] if self.deleted_ms is not None else paused

    def was_stopped_between(self, from_ms, to_ms):
        return any(from_ms <= stop_ms <= to_ms for stop_ms in self.stops())
