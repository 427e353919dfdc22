# SPDX-License-Identifier: MIT
"""A pooler in transaction mode may stand between the nodes and the database."""

from harness.account import Account
from harness.cluster import Cluster
from harness.pgbouncer import PgBouncer
from harness.wait import wait_until


def test_a_pooler_in_transaction_mode_may_stand_in_between(postgres, target):
    postgres.make_database("pooled")
    with PgBouncer(postgres) as pooler, Cluster(pooler.url("pooled")) as cluster:
        account = Account(cluster.door, target, 12)
        wait_until(lambda: len(target.arrivals()) >= 36, 60, "jobs run")
        account.settle(cluster.door)
        assert {e["status"] for e in account.owed_executions()} == {"SUCCESS"}
        assert all(len(came) == 1 for came in account.arrivals_by_key().values())
