# SPDX-License-Identifier: MIT
"""What jobs of every second owed, held against the ledger and against what reached the target."""

from .jobs import create_jobs, executions_of, expect, for_each, get_execution, pause_jobs
from .times import EVERY_SECOND, now_ms, parse_ms, seconds_between, wall_text
from .wait import wait_until


PAUSED = ("CANCELLED", "the job was paused")
HELD_UP_SECONDS_MAX = 10


class Account:
    """Jobs that fire every second, from their creation until settle() pauses them."""

    def __init__(self, server, target, count, kind="ok", **fields):
        self.target = target
        self.kind = kind
        bodies = [
            {"schedule": EVERY_SECOND, "api": target.url(f"/{kind}/{n}"), **fields}
            for n in range(count)
        ]
        self.jobs = create_jobs(server, bodies)
        self.paused_ms = None  # When the last of them was paused.
        self.owed = {}  # {job id: instants}, once settled.
        self.executions = {}  # {job id: {instant: execution}}, once settled.

    def settle(self, server, seconds=60):
        """Pauses the jobs and waits until nothing that they owed is unfinished.

        The pause cancels what is due and not sent yet: what came in the same moment, so the last
        second is not counted, and what else is late where the machine held the server up. It also
        cancels what rests between two attempts, waits for room, is being claimed after a crash, or
        comes back from an executor that has died: so nothing may be late before.
        """
        wait_until(lambda: not self._late(server), seconds, "nothing that was due is open")
        for paused in pause_jobs(server, self.jobs):
            self.paused_ms = parse_ms(paused["updated_at"])
            since_ms = parse_ms(paused["created_at"])
            self.owed[paused["id"]] = seconds_between(since_ms, self.paused_ms - 1000)
        wait_until(lambda: self._is_drained(server), seconds, "every execution has ended")
        for job, instants in self.owed.items():
            self._leave_out_what_was_late(job, instants)

    def _leave_out_what_was_late(self, job, instants):
        """Only the last ones, some seconds at most: nothing behind them was sent."""
        for _ in range(HELD_UP_SECONDS_MAX):
            last = self.executions[job].get(instants[-1]) if instants else None
            if not last or (last["status"], last["reason"]) != PAUSED:
                return
            instants.pop()

    @staticmethod
    def _late(server):
        until = wall_text(now_ms() - 1000)
        path = f"/executions?status=PENDING,RUNNING&to={until}&limit=1"
        answer = server.get(path)
        return answer.status != 200 or answer.json["executions"]  # 503: the database is away.

    def _is_drained(self, server):
        lists = executions_of(server, self.jobs)
        self.executions = {
            job: {parse_ms(e["scheduled_at"]): e for e in rows} for job, rows in lists.items()
        }
        for job, rows in lists.items():
            assert len(rows) == len(self.executions[job]), f"two rows for one instant of job {job}"
        open_states = ("PENDING", "RUNNING")
        return not any(e["status"] in open_states for rows in lists.values() for e in rows)

    def owed_executions(self):
        """Every execution that is owed. That one is missing fails the test."""
        assert self.owed and all(self.owed.values())
        for job, instants in self.owed.items():
            missing = [instant for instant in instants if instant not in self.executions[job]]
            assert not missing, f"job {job} owes {len(instants)} and lacks {missing}"
        return [self.executions[job][t] for job, instants in self.owed.items() for t in instants]

    def arrivals_by_key(self):
        """What reached the target: a key stands for one instant of one job, and none was early."""
        keys = self.target.arrivals_by_key()
        for key, arrivals in keys.items():
            for a in arrivals:
                instant = parse_ms(a.headers["carillon-scheduled-at"])
                assert key == f"{a.job_id}-{instant}"
                assert a.at_ms >= instant, f"{key} came {instant - a.at_ms} ms early"
        return keys

    def attempts_of(self, server, executions):
        """The executions again, each with its attempts."""

        def get(connection, execution):
            return get_execution(server, execution["id"], connection)

        return for_each(server, executions, get)
