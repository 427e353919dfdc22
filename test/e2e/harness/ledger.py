# SPDX-License-Identifier: MIT
"""The database file, read after the program has ended: what is durable, in its own words."""

import sqlite3
from contextlib import closing

# Each of these must find nothing, at any moment of any database's life.
BROKEN_PROMISES = {
    "an instant of a job has two rows": """
        SELECT job_id, scheduled_at, count(*) FROM job_executions WHERE series >= 0
        GROUP BY job_id, scheduled_at, series HAVING count(*) > 1""",
    "a manual execution has two rows": """
        SELECT job_id, series, count(*) FROM job_executions WHERE series < 0
        GROUP BY job_id, series HAVING count(*) > 1""",
    "a failed or missed execution has no alert": """
        SELECT id FROM job_executions WHERE status IN ('FAILED', 'MISSED')
        AND id NOT IN (SELECT execution_id FROM alerts WHERE execution_id IS NOT NULL)
        AND (status = 'MISSED' OR job_id NOT IN (SELECT id FROM jobs WHERE alert_after > 1))""",
    "a row has ended and yet has not": """
        SELECT id FROM job_executions
        WHERE (status IN ('PENDING', 'RUNNING')) != (completed_at IS NULL)""",
    "a request was sent early": """
        SELECT id FROM job_executions WHERE started_at < scheduled_at""",
}


def read(database, query, *values):
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


def check_sound(database):
    assert read(database, "PRAGMA integrity_check") == [("ok",)]
    assert read(database, "PRAGMA foreign_key_check") == []
    for promise, query in BROKEN_PROMISES.items():
        assert read(database, query) == [], promise


def check_all_ended(database, until_ms):
    """Nothing that was due by then is unfinished."""
    query = "SELECT id FROM job_executions WHERE completed_at IS NULL AND scheduled_at <= ?"
    assert read(database, query, until_ms) == []
