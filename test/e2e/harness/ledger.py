# SPDX-License-Identifier: MIT
"""The database file, read after the program has ended: what is durable, in its own words."""

import sqlite3
from contextlib import closing


def read(database, query):
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def check_sound(database):
    """The file is whole, no instant of a job has two rows, and each row belongs to a key."""
    assert read(database, "PRAGMA integrity_check") == [("ok",)]
    twice = """SELECT job_id, scheduled_at, count(*) FROM job_executions
               GROUP BY job_id, scheduled_at HAVING count(*) > 1"""
    assert read(database, twice) == []


def count_executions(database):
    return read(database, "SELECT count(*) FROM job_executions")[0][0]
