# SPDX-License-Identifier: MIT
"""How many jobs a token may have, and how many bytes in them: max_jobs and max_bytes."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.jobs import expect
from harness.times import NEVER_SOON
from harness.tokens import TokenCluster, by, make_token
from harness.wait import wait_until

API = "http://127.0.0.1:8081/quota"
JOB = {"schedule": NEVER_SOON, "api": API}


@pytest.fixture
def admin(database):
    return by(make_token(database, "admin"))


@pytest.fixture
def server(fleet, database, admin):
    return fleet.serve(database)


def token_with(server, admin, name="team", **quota):
    wish = {"name": name, "scope": "write", **quota}
    made = expect(server.post("/tokens", wish, headers=admin), 201).json
    assert {key: made[key] for key in quota} == quota
    return by(made["secret"])


def create(server, token, **more):
    return server.post("/jobs", {**JOB, **more}, headers=token)


def refused(answer, words):
    problem = expect(answer, 429).json
    assert problem["type"] == "/problems/quota-reached"
    assert words in problem["error"]
    return problem


def test_a_token_has_so_many_jobs_and_a_deletion_frees_one(server, admin):
    token = token_with(server, admin, max_jobs=2)
    jobs = [expect(create(server, token), 201).json for _ in range(2)]
    refused(create(server, token), "the token may have 2 jobs (its max_jobs) and has 2")
    expect(create(server, admin), 201)  # Others have no quota.
    for job in jobs:
        expect(server.delete(f"/jobs/{job['id']}", headers=token), 204)
        expect(create(server, token), 201)
        refused(create(server, token), "and has 2")
    expect(server.delete(f"/jobs/{jobs[1]['id'] + 2}", headers=admin), 204)  # By whomever.
    expect(create(server, token), 201)


def test_a_quota_is_set_on_the_command_line_listed_and_in_the_audit(server, admin, database):
    token = by(make_token(database, "write", "--max-jobs", "1", "--max-bytes", "100", name="ci"))
    listed = expect(server.get("/tokens", headers=admin), 200).json["tokens"]
    assert [(t["max_jobs"], t["max_bytes"]) for t in listed] == [(None, None), (1, 100)]
    entry = expect(server.get("/audit?action=token.create", headers=admin), 200).json["entries"][0]
    assert (entry["after"]["max_jobs"], entry["after"]["max_bytes"]) == (1, 100)
    refused(create(server, token, body="x" * 100), "100 bytes (its max_bytes)")
    expect(create(server, token), 201)
    refused(create(server, token), "1 job (its max_jobs)")


@pytest.mark.parametrize("wrong", [{"max_jobs": 0}, {"max_bytes": 0}, {"max_jobs": "1"}])
def test_what_is_no_quota_makes_no_token(server, admin, wrong):
    wish = {"name": "x", "scope": "write", **wrong}
    problem = expect(server.post("/tokens", wish, headers=admin), 400).json
    assert problem["errors"][0]["pointer"] == f"/{next(iter(wrong))}"


def test_an_update_counts_its_growth_alone(server, admin):
    has = len(API) + 1 + 10 + 1  # Each text with its end.
    token = token_with(server, admin, max_bytes=has + 10)
    path = f"/jobs/{expect(create(server, token, body='x' * 10), 201).json['id']}"
    expect(server.patch(path, {"body": "x" * 20}, headers=token), 200)
    refused(server.patch(path, {"body": "x" * 21}, headers=token), f"{has + 10} bytes")
    expect(server.patch(path, {"name": "renamed"}, headers=token), 200)
    expect(server.post(f"{path}/pause", headers=token), 200)
    expect(server.patch(path, {"body": "x" * 9}, headers=token), 200)
    expect(server.patch(path, {"body": "x" * 20}, headers=token), 200)
    expect(server.patch(path, {"body": "x" * 200}, headers=admin), 200)  # It has no quota.
    refused(server.patch(path, {"body": "x" * 201}, headers=token), f"have {has + 190};")


def test_two_tokens_have_quotas_apart(server, admin):
    one, two = (token_with(server, admin, name, max_jobs=1) for name in ("one", "two"))
    job = expect(create(server, one), 201).json
    expect(create(server, two), 201)
    refused(create(server, one), "has 1")
    refused(create(server, two), "has 1")
    expect(server.delete(f"/jobs/{job['id']}", headers=two), 204)
    refused(create(server, two), "has 1")
    expect(create(server, one), 201)


def bulk(server, token, operations, atomic):
    return server.post("/jobs/bulk", {"operations": operations, "atomic": atomic}, headers=token)


def test_an_atomic_bulk_counts_as_a_whole(server, admin):
    token = token_with(server, admin, max_jobs=3)
    new = {"op": "create", "job": JOB}
    refused(bulk(server, token, [new] * 4, True), "and has 0; these would be 4 more")
    made = expect(bulk(server, token, [new] * 3, True), 200).json["results"]
    swap = [{"op": "delete", "id": each["id"]} for each in made[:2]] + [new] * 2
    expect(bulk(server, token, swap, True), 200)
    refused(bulk(server, token, [new], True), "and has 3")


def test_operations_of_a_bulk_count_each_by_itself(server, admin):
    token = token_with(server, admin, max_jobs=3)
    new = {"op": "create", "job": JOB}
    results = expect(bulk(server, token, [new] * 40, False), 200).json["results"]
    assert sorted(each["status"] for each in results) == [201] * 3 + [429] * 37
    problem = next(each["problem"] for each in results if each["status"] == 429)
    assert problem["type"] == "/problems/quota-reached"


def test_an_import_says_which_jobs_were_too_many(server, admin):
    token = token_with(server, admin, max_jobs=2)
    jobs = {"jobs": [{**JOB, "key": f"k{i}"} for i in range(5)]}
    answer = expect(server.post("/import", jobs, headers=token), 200).json
    assert (answer["created"], answer["failed"]) == (2, 3)
    failed = [each for each in answer["results"] if each["status"] == "failed"]
    assert all("its max_jobs" in each["reason"] for each in failed)
    again = expect(server.post("/import", jobs, headers=token), 200).json
    assert (again["updated"], again["failed"]) == (2, 3)


def test_a_put_by_key_counts_when_it_creates(server, admin):
    token = token_with(server, admin, max_jobs=1)
    expect(server.put("/jobs/by-key/a", JOB, headers=token), 201)
    expect(server.put("/jobs/by-key/a", {**JOB, "body": "x"}, headers=token), 200)
    refused(server.put("/jobs/by-key/b", JOB, headers=token), "has 1")
    refused(create(server, token, key="c"), "has 1")


def test_a_repeated_request_is_answered_as_the_first_time(server, admin):
    token = token_with(server, admin, max_jobs=1)
    headers = {**token, "Idempotency-Key": "once"}
    first = expect(server.post("/jobs", JOB, headers=headers), 201).json
    assert expect(server.post("/jobs", JOB, headers=headers), 201).json["id"] == first["id"]
    refused(create(server, token), "has 1")


def test_what_a_token_has_outlives_the_server(fleet, database, admin):
    server = fleet.serve(database)
    token = token_with(server, admin, max_jobs=2)
    job = expect(create(server, token), 201).json
    expect(create(server, token), 201)
    server.stop()
    server = fleet.serve(database)
    refused(create(server, token), "has 2")
    expect(server.delete(f"/jobs/{job['id']}", headers=token), 204)
    expect(create(server, token), 201)


def jobs_of(server, admin):
    return len(expect(server.get("/jobs?limit=500", headers=admin), 200).json["jobs"])


def test_many_at_once_never_get_more_and_all_of_it(server, admin):
    token = token_with(server, admin, max_jobs=25)
    for _ in range(3):
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: create(server, token), range(60)))
        made = [answer.json["id"] for answer in answers if answer.status == 201]
        assert len(made) == 25 == jobs_of(server, admin)
        assert {answer.status for answer in answers} == {201, 429}
        with ThreadPoolExecutor(16) as pool:
            paths = [f"/jobs/{job}" for job in made]
            list(pool.map(lambda path: expect(server.delete(path, headers=token), 204), paths))


# --- A cluster -----------------------------------------------------------------------------------


def test_what_one_node_changes_the_others_hear_of(cluster_url):
    """Within a second; and a repeated request adds nothing, whichever node gets it."""
    admin = make_token(cluster_url, "admin")
    token = by(make_token(cluster_url, "write", "--max-jobs", "2"))
    with TokenCluster(cluster_url, admin, apis=2, workers=1, balancer=False) as cluster:
        first, second = cluster.apis
        headers = {**token, "Idempotency-Key": "once"}
        job = expect(first.post("/jobs", JOB, headers=headers), 201).json
        assert job["created_by"] == 2
        expect(create(second, token), 201)
        wait_until(lambda: create(first, token).status == 429, 10, "the first knows of both")
        assert expect(second.post("/jobs", JOB, headers=headers), 201).json["id"] == job["id"]
        for each in expect(first.get("/jobs", headers=token), 200).json["jobs"]:
            expect(first.delete(f"/jobs/{each['id']}", headers=token), 204)
        wait_until(lambda: create(second, token).status == 201, 10, "the second knows of it")
