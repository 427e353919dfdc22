# SPDX-License-Identifier: MIT
"""Changes in a cluster: any API server takes them, and the node that owns the job makes them."""

from harness.cluster import Cluster
from harness.jobs import create_job, create_jobs, expect, trigger
from harness.redis import Redis
from harness.times import NEVER_SOON
from harness.wait import wait_until


def test_changes_at_any_server_are_seen_at_all(cluster_url, target):
    with Cluster(cluster_url, apis=2, workers=2, balancer=False) as cluster:
        one, two = cluster.apis
        job = create_job(one, target.url("/a"), name="first")
        path = f"/jobs/{job['id']}"
        assert job["version"] == 1
        assert expect(two.get(path), 200).json["name"] == "first"
        changed = expect(two.patch(path, {"name": "second"}), 200).json
        assert changed["name"] == "second" and changed["version"] == 2
        assert expect(one.get(path), 200).json["version"] == 2
        paused = expect(one.post(f"{path}/pause", {"reason": "repairs"}), 200).json
        assert not paused["is_active"] and paused["paused_reason"] == "repairs"
        assert expect(two.post(f"{path}/resume"), 200).json["is_active"]
        execution = trigger(two, job)
        wait_until(
            lambda: one.get(f"/executions/{execution}").json["status"] == "SUCCESS",
            20,
            "the triggered execution ends",
        )
        assert expect(two.delete(path), 204)
        assert expect(one.get(path), 404)
        assert expect(one.delete(path), 404)


def test_an_alert_is_acknowledged_at_any_server(cluster_url, target):
    with Cluster(cluster_url, apis=2, workers=1, balancer=False) as cluster:
        one, two = cluster.apis
        job = create_job(one, target.url("/status/500"), max_retries=0)
        trigger(two, job)
        path = f"/jobs/{job['id']}/alerts"
        (alert,) = wait_until(lambda: one.get(path).json["alerts"], 20, "there is an alert")
        seen = expect(one.post(f"/alerts/{alert['id']}/ack"), 200).json
        assert seen["acknowledged_at"]
        assert expect(two.post(f"/alerts/{alert['id']}/ack"), 200).json == seen


def test_a_key_counts_at_every_server(cluster_url, target):
    with Cluster(cluster_url, apis=2, workers=1, balancer=False) as cluster:
        one, two = cluster.apis
        body = {"schedule": NEVER_SOON, "api": target.url("/a")}
        key = {"Idempotency-Key": "the-same"}
        first = expect(one.post("/jobs", body, headers=key), 201)
        again = expect(two.post("/jobs", body, headers=key), 201)
        assert first.json["id"] == again.json["id"]
        other = expect(two.post("/jobs", {**body, "name": "x"}, headers=key), 422)
        assert "idempotency" in other.json["type"]
        assert len(expect(one.get("/jobs"), 200).json["jobs"]) == 1


def test_without_a_worker_a_change_is_refused_and_not_made_later(cluster_url, target):
    with Cluster(cluster_url, apis=1, workers=1, balancer=False) as cluster:
        api, worker = cluster.apis[0], cluster.workers[0]
        hasty = cluster.add("hasty", "api", "--command-timeout", "1s")
        create_job(api, target.url("/a"))
        worker.stop()
        body = {"schedule": NEVER_SOON, "api": target.url("/b")}
        refused = expect(hasty.post("/jobs", body), 503)
        assert refused.json["type"].endswith("shard-away"), refused.json
        assert refused.headers["Retry-After"]
        worker.start()
        cluster.wait_until_shared(workers=[worker])
        create_job(api, target.url("/c"))
        jobs = expect(api.get("/jobs"), 200).json["jobs"]
        assert sorted(job["api"][-2:] for job in jobs) == ["/a", "/c"]


def test_all_jobs_of_many_clients_are_there(cluster_url, target):
    with Cluster(cluster_url, apis=1, workers=2, balancer=False) as cluster:
        api = cluster.apis[0]
        bodies = [{"schedule": NEVER_SOON, "api": target.url(f"/{i}")} for i in range(400)]
        jobs = create_jobs(api, bodies)
        assert len({job["id"] for job in jobs}) == len(bodies)


def test_wake_ups_of_redis_are_heard_and_not_needed(cluster_url, target):
    with Redis() as redis, Cluster(
        cluster_url, apis=1, workers=1, balancer=False, arguments=("--redis", redis.url)
    ) as cluster:
        api = cluster.apis[0]

        def heard():
            metrics = expect(api.get("/metrics"), 200).body.decode()
            return "carillon_wakeups_heard_total 0" not in metrics

        create_job(api, target.url("/a"))
        wait_until(heard, 20, "a wake-up is heard")
        redis.kill()
        for _ in range(3):
            create_job(api, target.url("/b"))
        assert len(expect(api.get("/jobs"), 200).json["jobs"]) == 4
