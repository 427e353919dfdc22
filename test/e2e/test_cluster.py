# SPDX-License-Identifier: MIT
"""Two API servers behind HAProxy, three workers and PostgreSQL: one service, whoever is asked."""

import pytest
from harness.account import Account
from harness.cluster import Cluster
from harness.jobs import create_job, create_jobs, expect, for_each, trigger, wait_for_end
from harness.times import EVERY_SECOND, parse_ms
from harness.wait import wait_until


@pytest.fixture(scope="module")
def cluster(postgres):
    """For tests that end no node."""
    with Cluster(postgres.make_database("shared")) as c:
        yield c


def test_jobs_made_through_the_balancer_run_on_every_worker(cluster, target):
    account = Account(cluster.door, target, 30)
    for n in range(30):
        target.wait_for(3, f"/ok/{n}", 30)
    account.settle(cluster.door)
    executions = account.owed_executions()
    assert {e["status"] for e in executions} == {"SUCCESS"}
    assert all(len(arrivals) == 1 for arrivals in account.arrivals_by_key().values())
    seen = cluster.look()
    assert seen["shards"] == {"all": 256, "own": 0, "unowned": 0}
    for worker in cluster.workers:
        metrics = expect(worker.get("/metrics"), 200).body.decode()
        sent = next(l for l in metrics.splitlines() if l.startswith("carillon_attempts_started"))
        assert float(sent.split()[1]) > 0, worker


def test_every_api_server_changes_every_job(cluster, target):
    first, second = cluster.apis
    job = create_job(first, target.url("/ok/edits"))
    seen = expect(second.get(f"/jobs/{job['id']}"), 200).json
    assert (seen["api"], seen["version"]) == (job["api"], job["version"])
    changed = expect(second.patch(f"/jobs/{job['id']}", {"name": "changed"}), 200).json
    assert changed["version"] == job["version"] + 1
    stale = {"If-Match": f'"{job["version"]}"'}
    expect(first.patch(f"/jobs/{job['id']}", {"name": "late"}, headers=stale), 412)
    expect(first.post(f"/jobs/{job['id']}/pause"), 200)
    assert expect(second.get(f"/jobs/{job['id']}"), 200).json["is_active"] is False
    end = wait_for_end(first, trigger(second, job), 20)
    assert end["status"] == "SUCCESS"
    expect(second.delete(f"/jobs/{job['id']}"), 204)
    expect(first.get(f"/jobs/{job['id']}"), 404)


def test_a_client_key_holds_at_every_api_server(cluster, target):
    first, second = cluster.apis
    body = {"schedule": "0 0 1 1 *", "api": target.url("/ok/key")}
    key = {"Idempotency-Key": '"once"'}
    made = expect(first.post("/jobs", body, headers=key), 201).json
    again = second.post("/jobs", body, headers=key)
    assert again.status == 201 and again.json["id"] == made["id"]
    other = {**body, "name": "another request"}
    expect(second.post("/jobs", other, headers=key), 422)


def test_many_clients_change_many_jobs(cluster, target):
    bodies = [{"schedule": "0 0 1 1 *", "api": target.url(f"/ok/many/{n}")} for n in range(200)]
    jobs = create_jobs(cluster.door, bodies)
    assert len({job["id"] for job in jobs}) == 200
    assert len({job["id"] % 256 for job in jobs}) > 50

    def rename(connection, job):
        path = f"/jobs/{job['id']}"
        return expect(cluster.door.patch(path, {"name": "x"}, connection=connection), 200).json

    assert {job["version"] for job in for_each(cluster.door, jobs, rename)} == {2}

    def remove(connection, job):
        expect(cluster.door.delete(f"/jobs/{job['id']}", connection=connection), 204)

    for_each(cluster.door, jobs, remove)


def test_the_cluster_is_seen_from_every_api_server(cluster):
    for api in cluster.apis:
        seen = cluster.seen_by(api)
        assert seen["kind"] == "cluster" and seen["lease"]["held"]
        nodes = {node["name"]: node for node in seen["nodes"]}
        assert set(nodes) == {node.name for node in cluster.nodes}
        assert {name for name, node in nodes.items() if node["self"]} == {api.name}
        assert sum(node["shards"] for node in nodes.values()) == 256
        assert nodes[seen["leader"]]["works"]
        for node in cluster.nodes:
            assert nodes[node.name]["role"] == node.role
            assert nodes[node.name]["works"] == (node.role != "api")
        health = expect(api.get("/observability/health"), 200).json
        assert health["status"] == "ok" and health["cluster"]["workers"] == 3
        metrics = expect(api.get("/metrics"), 200).body.decode()
        assert "\ncarillon_commands_waiting 0\n" in metrics
        assert "\ncarillon_lease_age_milliseconds " in metrics
    for node in cluster.nodes:
        expect(node.get("/livez"), 200)
        expect(node.get("/readyz"), 200)


def test_a_worker_answers_probes_and_metrics_only(cluster):
    worker = cluster.workers[0]
    answer = expect(worker.get("/jobs"), 404)
    assert "worker" in answer.json["detail"] and "API server" in answer.json["detail"]
    expect(worker.post("/jobs", {}), 404)
    metrics = expect(worker.get("/metrics"), 200).body.decode()
    assert "\ncarillon_cluster_workers 3\n" in metrics


def test_a_node_joins_and_leaves_without_a_word_elsewhere(cluster, target):
    account = Account(cluster.door, target, 12, kind="ok/join")
    wait_until(lambda: len(target.arrivals()) > 12, 30, "jobs run")
    fourth = cluster.add("worker-4", "worker")
    cluster.wait_until_shared()
    fourth.stop()
    cluster.wait_until_shared()
    assert "worker-4" not in {node["name"] for node in cluster.look()["nodes"]}
    account.settle(cluster.door)
    assert {e["status"] for e in account.owed_executions()} == {"SUCCESS"}
    assert all(len(arrivals) == 1 for arrivals in account.arrivals_by_key().values())
