# SPDX-License-Identifier: MIT
"""Alerts reach people: deliveries, from the row of an alert to a message in a channel."""

import json
import sqlite3
import time

from harness.jobs import create_job, expect
from harness.wait import wait_until

WINDOW = ("--alert-window", "500ms")


def execute(database, sql, *values):
    with sqlite3.connect(database, timeout=10) as db:
        db.execute("PRAGMA foreign_keys = ON")
        return db.execute(sql, values).fetchall()


def add_channel(database, name, url, **columns):
    """A webhook channel, as POST /channels makes it."""
    row = {
        "name": name,
        "kind": "webhook",
        "config": json.dumps({"url": url}),
        "is_default": 0,
        "is_enabled": 1,
        "created_at": 1,
        "updated_at": 1,
        "version": 1,
        **columns,
    }
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    execute(database, f"INSERT INTO channels ({names}) VALUES ({marks})", *row.values())
    return execute(database, "SELECT id FROM channels WHERE name = ?", name)[0][0]


def deliveries(database):
    names = ("id", "channel_name", "state", "attempts", "alert_count")
    rows = execute(database, f"SELECT {', '.join(names)} FROM deliveries ORDER BY id")
    return [dict(zip(names, r)) for r in rows]


def fail_once(server, target, **fields):
    """A job whose execution fails in the end, for an alert."""
    job = create_job(server, target.url("/status/500/job"), max_retries=0, **fields)
    expect(server.post(f"/jobs/{job['id']}/trigger"), 202)
    return job


def wait_for_states(database, *states, seconds=20):
    def reached():
        found = deliveries(database)
        return found if [d["state"] for d in found] == list(states) else None

    return wait_until(reached, seconds, f"deliveries {states}")


def test_an_alert_becomes_a_message_in_each_channel_that_wants_it(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "all", target.url("/ok/all"))
    add_channel(database, "billing", target.url("/ok/billing"), tags='["billing"]')
    add_channel(database, "spare", target.url("/ok/spare"), is_default=1)
    job = fail_once(server, target, name="nightly", tags=["billing"])
    wait_for_states(database, "SUCCESS", "SUCCESS")
    assert not target.arrivals("/ok/spare")
    (first,), (second,) = target.arrivals("/ok/all"), target.arrivals("/ok/billing")
    message = first.json
    assert message["version"] == 1 and message["event"] == "opened"
    (item,) = message["alerts"]
    assert (item["kind"], item["job_name"]) == ("failure", "nightly")
    assert str(job["id"]) in item["message"]
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    (alert,) = expect(server.get("/observability/alerts"), 200).json["alerts"]
    assert alert["telling"] == "told" and alert["acknowledged_at"] is None


def test_what_no_channel_wants_goes_to_the_default_one_or_to_nobody(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "clocks", target.url("/ok/clocks"), kinds="clock")
    fail_once(server, target)

    def told_nobody():
        (alert,) = expect(server.get("/observability/alerts"), 200).json["alerts"] or [{}]
        return alert.get("telling") == "nobody"

    wait_until(told_nobody, 10, "an alert that is told to nobody")
    add_channel(database, "spare", target.url("/ok/spare"), is_default=1)
    fail_once(server, target)
    wait_for_states(database, "SUCCESS")
    assert len(target.arrivals("/ok/spare")) == 1 and not target.arrivals("/ok/clocks")


def test_alerts_of_one_window_are_one_message(fleet, database, target):
    server = fleet.serve(database, "--alert-window", "3s")
    add_channel(database, "ops", target.url("/ok/ops"))
    for _ in range(12):
        fail_once(server, target)
    (delivery,) = wait_for_states(database, "SUCCESS")
    (arrival,) = target.arrivals("/ok/ops")
    assert delivery["alert_count"] == arrival.json["count"] == 12
    assert arrival.json["counts"] == {"failure": 12}
    assert len(arrival.json["alerts"]) == 10


def test_a_message_is_repeated_as_it_was_until_it_arrives(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "ops", target.url("/flaky/503,200/ops"))
    fail_once(server, target)
    (delivery,) = wait_for_states(database, "SUCCESS", seconds=30)
    first, second = target.arrivals("/flaky/503,200/ops")
    assert first.body == second.body
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert delivery["attempts"] == 2
    attempts = execute(
        database, "SELECT number, http_status, error FROM delivery_attempts ORDER BY number"
    )
    assert [a[:2] for a in attempts] == [(1, 503), (2, 200)]
    assert attempts[0][2] and attempts[1][2] is None


def test_a_dead_and_a_hanging_channel_delay_nobody(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "hangs", target.url("/hang/channel"))
    add_channel(database, "dead", "http://127.0.0.1:1/dead", kinds=None)
    add_channel(database, "ops", target.url("/ok/ops"))
    fail_once(server, target)
    started = time.monotonic()
    target.wait_for(1, "/ok/ops", 10)
    assert time.monotonic() - started < 8
    job = create_job(server, target.url("/ok/job"))
    expect(server.post(f"/jobs/{job['id']}/trigger"), 202)
    target.wait_for(1, "/ok/job", 2)
