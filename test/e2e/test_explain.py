# SPDX-License-Identifier: MIT
"""GET /jobs/:id/explain: why did it run, or not, at that instant?"""

import pytest
from harness.jobs import create_job, expect, list_executions
from harness.times import EVERY_SECOND, NEVER_SOON, now_ms, parse_ms, second_after, wall_text
from harness.wait import wait_until, wait_until_clock

MEMBERS = {
    "job_id",
    "at",
    "verdict",
    "detail",
    "execution",
    "previous_run",
    "next_run",
    "since",
    "until",
    "reason",
    "next_runs",
}


def explain(server, job, at_ms=None):
    query = "" if at_ms is None else f"?at={wall_text(at_ms)}"
    answer = expect(server.get(f"/jobs/{job['id']}/explain{query}"), 200).json
    assert answer.keys() == (MEMBERS if query else MEMBERS | {"last", "next"})
    assert answer["job_id"] == job["id"]
    assert answer["detail"]
    return answer


def wait_for_verdict(server, job, at_ms, verdict, seconds=20):
    def found():
        answer = explain(server, job, at_ms)
        return answer if answer["verdict"] == verdict else None

    return wait_until(found, seconds, f"{at_ms and wall_text(at_ms)} is {verdict}")


# --- The job as it is ----------------------------------------------------------------------------


def test_without_an_instant_the_last_and_the_next_occurrence_are_judged(server, target):
    job = create_job(server, target.url("/ok/lately"), EVERY_SECOND)

    def last_ran():
        answer = explain(server, job)
        return answer if answer["last"] and answer["last"]["verdict"] == "ran" else None

    answer = wait_until(last_ran, 10, "an occurrence ran")
    assert answer["verdict"] == "active"
    assert answer["last"]["execution"]["job_id"] == job["id"]
    assert answer["last"]["at"] == answer["previous_run"]
    assert answer["next"]["at"] == answer["next_run"]
    assert answer["next"]["verdict"] in ("future", "planned")
    for words in ("the job is active", "its last occurrence was at", "the next one is at"):
        assert words in answer["detail"]


def test_a_paused_job_says_so_whatever_the_hour(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/six"), "0 6 * * *")
    reason = {"reason": "the bank is closed"}
    expect(shared_server.post(f"/jobs/{job['id']}/pause", reason), 200)
    answer = explain(shared_server, job)
    assert (answer["verdict"], answer["reason"]) == ("paused", "the bank is closed")
    assert parse_ms(answer["since"]) <= now_ms()
    assert "the bank is closed" in answer["detail"]
    assert "its first occurrence is at" in answer["detail"]
    assert answer["next"]["verdict"] == "paused" and answer["next_run"].endswith("T06:00:00.000Z")
    assert (answer["last"], answer["previous_run"]) == (None, None)


def test_a_job_that_is_over_says_how_it_ended(server, target):
    job = create_job(server, target.url("/ok/over"), EVERY_SECOND, max_runs=1)
    over = wait_for_verdict(server, job, None, "finished")
    assert over["last"]["verdict"] == "ran" and over["next"] is None
    expect(server.delete(f"/jobs/{job['id']}"), 204)
    gone = explain(server, job)
    assert (gone["verdict"], gone["last"]["verdict"]) == ("deleted", "ran")


# --- What was and what will be -------------------------------------------------------------------


def test_an_instant_that_ran_has_its_execution(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/explained"), EVERY_SECOND)
    at_ms = second_after(500)
    planned = wait_for_verdict(shared_server, job, at_ms, "planned", 5)
    assert planned["execution"]["id"] == f"{job['id']}-{at_ms}"
    ran = wait_for_verdict(shared_server, job, at_ms + 250, "ran")
    assert parse_ms(ran["at"]) == at_ms  # Floored to the second.
    assert ran["execution"]["id"] == f"{job['id']}-{at_ms}"
    assert ran["execution"]["status"] in ("RUNNING", "SUCCESS")
    assert len(ran["next_runs"]) == 5
    expect(shared_server.delete(f"/jobs/{job['id']}"), 204)


def test_a_failure_is_told_with_its_error(shared_server, shared_target):
    url = shared_target.url("/status/500/explained")
    job = create_job(shared_server, url, EVERY_SECOND, max_runs=1, max_retries=0)
    executions = wait_until(lambda: list_executions(shared_server, job), 10, "it ran")
    at_ms = parse_ms(executions[0]["scheduled_at"])
    wait_until(
        lambda: "failed after 1 attempt" in explain(shared_server, job, at_ms)["detail"],
        10,
        "the failure is told",
    )
    finished = wait_for_verdict(shared_server, job, at_ms + 3600_000, "finished")
    assert finished["next_runs"] == []


def test_an_instant_beside_the_schedule_has_its_neighbours(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok"), "0 9 * * *")
    at_ms = parse_ms("2199-06-01T09:00:30.000Z")
    answer = explain(shared_server, job, at_ms)
    assert answer["verdict"] == "not_scheduled"
    assert answer["previous_run"] == "2199-06-01T09:00:00.000Z"
    assert answer["next_run"] == "2199-06-02T09:00:00.000Z"
    assert "2199-06-01T09:00:00Z" in answer["detail"]
    assert explain(shared_server, job, at_ms - 30_000)["verdict"] == "future"


def test_now_is_meant_when_no_instant_is_named(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok"), NEVER_SOON)
    answer = explain(shared_server, job)
    assert abs(parse_ms(answer["at"]) - now_ms()) < 60_000
    assert (answer["verdict"], answer["last"]) == ("active", None)
    assert answer["next_run"] == "2199-01-01T00:00:00.000Z"


def test_before_its_creation_and_after_its_end_a_job_owes_nothing(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok"), EVERY_SECOND)
    before_ms = parse_ms(job["created_at"]) - 5000
    assert explain(shared_server, job, before_ms)["verdict"] == "not_yet_created"
    expect(shared_server.delete(f"/jobs/{job['id']}"), 204)
    gone = explain(shared_server, job, now_ms() + 60_000)
    assert gone["verdict"] == "deleted"
    assert gone["next_runs"] == []
    assert explain(shared_server, job, before_ms)["verdict"] == "not_yet_created"


def test_a_pause_is_told_with_its_reason_and_end(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok"), EVERY_SECOND)
    until_ms = second_after(3600_000)
    body = {"reason": "the bank is closed", "until": wall_text(until_ms)}
    paused = expect(shared_server.post(f"/jobs/{job['id']}/pause", body), 200).json
    answer = explain(shared_server, job, now_ms() + 60_000)
    assert answer["verdict"] == "paused"
    assert answer["reason"] == "the bank is closed"
    assert parse_ms(answer["until"]) == until_ms
    assert abs(parse_ms(answer["since"]) - parse_ms(paused["updated_at"])) < 1000
    assert "the bank is closed" in answer["detail"]

    # What the job was before, and what it is after, does not change the answer for that time.
    resumed = expect(shared_server.post(f"/jobs/{job['id']}/resume"), 200).json
    assert parse_ms(resumed["updated_at"]) <= until_ms
    again = explain(shared_server, job, now_ms() + 60_000)
    assert again["verdict"] == "future"
    expect(shared_server.delete(f"/jobs/{job['id']}"), 204)


def test_an_overlapping_occurrence_was_skipped(shared_server, shared_target):
    url = shared_target.url("/delay/2500/explained")
    job = create_job(shared_server, url, EVERY_SECOND, overlap="skip")

    def skipped():
        return [e for e in list_executions(shared_server, job) if e["status"] == "SKIPPED"]

    executions = wait_until(skipped, 20, "one was skipped")
    answer = explain(shared_server, job, parse_ms(executions[0]["scheduled_at"]))
    assert answer["verdict"] == "skipped"
    assert "was not over" in answer["detail"]
    expect(shared_server.delete(f"/jobs/{job['id']}"), 204)


@pytest.mark.slow
def test_what_was_missed_while_down_is_told_as_a_range(fleet, database, target):
    server = fleet.serve(database)
    job = create_job(server, target.url("/ok"), EVERY_SECOND, catch_up="none")
    wait_until(lambda: list_executions(server, job), 10, "it ran")
    server.kill()
    down_ms = now_ms()
    wait_until_clock(down_ms + 8000)
    server = fleet.serve(database)
    at_ms = down_ms // 1000 * 1000 + 4000
    answer = wait_for_verdict(server, job, at_ms, "missed")
    assert parse_ms(answer["since"]) <= at_ms <= parse_ms(answer["until"])
    assert answer["execution"]["status"] == "MISSED"
    server.stop()


# --- Bad questions -------------------------------------------------------------------------------


def test_an_unknown_job_is_not_found(shared_server):
    assert shared_server.get("/jobs/999999999/explain").status == 404


@pytest.mark.parametrize("query", ["at=yesterday", "at=", "at=1969-12-31T23:00:00Z", "when=now"])
def test_a_bad_instant_is_named(shared_server, shared_target, query):
    job = create_job(shared_server, shared_target.url("/ok"))
    answer = expect(shared_server.get(f"/jobs/{job['id']}/explain?{query}"), 400).json
    assert answer["type"] == "/problems/invalid-parameter"
    assert answer["errors"][0]["pointer"] == "/" + query.split("=")[0]
