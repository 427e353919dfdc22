# SPDX-License-Identifier: MIT
"""Alerts reach people: deliveries, from the row of an alert to a message in a channel."""

import json
import sqlite3
import time

import pytest
from harness.cluster import Cluster
from harness.jobs import create_job, expect
from harness.times import schedule_at, second_after
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
    shown = expect(server.get(f"/alerts/{alert['id']}"), 200).json["deliveries"]
    assert {d["channel"] for d in shown} == {"all", "billing"}
    assert all(d["state"] == "SUCCESS" and d["attempts"] == 1 for d in shown)


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


def waiting(database):
    return execute(database, "SELECT id FROM alerts WHERE telling = 'waiting'")


def gathering(database):
    return execute(database, "SELECT id FROM deliveries WHERE message IS NULL")


@pytest.mark.parametrize(
    "path, moment",
    [
        ("/ok/ops", lambda database, target: waiting(database) or deliveries(database)),
        ("/ok/ops", lambda database, target: gathering(database)),
        ("/delay/1000/ops", lambda database, target: target.arrivals("/delay/1000/ops")),
        ("/ok/ops", lambda database, target: target.arrivals("/ok/ops")),
    ],
    ids=["before it is settled", "while it gathers", "in an attempt", "before its record"],
)
def test_kill_9_loses_no_alert_and_repeats_under_one_key(fleet, database, target, path, moment):
    window = ("--alert-window", "1s")
    server = fleet.serve(database, *window)
    add_channel(database, "ops", target.url(path))
    fail_once(server, target)
    wait_until(lambda: moment(database, target), 20, "the moment of the kill")
    server.kill()
    fleet.serve(database, *window)
    (delivery,) = wait_for_states(database, "SUCCESS", seconds=30)
    assert delivery["alert_count"] == 1
    arrivals = target.arrivals(path)
    assert len({a.key for a in arrivals}) == 1 and len({a.body for a in arrivals}) == 1
    assert not waiting(database)


def test_a_channel_that_asks_for_time_gets_it(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "ops", target.url("/busy/9/ops"))
    fail_once(server, target)
    target.wait_for(1, "/busy/9/ops", 10)
    fail_once(server, target)  # Gathers behind, and is not sent before either.
    wait_for_states(database, "SUCCESS", "SUCCESS", seconds=40)
    first, second, *_ = target.arrivals("/busy/9/ops")
    assert second.at_ms - first.at_ms >= 9000
    assert first.key == second.key


def test_a_herd_is_one_message_within_ten_seconds(fleet, database, target):
    """Two thousand jobs that fail in the same second."""
    server = fleet.serve(database)
    add_channel(database, "ops", target.url("/ok/ops"))
    add_channel(database, "mail", target.url("/ok/mail"))
    at = schedule_at(second_after(8000))
    job = {"api": target.url("/status/500/herd"), "max_retries": 0, "schedule": at}
    for _ in range(4):
        parts = [{"op": "create", "job": {**job, "name": "sheep"}} for _ in range(500)]
        expect(server.post("/jobs/bulk", {"operations": parts}), 200)
    target.wait_for(2000, "/status/500/herd", 30)
    began = min(a.at_ms for a in target.arrivals("/status/500/herd"))
    for path in ("/ok/ops", "/ok/mail"):
        (arrival,) = target.wait_for(1, path, 15)
        assert arrival.at_ms - began < 10000
        assert arrival.json["count"] == 2000 and len(arrival.json["alerts"]) == 10
    wait_for_states(database, "SUCCESS", "SUCCESS")


def test_a_silence_hides_an_alert_from_people_and_from_nobody_else(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "ops", target.url("/ok/ops"))
    execute(
        database,
        "INSERT INTO silences (tag, from_at, until_at, reason, created_at)"
        " VALUES ('noisy', 1, 32503680000000, 'known', 1)",
    )
    noisy = fail_once(server, target, tags=["noisy"])
    fail_once(server, target, tags=["quiet"])
    wait_for_states(database, "SUCCESS")
    assert len(target.arrivals("/ok/ops")) == 1
    alerts = expect(server.get("/observability/alerts"), 200).json["alerts"]
    telling = {a["job_id"] == noisy["id"]: (a["telling"], a["silence_id"]) for a in alerts}
    assert telling == {True: ("silenced", 1), False: ("told", None)}


def test_a_channel_that_is_down_is_told_of_by_the_others_and_once(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "dead", target.url("/status/404/dead"), tags='["a"]')
    add_channel(database, "ops", target.url("/ok/ops"), kinds="channel_down,channel_up")
    fail_once(server, target, tags=["a"])
    (down,) = target.wait_for(1, "/ok/ops", 20)
    (alert,) = down.json["alerts"]
    assert alert["kind"] == "channel_down" and "channel dead" in alert["message"]
    health = expect(server.get("/observability/health"), 200).json["alerts"]
    assert health["channels_down"] == 1 and "channel dead since" in health["reason"]
    fail_once(server, target, tags=["a"])
    target.wait_for(2, "/status/404/dead", 20)
    config = json.dumps({"url": target.url("/ok/dead")})
    execute(database, "UPDATE channels SET config = ? WHERE name = 'dead'", config)
    fail_once(server, target, tags=["a"])
    _, up = target.wait_for(2, "/ok/ops", 20)
    assert [a["kind"] for a in up.json["alerts"]] == ["channel_up"]
    kinds = [a["kind"] for a in expect(server.get("/observability/alerts"), 200).json["alerts"]]
    assert sorted(kinds) == ["channel_down", "channel_up", "failure", "failure", "failure"]


def test_the_end_of_an_incident_follows_its_beginning(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "ops", target.url("/ok/ops"), kinds="failure")
    job = fail_once(server, target)
    target.wait_for(1, "/ok/ops", 20)
    expect(server.patch(f"/jobs/{job['id']}", {"api": target.url("/ok/job")}), 200)
    expect(server.post(f"/jobs/{job['id']}/trigger"), 202)
    began, ended = target.wait_for(2, "/ok/ops", 20)
    assert [began.json["event"], ended.json["event"]] == ["opened", "recovered"]
    assert began.json["dedup_key"] == ended.json["dedup_key"]


def test_an_incident_that_outlives_its_silence_is_told(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "ops", target.url("/ok/ops"))
    silence = "INSERT INTO silences (from_at, until_at, reason, created_at) VALUES (1, ?, 'x', 1)"
    execute(database, silence, 32503680000000)
    fail_once(server, target)
    silenced = "SELECT id FROM alerts WHERE telling = 'silenced'"
    wait_until(lambda: execute(database, silenced), 20, "the alert is silenced")
    assert not target.arrivals("/ok/ops")
    execute(database, "DELETE FROM silences")
    (arrival,) = target.wait_for(1, "/ok/ops", 30)
    assert arrival.json["event"] == "opened"


def test_windows_of_a_silence_may_overlap(fleet, database, target):
    """The one that counts may be any that began since the silence holds."""
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "ops", target.url("/ok/ops"))
    execute(
        database,
        "INSERT INTO silences (from_at, schedule, timezone, duration_s, reason, created_at)"
        " VALUES (?, '* * * * *', 'UTC', 3600, 'each minute', 1)",
        int(time.time() * 1000) - 120_000,
    )
    fail_once(server, target)
    settled = "SELECT telling FROM alerts WHERE telling <> 'waiting'"
    assert wait_until(lambda: execute(database, settled), 20, "a verdict") == [("silenced",)]


def test_many_silences_that_hold_do_not_hide_the_end_of_another(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "ops", target.url("/ok/ops"))
    count = 70
    for number in range(count):
        execute(
            database,
            "INSERT INTO silences (tag, from_at, until_at, reason, created_at)"
            " VALUES (?, 1, 32503680000000, 'known', 1)",
            f"t{number}",
        )
    for number in range(count):
        fail_once(server, target, tags=[f"t{number}"])
    silenced = "SELECT count(*) FROM alerts WHERE telling = 'silenced'"
    wait_until(lambda: execute(database, silenced) == [(count,)], 20, "all are silenced")
    execute(database, "DELETE FROM silences WHERE tag = ?", f"t{count - 1}")
    (arrival,) = target.wait_for(1, "/ok/ops", 30)
    assert arrival.json["count"] == 1


def test_a_clock_that_was_set_back_keeps_no_message(fleet, database, target):
    """The row of a delivery says then that it gathers for an hour and more."""
    server = fleet.serve(database, "--alert-window", "4s")
    add_channel(database, "ops", target.url("/ok/ops"))
    fail_once(server, target)
    gathering = "UPDATE deliveries SET next_attempt_at = next_attempt_at + 3600000 RETURNING id"
    wait_until(lambda: execute(database, gathering), 20, "a delivery gathers")
    target.wait_for(1, "/ok/ops", 10)


def test_what_nobody_will_get_is_given_up(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    now = int(time.time() * 1000)
    ops = add_channel(database, "ops", target.url("/ok/ops"))
    off = add_channel(database, "off", target.url("/ok/off"), is_enabled=0)
    for channel, name, message in ((ops, "ops", None), (off, "off", "{}"), (99, "gone", "{}")):
        execute(
            database,
            "INSERT INTO deliveries (channel_id, channel_name, state, is_test, window_ms, attempts,"
            " created_at, next_attempt_at, message, alert_count)"
            " VALUES (?, ?, 'PENDING', 0, 500, 0, ?, ?, ?, 0)",
            channel,
            name,
            now - 90_000_000,
            now - 90_000_000,
            message,
        )
    wait_for_states(database, "FAILED", "FAILED", "FAILED")
    assert execute(database, "SELECT channel_name, error FROM deliveries ORDER BY id") == [
        ("ops", "there is no alert to tell of"),
        ("off", "the channel was off for a day"),
        ("gone", "the channel was deleted"),
    ]
    fail_once(server, target)
    target.wait_for(1, "/ok/ops", 20)


def leader_of(cluster):
    def found():
        for node in cluster.alls:
            nodes = expect(node.get("/cluster"), 200).json["nodes"]
            if any(n["leader"] and n["self"] for n in nodes):
                return node
        return None

    return wait_until(found, 20, "a node leads")


def test_the_next_leader_goes_on_under_the_same_key(cluster_url, target):
    """Alerts of jobs in many shards are one message, which the leader's death in the middle of an
    attempt does not lose."""
    with Cluster(cluster_url, apis=0, workers=0, alls=2, ttl="2s", balancer=False) as cluster:
        leader = leader_of(cluster)
        (other,) = (node for node in cluster.alls if node is not leader)
        channel = {"kind": "webhook", "settings": {"url": target.url("/delay/3000/ops")}}
        expect(other.post("/channels", {"name": "ops", **channel}), 201)
        for _ in range(8):
            fail_once(other, target)
        target.wait_for(1, "/delay/3000/ops", 30)
        leader.kill()
        first, second, *_ = target.wait_for(2, "/delay/3000/ops", 40)
        assert first.key == second.key and first.body == second.body
        assert first.json["count"] == 8
        path = f"/deliveries/{first.json['delivery_id']}"
        wait_until(lambda: other.get(path).json["state"] == "SUCCESS", 20, "it has arrived")


def test_an_alert_without_an_id_ends_nothing(fleet, database, target):
    server = fleet.serve(database, *WINDOW)
    fail_once(server, target)
    wait_until(lambda: execute(database, "SELECT 1 FROM alerts"), 10, "an alert")
    server.kill()
    execute(database, "UPDATE alerts SET id = 0, telling = 'waiting'")
    server = fleet.serve(database, *WINDOW)
    add_channel(database, "ops", target.url("/ok/ops"))
    fail_once(server, target)
    wait_for_states(database, "SUCCESS")
    assert [a.json["count"] for a in target.arrivals("/ok/ops")] == [1]
    execute(database, "UPDATE alerts SET id = 1 WHERE id = 0")  # Or the ledger is not sound.
