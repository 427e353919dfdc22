# SPDX-License-Identifier: MIT
"""Every occurrence ends in one record: at full speed, under kill -9, and after a silence."""

import os
import random
import time

import pytest
from harness import ledger
from harness.account import Account
from harness.jobs import create_jobs
from harness.times import EVERY_SECOND, now_ms, parse_ms
from harness.wait import wait_until_clock

JOBS = 200
SECONDS = 20
KILLS = 20
SECONDS_DOWN = 30 if os.environ.get("CARILLON_E2E_FULL") else 15


@pytest.mark.slow
def test_each_second_of_200_jobs_arrives_once_and_not_early(fleet, database, target):
    server = fleet.serve(database)
    account = Account(server, target, JOBS)
    wait_until_clock(now_ms() + SECONDS * 1000)
    account.settle(server)

    owed = account.owed_executions()
    keys = account.arrivals_by_key()
    assert len(owed) >= JOBS * (SECONDS - 2)
    assert {e["status"] for e in owed} == {"SUCCESS"}
    assert {e["retry_count"] for e in owed} == {0}
    assert {e["id"] for e in owed} <= keys.keys()
    assert {len(arrivals) for arrivals in keys.values()} == {1}

    server.stop()
    ledger.check_all_ended(database, account.paused_ms)


def kill_instants(generator):
    """Moments to kill the server at: half of them at any time of a second, half just after a
    whole one, when requests are under way and their outcomes not yet written."""
    at_ms = now_ms() + 1000
    for n in range(KILLS):
        yield at_ms
        at_ms += generator.randrange(300, 1300)
        if n % 2:
            at_ms = -(-at_ms // 1000) * 1000 + generator.randrange(80)


def check_repeats(keys):
    """Without a crash between them, no request is made twice: the fence counts the starts of the
    server. And what is repeated says so, by a higher attempt number."""
    for key, arrivals in keys.items():
        told = sorted((a.fence, a.attempt) for a in arrivals)
        for (fence, attempt), (next_fence, next_attempt) in zip(told, told[1:]):
            assert fence < next_fence and attempt < next_attempt, f"{key}: {told}"


@pytest.mark.slow
def test_no_second_of_200_jobs_is_lost_by_kill_9(fleet, database, target):
    seed = int(os.environ.get("CARILLON_E2E_SEED", time.time()))
    print(f"seed {seed}: repeat with CARILLON_E2E_SEED={seed}")
    server = fleet.serve(database)
    account = Account(server, target, JOBS, kind="delay/40")
    for at_ms in kill_instants(random.Random(seed)):
        wait_until_clock(at_ms)
        server.kill()
        server = fleet.serve(database)
    account.settle(server)

    owed = account.owed_executions()
    keys = account.arrivals_by_key()
    # With its ending, which tells a loss from what the pause at the end has cancelled.
    lost = {e["id"]: (e["status"], e["reason"]) for e in owed if e["id"] not in keys}
    assert lost == {}
    assert {e["status"] for e in owed} == {"SUCCESS"}
    check_repeats(keys)
    server.stop()
    ledger.check_all_ended(database, account.paused_ms)
    repeated = sum(len(arrivals) > 1 for arrivals in keys.values())
    print(f"{len(owed)} occurrences, {KILLS} kills, {repeated} repeated requests")


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]


@pytest.mark.slow
def test_what_was_missed_while_down_is_delivered_oldest_first(fleet, database, target):
    """One request at a time for each job, and a target that takes 50 ms for each: the order of the
    backlog can be seen. Other jobs, created after the start, are on time meanwhile."""
    server = fleet.serve(database)
    account = Account(server, target, 20, kind="delay/50", max_in_flight=1)
    wait_until_clock(now_ms() + 3000)
    server.kill()
    down_ms = now_ms()
    wait_until_clock(down_ms + SECONDS_DOWN * 1000)
    up_ms = now_ms()
    server = fleet.serve(database)
    fresh = {"schedule": EVERY_SECOND, "api": target.url("/ok/fresh")}
    create_jobs(server, [fresh] * 20)
    wait_until_clock(up_ms + 6000)
    account.settle(server)

    keys = account.arrivals_by_key()
    missed = [e for e in account.owed_executions() if down_ms < parse_ms(e["scheduled_at"]) < up_ms]
    assert len(missed) >= 20 * (SECONDS_DOWN - 1)
    assert {e["status"] for e in missed} == {"SUCCESS"}
    # What came due just before the start counts as fresh, which may overtake the backlog; what was
    # planned just before the kill was not yet a case of catching up.
    backlog = [e for e in missed if parse_ms(e["scheduled_at"]) < up_ms - 3000]
    caught_up = [e for e in backlog if parse_ms(e["scheduled_at"]) > down_ms + 3000]
    assert {e["trigger"] for e in caught_up} == {"catch_up"}
    for job in account.jobs:
        arrived = [keys[e["id"]][0].at_ms for e in backlog if e["job_id"] == job["id"]]
        assert arrived == sorted(arrived), f"job {job['id']}"

    late_ms = [
        a.at_ms - parse_ms(a.headers["carillon-scheduled-at"]) for a in target.arrivals("/ok/fresh")
    ]
    assert len(late_ms) >= 20 * 4
    assert median(late_ms) < 1000, sorted(late_ms)
