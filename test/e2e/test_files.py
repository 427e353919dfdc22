# SPDX-License-Identifier: MIT
"""Who can read and lock the files of a database: they hold the credentials of all jobs."""

import contextlib
import fcntl
import os
import signal
import tempfile
from pathlib import Path

import pytest
from harness.jobs import create_job
from harness.program import run_to_end

NOBODY = 65534


def mode(path):
    return path.stat().st_mode & 0o777


def files_of(database):
    return {path.name: oct(mode(path)) for path in database.parent.iterdir()}


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_every_file_is_its_owners_alone(fleet, target, tmp_path, no_umask):
    database = tmp_path / "private" / "a.db"
    database.parent.mkdir()
    server = fleet.serve(database)
    create_job(server, target.url("/"))
    assert run_to_end("backup", database.parent / "copy.db", "--db", database).returncode == 0
    names = ["a.db", "a.db-shm", "a.db-wal", "a.db.lock", "copy.db"]
    assert files_of(database) == {name: "0o600" for name in names}
    assert server.events("file.open_to_others") == []
    server.stop()


def test_a_backup_of_a_database_open_to_others_is_its_owners_alone(server, database, tmp_path):
    database.chmod(0o644)
    assert run_to_end("backup", tmp_path / "copy.db", "--db", database).returncode == 0
    assert mode(tmp_path / "copy.db") == 0o600


def test_a_database_open_to_others_is_warned_of(fleet, database):
    fleet.serve(database).stop()
    database.chmod(0o640)
    server = fleet.serve(database)
    (warning, *_) = server.events("file.open_to_others")
    assert (warning["path"], warning["mode"]) == (str(database), "0640")
    assert "chmod 600" in warning["detail"]
    assert mode(database) == 0o640  # Perhaps somebody wants it so.
    server.stop()


def hold_all_locks(paths):
    """Tries every lock there is on each path, and keeps those that it gets."""
    for path in paths:
        for flags in (os.O_RDONLY, os.O_RDWR):
            for lock in (fcntl.flock, fcntl.lockf):
                for how in (fcntl.LOCK_SH, fcntl.LOCK_EX):
                    with contextlib.suppress(OSError):
                        lock(os.open(path, flags), how | fcntl.LOCK_NB)


class Stranger:
    """A process of another user that holds what locks it can."""

    def __init__(self, *paths):
        ready, done = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            hold_all_locks(paths)
            os.write(done, b"y")
            signal.pause()
        assert os.read(ready, 1) == b"y"
        os.close(ready)
        os.close(done)

    def end(self):
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


@pytest.fixture
def public_folder():
    """One that every user can look into, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="carillon-files-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_who_cannot_write_the_database_cannot_keep_a_server_from_it(fleet, public_folder):
    database = public_folder / "a.db"
    fleet.serve(database).stop()
    stranger = Stranger(database, public_folder / "a.db.lock")
    try:
        fleet.serve(database).stop()
    finally:
        stranger.end()
