#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The check of a job's members: has each row of src/ledger/job.def what the row alone cannot make?

A member of a job is one row of that table and, by hand, a column of the table `jobs`, made by a
step of each database's schema.c, and a rule that uses the member. This says which is missing:

- a row without a column in the newest schema of a database, and a column without a row;
- a column that can hold no NULL though the member may be unset, or the other way round;
- a POLICY member that no rule of src/core reads, or a REQUEST member that no request takes along;
- a TIMING member without a column of `job_versions`, from which what was owed is computed again, or
  without the row of src/store/columns.c that reads and writes that column.

Nor may a move from one database to the other leave anything behind:

- a table of either database that src/store/moved.def does not name;
- a table that is moved, and a column of it that only one of the databases has.

The folder to look at is the argument, or the one where the check runs.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

TABLE = "src/ledger/job.def"
SCHEMAS = ("src/store/sqlite/schema.c", "src/store/postgres/schema.c")
ROWS = "src/store/columns.c"
MOVED = "src/store/moved.def"
NOT_MEMBERS = {"deleted_at"}  # The row stays until its last execution has gone.
NOT_RULES = {"configure.c"}  # What only copies a member is no rule.

ROW = re.compile(r"^JOB_(?!COMPUTED)(\w+)\((\w+),.*?(\w+), \w+\)", re.M)
LITERAL = re.compile(r'"((?:\\.|[^"\\])*)"')
CREATED = r"CREATE TABLE %s \("
ADDED = r"ALTER TABLE %s ADD COLUMN (\w+)([^;]*);"
DROPPED = r"ALTER TABLE %s DROP COLUMN (\w+);"
# Kinds whose unset value is NULL in the table.
UNSET = {"OPTIONAL_NUMBER", "OPTIONAL_TIME", "OPTIONAL_COUNT"}


class Member(NamedTuple):
    kind: str
    name: str
    role: str


def without_comments(code):
    return re.sub(r"//[^\n]*", "", code)


def members(root):
    return [Member(*found) for found in ROW.findall((root / TABLE).read_text())]


def sql_of(root, schema):
    """The text of all steps of a database, one after the other."""
    return "".join(LITERAL.findall(without_comments((root / schema).read_text())))


def split_columns(text):
    """The parts between those commas that stand in no brackets."""
    depth, start = 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            yield text[start:i].strip()
            start = i + 1
    yield text[start:].strip()


def inside(sql, start):
    """What stands in the bracket that is open at `start`."""
    depth, end = 1, start
    while depth > 0:
        depth += (sql[end] == "(") - (sql[end] == ")")
        end += 1
    return sql[start : end - 1]


def columns(sql, table):
    """{name: the rest of its definition}, once all steps have been taken."""
    created = re.search(CREATED % table, sql)
    found = {}
    for column in split_columns(inside(sql, created.end())) if created else ():
        name, _, rest = column.partition(" ")
        if name.islower():  # PRIMARY KEY (...) is no column.
            found[name] = rest
    found.update(re.findall(ADDED % table, sql))
    for name in re.findall(DROPPED % table, sql):
        found.pop(name, None)
    return found


def check_columns(schema, rows, found):
    for m in rows:
        if m.name not in found:
            yield f"{schema}: no step makes the column {m.name} of jobs, which {TABLE} names"
            continue
        is_bound = "NOT NULL" in found[m.name] or "PRIMARY KEY" in found[m.name]
        if m.kind != "TEXT" and is_bound == (m.kind in UNSET):
            how = "may be NULL" if m.kind in UNSET else "must be NOT NULL"
            yield f"{schema}: the column {m.name} of jobs {how}: it is a JOB_{m.kind}"
    for name in sorted(set(found) - {m.name for m in rows} - NOT_MEMBERS):
        yield f"{TABLE}: no row is the member for the column {name} of jobs in {schema}"


def check_versions(schema, rows, found):
    for name in (m.name for m in rows if m.role == "TIMING"):
        if name not in found:
            yield f"{schema}: job_versions has no column {name}, which is a TIMING member"


def check_version_rows(rows, code):
    for name in (m.name for m in rows if m.role == "TIMING"):
        if f'(job_version, "{name}", {name}' not in code:
            yield f"{ROWS}: no row for the column {name} of job_versions, which is a TIMING member"


def check_rules(rows, code):
    for m in rows:
        if m.role == "POLICY" and not re.search(rf"(?:\bpolicy|\bp)->{m.name}\b", code):
            yield f"src/core: no rule reads policy->{m.name}, which is a POLICY member of {TABLE}"
        if m.role == "REQUEST" and not re.search(rf"\bj->{m.name}\b", code):
            yield f"src/core: no request takes {m.name} along, which is a REQUEST member of {TABLE}"


def check_moves(table, sql):
    """`sql`: the steps of each database."""
    known = set(re.findall(r"^(?:MOVED|LEFT)\((\w+)\)", table, re.M))
    for schema, text in sql.items():
        made = re.findall(r"CREATE TABLE (\w+) \(", text)
        for name in sorted(set(made) - known):
            yield f"{MOVED}: no row says whether a move takes along the table {name} of {schema}"
    for name in re.findall(r"^MOVED\((?!jobs\))(\w+)\)", table, re.M):  # jobs: check_columns.
        stays = set(re.findall(rf"^(?:STAYS|DERIVED)\({name}, (\w+)", table, re.M))
        found = {schema: set(columns(text, name)) - stays for schema, text in sql.items()}
        every = set().union(*found.values())
        for schema in found:
            for column in sorted(every - found[schema]):
                yield f"{schema}: the table {name}, which is moved, has no column {column} here"


def problems(root):
    rows = members(root)
    files = sorted((root / "src/core").glob("*.c"))
    code = "".join(without_comments(f.read_text()) for f in files if f.name not in NOT_RULES)
    if not rows:
        yield f"{TABLE}: no member is found there; see tools/members.py"
    for schema in SCHEMAS:
        sql = sql_of(root, schema)
        yield from check_columns(schema, rows, columns(sql, "jobs"))
        yield from check_versions(schema, rows, columns(sql, "job_versions"))
    sql = {schema: sql_of(root, schema) for schema in SCHEMAS}
    yield from check_moves((root / MOVED).read_text(), sql)
    yield from check_version_rows(rows, (root / ROWS).read_text())
    yield from check_rules(rows, code)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = list(problems(root))
    print("\n".join(found) or f"members: {len(members(root))} of a job have column and rule")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
