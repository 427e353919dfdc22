# SPDX-License-Identifier: MIT
"""The description of the API is true: whatever a server is asked, it answers as /openapi.json says.

Each operation is asked many times, by requests made of the description itself. That the description
has every route, parameter and field is tested by test/unit/routes/test_openapi.c.
"""

import itertools
import json
import random
import uuid
from pathlib import Path

import pytest
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.openapi import Description, Maker
from harness.keys import new_keys, sealing
from harness.program import Program, Response, server_arguments
from harness.times import NEVER_SOON
from harness.wait import wait_until

REQUESTS = 40  # Of each operation.
SEED = 20260101
# What answers of an operation only after something that these requests do not do.
NEVER_SUCCEED = set()
# A server that has tokens asks for one everywhere.
ABOUT_TOKENS = ("createToken", "listTokens", "revokeToken")


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """One for all tests here, which has a key, so that it takes secrets."""
    folder = tmp_path_factory.mktemp("described")
    arguments = server_arguments(folder / "carillon.db", *sealing(new_keys(folder / "keys")))
    server = Program(*arguments).wait_until_listening()
    yield server
    server.stop()
    server.check_sanitizers()


class Past:
    """What has happened at a server, so that there is something to ask for."""

    def __init__(self, server, target):
        self.server = server
        self.url = target.url("/ok")
        self.bad = create_job(server, target.url("/status/500"), max_retries=0)
        self.gone = create_job(server, self.url)
        # Its executions are soon open, one behind the other.
        self.slow = create_job(
            server, target.url("/hang"), max_in_flight=1, max_retries=0, timeout_ms=3000
        )
        self.target = target
        self.runs = [trigger(server, job) for job in (self.bad, self.gone)]
        for run in self.runs:
            wait_for_end(server, run, 20)
        expect(server.delete(f"/jobs/{self.gone['id']}"), 204)
        path = f"/jobs/{self.bad['id']}/alerts"
        self.alerts = wait_until(lambda: server.get(path).json["alerts"], 20, "there is an alert")

    def is_over(self):
        return self.server.get(f"/jobs/{self.bad['id']}").status == 404


class World:
    """What requests ask for: jobs of their own, which they may change, and what is past."""

    def __init__(self, past):
        self.server, self.past = past.server, past
        jobs = [create_job(self.server, past.url, tags=["a"])["id"] for _ in range(4)]
        self.server.put("/jobs/by-key/good", {"schedule": NEVER_SOON, "api": past.url})
        settings = {"topic": "t", "url": past.url}
        waiting, token = self.begin_long_work()
        # By name of a parameter of a path.
        self.ids = {
            "job": [*jobs, past.bad["id"], past.gone["id"]],
            "key": ["good", "good", "new-1", "new-2"],
            "execution": [trigger(self.server, past.slow), *past.runs, f"{past.bad['id']}-5",
                          waiting, waiting],
            "alert": [alert["id"] for alert in past.alerts],
            "channel": [self.make_channel(settings)],
            "delivery": [],
            "silence": [self.make("/silences", reason="r", duration_s=60) for _ in range(3)],
            "ping": [self.new_ping(), "hb_" + 32 * "a"],
            "word": ["start", "log", "fail", "0", "255", "256"],
        }
        # By name of a member or parameter: what a made value would seldom be right for.
        self.values = {
            "schedule": [NEVER_SOON, "0 0 1 1 *", "@every 300d"],
            "api": [past.url],
            "rid": [str(uuid.UUID(int=7))],
            "run": [str(uuid.UUID(int=8)), "me"],
            "timezone": ["UTC", "Europe/Berlin"],
            "headers": [{}, {"X-One": "1"}, {"X-Two": {"secret": "2"}, "Cookie": "c"}],
            "signing": [None, "new", ["new", "new-ed25519"], [{"id": "12345678"}]],
            "success_status": ["200-299", None],
            "success_body": ["ok", "/o.?/", None],
            "failure_body": ["error", "/err(or)?/", None],
            "alert_channels": [None, []],
            "tls_ca": [None],
            "tls_client_cert": [None],
            "tls_client_key": [None],
            "oauth": [None, {"token_url": "http://127.0.0.1:9/t", "client_id": "a",
                             "client_secret": "b", "scope": None, "auth": "body"}],
            "start_at": [None, "2025-01-01T00:00:00Z"],
            "end_at": [None, "2099-01-01T00:00:00Z"],
            "until": [None, "2099-01-01T00:00:00Z"],
            "set": [{}, {"A": "b"}],
            "settings": [settings, {**settings, "token": "x"}, {"url": past.url}],
            "duration_s": [60],
            "job_id": [past.bad["id"], past.gone["id"]],
            "token": [token],
        }
        tried = f"/channels/{self.make_channel(settings)}/test"  # It is tried once at a time.
        self.ids["delivery"] = [expect(self.server.post(tried), 202).json["id"]]

    def begin_long_work(self):
        """(an execution that waits for its target, the token by which that says how it ended)"""
        server, target = self.server, self.past.target
        more = {"completion_timeout_s": 3600, "max_retries": 0}
        job = create_job(server, target.url("/wait/described"), **more)
        execution = trigger(server, job)
        came = wait_until(
            lambda: target.arrivals_by_key("/wait/described").get(execution), 20, "it is sent"
        )
        return execution, came[0].headers["carillon-callback"].partition("token=")[2]

    def new_ping(self):
        heartbeat = {"kind": "heartbeat", "schedule": NEVER_SOON}
        return expect(self.server.post("/jobs", heartbeat), 201).json["ping_url"].split("/")[-1]

    def make_channel(self, settings):
        return self.make("/channels", name=new_name(), kind="ntfy", settings=settings)

    def make(self, path, **what):
        return expect(self.server.post(path, what), 201).json["id"]


def new_name(count=itertools.count()):
    return f"name {next(count)}"


pasts = []


@pytest.fixture
def world(shared_server, shared_target):
    if not pasts or pasts[-1].is_over():
        pasts.append(Past(shared_server, shared_target))
    return World(pasts[-1])


@pytest.fixture(scope="module")
def description(shared_server):
    return Description(expect(shared_server.get("/openapi.json"), 200).json)


def operations():
    """Their names, from the file that becomes a part of the program."""
    path = Path(__file__).parents[2] / "src" / "api" / "openapi.json"
    description = Description(json.loads(path.read_text()))
    names = [operation.name for operation in description.operations]
    return [name for name in names if name not in ABOUT_TOKENS]


def ask_stream(world, request, headers):
    """The head of an answer that does not end."""
    connection = world.server.connect()
    connection.request(request.method, request.path, request.body, headers)
    answer = connection.getresponse()
    body = b"" if "text/event-stream" in answer.headers["Content-Type"] else answer.read()
    connection.close()
    return Response(answer.status, answer.headers, body)


def ask(world, request, more=None):
    headers = {**(request.headers or {}), **(more or {})}
    if request.path.startswith("/events"):
        return ask_stream(world, request, headers)
    return world.server.request(request.method, request.path, request.body, headers)


@pytest.mark.parametrize("name", operations())
def test_every_answer_is_one_that_is_described(world, description, name):
    check_operation(world, description, name)


class Tokens:
    """A world of its own, which the first token closes."""

    def __init__(self, server):
        self.server = server
        made = expect(server.post("/tokens", {"name": "ops", "scope": "admin"}), 201).json
        self.headers = {"Authorization": f"Bearer {made['secret']}"}
        for i in range(6):
            body = {"name": f"n{i}", "scope": "read"}
            expect(server.post("/tokens", body, headers=self.headers), 201)
        self.ids = {"token": [3, 4, 5, 6, 7, 99]}
        self.values = {}


def test_every_answer_about_tokens_is_one_that_is_described(server, description):
    world = Tokens(server)
    for name in ABOUT_TOKENS:
        check_operation(world, description, name, world.headers)


def check_operation(world, description, name, headers=None):
    operation = next(o for o in description.operations if o.name == name)
    maker = Maker(description, random.Random(f"{SEED} {name}"), world.ids, world.values)
    statuses = []
    for _ in range(REQUESTS):
        request = maker.make(operation)
        answer = ask(world, request, headers)
        statuses.append(answer.status)
        complaint = description.complaint(operation, answer)
        assert complaint is None, (
            f"{operation.method} {operation.path}: {complaint}. Say in src/api/openapi.json what "
            f"the API answers.\nrequest: {request}\nanswer: {answer}"
        )
        assert answer.status < 500, f"request: {request}\nanswer: {answer}"
    ends = sorted(set(statuses))
    assert name in NEVER_SUCCEED or ends[0] < 300, (
        f"none of {REQUESTS} requests of {name} succeeded ({ends}): its parameters "
        "need examples in src/api/openapi.json, or values in World of this file"
    )


def test_a_pretty_answer_says_the_same(world):
    path = f"/jobs/{world.past.bad['id']}/executions"
    plain = expect(world.server.get(path), 200)
    pretty = expect(world.server.get(f"{path}?pretty"), 200)
    assert pretty.json == plain.json
    assert plain.body.count(b"\n") == 0 and pretty.body.count(b"\n") > 10
    assert b"\n  " in expect(world.server.get("/jobs/0?pretty=1"), 404).body


def test_a_pretty_export_says_the_same(world):
    plain = expect(world.server.get("/export"), 200)
    pretty = expect(world.server.get("/export?pretty"), 200)
    assert pretty.json == plain.json
    assert b'\n      "schedule": ' in pretty.body
