# SPDX-License-Identifier: MIT
"""Redirects that a job wants followed: one attempt, as many requests as it takes, one outcome."""

import pytest
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.target import Target


@pytest.fixture(params=["wire", "curl"])
def any_server(request, fleet, database):
    return fleet.serve(database, "--dispatch", request.param)


@pytest.fixture
def other_target():
    with Target() as other:
        yield other


def run(server, url, **rules):
    job = create_job(server, url, **{"redirects": 5, "retry_base_ms": 50, **rules})
    return wait_for_end(server, trigger(server, job), 20)


def test_a_redirect_is_followed_and_the_attempt_tells_the_way(any_server, target):
    execution = run(any_server, target.url("/redirect/301/redirect/302/ok/here"))
    assert (execution["status"], execution["http_status"]) == ("SUCCESS", 200)
    (attempt,) = execution["attempts"]
    assert attempt["redirects"] == [
        {"http_status": 301, "location": target.url("/redirect/302/ok/here")},
        {"http_status": 302, "location": target.url("/ok/here")},
    ]
    assert [a.method for a in target.arrivals()] == ["POST", "GET", "GET"]
    assert len({a.key for a in target.arrivals()}) == 1
    assert [a.attempt for a in target.arrivals()] == [1, 1, 1]


def test_307_repeats_the_request_and_credentials_do_not_leave(any_server, target, other_target):
    url = target.url(f"/leave/307/{other_target.port}/ok/there")
    headers = {"Authorization": "Bearer x", "X-Api-Key": "k", "X-Plain": "y"}
    execution = run(any_server, url, body={"a": 1}, headers=headers)
    assert execution["status"] == "SUCCESS"
    (first,) = target.arrivals()
    (second,) = other_target.arrivals("/ok/there")
    assert first.headers["authorization"] == "Bearer x"
    assert "authorization" not in second.headers and "x-api-key" not in second.headers
    assert second.headers["x-plain"] == "y"
    assert (second.method, second.json, second.key) == ("POST", {"a": 1}, first.key)


def test_too_many_redirects_are_final(any_server, target):
    execution = run(any_server, target.url("/redirect/302/redirect/302/ok/far"), redirects=1)
    assert (execution["status"], execution["http_status"]) == ("FAILED", 302)
    assert execution["retry_count"] == 0
    expected = "Location: /ok/far (not followed: 1 redirect was followed before)"
    assert execution["error"].endswith(expected)


def test_a_redirect_to_a_forbidden_address_is_final(fleet, database, target):
    server = fleet.serve(database, "--deny-targets", "link-local")
    path = "/leave/302/80@169.254.169.254/latest"  # User information.
    assert "user name" in run(server, target.url(path))["error"]
    execution = run(server, target.url("/redirect/302//169.254.169.254/latest"))
    assert (execution["status"], execution["http_status"]) == ("FAILED", 302)
    assert "169.254.169.254, a link-local address, which deny_targets denies" in execution["error"]
    assert execution["attempts"][0]["redirects"] == []
    assert execution["retry_count"] == 0


def test_what_is_lost_behind_a_redirect_is_tried_again_from_the_start(any_server, target):
    execution = run(any_server, target.url("/redirect/307/close/gone"), max_retries=1)
    assert (execution["status"], execution["retry_count"]) == ("FAILED", 1)
    assert "before an answer" in execution["error"]
    assert len(target.arrivals("/close/gone")) == 2


def test_at_most_once_asks_each_target_on_the_way_once(any_server, target):
    url = target.url("/redirect/307/close/once")
    execution = run(any_server, url, type="ATMOST_ONCE", max_retries=3)
    assert (execution["status"], execution["retry_count"]) == ("FAILED", 0)
    assert len(target.arrivals("/redirect/307/close/once")) == 1
    assert len(target.arrivals("/close/once")) == 1


def test_all_redirects_have_one_timeout(any_server, target):
    execution = run(any_server, target.url("/redirect/307/hang/0"), timeout_ms=700, max_retries=0)
    assert execution["status"] == "FAILED"
    assert execution["error"] == "timed out after 700 ms"
    assert 690 <= execution["duration"] < 3000


def test_redirects_have_bounds(shared_server, shared_target):
    job = {"schedule": "@daily", "api": shared_target.url("/ok"), "redirects": 11}
    expect(shared_server.post("/jobs", job), 400)
