# SPDX-License-Identifier: MIT
"""Fixtures: a target, servers of a test's own, and one server for tests that only talk to the API.

Every process that a test starts is ended by its own process id when the test is over.
"""

import itertools
from pathlib import Path

import pytest
from harness import ledger
from harness.keys import new_keys
from harness.postgres import Postgres
from harness.program import BINARY, Program, run_to_end, server_arguments
from harness.target import Target


def pytest_sessionstart():
    if not BINARY.exists():
        pytest.exit(f"there is no {BINARY}; build it, or set CARILLON_BIN", returncode=2)


@pytest.fixture
def target():
    with Target() as t:
        yield t


class Fleet:
    """The programs of one test, and their databases. At its end those which are still running are
    killed; then no sanitizer may have had anything to say, and the databases must be sound, with a
    record of every occurrence that their jobs owed."""

    def __init__(self):
        self.programs = []
        self.databases = set()

    def serve(self, database, *arguments, **options):
        """A server that is listening."""
        self.databases.add(database)
        return self.start(*server_arguments(database, *arguments), **options).wait_until_listening()

    def start_on(self, database, *arguments, **options):
        """The same on a database that will not be sound, and is not looked at in the end."""
        arguments = server_arguments(database, *arguments)
        return self.start(*arguments, **options).wait_until_listening()

    def start(self, *arguments, **options):
        self.programs.append(Program(*arguments, **options))
        return self.programs[-1]

    def end(self):
        for program in self.programs:
            if program.is_running:
                program.kill()
        for program in self.programs:
            program.check_sanitizers()
        for database in filter(Path.exists, self.databases):
            ledger.check_sound(database)
            end = run_to_end("doctor", database)
            assert end.returncode == 0, end.stdout


@pytest.fixture
def fleet():
    f = Fleet()
    try:
        yield f
    finally:
        f.end()


@pytest.fixture
def database(tmp_path):
    return tmp_path / "carillon.db"


@pytest.fixture
def keys(tmp_path):
    """A file with a key of its own, to seal secrets with."""
    return new_keys(tmp_path / "keys")


@pytest.fixture
def server(fleet, database):
    """A server of the test's own, on a new database; it must be able to stop in order."""
    s = fleet.serve(database)
    yield s
    if s.is_running:
        s.stop()


@pytest.fixture(scope="session")
def shared_target():
    with Target() as t:
        yield t


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    """One server for every test that neither restarts it nor counts what is in it."""
    fleet = Fleet()
    try:
        s = fleet.serve(tmp_path_factory.mktemp("shared") / "carillon.db")
        yield s
        s.stop()
    finally:
        fleet.end()


database_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres():
    """A server of PostgreSQL for every test that neither stops it nor fills it."""
    with Postgres() as server:
        yield server


@pytest.fixture
def cluster_url(postgres):
    """The URL of a new database in it."""
    return postgres.make_database(f"t{next(database_numbers)}")
