# SPDX-License-Identifier: MIT
"""Idempotency-Key: a client that lost an answer asks again, and nothing is done twice."""

from harness.jobs import create_job, expect

YEARLY = {"schedule": "0 0 1 1 *", "api": "http://127.0.0.1:4/", "name": "once"}


def post(server, path, body, key):
    return server.post(path, body, headers={"Idempotency-Key": key})


def test_a_repeated_creation_makes_one_job(shared_server):
    first = expect(post(shared_server, "/jobs", YEARLY, "create-1"), 201)
    again = expect(post(shared_server, "/jobs", YEARLY, "create-1"), 201)
    assert again.json["id"] == first.json["id"]
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    other = expect(post(shared_server, "/jobs", YEARLY, "create-2"), 201)
    assert other.json["id"] != first.json["id"]


def test_a_key_stands_for_one_request(shared_server):
    expect(post(shared_server, "/jobs", YEARLY, "create-3"), 201)
    refused = expect(post(shared_server, "/jobs", {**YEARLY, "name": "twice"}, "create-3"), 422)
    assert refused.json["type"] == "/problems/idempotency-key-reused"


def test_a_repeated_trigger_runs_once(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/once"))
    path = f"/jobs/{job['id']}/trigger"
    first = expect(post(shared_server, path, None, "trigger-1"), 202)
    again = expect(post(shared_server, path, None, "trigger-1"), 202)
    assert again.json == first.json
    shared_target.wait_for(1, "/ok/once", 10)
    executions = expect(shared_server.get(f"/jobs/{job['id']}/executions"), 200).json["executions"]
    assert [e["id"] for e in executions] == [first.json["execution_id"]]


def test_a_key_outlives_a_crash(fleet, database):
    server = fleet.serve(database)
    first = expect(post(server, "/jobs", YEARLY, "before-the-crash"), 201)
    server.kill()
    server = fleet.serve(database)
    again = expect(post(server, "/jobs", YEARLY, "before-the-crash"), 201)
    assert again.json["id"] == first.json["id"]


def test_a_bad_key_is_refused(shared_server):
    refused = expect(post(shared_server, "/jobs", YEARLY, "with space"), 400)
    assert refused.json["type"] == "/problems/invalid-header"
    expect(post(shared_server, "/jobs", YEARLY, "k" * 256), 400)
