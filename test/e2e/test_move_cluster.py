# SPDX-License-Identifier: MIT
"""A move into a cluster and back, each followed by servers at work: every instant comes once."""

from harness import ledger
from harness.jobs import create_job, create_jobs
from harness.postgres import Postgres
from harness.program import run_to_end, server_arguments
from harness.times import EVERY_SECOND, now_ms
from harness.wait import wait_until, wait_until_clock

JOBS = 40


def run_until_sent(target, instant_ms):
    """Until each job has been called for an instant after this one."""

    def all_sent():
        seen = {a.job_id for a in target.arrivals() if a.at_ms > instant_ms}
        return len(seen) >= JOBS

    wait_until(all_sent, 30, f"all jobs are called after {instant_ms}")


def move(source, target):
    end = run_to_end("move", source, target)
    assert end.returncode == 0, end


def test_servers_go_on_where_the_others_stopped(fleet, database, target, tmp_path):
    back = tmp_path / "back.db"
    with Postgres() as postgres:
        server = fleet.serve(database)
        bodies = [
            {"schedule": EVERY_SECOND, "api": target.url(f"/ok/{n}"), "type": "ATLEAST_ONCE"}
            for n in range(JOBS)
        ]
        create_jobs(server, bodies)
        run_until_sent(target, now_ms() + 1000)
        server.kill()
        fleet.databases.discard(database)
        move(database, postgres.url())

        url = postgres.url()
        node = fleet.start(*server_arguments(url)).wait_until_listening()
        refused = run_to_end("move", url, back)
        assert refused.returncode == 1 and "at work on the database" in refused.stderr
        run_until_sent(target, now_ms() + 2000)
        new = create_job(node, target.url("/ok/new"))
        node.stop()
        assert run_to_end("doctor", url).returncode == 0
        move(url, back)

    server = fleet.serve(back)
    assert create_job(server, target.url("/ok/newer"))["id"] > new["id"]
    run_until_sent(target, now_ms() + 1000)
    wait_until_clock(now_ms() + 500)
    server.stop()  # The doctor looks for gaps at the end.
    assert not ledger.read(back, "SELECT id FROM job_executions WHERE status NOT IN ('SUCCESS',"
                                 " 'PENDING')")
    repeated = [arrivals for arrivals in target.arrivals_by_key().values() if len(arrivals) > 1]
    for arrivals in repeated:  # Those that the kill has cut off.
        assert [a.attempt for a in arrivals] == sorted({a.attempt for a in arrivals})
    assert len(repeated) <= JOBS
