# SPDX-License-Identifier: MIT
"""The policies of a job: overlap, catch-up, jitter, bounds, retries, alerts, pauses and limits.

Most jobs here fire every second and have few runs, so that each test is over within seconds and
leaves nothing behind that would fire on.
"""

import pytest
from harness.jobs import create_job, expect, get_execution, list_executions, trigger, wait_for_end
from harness.target import RefusingPort
from harness.times import EVERY_SECOND, now_ms, parse_ms, second_after, seconds_between, wall_text
from harness.wait import wait_until, wait_until_clock


def get_job(server, job):
    return expect(server.get(f"/jobs/{job['id']}"), 200).json


def alerts_of(server, job):
    """Oldest first."""
    return expect(server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"][::-1]


def executions_until_finished(server, job, seconds=20):
    """Every execution of a job that ends by itself, oldest first, once nothing more will happen."""
    wait_until(lambda: get_job(server, job)["finished"], seconds, "the job is finished")
    return list_executions(server, job)[::-1]


def by_second(executions):
    return {parse_ms(e["scheduled_at"]): e for e in executions}


# --- Overlap -------------------------------------------------------------------------------------


def run_slow_job(server, target, overlap, delay_ms, runs):
    """(executions, arrivals) of a job of every second whose target takes longer than that."""
    path = f"/delay/{delay_ms}/{overlap}"
    job = create_job(server, target.url(path), EVERY_SECOND, overlap=overlap, max_runs=runs)
    executions = executions_until_finished(server, job)
    assert len(executions) == runs
    return executions, target.arrivals(path)


def gaps_ms(arrivals):
    return [later.at_ms - one.at_ms for one, later in zip(arrivals, arrivals[1:])]


def test_overlap_allow_lets_executions_run_side_by_side(shared_server, shared_target):
    executions, arrivals = run_slow_job(shared_server, shared_target, "allow", 1700, 3)
    assert {e["status"] for e in executions} == {"SUCCESS"}
    assert min(gaps_ms(arrivals)) < 1500


def test_overlap_skip_leaves_out_what_is_due_meanwhile(shared_server, shared_target):
    executions, arrivals = run_slow_job(shared_server, shared_target, "skip", 1500, 4)
    assert {e["status"] for e in executions} == {"SUCCESS", "SKIPPED"}
    assert executions[0]["status"] == "SUCCESS"
    running = None
    for execution in executions:
        if execution["status"] == "SKIPPED":
            assert execution["reason"] == f"execution {running} was not over"
            assert execution["started_at"] is None
        else:
            running = execution["id"]
    assert min(gaps_ms(arrivals)) >= 1500
    assert len(arrivals) == sum(e["status"] == "SUCCESS" for e in executions)


def test_overlap_queue_runs_one_after_the_other_in_scheduled_order(shared_server, shared_target):
    executions, arrivals = run_slow_job(shared_server, shared_target, "queue", 1300, 4)
    assert {e["status"] for e in executions} == {"SUCCESS"}
    assert [a.key for a in arrivals] == [e["id"] for e in executions]
    assert min(gaps_ms(arrivals)) >= 1300


def test_overlap_replace_cancels_the_one_before(shared_server, shared_target):
    executions, arrivals = run_slow_job(shared_server, shared_target, "replace", 2500, 3)
    *replaced, last = executions
    assert last["status"] == "SUCCESS"
    for execution in replaced:
        assert execution["status"] == "CANCELLED"
        assert execution["reason"] == "replaced by the next execution"
        assert execution["id"] in shared_target.hung_up()  # Its connection was closed.
    assert len(arrivals) == 3
    assert last["id"] not in shared_target.hung_up()


def test_a_manual_execution_is_no_overlap(shared_server, shared_target):
    url = shared_target.url("/delay/800/by-hand")
    job = create_job(shared_server, url, overlap="skip")
    ids = [trigger(shared_server, job) for _ in range(3)]
    ends = [wait_for_end(shared_server, execution_id, 10) for execution_id in ids]
    assert {e["status"] for e in ends} == {"SUCCESS"}


# --- Downtime ------------------------------------------------------------------------------------


def test_catch_up_all_latest_none_after_seconds_of_downtime(fleet, database, target):
    server = fleet.serve(database)
    rules = {
        "all": {"catch_up": "all"},
        "latest": {"catch_up": "latest"},
        "none": {"catch_up": "none"},
        "window": {"catch_up": "all", "catch_up_window_s": 2},
    }
    jobs = {
        name: create_job(server, target.url(f"/ok/{name}"), EVERY_SECOND, **rule)
        for name, rule in rules.items()
    }
    target.wait_for(1, "/ok/none", 10)
    server.kill()
    down_ms = now_ms()
    wait_until_clock(down_ms + 7000)
    up_ms = now_ms()
    server = fleet.serve(database)
    end = {"end_at": wall_text(second_after(2000))}
    for job in jobs.values():
        expect(server.patch(f"/jobs/{job['id']}", end), 200)
    rows = {name: executions_until_finished(server, job) for name, job in jobs.items()}

    # What was planned before the kill is owed by every rule, and what was due within the last
    # second before the start was not missed: it is only late.
    missed = seconds_between(down_ms + 2500, up_ms - 1500)
    assert len(missed) >= 3
    for instant in missed:
        execution = by_second(rows["all"])[instant]
        assert (execution["status"], execution["trigger"]) == ("SUCCESS", "catch_up")
    for name in ("latest", "none", "window"):
        check_missed_range(server, jobs[name], rows[name], up_ms)
    assert [e["status"] for e in rows["latest"]].count("MISSED") == 1
    assert not [e for e in rows["none"] if e["trigger"] == "catch_up"]
    late = [e for e in rows["latest"] if e["trigger"] == "catch_up"]
    assert len(late) <= 1  # Or the latest one was recent enough to count as fresh.
    in_window = [e for e in rows["window"] if e["trigger"] == "catch_up"]
    assert in_window and {e["status"] for e in in_window} == {"SUCCESS"}
    assert min(parse_ms(e["scheduled_at"]) for e in in_window) >= up_ms - 2000


def check_missed_range(server, job, executions, up_ms):
    """What was given up is one record of a range that counts its instants, with one alert; and
    with it no instant is without a record."""
    (missed,) = [e for e in executions if e["status"] == "MISSED"]
    first, last = parse_ms(missed["scheduled_at"]), parse_ms(missed["missed_to"])
    instants = seconds_between(first - 1, last)
    assert missed["missed_count"] == len(instants) >= 3
    assert last < up_ms
    assert missed["reason"]
    alert, *recovered = alerts_of(server, job)
    assert (alert["kind"], alert["execution_id"]) == ("missed", missed["id"])
    assert [a["kind"] for a in recovered] == ["recovered"]
    assert recovered[0]["incident_id"] == alert["incident_id"] == alert["id"]
    others = set(by_second(executions)) - {first}
    assert not others & set(instants)
    recorded = sorted(others | set(instants))
    assert recorded == seconds_between(recorded[0] - 1, recorded[-1])


# --- When it is due ------------------------------------------------------------------------------


def test_jitter_shifts_each_instant_by_the_same_after_a_restart(fleet, database, target):
    server = fleet.serve(database)
    url = target.url("/ok/jitter")
    job = create_job(server, url, EVERY_SECOND, jitter_ms=900, max_runs=5)
    target.wait_for(2, "/ok/jitter", 10)
    before = {e["id"]: e["due_at"] for e in list_executions(server, job)}
    server.kill()

    server = fleet.serve(database)
    executions = executions_until_finished(server, job)
    after = {e["id"]: e["due_at"] for e in executions}
    assert {name: after[name] for name in before} == before
    shifts = [parse_ms(e["due_at"]) - parse_ms(e["scheduled_at"]) for e in executions]
    assert len(shifts) == 5
    assert all(0 <= shift <= 900 for shift in shifts)
    assert len(set(shifts)) > 1
    for arrival in target.arrivals("/ok/jitter"):
        assert arrival.at_ms >= parse_ms(after[arrival.key])


def test_start_at_and_end_at_bound_the_instants(shared_server, shared_target):
    start_ms = second_after(2000)
    end_ms = start_ms + 1500
    bounds = {"start_at": wall_text(start_ms), "end_at": wall_text(end_ms)}
    job = create_job(shared_server, shared_target.url("/ok/bounds"), EVERY_SECOND, **bounds)
    executions = executions_until_finished(shared_server, job)
    assert list(by_second(executions)) == [start_ms, start_ms + 1000]
    assert {e["status"] for e in executions} == {"SUCCESS"}
    after = get_job(shared_server, job)
    assert (after["is_active"], after["finished"], after["next_runs"]) == (False, True, [])


def test_max_runs_is_the_number_of_occurrences(shared_server, shared_target):
    path = "/status/500/runs"
    rules = {"max_runs": 2, "max_retries": 1, "retry_base_ms": 100}
    job = create_job(shared_server, shared_target.url(path), EVERY_SECOND, **rules)
    executions = executions_until_finished(shared_server, job)
    instants = list(by_second(executions))
    assert instants == [instants[0], instants[0] + 1000]
    assert {e["status"] for e in executions} == {"FAILED"}
    assert len(shared_target.arrivals(path)) == 4  # Retries are no runs.
    after = get_job(shared_server, job)
    assert (after["is_active"], after["finished"], after["runs"]) == (False, True, 2)


def test_a_raised_max_runs_lets_a_finished_job_go_on(shared_server, shared_target):
    path = "/ok/more-runs"
    job = create_job(shared_server, shared_target.url(path), EVERY_SECOND, max_runs=1)
    executions_until_finished(shared_server, job)
    resource = f"/jobs/{job['id']}"
    for refused in (
        shared_server.post(f"{resource}/resume"),
        shared_server.patch(resource, {"is_active": True}),
    ):
        expect(refused, 400)
        assert refused.json["errors"][0]["pointer"] == "/max_runs"
    renamed = expect(shared_server.patch(resource, {"name": "more"}), 200).json
    assert (renamed["is_active"], renamed["finished"]) == (False, True)
    raised = expect(shared_server.patch(resource, {"max_runs": 3}), 200).json
    assert (raised["is_active"], raised["finished"]) == (True, False)
    shared_target.wait_for(3, path, 10)
    executions = executions_until_finished(shared_server, job)
    assert len(executions) == 3
    assert get_job(shared_server, job)["runs"] == 3


# --- Failures ------------------------------------------------------------------------------------


def test_alert_after_3_waits_for_three_failures_in_a_row(shared_server, shared_target):
    url = shared_target.url("/status/500/alert")
    job = create_job(shared_server, url, alert_after=3, max_retries=0)
    ids = []
    for count in (0, 0, 1, 2):
        ids.append(trigger(shared_server, job))
        assert wait_for_end(shared_server, ids[-1], 10)["status"] == "FAILED"
        assert len(alerts_of(shared_server, job)) == count
    first, second = alerts_of(shared_server, job)
    assert [a["execution_id"] for a in (first, second)] == ids[2:]
    assert (second["incident_id"], second["telling"]) == (first["id"], "none")
    (incident,) = get_job(shared_server, job)["incidents"]
    assert (incident["alert_id"], incident["count"]) == (first["id"], 4)
    expect(shared_server.post(f"/alerts/{second['id']}/ack"), 200)
    assert get_job(shared_server, job)["incidents"] == [{**incident, "acknowledged": True}]

    good = {"api": shared_target.url("/ok/alert")}
    expect(shared_server.put(f"/jobs/{job['id']}", good), 200)
    wait_for_end(shared_server, trigger(shared_server, job), 10)
    expect(shared_server.put(f"/jobs/{job['id']}", {"api": url}), 200)
    wait_for_end(shared_server, trigger(shared_server, job), 10)
    # A success ends the incident, and begins the count anew.
    kinds = [a["kind"] for a in alerts_of(shared_server, job)]
    assert kinds == ["failure", "failure", "recovered"]
    assert get_job(shared_server, job)["incidents"] == []


def test_auto_pause_after_2_pauses_with_an_alert(shared_server, shared_target):
    url = shared_target.url("/status/500/pause")
    job = create_job(shared_server, url, auto_pause_after=2, max_retries=0)
    for active in (True, False):
        execution = trigger(shared_server, job)
        assert wait_for_end(shared_server, execution, 10)["status"] == "FAILED"
        assert get_job(shared_server, job)["is_active"] is active
    assert get_job(shared_server, job)["paused_reason"] == "2 executions failed in a row"
    alerts = {a["kind"]: a for a in alerts_of(shared_server, job)}
    assert alerts["job_paused"]["execution_id"] == execution
    assert "was paused, as 2 executions failed in a row" in alerts["job_paused"]["message"]
    (told,) = shared_server.get("/observability/alerts?kind=job_paused&limit=1").json["alerts"]
    assert told["job_id"] == job["id"]


@pytest.mark.parametrize("cap_ms, wait_ms", [(60000, 2000), (700, 700)])
def test_retry_after_is_honoured_up_to_the_cap(shared_server, shared_target, cap_ms, wait_ms):
    path = f"/busy/2/{cap_ms}"
    rules = {"retry_base_ms": 100, "retry_cap_ms": cap_ms}
    job = create_job(shared_server, shared_target.url(path), **rules)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert (execution["status"], execution["retry_count"]) == ("SUCCESS", 1)
    (gap,) = gaps_ms(shared_target.arrivals(path))
    assert wait_ms - 5 <= gap < wait_ms + 1200


@pytest.mark.parametrize(
    "permanent, status, attempts",
    [(True, 404, 1), (False, 404, 2)] + [(True, other, 2) for other in (408, 425, 429, 500)],
)
def test_permanent_4xx_ends_the_execution(
    shared_server, shared_target, permanent, status, attempts
):
    path = f"/status/{status}/permanent-{permanent}"
    rules = {"permanent_4xx": permanent, "max_retries": 1, "retry_base_ms": 50}
    job = create_job(shared_server, shared_target.url(path), **rules)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert (execution["status"], execution["http_status"]) == ("FAILED", status)
    assert len(shared_target.arrivals(path)) == attempts


def test_a_permanent_410_pauses_the_job_and_says_why(shared_server, shared_target):
    path = "/status/410/gone"
    rules = {"permanent_4xx": True, "retry_base_ms": 50}
    job = create_job(shared_server, shared_target.url(path), EVERY_SECOND, **rules)
    wait_until(lambda: not get_job(shared_server, job)["is_active"], 10, "the job is paused")
    paused = get_job(shared_server, job)
    assert "410" in paused["paused_reason"] and not paused["finished"]
    arrivals = shared_target.arrivals(path)
    wait_until_clock(now_ms() + 1500)
    assert shared_target.arrivals(path) == arrivals
    assert len(arrivals) == 1

    resumed = expect(shared_server.post(f"/jobs/{job['id']}/resume"), 200).json
    assert (resumed["is_active"], resumed["paused_reason"]) == (True, None)
    expect(shared_server.delete(f"/jobs/{job['id']}"), 204)


@pytest.mark.parametrize(
    "success_status, status, ends",
    [
        ("200-299,404", 404, "SUCCESS"),
        ("200-299,404", 200, "SUCCESS"),
        ("200-299,404", 405, "FAILED"),
        ("201", 200, "FAILED"),
        ("500-599", 503, "SUCCESS"),
        ("300-399", 302, "SUCCESS"),
    ],
)
def test_success_status_says_what_is_a_success(
    shared_server, shared_target, success_status, status, ends
):
    url = shared_target.url(f"/status/{status}/set")
    job = create_job(shared_server, url, success_status=success_status, max_retries=0)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert (execution["status"], execution["http_status"]) == (ends, status)
    assert len(alerts_of(shared_server, job)) == (ends == "FAILED")


# --- Pauses --------------------------------------------------------------------------------------


def test_a_pause_with_an_end_resumes_by_itself_and_owes_nothing_between(fleet, database, target):
    server = fleet.serve(database)
    job = create_job(server, target.url("/ok/pause"), EVERY_SECOND)
    target.wait_for(1, "/ok/pause", 10)
    until_ms = now_ms() + 3300
    pause = {"reason": "a new disk", "until": wall_text(until_ms)}
    paused = expect(server.post(f"/jobs/{job['id']}/pause", pause), 200).json
    assert (paused["is_active"], paused["paused_reason"]) == (False, "a new disk")
    assert parse_ms(paused["paused_until"]) == until_ms
    server.kill()  # The end of the pause is kept.

    server = fleet.serve(database)
    wait_until(lambda: get_job(server, job)["is_active"], 10, "the job is active again")
    assert now_ms() >= until_ms
    resumed = get_job(server, job)
    assert (resumed["paused_reason"], resumed["paused_until"]) == (None, None)
    count = len(target.arrivals("/ok/pause"))
    target.wait_for(count + 2, "/ok/pause", 10)
    expect(server.post(f"/jobs/{job['id']}/pause"), 200)

    sent = [parse_ms(a.headers["carillon-scheduled-at"]) for a in target.arrivals("/ok/pause")]
    since_ms = parse_ms(paused["updated_at"])
    assert [instant for instant in sent if since_ms < instant <= until_ms] == []
    first = until_ms // 1000 * 1000 + 1000
    assert [instant for instant in sent if instant > until_ms][:2] == [first, first + 1000]


# --- Limits --------------------------------------------------------------------------------------


def most_at_once(arrivals, each_ms):
    """How many requests the target was working on at the same time, at least."""
    return max(
        sum(one.at_ms <= other.at_ms < one.at_ms + each_ms for one in arrivals)
        for other in arrivals
    )


def test_max_in_flight_makes_the_rest_wait(shared_server, shared_target):
    path = "/delay/400/flight"
    job = create_job(shared_server, shared_target.url(path), max_in_flight=2)
    ids = [trigger(shared_server, job) for _ in range(7)]
    ends = [wait_for_end(shared_server, execution_id, 10) for execution_id in ids]
    assert {e["status"] for e in ends} == {"SUCCESS"}
    arrivals = shared_target.arrivals(path)
    assert [a.key for a in arrivals] == ids  # First come, first served.
    assert most_at_once(arrivals, 400) == 2


def most_within(arrivals, window_ms):
    return max(
        sum(0 <= later.at_ms - one.at_ms < window_ms for later in arrivals) for one in arrivals
    )


def test_max_rate_per_host_makes_the_rest_wait_and_says_so(shared_server, shared_target):
    path = "/ok/rate"
    job = create_job(shared_server, shared_target.url(path), max_rate_per_host=4)
    ids = [trigger(shared_server, job) for _ in range(13)]
    told = expect(shared_server.get("/observability/health"), 200).json["dispatch"]
    assert told["waiting_for_rate"] > 0
    assert [(p["rate"], p["waiting"] > 0) for p in told["paced"]] == [(4, True)]
    assert "executions_waiting_for_rate" in shared_server.get("/metrics").body.decode()
    ends = [wait_for_end(shared_server, execution_id, 10) for execution_id in ids]
    assert {e["status"] for e in ends} == {"SUCCESS"}
    arrivals = shared_target.arrivals(path)
    assert [a.key for a in arrivals] == ids  # First come, first served.
    # Four at once, then one each quarter of a second; the way to the target adds some noise.
    assert arrivals[-1].at_ms - arrivals[0].at_ms >= 9 * 250 - 100
    assert most_within(arrivals, 900) <= 4 + 4


def test_the_servers_rate_is_that_of_all_jobs_of_a_host(fleet, database, target):
    server = fleet.serve(database, "--max-rate-per-host", "5")
    path = "/ok/shared-rate"
    jobs = [create_job(server, target.url(path)) for _ in range(10)]
    free = create_job(server, target.url(path), max_rate_per_host=1000)
    ids = [trigger(server, job) for job in jobs]
    first = trigger(server, free)
    for execution_id in [first, *ids]:
        assert wait_for_end(server, execution_id, 10)["status"] == "SUCCESS"
    arrivals = target.arrivals(path)
    assert arrivals[-1].at_ms - arrivals[0].at_ms >= 5 * 200 - 100
    keys = [a.key for a in arrivals]
    assert keys.index(first) < len(keys) - 1  # A rate of its own: it waits for none of the others.


def test_dead_and_hanging_targets_do_not_delay_others(server, target):
    """Many executions wait for a target that hangs, for one that refuses, and for a name that does
    not exist; a healthy job is on time meanwhile."""
    with RefusingPort() as nobody:
        dead = [
            target.url("/hang/dead"),
            f"http://127.0.0.1:{nobody.port}/",
            "http://no-such-host.invalid/",
        ]
        jobs = [create_job(server, url, max_retries=5, retry_base_ms=1) for url in dead]
        for job in jobs:
            for _ in range(100):
                trigger(server, job)
        healthy = create_job(server, target.url("/ok/healthy"), EVERY_SECOND, max_runs=5)
        executions = executions_until_finished(server, healthy)
        assert {e["status"] for e in executions} == {"SUCCESS"}
        late_ms = sorted(e["lateness_ms"] for e in executions)
        assert late_ms[len(late_ms) // 2] < 300, late_ms
        assert get_execution(server, trigger(server, healthy))  # By hand, too.
        for job in jobs:
            expect(server.delete(f"/jobs/{job['id']}"), 204)


# --- The clock -----------------------------------------------------------------------------------


def test_a_clock_that_holds_nothing_is_accepted_without_an_alert(server, target):
    answer = expect(server.post("/admin/clock/accept"), 204)
    assert answer.body == b""
    assert expect(server.get("/observability/alerts"), 200).json["alerts"] == []
    job = create_job(server, target.url("/ok/clock"), EVERY_SECOND, max_runs=1)
    (execution,) = executions_until_finished(server, job)
    assert execution["id"] == f"{job['id']}-{parse_ms(execution['scheduled_at'])}"
