#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The check of tables: do the tables of the documents name what the tables of the code name?

A setting, a field of a job or a route that no document names is one that nobody finds; one that a
document names and the code has not is a promise that is not kept. Each row of CHECKS ties a list in
the code to a column of a table in a document, and every name must stand in both.

In the code a list is what a pattern finds in a file, between two markers if they are given. In a
document it is what stands in `code spans` in one column of the tables under a heading. A cell may
hold several names; what is no name goes without backticks, or into another column.

To have another table checked, add a row to CHECKS.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple


class Code(NamedTuple):
    """`pattern` has a group for each part of a name; `form` makes the name of them. `path` may
    stand for several files, as in `src/*/*.c`."""

    path: str
    pattern: str
    after: str = ""
    until: str = ""
    form: str = "{}"


class Table(NamedTuple):
    """The tables between `heading`, without its `#` signs, and the next heading of any level. A
    name is followed by a blank and the whole cell for each column of `values`. Only what is
    `like` this pattern as a whole counts, with its values."""

    path: str
    heading: str
    column: int = 0
    values: tuple[int, ...] = ()
    like: str = ".*"


class Check(NamedTuple):
    what: str
    code: Code
    table: Table


ROW = r'^\s*\{"([^"]+)"'
OPTION = r"""^\s*\{(?:0|'.'), "([^"]+)\""""
CHANNELS = ("Webhook", "Slack", "Discord", "Teams", "PagerDuty", "Opsgenie", "ntfy", "Telegram")
CHECKS = (
    Check(
        "route",
        Code("src/api/routes.c", r'^\s*\{"([A-Z]+)", "([^"]+)"', form="{} {}"),
        Table("docs/api.md", "Routes"),
    ),
    Check(
        "parameter",
        Code("src/api/routes.c", r'"(\w+)"', until="const struct route routes"),
        Table("docs/api.md", "Parameters"),
    ),
    Check(
        "field of a job",
        Code("src/ledger/job.def", r"^JOB_\w+\((\w+),.* CLIENT\)"),
        Table("docs/api.md", "A job"),
    ),
    Check(
        "number of a job with its default and bounds",
        Code(
            "src/ledger/job.def",
            r"^JOB_\w*NUMBER\((\w+), \w+, (\d+), (\d+), (\d+), \w+, CLIENT\)",
            form="{} {} {} to {}",
        ),
        Table("docs/api.md", "A job", values=(1, 2), like=r"\w+ \d+ \d+ to \d+"),
    ),
    Check(
        "flag of a job with its default",
        Code("src/ledger/job.def", r"^JOB_FLAG\((\w+), (\w+), \w+, CLIENT\)", form="{} {}"),
        Table("docs/api.md", "A job", values=(1,), like=r"\w+ (true|false)"),
    ),
    Check(
        "text of a job with its bound",
        Code(
            "src/ledger/job.def",
            r"^JOB_TEXT\((\w+), \w+, ([1-9]\d*), \w+, CLIENT\)",
            form="{} to {} bytes",
        ),
        # What has the length 0 there is bounded where it is read.
        Table(
            "docs/api.md",
            "A job",
            values=(2,),
            like=r"(?!schedule |api |tls_client_key )\w+ to \d+ bytes",
        ),
    ),
    Check(
        "field that the server sets",
        Code("src/ledger/job.def", r"^JOB_\w+\((\w+),.* (?:SERVER|STAMPED|GIVEN)\)"),
        Table("docs/api.md", "What the server sets"),
    ),
    Check(
        "status of an execution",
        Code("src/ledger/enums.def", r'VALUE\(EXECUTION_\w+, "(\w+)"'),
        Table("docs/api.md", "Statuses"),
    ),
    Check(
        "field of an execution",
        Code("src/api/json_write.c", r'\(o, "(\w+)"', until="json_t *json_attempt("),
        Table("docs/api.md", "An execution"),
    ),
    Check(
        "field of an attempt",
        Code("src/api/json_write.c", r'\(o, "(\w+)"', after="json_attempt(", until="json_alert("),
        Table("docs/api.md", "An attempt"),
    ),
    Check(
        "field of an alert",
        Code("src/api/json_write.c", r'\(o, "(\w+)"', after="json_alert("),
        Table("docs/api.md", "An alert"),
    ),
    Check(
        "kind of alert",
        Code("src/ledger/enums.def", r'VALUE\(ALERT_\w+, "(\w+)"'),
        Table("docs/api.md", "Kinds of alerts"),
    ),
    Check(
        "field of an entry of the audit",
        Code("src/api/audit.c", r'\(o, "(\w+)"'),
        Table("docs/api.md", "The audit"),
    ),
    Check(
        "action of the audit",
        Code("src/ledger/enums.def", r'VALUE\(AUDIT_\w+, "([a-z._]+)"'),
        Table("docs/api.md", "Actions"),
    ),
    Check(
        "type and status of a problem",
        Code("src/api/problem.c", r'\{(\d{3}), "([a-z-]+)"', form="{1} {0}"),
        Table("docs/api.md", "Errors", values=(1,)),
    ),
    Check(
        "reserved header",
        Code("src/base/header.c", ROW, until="};"),
        Table("docs/api.md", "Reserved headers"),
    ),
    Check(
        "counter",
        Code("src/base/metrics.def", r"^COUNTER\((\w+)", form="carillon_{}_total"),
        Table("docs/operations.md", "Counters"),
    ),
    Check(
        "gauge",
        Code("src/base/metrics.def", r"^GAUGE\((\w+)", form="carillon_{}"),
        Table("docs/operations.md", "Gauges"),
    ),
    Check(
        "instant",
        Code("src/base/metrics.def", r"^INSTANT\((\w+)", form="carillon_{}_timestamp_seconds"),
        Table("docs/operations.md", "Instants"),
    ),
    Check(
        "histogram",
        Code("src/base/metrics.def", r"^HISTOGRAM\((\w+)", form="carillon_{}_seconds"),
        Table("docs/operations.md", "Histograms"),
    ),
    Check(
        "event of the log",
        Code("src/**/*.[cd]*", r'"((?!carillon)[a-z]+\.[a-z_]+)"(?!\)[\s)])'),
        Table("docs/operations.md", "The log"),
    ),
    Check(
        "code of a refused schedule",
        Code("src/cron/error.def", r'^CRON_ERROR\((?!FINE)\w+, "(\w+)"'),
        Table("docs/schedules.md", "Codes of refusals"),
    ),
    Check(
        "warning about a schedule",
        Code("src/cron/warning.def", r'^CRON_WARNING\(\w+, "(\w+)"'),
        Table("docs/schedules.md", "Warnings"),
    ),
    Check(
        "setting",
        Code("src/config/settings.def", r"^(?:TEXT|NUMBER|DURATION|FLAG)\((\w+)"),
        Table("docs/configuration.md", "Settings"),
    ),
    Check(
        "class of addresses",
        Code("src/base/address*.c", r'^\s*\{"([a-z-]+)", '),
        Table("docs/configuration.md", "Lists of addresses"),
    ),
    Check(
        "option of curl",
        Code("src/crontab/curl.c", OPTION, form="--{}"),
        Table("docs/migrating.md", "curl"),
    ),
    Check(
        "option of wget",
        Code("src/crontab/wget.c", OPTION, form="--{}"),
        Table("docs/migrating.md", "wget"),
    ),
    Check(
        "wrapper",
        Code("src/crontab/wrapper.c", r'(?:WRAPPER\(|PLAIN\(|\.name = )"([^"]+)"'),
        Table("docs/migrating.md", "Wrappers"),
    ),
    Check(
        "command beside a call",
        Code("src/crontab/bystander.c", r'\{"([^"]+)", \w+, (?:true|false), '),
        Table("docs/migrating.md", "Beside the call"),
    ),
    Check(
        "program",
        Code("src/crontab/browse.c", r'(?:BROWSER\(|\.name = )"([^"]+)"'),
        Table("docs/migrating.md", "Other programs"),
    ),
    Check(
        "verdict",
        Code("src/service/judge.c", r'\[EXPLAIN_\w+\] = "(\w+)"'),
        Table("docs/operations.md", "Why did it not run?"),
    ),
    *(
        Check(
            f"setting of {kind}",
            Code("src/alert/channel_member.c", ROW, after=f"{kind}_members[]", until="};"),
            Table("docs/channels.md", heading),
        )
        for kind, heading in ((*zip(map(str.lower, CHANNELS), CHANNELS), ("email", "Mail")))
    ),
)


# --- The code ------------------------------------------------------------------------------------


def names_in_code(code):
    files = sorted(Path().glob(code.path))
    if not files:
        raise LookupError(f"there is no {code.path} any more; see tools/docs.py")
    text = "\n".join(file.read_text() for file in files)
    for marker in filter(None, (code.after, code.until)):
        if marker not in text:
            raise LookupError(f"{code.path}: there is no {marker!r} any more; see tools/docs.py")
    text = text.partition(code.after)[2] if code.after else text
    text = text.partition(code.until)[0] if code.until else text
    found = re.finditer(code.pattern, text, re.MULTILINE)
    return {code.form.format(*match.groups()) for match in found}


# --- The documents -------------------------------------------------------------------------------


def section(table):
    """The lines below the heading, up to the next one."""
    lines = Path(table.path).read_text().splitlines()
    headings = [i for i, line in enumerate(lines) if re.match(r"#+ ", line)] + [len(lines)]
    for start, end in zip(headings, headings[1:]):
        if lines[start].lstrip("#").strip() == table.heading:
            return lines[start + 1 : end]
    raise LookupError(f'{table.path}: there is no heading "{table.heading}"')


def cells(line):
    r"""A bar inside of a cell is written \|."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def names_in_table(table):
    names = set()
    for line in section(table):
        if line.startswith("|") and len(cells(line)) > table.column:
            values = "".join(f" {cells(line)[column]}" for column in table.values)
            found = re.findall(r"`([^`]+)`", cells(line)[table.column])
            names.update(name + values for name in found)
    return {name for name in names if re.fullmatch(table.like, name)}


# --- Both ----------------------------------------------------------------------------------------


def problems(check):
    try:
        code, table = names_in_code(check.code), names_in_table(check.table)
    except (LookupError, FileNotFoundError) as error:
        yield str(error)
        return
    where = f'{check.table.path}, "{check.table.heading}"'
    if not code:
        yield f"{check.code.path}: no {check.what} is found there; see tools/docs.py"
    for name in sorted(code - table):
        yield f"{where}: the {check.what} `{name}` of {check.code.path} is missing"
    for name in sorted(table - code):
        yield f"{where}: {check.code.path} has no {check.what} `{name}`"


def main():
    found = [problem for check in CHECKS for problem in problems(check)]
    print("\n".join(found) or f"docs: {len(CHECKS)} tables name what the code has")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
