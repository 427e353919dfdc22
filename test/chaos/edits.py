# SPDX-License-Identifier: MIT
"""The scenario of edits at the very instant: after the answer to a delete or a pause, no request.

Jobs of every second are deleted and paused within 5 ms of an instant, before or after it. When the
answer came, and when requests came to the target, is told by the kernel: what was under way when
the edit was asked for may arrive, but before the answer.
"""

import json
import select
import socket
import time

from harness.times import second_after
from target import SO_TIMESTAMPNS, StampingTarget, receive_stamped

JOBS_PER_ROUND = 32
WITHIN_MS = 5
PREPARE_MS = 1000
ANSWER_SECONDS_MAX = 20


class Edit:
    """A request on a connection of its own, sent when its time comes."""

    def __init__(self, world, job, how, at_ms):
        self.job = job
        self.at_ms = at_ms
        method, path = ("DELETE", "") if how == "delete" else ("POST", "/pause")
        self._request = (
            f"{method} /jobs/{job.id}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            "Connection: close\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        self.connection = socket.create_connection(("127.0.0.1", world.server.port))
        self.connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.received = b""
        self.asked_ms = None
        self.answered_ms = None

    def fileno(self):
        return self.connection.fileno()

    def send(self):
        self.asked_ms = time.time_ns() / 1_000_000
        self.connection.sendall(self._request)

    def receive(self):
        """True at the end of the answer. Its beginning is when it counts as answered."""
        data, at_ms = receive_stamped(self.connection)
        if data and self.answered_ms is None:
            self.answered_ms = at_ms
        self.received += data
        if not data:
            self.connection.close()
        return not data


def carry_out(planned):
    """Sends each edit at its time, and waits for all answers."""
    waiting = []
    planned = sorted(planned, key=lambda edit: edit.at_ms)
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    while planned or waiting:
        assert time.monotonic() < deadline, "an edit is not answered"
        now_ms = time.time_ns() / 1_000_000
        if planned and now_ms >= planned[0].at_ms:
            waiting.append(planned.pop(0))
            waiting[-1].send()
        far = not planned or planned[0].at_ms - now_ms > 20
        for edit in select.select(waiting, [], [], 0.01 if far else 0)[0]:
            if edit.receive():
                waiting.remove(edit)


def is_within(edit, instant_ms):
    return abs(edit.asked_ms - instant_ms) <= WITHIN_MS


def learn(edit):
    """The job's history goes on with what was answered."""
    head, _, body = edit.received.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    assert status in (200, 204), edit.received
    if status == 204:
        edit.job.delete(int(edit.asked_ms))
    else:
        edit.job.learn(json.loads(body))


def play_round(world, target, number):
    """Makes jobs and edits each of them near one instant; the edits that were near enough."""
    paths = [f"ok/{number}/{n}" for n in range(JOBS_PER_ROUND)]
    jobs = [world.create(path, target=target) for path in paths]
    instant_ms = second_after(PREPARE_MS)
    planned = []
    for job in jobs:
        how = world.random.choice(("delete", "pause"))
        at_ms = instant_ms + world.random.uniform(-WITHIN_MS, WITHIN_MS)
        planned.append(Edit(world, job, how, at_ms))
    carry_out(planned)
    for edit in planned:
        learn(edit)
    return [edit for edit in planned if is_within(edit, instant_ms)]


def check(world, edits, target):
    """No request came after the answer; how many jobs had one all the same."""
    arrived_ms = {}
    for arrival in target.arrivals():
        arrived_ms.setdefault(arrival.job_id, []).append(arrival.at_ms)
    count = 0
    for edit in edits:
        late = [ms for ms in arrived_ms.get(edit.job.id, ()) if ms > edit.answered_ms]
        if late:
            count += 1
            world.problems.append(
                f"after the answer: job {edit.job.id} was asked to stop at {edit.asked_ms:.3f}, "
                f"answered at {edit.answered_ms:.3f}, and sent at {late}"
            )
    return count


def edits(world, options):
    """Deletes and pauses within 5 ms of an instant."""
    target = world.add_target(StampingTarget())
    world.start()
    near, rounds = [], 0
    while len(near) < 10 * options.kills:
        near += play_round(world, target, rounds)
        rounds += 1
    world.finish()
    after = check(world, near, target)
    return [f"edits={len(near)} within {WITHIN_MS} ms of an instant", f"sent after answer: {after}"]
