# SPDX-License-Identifier: MIT
"""Secrets of jobs: they reach their target, and are found nowhere else."""

import json

import pytest
from harness.cluster import Cluster
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.keys import new_keys, sealing
from harness.program import Program, run_to_end
from harness.redis import Redis
from harness.wait import wait_until

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = (
    "hush-authorization", "hush-marked", "hush-changed", "hush-crontab", "hush-refused", SIGNING,
)


def run(server, job):
    execution = trigger(server, job)
    return wait_for_end(server, execution, 20)


def headers_of(server, job):
    return expect(server.get(f"/jobs/{job['id']}"), 200).json["headers"]


def assert_hushed(what, where):
    for secret in SECRETS:
        assert secret.encode() not in what, f"{secret} stands in {where}"


# --- Where a secret is ---------------------------------------------------------------------------


def test_a_secret_reaches_its_target_and_nothing_else(fleet, database, keys, target):
    server = fleet.serve(database, "--log-level", "debug", *sealing(keys))
    headers = {"Authorization": "hush-authorization", "X-Mine": {"secret": "hush-marked"}}
    job = create_job(server, target.url("/ok/a"), headers=headers, key="mine", signing=SIGNING)
    assert_hushed(json.dumps(job).encode(), "the answer to the creation")
    patch = {"headers": {"X-Mine": {"secret": "hush-changed"}, "X-Plain": "plain"}}
    answers = [server.patch(f"/jobs/{job['id']}", patch)]
    assert run(server, job)["status"] == "SUCCESS"
    came = target.arrivals("/ok/a")[0].headers
    assert came["authorization"] == "hush-authorization"
    assert (came["x-mine"], came["x-plain"]) == ("hush-changed", "plain")

    line = f"0 0 1 1 * curl -H 'Authorization: hush-crontab' {target.url('/ok/b')}\n"
    options = {"headers": {"Content-Type": "text/x-crontab"}}
    answers.append(expect(server.post("/import", line, **options), 200))
    imported = {"id": answers[-1].json["results"][0]["id"]}
    assert headers_of(server, imported) == {"Authorization": {"secret": True}}
    assert run(server, imported)["status"] == "SUCCESS"
    assert target.arrivals("/ok/b")[0].headers["authorization"] == "hush-crontab"

    bad = {"schedule": "@daily", "api": "x", "headers": {"Host": {"secret": "hush-refused"}}}
    answers.append(server.post("/jobs", bad))
    lists = ("/jobs", "/export", "/executions", "/audit")
    for path in (*lists, f"/jobs/{job['id']}", "/jobs/by-key/mine"):
        answers.append(expect(server.get(path), 200))
    for answer in answers:
        assert_hushed(answer.body, "an answer")
    # While it runs, so that the log of what is not yet in the database is there too.
    files = [path for path in database.parent.iterdir() if path.name.startswith(database.name)]
    assert any(path.name.endswith("-wal") for path in files)
    for path in files:
        assert_hushed(path.read_bytes(), path)
    backup = database.parent / "backup.db"
    assert run_to_end("backup", backup, "--db", database).returncode == 0
    assert_hushed(backup.read_bytes(), "the backup")
    server.stop()
    assert_hushed("\n".join(map(str, server.events())).encode(), "the log")


def test_without_a_key_nothing_that_is_called_secret_is_taken(fleet, database, target):
    server = fleet.serve(database)
    headers = {"X-Mine": {"secret": "hush-marked"}}
    body = {"schedule": "@daily", "api": target.url("/ok/a"), "headers": headers}
    refused = expect(server.post("/jobs", body), 400)
    assert "carillon secrets new-key" in refused.json["error"]
    assert refused.json["errors"][0]["pointer"] == "/headers/X-Mine"
    headers = {"Authorization": "in clear"}
    job = create_job(server, target.url("/ok/a"), headers=headers)
    assert headers_of(server, job) == headers


def test_without_its_key_an_attempt_fails_with_a_reason(fleet, database, keys, target, tmp_path):
    server = fleet.serve(database, *sealing(keys))
    job = create_job(server, target.url("/ok/a"), headers={"Cookie": "hush"}, max_retries=0)
    server.stop()
    name = keys.read_text().split(":")[0]
    server = fleet.serve(database, *sealing(new_keys(tmp_path / "others")))
    execution = run(server, job)
    assert execution["status"] == "FAILED"
    assert execution["error"] == (
        f"the secret header Cookie cannot be opened: the key {name} that it was sealed with is "
        "missing here"
    )
    assert target.arrivals("/ok/a") == []


def test_a_malformed_file_of_keys_is_a_wrong_setting(fleet, database, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("no key\n")
    end = run_to_end("serve", "--db", database, "--listen", "127.0.0.1:0", *sealing(keys))
    assert end.returncode == 2
    assert "line 1: a key is ID:BASE64" in end.stderr and "no key" not in end.stderr


# --- Changes -------------------------------------------------------------------------------------


def test_a_secret_stays_until_another_is_sent(fleet, database, keys, target):
    server = fleet.serve(database, *sealing(keys))
    job = create_job(server, target.url("/ok/a"), headers={"X-Mine": {"secret": "first"}})
    read = expect(server.get(f"/jobs/{job['id']}"), 200).json
    expect(server.put(f"/jobs/{job['id']}", read), 200)
    run(server, job)
    assert target.arrivals("/ok/a")[0].headers["x-mine"] == "first"
    expect(server.patch(f"/jobs/{job['id']}", {"headers": {"x-mine": {"secret": "next"}}}), 200)
    run(server, job)
    assert target.arrivals("/ok/a")[1].headers["x-mine"] == "next"


def test_whoever_changes_a_job_cannot_have_its_secret_sent_elsewhere(
    fleet, database, keys, target
):
    server = fleet.serve(database, *sealing(keys))
    job = create_job(server, target.url("/ok/a"), headers={"Authorization": "hush"}, key="k")
    path = f"/jobs/{job['id']}"
    elsewhere = target.url("/ok/b").replace("127.0.0.1", "localhost")
    expect(server.patch(path, {"api": target.url("/ok/b")}), 200)
    refused = expect(server.patch(path, {"api": elsewhere}), 400)
    assert "was given for another server" in refused.json["error"]
    expect(server.put("/jobs/by-key/k", {"schedule": "@daily", "api": elsewhere}), 400)
    again = {"api": elsewhere, "headers": {"Authorization": {"secret": "hush"}}}
    expect(server.patch(path, again), 200)  # The very same, but given for this server.
    expect(server.patch(path, {**again, "api": target.url("/ok/b")}), 200)
    export = server.get("/export").json
    export["jobs"][0]["api"] = elsewhere
    for query in ("", "?dry_run=1"):
        answer = expect(server.post(f"/import{query}", export), 200).json
        assert answer["results"][0]["status"] == "invalid", answer
    expect(server.patch(path, {"api": elsewhere, "headers": {"Authorization": "other"}}), 200)


def test_an_export_comes_back_where_its_secrets_are_known(fleet, database, keys, target):
    server = fleet.serve(database, *sealing(keys))
    headers = {"X-Mine": {"secret": "hush"}}
    job = create_job(server, target.url("/ok/a"), headers=headers, key="mine")
    export = server.get("/export").json
    export["jobs"][0]["name"] = "another"
    assert server.post("/import?dry_run=1", export).json["would_update"] == 1
    assert server.post("/import", export).json["updated"] == 1
    run(server, job)
    assert target.arrivals("/ok/a")[0].headers["x-mine"] == "hush"
    export["jobs"][0]["key"] = "not-there-yet"
    for query in ("", "?dry_run=1"):
        result = server.post(f"/import{query}", export).json["results"][0]
        assert result["status"] == "invalid" and "X-Mine" in result["reason"]


# --- Another key ---------------------------------------------------------------------------------


def test_a_key_is_replaced_by_another(fleet, database, keys, target):
    server = fleet.serve(database)
    clear = create_job(server, target.url("/ok/c"), headers={"Cookie": "in clear"})
    server.stop()
    old = keys.read_text()
    server = fleet.serve(database, *sealing(keys))
    secrets = {"headers": {"X-Mine": {"secret": "hush"}}, "signing": ["new", "new-ed25519"]}
    jobs = [create_job(server, target.url(f"/ok/{i}"), **secrets) for i in range(30)]
    create_job(server, target.url("/ok/plain"), headers={"X-Mine": "plain"})
    bell = {"name": "bell", "kind": "ntfy", "settings": {"topic": "t", "token": "hush"}}
    bell = expect(server.post("/channels", bell), 201).json
    server.stop()

    keys.write_text(new_keys(keys).read_text() + old)
    server = fleet.serve(database, *sealing(keys))
    end = run_to_end("secrets", "rotate", "--url", f"http://127.0.0.1:{server.port}")
    assert (end.returncode, end.stdout) == (
        0,
        "1 channels sealed again\n31 jobs sealed again, 0 failed\n",
    ), end.stderr
    assert headers_of(server, clear) == {"Cookie": {"secret": True}}
    shown = expect(server.get(f"/jobs/{jobs[0]['id']}"), 200).json["signing"]
    assert [key["id"] for key in shown] == [key["id"] for key in jobs[0]["signing"]]
    again = expect(server.post("/secrets/rotate"), 200).json
    assert again == {"sealed": 0, "channels": 0, "failed": 0, "failures": []}
    server.stop()

    keys.write_text(keys.read_text().replace(old, ""))
    server = fleet.serve(database, *sealing(keys))
    change = {"settings": {"topic": "u"}}  # The old secret is opened, and kept.
    changed = expect(server.put(f"/channels/{bell['id']}", change), 200).json
    assert changed["settings"] == {"topic": "u", "token": {"secret": True}}
    assert run(server, jobs[29])["status"] == "SUCCESS"
    assert target.arrivals("/ok/29")[0].headers["x-mine"] == "hush"
    assert run(server, clear)["status"] == "SUCCESS"
    assert target.arrivals("/ok/c")[0].headers["cookie"] == "in clear"


def test_a_job_that_cannot_be_opened_is_named_and_stays(fleet, database, keys, target, tmp_path):
    server = fleet.serve(database, *sealing(keys))
    lost = create_job(server, target.url("/ok/a"), headers={"X-Mine": {"secret": "hush"}})
    name = keys.read_text().split(":")[0]
    server.stop()
    server = fleet.serve(database, *sealing(new_keys(tmp_path / "others")))
    end = run_to_end("secrets", "rotate", "--url", f"http://127.0.0.1:{server.port}")
    assert end.returncode == 1
    assert end.stdout == (
        f"job {lost['id']}: the secret header X-Mine cannot be opened: the key {name} that it was "
        "sealed with is missing here\n0 jobs sealed again, 1 failed\n"
    )
    assert expect(server.get(f"/jobs/{lost['id']}"), 200).json["version"] == 1
    end = run_to_end("secrets", "rotate", "--url", "http://127.0.0.1:9")
    assert end.returncode == 1 and end.stdout == ""


def test_without_a_key_nothing_is_sealed_again(fleet, database):
    server = fleet.serve(database)
    refused = expect(server.post("/secrets/rotate"), 400)
    assert "carillon secrets new-key" in refused.json["error"]


def test_in_a_cluster_a_key_is_replaced_by_another_under_way(cluster_url, keys, target):
    old = keys.read_text()
    options = {"arguments": sealing(keys), "balancer": False}
    with Cluster(cluster_url, apis=1, workers=2, **options) as cluster:
        api = cluster.door
        secrets = {"headers": {"X-Mine": {"secret": "hush"}}, "signing": ["new"]}
        jobs = [create_job(api, target.url(f"/ok/{i}"), **secrets) for i in range(30)]
        for node in cluster.nodes:
            node.end()
        new = new_keys(keys).read_text()
        keys.write_text(new + old)
        for node in cluster.nodes:
            node.start()
        cluster.wait_until_shared()
        api = cluster.door
        end = run_to_end("secrets", "rotate", "--url", f"http://127.0.0.1:{api.port}")
        assert (end.returncode, end.stdout) == (0, "30 jobs sealed again, 0 failed\n"), end.stderr
        for node in cluster.nodes:
            node.end()
        keys.write_text(new)
        for node in cluster.nodes:
            node.start()
        cluster.wait_until_shared()
        api = cluster.door
        for i in (0, 29):
            assert run(api, jobs[i])["status"] == "SUCCESS"
            assert target.arrivals(f"/ok/{i}")[0].headers["x-mine"] == "hush"


# --- Executors -----------------------------------------------------------------------------------


def test_an_executor_opens_secrets_with_its_own_keys(fleet, database, keys, target):
    with Redis() as redis:
        executor = Program(
            "serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--role", "executor",
            "--redis", redis.url, *sealing(keys),
        ).wait_until_listening()
        try:
            wait_until(lambda: executor.get("/readyz").status == 200, 30, "the executor takes")
            queue = ("--dispatch", "queue", "--redis", redis.url)
            server = fleet.serve(database, *queue, *sealing(keys))
            job = create_job(server, target.url("/ok/a"), headers={"Cookie": "hush-marked"})
            assert run(server, job)["status"] == "SUCCESS"
            assert target.arrivals("/ok/a")[0].headers["cookie"] == "hush-marked"
            server.stop()
        finally:
            executor.kill()
