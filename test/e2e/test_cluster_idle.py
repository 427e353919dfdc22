# SPDX-License-Identifier: MIT
"""What a cluster costs while nothing is to be done.

A node that has nothing to do asks the database at most five times in a second, all of its threads
together, also with the shortest lease. A machine that is busy makes it fewer, never more.
"""

import re
from collections import Counter

import pytest
from harness.cluster import Cluster
from harness.times import now_ms
from harness.wait import wait_until

COUNTED_MS = 12000
PER_SECOND_MAX = 5
QUIET_MS = 2000
QUIET_LINES = 60  # Two or three of each statement.
STATEMENT = re.compile(r"LOG:  (?:execute [^:]*|statement): (.{1,60})")


def statements(lines):
    return Counter(match.group(1) for line in lines if (match := STATEMENT.search(line)))


def wait_until_loaded(lines):
    """While the node loads its shards, hundreds of lines come in a second."""
    seen = []

    def is_quiet():
        seen.append((now_ms(), len(lines)))
        before = [count for at_ms, count in seen if at_ms <= now_ms() - QUIET_MS]
        return before and len(lines) - before[-1] < QUIET_LINES

    wait_until(is_quiet, 60, "the node has loaded its shards")


@pytest.mark.parametrize("ttl, nodes", [("5s", 1), ("2s", 1), ("2s", 3)])
def test_an_idle_node_asks_the_database_five_times_in_a_second_at_most(
    postgres, cluster_url, ttl, nodes
):
    name = re.search(r"/(\w+)\?", cluster_url).group(1)
    postgres.ask(f"ALTER DATABASE {name} SET log_statement = 'all'", "postgres")
    with Cluster(cluster_url, apis=0, workers=0, alls=nodes, ttl=ttl, balancer=False):
        lines = postgres.process.lines
        wait_until_loaded(lines)
        begun_ms, first = now_ms(), len(lines)
        wait_until(lambda: now_ms() > begun_ms + COUNTED_MS, 60, "the node has been idle")
        counted = statements(lines[first:])
        seconds = (now_ms() - begun_ms) / 1000
    renewals = sum(n for text, n in counted.items() if "carillon_renew" in text)
    assert renewals >= 2 * nodes, counted
    # One round of what is seldom may lie at either end.
    assert sum(counted.values()) <= nodes * (PER_SECOND_MAX * seconds + 5), counted
