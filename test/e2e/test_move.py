# SPDX-License-Identifier: MIT
"""`carillon move`: from a file into PostgreSQL and back, with every row, and wherever it ends."""

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest
from harness import ledger
from harness.jobs import create_job, expect, list_executions, wait_for_end
from harness.postgres import Postgres
from harness.program import BINARY, clean_environment, run_to_end, server_arguments
from harness.times import NEVER_SOON, now_ms
from harness.wait import wait_until, wait_until_clock

TABLES = (
    "jobs",
    "job_versions",
    "job_executions",
    "lingering_executions",
    "job_attempts",
    "alerts",
    "audit",
    "client_keys",
    "tokens",
)
SHARDS = 256


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as p:
        yield p


@pytest.fixture
def url(postgres, request):
    """An empty database of the test's own."""
    name = f"t{abs(hash(request.node.name)) % 10**9}"
    yield postgres.make_database(name)
    postgres.ask(f"DROP DATABASE {name} WITH (FORCE)", "postgres")


def name_of(url):
    return url.split("@/")[1].split("?")[0]


def move(*arguments, code=0):
    end = run_to_end("move", *arguments)
    assert end.returncode == code, end
    return end.stdout if code == 0 else end.stderr


def sorted_rows(rows):
    return sorted(rows, key=lambda row: json.dumps(list(row.values()), default=str))


def rows_of_file(database, table):
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
    for row in rows:
        if "digest" in row:
            row["digest"] = "\\x" + row["digest"].hex()
    return sorted_rows({name: row[name] for name in sorted(row)} for row in rows)


def rows_of_server(postgres, url, table):
    lines = postgres.ask(
        f"SELECT encode(convert_to(row_to_json(t)::text, 'UTF8'), 'hex') FROM {table} t",
        name_of(url),
    )
    rows = [json.loads(bytes.fromhex(line[0])) for line in lines]
    for row in rows:
        row.pop("command_id", None)  # What a file has no place for.
        if "execution_id" in row:
            row.pop("series", None)
            assert (row.pop("scheduled_at") is None) == (row["execution_id"] is None)
    return sorted_rows({name: row[name] for name in sorted(row)} for row in rows)


def shards_of(postgres, url):
    return postgres.ask(
        "SELECT id, job_next, execution_next, alert_next, watermark, watermark_job, open_from,"
        " generation, corrected_at FROM shards ORDER BY id",
        name_of(url),
    )


def progress_of(database):
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("SELECT * FROM progress").fetchone())


def leave_history(fleet, database, target):
    """A server that made rows of every kind, and was killed with some of them open. Returns the
    token that the next one asks for."""
    server = fleet.serve(database)
    create_job(server, target.url("/ok/x"), schedule="* * * * * *", name='tab\t, "ü" and \\N \n')
    create_job(server, target.url("/status/500"), schedule="* * * * * *", max_retries=2,
               retry_base_ms=50)
    create_job(server, target.url("/hang/1"), schedule="* * * * * *", timeout_ms=60000)
    later = target.url("/status/503/hang")  # What waits for its retry lingers.
    create_job(server, later, schedule="* * * * * *", max_retries=1, retry_base_ms=60000)
    gone = create_job(server, target.url("/ok/y"), schedule="* * * * * *")
    over = create_job(server, target.url("/ok/z"), schedule="* * * * * *", max_runs=1)
    wait_until(lambda: list_executions(server, over, status="SUCCESS"), 10, "the only run was")
    key = {"Idempotency-Key": "known"}
    manual = expect(server.post(f"/jobs/{gone['id']}/trigger", headers=key), 202).json
    wait_for_end(server, manual["execution_id"], 10)
    expect(server.delete(f"/jobs/{gone['id']}"), 204)
    words = ("tokens", "create", "--name", "ops", "--scope", "admin", "--db", database)
    made = run_to_end(*words)
    assert made.returncode == 0, made
    wait_until(
        lambda: all(rows_of_file(database, table) for table in TABLES), 20, "no table is empty"
    )
    server.kill()
    fleet.databases.discard(database)  # It is marked, and its executions end elsewhere.
    return made.stdout.strip()


def test_every_row_goes_there_and_back(fleet, database, target, postgres, url, tmp_path):
    secret = leave_history(fleet, database, target)
    back = tmp_path / "back.db"
    words = move(database, url)
    before = {table: rows_of_file(database, table) for table in TABLES}
    for table in TABLES:
        assert before[table], f"{table} is empty, and proves nothing"
        assert rows_of_server(postgres, url, table) == before[table], table
        assert f"{table} " in words
    assert "rows/s" in words and "moved: " in words
    check_shards(progress_of(database), shards_of(postgres, url))

    move(url, back)
    for table in TABLES:
        assert rows_of_file(back, table) == before[table], table
    assert oct(back.stat().st_mode & 0o777) == "0o600"
    assert [p.name for p in tmp_path.iterdir() if "moving" in p.name] == []
    progress, was = progress_of(back), progress_of(database)
    for name in ("watermark", "watermark_job", "open_from", "executions", "generation"):
        assert progress[name] == was[name], name
    assert progress["epoch"] > was["epoch"]

    server = fleet.serve(back)
    new = {"schedule": NEVER_SOON, "api": target.url("/ok/new")}
    named = {"Authorization": f"Bearer {secret}"}
    job = expect(server.post("/jobs", new, headers=named), 201).json
    assert job["id"] > SHARDS
    wait_until(lambda: not open_rows(back, was["watermark"]), 20, "what was open has ended")
    server.kill()  # The requests that hang would be waited for.


def open_rows(database, until):
    """Of jobs whose target answers."""
    return ledger.read(
        database,
        "SELECT e.id FROM job_executions e JOIN jobs j ON j.id = e.job_id"
        " WHERE completed_at IS NULL AND scheduled_at <= ? AND api NOT LIKE '%hang%'",
        until,
    )


def check_shards(progress, shards):
    """Each gives ids above all that were given, and goes on from the same watermark."""
    assert len(shards) == SHARDS
    for row in shards:
        number, job, execution, alert, *rest = map(int, row)
        assert job * SHARDS + number > progress["job_next"]
        assert execution * SHARDS + number > progress["execution_next"]
        assert alert * SHARDS + number > progress["alert_next"]
        assert rest == [
            progress[name]
            for name in ("watermark", "watermark_job", "open_from", "generation", "corrected_at")
        ]


def test_shards_that_were_not_equally_far_become_one(
    fleet, database, target, postgres, url, tmp_path
):
    """Every third shard lags, as when its node died first: those jobs are planned from there, the
    others are not planned twice. What an edit took back just before the end stays so."""
    server = fleet.serve(database)
    jobs = [create_job(server, target.url(f"/ok/{n}"), schedule="* * * * * *") for n in range(12)]
    edited = jobs[1]  # Of a shard that does not lag.
    wait_until_clock((now_ms() // 1000 + 4) * 1000 + 200)
    expect(server.patch(f"/jobs/{edited['id']}", {"schedule": "0 0 1 1 *"}), 200)
    edited_ms = now_ms()
    server.kill()
    fleet.databases.discard(database)
    move(database, url)
    lag = 3000
    lagging = f"(SELECT id FROM jobs WHERE id % {SHARDS} % 3 = 0)"
    watermark = progress_of(database)["watermark"] - lag
    late = f"job_id IN {lagging} AND scheduled_at > {watermark}"
    postgres.ask(
        f"DELETE FROM lingering_executions WHERE execution_id IN"
        f" (SELECT id FROM job_executions WHERE {late});"
        f"DELETE FROM job_executions WHERE {late};"
        f"UPDATE shards SET watermark = {watermark}, watermark_job = 0 WHERE id % 3 = 0",
        name_of(url),
    )
    planned = len(rows_of_server(postgres, url, "job_executions"))
    back = tmp_path / "back.db"
    move(url, back)
    assert progress_of(back)["watermark"] == watermark
    taken_back = ledger.read(
        back,
        "SELECT status FROM job_executions"
        " WHERE job_id = ? AND reason = 'the schedule was changed'",
        edited["id"],
    )
    assert taken_back and set(taken_back) == {("CANCELLED",)}

    server = fleet.serve(back)
    until = (now_ms() // 1000 + 2) * 1000
    wait_until_clock(until + 300)
    server.stop()  # The doctor is asked at the end whether there is a gap.
    rows = ledger.read(
        back, "SELECT job_id, scheduled_at FROM job_executions WHERE scheduled_at <= ?", until
    )
    assert len(rows) > planned and len(set(rows)) == len(rows)
    (open_before,) = ledger.read(
        back, "SELECT count(*) FROM job_executions WHERE status = 'PENDING' AND scheduled_at <= ?",
        until,
    )
    assert open_before == (0,)
    assert [a for a in target.arrivals("/ok/1") if a.at_ms > edited_ms] == []


# --- Broken off --------------------------------------------------------------------------------


def kill_after_lines(arguments, lines):
    """kill -9 once so many lines have been printed; how many there were in fact."""
    process = subprocess.Popen(
        [BINARY, "move", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=clean_environment(),
    )
    with process.stdout as out:
        for _ in range(lines):
            out.readline()
        process.kill()
        process.wait()


def finish(source, target):
    """Runs the move again, unless it was finished when the kill came."""
    end = run_to_end("move", source, target)
    assert end.returncode == 0 or "was moved to" in end.stderr, end
    assert "was moved to" in move(source, target, code=1)


def test_kill_9_in_the_middle_loses_nothing(fleet, database, target, postgres, url, tmp_path):
    leave_history(fleet, database, target)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = {table: rows_of_file(database, table) for table in TABLES}
    for lines in (0, 1, 3, 6, 7):
        name = f"{name_of(url)}_{lines}"
        source, back = tmp_path / f"source-{lines}.db", tmp_path / f"back-{lines}.db"
        other = postgres.make_database(name)
        shutil.copy(database, source)
        kill_after_lines((source, other), lines)
        finish(source, other)
        for table in TABLES:
            assert rows_of_server(postgres, other, table) == before[table], table
        kill_after_lines((other, back), lines)
        finish(other, back)
        for table in TABLES:
            assert rows_of_file(back, table) == before[table], table
        assert run_to_end("doctor", back).returncode == 0
        postgres.ask(f"DROP DATABASE {name}", "postgres")


def set_mark(database, state):
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE moves SET state = ?", (state,))


def test_a_move_that_was_complete_but_for_its_mark_is_marked(
    fleet, database, target, postgres, url, tmp_path
):
    back = tmp_path / "back.db"
    leave_history(fleet, database, target)
    move(database, url)
    set_mark(database, "leaving")
    assert "finished" in move(database, url, "--take-back", code=1)
    assert "complete but for its mark" in move(database, url)
    assert "was moved to" in move(database, url, code=1)

    move(url, back)
    postgres.ask("UPDATE carillon SET state = 'leaving'", name_of(url))
    assert "finished" in move(url, back, "--take-back", code=1)
    assert "complete but for its mark" in move(url, back)
    assert "was moved to" in move(url, back, code=1)


def test_what_was_broken_off_starts_nowhere_until_it_is_taken_back(
    fleet, database, target, postgres, url, tmp_path
):
    leave_history(fleet, database, target)
    move(database, url)
    set_mark(database, "leaving")
    postgres.ask("UPDATE carillon SET state = 'arriving'", name_of(url))
    refused = run_to_end(*server_arguments(database))
    assert refused.returncode == 1 and "--take-back" in refused.stderr
    other = postgres.make_database(f"{name_of(url)}_other")
    assert "is being moved to" in move(database, other, code=1)
    assert "which has not ended" in move(url, tmp_path / "new.db", code=1)
    assert "taken back" in move(database, url, "--take-back")
    assert "no move" in move(database, url, "--take-back", code=1)
    assert "was taken back" in move(url, tmp_path / "new.db", code=1)
    fleet.serve(database).kill()
    move(database, url)  # What is left of the first one goes.
    assert rows_of_server(postgres, url, "alerts") == rows_of_file(database, "alerts")
    postgres.ask(f"DROP DATABASE {name_of(other)}", "postgres")
    fleet.databases.discard(database)

    new = tmp_path / "new.db"
    postgres.ask(f"UPDATE carillon SET state = 'leaving', place = '{new}'", name_of(url))
    assert "taken back" in move(url, new, "--take-back")
    move(url, new)


# --- Refused ------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused_and_left_alone(
    fleet, database, postgres, url, tmp_path
):
    server = fleet.serve(database)
    words = move(database, url, code=1)
    assert f"in use by another server, process {server.process.pid}" in words
    server.stop()
    before = progress_of(database)
    others = postgres.make_database(f"{name_of(url)}_others")
    postgres.ask("CREATE TABLE orders (id int)", name_of(others))
    missing = tmp_path / "missing.db"
    for arguments, code, words in (
        ((database, database), 2, "the other a URL"),
        ((url, url), 2, "the other a URL"),
        ((database,), 2, "two databases"),
        ((missing, url), 1, "no such database"),
        ((database, others), 1, "another program"),
        ((database, "postgresql://a@127.0.0.1:1/b"), 1, "refused"),
        ((database, "postgresql://a:b:c@/?x=y"), 1, "cannot be read"),
        ((url, tmp_path / "new.db"), 1, "is empty"),
        ((database, url, "--take-back"), 1, "no move"),
    ):
        assert words in move(*arguments, code=code), arguments
    assert progress_of(database) == before and not missing.exists()
    assert postgres.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
                        name_of(url)) == [["0"]]
    move(database, url)
    assert "is there already" in move(url, database, code=1)
    second = tmp_path / "second.db"
    fleet.serve(second).stop()
    assert "has tables of Carillon already" in move(second, url, code=1)
    fleet.serve(second).stop()
    fleet.databases.discard(database)
    postgres.ask(f"DROP DATABASE {name_of(others)}", "postgres")
