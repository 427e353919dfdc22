# SPDX-License-Identifier: MIT
"""GET /upcoming: what all jobs will do next, in order of time."""

from harness.cluster import Cluster
from harness.jobs import create_job, expect
from harness.times import now_ms, parse_ms, wall_text


def runs_of(server, query=""):
    return expect(server.get(f"/upcoming?{query}"), 200).json["runs"]


def test_runs_of_all_jobs_come_in_order_of_time(server, target):
    begun = now_ms()
    jobs = [
        create_job(server, target.url("/ok"), schedule, name=schedule, tags=tags)
        for schedule, tags in (("0 * * * *", ["a"]), ("H * * * *", ["b"]), ("30 2 * * *", ["a"]))
    ]
    paused = create_job(server, target.url("/ok"), "* * * * *", is_active=False)
    until = begun + 26 * 3600 * 1000
    runs = runs_of(server, f"until={wall_text(until)}&limit=500")
    places = [(parse_ms(run["scheduled_at"]), run["job_id"]) for run in runs]
    assert places == sorted(places) and begun < places[0][0] and places[-1][0] <= until
    assert paused["id"] not in {run["job_id"] for run in runs}
    for job in jobs:
        shown = [run for run in runs if run["job_id"] == job["id"]]
        expected = expect(server.get(f"/jobs/{job['id']}"), 200).json["next_runs"]
        assert [run["scheduled_at"] for run in shown][: len(expected)] == expected[: len(shown)]
        assert all(run["name"] == job["name"] for run in shown)
    assert runs[0]["execution_id"] == f"{places[0][1]}-{places[0][0]}"
    assert {run["job_id"] for run in runs_of(server, "tag=b")} == {jobs[1]["id"]}
    assert {run["job_id"] for run in runs_of(server, "q=30%202")} == {jobs[2]["id"]}


def test_pages_go_on_where_the_last_one_ended(server, target):
    for minute in range(7):
        create_job(server, target.url("/ok"), f"{minute}-59/7 * * * *")
    until = f"until={wall_text(now_ms() + 3600 * 1000)}"
    whole = runs_of(server, f"{until}&limit=500")
    pages, query = [], f"/upcoming?{until}&limit=7"
    while query:
        answer = expect(server.get(query), 200)
        pages += answer.json["runs"]
        cursor = answer.json["next_cursor"]
        assert bool(cursor) == bool(answer.headers["Link"])
        query = cursor and f"/upcoming?{until}&limit=7&cursor={cursor}"
    assert pages == whole and len(whole) > 50
    expect(server.get("/upcoming?cursor=junk"), 400)
    expect(server.get("/upcoming?until=soon"), 400)


def test_a_deleted_job_does_nothing(server, target):
    job = create_job(server, target.url("/ok"), "0 3 * * *")
    assert runs_of(server, "limit=1")[0]["job_id"] == job["id"]
    expect(server.delete(f"/jobs/{job['id']}"), 204)
    assert runs_of(server) == []


def test_an_api_server_tells_of_all_jobs_of_a_cluster(cluster_url, target):
    with Cluster(cluster_url, apis=1, workers=2, balancer=False) as cluster:
        api = cluster.apis[0]
        jobs = {create_job(api, target.url("/ok"), f"{n} 3 * * *")["id"] for n in range(5)}
        runs = runs_of(api, "limit=5")
        assert {run["job_id"] for run in runs} == jobs
        assert [parse_ms(run["scheduled_at"]) // 60000 % 60 for run in runs] == list(range(5))
