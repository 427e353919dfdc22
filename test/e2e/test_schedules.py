# SPDX-License-Identifier: MIT
"""Schedules, seen through the API: what they would do, and that the clock then agrees."""

from harness.jobs import create_job, expect
from harness.times import now_ms, parse_ms, schedule_at, second_after, wall_text


def test_a_preview_tells_what_a_schedule_would_do_and_writes_nothing(shared_server):
    before = expect(shared_server.get("/observability/metrics"), 200).json["jobs"]
    asked = {
        "schedule": "30 2 * * *",
        "timezone": "Europe/Paris",
        "from": "2026-03-27T12:00:00.000Z",
        "count": 3,
    }
    preview = expect(shared_server.post("/schedules/preview", asked), 200).json
    assert preview["class"] == "fixed"
    assert len(preview["words"].split()) >= 3
    # At 02:30 on the 29th there is no 02:30: the clock jumps from 02:00 to 03:00.
    assert [run["utc"] for run in preview["next_runs"]] == [
        "2026-03-28T01:30:00.000Z",
        "2026-03-29T01:00:00.000Z",
        "2026-03-30T00:30:00.000Z",
    ]
    assert preview["next_runs"][1]["local"] == "2026-03-29T03:00:00.000+02:00"
    assert expect(shared_server.get("/observability/metrics"), 200).json["jobs"] == before


def test_a_preview_shows_a_local_time_before_1970(shared_server):
    asked = {"schedule": "@every 10m", "timezone": "America/New_York", "count": 1}
    asked["from"] = "1970-01-01T00:00:00Z"
    preview = expect(shared_server.post("/schedules/preview", asked), 200).json
    assert preview["next_runs"] == [
        {"utc": "1970-01-01T00:10:00.000Z", "local": "1969-12-31T19:10:00.000-05:00"}
    ]


def test_a_preview_of_a_bad_schedule_says_what_is_wrong(shared_server):
    problem = expect(shared_server.post("/schedules/preview", {"schedule": "61 * * * *"}), 400).json
    assert problem["type"] == "/problems/invalid-schedule"
    assert problem["errors"][0]["position"] == 0


def test_a_job_fires_at_each_instant_that_next_runs_promised(server, target):
    job = create_job(server, target.url("/ok/promise"), "*/2 * * * * *")
    shown = expect(server.get(f"/jobs/{job['id']}"), 200).json
    promised = [parse_ms(text) for text in shown["next_runs"]]
    arrivals = target.wait_for(4, "/ok/promise", 20)
    fired = [parse_ms(a.headers["carillon-scheduled-at"]) for a in arrivals]
    assert fired[:4] == promised[:4]


def test_a_job_in_a_zone_of_its_own_fires_by_the_clocks_there(server, target):
    """Kathmandu is 5 h 45 min ahead of UTC: neither the hour nor the minute is the same."""
    zone = "Asia/Kathmandu"
    due_ms = second_after(1500)
    create_job(server, target.url("/ok/zone"), schedule_at(due_ms, zone), timezone=zone)
    (arrival,) = target.wait_for(1, "/ok/zone", 10)
    assert parse_ms(arrival.headers["carillon-scheduled-at"]) == due_ms


def test_a_hashed_date_is_one_that_exists(shared_server):
    """The 31st of February and its like would have been that of five jobs in twelve."""
    for _ in range(24):
        job = create_job(shared_server, "http://127.0.0.1:4/", "0 0 31 H *")
        assert (job["is_active"], job["finished"], len(job["next_runs"])) == (True, False, 5)


def test_a_job_that_would_never_run_is_refused_whoever_asks(shared_server):
    """With an end within a day, a hashed day of the month is over for nearly every id."""
    api = "http://127.0.0.1:4/"
    soon = wall_text(now_ms() + 3600_000)
    vain = {"schedule": "H H H H *", "end_at": soon}
    never = {"schedule": "0 0 H(30-31) 2 *"}
    refused = [shared_server.post("/jobs", {"api": api, **vain}) for _ in range(5)]
    assert {r.status for r in refused} <= {201, 400} and 400 in {r.status for r in refused}
    for answer in refused:
        if answer.status == 400:
            assert answer.json["errors"][0]["pointer"] == "/end_at"
        else:
            assert not answer.json["finished"]

    job = create_job(shared_server, api)
    resource = f"/jobs/{job['id']}"
    answers = [
        shared_server.post("/jobs", {"api": api, **never}),
        shared_server.put(resource, never),
        shared_server.patch(resource, never),
        shared_server.post("/schedules/preview", never),
    ]
    for answer in answers:
        assert expect(answer, 400).json["errors"][0]["code"] == "never_fires"
    imported = {"version": 1, "jobs": [{"api": api, **never}, {"api": api, **vain}]}
    results = expect(shared_server.post("/import", imported), 200).json["results"]
    assert results[0]["status"] == "invalid"
    assert results[1]["status"] in ("invalid", "created")
    assert shared_server.get(resource).json["version"] == 1
