# SPDX-License-Identifier: MIT
"""A backup in the place of the database: never beside the log of another."""

import os

from harness import ledger
from harness.jobs import create_job, expect, trigger, wait_for_end
from harness.program import run_to_end


def names_of(server):
    jobs = expect(server.get("/jobs?limit=500"), 200).json["jobs"]
    return [job["name"] for job in jobs]


def restore(backup, database, code=0):
    end = run_to_end("restore", backup, "--db", database)
    assert end.returncode == code, end
    return end.stdout if code == 0 else end.stderr


def make_backup(server, database, backup):
    create_job(server, "http://127.0.0.1:4/", name="before")
    assert run_to_end("backup", backup, "--db", database).returncode == 0
    create_job(server, "http://127.0.0.1:4/", name="after")


def test_a_backup_replaces_a_database_and_its_log(fleet, target, database, tmp_path):
    """The log of the server that crashed goes with the database that it belongs to."""
    backup = tmp_path / "backup.db"
    server = fleet.serve(database)
    make_backup(server, database, backup)
    wait_for_end(server, trigger(server, create_job(server, target.url("/ok/x"), name="ran")), 10)
    server.kill()
    assert (tmp_path / f"{database.name}-wal").stat().st_size > 0

    words = restore(backup, database)
    assert "restored" in words and "checked" in words
    (kept,) = [p for p in tmp_path.glob(f"{database.name}.replaced-*") if p.name.endswith("Z")]
    assert str(kept) in words
    assert sorted(p.name for p in tmp_path.iterdir() if "restor" in p.name) == []
    assert oct(database.stat().st_mode & 0o777) == "0o600"

    server = fleet.serve(database)
    assert names_of(server) == ["before"]
    server.stop()
    server = fleet.serve(kept)  # With all that was in its log.
    assert names_of(server) == ["before", "after", "ran"]
    server.stop()
    assert backup.exists()
    ledger.check_sound(kept)


def test_a_running_server_is_left_alone(fleet, database, tmp_path):
    backup = tmp_path / "backup.db"
    server = fleet.serve(database)
    make_backup(server, database, backup)
    before = sorted(os.listdir(tmp_path))
    words = restore(backup, database, code=1)
    assert f"in use by another server, process {server.process.pid}" in words
    assert sorted(os.listdir(tmp_path)) == before
    assert names_of(server) == ["before", "after"]
    server.stop()


def test_what_is_no_backup_replaces_nothing(fleet, database, tmp_path):
    backup = tmp_path / "backup.db"
    server = fleet.serve(database)
    make_backup(server, database, backup)
    server.stop()
    torn, text, empty = (tmp_path / name for name in ("torn.db", "text.db", "empty.db"))
    whole = backup.read_bytes()
    middle = len(whole) // 2 // 4096 * 4096
    torn.write_bytes(whole[:middle] + b"\xa5" * 4096 + whole[middle + 4096 :])
    text.write_text("nothing of this is a database, and it is longer than a head of one " * 9)
    empty.write_bytes(b"")
    before = sorted(os.listdir(tmp_path))
    for file, words in (
        (torn, "damaged"),
        (text, "not a database"),
        (empty, "no database of Carillon"),
        (tmp_path / "missing.db", "No such file"),
        (tmp_path, "not a regular file"),
        (database, "the database itself"),
    ):
        assert words in restore(file, database, code=1), file
        assert sorted(os.listdir(tmp_path)) == before, file
    server = fleet.serve(database)
    assert names_of(server) == ["before", "after"]
    server.stop()


def test_what_is_no_database_is_not_replaced(fleet, database, tmp_path):
    """A folder that is named instead of the database in it stays where it is."""
    backup = tmp_path / "backup.db"
    server = fleet.serve(database)
    make_backup(server, database, backup)
    server.stop()
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    before = sorted(os.listdir(tmp_path))
    for place, words in ((folder, "is a folder, not a database"), (pipe, "not a regular file")):
        assert words in restore(backup, place, code=1)
        (tmp_path / f"{place.name}.lock").unlink()
        assert sorted(os.listdir(tmp_path)) == before


def test_a_backup_makes_a_database_where_there_was_none(fleet, database, tmp_path):
    backup = tmp_path / "backup.db"
    server = fleet.serve(database)
    make_backup(server, database, backup)
    server.stop()
    new = tmp_path / "elsewhere" / "new.db"
    new.parent.mkdir()
    assert "kept" not in restore(backup, new)
    server = fleet.serve(new)
    assert names_of(server) == ["before"]
    server.stop()


def test_two_restores_keep_two_databases(fleet, database, tmp_path):
    backup = tmp_path / "backup.db"
    server = fleet.serve(database)
    make_backup(server, database, backup)
    server.stop()
    assert restore(backup, database) != restore(backup, database)
    assert len(list(tmp_path.glob(f"{database.name}.replaced-*"))) == 2


def test_the_help_of_backup_and_restore_say_the_same():
    assert "carillon restore FILE" in run_to_end("backup", "--help").stdout
    words = run_to_end("restore", "--help").stdout
    assert "Usage: carillon restore FILE [--db DB]" in words
    assert run_to_end("restore").returncode == 2
    assert run_to_end("restore", "a", "b").returncode == 2
