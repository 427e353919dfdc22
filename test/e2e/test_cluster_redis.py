# SPDX-License-Identifier: MIT
"""Redis in a cluster: it elects who tries to lead, and nothing depends on it."""

import re

from harness.cluster import Cluster
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.redis import Redis
from harness.wait import wait_until

LOCK = ("EXISTS", "carillon:leader")


def heard_by(node):
    """How many wake-ups the node has heard."""
    text = expect(node.get("/metrics"), 200).body.decode()
    return int(re.search(r"^carillon_wakeups_heard_total (\d+)", text, re.M).group(1))


def wait_for_leader(cluster, but=()):
    """The node that leads, which is none of these."""
    names = {node.name for node in but}
    seen = cluster.wait_until(
        lambda c: c["leader"] and c["leader"] not in names, f"another leads than {names}"
    )
    return next(node for node in cluster.nodes if node.name == seen["leader"])


def assert_at_work(cluster, target):
    job = create_job(cluster.door, target.url("/ok"))
    assert wait_for_end(cluster.door, trigger(cluster.door, job), 30)["status"] == "SUCCESS"


def test_the_lead_passes_on_with_redis_and_without(cluster_url, target):
    with Redis() as redis:
        settings = ("--redis", redis.url)
        with Cluster(cluster_url, apis=0, workers=0, alls=3, arguments=settings) as cluster:
            first = wait_for_leader(cluster)
            wait_until(lambda: redis.ask(*LOCK) == ":1", 30, "a node holds the lock")
            first.stop()
            second = wait_for_leader(cluster, [first])
            assert_at_work(cluster, target)
            redis.kill()
            second.kill()
            wait_for_leader(cluster, [first, second])
            redis.start()
            wait_until(lambda: redis.ask(*LOCK) == ":1", 30, "a node holds the lock again")


def test_changes_are_woken_by_redis_and_pass_without_it(cluster_url, target):
    with Redis() as redis:
        settings = ("--redis", redis.url)
        with Cluster(cluster_url, apis=1, workers=1, arguments=settings) as cluster:
            nodes = cluster.apis + cluster.workers
            assert_at_work(cluster, target)
            for node in nodes:  # The worker hears of commands, the API server of replies.
                wait_until(lambda n=node: heard_by(n) > 0, 30, "a wake-up is heard")
            redis.kill()
            assert_at_work(cluster, target)
            redis.start()
            before = [heard_by(node) for node in nodes]

            def all_hear_again():
                assert_at_work(cluster, target)
                return all(heard_by(node) > was for node, was in zip(nodes, before))

            wait_until(all_hear_again, 30, "wake-ups are heard again")


def test_redis_may_be_away_at_the_start(cluster_url, target):
    with Redis() as redis:
        redis.kill()
        settings = ("--redis", redis.url, "--dispatch", "queue")
        with Cluster(cluster_url, apis=0, workers=0, alls=1, arguments=settings) as cluster:
            wait_for_leader(cluster)
            assert_at_work(cluster, target)
            redis.start()
            wait_until(lambda: redis.ask(*LOCK) == ":1", 30, "the node holds the lock")
            assert_at_work(cluster, target)
