# SPDX-License-Identifier: MIT
"""POST /executions/:execution/cancel: no further attempt, wherever the execution is just now."""

from harness.cluster import Cluster
from harness.jobs import create_job, expect, get_execution, trigger, wait_for_end
from harness.times import NEVER_SOON, schedule_at, second_after
from harness.wait import wait_until


def cancel(server, execution):
    answer = expect(server.post(f"/executions/{execution}/cancel"), 202)
    assert answer.json["execution_id"] == execution
    assert answer.headers["Location"] == f"/executions/{execution}"


def test_an_attempt_under_way_is_cut_and_the_row_says_so(server, target):
    job = create_job(server, target.url("/hang/cut"), NEVER_SOON)
    execution = trigger(server, job)
    (arrival,) = target.wait_for(1, "/hang/cut", 10)
    cancel(server, execution)
    ended = wait_for_end(server, execution, 10)
    assert ended["status"] == "CANCELLED"
    assert ended["reason"] == "cancelled on request: the attempt under way was cut"
    assert [a["error"] for a in ended["attempts"]] == ["cancelled"]
    wait_until(lambda: arrival.key in target.hung_up(), 10, "the connection is closed")
    assert expect(server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"] == []
    again = expect(server.post(f"/executions/{execution}/cancel"), 409).json
    assert again["type"] == "/problems/execution-over"
    assert again["error"] == "the execution is over: it is CANCELLED"


def test_a_retry_that_waits_is_not_made(server, target):
    job = create_job(server, target.url("/status/503/retry"), NEVER_SOON, retry_base_ms=600)
    execution = trigger(server, job)
    wait_until(
        lambda: get_execution(server, execution)["next_attempt_at"], 10, "the retry is waited for"
    )
    cancel(server, execution)
    ended = get_execution(server, execution)
    assert (ended["status"], ended["reason"]) == ("CANCELLED", "cancelled on request")
    assert ended["error"] == "answered with HTTP status 503"
    other = trigger(server, job)
    wait_for_end(server, other, 20)  # All its retries are over, and so would be those of the first.
    assert len(target.arrivals_by_key()[execution]) == ended["attempts_made"]


def test_an_occurrence_that_is_planned_is_not_sent(server, target):
    due_ms = second_after(3000)
    job = create_job(server, target.url("/ok/planned"), schedule_at(due_ms))
    execution = f"{job['id']}-{due_ms}"
    wait_until(
        lambda: server.get(f"/executions/{execution}").status == 200, 10, "the row is there"
    )
    cancel(server, execution)
    ended = wait_for_end(server, execution, 10)
    assert (ended["status"], ended["reason"]) == ("CANCELLED", "cancelled on request")
    assert target.arrivals() == []


def test_a_cancelled_attempt_is_not_made_again_after_a_crash(fleet, database, target):
    server = fleet.serve(database)
    job = create_job(server, target.url("/hang/crash"), NEVER_SOON)
    execution = trigger(server, job)
    target.wait_for(1, "/hang/crash", 10)
    cancel(server, execution)
    server.kill()
    server = fleet.serve(database)
    ended = wait_for_end(server, execution, 10)
    assert ended["status"] == "CANCELLED"
    assert len(target.arrivals("/hang/crash")) == 1


def test_what_is_not_there_cannot_be_cancelled(shared_server):
    for execution in ("1-m999999", "1-1700000000000", "1-m", "x"):
        expect(shared_server.post(f"/executions/{execution}/cancel"), 404)


def test_any_server_of_a_cluster_cancels(cluster_url, target):
    with Cluster(cluster_url, apis=2, workers=2, balancer=False) as cluster:
        one, two = cluster.apis
        job = create_job(one, target.url("/hang/cluster"), NEVER_SOON)
        execution = trigger(one, job)
        target.wait_for(1, "/hang/cluster", 20)
        cancel(two, execution)
        ended = wait_for_end(two, execution, 20)
        assert ended["status"] == "CANCELLED"
        assert ended["reason"].startswith("cancelled on request")
        expect(one.post(f"/executions/{execution}/cancel"), 409)
