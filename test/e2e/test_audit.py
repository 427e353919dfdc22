# SPDX-License-Identifier: MIT
"""Who changed what: every change has an entry, nothing else has one, and no secret is in any."""

import pytest
from harness.cluster import Cluster
from harness.jobs import create_job, expect, trigger
from harness.wait import wait_until

YEARLY = "0 0 1 1 *"
URL = "http://127.0.0.1:4/hook"


def entries(server, query=""):
    answer = expect(server.get(f"/audit{query}"), 200).json
    assert set(answer) == {"entries", "next_cursor"}
    return answer["entries"]


def told(server, query=""):
    """The actions, oldest first."""
    return [e["action"] for e in reversed(entries(server, query))]


def test_each_change_has_an_entry_that_says_who_and_what(server):
    names = {"X-Request-Id": "deploy-17"}
    body = {"schedule": YEARLY, "api": URL, "name": "bell", "timeout_ms": 5000}
    job = expect(server.post("/jobs", body, headers=names), 201).json
    path = f"/jobs/{job['id']}"
    expect(server.patch(path, {"name": "clock", "timeout_ms": 5000}), 200)
    expect(server.post(f"{path}/pause", {"reason": "repairs"}), 200)
    run = expect(server.post(f"{path}/trigger", {"body": {"by": "hand"}}), 202).json
    expect(server.post(f"{path}/resume"), 200)
    expect(server.delete(path), 204)

    made, changed, paused, run_by_hand, resumed, gone = reversed(entries(server))
    assert made["action"] == "job.create" and made["job_id"] == job["id"]
    assert (made["address"], made["request_id"]) == ("127.0.0.1", "deploy-17")
    assert made["token"] is None and made["before"] is None and made["subject"] is None
    assert made["after"] == {**body, "timezone": "UTC"}
    assert changed["action"] == "job.update" and changed["request_id"] != "deploy-17"
    assert (changed["before"], changed["after"]) == ({"name": "bell"}, {"name": "clock"})
    assert paused["action"] == "job.pause"
    assert paused["after"] == {"is_active": False, "paused_reason": "repairs"}
    assert run_by_hand["action"] == "job.trigger" and run_by_hand["before"] is None
    assert run_by_hand["subject"] == run["execution_id"]
    assert run_by_hand["after"] == {"body": {"by": "hand"}}
    assert resumed["action"] == "job.resume"
    assert resumed["before"] == paused["after"]
    assert gone["action"] == "job.delete" and gone["after"] is None
    assert gone["before"] == {**body, "name": "clock", "timezone": "UTC"}
    times = [e["at"] for e in entries(server)]
    assert times == sorted(times, reverse=True)


def test_a_cancellation_names_its_execution(server, target):
    job = create_job(server, target.url("/hang"), YEARLY)
    run = trigger(server, job)
    path = f"/executions/{run}/cancel"
    expect(server.post(path), 202)
    wait_until(lambda: server.get(f"/executions/{run}").json["completed_at"], 20, "it is over")
    expect(server.post(path), 409)
    cancelled, *_ = entries(server)
    assert (cancelled["action"], cancelled["subject"]) == ("execution.cancel", run)
    assert cancelled["job_id"] == job["id"]
    assert told(server) == ["job.create", "job.trigger", "execution.cancel"]


def test_what_is_refused_or_done_before_has_no_entry(server):
    job = create_job(server, URL, YEARLY)
    path = f"/jobs/{job['id']}"
    expect(server.post("/jobs", {"schedule": "whenever", "api": URL}), 400)
    expect(server.post("/jobs", {"schedule": "2020-01-01T00:00:00Z", "api": URL}), 400)
    expect(server.patch(path, {"timeout_ms": 1}), 400)
    expect(server.patch(path, {"name": "x"}, headers={"If-Match": '"7"'}), 412)
    expect(server.delete("/jobs/77"), 404)
    expect(server.post("/jobs/77/trigger"), 404)
    key = {"Idempotency-Key": "once"}
    first = expect(server.post(f"{path}/trigger", headers=key), 202).json
    again = expect(server.post(f"{path}/trigger", headers=key), 202).json
    assert first["execution_id"] == again["execution_id"]
    expect(server.post("/admin/clock/accept"), 204)
    assert told(server) == ["job.create", "job.trigger", "clock.accept"]
    assert entries(server)[0]["job_id"] is None


def test_no_credential_gets_into_an_entry(server):
    headers = {"Authorization": "Bearer hunter2", "Cookie": "hunter2", "X-Plain": "seen"}
    job = create_job(server, URL, YEARLY, headers=headers, body="b" * 5000)
    expect(server.patch(f"/jobs/{job['id']}", {"headers": {"Authorization": "hunter3"}}), 200)
    answer = expect(server.get("/audit"), 200)
    assert b"hunter" not in answer.body
    changed, made = answer.json["entries"]
    hidden = {"secret": True}
    assert made["after"]["headers"] == {
        "Authorization": hidden, "Cookie": hidden, "X-Plain": "seen",
    }  # fmt: skip
    assert made["after"]["body"]["bytes"] == 5000 and len(made["after"]["body"]["sha256"]) == 64
    assert changed["before"].keys() == changed["after"].keys() == {"headers"}


def test_the_audit_is_filtered_and_comes_in_pages(server):
    jobs = [create_job(server, URL, YEARLY) for _ in range(4)]
    for job in jobs:
        expect(server.post(f"/jobs/{job['id']}/pause"), 200)
        expect(server.delete(f"/jobs/{job['id']}"), 204)
    assert told(server, f"?job_id={jobs[1]['id']}") == ["job.create", "job.pause", "job.delete"]
    assert told(server, "?action=job.pause") == ["job.pause"] * 4
    assert told(server, f"?action=job.pause&job_id={jobs[0]['id']}") == ["job.pause"]
    assert told(server, "?token=nobody") == []
    every = entries(server)
    middle = every[6]["at"]
    since = entries(server, f"?from={middle}")
    until = entries(server, f"?to={middle}")
    assert all(e["at"] >= middle for e in since) and all(e["at"] <= middle for e in until)
    assert {e["id"] for e in since} | {e["id"] for e in until} == {e["id"] for e in every}

    pages, path = [], "/audit?limit=5"
    while path:
        answer = expect(server.get(path), 200).json
        pages += answer["entries"]
        path = answer["next_cursor"] and f"/audit?limit=5&cursor={answer['next_cursor']}"
    assert pages == every and len(every) == 12
    for query, words in (
        ("action=job.sing", "action must be job.create,"),
        ("job_id=x", "job_id"),
        ("cursor=x", "cursor"),
        ("from=yesterday", "from"),
        ("who=me", "who"),
    ):
        refused = expect(server.get(f"/audit?{query}"), 400).json
        assert words in refused["error"], refused


def test_an_entry_is_as_durable_as_its_change(fleet, database):
    server = fleet.serve(database)
    jobs = [create_job(server, URL, YEARLY) for _ in range(5)]
    server.kill()
    server = fleet.serve(database)
    assert [e["job_id"] for e in reversed(entries(server))] == [job["id"] for job in jobs]


def test_an_import_is_a_change_of_each_job(server):
    lines = "0 3 * * * curl -s http://127.0.0.1:4/a\n0 4 * * * curl -s http://127.0.0.1:4/b\n"
    headers = {"Content-Type": "text/x-crontab", "X-Request-Id": "import-1"}
    expect(server.request("POST", "/import", lines.encode(), headers=headers), 200)
    assert told(server) == ["job.create", "job.create"]
    assert {e["request_id"] for e in entries(server)} == {"import-1"}


def test_entries_vanish_with_an_age_of_their_own(fleet, database):
    server = fleet.serve(database, "--retention-audit", "2s")
    job = create_job(server, URL, YEARLY)
    wait_until(lambda: not entries(server), 30, "the entry is gone")
    expect(server.get(f"/jobs/{job['id']}"), 200)


@pytest.fixture(scope="module")
def cluster(postgres):
    with Cluster(postgres.make_database("audit")) as c:
        yield c


# Who asks and where is known to the server that was asked; another node carries the change out.
def test_in_a_cluster_the_entry_is_of_who_asked(cluster):
    first, second = cluster.apis
    names = {"X-Request-Id": "from-the-first"}
    body = {"schedule": YEARLY, "api": URL, "name": "bell"}
    job = expect(first.post("/jobs", body, headers=names), 201).json
    expect(second.patch(f"/jobs/{job['id']}", {"name": "clock"}), 200)
    run = trigger(first, job)
    query = f"?job_id={job['id']}"
    assert entries(first, query) == entries(second, query)
    ran, changed, made = entries(first, query)
    assert (made["request_id"], made["address"]) == ("from-the-first", "127.0.0.1")
    assert (changed["before"], changed["after"]) == ({"name": "bell"}, {"name": "clock"})
    assert ran["subject"] == run
    expect(second.delete(f"/jobs/{job['id']}"), 204)
    expect(first.delete(f"/jobs/{job['id']}"), 404)
    assert told(first, query + "&action=job.delete") == ["job.delete"]
    expect(first.post("/admin/clock/accept"), 204)  # One act, of which every shard hears.
    assert told(second, "?action=clock.accept") == ["clock.accept"]


def test_in_a_cluster_entries_vanish_with_their_age(postgres):
    with Cluster(postgres.make_database("audit_age"), arguments=("--retention-audit", "2s")) as c:
        create_job(c.apis[0], URL, YEARLY)
        wait_until(lambda: not entries(c.apis[0]), 30, "the entry is gone")
