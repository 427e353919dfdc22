# SPDX-License-Identifier: MIT
"""`carillon doctor` and `carillon backup`: is the database sound, and can it be copied?"""

import os
import random
import re
import sqlite3
import time
from contextlib import closing

import pytest
from harness import ledger
from harness.jobs import create_job, create_jobs, expect, list_executions
from harness.program import run_to_end
from harness.times import EVERY_SECOND, NEVER_SOON, now_ms, parse_ms
from harness.wait import wait_until, wait_until_clock

PAGE = 4096
SUMMARY = re.compile(
    r"^jobs=(\d+) occurrences=(\d+) rows=(\d+) missed_ranges=(\d+) gaps=(\d+)$", re.M
)


class Report:
    def __init__(self, end):
        self.code = end.returncode
        self.text = end.stdout
        assert end.stderr == ""
        found = SUMMARY.search(end.stdout)
        names = ("jobs", "occurrences", "rows", "missed_ranges", "gaps")
        self.figures = dict(zip(names, map(int, found.groups()))) if found else None

    @property
    def gaps(self):
        return re.findall(r"^GAP +job (\d+) at (\S+):", self.text, re.M)

    def __repr__(self):
        return f"exit code {self.code}\n{self.text}"


def doctor(database):
    return Report(run_to_end("doctor", database))


def check_sound(database):
    report = doctor(database)
    assert report.code == 0, report
    assert report.figures["gaps"] == 0, report
    assert report.text.splitlines()[-1] == f"{database} is sound"
    return report.figures


def every_second(target, count, **fields):
    body = {"schedule": EVERY_SECOND, "api": target.url("/ok"), "max_retries": 0, **fields}
    return [body] * count


def meddle(database, *statements):
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            connection.execute(*statement)
        connection.commit()


# --- A sound ledger ------------------------------------------------------------------------------


@pytest.mark.slow
def test_after_kill_9_and_edits_nothing_is_lost(fleet, database, target):
    """Jobs of every policy, edited in the midst of it, under kill -9: every occurrence of every
    version has a record, while the server runs and while it does not."""
    seed = int(os.environ.get("CARILLON_E2E_SEED", time.time()))
    print(f"seed {seed}: repeat with CARILLON_E2E_SEED={seed}")
    generator = random.Random(seed)
    server = fleet.serve(database)
    jobs = create_jobs(
        server,
        every_second(target, 20)
        + every_second(target, 5, catch_up="none")
        + every_second(target, 5, catch_up="latest")
        + every_second(target, 5, max_runs=3)
        + every_second(target, 5, type="ATMOST_ONCE"),
    )
    for n in range(6):
        wait_until_clock(now_ms() + generator.randrange(300, 1500))
        pick = generator.sample(jobs, 8)
        for job in pick[:4]:
            server.post(f"/jobs/{job['id']}/{'pause' if n % 2 else 'resume'}")
        for job in pick[4:7]:
            every = generator.choice(["* * * * * *", "*/2 * * * * *", "1-59/2 * * * * *"])
            server.patch(f"/jobs/{job['id']}", {"schedule": every})
        server.delete(f"/jobs/{pick[7]['id']}")
        check_sound(database)
        server.kill()
        check_sound(database)
        wait_until_clock(now_ms() + generator.randrange(4000 if n == 2 else 500))
        server = fleet.serve(database)
    figures = check_sound(database)
    assert figures["jobs"] == len(jobs)  # Deleted ones are accounted for, too.
    assert figures["occurrences"] > 100
    server.stop()
    assert check_sound(database)["occurrences"] >= figures["occurrences"]


@pytest.mark.slow
def test_a_range_that_was_given_up_is_no_gap(fleet, database, target):
    server = fleet.serve(database)
    job = create_jobs(server, every_second(target, 1, catch_up="none"))[0]
    wait_until(lambda: list_executions(server, job), 10, "it ran")
    server.kill()
    wait_until_clock(now_ms() + 6000)
    server = fleet.serve(database)
    wait_until(lambda: list_executions(server, job, status="MISSED"), 10, "a range was missed")
    figures = check_sound(database)
    assert figures["missed_ranges"] == 1
    assert figures["occurrences"] > figures["rows"]
    server.stop()


def test_a_quiet_server_is_sound(fleet, database):
    server = fleet.serve(database)
    create_job(server, "http://127.0.0.1:4/x", NEVER_SOON)
    assert check_sound(database) == {
        "jobs": 1,
        "occurrences": 0,
        "rows": 0,
        "missed_ranges": 0,
        "gaps": 0,
    }
    server.stop()


# --- What is not sound ---------------------------------------------------------------------------


@pytest.fixture
def filled(fleet, database, target):
    """A database with some executions, whose server has stopped; and its job."""
    server = fleet.serve(database)
    job = create_jobs(server, every_second(target, 1))[0]
    wait_until(lambda: len(list_executions(server, job)) >= 4, 15, "it ran four times")
    server.stop()
    check_sound(database)
    fleet.databases.discard(database)  # It will not be sound at the end.
    return database, job


def test_a_row_that_somebody_deleted_is_a_gap(filled):
    database, job = filled
    [(row, at)] = ledger.read(
        database, "SELECT id, scheduled_at FROM job_executions ORDER BY id LIMIT 1 OFFSET 1"
    )
    meddle(
        database,
        ("DELETE FROM job_attempts WHERE execution_id = ?", (row,)),
        ("DELETE FROM job_executions WHERE id = ?", (row,)),
    )
    report = doctor(database)
    assert report.code == 1
    assert report.figures["gaps"] == 1
    assert [(int(id), parse_ms(when)) for id, when in report.gaps] == [(job["id"], at)]
    assert report.text.splitlines()[-1] == f"{database} is not sound"


def test_a_hundred_gaps_are_shown_and_all_are_counted(filled):
    database, _ = filled
    meddle(database, ("UPDATE job_versions SET from_at = from_at - 3600000",))
    report = doctor(database)
    assert report.code == 1
    assert len(report.gaps) == 100
    assert report.figures["gaps"] == 3600
    assert "GAP      and 3500 more" in report.text


def test_a_missing_index_is_named(filled):
    database, _ = filled
    meddle(database, ("DROP INDEX idx_job_executions_scheduled_at",))
    report = doctor(database)
    assert report.code == 1
    assert "the index idx_job_executions_scheduled_at is missing" in report.text
    assert report.figures["gaps"] == 0


def test_an_overwritten_page_is_named_with_what_to_do(filled):
    database, _ = filled
    with open(database, "r+b") as file:
        file.seek(PAGE * 8)
        file.write(b"\xde\xad\xbe\xef" * (PAGE // 4))
    report = doctor(database)
    assert report.code == 1
    assert "damaged" in report.text and str(database) in report.text
    assert "restore a backup" in report.text and ".dump" in report.text
    assert report.figures is None  # What a damaged file says proves nothing.
    refused = run_to_end("backup", f"{database}.backup", "--db", database)
    assert refused.returncode == 1
    assert "damaged" in refused.stderr


def test_a_cut_file_is_named_with_what_to_do_also_by_the_server(filled):
    database, _ = filled
    os.truncate(database, PAGE * 5)
    report = doctor(database)
    assert report.code == 1
    start = run_to_end("serve", "--listen", "127.0.0.1:0", "--db", database)
    assert start.returncode == 1
    for text in (report.text, start.stderr):
        assert str(database) in text
        assert "damaged" in text
        assert "carillon backup" in text and ".dump" in text


@pytest.mark.parametrize(
    "arguments", [[], ["--no-such-flag"], ["one", "two"], ["/no/such/file"], ["-"]]
)
def test_a_wrong_question_is_told_apart_from_a_bad_answer(arguments):
    assert run_to_end("doctor", *arguments).returncode == 2


# --- Backups -------------------------------------------------------------------------------------


def test_a_running_server_can_be_backed_up_and_goes_on_from_it(fleet, database, target, tmp_path):
    server = fleet.serve(database)
    job = create_jobs(server, every_second(target, 1))[0]
    wait_until(lambda: list_executions(server, job), 10, "it ran")
    copy = tmp_path / "copy.db"
    end = run_to_end("backup", copy, "--db", database)
    assert end.returncode == 0, end
    bytes_, ms = re.fullmatch(r".*: (\d+) bytes in (\d+) ms, checked\n", end.stdout).groups()
    assert int(bytes_) == copy.stat().st_size
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]
    check_sound(copy)
    kept = {e["id"] for e in list_executions(server, job)}
    server.stop()

    restored = fleet.serve(copy)
    again = expect(restored.get(f"/jobs/{job['id']}"), 200).json
    assert again["schedule"] == EVERY_SECOND
    # It knows what it ran, and catches up with what came after the copy under the same keys.
    ids = {e["id"] for e in list_executions(restored, job)}
    assert len(ids & kept) >= 1
    restored.stop()
    check_sound(copy)


@pytest.mark.slow
def test_a_restored_server_repeats_nothing_when_told_so(fleet, database, target, tmp_path):
    """As docs/operations.md says: what came after the backup becomes a missed range."""
    server = fleet.serve(database)
    job = create_jobs(server, every_second(target, 1))[0]
    wait_until(lambda: list_executions(server, job), 10, "it ran")
    copy = tmp_path / "copy.db"
    assert run_to_end("backup", copy, "--db", database).returncode == 0
    wait_until(lambda: len(target.arrivals("/ok")) >= 6, 15, "it ran on")
    server.stop()
    wait_until_clock(now_ms() + 4000)  # What has only just come due is not late, and would run.
    meddle(copy, ("UPDATE jobs SET catch_up = 'none'",))
    restored = fleet.serve(copy)
    wait_until(lambda: list_executions(restored, job, status="MISSED"), 10, "a range was missed")
    restored.stop()
    # But for what was planned, up to 2.5 s ahead, and not over at the moment of the backup.
    repeated = [len(a) for a in target.arrivals_by_key().values() if len(a) > 1]
    assert len(repeated) <= 3
    assert check_sound(copy)["missed_ranges"] == 1


def test_a_backup_writes_over_nothing(server, database, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("precious")
    end = run_to_end("backup", taken, "--db", database)
    assert end.returncode == 1
    assert str(taken) in end.stderr
    assert taken.read_text() == "precious"


def test_the_database_to_back_up_can_be_set_by_the_environment(server, database, tmp_path):
    copy = tmp_path / "copy.db"
    end = run_to_end("backup", copy, environment={"CARILLON_DB": str(database)})
    assert end.returncode == 0, end
    assert copy.exists()


@pytest.mark.parametrize(
    "arguments",
    [[], ["a", "b"], ["a", "--db"], ["a", "--no-such-flag"], ["a", "--db", "/no/such/file"]],
)
def test_a_wrong_use_of_backup_is_told(arguments):
    end = run_to_end("backup", *arguments)
    assert end.returncode == 2
    assert "carillon backup" in end.stderr
