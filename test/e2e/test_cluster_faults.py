# SPDX-License-Identifier: MIT
"""A part of the cluster dies at a bad moment: what it owned goes on, and nothing is lost, or is
repeated without a trace."""

import signal
import time

import pytest
from harness.account import Account
from harness.cluster import Cluster
from harness.jobs import create_job, expect
from harness.postgres import Postgres, url
from harness.redis import Redis
from harness.times import now_ms
from harness.wait import wait_until

TTL_MS = 2000
GAP_MS = TTL_MS + 1500  # What is promised,
NOISE_MS = 4000  # and what a machine may add that runs many tests at once.
JOBS = 24


def wait_for_traffic(target, more=JOBS * 2):
    before = len(target.arrivals())
    wait_until(lambda: len(target.arrivals()) >= before + more, 60, "jobs run")


def check_all_ran(account, server):
    """Every execution that is owed has succeeded; a request that came again says so."""
    executions = {e["id"]: e for e in account.owed_executions()}
    assert {e["status"] for e in executions.values()} == {"SUCCESS"}
    arrivals = account.arrivals_by_key()
    for key in executions:
        assert key in arrivals, f"{key} never came"
    repeated = [key for key, came in arrivals.items() if len(came) > 1]
    for key in repeated:
        numbers = [arrival.attempt for arrival in arrivals[key]]
        assert numbers == sorted(set(numbers)), f"{key} came as attempts {numbers}"
    return repeated


def latest_ms(account):
    return max(
        arrival.at_ms - int(key.split("-")[1])
        for key, came in account.arrivals_by_key().items()
        for arrival in came[:1]
    )


@pytest.mark.slow
def test_a_killed_worker(cluster_url, target):
    with Cluster(cluster_url) as cluster:
        account = Account(cluster.door, target, JOBS)
        wait_for_traffic(target)
        victim, *others = cluster.workers
        victim.kill()
        cluster.wait_until_shared(others)
        wait_for_traffic(target)
        victim.start()
        cluster.wait_until_shared()
        wait_for_traffic(target)
        account.settle(cluster.door)
        check_all_ran(account, cluster.door)
        assert latest_ms(account) < GAP_MS + NOISE_MS


@pytest.mark.slow
def test_a_worker_that_sleeps_longer_than_its_lease(cluster_url, target):
    """When it wakes it has lost its shards, and sends nothing for them."""
    with Cluster(cluster_url) as cluster:
        account = Account(cluster.door, target, JOBS)
        wait_for_traffic(target)
        sleeper, *others = cluster.workers
        sleeper.signal(signal.SIGSTOP)
        cluster.wait_until_shared(others)
        wait_for_traffic(target)
        woken_ms = now_ms()
        sleeper.signal(signal.SIGCONT)
        cluster.wait_until_shared()
        wait_for_traffic(target)
        account.settle(cluster.door)
        check_all_ran(account, cluster.door)
        fences = {}  # The greatest fence of each job so far.
        for arrival in target.arrivals():
            fence = fences.get(arrival.job_id, 0)
            assert arrival.fence >= fence or arrival.at_ms < woken_ms, arrival
            fences[arrival.job_id] = max(fence, arrival.fence)
        wait_until(
            lambda: sleeper.events("cluster.lost") or sleeper.events("shards.lost"),
            30,
            "the loss is in the log",
        )


@pytest.mark.slow
def test_a_database_that_goes_and_comes_back(target):
    """Nobody exits; changes are refused in time, with the advice to come again."""
    with Postgres() as postgres, Cluster(postgres.url()) as cluster:
        account = Account(cluster.door, target, JOBS)
        wait_for_traffic(target)
        postgres.stop()
        for ask in (
            lambda: cluster.apis[0].post("/jobs", {"schedule": "@daily", "api": target.url("/x")}),
            lambda: cluster.apis[1].get("/jobs"),
            lambda: cluster.apis[1].get("/executions"),
        ):
            began = time.monotonic()
            answer = expect(ask(), 503)
            assert time.monotonic() - began < 5 + NOISE_MS / 1000
            assert int(answer.headers["Retry-After"]) > 0

        def is_unready(node):
            return node.get("/readyz").status == 503

        for node in cluster.nodes:
            wait_until(lambda node=node: is_unready(node), 30, f"{node} is not ready")
        answer = expect(cluster.door.get("/jobs"), 503)
        assert int(answer.headers["Retry-After"]) > 0
        before = len(target.arrivals())
        postgres.start()
        cluster.wait_until_shared()
        assert all(node.is_running for node in cluster.nodes)
        wait_until(lambda: cluster.door.get("/jobs").status == 200, 30, "the balancer has servers")
        wait_for_traffic(target)
        assert len(target.arrivals()) > before
        account.settle(cluster.door)
        check_all_ran(account, cluster.door)


@pytest.mark.slow
def test_a_primary_that_dies_and_its_replica_that_takes_over(target):
    """What was answered with 201 is there."""
    with Postgres() as primary, primary.make_replica() as replica:
        with Cluster(url(primary, replica)) as cluster:
            account = Account(cluster.door, target, JOBS)
            wait_for_traffic(target)
            made = [create_job(cluster.door, target.url(f"/made/{n}")) for n in range(10)]
            primary.kill()
            for node in cluster.nodes:  # Meanwhile they meet a replica that cannot be written to.
                wait_until(lambda n=node: n.get("/readyz").status == 503, 30, "it is noticed")
            replica.promote()
            cluster.wait_until_shared()
            wait_until(lambda: cluster.door.get("/jobs").status == 200, 30, "the API is back")
            for job in made:
                assert expect(cluster.door.get(f"/jobs/{job['id']}"), 200).json["api"] == job["api"]
            assert cluster.look()["timeline"] == 2
            assert all(node.is_running for node in cluster.nodes)
            wait_for_traffic(target)
            account.settle(cluster.door)
            check_all_ran(account, cluster.door)


@pytest.mark.slow
def test_redis_is_no_authority(cluster_url, target):
    with Redis() as redis, Cluster(cluster_url, arguments=("--redis", redis.url)) as cluster:
        account = Account(cluster.door, target, JOBS)
        wait_for_traffic(target)
        redis.ask("FLUSHALL")
        wait_for_traffic(target)
        redis.kill()
        job = create_job(cluster.door, target.url("/made"))
        expect(cluster.door.patch(f"/jobs/{job['id']}", {"name": "changed"}), 200)
        wait_for_traffic(target)
        assert cluster.look()["leader"]
        redis.start()
        wait_for_traffic(target)
        account.settle(cluster.door)
        assert check_all_ran(account, cluster.door) == []


@pytest.mark.slow
def test_a_rolling_restart_repeats_nothing_and_refuses_nobody(cluster_url, target):
    with Cluster(cluster_url) as cluster:
        account = Account(cluster.door, target, JOBS, kind="delay/300")
        wait_for_traffic(target)
        for node in cluster.nodes:
            node.stop()
            create_job(cluster.door, target.url("/made"))
            node.start()
            cluster.wait_until_shared()
            create_job(cluster.door, target.url("/made"))
        wait_for_traffic(target)
        account.settle(cluster.door)
        assert check_all_ran(account, cluster.door) == []
        assert latest_ms(account) < 1000 + NOISE_MS
