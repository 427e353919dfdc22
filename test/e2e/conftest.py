# SPDX-License-Identifier: MIT
"""Fixtures: a target, servers of a test's own, and one server for tests that only talk to the API.

Every process that a test starts is ended by its own process id when the test is over, and its log
is then searched for the words of a sanitizer.
"""

import pytest
from harness.program import BINARY, Program, server_arguments
from harness.target import Target


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"there is no {BINARY}; build it, or set CARILLON_BIN", returncode=2)


@pytest.fixture
def target():
    with Target() as t:
        yield t


class Fleet:
    """The programs of one test. Only those which are still running at its end are killed."""

    def __init__(self):
        self.programs = []

    def serve(self, database, *arguments, **options):
        """A server that is listening."""
        return self.start(*server_arguments(database, *arguments), **options).wait_until_listening()

    def start(self, *arguments, **options):
        self.programs.append(Program(*arguments, **options))
        return self.programs[-1]

    def end(self):
        for program in self.programs:
            if program.is_running:
                program.kill()
        for program in self.programs:
            program.check_sanitizers()


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
