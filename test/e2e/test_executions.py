# SPDX-License-Identifier: MIT
"""Executions over the API: what is recorded of them, and manual triggers."""

import pytest
from harness.jobs import (
    create_job,
    expect,
    get_execution,
    list_executions,
    trigger,
    wait_for_end,
)
from harness.ledger import read
from harness.times import EVERY_SECOND, NEVER_SOON, now_ms, parse_ms, schedule_at, second_after
from harness.wait import wait_until


def test_an_execution_records_what_happened(server, target):
    due_ms = second_after(1500)
    job = create_job(server, target.url("/delay/50/record"), schedule_at(due_ms))
    (arrival,) = target.wait_for(1, "/delay/50/record", 10)
    execution = wait_for_end(server, f"{job['id']}-{due_ms}", 10)

    assert execution["id"] == arrival.key == f"{job['id']}-{due_ms}"
    assert execution["job_id"] == job["id"]
    assert execution["status"] == "SUCCESS"
    assert execution["trigger"] == "schedule"
    assert execution["http_status"] == 200
    assert execution["retry_count"] == 0
    assert execution["error"] is None
    assert parse_ms(execution["scheduled_at"]) == due_ms
    assert parse_ms(execution["scheduled_at"]) <= parse_ms(execution["started_at"])
    assert parse_ms(execution["started_at"]) <= arrival.at_ms
    assert parse_ms(execution["completed_at"]) >= parse_ms(execution["started_at"]) + 50
    assert execution["duration"] >= 50
    assert execution["lateness_ms"] >= 0

    (attempt,) = execution["attempts"]
    assert (attempt["number"], attempt["http_status"], attempt["error"]) == (1, 200, None)
    assert attempt["duration_ms"] >= 50
    assert "of the target" in attempt["response_excerpt"]


def test_a_request_says_what_it_is_for(server, target):
    due_ms = second_after(1500)
    job = create_job(server, target.url("/ok/headers"), schedule_at(due_ms))
    (arrival,) = target.wait_for(1, "/ok/headers", 10)

    execution_id = f"{job['id']}-{due_ms}"
    headers = arrival.headers
    assert arrival.method == "POST"
    assert headers["idempotency-key"] == f'"{execution_id}"'
    assert headers["webhook-id"] == execution_id
    assert abs(int(headers["webhook-timestamp"]) * 1000 - arrival.at_ms) < 60_000
    assert headers["carillon-job"] == str(job["id"])
    assert parse_ms(headers["carillon-scheduled-at"]) == due_ms
    assert headers["carillon-attempt"] == "1"
    assert int(headers["carillon-fence"]) >= 1
    assert headers["user-agent"].startswith("Carillon/")
    assert headers["content-type"] == "application/json"
    assert len(headers["traceparent"].split("-")) == 4
    assert arrival.json == {
        "job_id": job["id"],
        "execution_id": execution_id,
        "scheduled_at": headers["carillon-scheduled-at"],
        "attempt": 1,
    }


def test_a_job_chooses_method_headers_and_body(shared_server, shared_target):
    job = create_job(
        shared_server,
        shared_target.url("/ok/custom"),
        method="PUT",
        headers={"X-Team": "billing", "Content-Type": "text/plain"},
        body="plain words",
    )
    wait_for_end(shared_server, trigger(shared_server, job), 10)
    (arrival,) = shared_target.arrivals("/ok/custom")
    assert (arrival.method, arrival.body) == ("PUT", b"plain words")
    assert arrival.headers["x-team"] == "billing"
    assert arrival.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    "method, body, kind, length",
    [
        ("POST", {"a": [1.1, "ü"]}, "application/json", "16"),
        ("POST", '{"a":1}', "text/plain; charset=utf-8", "7"),
        ("POST", "", None, "0"),
        ("DELETE", "", None, None),
        ("GET", "", None, None),
    ],
)
def test_a_body_is_called_what_it_is(shared_server, shared_target, method, body, kind, length):
    path = f"/ok/kind/{method}/{length}"
    job = create_job(shared_server, shared_target.url(path), method=method, body=body)
    assert expect(shared_server.get(f"/jobs/{job['id']}"), 200).json["body"] == body
    wait_for_end(shared_server, trigger(shared_server, job), 10)
    (arrival,) = shared_target.arrivals(path)
    assert arrival.headers.get("content-type") == kind
    assert arrival.headers.get("content-length") == length
    assert (arrival.json if isinstance(body, dict) else arrival.body.decode()) == body


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_head_and_options_are_methods(shared_server, shared_target, method):
    path = f"/ok/{method}"
    job = create_job(shared_server, shared_target.url(path), method=method)
    for _ in range(2):  # The second goes out on the connection of the first.
        execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
        assert (execution["status"], execution["http_status"]) == ("SUCCESS", 200)
    arrivals = shared_target.arrivals(path)
    assert [(a.method, a.body) for a in arrivals] == [(method, b"")] * 2
    assert "content-length" not in arrivals[0].headers


def test_a_head_with_a_body_is_refused(shared_server, shared_target):
    job = {"schedule": NEVER_SOON, "api": shared_target.url("/ok"), "method": "HEAD", "body": "x"}
    problem = expect(shared_server.post("/jobs", job), 400).json
    assert problem["errors"][0]["pointer"] == "/body"


def test_a_url_is_percent_encoded_and_may_be_long(shared_server, shared_target):
    path = "/ok/日本 x?q=hello wörld&long=" + "y" * 7000
    job = create_job(shared_server, shared_target.url(path))
    wait_for_end(shared_server, trigger(shared_server, job), 10)
    encoded = "/ok/%E6%97%A5%E6%9C%AC%20x?q=hello%20w%C3%B6rld&long=" + "y" * 7000
    assert job["api"] == shared_target.url(encoded)
    assert len(shared_target.arrivals(encoded)) == 1


def test_a_job_names_its_virtual_host_and_sends_utf8(shared_server, shared_target):
    headers = {"Host": "b.example", "Title": "Über ✓"}
    job = create_job(shared_server, shared_target.url("/ok/virtual"), headers=headers)
    assert expect(shared_server.get(f"/jobs/{job['id']}"), 200).json["headers"] == headers
    wait_for_end(shared_server, trigger(shared_server, job), 10)
    (arrival,) = shared_target.arrivals("/ok/virtual")
    assert arrival.headers["host"] == "b.example"
    assert arrival.headers["title"] in ("Über ✓", "Über ✓".encode().decode("latin-1"))


def test_a_trigger_brings_a_body_of_its_own_kind(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/brought"), body={"a": 1})
    for body in ("plain", {"b": 2}, ""):
        response = shared_server.post(f"/jobs/{job['id']}/trigger", {"body": body})
        wait_for_end(shared_server, expect(response, 202).json["execution_id"], 10)
    arrivals = shared_target.arrivals("/ok/brought")
    assert [(a.headers.get("content-type"), a.body) for a in arrivals] == [
        ("text/plain; charset=utf-8", b"plain"),
        ("application/json", b'{"b":2}'),
        (None, b""),
    ]


def test_a_trigger_runs_at_once_and_is_a_record_of_its_own(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/trigger"))
    response = expect(shared_server.post(f"/jobs/{job['id']}/trigger"), 202)
    execution_id = response.json["execution_id"]
    assert response.headers["Location"] == f"/executions/{execution_id}"
    assert execution_id.startswith(f"{job['id']}-m")
    another_id = trigger(shared_server, job)
    assert another_id != execution_id

    for one in (execution_id, another_id):
        execution = wait_for_end(shared_server, one, 10)
        assert (execution["status"], execution["trigger"]) == ("SUCCESS", "manual")
    keys = [a.key for a in shared_target.arrivals("/ok/trigger")]
    assert sorted(keys) == sorted([execution_id, another_id])


def test_a_trigger_may_bring_its_own_body(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/body"), body='{"from":"the job"}')
    wait_for_end(shared_server, trigger(shared_server, job, {"body": '{"from":"me"}'}), 10)
    wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert [a.json["from"] for a in shared_target.arrivals("/ok/body")] == ["me", "the job"]


def test_a_paused_job_can_be_triggered(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/paused"), EVERY_SECOND)
    expect(shared_server.post(f"/jobs/{job['id']}/pause"), 200)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert (execution["status"], execution["trigger"]) == ("SUCCESS", "manual")
    assert not shared_server.get(f"/jobs/{job['id']}").json["is_active"]


def test_a_trigger_never_takes_the_key_of_an_occurrence(server, target):
    """Triggers all through the seconds of a job that fires every second: nothing is displaced."""
    job = create_job(server, target.url("/ok/mixed"), EVERY_SECOND)
    begin_ms = now_ms()
    manual = []

    def trigger_until_time_is_up():
        manual.append(trigger(server, job))
        return now_ms() > begin_ms + 3500

    wait_until(trigger_until_time_is_up, 30, "three seconds went by")
    expect(server.post(f"/jobs/{job['id']}/pause"), 200)
    for execution_id in manual:
        assert wait_for_end(server, execution_id, 20)["status"] == "SUCCESS"

    by_trigger = {"schedule": [], "manual": []}
    for execution in list_executions(server, job):
        if execution["status"] == "SUCCESS":
            by_trigger[execution["trigger"]].append(execution["id"])
    assert sorted(by_trigger["manual"]) == sorted(manual) and len(set(manual)) == len(manual)
    created_ms = parse_ms(job["created_at"])
    first = created_ms // 1000 * 1000 + 1000
    owed = [f"{job['id']}-{first + 1000 * n}" for n in range(3)]
    assert set(owed) <= set(by_trigger["schedule"])
    assert all(len(same) == 1 for same in target.arrivals_by_key("/ok/mixed").values())


def test_executions_are_listed_newest_first_five_by_default(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/seven"))
    ids = [trigger(shared_server, job) for _ in range(7)]
    for execution_id in ids:
        wait_for_end(shared_server, execution_id, 10)
    newest_first = ids[::-1]

    path = f"/jobs/{job['id']}/executions"
    five = expect(shared_server.get(path), 200).json["executions"]
    assert [e["id"] for e in five] == newest_first[:5]
    three = expect(shared_server.get(f"{path}?limit=3"), 200).json["executions"]
    assert [e["id"] for e in three] == newest_first[:3]
    assert [e["id"] for e in list_executions(shared_server, job, limit=2)] == newest_first
    assert list_executions(shared_server, job, status="FAILED") == []
    assert len(list_executions(shared_server, job, status="SUCCESS,FAILED,PENDING")) == 7
    for bad in ("SUCCESS,", "", "success", "SUCCESS,DONE", "SUCCESS, FAILED", "x" * 100):
        refused = shared_server.get(f"/executions?status={bad.replace(' ', '%20')}")
        assert "PENDING, RUNNING" in expect(refused, 400).json["detail"]
    assert len(list_executions(shared_server, job, status="SUCCESS")) == 7


def test_executions_can_be_asked_for_by_time(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/range"))
    first = wait_for_end(shared_server, trigger(shared_server, job), 10)
    wait_until(lambda: now_ms() > parse_ms(first["scheduled_at"]) + 1, 5, "the clock moved on")
    second = wait_for_end(shared_server, trigger(shared_server, job), 10)

    def ids(**filters):
        return [e["id"] for e in list_executions(shared_server, job, **filters)]

    assert ids(to=first["scheduled_at"]) == [first["id"]]
    assert ids(**{"from": second["scheduled_at"]}) == [second["id"]]
    assert ids(**{"from": first["scheduled_at"]}) == [second["id"], first["id"]]


def test_what_is_only_planned_is_not_listed(server, target):
    job = create_job(server, target.url("/ok/planned"), EVERY_SECOND)
    target.wait_for(2, "/ok/planned", 10)
    for execution in list_executions(server, job):
        assert parse_ms(execution["scheduled_at"]) <= now_ms()


def test_a_schedule_that_fires_once_is_finished_afterwards(server, target):
    due_ms = second_after(1500)
    job = create_job(server, target.url("/ok/once"), schedule_at(due_ms))
    wait_for_end(server, f"{job['id']}-{due_ms}", 10)
    after = expect(server.get(f"/jobs/{job['id']}"), 200).json
    assert (after["is_active"], after["finished"], after["next_runs"]) == (False, True, [])


def test_the_tables_and_indexes_of_the_seed_exist(fleet, database, target):
    server = fleet.serve(database)
    job = create_job(server, target.url("/ok/tables"), NEVER_SOON)
    execution = trigger(server, job)
    wait_for_end(server, execution, 10)
    assert get_execution(server, execution)["status"] == "SUCCESS"
    server.stop()

    names = {name for (name,) in read(database, "SELECT name FROM sqlite_master")}
    assert {"jobs", "job_executions"} <= names
    assert {
        "idx_job_executions_job_id",
        "idx_job_executions_scheduled_at",
        "idx_jobs_is_active",
    } <= names
    columns = {row[1] for row in read(database, "PRAGMA table_info(jobs)")}
    assert {"id", "schedule", "api", "type", "is_active", "created_at", "updated_at"} <= columns
    columns = {row[1] for row in read(database, "PRAGMA table_info(job_executions)")}
    assert {
        "id",
        "job_id",
        "status",
        "scheduled_at",
        "started_at",
        "completed_at",
        "duration",
        "http_status",
        "error",
        "retry_count",
    } <= columns
    assert read(database, "PRAGMA journal_mode") == [("wal",)]
