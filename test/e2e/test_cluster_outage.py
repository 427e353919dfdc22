# SPDX-License-Identifier: MIT
"""A database that does not answer any more, without a word, as behind a cable that was cut."""

import time
from concurrent.futures import ThreadPoolExecutor

from harness.account import Account
from harness.cluster import Cluster
from harness.jobs import expect
from harness.postgres import Postgres
from harness.wait import wait_until

ANSWER_SECONDS = 5  # What is promised,
NOISE_SECONDS = 3  # and what a machine may add that runs many tests at once.
PATHS = ("/jobs", "/executions", "/jobs/256", "/observability/executions/recent") * 3


def test_clients_hear_in_time_that_the_database_is_away(target):
    with Postgres() as postgres:
        with Cluster(postgres.url(), apis=0, workers=0, alls=1) as cluster:
            (node,) = cluster.alls
            account = Account(node, target, 5)
            wait_until(lambda: len(target.arrivals()) >= 15, 60, "jobs run")

            def ask(path):
                began = time.monotonic()
                return node.get(path), time.monotonic() - began

            postgres.freeze()
            with ThreadPoolExecutor(len(PATHS)) as pool:
                for answer, seconds in pool.map(ask, PATHS):
                    assert int(expect(answer, 503).headers["Retry-After"]) > 0
                    assert seconds < ANSWER_SECONDS + NOISE_SECONDS
            wait_until(lambda: node.get("/readyz").status == 503, 30, "the node is not ready")
            expect(node.get("/livez"), 200)
            answer, seconds = ask("/jobs")  # By now it is known.
            assert expect(answer, 503).json["type"] == "/problems/storage-unreachable"
            refused = node.post("/jobs", {"schedule": "@daily", "api": target.url("/x")})
            assert int(expect(refused, 503).headers["Retry-After"]) > 0
            health = expect(node.get("/observability/health"), 503).json
            assert "no lease" in health["cluster"]["reason"]

            before = len(target.arrivals())
            postgres.thaw()
            cluster.wait_until_shared()
            wait_until(lambda: len(target.arrivals()) >= before + 15, 60, "jobs run again")
            account.settle(node)
            assert {e["status"] for e in account.owed_executions()} == {"SUCCESS"}
