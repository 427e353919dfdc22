# SPDX-License-Identifier: MIT
"""What clients hear while nothing can be written."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

from harness.jobs import expect
from harness.wait import wait_until

JOB = {"schedule": "@yearly", "api": "http://127.0.0.1:4/"}


def is_failing(server):
    return server.get("/observability/health").json["store"]["status"] == "failing"


def test_a_database_that_another_program_holds_is_not_called_a_full_disk(server, database):
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor() as clients:
        first = clients.submit(server.post, "/jobs", JOB)
        wait_until(lambda: is_failing(server), 20, "health says that nothing is written")
        health = expect(server.get("/observability/health"), 503).json
        assert health["store"]["reason"].startswith("another program holds the database")
        metrics = server.get("/metrics").body.decode()
        assert "carillon_store_busy 1" in metrics and "carillon_store_full 0" in metrics
        refused = expect(server.post("/jobs", JOB), 503)
        assert refused.json["type"] == "/problems/storage-busy"
        assert refused.headers["Retry-After"] == "1"
        other.execute("ROLLBACK")
        expect(first.result(), 201)  # It waited for its answer.
    wait_until(lambda: not is_failing(server), 10, "health is good again")
    expect(server.post("/jobs", JOB), 201)
    assert "store.busy" in server.log_tail() and "store.full" not in server.log_tail()


def test_people_hear_of_it_when_it_is_over(server, database):
    def alerts():
        return expect(server.get("/observability/alerts?kind=store_stalled"), 200).json["alerts"]

    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor() as clients:
        first = clients.submit(server.post, "/jobs", JOB)
        wait_until(lambda: is_failing(server), 20, "health says that nothing is written")
        since = time.monotonic()
        wait_until(lambda: time.monotonic() > since + 5.5, 20, "it lasts")
        assert alerts() == []
        other.execute("ROLLBACK")
        expect(first.result(), 201)
    (alert,) = wait_until(alerts, 10, "there is an alert")
    assert "nothing could be written since" in alert["message"]
    assert alert["job_id"] is None and alert["telling"] != "none"
