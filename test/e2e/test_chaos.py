# SPDX-License-Identifier: MIT
"""A short run of `./dev chaos`: nothing is lost, whatever happens to the server."""

import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from harness.chaos import COMMAND, run_side_by_side
from harness.times import now_ms, parse_ms, wall_text
from harness.wait import wait_until_clock

SECONDS_MAX = 300
SCENARIOS = [
    ("kills", "nth-call", "target", "back-300", "full-disk", "edits"),
    ("at-most-once", "stop", "back-7200", "midnight", "ahead-600", "broken-disk"),
]


@pytest.mark.slow
def test_nothing_is_lost_in_a_short_chaos():
    run_side_by_side(8, SCENARIOS, SECONDS_MAX)


# --- The verdict itself: what it must find when it is there --------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three seconds of a quiet server, ended in order."""
    sys.path.insert(0, str(COMMAND.parent))
    from world import World

    with World(tmp_path_factory.mktemp("quiet"), seed=1) as quiet:
        quiet.start()
        for job_type in ("ATLEAST_ONCE", "ATMOST_ONCE"):
            quiet.create("ok", job_type)
        wait_until_clock(now_ms() + 3000)
        quiet.settle()
        assert quiet.judge().problems == []
        yield quiet


def judge_changed(world, tmp_path, change="", arrivals=None):
    """The verdict when the database, or what the target saw, had been different."""
    from verdict import Ledger, judge

    database = tmp_path / "changed.db"
    shutil.copy(world.database, database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(change)
    seen = world.arrivals() if arrivals is None else arrivals
    return judge(world.jobs, Ledger.of_file(database), seen, lambda at_ms: at_ms)


SOME_ROW = "(SELECT min(id) FROM job_executions WHERE status = 'SUCCESS')"


@pytest.mark.parametrize(
    "change",
    [
        f"DELETE FROM job_attempts WHERE execution_id = {SOME_ROW};"
        f"DELETE FROM job_executions WHERE id = {SOME_ROW}",
        f"UPDATE job_executions SET status = 'RUNNING', completed_at = NULL WHERE id = {SOME_ROW}",
    ],
)
def test_a_lost_record_is_found(world, tmp_path, change):
    verdict = judge_changed(world, tmp_path, change)
    assert verdict.lost == 1 and verdict.recorded == verdict.expected - 1


def test_a_record_that_is_not_owed_is_found(world, tmp_path):
    yesterday = "scheduled_at = scheduled_at - 86400000"
    change = f"UPDATE job_executions SET {yesterday} WHERE id = {SOME_ROW}"
    verdict = judge_changed(world, tmp_path, change)
    assert any(problem.startswith("not owed") for problem in verdict.problems)


def test_a_request_that_never_came_is_found(world, tmp_path):
    verdict = judge_changed(world, tmp_path, arrivals=world.arrivals()[1:])
    assert verdict.lost == 1 and verdict.delivered == verdict.expected - 1


def of_type(world, at_most_once):
    return next(a for a in world.arrivals() if world.jobs[a.job_id].at_most_once == at_most_once)


def changed(arrival, **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(arrival, headers={**arrival.headers, **names})


@pytest.mark.parametrize(
    "headers, found",
    [
        ({"carillon_attempt": "2", "carillon_fence": "2"}, None),
        ({}, "unlabelled"),
        ({"carillon_fence": "2"}, "unlabelled"),
        ({"carillon_attempt": "2", "idempotency_key": '"1-m7"'}, None),
        ({"carillon_attempt": "2", "carillon_scheduled_at": wall_text(0)}, "unlabelled"),
    ],
)
def test_repeats_are_told_from_one_another(world, tmp_path, headers, found):
    repeat = changed(of_type(world, at_most_once=False), **headers)
    verdict = judge_changed(world, tmp_path, arrivals=world.arrivals() + [repeat])
    problems = verdict.problems
    assert any(p.startswith(found) for p in problems) if found else not problems, problems


def test_a_second_request_of_atmost_once_is_found(world, tmp_path):
    headers = {"carillon_attempt": "2", "carillon_fence": "2"}
    repeat = changed(of_type(world, at_most_once=True), **headers)
    verdict = judge_changed(world, tmp_path, arrivals=world.arrivals() + [repeat])
    assert any(problem.startswith("twice") for problem in verdict.problems)


def test_an_early_request_is_found(world, tmp_path):
    first, *others = world.arrivals()
    early = replace(first, at_ms=parse_ms(first.headers["carillon-scheduled-at"]) - 0.001)
    verdict = judge_changed(world, tmp_path, arrivals=[early, *others])
    assert any(problem.startswith("early") for problem in verdict.problems)


def test_a_request_after_the_answer_to_an_edit_is_found(world):
    from edits import check

    first = world.arrivals()[0]
    seen = SimpleNamespace(problems=[])
    edit = SimpleNamespace(job=world.jobs[first.job_id], asked_ms=0.0, answered_ms=first.at_ms)
    assert check(seen, [edit], world.target) == 1
    assert len(seen.problems) == 1  # Those of the following seconds; the first came in time.
