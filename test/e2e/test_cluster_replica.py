# SPDX-License-Identifier: MIT
"""Lists may come from a replica of the database, and then say how old they are."""

import pytest
from harness.cluster import Cluster
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.postgres import Postgres
from harness.program import run_to_end
from harness.wait import wait_until


def test_lists_of_all_jobs_come_from_the_replica(target):
    with Postgres() as primary, primary.make_replica() as replica:
        settings = ("--db-replica", replica.url())
        with Cluster(primary.url(), apis=0, workers=0, alls=1, arguments=settings) as cluster:
            job = create_job(cluster.door, target.url("/ok"))
            end = wait_for_end(cluster.door, trigger(cluster.door, job), 30)

            def listed():
                answer = expect(cluster.door.get("/jobs"), 200)
                return answer if job["id"] in [j["id"] for j in answer.json["jobs"]] else None

            answer = wait_until(listed, 30, "the replica has the job")
            assert int(answer.headers["Age"]) >= 0
            for path in (
                "/executions",
                "/observability/executions/recent",
                "/observability/alerts",
                "/observability/metrics",
            ):
                assert "Age" in expect(cluster.door.get(path), 200).headers, path
            for path in (
                f"/jobs/{job['id']}",
                f"/jobs/{job['id']}/executions",
                f"/jobs/{job['id']}/alerts",
                f"/executions/{end['id']}",
                f"/executions?job_id={job['id']}",
            ):
                assert "Age" not in expect(cluster.door.get(path), 200).headers, path
            (shown,) = cluster.look()["replicas"]
            assert shown["sync"] in ("sync", "quorum")
            replication = cluster.look()["replication"]
            assert replication["synchronous_standby_names"]
            assert (replication["commits_wait_for"], replication["warning"]) == (1, None)

            # From now on nothing waits for the replica, which ends.
            primary.ask("ALTER SYSTEM SET synchronous_standby_names = ''", "postgres")
            primary.ask("SELECT pg_reload_conf()", "postgres")
            replica.kill()

            def is_of_the_primary():
                answer = cluster.door.get("/jobs")
                return answer.status == 200 and "Age" not in answer.headers

            wait_until(is_of_the_primary, 30, "lists come from the primary")
            cluster.alls[0].wait_for_event("replica.away")


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["--db-replica", "postgresql://a"], "--db-replica is for a cluster"),
        (["--db", "postgresql://h/d", "--db-replica", "a.db"], "--db-replica is not postgresql"),
    ],
)
def test_a_replica_is_one_of_postgresql(tmp_path, arguments, named):
    unused = {"CARILLON_DB": str(tmp_path / "unused.db")}
    end = run_to_end("serve", "--listen", "127.0.0.1:0", *arguments, environment=unused)
    assert end.returncode == 2 and named in end.stderr, end
