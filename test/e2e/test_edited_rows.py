# SPDX-License-Identifier: MIT
"""Operators edit the database by hand. One row that cannot be used harms nobody else, the server
says which it is, and so does the doctor."""

import sqlite3
from contextlib import closing

import pytest
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.program import run_to_end, server_arguments
from harness.wait import wait_until

EVERY_SECOND = "* * * * * *"


def edit(database, sql):
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        assert db.execute(sql).rowcount > 0


def column(database, sql):
    with closing(sqlite3.connect(database)) as db:
        return db.execute(sql).fetchone()[0]


def alerts_about(server, job, kind="job_unusable"):
    alerts = expect(server.get(f"/jobs/{job['id']}/alerts"), 200).json["alerts"]
    return [a["message"] for a in alerts if a["kind"] == kind]


# --- At a start ----------------------------------------------------------------------------------

EDITS = {
    "zone": ("timezone = 'Mars/Olympus'", "time zone", None),
    "schedule": ("schedule = 'whenever'", "schedule", None),
    "schedule to dots": ("schedule = printf('%.*c', 5000, 'x')", "schedule", None),
    "header lines": ("headers = 'nonsense'", "headers", "headers"),
    "URL": ("api = 'gopher://a/'", "api", "api"),
    "certificates": ("tls_ca = 'none'", "tls_ca", "tls_ca"),
    "word": ("method = 'BREW', overlap = ''", "method, overlap", "method"),
    "number and time": ("jitter_ms = -1, created_at = 9e18", "jitter_ms, created_at", "jitter_ms"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_row_that_cannot_be_used_becomes_an_inactive_job(fleet, target, tmp_path, name):
    database = tmp_path / "edited.db"  # Not the fleet's own: it is not sound afterwards.
    sql, reason, damaged = EDITS[name]
    server = fleet.start_on(database)
    edited = create_job(server, target.url("/ok/edited"), EVERY_SECOND)
    sound = create_job(server, target.url("/ok/sound"), EVERY_SECOND)
    target.wait_for(1, "/ok/edited", 10)
    server.kill()
    edit(database, f"UPDATE jobs SET {sql} WHERE id = {edited['id']}")
    (before, seen) = (len(target.arrivals("/ok/edited")), len(target.arrivals("/ok/sound")))

    server = fleet.start_on(database)
    target.wait_for(seen + 1, "/ok/sound", 20)
    assert len(target.arrivals("/ok/edited")) == before
    job = expect(server.get(f"/jobs/{edited['id']}"), 200).json
    assert (job["is_active"], job["finished"]) == (False, False)
    assert reason in job["paused_reason"]
    assert (damaged in job["damaged"].split(", ")) if damaged else "damaged" not in job
    (alert,) = alerts_about(server, edited)
    assert f"job {edited['id']} was made inactive" in alert and reason in alert
    assert len(expect(server.get("/jobs"), 200).json["jobs"]) == 2
    expect(server.post(f"/jobs/{edited['id']}/trigger"), 409)
    assert server.get(f"/jobs/{edited['id']}/explain").status in (200, 409, 500)
    expect(server.get("/export"), 200)
    inspection = run_to_end("doctor", database)
    assert inspection.returncode == 1 and reason.split(",")[0] in inspection.stdout, inspection
    expect(server.delete(f"/jobs/{edited['id']}"), 204)
    expect(server.get(f"/jobs/{sound['id']}"), 200)
    server.stop()


def test_the_fields_that_are_damaged_put_it_right(fleet, target, database):
    server = fleet.start_on(database)
    job = create_job(server, target.url("/ok/right"), EVERY_SECOND, headers={"X-A": "1"})
    path = f"/jobs/{job['id']}"
    server.kill()
    edit(database, "UPDATE jobs SET headers = 'nonsense', tags = 'red'")

    server = fleet.start_on(database)
    expect(server.post(f"{path}/resume"), 409)
    refused = expect(server.patch(path, {"is_active": True}), 400).json
    assert "headers" in refused["detail"], refused
    expect(server.patch(path, {"is_active": True, "headers": {"X-A": "2"}}), 400)
    fields = {"is_active": True, "headers": {"X-A": "2"}, "tags": ["red"]}
    job = expect(server.patch(path, fields), 200).json
    assert (job["headers"], job["tags"], job.get("damaged")) == ({"X-A": "2"}, ["red"], None)
    (*_, arrival) = target.wait_for(len(target.arrivals("/ok/right")) + 1, "/ok/right", 10)
    assert arrival.headers["x-a"] == "2"
    server.stop()
    assert run_to_end("doctor", database).returncode == 0


def test_a_zone_that_is_there_again_needs_only_a_resume(fleet, target, tmp_path):
    database = tmp_path / "edited.db"
    server = fleet.start_on(database)
    job = create_job(server, target.url("/ok/zone"), EVERY_SECOND, timezone="Europe/Paris")
    path = f"/jobs/{job['id']}"
    server.kill()
    edit(database, "UPDATE jobs SET timezone = 'Mars/Olympus'")
    server = fleet.start_on(database)
    refused = expect(server.post(f"{path}/resume"), 400).json
    assert "Mars/Olympus" in refused["detail"]
    server.stop()
    edit(database, "UPDATE jobs SET timezone = 'Europe/Paris'")
    server = fleet.start_on(database)
    expect(server.post(f"{path}/resume"), 200)
    target.wait_for(len(target.arrivals("/ok/zone")) + 1, "/ok/zone", 10)
    assert len(alerts_about(server, job)) == 1
    server.stop()


def test_more_jobs_than_allowed_are_inactive(fleet, target, database):
    server = fleet.serve(database)
    jobs = [create_job(server, target.url("/ok/many")) for _ in range(4)]
    server.stop()
    server = fleet.serve(database, "--jobs-max", "2")
    server.wait_for_event("alert.raised")  # It is durable then, and so is what it tells of.
    active = [expect(server.get(f"/jobs/{j['id']}"), 200).json["is_active"] for j in jobs]
    assert active == [True, True, False, False]
    alerts = expect(server.get("/observability/alerts"), 200).json["alerts"]
    (alert,) = [a for a in alerts if a["kind"] == "job_unusable"]
    assert alert["message"].startswith("2 jobs were made inactive")
    expect(server.post(f"/jobs/{jobs[3]['id']}/resume"), 429)
    expect(server.delete(f"/jobs/{jobs[0]['id']}"), 204)
    expect(server.delete(f"/jobs/{jobs[1]['id']}"), 204)
    expect(server.post(f"/jobs/{jobs[3]['id']}/resume"), 200)
    server.stop()


@pytest.mark.parametrize(
    "sql, words",
    [
        ("status = 'DONE'", "status"),
        ("status = 'SUCCESS'", "without an end"),
        ("attempts = 70000, trigger = 'chance', started_at = -1", "trigger"),
    ],
)
def test_an_open_execution_that_was_edited_fails(fleet, target, tmp_path, sql, words):
    database = tmp_path / "edited.db"
    server = fleet.start_on(database)
    job = create_job(server, target.url("/hang/edited"))
    execution = trigger(server, job)
    target.wait_for(1, "/hang/edited", 10)
    server.kill()
    edit(database, f"UPDATE job_executions SET {sql} WHERE job_id = {job['id']}")
    server = fleet.start_on(database)
    (alert,) = wait_until(lambda: alerts_about(server, job, "failure"), 20, "an alert is there")
    assert execution in alert and words in alert
    expect(server.get("/executions"), 200)
    assert len(target.arrivals("/hang/edited")) == 1
    server.kill()


# --- While a server is running -------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql, damaged",
    [
        ("headers = 'nonsense'", "headers"),
        ("tags = '{', api = '', retry_strategy = 'never'", "retry_strategy, api, tags"),
        ("effective_from = -1, updated_at = 9e18", "updated_at, effective_from"),
    ],
)
def test_an_edit_under_a_running_server_does_not_end_it(fleet, target, tmp_path, sql, damaged):
    """It goes on with what it knows; what it shows names the column."""
    database = tmp_path / "edited.db"
    server = fleet.start_on(database)
    job = create_job(server, target.url("/ok/running"), EVERY_SECOND, headers={"X-A": "1"})
    edit(database, f"UPDATE jobs SET {sql}")
    path = f"/jobs/{job['id']}"
    assert expect(server.get(path), 200).json["damaged"] == damaged
    others = ("/jobs?limit=500", "/export", f"{path}/executions", f"{path}/explain", "/jobs?q=x")
    for other in others:
        expect(server.get(other), 200)
    arrivals = target.wait_for(len(target.arrivals("/ok/running")) + 1, "/ok/running", 10)
    assert arrivals[-1].headers["x-a"] == "1"
    server.kill()


# --- Every cell of every table -------------------------------------------------------------------

VALUES = {
    "INTEGER": (-1, 0, 2**63 - 1, -(2**63)),
    "TEXT": ("", "x", "\n:" * 3000),
    "BLOB": (b"", b"x"),
}


def cells(database):
    """(table, column, value) for every column and every value to try there."""
    with closing(sqlite3.connect(database)) as db:
        tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"
                                " AND name NOT LIKE 'sqlite_%'").fetchall()
        for (table,) in tables:
            for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})").fetchall():
                yield from ((table, name, value) for value in VALUES[kind])


def force(database, table, column, value):
    """Writes the value into every row, whatever the tables say about it. What was there before,
    to be given to `restore`, or None when nothing lets it in."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as db:
        db.execute("PRAGMA ignore_check_constraints = 1")
        before = db.execute(f"SELECT * FROM {table}").fetchall()
        try:
            db.execute(f"UPDATE {table} SET {column} = ?", (value,))
        except sqlite3.IntegrityError:
            return None
        return before


def restore(database, table, rows):
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as db:
        db.execute("PRAGMA ignore_check_constraints = 1")
        db.execute("BEGIN")
        db.execute(f"DELETE FROM {table}")
        if rows:
            marks = ",".join("?" * len(rows[0]))
            db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        db.execute("COMMIT")


def make_rows(server, target):
    """A row in every table; returns the questions about them."""
    job = create_job(
        server, target.url("/status/500/x"), max_retries=1, retry_base_ms=1, headers={"A": "1"},
        tags=["red"], success_status="200", body={"a": 1}, timezone="Europe/Paris", name="first",
    )
    headers = {"Idempotency-Key": "k"}
    execution = expect(server.post(f"/jobs/{job['id']}/trigger", headers=headers), 202).json
    wait_for_end(server, execution["execution_id"], 10)
    path = f"/jobs/{job['id']}"
    return path, (
        "/jobs", path, f"{path}/executions", f"{path}/alerts", f"{path}/explain", "/export",
        "/executions", f"/executions/{execution['execution_id']}", "/observability/alerts",
        "/observability/metrics", "/jobs?tag=red&q=first", "/executions?status=FAILED",
        "/audit", "/audit?job_id=1", "/audit?action=job.create",
    )  # fmt: skip


def test_no_cell_ends_a_running_server(fleet, target, tmp_path):
    database = tmp_path / "edited.db"
    server = fleet.start_on(database)
    path, questions = make_rows(server, target)
    headers = {"Idempotency-Key": "k"}
    for table, column, value in cells(database):
        before = force(database, table, column, value)
        if before is None or table == "progress":
            continue  # The server writes that row itself.
        for question in questions:
            status = server.get(question).status
            assert status in (200, 404, 409, 500, 503), (table, column, value, question, status)
        again = server.post(f"{path}/trigger", headers=headers) if table == "client_keys" else None
        assert again is None or again.status in (202, 422, 500), (column, value, again)
        restore(database, table, before)
    assert server.is_running
    server.kill()


@pytest.mark.parametrize("table", ["jobs", "job_executions", "job_versions", "progress", "alerts"])
def test_no_cell_ends_a_start_but_in_words(fleet, target, tmp_path, table):
    """It comes up and answers, or says what is wrong and ends with 1."""
    database = tmp_path / "edited.db"
    server = fleet.start_on(database)
    make_rows(server, target)
    hanging = create_job(server, target.url("/hang/x"), max_in_flight=1)
    trigger(server, hanging)
    trigger(server, hanging)
    target.wait_for(1, "/hang/x", 10)
    server.kill()
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for number, (name, column, value) in enumerate(cells(database)):
        if name != table:
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_bytes(content)
        if force(folder / database.name, table, column, value) is not None:
            assert run_to_end("doctor", folder / database.name).returncode in (0, 1)
            check_start(fleet, folder / database.name, (column, value))


def check_start(fleet, database, what):
    server = fleet.start(*server_arguments(database))
    try:
        server.wait_until_listening()
    except AssertionError:
        assert server.wait() == 1, (what, server.log_tail())
        (failed,) = server.events("server.start_failed")
        assert failed["detail"], what
        return
    create_job(server, "http://127.0.0.1:4/")
    for question in ("/jobs", "/executions", "/observability/alerts"):
        assert server.get(question).status in (200, 500), (what, question, server.log_tail())
    assert server.is_running, what
    server.kill()


# --- The doctor ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql, words",
    [
        ("UPDATE jobs SET headers = 'nonsense'", "table jobs, row 1: headers"),
        ("UPDATE jobs SET api = 'x', timeout_ms = 0", "table jobs, row 1: timeout_ms, api"),
        ("UPDATE jobs SET timezone = 'Mars/Olympus'", "unknown time zone 'Mars/Olympus'"),
        ("UPDATE jobs SET schedule = 'whenever'", "a schedule cannot be read"),
        ("UPDATE job_executions SET trigger = 'chance'",
         "table job_executions, row 1: trigger holds 'chance'"),
        ("UPDATE job_executions SET first_http_status = -1",
         "table job_executions, row 1: first_http_status holds '-1'"),
        ("UPDATE job_executions SET first_duration_ms = NULL",
         "table job_executions, row 1: first_duration_ms holds 'NULL'"),
        ("UPDATE job_attempts SET http_status = -1",
         "table job_attempts, row 1: http_status holds '-1'"),
        ("UPDATE alerts SET kind = 'joy'", "table alerts, row 1: kind holds 'joy'"),
        ("UPDATE audit SET action = 'joy'", "table audit, row 1: action holds 'joy'"),
        ("UPDATE progress SET watermark = -5", "table progress, row 1: watermark holds '-5'"),
    ],
)
def test_the_doctor_names_row_and_column(fleet, target, tmp_path, sql, words):
    database = tmp_path / "edited.db"
    server = fleet.start_on(database)
    job = create_job(server, target.url("/status/500/x"), max_retries=1, retry_base_ms=1)
    wait_for_end(server, trigger(server, job), 10)
    server.stop()
    edit(database, sql)
    end = run_to_end("doctor", database)
    assert end.returncode == 1 and words in end.stdout, end.stdout
    assert "nonsense" not in end.stdout  # It may be a credential.
