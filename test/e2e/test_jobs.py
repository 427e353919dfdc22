# SPDX-License-Identifier: MIT
"""Jobs over the API: create, read, list, change, delete, pause and resume."""

import pytest
from harness.jobs import (
    create_job,
    expect,
    list_executions,
    pause_jobs,
    trigger,
    wait_for_end,
)
from harness.times import EVERY_SECOND, NEVER_SOON, now_ms, parse_ms
from harness.wait import wait_until

DEFAULTS = {
    "type": "ATLEAST_ONCE",
    "timezone": "UTC",
    "method": "POST",
    "is_active": True,
    "finished": False,
    "timeout_ms": 30000,
    "max_retries": 3,
    "retry_strategy": "linear",
    "retry_base_ms": 1000,
    "retry_cap_ms": 60000,
    "catch_up": "all",
    "catch_up_window_s": 3600,
    "max_in_flight": 128,
    "max_rate_per_host": 0,
    "alert_recover_after": 1,
    "alert_remind_s": 0,
    "alert_rate": None,
    "alert_late_ms": 0,
    "alert_slow_ms": 0,
    "alert_silent_s": 0,
    "auto_pause_after": 0,
    "alert_channels": [],
    "completion_timeout_s": 0,
    "redirects": 0,
    "tls_verify": True,
    "tls_ca": None,
    "tls_client_cert": None,
    "tls_client_key": None,
    "oauth": None,
    "success_body": None,
    "failure_body": None,
    "fresh_connection": False,
    "response_excerpt_bytes": 4096,
    "kind": "http",
    "grace_s": 300,
    "ping_url": None,
}

EVERYTHING = {
    "name": "nightly report",
    "schedule": "0 30 2 * * *",
    "timezone": "Europe/Berlin",
    "type": "ATMOST_ONCE",
    "method": "PUT",
    "headers": {"X-Team": "billing"},
    "body": '{"report":"nightly"}',
    "timeout_ms": 5000,
    "max_retries": 7,
    "retry_strategy": "exponential",
    "retry_base_ms": 250,
    "retry_cap_ms": 9000,
    "catch_up": "latest",
    "catch_up_window_s": 600,
    "max_in_flight": 3,
    "max_rate_per_host": 20,
    "alert_recover_after": 3,
    "alert_remind_s": 3600,
    "alert_rate": "3/10",
    "alert_late_ms": 2000,
    "alert_slow_ms": 60000,
    "alert_silent_s": 86400,
    "auto_pause_after": 5,
    "completion_timeout_s": 600,
    "redirects": 10,
    "tls_verify": False,
    "fresh_connection": True,
    "response_excerpt_bytes": 65536,
    "tags": ["billing", "nightly"],
}


def read_job(server, job):
    return expect(server.get(f"/jobs/{job['id']}"), 200).json


def test_a_job_needs_only_a_schedule_and_a_url(shared_server, shared_target):
    before = now_ms()
    api = shared_target.url("/ok/defaults")
    response = expect(shared_server.post("/jobs", {"schedule": "@daily", "api": api}), 201)
    job = response.json

    assert job["jobId"] == job["id"] > 0
    assert response.headers["Location"] == f"/jobs/{job['id']}"
    assert response.headers["Content-Type"].startswith("application/json")
    assert (job["schedule"], job["api"]) == ("@daily", api)
    assert {name: job[name] for name in DEFAULTS} == DEFAULTS
    assert before <= parse_ms(job["created_at"]) <= now_ms()


def test_a_job_keeps_every_field_it_was_given(shared_server, shared_target):
    given = {**EVERYTHING, "api": shared_target.url("/ok/everything")}
    job = expect(shared_server.post("/jobs", given), 201).json
    stored = read_job(shared_server, job)
    assert {name: stored[name] for name in given} == given


def test_the_seeds_client_can_create_update_read_and_delete(shared_server, shared_target):
    job = create_job(
        shared_server, shared_target.url("/ok/seed"), "31 10-15 1 * * MON-FRI", type="ATMOST_ONCE"
    )
    path = f"/jobs/{job['jobId']}"
    expect(shared_server.put(path, {"schedule": "0 0 * * *"}), 200)
    assert shared_server.get(path).json["schedule"] == "0 0 * * *"
    expect(shared_server.get(f"{path}/executions"), 200)
    expect(shared_server.get(f"{path}/alerts"), 200)
    expect(shared_server.delete(path), 204)
    expect(shared_server.get(path), 404)


def test_the_schedule_of_the_seed_fires_on_weekdays_in_hour_1(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/example"), "31 10-15 1 * * MON-FRI")
    runs = [parse_ms(run) // 1000 for run in read_job(shared_server, job)["next_runs"]]
    assert len(runs) == 5 and runs == sorted(set(runs))
    for run in runs:
        day, second = divmod(run, 86400)
        assert divmod(second, 60) in [(60 + minute, 31) for minute in range(10, 16)]
        assert (day + 3) % 7 < 5  # The epoch was a Thursday, so Monday counts as 0 here.


def test_next_runs_follow_the_zone_of_the_job(shared_server, shared_target):
    api = shared_target.url("/ok/zone")
    job = create_job(shared_server, api, "0 30 9 * * *", timezone="Asia/Kolkata")
    for run in read_job(shared_server, job)["next_runs"]:
        assert run.endswith("T04:00:00.000Z")


def test_put_changes_what_it_names_and_keeps_the_rest(shared_server, shared_target):
    given = {**EVERYTHING, "api": shared_target.url("/ok/put")}
    job = expect(shared_server.post("/jobs", given), 201).json
    changed = expect(shared_server.put(f"/jobs/{job['id']}", {"max_retries": 1}), 200).json

    assert {name: changed[name] for name in given} == {**given, "max_retries": 1}
    assert changed["version"] > job["version"]
    assert parse_ms(changed["updated_at"]) >= parse_ms(job["updated_at"])
    assert changed["created_at"] == job["created_at"]


def test_patch_resets_what_is_null(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/patch"), name="old", max_retries=9)
    patch = {"max_retries": None, "name": "new"}
    changed = expect(
        shared_server.patch(
            f"/jobs/{job['id']}", patch, headers={"Content-Type": "application/merge-patch+json"}
        ),
        200,
    ).json
    assert (changed["max_retries"], changed["name"]) == (3, "new")
    assert changed["api"] == job["api"]


def test_a_change_of_a_stale_version_is_refused(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/etag"))
    path = f"/jobs/{job['id']}"
    tag = shared_server.get(path).headers["ETag"]
    assert tag.startswith('"')

    expect(shared_server.put(path, {"name": "first"}, headers={"If-Match": tag}), 200)
    late = expect(shared_server.put(path, {"name": "second"}, headers={"If-Match": tag}), 412)
    assert late.json["type"] == "/problems/version-conflict"
    expect(shared_server.delete(path, headers={"If-Match": tag}), 412)

    fresh = shared_server.get(path)
    assert fresh.json["name"] == "first"
    assert fresh.headers["ETag"] != tag
    unchanged = shared_server.get(path, headers={"If-None-Match": fresh.headers["ETag"]})
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert unchanged.headers["ETag"] == fresh.headers["ETag"]


def test_a_job_can_be_put_as_it_was_read_unless_somebody_changed_it(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/whole"), EVERY_SECOND)
    path = f"/jobs/{job['id']}"
    read = expect(shared_server.get(path), 200).json
    put = expect(shared_server.put(path, {**read, "name": "new"}), 200).json
    assert (put["name"], put["version"]) == ("new", read["version"] + 1)

    late = expect(shared_server.put(path, read), 412).json
    assert late["errors"][0]["pointer"] in ("/version", "/updated_at")
    for name, value in (("id", 3), ("jobId", 3), ("created_at", None), ("finished", True)):
        refused = expect(shared_server.put(path, {name: value}), 400).json
        assert refused["errors"][0]["pointer"] == f"/{name}"
    expect(shared_server.put(path, {"version": 77}), 412)
    expect(shared_server.put(path, {"runs": 77, "next_runs": []}), 200)
    pause_jobs(shared_server, [job])


def test_a_finished_job_can_be_put_as_it_was_read(server, target):
    job = create_job(server, target.url("/ok/once"), EVERY_SECOND, max_runs=1)
    path = f"/jobs/{job['id']}"
    wait_until(lambda: server.get(path).json["finished"], 10, "the job is finished")
    read = server.get(path).json
    put = expect(server.put(path, {**read, "name": "new"}), 200).json
    assert (put["finished"], put["is_active"], put["name"]) == (True, False, "new")


def test_what_is_wrong_with_a_pause_is_named_as_it_was_sent(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/pause"))
    path = f"/jobs/{job['id']}/pause"
    past = expect(shared_server.post(path, {"until": "2001-01-01T00:00:00Z"}), 400).json
    assert (past["errors"][0]["pointer"], past["detail"]) == ("/until", "until lies in the past")
    long = expect(shared_server.post(path, {"reason": "x" * 501}), 400).json
    assert long["errors"][0]["pointer"] == "/reason"
    expect(shared_server.post(path, {"reason": "x" * 500}), 200)


def test_nothing_is_found_under_a_deleted_job_but_what_it_did_is_kept(server, target):
    job = create_job(server, target.url("/status/404/gone"), max_retries=0)
    execution = wait_for_end(server, trigger(server, job), 10)
    path = f"/jobs/{job['id']}"
    expect(server.delete(path), 204)

    for gone in ("", "/executions", "/alerts"):
        expect(server.get(path + gone), 404)
    assert f"/executions?job_id={job['id']}" in server.get(f"{path}/executions").json["detail"]
    assert f"/alerts?job_id={job['id']}" in server.get(f"{path}/alerts").json["detail"]
    listed = server.get(f"/executions?job_id={job['id']}").json["executions"]
    assert [e["id"] for e in listed] == [execution["id"]]
    expect(server.get(f"/executions/{execution['id']}"), 200)
    alerts = server.get(f"/observability/alerts?job_id={job['id']}").json["alerts"]
    assert [a["execution_id"] for a in alerts] == [execution["id"]]
    assert server.get(f"/observability/alerts?job_id={job['id'] + 1}").json["alerts"] == []
    expect(server.get(f"{path}/explain"), 200)


def test_who_polls_a_job_sees_what_ran_meanwhile(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/polled"))
    path = f"/jobs/{job['id']}"
    seen = expect(shared_server.get(path), 200)
    known = {"If-None-Match": seen.headers["ETag"]}
    expect(shared_server.get(path, headers=known), 304)
    wait_for_end(shared_server, trigger(shared_server, job), 10)

    news = expect(shared_server.get(path, headers=known), 200)
    assert news.json["last_execution"]["status"] == "SUCCESS"
    # The job itself is the same, so whoever saw it before may still change it.
    changed = shared_server.put(path, {"name": "x"}, headers={"If-Match": seen.headers["ETag"]})
    assert expect(changed, 200).headers["ETag"] == '"2"'
    weak = {"If-Match": 'W/"2"'}
    expect(shared_server.put(path, {"name": "y"}, headers=weak), 412)
    expect(shared_server.put(path, {"name": "y"}, headers={"If-Match": '"1", "2"'}), 200)


def test_jobs_are_listed_page_by_page_and_found_by_what_they_are(shared_server, shared_target):
    names = [f"listed-{n}" for n in range(5)]
    ids = [
        create_job(shared_server, shared_target.url("/ok/list"), name=name, tags=["listed"])["id"]
        for name in names
    ]
    expect(shared_server.post(f"/jobs/{ids[0]}/pause"), 200)

    found, query = [], "/jobs?tag=listed&limit=2"
    cursor = ""
    while cursor is not None:
        page = expect(shared_server.get(query + cursor), 200).json
        assert len(page["jobs"]) <= 2
        found += page["jobs"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert [job["id"] for job in found] == ids

    def ids_of(query):
        return [job["id"] for job in expect(shared_server.get(f"/jobs?{query}"), 200).json["jobs"]]

    assert ids_of("q=LISTED-3") == [ids[3]]
    assert ids_of("tag=listed&is_active=false") == [ids[0]]
    assert ids_of("tag=listed&is_active=true") == ids[1:]


def test_a_deleted_job_is_gone_but_its_executions_are_not(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/ok/deleted"))
    execution = trigger(shared_server, job)
    wait_for_end(shared_server, execution, 10)

    expect(shared_server.delete(f"/jobs/{job['id']}"), 204)
    for path in ("", "/executions", "/alerts"):
        expect(shared_server.get(f"/jobs/{job['id']}{path}"), 404)
    expect(shared_server.delete(f"/jobs/{job['id']}"), 404)
    expect(shared_server.post(f"/jobs/{job['id']}/trigger"), 404)
    assert expect(shared_server.get(f"/executions/{execution}"), 200).json["status"] == "SUCCESS"


@pytest.mark.parametrize("how", ["pause", "delete"])
def test_after_a_pause_or_a_delete_nothing_more_is_sent(server, target, how):
    path = f"/ok/{how}"
    job = create_job(server, target.url(path), EVERY_SECOND)
    witness = create_job(server, target.url("/ok/witness"), EVERY_SECOND)
    target.wait_for(1, path, 10)

    if how == "pause":
        expect(server.post(f"/jobs/{job['id']}/pause", {"reason": "maintenance"}), 200)
        paused = read_job(server, job)
        assert (paused["is_active"], paused["paused_reason"]) == (False, "maintenance")
    else:
        expect(server.delete(f"/jobs/{job['id']}"), 204)
    stopped_ms = now_ms()

    # Time passes for another job, so it would have passed for this one.
    count = len(target.arrivals("/ok/witness"))
    target.wait_for(count + 3, "/ok/witness", 10)
    assert [a for a in target.arrivals(path) if a.at_ms > stopped_ms] == []
    if how == "pause":
        states = {e["status"] for e in list_executions(server, job)}
        assert states <= {"SUCCESS", "CANCELLED"}
    expect(server.post(f"/jobs/{witness['id']}/pause"), 200)


def test_a_resumed_job_owes_what_comes_after_the_resume(server, target):
    job = create_job(server, target.url("/ok/resume"), EVERY_SECOND)
    target.wait_for(1, "/ok/resume", 10)
    expect(server.post(f"/jobs/{job['id']}/pause"), 200)
    paused_ms = now_ms()
    wait_until(lambda: now_ms() > paused_ms + 2500, 10, "two seconds went by in the pause")

    resumed = expect(server.post(f"/jobs/{job['id']}/resume"), 200).json
    assert resumed["is_active"]
    count = len(target.arrivals("/ok/resume"))
    arrivals = target.wait_for(count + 2, "/ok/resume", 10)[count:]
    resumed_ms = parse_ms(resumed["updated_at"])
    instants = [parse_ms(a.headers["carillon-scheduled-at"]) for a in arrivals]
    first = resumed_ms // 1000 * 1000 + 1000
    assert instants[:2] == [first, first + 1000]


def test_a_new_schedule_replaces_the_old_one_at_once(server, target):
    job = create_job(server, target.url("/ok/before"), EVERY_SECOND)
    target.wait_for(1, "/ok/before", 10)
    change = {"schedule": NEVER_SOON, "api": target.url("/ok/after")}
    expect(server.put(f"/jobs/{job['id']}", change), 200)
    changed_ms = now_ms()

    expect(server.put(f"/jobs/{job['id']}", {"schedule": EVERY_SECOND}), 200)
    target.wait_for(2, "/ok/after", 10)
    assert [a for a in target.arrivals("/ok/before") if a.at_ms > changed_ms] == []


def test_a_page_of_large_jobs_is_cut_short_and_leads_to_the_rest(server, shared_target):
    api = shared_target.url("/ok/large")
    ids = [create_job(server, api, body="x" * (256 * 1024))["id"] for _ in range(40)]
    seen, cursor = [], ""
    while cursor is not None:
        page = expect(server.get(f"/jobs?limit=500{cursor and '&cursor=' + cursor}"), 200)
        assert len(page.body) < 8.1 * 1024 * 1024
        seen += [job["id"] for job in page.json["jobs"]]
        cursor = page.json["next_cursor"]
    assert seen == ids
