# SPDX-License-Identifier: MIT
"""The commands about a database, when that is one of PostgreSQL."""

import pytest
from harness.jobs import create_job, expect, list_executions, trigger, wait_for_end
from harness.postgres import Postgres
from harness.program import run_to_end
from harness.wait import wait_until


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A server of PostgreSQL, with a database that was filled by a single node and moved there."""
    from conftest import Fleet
    from harness.target import Target

    fleet = Fleet()
    database = tmp_path_factory.mktemp("moved") / "carillon.db"
    with Postgres() as postgres, Target() as target:
        server = fleet.serve(database)
        create_job(server, target.url("/ok/x"), schedule="* * * * * *")
        failing = create_job(server, target.url("/status/500"), max_retries=1, retry_base_ms=10)
        wait_for_end(server, trigger(server, failing), 10)
        wait_until(lambda: every_second_of(server) > 3, 20, "some executions ended")
        server.stop()
        end = run_to_end("move", database, postgres.url())
        assert end.returncode == 0, end
        yield postgres
    fleet.databases.clear()
    fleet.end()


def every_second_of(server):
    job = expect(server.get("/jobs/1"), 200).json
    return len(list_executions(server, job, status="SUCCESS"))


@pytest.fixture
def copy(moved, request):
    """A database of the test's own, with the same rows."""
    name = f"d{abs(hash(request.node.name)) % 10**9}"
    moved.ask(f"CREATE DATABASE {name} TEMPLATE carillon", "postgres")
    yield name
    moved.ask(f"DROP DATABASE {name}", "postgres")


def doctor(url, code=0):
    end = run_to_end("doctor", url)
    assert end.returncode == code, end
    return end.stdout + end.stderr


def test_a_database_of_postgresql_is_examined(moved, copy):
    words = doctor(moved.url(copy))
    assert [line.split()[1] for line in words.splitlines() if line.startswith("ok")] == [
        "rows",
        "references",
        "promises",
        "ledger",
    ]
    assert "gaps=0" in words and "jobs=2" in words and words.endswith("is sound\n")
    assert doctor(moved.url(copy, target_session_attrs="any")).endswith("is sound\n")
    secret = moved.url(copy).replace("carillon@", "carillon:hidden@")
    assert "hidden" not in doctor(secret)


@pytest.mark.parametrize(
    "damage, words",
    [
        (
            "DELETE FROM job_executions WHERE id = (SELECT min(id) + 1 FROM job_executions"
            " WHERE job_id = 1)",
            "GAP      job 1 at",
        ),
        ("DELETE FROM alerts", "a failure has no alert: execution"),
        (
            "UPDATE job_executions SET completed_at = NULL WHERE job_id = 2",
            "a row is terminal without an end",
        ),
        (
            "UPDATE job_executions SET completed_at = NULL, status = 'RUNNING' WHERE job_id = 2;"
            "UPDATE shards SET open_from = watermark",
            "would not find an open row",
        ),
        ("DELETE FROM jobs WHERE id = 2", "it is of no job: execution"),
        ("DELETE FROM job_versions WHERE job_id = 2", "a job has no version: job 2"),
        ("UPDATE shards SET job_next = 0 WHERE id = 2; UPDATE jobs SET id = 258 WHERE id = 2;",
         "given twice: job 258"),
        ("UPDATE shards SET execution_next = 0", "an id would be given twice: execution"),
        ("UPDATE jobs SET timeout_ms = -7 WHERE id = 2", "row 2: timeout_ms"),
        ("UPDATE shards SET owner = gen_random_uuid() WHERE id = 7", "not there: 7"),
    ],
)
def test_what_is_wrong_is_named(moved, copy, damage, words):
    moved.ask(damage, copy)
    found = doctor(moved.url(copy), code=1)
    assert words in found and found.endswith("is not sound\n"), found


def test_other_databases_are_not_examined(moved, copy):
    moved.ask("DROP TABLE carillon", copy)
    assert "no database of Carillon" in doctor(moved.url(copy), code=1)
    assert "refused" in doctor("postgresql://a@127.0.0.1:1/b", code=1)


def test_backup_and_restore_say_what_to_use(moved, tmp_path):
    backup = run_to_end("backup", tmp_path / "x", "--db", moved.url())
    assert backup.returncode == 1 and "pg_dump" in backup.stderr and backup.stderr.count("\n") == 1
    restore = run_to_end("restore", tmp_path / "x", "--db", moved.url())
    assert restore.returncode == 1 and "pg_restore" in restore.stderr
    assert list(tmp_path.iterdir()) == []
