# SPDX-License-Identifier: MIT
"""Rules for the bodies of answers: what they make of an execution, and rules that are refused."""

import pytest

from harness.jobs import create_job, expect, trigger, wait_for_end

# The target's /ok answers 200 with {"answer":"of the target"}. Rules, and why the attempt fails.
CASES = {
    "a text": ({"success_body": "of the target"}, None),
    "an expression": ({"success_body": '/"answer":\\s*"of/', "failure_body": "/(?i)error/"}, None),
    "a text that is not there": (
        {"success_body": "done"},
        "its body lacks success_body: done",
    ),
    "both": (
        {"success_body": "answer", "failure_body": "/t\"}$/"},
        "its body has failure_body: /t\"}$/",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_body_decides(shared_server, shared_target, name):
    rules, why = CASES[name]
    job = create_job(shared_server, shared_target.url("/ok/body"), max_retries=0, **rules)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert execution["status"] == ("FAILED" if why else "SUCCESS"), execution
    assert execution["http_status"] == 200
    assert execution["error"] == (f"answered with HTTP status 200, but {why}" if why else None)
    alerts = expect(shared_server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"]
    assert len(alerts) == bool(why)


def test_such_a_failure_is_tried_again(shared_server, shared_target):
    rules = {"success_body": "done", "retry_base_ms": 1, "max_retries": 2}
    job = create_job(shared_server, shared_target.url("/ok/again"), **rules)
    execution = wait_for_end(shared_server, trigger(shared_server, job), 10)
    assert (execution["status"], len(execution["attempts"])) == ("FAILED", 3)


def test_an_expression_that_cannot_be_read_is_refused_with_its_position(shared_server):
    job = create_job(shared_server, "http://127.0.0.1:4/", success_body="/fine/")
    change = {"failure_body": "/a(b/"}
    refusal = expect(shared_server.patch(f"/jobs/{job['id']}", change), 400).json
    assert refusal["errors"][0]["pointer"] == "/failure_body"
    assert "at byte 5: missing closing parenthesis" in refusal["detail"]
    kept = expect(shared_server.get(f"/jobs/{job['id']}"), 200).json
    assert (kept["success_body"], kept["failure_body"]) == ("/fine/", None)


def test_a_test_of_a_draft_is_judged_too(shared_server, shared_target):
    draft = {"schedule": "0 0 0 1 1 *", "api": shared_target.url("/ok/draft")}
    tried = expect(shared_server.post("/jobs/test", {**draft, "success_body": "done"}), 200).json
    assert tried["success"] is False, tried
    assert "its body lacks success_body: done" in str(tried)
