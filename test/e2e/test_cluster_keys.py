# SPDX-License-Identifier: MIT
"""Jobs by key in a cluster: whichever server is asked, and however many at once, there is one."""

import threading

import pytest
from harness.cluster import Cluster
from harness.jobs import create_job, expect
from harness.program import run_to_end
from harness.times import NEVER_SOON

KEYS = 20
TIMES = 3


@pytest.fixture()
def cluster(cluster_url):
    with Cluster(cluster_url, apis=2, workers=2, balancer=False) as cluster:
        yield cluster


@pytest.fixture()
def body(target):
    return {"schedule": NEVER_SOON, "api": target.url("/a")}


def at_once(*calls):
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_two_servers_one_creates_and_the_other_updates(cluster, body):
    answers = []

    def put(api):
        for key in range(KEYS):
            for n in range(TIMES):
                answer = api.put(f"/jobs/by-key/key-{key}", {**body, "name": f"{n}"})
                answers.append((key, answer.status, answer.json["id"]))

    at_once(*(lambda api=api: put(api) for api in cluster.apis))
    for key in range(KEYS):
        statuses = sorted(status for k, status, _ in answers if k == key)
        assert statuses == [200] * (2 * TIMES - 1) + [201], answers
        assert len({job for k, _, job in answers if k == key}) == 1
    assert len(expect(cluster.apis[0].get("/jobs?limit=500"), 200).json["jobs"]) == KEYS


def test_of_jobs_that_are_posted_with_one_key_there_is_one(cluster, body):
    answers = []

    def post(api):
        answers.extend(
            (key, api.post("/jobs", {**body, "key": f"key-{key}"})) for key in range(KEYS)
        )

    at_once(*(lambda api=api: post(api) for api in cluster.apis))
    for key in range(KEYS):
        pair = [answer for k, answer in answers if k == key]
        created, refused = sorted(pair, key=lambda answer: answer.status)
        assert (created.status, refused.status) == (201, 409), pair
        assert refused.json["type"] == "/problems/job-key-taken"
        assert f"job {created.json['id']} has this key" in refused.json["detail"]


def test_a_key_is_free_again_at_every_server(cluster, body, target):
    one, two = cluster.apis
    first = create_job(one, target.url("/a"), key="nightly")
    assert expect(two.get("/jobs/by-key/nightly"), 200).json["id"] == first["id"]
    assert expect(two.put("/jobs/by-key/nightly", body), 200).json["version"] == 2
    expect(two.delete("/jobs/by-key/nightly"), 204)
    expect(one.get("/jobs/by-key/nightly"), 404)
    second = expect(one.put("/jobs/by-key/nightly", body), 201).json
    assert second["id"] != first["id"]
    expect(two.delete(f"/jobs/{second['id']}"), 204)
    create_job(two, target.url("/a"), key="nightly")


def test_a_refused_creation_leaves_the_key_free(cluster, body):
    one, two = cluster.apis
    past = {**body, "schedule": "0 0 0 1 1 *", "active_until": "2001-01-01T00:00:00Z"}
    assert one.put("/jobs/by-key/nightly", past).status == 400
    expect(two.put("/jobs/by-key/nightly", body), 201)


def test_an_idempotency_key_finds_the_job_rather_than_its_key(cluster, body):
    one, two = cluster.apis
    keyed, same = {**body, "key": "nightly"}, {"Idempotency-Key": "the-same"}
    first = expect(one.post("/jobs", keyed, headers=same), 201).json
    assert expect(two.post("/jobs", keyed, headers=same), 201).json["id"] == first["id"]
    other = {"Idempotency-Key": "another"}
    for server in (one, two):  # Refused, so that the client's key stands for nothing.
        expect(server.post("/jobs", keyed, headers=other), 409)
    expect(two.post("/jobs", body, headers=other), 201)


def test_keys_come_along_with_a_move(fleet, database, cluster_url, body):
    server = fleet.serve(database)
    job = expect(server.put("/jobs/by-key/nightly", body), 201).json
    expect(server.put("/jobs/by-key/gone", body), 201)
    expect(server.delete("/jobs/by-key/gone"), 204)
    server.stop()
    fleet.databases.discard(database)
    moved = run_to_end("move", database, cluster_url)
    assert moved.returncode == 0, moved
    with Cluster(cluster_url, apis=2, workers=1, balancer=False) as cluster:
        one, two = cluster.apis
        refused = expect(one.post("/jobs", {**body, "key": "nightly"}), 409).json
        assert f"job {job['id']} has this key" in refused["detail"]
        assert expect(two.put("/jobs/by-key/nightly", body), 200).json["id"] == job["id"]
        expect(two.put("/jobs/by-key/gone", body), 201)
        expect(one.delete("/jobs/by-key/nightly"), 204)
        expect(two.put("/jobs/by-key/nightly", body), 201)
