# SPDX-License-Identifier: MIT
"""A host where nothing answers: its operator is told at once, and nobody else notices."""

import socket

from harness.jobs import create_job, create_jobs, expect, list_executions, pause_jobs
from harness.times import EVERY_SECOND, parse_ms
from harness.wait import wait_until

ON_TIME_MS = 5000  # What waited for a dead host would be late by more than the test lasts.


def alerts_of(server, kind):
    answer = expect(server.get("/observability/alerts?limit=500"), 200).json
    return [a for a in answer["alerts"] if a["kind"] == kind]


def test_an_outage_is_told_and_delays_no_other(server, target):
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # Nobody listens, so connections are refused.
        host = f"127.0.0.1:{dead.getsockname()[1]}"
        body = {"schedule": EVERY_SECOND, "api": f"http://{host}/", "max_retries": 0}
        jobs = create_jobs(server, [body] * 60)
        well = create_job(server, target.url("/ok/well"), EVERY_SECOND)
        (down,) = wait_until(lambda: alerts_of(server, "target_down"), 20, "the outage is told")
        assert f"nothing answers at {host}" in down["message"]
        assert down["job_id"] is None and down["execution_id"] is None

        dispatch = expect(server.get("/observability/health"), 200).json["dispatch"]
        assert dispatch["status"] == "degraded" and host in dispatch["reason"]
        assert [d["host"] for d in dispatch["down"]] == [host]
        wait_until(lambda: says_why_it_waits(server, jobs[0], host), 20, "explain names the host")
        wait_until(lambda: len(target.arrivals("/ok/well")) > 4, 20, "the other job goes on")

        # Who corrects the URL need not wait for a host that is no longer called.
        moved = server.patch(f"/jobs/{jobs[0]['id']}", {"api": target.url("/ok/moved")})
        expect(moved, 200)
        wait_until(lambda: target.arrivals("/ok/moved"), 20, "what waited goes to the new host")
        pause_jobs(server, jobs[1:])
    for execution in list_executions(server, well):
        if execution["started_at"]:
            late_ms = parse_ms(execution["started_at"]) - parse_ms(execution["scheduled_at"])
            assert late_ms < ON_TIME_MS
    assert len(alerts_of(server, "target_down")) == 1


def says_why_it_waits(server, job, host):
    for execution in list_executions(server, job):
        at = execution["scheduled_at"]
        answer = expect(server.get(f"/jobs/{job['id']}/explain?at={at}"), 200).json
        if answer["verdict"] == "waiting" and f"nothing answers at {host}" in answer["detail"]:
            return True
    return False
