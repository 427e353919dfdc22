# SPDX-License-Identifier: MIT
"""Channels that keep something open under a key hear that somebody looks after it, and when all of
it is over."""

import pytest
from harness.jobs import create_job, expect
from harness.keys import sealing
from harness.providers import Providers
from harness.wait import wait_until

KINDS = ("webhook", "pagerduty", "opsgenie", "slack")


@pytest.fixture
def providers():
    with Providers() as all_of_them:
        yield all_of_them


@pytest.fixture
def start(fleet, database, keys, providers):
    """Starts a server, with a channel of each kind the first time."""

    def run(window="500ms"):
        server = fleet.serve(database, *sealing(keys), "--alert-window", window)
        if not expect(server.get("/channels"), 200).json["channels"]:
            for kind in KINDS:
                channel = {"name": kind, "kind": kind, "settings": providers.settings(kind)}
                expect(server.post("/channels", channel), 201)
        return server

    return run


def run_once(server, job):
    path = expect(server.post(f"/jobs/{job['id']}/trigger"), 202).headers["Location"]
    over = ("SUCCESS", "FAILED")
    wait_until(lambda: expect(server.get(path), 200).json["status"] in over, 10, "an end")


def fail(server, target):
    job = create_job(server, target.url("/status/500/job"), max_retries=0)
    run_once(server, job)
    return job


def recover(server, target, job):
    expect(server.patch(f"/jobs/{job['id']}", {"api": target.url("/ok/job")}), 200)
    run_once(server, job)


def told(providers, kind):
    return [body for taken, _, body in providers.taken if taken == kind]


def wait_for(providers, kind, count):
    wait_until(lambda: len(told(providers, kind)) >= count, 20, f"{count} messages to {kind}")
    return told(providers, kind)


def actions(providers):
    return [(e["event_action"], e["dedup_key"]) for e in told(providers, "pagerduty")]


def wait_for_all(server, states=("SUCCESS",)):
    """Nothing is to be sent any more."""

    def quiet():
        found = [
            d["state"]
            for c in expect(server.get("/channels"), 200).json["channels"]
            for d in expect(server.get(f"/channels/{c['id']}/deliveries"), 200).json["deliveries"]
        ]
        return all(s in states for s in found)

    wait_until(quiet, 20, "that all is sent")


def alert_of(server, job):
    (alert, *_) = expect(server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"]
    return alert


def test_an_acknowledgement_is_told_where_the_incident_is_open(start, providers, target):
    server = start()
    job = fail(server, target)
    for kind in KINDS:
        wait_for(providers, kind, 1)
    alert = alert_of(server, job)
    for _ in range(2):
        expect(server.post(f"/alerts/{alert['id']}/ack"), 200)
        wait_for(providers, "pagerduty", 2)
    key = f"carillon-incident-{alert['id']}"
    wait_for(providers, "opsgenie", 2)
    opened, seen = wait_for(providers, "webhook", 2)
    assert (seen["event"], seen["dedup_key"]) == ("acknowledged", opened["dedup_key"])
    assert seen["alerts"][0]["id"] == alert["id"] and seen["severity"] == "info"
    recover(server, target, job)
    wait_for(providers, "pagerduty", 3)
    assert actions(providers) == [("trigger", key), ("acknowledge", key), ("resolve", key)]
    *_, end = wait_for(providers, "webhook", 3)
    assert (end["event"], end["dedup_key"]) == ("recovered", key)
    assert [a["kind"] for a in end["alerts"]] == ["recovered"]
    wait_for(providers, "slack", 2)
    wait_for_all(server)
    assert [len(told(providers, kind)) for kind in KINDS] == [3, 3, 3, 2]
    assert providers.refused == []
    shown = expect(server.get(f"/alerts/{alert['id']}"), 200).json["deliveries"]
    assert len(shown) == 4 + 3  # The opening and its acknowledgement.


def test_a_digest_is_resolved_with_the_last_of_its_incidents(start, providers, target):
    server = start("3s")
    first, second = fail(server, target), fail(server, target)
    (opened,) = wait_for(providers, "webhook", 1)
    assert opened["count"] == 2 and opened["dedup_key"].startswith("carillon-digest-")
    wait_for(providers, "pagerduty", 1)
    expect(server.post(f"/alerts/{alert_of(server, first)['id']}/ack"), 200)
    recover(server, target, first)
    wait_for(providers, "slack", 2)  # A chat is told of each end.
    recover(server, target, second)
    wait_for(providers, "slack", 3)
    *_, end = wait_for(providers, "webhook", 2)
    wait_for(providers, "pagerduty", 2)
    wait_for_all(server)
    assert (end["event"], end["dedup_key"]) == ("recovered", opened["dedup_key"])
    assert end["counts"] == {"recovered": 2} and "2 alerts" in end["title"]
    (_, key), resolved = actions(providers)
    assert resolved == ("resolve", key)
    assert [len(told(providers, kind)) for kind in KINDS] == [2, 2, 2, 3]


def test_incidents_that_end_together_are_resolved_one_by_one(start, providers, target):
    server = start("2s")
    first = fail(server, target)
    wait_for(providers, "pagerduty", 1)
    second = fail(server, target)
    wait_for(providers, "pagerduty", 2)
    recover(server, target, first)
    expect(server.delete(f"/jobs/{second['id']}"), 204)  # Ends its incident without a word.
    wait_for(providers, "pagerduty", 4)
    wait_for_all(server)
    opened, resolved = actions(providers)[:2], actions(providers)[2:]
    assert {key for _, key in opened} == {key for _, key in resolved}
    assert {action for action, _ in resolved} == {"resolve"}


@pytest.mark.parametrize("sent", [1, 2], ids=["before it is made", "before its record"])
def test_kill_9_loses_no_acknowledgement(start, providers, target, sent):
    server = start()
    job = fail(server, target)
    for kind in KINDS:
        wait_for(providers, kind, 1)
    wait_for_all(server)
    expect(server.post(f"/alerts/{alert_of(server, job)['id']}/ack"), 200)
    wait_for(providers, "pagerduty", sent)
    server.kill()
    server = start()
    for kind in KINDS[:3]:
        wait_for(providers, kind, 2)
    wait_for_all(server)
    keys = [h["idempotency-key"] for kind, h, _ in providers.taken if kind == "pagerduty"][1:]
    assert len(set(keys)) == 1
    assert {action for action, _ in actions(providers)[1:]} == {"acknowledge"}
