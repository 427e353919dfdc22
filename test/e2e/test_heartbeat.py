# SPDX-License-Identifier: MIT
"""Heartbeats: the command lines that tasks send, and what becomes of their occurrences."""

import subprocess
import uuid

from harness.cluster import Cluster
from harness.jobs import expect, get_execution, list_executions, wait_for_end
from harness.times import NEVER_SOON, now_ms, parse_ms, schedule_at, second_after, wall_text
from harness.tokens import by, make_token
from harness.wait import wait_until


def create(server, schedule=NEVER_SOON, **fields):
    body = {"kind": "heartbeat", "schedule": schedule, **fields}
    return expect(server.post("/jobs", body), 201).json


def curl(server, job, path="", *options):
    """A task's own command line: what it prints, and how it ends."""
    url = f"http://127.0.0.1:{server.port}{job['ping_url']}{path}"
    command = ["curl", "-fsS", "-m", "10", "--retry", "5", *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def ping(server, job, path="", *options):
    done = curl(server, job, path, *options)
    assert (done.returncode, done.stdout) == (0, "OK"), done


def newest(server, job):
    """The newest execution that was or is due; one that is planned is none yet."""
    return list_executions(server, job)[0]


def due_soon(server, **fields):
    """A heartbeat with an occurrence that waits for its ping, and that execution's id."""
    at = second_after(2000)
    job = create(server, schedule_at(at), **fields)
    execution = f"{job['id']}-{at}"
    wait_until(lambda: now_ms() >= at, 10, "the instant is there")
    return job, execution


def test_a_task_tells_that_it_is_done(server):
    job, execution = due_soon(server)
    ping(server, job)
    ended = get_execution(server, execution)
    assert (ended["status"], ended["error"]) == ("SUCCESS", None)
    assert 0 <= ended["lateness_ms"] < 10000
    assert ended["attempts_made"] == 1
    assert expect(server.get(f"/jobs/{job['id']}"), 200).json["api"] is None


def test_a_task_tells_its_start_its_output_and_its_exit_status(server):
    job, execution = due_soon(server, alert_after=1)
    ping(server, job, "/start")
    begun = get_execution(server, execution)
    assert begun["status"] == "RUNNING"
    assert parse_ms(begun["next_attempt_at"]) > parse_ms(begun["started_at"])
    ping(server, job, "/log", "--data-raw", "half of it")
    ping(server, job, "/3", "--data-raw", "no space left: \u00fc")
    ended = get_execution(server, execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "the run ended with exit status 3")
    notes = [a["response_excerpt"] for a in ended["attempts"]]
    assert notes == [None, "half of it", "no space left: \u00fc"]
    (alert,) = expect(server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"]
    assert alert["kind"] == "failure" and "exit status 3" in alert["message"]


def test_what_never_comes_is_a_failure_and_what_comes_late_is_kept(server):
    job, execution = due_soon(server, grace_s=1)
    ended = wait_for_end(server, execution, 10)
    assert (ended["status"], ended["error"]) == ("FAILED", "no ping came within grace_s (1 s)")
    ping(server, job)
    late = newest(server, job)
    assert (late["trigger"], late["status"]) == ("ping", "SUCCESS")
    assert get_execution(server, execution)["status"] == "FAILED"


def test_a_start_without_an_end_is_a_failure(server):
    job, execution = due_soon(server, grace_s=1)
    ping(server, job, "/start")
    ended = wait_for_end(server, execution, 10)
    assert ended["status"] == "FAILED"
    assert ended["error"].startswith("the run was started, but no ping of its end came")


def test_runs_at_once_are_told_apart_by_their_rid(server):
    job, execution = due_soon(server)
    first, second = uuid.uuid4(), uuid.uuid4()
    ping(server, job, f"/start?rid={first}")
    ping(server, job, f"/start?rid={second}")
    apart = newest(server, job)
    assert (apart["trigger"], apart["status"]) == ("ping", "RUNNING")
    ping(server, job, f"?rid={first}")
    assert get_execution(server, execution)["status"] == "SUCCESS"
    assert get_execution(server, apart["id"])["status"] == "RUNNING"
    ping(server, job, f"/fail?run={second}")
    assert get_execution(server, apart["id"])["status"] == "FAILED"
    refused = curl(server, job, "?rid=1")
    assert refused.returncode == 22 and "400" in refused.stderr


def test_head_pings_too_and_a_page_of_another_site_does_not(server):
    job = create(server)
    ping(server, job, "", "--head", "-o", "/dev/null", "-w", "OK")
    assert newest(server, job)["status"] == "SUCCESS"
    expect(server.get(job["ping_url"], headers={"Origin": "http://elsewhere.test"}), 403)
    assert len(list_executions(server, job)) == 1


def test_an_answered_ping_survives_a_kill(fleet, database):
    server = fleet.serve(database)
    job, execution = due_soon(server)
    ping(server, job, "/start")
    server.kill()
    server = fleet.serve(database)
    assert get_execution(server, execution)["status"] == "RUNNING"
    ping(server, job, "", "--retry-connrefused")
    server.kill()
    server = fleet.serve(database)
    assert get_execution(server, execution)["status"] == "SUCCESS"


def test_nobody_is_blamed_for_a_grace_that_ended_while_the_server_was_down(fleet, database):
    server = fleet.serve(database)
    at = second_after(2500)
    job = create(server, schedule_at(at), grace_s=1)
    execution = f"{job['id']}-{at}"
    wait_until(lambda: server.get(f"/executions/{execution}").status == 200, 10, "it is planned")
    server.kill()
    wait_until(lambda: now_ms() > at + 1000, 10, "its grace is over")
    ended = wait_for_end(fleet.serve(database), execution, 10)
    assert ended["status"] == "MISSED"
    assert ended["reason"].startswith("nobody listened for its ping")


def test_unknown_addresses_are_refused_and_soon_told_to_wait(server):
    job = create(server)
    path = job["ping_url"]
    expect(server.get(f"{path}/finish"), 404)
    expect(server.get(f"{path}/256"), 404)
    changed = "a" if path[-1] != "a" else "b"
    expect(server.get(path[:-1] + changed), 404)
    wait_until(lambda: server.get("/ping/hb_guess").status == 429, 20, "the address has to wait")
    expect(server.get(path), 200)  # Who knows the key does not suffer.
    assert expect(server.delete(f"/jobs/{job['id']}"), 204)
    assert server.get(path).status in (404, 429)
    log = "\n".join(server.log_tail()) if isinstance(server.log_tail(), list) else server.log_tail()
    assert path.split("/")[-1] not in log


def test_the_address_is_shown_to_those_who_may_run_jobs_and_needs_no_token(server, database):
    job = create(server)
    path = f"/jobs/{job['id']}"
    for scope, shown in (("read", None), ("trigger", job["ping_url"])):
        headers = by(make_token(database, scope))
        wait_until(lambda: server.get("/jobs").status == 401, 10, "the server asks for a token")
        assert expect(server.get(path, headers=headers), 200).json["ping_url"] == shown
        listed = expect(server.get("/jobs", headers=headers), 200).json["jobs"]
        assert "ping_url" not in listed[0]
    ping(server, job)


def test_the_address_is_a_whole_url_where_others_reach_the_server(fleet, database):
    server = fleet.serve(database, "--public-url", "https://cron.example/base/")
    job = create(server)
    base = "https://cron.example/base"
    assert job["ping_url"].startswith(f"{base}/ping/hb_")
    path = f"/jobs/{job['id']}"
    assert expect(server.get(path), 200).json["ping_url"] == job["ping_url"]
    changed = expect(server.patch(path, {"grace_s": 60}), 200).json
    assert changed["ping_url"] == job["ping_url"]
    assert expect(server.get(job["ping_url"].removeprefix(base)), 200).body == b"OK"


def test_what_makes_no_sense_for_a_heartbeat_is_refused(server):
    job = create(server)
    path = f"/jobs/{job['id']}"
    for body in ({"api": "http://a.test/"}, {"max_retries": 1}, {"headers": {"A": "b"}},
                 {"overlap": "skip"}, {"kind": "http"}):
        refusal = expect(server.patch(path, body), 400).json
        assert refusal["errors"][0]["pointer"] == f"/{next(iter(body))}"
    refusal = expect(server.post(f"{path}/trigger"), 409).json
    assert refusal["type"] == "/problems/job-is-heartbeat"
    draft = {"kind": "heartbeat", "schedule": NEVER_SOON}
    assert expect(server.post("/jobs/test", draft), 409).json["type"].endswith("job-is-heartbeat")
    same = expect(server.get(path), 200).json
    changed = expect(server.put(path, {**same, "grace_s": 60}), 200).json
    assert changed["ping_url"] == job["ping_url"]


def test_an_export_has_no_key_and_an_import_makes_a_new_one(server):
    job = create(server, name="backup", grace_s=77)
    export = expect(server.get("/export"), 200)
    assert job["ping_url"].split("/")[-1].encode() not in export.body
    expect(server.post("/import", export.json), 200)
    found = expect(server.get("/jobs?q=backup"), 200).json["jobs"]
    assert [(j["kind"], j["grace_s"], j["api"]) for j in found] == [("heartbeat", 77, None)] * 2
    urls = {expect(server.get(f"/jobs/{j['id']}"), 200).json["ping_url"] for j in found}
    assert len(urls) == 2


def test_explain_says_what_is_waited_for(server):
    job, execution = due_soon(server)
    at = wall_text(int(execution.split("-")[1]))
    said = expect(server.get(f"/jobs/{job['id']}/explain?at={at}"), 200).json
    assert said["verdict"] == "waiting"
    assert "waits for its ping until" in said["detail"]
    ping(server, job)
    said = expect(server.get(f"/jobs/{job['id']}/explain?at={at}"), 200).json
    assert said["verdict"] == "ran" and said["detail"].startswith("its ping came ")


def test_any_node_of_a_cluster_takes_a_ping(fleet, cluster_url):
    with Cluster(cluster_url, apis=2, workers=2, balancer=False) as cluster:
        one, two = cluster.apis
        job, execution = due_soon(one)
        ping(two, job, f"/start?rid={uuid.UUID(int=1)}")
        assert get_execution(one, execution)["status"] == "RUNNING"
        ping(one, job, f"/0?rid={uuid.UUID(int=1)}", "--data-raw", "well")
        ended = get_execution(two, execution)
        assert (ended["status"], ended["attempts"][1]["response_excerpt"]) == ("SUCCESS", "well")
