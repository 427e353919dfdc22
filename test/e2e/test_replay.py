# SPDX-License-Identifier: MIT
"""What has been is carried out again: one execution, those of a filter, a range of a job."""

from collections import Counter

from harness.cluster import Cluster
from harness.jobs import create_job, expect, get_execution, list_executions, trigger, wait_for_end
from harness.times import EVERY_SECOND, NEVER_SOON, now_ms, parse_ms, wall_text
from harness.wait import wait_until

DAILY = "0 0 12 * * *"
MINUTELY = "0 * * * * *"
MINUTE_MS = 60_000


def replay(server, execution, **options):
    answer = expect(server.post(f"/executions/{execution}/replay", **options), 202)
    assert answer.headers["Location"] == f"/executions/{answer.json['execution_id']}"
    return answer.json["execution_id"]


def last_minutes(count):
    """A range with so many round minutes, as the body of a backfill."""
    to = now_ms() // MINUTE_MS * MINUTE_MS
    return {"from": wall_text(to - (count - 1) * MINUTE_MS), "to": wall_text(to)}


def backfill(server, job, **body):
    return server.post(f"/jobs/{job['id']}/backfill", body)


def replays_of(server, job):
    """All replays of the job, by pages."""
    found, cursor = [], None
    while True:
        query = f"/executions?job_id={job['id']}&trigger=replay&limit=500"
        page = expect(server.get(query + (f"&cursor={cursor}" if cursor else "")), 200).json
        found += page["executions"]
        cursor = page["next_cursor"]
        if not cursor:
            return found


def wait_until_over(server, job, seconds):
    query = f"/executions?job_id={job['id']}&trigger=replay&status=PENDING,RUNNING&limit=1"

    def are_over():
        answer = server.get(query)
        return answer.status == 200 and not answer.json["executions"]

    wait_until(are_over, seconds, "all replays are over")
    return replays_of(server, job)


def test_a_replay_names_its_origin_and_sends_the_same_request(server, target):
    job = create_job(server, target.url("/flaky/500,200/again"), NEVER_SOON, max_retries=0)
    origin = trigger(server, job, {"body": {"order": 7}})
    assert wait_for_end(server, origin, 10)["status"] == "FAILED"
    second = replay(server, origin)
    ended = wait_for_end(server, second, 10)
    assert (ended["trigger"], ended["origin"]) == ("replay", origin)
    assert ended["status"] == "FAILED"  # It has a key of its own, so the target begins anew.
    third = replay(server, second)
    assert wait_for_end(server, third, 10)["origin"] == origin  # And not the replay.
    first, *others = target.wait_for(3, "/flaky/500,200/again", 10)
    for arrival, execution in zip(others, (second, third), strict=True):
        assert arrival.body == first.body
        assert arrival.key == execution
        assert arrival.headers["carillon-origin"] == origin
    assert "carillon-origin" not in first.headers
    assert get_execution(server, origin)["origin"] is None


def test_the_replay_of_an_occurrence_is_for_its_instant(server, target):
    job = create_job(server, target.url("/ok/instant"), EVERY_SECOND)
    (arrival, *_) = target.wait_for(1, "/ok/instant", 10)
    wait_for_end(server, arrival.key, 10)
    expect(server.post(f"/jobs/{job['id']}/pause"), 200)
    again = replay(server, arrival.key)  # Also of a paused job.
    wait_for_end(server, again, 10)
    (second,) = target.arrivals_by_key("/ok/instant")[again]
    assert second.headers["carillon-scheduled-at"] == arrival.headers["carillon-scheduled-at"]
    assert second.json["scheduled_at"] == arrival.json["scheduled_at"]
    assert second.json["execution_id"] == again


def test_a_repeated_request_replays_once(server, target):
    job = create_job(server, target.url("/ok/once"), NEVER_SOON)
    origin = trigger(server, job)
    wait_for_end(server, origin, 10)
    key = {"Idempotency-Key": "one-replay"}
    assert replay(server, origin, headers=key) == replay(server, origin, headers=key)


def test_what_cannot_be_replayed_is_refused(server, target):
    job = create_job(server, target.url("/hang/open"), NEVER_SOON)
    open_one = trigger(server, job)
    target.wait_for(1, "/hang/open", 10)
    refused = expect(server.post(f"/executions/{open_one}/replay"), 409).json
    assert refused["type"] == "/problems/execution-not-over"
    expect(server.post(f"/executions/{job['id']}-m99/replay"), 404)
    expect(server.delete(f"/jobs/{job['id']}"), 204)
    expect(server.post(f"/executions/{open_one}/cancel"), 202)
    wait_for_end(server, open_one, 10)
    expect(server.post(f"/executions/{open_one}/replay"), 404)  # The job is gone.


def test_a_filter_is_counted_first_and_then_replayed(server, target):
    bad = create_job(server, target.url("/flaky/500,200/x"), NEVER_SOON, max_retries=0)
    good = create_job(server, target.url("/ok/x"), NEVER_SOON)
    failed = [trigger(server, bad) for _ in range(7)]
    for execution in [*failed, trigger(server, good)]:
        wait_for_end(server, execution, 20)
    query = f"/executions/replay?status=FAILED&job_id={bad['id']}&trigger=manual"
    count = expect(server.post(f"{query}&dry_run=1"), 200).json
    assert count == {"dry_run": True, "count": 7, "more": False, "left_out": 0}
    assert replays_of(server, bad) == []

    key = {"Idempotency-Key": "all-of-them"}
    first = expect(server.post(f"{query}&limit=4", headers=key), 202).json
    assert (first["replayed"], first["failed"]) == (4, 0)
    again = expect(server.post(f"{query}&limit=4", headers=key), 202).json
    assert again == first  # The same four, and none twice.
    rest = f"{query}&limit=4&cursor={first['next_cursor']}"
    second = expect(server.post(rest, headers=key), 202).json
    assert (second["replayed"], second["next_cursor"]) == (3, None)
    results = first["results"] + second["results"]
    assert sorted(r["origin"] for r in results) == sorted(failed)
    found = wait_until_over(server, bad, 20)
    assert {e["id"]: e["origin"] for e in found} == {
        r["execution_id"]: r["origin"] for r in results
    }


def test_a_filter_must_say_which_executions_are_meant(shared_server):
    for query in ("", "?trigger=manual", "?status=PENDING", "?status=FAILED,RUNNING"):
        refused = expect(shared_server.post(f"/executions/replay{query}"), 400).json
        assert refused["type"] == "/problems/invalid-parameter"
        assert refused["errors"][0]["pointer"] == "/status"


def test_a_backfill_is_counted_first_and_then_carried_out(server, target):
    job = create_job(server, target.url("/ok/backfill"), MINUTELY)
    expect(server.post(f"/jobs/{job['id']}/pause"), 200)
    wanted = last_minutes(90)
    counted = expect(backfill(server, job, **wanted, dry_run=True), 200).json
    assert (counted["count"], counted["more"]) == (90, False)
    assert parse_ms(counted["first"]) == parse_ms(wanted["from"])
    assert parse_ms(counted["last"]) == parse_ms(wanted["to"])
    assert target.arrivals() == []
    made = expect(backfill(server, job, **wanted), 202)
    assert made.json["count"] == 90
    assert made.headers["Location"] == f"/executions?job_id={job['id']}&trigger=replay"
    found = wait_until_over(server, job, 30)
    assert Counter(e["status"] for e in found) == {"SUCCESS": 90}
    instants = {parse_ms(wanted["from"]) + n * MINUTE_MS for n in range(90)}
    assert {e["origin"] for e in found} == {f"{job['id']}-{at}" for at in instants}
    sent = [parse_ms(a.headers["carillon-scheduled-at"]) for a in target.arrivals()]
    assert sorted(sent) == sorted(instants)


def test_a_backfill_that_cannot_be_is_refused(shared_server, shared_target):
    server = shared_server
    job = create_job(server, shared_target.url("/ok/refused"), DAILY)
    day = {"from": "2026-01-01T12:00:01Z", "to": "2026-01-02T11:59:59Z"}
    hour = {"from": "2026-01-01T11:00:00Z", "to": "2026-01-01T13:00:00Z"}
    for body, member in [
        (day, "/from"),  # There is no noon in it.
        ({"from": hour["from"]}, "/to"),
        ({"to": hour["to"]}, "/from"),
        ({"from": hour["to"], "to": hour["from"]}, "/to"),
        ({**hour, "to": "2999-01-01T00:00:00Z"}, "/to"),
        ({**hour, "count": 3}, "/count"),
        ({**hour, "dry_run": 1}, "/dry_run"),
        ({"from": "1980-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "/to"),  # 16,800 noons.
    ]:
        refused = expect(backfill(server, job, **body), 400).json
        assert refused["errors"][0]["pointer"] == member, refused
    expect(server.post("/jobs/999999/backfill", hour), 404)


def test_fresh_occurrences_stay_on_time_during_a_backfill(server, target):
    slow = create_job(server, target.url("/delay/20/slow"), MINUTELY)
    fresh = create_job(server, target.url("/ok/fresh"), EVERY_SECOND)
    target.wait_for(1, "/ok/fresh", 10)
    expect(backfill(server, slow, **last_minutes(5000)), 202)
    began = now_ms()
    wait_until_over(server, slow, 120)
    ended = now_ms()
    found = list_executions(server, fresh, limit=100)
    during = [e for e in found if began <= parse_ms(e["scheduled_at"]) <= ended - 2000]
    assert during and all(e["status"] == "SUCCESS" for e in during)
    assert {e["trigger"] for e in during} == {"schedule"}
    assert len(target.arrivals_by_key("/delay/20/slow")) >= 5000


def test_a_crash_in_a_backfill_loses_none_and_makes_none_twice(fleet, database, target):
    server = fleet.serve(database)
    job = create_job(server, target.url("/delay/20/crash"), MINUTELY)
    expect(server.post(f"/jobs/{job['id']}/pause"), 200)
    made = expect(backfill(server, job, **last_minutes(1000)), 202).json
    assert made["count"] == 1000
    for arrivals in (100, 400):
        target.wait_for(arrivals, "/delay/20/crash", 60)
        server.kill()
        server = fleet.serve(database)
    found = wait_until_over(server, job, 120)
    assert Counter(e["status"] for e in found) == {"SUCCESS": 1000}
    assert len({e["origin"] for e in found}) == len({e["id"] for e in found}) == 1000
    keys = target.arrivals_by_key("/delay/20/crash")
    assert len(keys) == 1000
    # What was under way, or just over, at each end is sent again.
    assert sum(len(arrivals) for arrivals in keys.values()) <= 1000 + 4 * 32


def test_any_server_of_a_cluster_replays_and_backfills(cluster_url, target):
    with Cluster(cluster_url, apis=2, workers=2, balancer=False) as cluster:
        one, two = cluster.apis
        job = create_job(one, target.url("/delay/20/cluster"), MINUTELY)
        expect(one.post(f"/jobs/{job['id']}/pause"), 200)
        key = {"Idempotency-Key": "one-backfill"}
        path, wanted = f"/jobs/{job['id']}/backfill", last_minutes(400)
        made = expect(two.post(path, wanted, headers=key), 202).json
        assert made["count"] == 400
        again = expect(one.post(path, wanted, headers=key), 202).json
        assert again["first_execution_id"] == made["first_execution_id"]
        target.wait_for(40, "/delay/20/cluster", 30)
        owner = next(w for w in cluster.workers if w.is_running)
        owner.kill()
        found = wait_until_over(two, job, 120)
        assert Counter(e["status"] for e in found) == {"SUCCESS": 400}
        assert len({e["origin"] for e in found}) == 400
        execution = found[0]["id"]
        second = replay(one, execution)
        assert wait_for_end(two, second, 30)["origin"] == found[0]["origin"]
