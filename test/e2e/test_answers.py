# SPDX-License-Identifier: MIT
"""What an answer is worth that is odd, cut off or damaged: a head that came whole is the answer."""

import pytest
from harness.jobs import create_job, trigger, wait_for_end


@pytest.fixture(params=["wire", "curl"])
def any_server(request, fleet, database):
    return fleet.serve(database, "--dispatch", request.param)


def run(server, target, path, **rules):
    rules = {"retry_base_ms": 50, "max_retries": 1, **rules}
    job = create_job(server, target.url(path), **rules)
    execution = wait_for_end(server, trigger(server, job), 20)
    return execution, execution["attempts"][0]


def test_an_answer_counts_by_its_head(any_server, target):
    cases = [
        ("/odd/folded", False, False),
        ("/odd/two-lengths", False, False),
        ("/odd/long-head", False, False),
        ("/odd/short", True, False),
        ("/stall/short", True, False),
        ("/odd/bad-chunk", False, True),
        ("/stall/bad-chunk", False, True),
    ]
    for path, truncated, damaged in cases:
        execution, attempt = run(any_server, target, path, timeout_ms=1500)
        assert (execution["status"], execution["http_status"]) == ("SUCCESS", 200), path
        assert execution["error"] is None
        assert attempt["response_excerpt"] == "ok"
        told = (attempt["response_truncated"], attempt["response_damaged"])
        assert told == (truncated, damaged), path
        assert len(target.arrivals(path)) == 1


def test_half_a_head_is_no_answer_but_its_status_is_told(any_server, target):
    cases = [
        ("/odd/half-head", "in the middle of its answer"),
        ("/stall/half-head", "timed out"),
        ("/odd/endless-head", "is longer than 256 KiB"),
    ]
    for path, error in cases:
        execution, attempt = run(any_server, target, path, timeout_ms=1500)
        assert (execution["status"], execution["http_status"]) == ("FAILED", 200), path
        assert error in execution["error"]
        assert (attempt["http_status"], attempt["response_truncated"]) == (200, True)
        assert len(target.arrivals(path)) == 2


def test_as_much_of_an_answer_is_kept_as_the_job_says(any_server, target):
    whole = '{"answer":"of the target"}'
    for path in ("/ok/excerpt", "/status/500/excerpt"):
        for most, kept in [(0, None), (10, whole[:10]), (65536, whole)]:
            _, attempt = run(any_server, target, path, response_excerpt_bytes=most, max_retries=0)
            assert attempt["response_excerpt"] == kept
            assert not attempt["response_truncated"]


def test_an_answer_that_nobody_asked_for_is_never_heard(any_server, target):
    for count in range(1, 4):
        execution, attempt = run(any_server, target, "/forge/both")
        assert (execution["status"], attempt["response_excerpt"]) == ("SUCCESS", "ok")
        target.wait_until_forged(count)
    assert len(target.arrivals("/forge/both")) == 3


def test_a_fresh_connection_is_used_once(any_server, target):
    for _ in range(2):
        _, attempt = run(any_server, target, "/ok/fresh", fresh_connection=True)
        assert attempt["connect_ms"] is not None
    run(any_server, target, "/ok/kept")
    _, attempt = run(any_server, target, "/ok/kept")
    assert attempt["connect_ms"] is None
