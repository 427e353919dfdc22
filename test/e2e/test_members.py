# SPDX-License-Identifier: MIT
"""tools/members.py: what of a new member of a job is missing is said, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NUMBER = "JOB_NUMBER(hops, uint16_t, 3, 0, 10, POLICY, CLIENT)"
OPTIONAL = "JOB_OPTIONAL_NUMBER(hops, uint16_t, 0, 0, 10, OTHER, CLIENT)"
TIMING = "JOB_OPTIONAL_TIME(start_at, 0, TIMING, CLIENT)"
COLUMN = "ALTER TABLE jobs ADD COLUMN hops INTEGER NOT NULL DEFAULT 3 CHECK (hops IN (1, 3));"
MAY_BE_NULL = "ALTER TABLE jobs ADD COLUMN hops INTEGER;"
RULE = "j->policy->hops"

NO_COLUMN = "no step makes the column hops of jobs"
NO_ROW = "no row is the member for the column hops of jobs"
NO_RULE = "no rule reads policy->hops"

# Row, column, rule, and what is said.
CASES = {
    "nothing new": ("", "", "", []),
    "all three": (NUMBER, COLUMN, RULE, []),
    "no row": ("", COLUMN, RULE, [NO_ROW]),
    "no column": (NUMBER, "", RULE, [NO_COLUMN]),
    "no rule": (NUMBER, COLUMN, "", [NO_RULE]),
    "a row alone": (NUMBER, "", "", [NO_COLUMN, NO_RULE]),
    "a rule in a comment": (NUMBER, COLUMN, "// " + RULE, [NO_RULE]),
    "a column that goes again": (
        NUMBER,
        COLUMN + "ALTER TABLE jobs DROP COLUMN hops;",
        RULE,
        [NO_COLUMN],
    ),
    "a column of another table": (
        NUMBER,
        COLUMN.replace("jobs", "alerts"),
        RULE,
        [NO_COLUMN],
    ),
    "a number that may be NULL": (NUMBER, MAY_BE_NULL, RULE, ["hops of jobs must be NOT NULL"]),
    "an optional one that may not": (OPTIONAL, COLUMN, "", ["hops of jobs may be NULL"]),
    "an optional one that may": (OPTIONAL, MAY_BE_NULL, "", []),
    "a text that no request has": (
        "JOB_TEXT(hops, SHORT, 9, REQUEST, CLIENT)",
        "ALTER TABLE jobs ADD COLUMN hops TEXT;",
        "",
        ["no request takes hops along"],
    ),
    "a time that versions lack": (
        TIMING.replace("start_at", "hops"),
        MAY_BE_NULL,
        "",
        ["job_versions has no column hops", "no row for the column hops of job_versions"],
    ),
}


def append(path, text):
    path.write_text(path.read_text() + text)


def said_of(root, row, rule, columns):
    """What the check says of a tree with these edits; `columns`: the step of each database."""
    for folder in ("src/ledger", "src/store", "src/core"):
        shutil.copytree(ROOT / folder, root / folder)
    append(root / "src/ledger/job.def", row + "\n")
    append(root / "src/core/plan.c", rule + "\n")
    for database, column in columns.items():
        step = f'static const char step[] = "{column}";\n'
        append(root / f"src/store/{database}/schema.c", step)
    command = [sys.executable, ROOT / "tools/members.py", root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = [] if done.stdout.startswith("members: ") else done.stdout.splitlines()
    assert done.returncode == (1 if lines else 0), done.stdout + done.stderr
    return lines


@pytest.mark.parametrize("name", CASES)
def test_the_edit_that_is_missing_is_named(tmp_path, name):
    row, column, rule, said = CASES[name]
    lines = said_of(tmp_path, row, rule, {"sqlite": column, "postgres": column})
    for words in said:
        assert any(words in line for line in lines), lines
    for line in lines:
        assert any(words in line for words in said), lines


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_column_is_needed_in_each_database(tmp_path, database):
    other = {"sqlite": "postgres", "postgres": "sqlite"}[database]
    lines = said_of(tmp_path, NUMBER, RULE, {other: COLUMN})
    assert len(lines) == 1
    assert lines[0].startswith(f"src/store/{database}/schema.c: {NO_COLUMN}")


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_move_leaves_no_column_and_no_table_behind(tmp_path, database):
    other = {"sqlite": "postgres", "postgres": "sqlite"}[database]
    step = "ALTER TABLE alerts ADD COLUMN hops INTEGER; CREATE TABLE hops (id INTEGER);"
    lines = said_of(tmp_path, "", "", {database: step})
    assert sorted(line.split(": ")[0] for line in lines) == [
        "src/store/moved.def",
        f"src/store/{other}/schema.c",
    ]
    assert any("takes along the table hops" in line for line in lines)
    assert any("the table alerts, which is moved, has no column hops" in line for line in lines)
