# SPDX-License-Identifier: MIT
"""GET /events: who listens is told what happens to executions, jobs, alerts and nodes."""

import contextlib
import json
import socket
import threading

from harness.cluster import Cluster
from harness.jobs import create_job, expect, trigger
from harness.times import NEVER_SOON
from harness.tokens import by, make_token, revoke
from harness.wait import wait_until


class Listener:
    """Use as a context manager; it has listened once the block begins."""

    def __init__(self, server, last_id=None, headers=()):
        self.connection = server.connect(seconds=60)
        headers = dict(headers) | ({"Last-Event-ID": last_id} if last_id else {})
        self.connection.request("GET", "/events", headers=headers)
        self.socket = self.connection.sock
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        assert self.answer.headers["Content-Type"] == "text/event-stream"
        self.events = []  # (id, event, data)
        self.last_id = None
        self.thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.last_id, 20, "the client is greeted")
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):  # The server may have ended the answer.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(20)
        self.connection.close()

    def _read(self):
        event, data = None, ""
        try:
            while line := self.answer.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "event":
                    event = value
                elif name == "data":
                    data = value
                elif not name and event:
                    self.events.append((self.last_id, event, json.loads(data)))
                    event = None
        except (OSError, ValueError):
            pass

    def told(self, event):
        """All that was said under this name, message by message."""
        told = [data[event] for _, name, data in list(self.events) if name == event]
        return [item for items in told for item in items]

    def wait_for(self, event, condition, what):
        return wait_until(lambda: [x for x in self.told(event) if condition(x)], 30, what)


def listen(server, **options):
    return Listener(server, **options)


def test_a_client_is_told_what_happens(server, target):
    with listen(server) as listener:
        job = create_job(server, target.url("/status/500"), name="told", max_retries=0)
        execution = trigger(server, job)
        (told,) = listener.wait_for("jobs", lambda j: j["id"] == job["id"], "the job is told")
        assert told["name"] == "told" and told["version"] == 1 and not told["deleted"]
        listener.wait_for(
            "executions",
            lambda e: e["id"] == execution and e["status"] == "FAILED",
            "the execution is told",
        )
        (alert,) = listener.wait_for(
            "alerts", lambda a: a["execution_id"] == execution, "the alert is told"
        )
        expect(server.post(f"/alerts/{alert['id']}/ack"), 200)
        listener.wait_for("alerts", lambda a: a["acknowledged_at"], "the acknowledgement is told")
        expect(server.delete(f"/jobs/{job['id']}"), 204)
        listener.wait_for("jobs", lambda j: j["deleted"], "the end of the job is told")


def test_the_end_of_a_long_execution_is_told(server, target):
    with listen(server) as listener:
        job = create_job(server, target.url("/delay/3000"))
        execution = trigger(server, job)
        for status in ("RUNNING", "SUCCESS"):
            listener.wait_for(
                "executions",
                lambda e, s=status: e["id"] == execution and e["status"] == s,
                f"{status} is told",
            )


def test_a_client_that_comes_back_misses_nothing(server, target):
    with listen(server) as listener:
        first = create_job(server, target.url("/ok"))
        listener.wait_for("jobs", lambda j: j["id"] == first["id"], "the first job is told")
        seen = listener.last_id
    second = create_job(server, target.url("/ok"))
    with listen(server, last_id=seen) as listener:
        listener.wait_for("jobs", lambda j: j["id"] == second["id"], "the second job is told")
        assert first["id"] not in [j["id"] for j in listener.told("jobs")]
        assert "gap" not in [event for _, event, _ in listener.events]


def test_a_client_of_another_life_is_told_of_a_gap(server):
    with listen(server, last_id="0123456789abcdef-7") as listener:
        wait_until(lambda: listener.events, 20, "there is a message")
        assert listener.events[0][1] == "gap"
        assert listener.events[0][0] == listener.last_id


def test_many_executions_come_in_few_messages(server, target):
    with listen(server) as listener:
        job = create_job(server, target.url("/ok"))
        for _ in range(120):
            trigger(server, job)
        last = trigger(server, job)
        listener.wait_for("executions", lambda e: True, "executions are told")
        create_job(server, target.url("/ok"), name="the end")
        listener.wait_for("jobs", lambda j: j["name"] == "the end", "the end is told")
        messages = [data for _, event, data in listener.events if event == "executions"]
        assert all(len(data["executions"]) <= 50 for data in messages)
        assert any(data["more"] for data in messages) or last in [
            e["id"] for data in messages for e in data["executions"]
        ]


def test_a_stream_ends_with_its_token(fleet, database, target):
    tokens = {name: make_token(database, "read", name=name) for name in ("gone", "stays")}
    admin = by(make_token(database, "admin"))
    server = fleet.serve(database)
    gone, stays = (listen(server, headers=by(token)) for token in tokens.values())
    with gone, stays:
        revoke(database, "gone")
        gone.thread.join(20)
        assert not gone.thread.is_alive()  # The server has ended the answer.
        job = {"schedule": NEVER_SOON, "api": target.url("/ok")}
        made = expect(server.post("/jobs", job, headers=admin), 201).json
        stays.wait_for("jobs", lambda j: j["id"] == made["id"], "the other one is told")
        assert not gone.told("jobs")


def test_a_stream_of_an_open_server_ends_with_the_first_token(server, database):
    with listen(server) as listener:
        make_token(database, "admin")
        listener.thread.join(20)
        assert not listener.thread.is_alive()


def test_a_server_stops_though_clients_listen(server):
    with listen(server):
        server.stop()


def test_a_server_tells_of_what_others_do(cluster_url, target):
    with Cluster(cluster_url, apis=2, workers=1, balancer=False) as cluster:
        one, two = cluster.apis
        with listen(one) as listener:
            job = create_job(two, target.url("/ok"))
            execution = trigger(two, job)
            listener.wait_for("jobs", lambda j: j["id"] == job["id"], "the job is told")
            listener.wait_for("executions", lambda e: e["id"] == execution, "the execution is told")
            cluster.add("late", "worker")
            listener.wait_for("nodes", lambda n: n["name"] == "late", "the new node is told")
