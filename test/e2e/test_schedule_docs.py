# SPDX-License-Identifier: MIT
"""docs/schedules.md against the program: each example means what the page says."""

import re
from pathlib import Path

import pytest
from harness.program import run_to_end

DOCUMENT = Path(__file__).parents[2] / "docs" / "schedules.md"


def tables():
    """Of each table: the cells of its first line, and those of its rows."""
    lines = DOCUMENT.read_text().splitlines()
    starts = [i for i, line in enumerate(lines) if re.match(r"\|[-|]+\|$", line)]
    for start in starts:
        rows = []
        for line in lines[start + 1 :]:
            if not line.startswith("|"):
                break
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        yield [cell.strip() for cell in lines[start - 1].strip("|").split("|")], rows


def rows_of(*heads):
    return [row for head, rows in tables() if head in map(list, heads) for row in rows]


def texts_in(cell):
    return re.findall(r"`([^`]+)`", cell)


WORDS = [
    (text, row[1])
    for row in rows_of(("schedule", "in words"), ("schedule", "in words for the job 0"))
    for text in texts_in(row[0])
]
HINTS = [(texts_in(row[0])[0], row[1]) for row in rows_of(("written", "hint"))]
ZONES = [(texts_in(row[0])[0], row[1]) for row in rows_of(("name", "hint"))]
EVENINGS = {"Clocks go forward": "2027-03-27", "Clocks go back": "2027-10-30"}


def nights():
    """Of each row of the tables about summer time: the evening before, schedule, class, runs."""
    for heading, evening in EVENINGS.items():
        section = DOCUMENT.read_text().partition(f"\n### {heading}\n")[2].partition("\n#")[0]
        for line in section.splitlines():
            if row := re.match(r"\| `([^`]+)` \| (\w+) \| (.*?) \|$", line):
                yield evening, row[1], row[2], re.findall(r"\d\d:\d\d", row[3])


NIGHTS = list(nights())


def test_the_page_has_its_tables():
    assert len(WORDS) > 40 and len(HINTS) > 10 and len(ZONES) > 5 and len(NIGHTS) == 13


@pytest.mark.parametrize("text, words", WORDS)
def test_an_example_means_what_is_written_beside_it(text, words):
    end = run_to_end("cron", "explain", text)
    assert (end.returncode, end.stdout) == (0, f"{words}\n")


@pytest.mark.parametrize("text, hint", HINTS)
def test_what_is_refused_gets_the_documented_hint(text, hint):
    end = run_to_end("cron", "explain", text)
    assert end.returncode == 2 and end.stderr.endswith(f" (try: {hint})\n")


@pytest.mark.parametrize("name, hint", ZONES)
def test_a_name_that_is_no_zone_gets_the_documented_hint(name, hint):
    end = run_to_end("cron", "explain", "@daily", "--tz", name)
    assert end.returncode == 2 and end.stderr.endswith(f"; did you mean {hint}?\n")


@pytest.mark.parametrize("evening, text, kind, runs", NIGHTS)
def test_a_change_of_the_clock_does_what_the_page_says(evening, text, kind, runs):
    flags = ("--tz", "Europe/Paris", "--from", f"{evening}T23:59:59Z", "--count", "20")
    end = run_to_end("cron", "next", text, *flags)
    instants = [line.split()[0] for line in end.stdout.splitlines()]
    morning = f"{evening[:-2]}{int(evening[-2:]) + 1}"
    assert instants[: len(runs)] == [f"{morning}T{run}:00Z" for run in runs]
    assert runs or not instants[0].startswith(morning)


@pytest.mark.parametrize("text, kind", sorted({night[1:3] for night in NIGHTS}))
def test_the_class_of_a_schedule_is_the_documented_one(shared_server, text, kind):
    preview = shared_server.post("/schedules/preview", {"schedule": text})
    assert preview.json["class"] == kind
