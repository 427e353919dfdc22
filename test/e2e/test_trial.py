# SPDX-License-Identifier: MIT
"""POST /jobs/test: one attempt of a draft, sent by the server that is asked; nothing is kept."""

import threading

from harness.cluster import Cluster
from harness.jobs import expect
from harness.times import NEVER_SOON


def draft(api, **fields):
    return {"schedule": NEVER_SOON, "api": api, **fields}


def try_draft(server, api, **fields):
    return expect(server.post("/jobs/test", draft(api, **fields)), 200).json


def test_the_attempt_is_made_at_once_and_nothing_is_kept(server, target):
    answer = try_draft(
        server,
        target.url("/delay/50/try"),
        method="PUT",
        headers={"X-Team": "billing"},
        body={"a": 1},
    )
    (arrival,) = target.arrivals()
    assert (arrival.method, arrival.json) == ("PUT", {"a": 1})
    assert arrival.headers["x-team"] == "billing"
    assert arrival.key.startswith("test-")
    assert arrival.headers["webhook-id"] == arrival.key
    assert arrival.headers["carillon-job"] == "0"
    attempt = answer["attempt"]
    assert answer["success"] and attempt["error"] is None
    assert (attempt["number"], attempt["http_status"]) == (1, 200)
    assert attempt["duration_ms"] >= 50 and attempt["first_byte_ms"] >= 50
    assert attempt["connect_ms"] is not None
    assert "of the target" in attempt["response_excerpt"]
    assert expect(server.get("/jobs"), 200).json["jobs"] == []
    assert expect(server.get("/executions"), 200).json["executions"] == []
    second = try_draft(server, target.url("/delay/50/try"))
    assert second["success"] and len(target.arrivals_by_key()) == 2


def test_the_log_tells_who_had_what_called(server, target):
    try_draft(server, target.url("/ok/x?key=hush"), headers={"Authorization": "hush"})
    line = server.wait_for_event("job.tested")
    assert line["url"] == target.url("/ok/x") and line["method"] == "POST"
    assert line["client"] == "127.0.0.1" and line["request_id"]
    refused = server.post("/jobs/test", draft(target.url("/ok").replace("//", "//user:hush@")))
    assert refused.status == 400
    assert "hush" not in server.log_tail()


def test_what_fails_says_why(server, target):
    answer = try_draft(server, target.url("/status/503/try"))
    assert not answer["success"]
    assert answer["attempt"]["error"] == "answered with HTTP status 503"
    assert try_draft(server, target.url("/status/503/try"), success_status="503")["success"]
    late = try_draft(server, target.url("/hang/try"), timeout_ms=200)["attempt"]
    assert late["http_status"] is None and "200 ms" in late["error"]
    gone = try_draft(server, target.url("/close/try"))
    assert not gone["success"] and gone["attempt"]["error"]
    assert len(target.arrivals("/status/503/try")) == 2  # No retries.


def test_a_draft_that_cannot_be_is_refused_and_not_sent(server, target):
    for body, kind in [
        (draft(target.url("/never"), schedule="often"), "invalid-schedule"),
        (draft("ftp://127.0.0.1/"), "invalid-url"),
        ({"api": target.url("/never")}, "invalid-field"),
        (draft("http://169.254.169.254/"), "target-forbidden"),
    ]:
        refused = expect(server.post("/jobs/test", body), 400).json
        assert refused["type"] == f"/problems/{kind}", refused
    assert target.arrivals() == []


def test_addresses_are_judged_as_for_every_attempt(fleet, database, target):
    server = fleet.serve(database, "--deny-targets", "127.0.0.2")
    answer = try_draft(server, f"http://127.0.0.1:{target.port}/redirect/302/ok/x", redirects=1)
    assert answer["success"] and len(answer["attempt"]["redirects"]) == 1
    refused = server.post("/jobs/test", draft(f"http://127.0.0.2:{target.port}/ok"))
    assert expect(refused, 400).json["type"] == "/problems/target-forbidden"


def test_targets_that_hang_keep_nobody_else_waiting(server, target):
    def hang():
        expect(server.post("/jobs/test", draft(target.url("/hang/many"), timeout_ms=3000)), 200)

    threads = [threading.Thread(target=hang) for _ in range(8)]
    for thread in threads:
        thread.start()
    target.wait_for(8, "/hang/many", 10)
    assert expect(server.get("/jobs"), 200).json["jobs"] == []  # Questions are answered.
    busy = expect(server.post("/jobs/test", draft(target.url("/ok"))), 503)
    assert busy.json["type"] == "/problems/busy" and busy.headers["Retry-After"]
    for thread in threads:
        thread.join()
    assert try_draft(server, target.url("/ok"))["success"]


def test_a_server_that_stops_cuts_what_is_under_way(fleet, database, target):
    server = fleet.serve(database)
    answers = []

    def hang():
        answers.append(server.post("/jobs/test", draft(target.url("/hang/stop"))))

    thread = threading.Thread(target=hang)
    thread.start()
    target.wait_for(1, "/hang/stop", 10)
    server.stop()
    thread.join()
    (answer,) = answers
    assert expect(answer, 200).json["attempt"]["error"] == "cancelled"


def test_a_node_that_owns_no_job_tests_drafts(cluster_url, target):
    with Cluster(cluster_url, apis=1, workers=1, balancer=False) as cluster:
        cluster.workers[0].kill()
        assert try_draft(cluster.apis[0], target.url("/ok/api"))["success"]
        assert len(target.arrivals("/ok/api")) == 1
