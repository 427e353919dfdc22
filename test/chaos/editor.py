# SPDX-License-Identifier: MIT
"""A client that never rests: it creates, changes, pauses, resumes, triggers and deletes jobs while
the server dies under it.

When no answer came, it does not know what became of its request, as any client: once a server is
there again it looks, and goes on from what it finds. What was answered must still be true then.
"""

import http.client
import random
import threading
import time

from harness.jobs import expect
from history import SECONDS_OF

JOBS_MAX = 12
PAUSE_SECONDS_MAX = 0.08
LOOK_PAUSE_SECONDS = 0.05
LOOK_SECONDS_MAX = 60
NO_ANSWER = (OSError, http.client.HTTPException)
SCHEDULES = [schedule for schedule, seconds in SECONDS_OF.items() if seconds < 60]


class Editor(threading.Thread):
    """Use as a context manager: it works from the beginning to the end of the block."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world = world
        self.random = random.Random(world.random.random())
        self.mine = []  # Jobs that are not deleted.
        self.names = 0
        self.answered = 0
        self._end = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self.join()

    def run(self):
        try:
            self._work()
        except Exception as reason:
            self.world.problems.append(f"the editor gave up: {reason!r}")

    def _work(self):
        while not self._end.wait(self.random.uniform(0, PAUSE_SECONDS_MAX)):
            if len(self.mine) < JOBS_MAX and self.random.randrange(4) == 0:
                self._create()
            elif self.mine:
                self._act(self.random.choice(self.mine))

    # --- What it does ----------------------------------------------------------------------------

    def _create(self):
        self.names += 1
        name = f"edited-{self.names}"
        api = self.world.target.url(f"/ok/{name}")
        body = {"schedule": self.random.choice(SCHEDULES), "api": api, "name": name}
        answer = self._ask("POST", "/jobs", body)
        if answer is None:
            answer = self._look_for(name)
        if answer:
            self.mine.append(self.world.add(answer))

    def _act(self, job):
        often = (self._change, self._pause, self._resume, self._trigger)
        self.random.choice(often * 3 + (self._remove,))(job)

    def _change(self, job):
        change = {"schedule": self.random.choice(SCHEDULES)}
        self._learn(job, self._ask("PATCH", f"/jobs/{job.id}", change))

    def _pause(self, job):
        self._learn(job, self._ask("POST", f"/jobs/{job.id}/pause"))

    def _resume(self, job):
        self._learn(job, self._ask("POST", f"/jobs/{job.id}/resume"))

    def _trigger(self, job):
        answer = self._ask("POST", f"/jobs/{job.id}/trigger")
        if answer:
            job.triggered.append(answer["execution_id"])

    def _remove(self, job):
        asked_ms = self.world.wall_ms()
        answer = self._ask("DELETE", f"/jobs/{job.id}")
        if self._look(job) is None:
            job.delete(asked_ms)
            self.mine.remove(job)
        elif answer is not None:
            job.problems.append(f"lost: the deletion of job {job.id} was answered")

    # --- With or without an answer ---------------------------------------------------------------

    def _ask(self, method, path, body=None):
        """What was answered, or None when there was no answer or a refusal."""
        try:
            response = self.world.listening.request(method, path, body)
        except NO_ANSWER:
            return None
        if response.status >= 500:
            return None
        assert response.status < 300, response
        self.answered += 1
        return response.json if response.body else {}

    def _learn(self, job, answer):
        if answer is None:
            answer = self._look(job)
        if answer is None:
            job.problems.append(f"lost: job {job.id} is not there, and nobody deleted it")
            job.delete(self.world.wall_ms())
            self.mine.remove(job)
        else:
            job.learn(answer)

    def _look(self, job):
        """The job as it is; None when it is not there."""
        response = self._get_for_sure(f"/jobs/{job.id}")
        return None if response.status == 404 else expect(response, 200).json

    def _look_for(self, name):
        jobs = expect(self._get_for_sure(f"/jobs?q={name}&limit=500"), 200).json["jobs"]
        return next((job for job in jobs if job["name"] == name), None)

    def _get_for_sure(self, path):
        """Asks each server that comes until one answers."""
        deadline = time.monotonic() + LOOK_SECONDS_MAX
        while True:
            try:
                return self.world.listening.get(path)
            except NO_ANSWER:
                assert time.monotonic() < deadline, "no server came to answer"
                time.sleep(LOOK_PAUSE_SECONDS)

