# SPDX-License-Identifier: MIT
"""Tokens on the command line: made, listed, revoked, with and without a server on the database."""

import re
import sqlite3

import pytest
from harness.program import run_to_end

SECRET = re.compile(r"car_[\w-]{49}")


def tokens(*arguments, code=0):
    end = run_to_end("tokens", *arguments)
    assert end.returncode == code, end
    return end.stdout if code == 0 else end.stderr


def create(database, name, scope, *flags):
    secret = tokens("create", "--name", name, "--scope", scope, "--db", database, *flags).strip()
    assert SECRET.fullmatch(secret)
    return secret


def listed(database):
    """{name: state}"""
    lines = tokens("list", "--db", database).splitlines()[1:]
    return {line.split()[-1]: line.split()[1] for line in lines}


def test_the_first_token_makes_the_database_and_only_its_digest_is_kept(database):
    secret = create(database, "ops", "admin")
    assert listed(database) == {"ops": "live"}
    assert oct(database.stat().st_mode & 0o777) == "0o600"
    for file in database.parent.glob(f"{database.name}*"):
        assert secret.encode() not in file.read_bytes()
    assert run_to_end("doctor", database).returncode == 0


def test_a_token_is_made_and_revoked_beside_a_server(server, database):
    first, second = create(database, "ops", "admin"), create(database, "deploy", "write")
    assert first != second
    assert "a token has this name" in tokens(
        "create", "--name", "ops", "--scope", "read", "--db", database, code=1
    )
    assert "every server refuses it" in tokens("revoke", "deploy", "--db", database)
    assert "no token" in tokens("revoke", "deploy", "--db", database, code=1)
    assert listed(database) == {"ops": "live", "deploy": "revoked"}
    create(database, "deploy", "write")  # The name is free again.
    assert server.is_running


def test_a_token_is_named_by_its_number_too_and_ends_by_itself(database):
    create(database, "brief", "trigger", "--expires", "1ms", "--tag", "team-a")
    create(database, "ops", "admin", "--expires", "90d")
    tokens("revoke", "2", "--db", database)
    assert listed(database) == {"brief": "expired", "ops": "revoked"}


@pytest.mark.parametrize(
    "flags, complaint",
    [
        ((), "--name and --scope are needed"),
        (("--name", "x", "--scope", "none"), "--scope is one of"),
        (("--name", "", "--scope", "read"), "--name has 1 to 100 bytes"),
        (("--name", "\x1b[2J", "--scope", "read"), "without control characters"),
        (("--name", "a\nb", "--scope", "read"), "without control characters"),
        (("--name", "\x85", "--scope", "read"), "without control characters"),
        (("--name", "\udcff", "--scope", "read"), "of UTF-8"),
        (("--name", "x", "--scope", "read", "--tag", "\udcff"), "of UTF-8"),
        (("--name", "x", "--scope", "read", "--expires", "soon"), "--expires is a time"),
        (("--name", "x", "--scope", "read", "--tag", ""), "--tag has 1 to 64 bytes"),
        (("--name", "x", "--scope", "admin", "--tag", "a"), "bound to no tag"),
        (("--name", "x", "--scope", "read", "--executions-per-second", "0"), "from 1 to 100000"),
        (("--name", "x", "--scope", "read", "--executions-per-second", "1e3"), "from 1 to 100000"),
        (("--name", "x", "--scope", "read", "--executions-per-second", "-1"), "from 1 to 100000"),
        (("--name", "x", "--scope", "read", "--max-jobs", "0"), "from 1 to 1000000000"),
        (("--name", "x", "--scope", "read", "--max-bytes", "1k"), "from 1 to 1099511627776"),
    ],
)
def test_what_cannot_be_a_token_makes_nothing(database, flags, complaint):
    assert complaint in tokens("create", *flags, "--db", database, code=2)
    assert not database.exists()


def test_nothing_is_listed_or_revoked_where_there_is_no_database(database):
    for what in (["list"], ["revoke", "ops"]):
        assert "no such database" in tokens(*what, "--db", database, code=1)
    assert not database.exists()


def test_a_database_of_an_older_version_is_not_touched_beside_its_server(server, database):
    """Only who has the database alone may change its tables."""
    with sqlite3.connect(database) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version = {version - 1}")
    try:
        assert "older version" in tokens("list", "--db", database, code=1)
    finally:
        with sqlite3.connect(database) as db:
            db.execute(f"PRAGMA user_version = {version}")
