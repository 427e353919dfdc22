# SPDX-License-Identifier: MIT
"""Old executions go, the others stay, and nobody notices it happen."""

import sqlite3
from contextlib import closing

from harness.jobs import create_job, expect, list_executions, trigger, wait_for_end
from harness.wait import wait_until


def test_executions_vanish_with_age(fleet, database, target):
    server = fleet.serve(database, "--retention-age", "2s")
    job = create_job(server, target.url("/ok/old"))
    old = [trigger(server, job) for _ in range(20)]
    for execution_id in old:
        wait_for_end(server, execution_id, 10)
    wait_until(lambda: not list_executions(server, job), 30, "the old executions are gone")
    expect(server.get(f"/executions/{old[0]}"), 404)
    assert trigger(server, job) not in old  # A number is not given twice.


def test_only_so_many_executions_stay(fleet, database, target):
    server = fleet.serve(database, "--retention-count", "10")
    job = create_job(server, target.url("/ok/many"))
    ids = [trigger(server, job) for _ in range(30)]
    wait_until(
        lambda: [e["id"] for e in list_executions(server, job)] == ids[:-11:-1],
        60,
        "only the ten newest are left",
    )


def used_bytes(path):
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        (free,) = database.execute("PRAGMA freelist_count").fetchone()
        return 4096 * (pages - free)


def test_the_oldest_go_while_the_database_is_larger_than_it_may_be(fleet, database, target):
    server = fleet.serve(database, "--retention-bytes", "800000")
    job = create_job(server, target.url("/ok/large"))
    body = {"body": "x" * 4000}
    path = f"/jobs/{job['id']}/trigger"
    ids = [expect(server.post(path, body), 202).json["execution_id"] for _ in range(400)]
    wait_for_end(server, ids[-1], 20)
    wait_until(lambda: used_bytes(database) < 800000, 60, "the database is as small as it may be")
    expect(server.get(f"/executions/{ids[0]}"), 404)
    expect(server.get(f"/executions/{ids[-1]}"), 200)
    assert 0 < len(list_executions(server, job)) < 400
