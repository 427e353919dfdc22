# SPDX-License-Identifier: MIT
"""A node that dies or stands still: others take over what it had, after its lease and not before.

Jobs of every second are counted by what reached their target: each instant, none doubled without a
higher attempt number, and nothing from an owner of before once the next one has sent.
"""

import signal

import pytest
from harness.cluster import Cluster
from harness.jobs import create_jobs, expect
from harness.times import EVERY_SECOND, parse_ms
from harness.wait import wait_until

JOBS = 60
TTL_MS = 2000
TAKEOVER_MS = 1500  # What is promised after the lease,
NOISE_MS = 3000  # and what a machine may add that runs many tests at once.


@pytest.fixture
def shared(cluster_url, target):
    """A node that answers the API and two workers, which share the jobs."""
    with Cluster(cluster_url, apis=0, workers=0, alls=1, ttl="2s", balancer=False) as cluster:
        (door,) = cluster.alls
        bodies = [{"schedule": EVERY_SECOND, "api": target.url(f"/ok/{n}")} for n in range(JOBS)]
        create_jobs(door, bodies)
        cluster.add("worker-1", "worker")
        cluster.add("worker-2", "worker")
        cluster.wait_until_shared()
        wait_for_rounds(target, 3)
        yield cluster


def instants(target):
    """For each job the arrivals of each instant, in order of time."""
    jobs = {}
    for arrival in target.arrivals():
        instant = parse_ms(arrival.headers["carillon-scheduled-at"])
        jobs.setdefault(arrival.job_id, {}).setdefault(instant, []).append(arrival)
    return jobs


def wait_for_rounds(target, count):
    """Until each job was sent for so many instants that come after now."""
    now_ms = max((max(job) for job in instants(target).values()), default=0)

    def came():
        jobs = instants(target).values()
        return len(jobs) == JOBS and all(sum(i > now_ms for i in job) >= count for job in jobs)

    wait_until(came, 60, f"{count} rounds of {JOBS} jobs")


def check_instants(target):
    """None is missing, none was early, and what came twice says so."""
    latest_ms = 0
    for job, arrivals in instants(target).items():
        first, last = min(arrivals), max(arrivals)
        missing = set(range(first, last, 1000)) - set(arrivals)
        assert not missing, f"job {job} lacks {sorted(missing)}"
        for instant, tries in arrivals.items():
            numbers = [a.attempt for a in tries]
            assert len(set(numbers)) == len(numbers), f"job {job} at {instant}: attempts {numbers}"
            latest_ms = max(latest_ms, tries[0].at_ms - instant)
    return latest_ms


def stale_requests(target):
    """Requests that came after one of a later owner of the same shard."""
    stale = 0
    for arrivals in instants(target).values():
        fence = 0
        in_order = [a for tries in arrivals.values() for a in tries]
        for arrival in sorted(in_order, key=lambda a: a.at_ms):
            stale += arrival.fence < fence
            fence = max(fence, arrival.fence)
    return stale


def leases_lost(cluster):
    answer = cluster.alls[0].get("/observability/alerts?kind=lease_lost")
    return expect(answer, 200).json["alerts"]


def test_jobs_of_a_node_that_was_killed_go_on_after_its_lease(shared, target):
    victim = shared.others[0]
    victim.kill()
    shared.wait_until_shared()
    wait_for_rounds(target, 3)
    assert check_instants(target) < TTL_MS + TAKEOVER_MS + NOISE_MS
    assert stale_requests(target) == 0
    buried = [e for node in shared.nodes for e in node.events("cluster.buried")]
    assert [e["name"] for e in buried] == ["worker-1"]
    (alert,) = wait_until(lambda: leases_lost(shared), 10, "people are told")
    assert alert["message"].startswith("node worker-1 has lost its lease")


def test_node_that_stood_still_sends_nothing_of_what_others_have_taken(shared, target):
    sleeper = shared.others[1]
    sleeper.signal(signal.SIGSTOP)
    try:
        shared.wait_until(lambda c: len(c["nodes"]) == 2 and c["shards"]["unowned"] == 0, "buried")
        wait_for_rounds(target, 2)
    finally:
        sleeper.signal(signal.SIGCONT)
    sleeper.wait_for_event("cluster.lease_lost")
    shared.wait_until_shared()
    wait_for_rounds(target, 3)
    check_instants(target)
    assert stale_requests(target) <= 1  # It may have stood right before the first byte of one.


def test_nothing_is_late_when_a_node_leaves_in_order(shared, target):
    leaver = shared.others[0]
    leaver.stop()
    shared.wait_until_shared()
    wait_for_rounds(target, 3)
    assert check_instants(target) < 1000 + NOISE_MS
    assert stale_requests(target) == 0
    assert all(len(tries) == 1 for job in instants(target).values() for tries in job.values())
    assert leases_lost(shared) == []
