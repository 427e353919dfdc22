# SPDX-License-Identifier: MIT
"""Requests that go through Redis: workers say what is to be sent, executors send it."""

import pytest
from harness.account import Account
from harness.jobs import expect
from harness.program import Program, run_to_end
from harness.redis import Redis
from harness.wait import wait_until


@pytest.fixture
def redis():
    with Redis() as r:
        yield r


class Executors:
    """Processes with the role of an executor, which end with the test."""

    def __init__(self, redis):
        self.redis = redis
        self.all = []

    def start(self):
        listen = ("--listen", "127.0.0.1:0", "--log-format", "json")
        what = ("--role", "executor", "--redis", self.redis.url)
        self.all.append(Program("serve", *listen, *what).wait_until_listening())
        return self.all[-1]


@pytest.fixture
def executors(redis):
    e = Executors(redis)
    yield e
    for program in e.all:
        if program.is_running:
            program.kill()
    for program in e.all:
        program.check_sanitizers()


def queue(redis):
    return ("--dispatch", "queue", "--redis", redis.url)


def test_executors_send_and_may_be_killed(fleet, database, redis, executors, target):
    first, second = executors.start(), executors.start()
    for executor in (first, second):
        wait_until(lambda e=executor: e.get("/readyz").status == 200, 30, "the executor takes")
    server = fleet.serve(database, *queue(redis))
    account = Account(server, target, 20)
    wait_until(lambda: len(target.arrivals()) >= 60, 60, "jobs run")
    first.kill()
    wait_until(lambda: len(target.arrivals()) >= 120, 60, "jobs run on")
    account.settle(server, 120)
    assert {e["status"] for e in account.owed_executions()} == {"SUCCESS"}
    for key, came in account.arrivals_by_key().items():
        numbers = [arrival.attempt for arrival in came]
        assert numbers == sorted(set(numbers)), f"{key} came as attempts {numbers}"
    second.stop()


def test_an_executor_that_stops_leaves_nothing_undone(
    fleet, database, redis, executors, target
):
    executors.start()
    server = fleet.serve(database, *queue(redis))
    account = Account(server, target, 10, kind="delay/300")
    wait_until(lambda: len(target.arrivals()) >= 20, 60, "jobs run")
    executors.start()
    executors.all[0].stop()
    wait_until(lambda: len(target.arrivals()) >= 60, 60, "jobs run on")
    account.settle(server, 120)
    assert {e["status"] for e in account.owed_executions()} == {"SUCCESS"}
    assert all(len(came) == 1 for came in account.arrivals_by_key().values())


def test_executors_whose_group_was_destroyed_go_on_and_send_nothing_twice(
    fleet, database, redis, executors, target
):
    executors.start()
    executors.start()
    server = fleet.serve(database, *queue(redis))
    account = Account(server, target, 10, kind="delay/300", timeout_ms=2000)
    for more in range(1, 6):
        wait_until(lambda n=20 * more: len(target.arrivals()) >= n, 60, "jobs run")
        redis.ask("XGROUP", "DESTROY", "carillon:queue", "executors")
    wait_until(lambda: len(target.arrivals()) >= 160, 60, "jobs run on")
    account.settle(server, 120)
    assert {e["status"] for e in account.owed_executions()} == {"SUCCESS"}
    for key, came in account.arrivals_by_key().items():
        numbers = [arrival.attempt for arrival in came]
        assert numbers == sorted(set(numbers)), f"{key} came as attempts {numbers}"


def test_without_redis_workers_send_themselves(fleet, database, redis, target):
    server = fleet.serve(database, *queue(redis))
    account = Account(server, target, 5)
    wait_until(lambda: len(target.arrivals()) >= 10, 60, "jobs run")
    redis.kill()
    wait_until(lambda: len(target.arrivals()) >= 30, 60, "jobs run on")
    account.settle(server, 120)
    assert {e["status"] for e in account.owed_executions()} == {"SUCCESS"}


def test_an_executor_says_when_redis_is_away(redis, executors):
    executor = executors.start()
    wait_until(lambda: executor.get("/readyz").status == 200, 30, "the executor takes")
    expect(executor.get("/livez"), 200)
    answer = expect(executor.get("/jobs"), 404)
    assert "an executor" in answer.json["detail"]
    redis.kill()
    wait_until(lambda: executor.get("/readyz").status == 503, 30, "the executor is not ready")
    redis.start()
    wait_until(lambda: executor.get("/readyz").status == 200, 30, "the executor takes again")
    executor.stop()


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["--role", "executor"], "--role executor needs --redis"),
        (["--dispatch", "queue"], "--dispatch queue needs --redis"),
        (["--dispatch", "queue", "--redis", "ftp://a:s3cret@b"], "redis://"),
    ],
)
def test_a_queue_needs_redis(tmp_path, arguments, named):
    unused = {"CARILLON_DB": str(tmp_path / "unused.db")}
    end = run_to_end("serve", "--listen", "127.0.0.1:0", *arguments, environment=unused)
    assert end.returncode == 2 and named in end.stderr and "s3cret" not in end.stderr, end
