# SPDX-License-Identifier: MIT
"""POST /jobs/bulk: many operations in one request, each by itself or all in one transaction."""

import threading

from harness.cluster import Cluster
from harness.jobs import create_job, expect
from harness.times import NEVER_SOON
from harness.wait import wait_until


def bulk(server, *operations, atomic=False, status=200, **options):
    body = {"operations": list(operations), "atomic": atomic}
    return expect(server.post("/jobs/bulk", body, **options), status).json


def creation(target, **fields):
    return {"op": "create", "job": {"schedule": NEVER_SOON, "api": target.url("/ok"), **fields}}


def get_job(server, job_id):
    return expect(server.get(f"/jobs/{job_id}"), 200).json


def names(server):
    return [job["name"] for job in expect(server.get("/jobs?limit=500"), 200).json["jobs"]]


def all_names(server):
    found, cursor = [], None
    while True:
        path = "/jobs?limit=500" + (f"&cursor={cursor}" if cursor else "")
        page = expect(server.get(path), 200).json
        found += [job["name"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if not cursor:
            return found


def all_kinds(server, target):
    """Operations of every kind, on jobs of their own."""
    a, b, c, d = (create_job(server, target.url("/ok"), name=n)["id"] for n in "abcd")
    expect(server.post(f"/jobs/{c}/pause"), 200)
    return [
        creation(target, name="new-1"),
        {"op": "update", "id": a, "job": {"name": "a2", "headers": {"X-A": "1"}}},
        {"op": "pause", "id": b, "reason": "repairs"},
        {"op": "resume", "id": c},
        {"op": "delete", "id": d},
        creation(target, name="new-2"),
    ]


def check_all_kinds(server, operations, answer):
    ids = [o.get("id") for o in operations]
    results = answer["results"]
    assert (answer["succeeded"], answer["failed"]) == (6, 0), answer
    assert [r["status"] for r in results] == [201, 200, 200, 200, 204, 201]
    assert [r["id"] for r in results[1:5]] == ids[1:5]
    assert get_job(server, results[0]["id"])["name"] == "new-1"
    assert get_job(server, results[5]["id"])["name"] == "new-2"
    changed = get_job(server, ids[1])
    assert (changed["name"], changed["version"]) == ("a2", results[1]["version"])
    assert get_job(server, ids[2])["paused_reason"] == "repairs"
    assert get_job(server, ids[3])["is_active"]
    expect(server.get(f"/jobs/{ids[4]}"), 404)


def test_each_operation_has_a_result_of_its_own(server, target):
    operations = all_kinds(server, target)
    check_all_kinds(server, operations, bulk(server, *operations))


def test_an_atomic_bulk_makes_all(server, target):
    operations = all_kinds(server, target)
    check_all_kinds(server, operations, bulk(server, *operations, atomic=True))


def test_without_atomic_what_is_refused_keeps_nothing_else_back(server, target):
    job = create_job(server, target.url("/ok"), name="old")["id"]
    answer = bulk(
        server,
        creation(target, name="fine"),
        creation(target, schedule="never"),
        {"op": "update", "id": 999, "job": {"name": "x"}},
        {"op": "update", "id": job, "job": {"nmae": "x"}},
        {"op": "delete", "id": 998},
    )
    assert (answer["succeeded"], answer["failed"]) == (1, 4)
    assert [r["status"] for r in answer["results"]] == [201, 400, 404, 400, 404]
    problem = answer["results"][1]["problem"]
    assert problem["type"] == "/problems/invalid-schedule"
    assert problem["errors"][0]["pointer"] == "/operations/1/job/schedule"
    pointer = answer["results"][3]["problem"]["errors"][0]["pointer"]
    assert pointer == "/operations/3/job/nmae"
    assert names(server) == ["old", "fine"]


def test_an_atomic_bulk_makes_none_when_one_is_refused(server, target):
    job = create_job(server, target.url("/ok"), name="old")["id"]
    other = create_job(server, target.url("/ok"), name="other")["id"]
    good = [creation(target, name="fine"), {"op": "update", "id": job, "job": {"name": "x"}}]
    for bad, status, pointer in [
        (creation(target, schedule="never"), 400, "/operations/2/job/schedule"),
        (creation(target, schedule="2020-01-01T00:00:00"), 400, "/operations/2/job/schedule"),
        (creation(target, key="a-key"), 400, "/operations/2/job/key"),
        ({"op": "update", "id": 999, "job": {"name": "x"}}, 404, "/operations/2"),
        ({"op": "delete", "id": 999}, 404, "/operations/2"),
        ({"op": "update", "id": other, "job": {"schedule": "H H 30 2 *"}}, 400, None),
    ]:
        refused = bulk(server, *good, bad, atomic=True, status=status)
        if pointer:
            assert refused["errors"][0]["pointer"] == pointer, refused
    assert names(server) == ["old", "other"]
    assert get_job(server, job)["version"] == 1
    # No id was used up.
    assert bulk(server, *good, atomic=True)["results"][0]["id"] == other + 1


def test_what_is_no_bulk_is_refused(shared_server, shared_target):
    server, one = shared_server, {"op": "delete", "id": 1}
    for body, pointer in [
        ({}, "/operations"),
        ({"operations": []}, "/operations"),
        ({"operations": {}}, "/operations"),
        ({"operations": [one] * 1001}, "/operations"),
        ({"operations": [one], "all": True}, "/all"),
        ({"operations": [one], "atomic": 1}, "/atomic"),
        ({"operations": [one, one]}, "/operations/1/id"),
        ({"operations": [1]}, "/operations/0"),
        ({"operations": [{"op": "destroy", "id": 1}]}, "/operations/0/op"),
        ({"operations": [{"op": "delete"}]}, "/operations/0/id"),
        ({"operations": [{"op": "delete", "id": "1"}]}, "/operations/0/id"),
        ({"operations": [{"op": "delete", "id": 1, "job": {}}]}, "/operations/0/job"),
        ({"operations": [{"op": "create", "job": 1}]}, "/operations/0/job"),
        ({"operations": [{"op": "pause", "id": 1, "until": "yesterday"}]}, "/operations/0/until"),
    ]:
        refused = expect(server.post("/jobs/bulk", body), 400).json
        assert refused["errors"][0]["pointer"] == pointer, refused


def test_a_thousand_jobs_are_made_deleted_and_made_once(server, target):
    creations = [creation(target, name=f"n{i}") for i in range(1000)]
    key = {"Idempotency-Key": "a-thousand"}
    for atomic in (True, False):
        first = bulk(server, *creations, atomic=atomic, headers=key)
        again = bulk(server, *creations, atomic=atomic, headers=key)
        ids = [r["id"] for r in first["results"]]
        assert [r["id"] for r in again["results"]] == ids and len(set(ids)) == 1000
        assert get_job(server, ids[500])["name"] == "n500"
        deletions = [{"op": "delete", "id": i} for i in ids]
        assert bulk(server, *deletions, atomic=atomic)["succeeded"] == 1000
        assert names(server) == []
        key = {"Idempotency-Key": "another-thousand"}


def test_an_atomic_bulk_is_made_anew_when_a_job_changes_meanwhile(server, target):
    job = create_job(server, target.url("/ok"))["id"]
    ended = threading.Event()

    def change():
        connection = server.connect()
        number = 0
        while not ended.is_set():
            number += 1
            change = {"max_retries": number % 100}
            expect(server.patch(f"/jobs/{job}", change, connection=connection), 200)
        connection.close()

    thread = threading.Thread(target=change)
    thread.start()
    made = 0
    try:
        for i in range(30):
            answer = server.post(
                "/jobs/bulk",
                {"operations": [{"op": "update", "id": job, "job": {"name": f"n{i}"}}],
                 "atomic": True},
            )
            assert answer.status in (200, 409, 503), answer
            if answer.status == 200:
                made += 1
                assert get_job(server, job)["name"] == f"n{i}"
    finally:
        ended.set()
        thread.join()
    assert made


def test_a_crash_leaves_all_of_an_atomic_bulk_or_none(fleet, database, target):
    server = fleet.serve(database)
    creations = [creation(target, name=f"n{i}") for i in range(500)]
    body = {"operations": creations, "atomic": True}
    for _ in range(5):

        def ask(at=server):
            try:
                at.post("/jobs/bulk", body)
            except OSError:
                pass  # The server has died.

        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda at=server: at.get("/livez").status == 200, 10, "the server answers")
        server.kill()
        thread.join()
        server = fleet.serve(database)
        assert len(all_names(server)) % 500 == 0


def test_a_bulk_in_a_cluster(cluster_url, target):
    with Cluster(cluster_url, apis=2, workers=2, balancer=False) as cluster:
        one, two = cluster.apis
        key = {"Idempotency-Key": "all-at-once"}
        creations = [creation(target, name=f"n{i}") for i in range(20)]
        made = bulk(one, *creations, atomic=True, headers=key)
        ids = [r["id"] for r in made["results"]]
        assert len({i % 256 for i in ids}) == 1  # One shard, so one transaction.
        again = bulk(two, *creations, atomic=True, headers=key)
        assert [r["id"] for r in again["results"]] == ids
        for i in (0, 19):
            assert get_job(two, ids[i])["name"] == f"n{i}"
        changed = bulk(
            two,
            {"op": "update", "id": ids[0], "job": {"name": "first"}},
            {"op": "pause", "id": ids[1]},
            {"op": "delete", "id": ids[2]},
            creation(target, name="beside them"),
            atomic=True,
        )
        assert changed["succeeded"] == 4
        new = changed["results"][3]["id"]
        assert new % 256 == ids[0] % 256 and get_job(one, new)["name"] == "beside them"
        assert get_job(one, ids[0])["name"] == "first"
        none = [{"op": "delete", "id": ids[3]}, {"op": "delete", "id": ids[2]}]
        bulk(one, *none, atomic=True, status=404)
        assert get_job(one, ids[3])
        each = bulk(one, *[creation(target) for _ in range(30)])
        others = [r["id"] for r in each["results"]]
        other = next(i for i in others if i % 256 != ids[0] % 256)
        mixed = [{"op": "pause", "id": ids[0]}, {"op": "pause", "id": other}]
        refused = bulk(one, *mixed, atomic=True, status=422)
        assert refused["type"] == "/problems/several-shards"
        assert bulk(one, *mixed)["succeeded"] == 2
