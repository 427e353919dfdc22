# SPDX-License-Identifier: MIT
"""Completion by the target: it answers 202, asks to wait, and says later how it ended."""

import pytest
from harness.cluster import Cluster
from harness.jobs import create_job, expect, get_execution, trigger, wait_for_end
from harness.times import schedule_at, second_after, wall_text
from harness.tokens import by, make_token
from harness.wait import wait_until

SUCCESS = {"status": "success"}
FAILED = {"status": "failed", "error": "the tape is torn"}


def long_job(server, target, path="/wait/a", seconds=3600, **fields):
    return create_job(server, target.url(path), completion_timeout_s=seconds, **fields)


def take_callback(target, path="/wait/a", count=1):
    """What the last request was told: where its target may say how it ended."""
    return target.wait_for(count, path, 20)[count - 1].headers["carillon-callback"]


def wait_until_awaited(server, execution):
    return wait_until(
        lambda: (e := get_execution(server, execution))["completion_deadline"] and e,
        20,
        "the target is waited for",
    )


def start(server, target, **fields):
    """(the execution that waits for its target, where that may say how it ended)"""
    execution = trigger(server, long_job(server, target, **fields))
    callback = take_callback(target)
    assert callback.startswith(f"/executions/{execution}/complete?token=1-")
    waiting = wait_until_awaited(server, execution)
    assert waiting["status"] == "RUNNING" and waiting["completed_at"] is None
    assert [a["http_status"] for a in waiting["attempts"]] == [202]
    return execution, callback


def test_a_target_says_later_that_it_succeeded(server, target):
    execution, callback = start(server, target)
    answer = expect(server.post(callback, SUCCESS), 200).json
    assert answer["execution_id"] == execution
    ended = get_execution(server, execution)
    assert (ended["status"], ended["completion"], ended["error"]) == ("SUCCESS", "success", None)
    assert ended["completion_deadline"] is None
    assert len(target.arrivals("/wait/a")) == 1
    expect(server.post(callback, SUCCESS), 200)  # The answer may have been lost.
    refused = expect(server.post(callback, FAILED), 409).json
    assert refused["type"] == "/problems/execution-over"


def test_a_failure_is_retried_by_the_rules_of_the_job(server, target):
    execution, first = start(server, target, max_retries=1, retry_base_ms=1)
    expect(server.post(first, FAILED), 200)
    second = take_callback(target, count=2)
    assert second != first
    wait_until_awaited(server, execution)
    refused = expect(server.post(first, SUCCESS), 409).json
    assert refused["type"] == "/problems/completion-unexpected"
    expect(server.post(second, FAILED), 200)
    ended = get_execution(server, execution)
    assert (ended["status"], ended["attempts_made"], ended["retry_count"]) == ("FAILED", 2, 1)
    assert ended["error"] == "the target said that it failed: the tape is torn"
    (alert,) = expect(server.get("/observability/alerts"), 200).json["alerts"]
    assert "the tape is torn" in alert["message"]


def test_a_target_tells_how_far_it_has_come(fleet, database, target):
    server = fleet.serve(database)
    execution, callback = start(server, target)
    expect(server.post(callback, {"status": "running", "percent": 0}), 200)
    for i in range(1, 22):
        said = {"status": "running", "percent": i, "note": f"sheet\n{i} – ä"}
        expect(server.post(callback, said), 200)
    server.kill()
    server = fleet.serve(database)
    expect(server.post(callback, {"status": "running", "note": "nearly"}), 200)
    health = expect(server.get("/observability/health"), 200).json
    assert health["dispatch"]["awaiting"] == 1
    expect(server.post(callback, SUCCESS), 200)
    progress = get_execution(server, execution)["progress"]
    assert len(progress) == 20
    assert [p["percent"] for p in progress] == [*range(3, 22), None]
    assert [progress[0]["note"], progress[-1]["note"]] == ["sheet 3 – ä", "nearly"]
    assert all(p["at"] for p in progress)
    expect(server.post(callback, {"status": "running", "percent": 1}), 409)
    server.stop()


def test_an_occurrence_that_waits_is_explained(server, target):
    due_ms = second_after(2000)
    job = long_job(server, target, schedule=schedule_at(due_ms))
    execution = f"{job['id']}-{due_ms}"
    take_callback(target)
    deadline = wait_until_awaited(server, execution)["completion_deadline"]
    path = f"/jobs/{job['id']}/explain?at={wall_text(due_ms)}"
    explained = expect(server.get(path), 200).json
    assert explained["verdict"] == "ran"
    said = f"it waits for its completion by the target until {deadline[:19]}"
    assert said in explained["detail"]


def test_silence_ends_the_execution_at_its_deadline_without_another_attempt(server, target):
    execution, callback = start(server, target, seconds=1, max_retries=3)
    ended = wait_for_end(server, execution, 20)
    assert ended["status"] == "FAILED" and ended["completion"] is None
    assert ended["error"].startswith("no completion came until ")
    assert len(target.arrivals("/wait/a")) == 1
    refused = expect(server.post(callback, SUCCESS), 409).json
    assert refused["error"] == "the execution is over: it is FAILED"


def test_a_crash_keeps_what_waits_and_sends_nothing_again(fleet, database, target):
    server = fleet.serve(database)
    execution, callback = start(server, target)
    deadline = get_execution(server, execution)["completion_deadline"]
    server.kill()
    server = fleet.serve(database)
    waiting = get_execution(server, execution)
    assert (waiting["status"], waiting["completion_deadline"]) == ("RUNNING", deadline)
    expect(server.post(callback, SUCCESS), 200)  # The key of the callbacks is kept as well.
    assert get_execution(server, execution)["status"] == "SUCCESS"
    assert len(target.arrivals("/wait/a")) == 1
    server.stop()


def test_what_is_said_before_the_answer_counts(server, target):
    job = long_job(server, target, "/hang/early", timeout_ms=500, max_retries=3)
    execution = trigger(server, job)
    callback = take_callback(target, "/hang/early")
    expect(server.post(callback, SUCCESS), 200)
    ended = wait_for_end(server, execution, 20)
    assert (ended["status"], ended["completion"]) == ("SUCCESS", "success")
    assert len(target.arrivals("/hang/early")) == 1


def test_only_the_callback_of_the_attempt_is_good(server, target):
    execution, callback = start(server, target)
    other = trigger(server, long_job(server, target, "/wait/other"))
    token = take_callback(target, "/wait/other").partition("token=")[2]
    for wrong in (token, "", "1-", "2" + callback.partition("token=1")[2], "1-" + 43 * "A"):
        path = f"/executions/{execution}/complete?token={wrong}"
        refused = expect(server.post(path, SUCCESS), 403)
        assert refused.json["type"] == "/problems/invalid-callback"
    assert get_execution(server, execution)["status"] == "RUNNING"
    wait_until_awaited(server, other)


@pytest.mark.parametrize(
    "body, member",
    [
        ({}, "/status"),
        ({"status": "done"}, "/status"),
        ({"status": "success", "error": "x"}, "/error"),
        ({"status": "failed", "error": 5}, "/error"),
        ({"status": "failed", "error": 1001 * "x"}, "/error"),
        ({"status": "running"}, "/note"),
        ({"status": "running", "percent": 101}, "/percent"),
    ],
)
def test_what_is_said_is_read_strictly(shared_server, shared_target, body, member):
    path = f"/wait/{abs(hash(str(body)))}"
    trigger(shared_server, long_job(shared_server, shared_target, path))
    refused = expect(shared_server.post(take_callback(shared_target, path), body), 400).json
    assert refused["errors"][0]["pointer"] == member


def test_an_execution_that_waits_can_be_cancelled(server, target):
    execution, callback = start(server, target)
    expect(server.post(f"/executions/{execution}/cancel"), 202)
    ended = get_execution(server, execution)
    assert (ended["status"], ended["reason"]) == ("CANCELLED", "cancelled on request")
    expect(server.post(callback, SUCCESS), 409)


def test_the_place_at_the_job_is_kept(server, target):
    job = long_job(server, target, overlap="queue")
    first, second = trigger(server, job), trigger(server, job)
    callback = take_callback(target)
    wait_until_awaited(server, first)
    assert get_execution(server, second)["status"] == "PENDING"
    expect(server.post(callback, SUCCESS), 200)
    take_callback(target, count=2)


def test_jobs_that_do_not_ask_for_it_take_202_as_success(server, target):
    job = create_job(server, target.url("/wait/plain"))
    assert job["completion_timeout_s"] == 0
    assert wait_for_end(server, trigger(server, job), 20)["status"] == "SUCCESS"
    assert "carillon-callback" not in target.arrivals("/wait/plain")[0].headers


def test_targets_need_no_token_and_people_no_callback(fleet, database, target):
    admin, reader = by(make_token(database, "admin")), by(make_token(database, "read"))
    server = fleet.serve(database, "--public-url", "https://cron.example/base/")
    body = {"schedule": "0 0 1 1 *", "api": target.url("/wait/a"), "completion_timeout_s": 60}
    job = expect(server.post("/jobs", body, headers=admin), 201).json
    done = []
    for count in (1, 2):
        path = f"/jobs/{job['id']}/trigger"
        done.append(expect(server.post(path, headers=admin), 202).json["execution_id"])
        callback = take_callback(target, count=count)
    base = "https://cron.example/base"
    assert callback.startswith(f"{base}/executions/{done[1]}/complete?token=")
    expect(server.post(callback.removeprefix(base), SUCCESS), 200)
    by_hand = f"/executions/{done[0]}/complete"
    expect(server.post(by_hand, SUCCESS), 401)
    expect(server.post(by_hand, SUCCESS, headers=reader), 403)
    wait_until(
        lambda: server.post(by_hand, SUCCESS, headers=admin).status == 200, 20, "it is waited for"
    )
    audit = server.get("/audit?action=execution.complete", headers=admin)
    (entry,) = expect(audit, 200).json["entries"]
    assert (entry["subject"], entry["token"]) == (done[0], "admin")
    token = callback.partition("token=")[2]
    for file in database.parent.glob(f"{database.name}*"):
        assert token.encode() not in file.read_bytes()
    assert not any(token in line for line in server.lines)


def test_any_server_of_a_cluster_hears_the_target(cluster_url, target):
    with Cluster(cluster_url, apis=2, workers=2, balancer=False) as cluster:
        one, two = cluster.apis
        execution, callback = start(one, target)
        for worker in cluster.workers:
            worker.kill()
        for worker in cluster.workers:
            worker.start()
        cluster.wait_until_shared()
        expect(two.post(callback, SUCCESS), 200)
        expect(one.post(callback, SUCCESS), 200)
        assert get_execution(one, execution)["status"] == "SUCCESS"
        assert len(target.arrivals("/wait/a")) == 1
