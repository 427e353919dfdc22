# SPDX-License-Identifier: MIT
"""A start that fails has sent nothing and changed nothing, however often it is tried."""

import socket

import pytest
from harness.jobs import create_job, get_execution, trigger, wait_for_end
from harness.program import run_to_end, server_arguments

TRIES = 4  # More than the crashes after which an execution is given up.


def contents(database):
    """Of the database and its log. The lock file and the index of the log say nothing."""
    log = database.parent / (database.name + "-wal")
    return database.read_bytes(), log.read_bytes() if log.exists() else b""


def start_on_taken_port(database):
    """Its last words. The last of two addresses counts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        end = run_to_end(*server_arguments(database, "--listen", listen))
    assert end.returncode == 1, end
    return end.stderr


def test_a_taken_port_sends_and_claims_nothing(fleet, database, target):
    """One execution waits for another that hangs, both of a job that runs at most once."""
    server = fleet.serve(database)
    job = create_job(server, target.url("/hang/once"), type="ATMOST_ONCE", max_in_flight=1)
    hanging = trigger(server, job)
    target.wait_for(1, "/hang/once", 10)
    waiting = trigger(server, job)
    assert get_execution(server, waiting)["status"] == "PENDING"
    server.kill()

    before = contents(database)
    for _ in range(TRIES):
        assert "in use" in start_on_taken_port(database)
    assert contents(database) == before
    assert len(target.arrivals("/hang/once")) == 1

    server = fleet.serve(database)
    assert "outcome unknown" in wait_for_end(server, hanging, 20)["error"]
    (_, arrival) = target.wait_for(2, "/hang/once", 10)
    assert (arrival.attempt, arrival.fence) == (1, 2)
    assert get_execution(server, waiting)["status"] == "RUNNING"


def test_a_taken_port_leaves_no_database_behind(tmp_path):
    database = tmp_path / "new.db"
    start_on_taken_port(database)
    assert not database.exists()


@pytest.mark.parametrize(
    "setting, lowered",
    [("--max-in-flight", "api_connections"), ("--api-connections", "max_in_flight")],
)
def test_a_start_says_which_settings_the_descriptors_lower(fleet, database, setting, lowered):
    """The other setting is as small as may be, and fits."""
    server = fleet.serve(database, setting, "16", descriptors=256)
    told = server.wait_for_event("server.descriptors")
    assert told["limit"] == 256
    assert told[setting.removeprefix("--").replace("-", "_")] == 16
    assert told[lowered] < 256
    server.stop()
