# SPDX-License-Identifier: MIT
"""ATMOST_ONCE: at most one request is ever started for an occurrence, whatever happens."""

from harness.jobs import create_job, expect, get_execution, trigger, wait_for_end
from harness.target import RefusingPort
from harness.times import now_ms, schedule_at, second_after
from harness.wait import wait_until


def test_a_failing_target_gets_exactly_one_request(server, target):
    due_ms = second_after(1500)
    url = target.url("/status/500/once")
    job = create_job(server, url, schedule_at(due_ms), type="ATMOST_ONCE")
    execution = wait_for_end(server, f"{job['id']}-{due_ms}", 20)
    assert (execution["status"], execution["retry_count"]) == ("FAILED", 0)
    assert len(target.arrivals("/status/500/once")) == 1
    (alert,) = expect(server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"]
    assert alert["execution_id"] == execution["id"]


def test_a_lost_answer_is_not_asked_for_again(server, target):
    job = create_job(server, target.url("/close/once"), type="ATMOST_ONCE")
    execution = wait_for_end(server, trigger(server, job), 20)
    assert execution["status"] == "FAILED"
    assert len(target.arrivals("/close/once")) == 1


def test_what_was_never_sent_may_be_tried_again(server):
    with RefusingPort() as nobody:
        api = f"http://127.0.0.1:{nobody.port}/"
        job = create_job(server, api, type="ATMOST_ONCE", max_retries=2, retry_base_ms=100)
        execution = wait_for_end(server, trigger(server, job), 20)
    assert (execution["status"], execution["retry_count"]) == ("FAILED", 2)


def test_a_crash_in_flight_is_an_unknown_outcome_and_no_second_request(fleet, database, target):
    server = fleet.serve(database)
    due_ms = second_after(1500)
    job = create_job(server, target.url("/hang/once"), schedule_at(due_ms), type="ATMOST_ONCE")
    target.wait_for(1, "/hang/once", 10)
    server.kill()

    server = fleet.serve(database)
    execution_id = f"{job['id']}-{due_ms}"
    execution = wait_for_end(server, execution_id, 20)
    assert execution["status"] == "FAILED"
    assert "outcome unknown" in execution["error"]
    (alert,) = expect(server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"]
    assert alert["execution_id"] == execution_id
    server.kill()

    server = fleet.serve(database)  # And a second start changes nothing.
    assert get_execution(server, execution_id) == execution
    control = create_job(server, target.url("/ok/control"))
    wait_for_end(server, trigger(server, control), 10)
    assert len(target.arrivals("/hang/once")) == 1


def test_occurrences_missed_while_down_are_not_sent_late(fleet, database, target):
    server = fleet.serve(database)
    due_ms = second_after(3000)
    job = create_job(server, target.url("/ok/missed"), schedule_at(due_ms), type="ATMOST_ONCE")
    server.kill()
    wait_until(lambda: now_ms() > due_ms + 1000, 20, "the instant has passed")

    server = fleet.serve(database)
    execution = wait_for_end(server, f"{job['id']}-{due_ms}", 20)
    assert execution["status"] == "MISSED"
    assert target.arrivals("/ok/missed") == []
    (alert,) = expect(server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"]
    assert alert["kind"] == "missed"
