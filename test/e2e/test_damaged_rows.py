# SPDX-License-Identifier: MIT
"""Rows that somebody has edited by hand into what no server writes: the API shows what it can or
says which row is damaged, goes on with the others, and never ends.
"""

import sqlite3
from contextlib import closing

import pytest
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.program import server_arguments

LONG = "x" * 100_000
BAD_UTF8 = b"\xff\xc3("
VALUES = ["", "nonsense", ":", "a:b", "a: b", "\n", ": \n", LONG, f"{LONG}: {LONG}\n", BAD_UTF8]
JSON = ["{}", "[[[[", '["a", 1, null]', "[" * 100_000, '"text"', '{"a":[]}']
TEXTS = {
    "headers": VALUES,
    "tags": VALUES + JSON,
    "api": VALUES + ["http://", "ftp://x/"],
    "schedule": VALUES + ["@every 0s", "61 * * * *"],
    "timezone": VALUES + ["Mars/Phobos", "../../etc/passwd"],
    "name": VALUES,
    "body": VALUES,
    "paused_reason": VALUES,
    "success_status": VALUES,
    "tls_ca": VALUES,
    "tls_client_cert": VALUES,
    "tls_client_key": VALUES,
    "oauth": VALUES + ["token_url x\nclient_id y\nclient_secret z\nauth basic\n"],
    "success_body": VALUES + ["/(/"],
    "failure_body": VALUES + ["/(/"],
}
WORDS = ["type", "method", "retry_strategy", "catch_up", "overlap", "dst_gap", "dst_fold"]
NUMBERS = ["timeout_ms", "max_retries", "max_in_flight", "jitter_ms", "version", "created_at"]


def set_column(database, table, row, column, value):
    cast = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        statement = f"UPDATE {table} SET {column} = {cast} WHERE id = ?"
        assert connection.execute(statement, (value, row)).rowcount == 1


@pytest.fixture
def damaged(fleet, database, target):
    """A server with two jobs, an execution of each, and a way to edit the first job's row."""
    server = fleet.start(*server_arguments(database)).wait_until_listening()
    bad, good = (
        create_job(server, target.url(f"/ok/{n}"), headers={"X-A": "1"}, tags=["t"], body={"a": n})
        for n in (1, 2)
    )
    for job in (bad, good):
        assert wait_for_end(server, trigger(server, job), 10)["status"] == "SUCCESS"
    yield server, bad["id"], good["id"]
    server.kill()


def look(server, bad, good):
    """Everything that the API says of the two jobs; the good one is always there."""
    one = server.get(f"/jobs/{bad}")
    assert one.status in (200, 500), one
    if one.status == 500:
        assert one.json["type"] == "/problems/storage-damaged"
        assert f"job {bad}" in one.json["detail"] and "doctor" in one.json["detail"]
    for path in ("executions", "alerts"):
        assert server.get(f"/jobs/{bad}/{path}").status in (200, 500)
    assert server.get(f"/jobs/{bad}/explain").status in (200, 409, 500)  # A zone may be unreadable.
    listed = [job["id"] for job in expect(server.get("/jobs"), 200).json["jobs"]]
    assert listed == ([bad, good] if one.status == 200 else [good])
    for path in ("/export", "/jobs?q=nothing", "/jobs?tag=t", f"/executions?job_id={bad}"):
        expect(server.get(path), 200)
    assert server.patch(f"/jobs/{bad}", {"name": "new"}).status in (200, 400, 409, 500)
    expect(server.get(f"/jobs/{good}"), 200)
    assert server.is_running


@pytest.mark.parametrize("column", TEXTS)
def test_a_text_that_no_server_writes(damaged, database, column):
    server, bad, good = damaged
    for value in TEXTS[column]:
        set_column(database, "jobs", bad, column, value)
        look(server, bad, good)


@pytest.mark.parametrize("column", WORDS)
def test_a_word_that_is_none(damaged, database, column):
    server, bad, good = damaged
    set_column(database, "jobs", bad, column, "nonsense")
    look(server, bad, good)
    job = expect(server.get(f"/jobs/{bad}"), 200).json
    assert job["damaged"] == column


@pytest.mark.parametrize("column", NUMBERS)
def test_a_number_out_of_all_bounds(damaged, database, column):
    server, bad, good = damaged
    for value in (-1, 0, 2**31, 2**63 - 1, -(2**63)):
        set_column(database, "jobs", bad, column, value)
        look(server, bad, good)


@pytest.mark.parametrize("column", ["status", "trigger", "attempts", "scheduled_at"])
def test_an_execution_that_no_server_writes(damaged, database, column):
    server, bad, good = damaged
    value = "nonsense" if column in ("status", "trigger") else -(2**63)
    set_column(database, "job_executions", 1, column, value)
    assert server.get(f"/executions/{bad}-m1").status in (200, 404, 500)
    listed = expect(server.get("/executions"), 200).json["executions"]
    assert good in [execution["job_id"] for execution in listed]
    expect(server.get("/observability/executions/recent"), 200)
    assert server.get("/observability/metrics").status in (200, 500)
    look(server, bad, good)
