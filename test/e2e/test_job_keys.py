# SPDX-License-Identifier: MIT
"""Jobs by a key of their client's: put as often as one likes, there is one."""

import threading

import pytest
from harness.jobs import NEVER_SOON, create_job, expect
from harness.program import run_to_end

API = "http://127.0.0.1:4/hook"
BODY = {"schedule": NEVER_SOON, "api": API}


def put(server, name, status, **members):
    return expect(server.put(f"/jobs/by-key/{name}", {**BODY, **members}), status).json


def count_jobs(server):
    return len(expect(server.get("/jobs?limit=500"), 200).json["jobs"])


def test_a_job_is_created_once_and_then_updated(server):
    answer = expect(server.put("/jobs/by-key/nightly", BODY), 201)
    job = answer.json
    assert job["key"] == "nightly" and answer.headers["Location"] == f"/jobs/{job['id']}"
    again = expect(server.put("/jobs/by-key/nightly", {**BODY, "name": "a name"}), 200).json
    assert (again["id"], again["name"]) == (job["id"], "a name")
    assert put(server, "nightly", 200)["name"] == "a name"  # What is absent stays.
    assert put(server, "nightly", 200, key="nightly")["id"] == job["id"]
    shown = expect(server.get("/jobs/by-key/nightly"), 200)
    assert shown.json["id"] == job["id"] and shown.headers["ETag"]
    assert count_jobs(server) == 1


def test_a_key_is_free_again_once_its_job_is_deleted(server):
    first = put(server, "nightly", 201)
    expect(server.delete("/jobs/by-key/nightly"), 204)
    for method in (server.get, server.delete):
        expect(method("/jobs/by-key/nightly"), 404)
    second = put(server, "nightly", 201)
    assert second["id"] > first["id"]
    expect(server.delete(f"/jobs/{second['id']}"), 204)
    assert put(server, "nightly", 201)["id"] > second["id"]


def test_a_key_that_is_taken_is_refused_and_names_the_job(server):
    job = create_job(server, API, key="nightly")
    assert job["key"] == "nightly"
    refused = expect(server.post("/jobs", {**BODY, "key": "nightly"}), 409).json
    assert refused["type"] == "/problems/job-key-taken"
    assert f"job {job['id']} has this key" in refused["detail"]
    assert create_job(server, API)["key"] is None
    assert count_jobs(server) == 2


def test_a_key_never_changes(server):
    job = create_job(server, API, key="nightly")
    other = create_job(server, API)
    path = f"/jobs/{job['id']}"
    for refused in (
        server.patch(path, {"key": "daily"}),
        server.put(path, {**BODY, "key": "daily"}),
        server.patch(f"/jobs/{other['id']}", {"key": "daily"}),
        server.put("/jobs/by-key/nightly", {**BODY, "key": "daily"}),
        server.put("/jobs/by-key/new", {**BODY, "key": "daily"}),
    ):
        assert expect(refused, 400).json["errors"][0]["pointer"] == "/key"
    assert expect(server.patch(path, {"key": None, "name": "x"}), 200).json["key"] == "nightly"
    assert expect(server.put(path, {**BODY, "key": "nightly"}), 200).json["key"] == "nightly"
    expect(server.get("/jobs/by-key/new"), 404)


@pytest.mark.parametrize("key", ["sp ace", "a/b", "ü", "", "k" * 201, "a%20b"])
def test_a_key_that_no_path_can_name_is_refused(server, key):
    refused = expect(server.post("/jobs", {**BODY, "key": key}), 400).json
    assert refused["errors"][0]["pointer"] == "/key"
    for fine in ("executions", "A.b_c~d:e-9", "k" * 200):
        put(server, fine, 201)
        expect(server.get(f"/jobs/by-key/{fine}"), 200)


def test_if_match_holds_for_a_job_that_is_there(server):
    refused = server.put("/jobs/by-key/nightly", BODY, headers={"If-Match": '"1"'})
    expect(refused, 412)
    put(server, "nightly", 201)
    expect(server.put("/jobs/by-key/nightly", BODY, headers={"If-Match": '"7"'}), 412)
    expect(server.put("/jobs/by-key/nightly", BODY, headers={"If-Match": '"1"'}), 200)


def test_of_those_that_come_at_once_one_creates_and_the_others_update(server):
    answers = []

    def run(number):
        for k in range(20):
            path = f"/jobs/by-key/key-{k}"
            answers.append((k, server.put(path, {**BODY, "name": str(number)}).status))
            if number == 0:
                answers.append((k, server.delete(f"/jobs/by-key/gone-{k}").status))
            elif number == 1:
                server.put(f"/jobs/by-key/gone-{k}", BODY)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(20):
        assert sum(answer == (k, 201) for answer in answers) == 1
    assert {status for _, status in answers} <= {200, 201, 204, 404}


def test_keys_outlive_a_restart(fleet, database):
    server = fleet.serve(database)
    job = put(server, "nightly", 201)
    server.kill()
    server = fleet.serve(database)
    assert put(server, "nightly", 200)["id"] == job["id"]
    expect(server.post("/jobs", {**BODY, "key": "nightly"}), 409)
    server.stop()


def test_an_export_that_is_imported_again_updates(server):
    body = {**BODY, "name": "as it was", "tags": ["a"]}
    job = expect(server.put("/jobs/by-key/nightly", body), 201).json
    export = expect(server.get("/export"), 200).body
    expect(server.patch(f"/jobs/{job['id']}", {"name": "changed", "timeout_ms": 500}), 200)
    tried = expect(server.post("/import?dry_run=1", export), 200).json
    assert (tried["would_update"], tried["would_create"]) == (1, 0)
    done = expect(server.post("/import", export), 200).json
    assert (done["updated"], done["created"]) == (1, 0)
    assert done["results"][0]["status"] == "updated" and done["results"][0]["id"] == job["id"]
    again = expect(server.get("/jobs/by-key/nightly"), 200).json
    assert (again["name"], again["timeout_ms"], again["tags"]) == ("as it was", 30000, ["a"])
    expect(server.delete("/jobs/by-key/nightly"), 204)
    assert expect(server.post("/import", export), 200).json["created"] == 1


def test_a_crontab_that_is_imported_again_updates(server, tmp_path):
    crontab = tmp_path / "crontab"
    url = f"http://127.0.0.1:{server.port}"
    lines = [f"{m} 3 * * * curl -s http://127.0.0.1:4/{path}\n" for m, path in enumerate("abba")]

    def load(prefix="nightly"):
        crontab.write_text("".join(lines))
        command = ("import", "crontab", crontab, "--url", url, "--key-prefix", prefix)
        end = run_to_end(*command)
        assert end.returncode == 0, end
        return end.stdout.splitlines()[-1]

    assert load() == "4 created"
    lines[1] = lines[1].replace("1 3", "1 4")
    assert load() == "4 updated"
    jobs = expect(server.get("/jobs"), 200).json["jobs"]
    assert sorted(job["schedule"] for job in jobs) == sorted(line[:9].strip() for line in lines)
    assert len({job["key"] for job in jobs}) == 4
    assert load("other") == "4 created"
    refused = expect(server.post("/import?key_prefix=x", {"jobs": []}), 400)
    assert "key_prefix is for crontabs" in refused.json["detail"]
