# SPDX-License-Identifier: MIT
"""GET /jobs: what each job did last and does next, filtered and sorted by it, page by page."""

import sqlite3
from contextlib import closing

import pytest
from harness.jobs import create_job, create_jobs, expect, trigger, wait_for_end
from harness.times import NEVER_SOON, now_ms, parse_ms, wall_text

HOUR_MS = 3_600_000


def pages(server, query, limit=2):
    """The ids of all pages of the list, in order."""
    ids, cursor = [], None
    while True:
        at = f"&cursor={cursor}" if cursor else ""
        page = expect(server.get(f"/jobs?limit={limit}&{query}{at}"), 200).json
        assert len(page["jobs"]) <= limit
        ids += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if not cursor:
            return ids


@pytest.fixture
def zoo(server, target):
    """Jobs by name, of which some ran, one after the other, and some have a next run."""

    def create(name, path="/ok/zoo", schedule=NEVER_SOON, **fields):
        return create_job(server, target.url(path), schedule, name=name, max_retries=0, **fields)

    jobs = {
        "fine": create("fine", "/ok/fine", tags=["a"]),
        "broken": create("broken", "/status/500/broken"),
        "idle": create("idle"),
        "soon": create("soon", schedule="@hourly"),
        "paused": create("paused", "/status/500/paused", schedule="@hourly"),
        "later": create("later", schedule="@yearly", tags=["a"]),
    }
    for name in ("paused", "fine", "broken"):
        wait_for_end(server, trigger(server, jobs[name]), 10)
    expect(server.post(f"/jobs/{jobs['paused']['id']}/pause"), 200)
    return {name: job["id"] for name, job in jobs.items()}


def test_each_job_of_the_list_says_what_it_did_last_and_does_next(server, zoo):
    listed = {job["name"]: job for job in expect(server.get("/jobs"), 200).json["jobs"]}
    assert [job["id"] for job in listed.values()] == sorted(zoo.values())
    assert listed["broken"]["last_execution"]["status"] == "FAILED"
    assert listed["broken"]["last_execution"]["http_status"] == 500
    assert listed["fine"]["last_execution"]["status"] == "SUCCESS"
    assert listed["idle"]["last_execution"] is None
    assert parse_ms(listed["soon"]["next_run"]) - now_ms() <= HOUR_MS
    assert listed["paused"]["next_run"] is None
    for job in listed.values():
        whole = expect(server.get(f"/jobs/{job['id']}"), 200).json
        assert whole["last_execution"] == job["last_execution"]
        assert whole["next_run"] == job["next_run"] == (whole["next_runs"] or [None])[0]


def test_jobs_are_found_by_their_last_status(server, zoo):
    assert pages(server, "last_status=FAILED") == sorted([zoo["broken"], zoo["paused"]])
    assert pages(server, "last_status=FAILED&is_active=true") == [zoo["broken"]]
    ran = sorted(zoo[name] for name in ("fine", "broken", "paused"))
    assert pages(server, "last_status=FAILED,SUCCESS") == ran
    assert pages(server, "last_status=MISSED") == []
    assert pages(server, "last_status=SUCCESS&tag=a") == [zoo["fine"]]


def test_jobs_are_found_by_their_next_run(server, zoo):
    hour = wall_text(now_ms() + HOUR_MS + 1)
    assert pages(server, f"next_run_before={hour}") == [zoo["soon"]]
    both = [zoo["soon"], zoo["later"]]
    assert pages(server, "next_run_before=2100-01-01T00:00:00Z") == both
    assert pages(server, "next_run_before=2100-01-01T00:00:00Z&sort=-next_run") == both[::-1]


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_jobs_are_sorted_by_run_and_those_without_come_last(server, zoo, limit):
    far = [zoo[name] for name in ("fine", "broken", "idle")]  # At one instant: by id.
    soon, later, paused = zoo["soon"], zoo["later"], zoo["paused"]
    assert pages(server, "sort=next_run", limit) == [soon, later, *far, paused]
    assert pages(server, "sort=-next_run", limit) == [*far, later, soon, paused]
    never = [zoo["idle"], soon, later]
    ran = [paused, zoo["fine"], zoo["broken"]]
    assert pages(server, "sort=last_run", limit) == [*ran, *never]
    assert pages(server, "sort=-last_run", limit) == [*ran[::-1], *never]
    assert pages(server, "sort=id", limit) == sorted(zoo.values())


def test_hundreds_of_jobs_in_one_order_are_each_there_once(server, target):
    bodies = [
        {"schedule": f"0 {n % 60} {n % 24} * * *", "api": target.url("/ok")} for n in range(700)
    ]
    jobs = create_jobs(server, bodies)
    ids = pages(server, "sort=next_run", 97)
    assert sorted(ids) == sorted(job["id"] for job in jobs)
    next_runs = {}
    for cursor_page in range(2):
        page = expect(server.get(f"/jobs?limit=500&sort={'-' * cursor_page}next_run"), 200).json
        found = [job["next_run"] for job in page["jobs"]]
        assert found == sorted(found, reverse=bool(cursor_page))
        next_runs.update({job["id"]: job["next_run"] for job in page["jobs"]})
    assert len(next_runs) == 700


@pytest.mark.parametrize(
    "query",
    ["sort=name", "sort=", "sort=-id", "last_status=DONE", "next_run_before=tomorrow", "sorted=id"],
)
def test_what_is_no_order_and_no_filter_is_refused(shared_server, query):
    refused = expect(shared_server.get(f"/jobs?{query}"), 400).json
    assert refused["type"] == "/problems/invalid-parameter"


def test_a_cursor_belongs_to_its_order(server, zoo):
    cursor = expect(server.get("/jobs?limit=1&sort=next_run"), 200).json["next_cursor"]
    expect(server.get(f"/jobs?sort=next_run&cursor={cursor}"), 200)
    expect(server.get(f"/jobs?sort=last_run&cursor={cursor}"), 400)
    expect(server.get(f"/jobs?cursor={cursor}"), 400)


COPY = """
    INSERT INTO jobs ({columns}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
    WHERE i < {count}) SELECT {values} FROM jobs, n WHERE id = 1"""


def copy_job(database, count):
    """So many copies of job 1, each with a name of its own."""
    with closing(sqlite3.connect(database)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
        values = {"id": "id + i", "name": "'copy ' || i"}
        connection.execute(
            COPY.format(
                columns=", ".join(columns),
                values=", ".join(values.get(column, column) for column in columns),
                count=count,
            )
        )
        connection.execute("UPDATE progress SET job_next = ?", (count + 2,))
        connection.commit()


def test_a_search_goes_through_many_jobs_page_by_page(fleet, database, target):
    server = fleet.start_on(database)
    create_job(server, target.url("/ok"))
    server.stop()
    copy_job(database, 30000)
    server = fleet.start_on(database)
    assert pages(server, "q=copy+29999") == [30000]
    assert pages(server, "q=nothing") == []
    assert pages(server, "q=copy+1234") == [1235, *range(12341, 12351)]
    assert pages(server, "is_active=false") == []
    server.stop()
