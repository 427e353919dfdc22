# SPDX-License-Identifier: MIT
"""What fails is tried again, by the table of the seed: 1 s, 2 s and 3 s later; then an alert."""

import pytest
from harness.jobs import create_job, expect, get_execution, trigger, wait_for_end
from harness.target import RefusingPort
from harness.times import EVERY_SECOND, parse_ms, schedule_at, second_after
from harness.wait import wait_until

# The scheduler waits on its own clock and we measure on ours, both in milliseconds: the two may
# round apart. Late is allowed, since machines are slow; early is not.
ROUNDING_MS = 5


def gaps_ms(arrivals):
    return [later.at_ms - one.at_ms for one, later in zip(arrivals, arrivals[1:])]


def check_gaps(arrivals, least_ms):
    gaps = gaps_ms(arrivals)
    assert len(gaps) == len(least_ms)
    for gap, least in zip(gaps, least_ms):
        assert least - ROUNDING_MS <= gap < least + 3000, gaps


def test_500_500_200_is_a_success_after_two_retries(server, target):
    due_ms = second_after(1500)
    path = "/flaky/500,500,200/job"
    job = create_job(server, target.url(path), schedule_at(due_ms))
    execution = wait_for_end(server, f"{job['id']}-{due_ms}", 20)

    arrivals = target.arrivals(path)
    check_gaps(arrivals, [1000, 2000])
    assert len({arrival.key for arrival in arrivals}) == 1
    assert [arrival.attempt for arrival in arrivals] == [1, 2, 3]
    assert (execution["status"], execution["retry_count"]) == ("SUCCESS", 2)
    assert execution["http_status"] == 200
    attempts = execution["attempts"]
    assert [a["number"] for a in attempts] == [1, 2, 3]
    assert [a["http_status"] for a in attempts] == [500, 500, 200]
    assert expect(server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"] == []


def test_between_two_attempts_an_execution_is_running(server, target):
    job = create_job(server, target.url("/status/500/waiting"), retry_base_ms=60000)
    execution_id = trigger(server, job)

    def waiting():
        execution = get_execution(server, execution_id)
        return execution if execution["next_attempt_at"] else None

    execution = wait_until(waiting, 10, "the first attempt failed")
    assert execution["status"] == "RUNNING"
    (attempt,) = execution["attempts"]
    wait_ms = parse_ms(execution["next_attempt_at"]) - parse_ms(attempt["started_at"])
    assert wait_ms >= 60000


def test_four_failures_are_a_failed_execution_and_an_alert_that_lasts(fleet, database, target):
    server = fleet.serve(database)
    due_ms = second_after(1500)
    job = create_job(server, target.url("/status/503/job"), schedule_at(due_ms))
    execution_id = f"{job['id']}-{due_ms}"
    execution = wait_for_end(server, execution_id, 20)

    check_gaps(target.arrivals("/status/503/job"), [1000, 2000, 3000])
    assert (execution["status"], execution["retry_count"]) == ("FAILED", 3)
    assert execution["http_status"] == 503
    assert "503" in execution["error"]
    assert len(execution["attempts"]) == 4

    server.wait_for_event("alert.raised")
    (event,) = server.events("alert.raised")
    assert (event["job_id"], event["execution_id"]) == (job["id"], execution_id)

    def alerts(server):
        paths = f"/jobs/{job['id']}/alerts", "/observability/alerts"
        both = [expect(server.get(path), 200).json["alerts"] for path in paths]
        for alert in both[0] + both[1]:
            del alert["telling"]  # It is told to nobody soon.
        assert both[0] == both[1]
        return both[0]

    before = alerts(server)
    assert [alert["execution_id"] for alert in before] == [execution_id]
    server.kill()
    assert alerts(fleet.serve(database)) == before


@pytest.mark.parametrize("status", [300, 302, 404, 429, 500])
def test_every_status_but_2xx_is_a_failure(shared_server, shared_target, status):
    path = f"/status/{status}/one"
    job = create_job(shared_server, shared_target.url(path), max_retries=0)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert (execution["status"], execution["http_status"]) == ("FAILED", status)
    assert str(status) in execution["error"]
    assert len(shared_target.arrivals(path)) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308, 399])
def test_a_redirect_is_a_final_answer(shared_server, shared_target, status):
    path = f"/status/{status}/final"
    job = create_job(shared_server, shared_target.url(path), retry_base_ms=50)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert (execution["status"], execution["http_status"]) == ("FAILED", status)
    assert (execution["retry_count"], len(execution["attempts"])) == (0, 1)
    assert len(shared_target.arrivals(path)) == 1


def test_the_error_of_a_redirect_names_where_it_leads(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/redirect/301/ok/moved"))
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert execution["status"] == "FAILED"
    assert execution["error"] == "answered with HTTP status 301, Location: /ok/moved"
    assert shared_target.arrivals("/ok/moved") == []


@pytest.mark.parametrize("status", [201, 204, 299])
def test_every_2xx_is_a_success(shared_server, shared_target, status):
    job = create_job(shared_server, shared_target.url(f"/flaky/{status}/one"))
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert (execution["status"], execution["http_status"]) == ("SUCCESS", status)


def test_a_refused_connection_is_named(shared_server):
    with RefusingPort() as nobody:
        job = create_job(shared_server, f"http://127.0.0.1:{nobody.port}/", max_retries=0)
        execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert execution["status"] == "FAILED"
    assert execution["http_status"] is None
    assert f"connection refused by 127.0.0.1:{nobody.port}" in execution["error"]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_that_ends_without_an_answer_is_a_failure(shared_server, shared_target, how):
    job = create_job(shared_server, shared_target.url(f"/{how}/one"), max_retries=1)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert (execution["status"], execution["http_status"]) == ("FAILED", None)
    assert execution["error"]
    assert len(shared_target.arrivals(f"/{how}/one")) == 2


def test_a_name_that_does_not_exist_is_a_failure_in_words(shared_server):
    job = create_job(shared_server, "http://no-such-host.invalid/", max_retries=0)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 20)
    assert execution["status"] == "FAILED"
    assert "no-such-host.invalid" in execution["error"]


def test_a_target_that_hangs_ends_at_the_timeout(shared_server, shared_target):
    job = create_job(shared_server, shared_target.url("/hang/2"), timeout_ms=2000, max_retries=0)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert execution["status"] == "FAILED"
    # The deadline runs from the start of the attempt, the duration from its first byte.
    assert 1990 <= execution["duration"] < 4000
    assert "timed out" in execution["error"] or "timeout" in execution["error"]


@pytest.mark.slow
def test_a_hanging_target_ends_at_30_s_and_delays_nobody(server, target):
    hanging = create_job(server, target.url("/hang/30"), max_retries=0)
    other = create_job(server, target.url("/ok/other"), EVERY_SECOND)
    execution_id = trigger(server, hanging)
    target.wait_for(1, "/hang/30", 10)
    execution = wait_for_end(server, execution_id, 45)
    assert execution["status"] == "FAILED"
    assert 29_990 <= execution["duration"] < 33_000

    arrivals = target.arrivals("/ok/other")
    instants = [parse_ms(a.headers["carillon-scheduled-at"]) for a in arrivals]
    assert len(arrivals) >= 29
    assert instants == list(range(instants[0], instants[-1] + 1, 1000))
    late_ms = sorted(a.at_ms - instant for a, instant in zip(arrivals, instants))
    assert late_ms[len(late_ms) // 2] < 500, late_ms
    expect(server.post(f"/jobs/{other['id']}/pause"), 200)
