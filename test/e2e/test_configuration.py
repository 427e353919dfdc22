# SPDX-License-Identifier: MIT
"""docs/configuration.md against the program: names, defaults and bounds of every setting.

That the table has a row for each setting is checked by tools/docs.py.
"""

import re
from pathlib import Path

import pytest
from harness.program import run_to_end

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
ROW = r"\| `(\w+)` \| `(--[\w-]+)`, `(CARILLON_\w+)` \| (.*?) ?\| (.*?) \|"
MILLISECONDS = {"": 1, "ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000}


def rows():
    """Of each setting: its name, flag, variable, default and values."""
    for line in DOCUMENT.read_text().splitlines():
        found = re.match(ROW, line)
        if found:
            yield found.groups()


ROWS = {row[0]: row[1:] for row in rows()}
BOUNDS = {
    name: found.groups()
    for name, (_, _, _, values) in ROWS.items()
    if (found := re.fullmatch(r"(\d+)([a-z]*) to (\d+)([a-z]*)", values))
}


def help_defaults():
    """By flag, what --help says in brackets."""
    text = run_to_end("serve", "--help").stdout
    return dict(re.findall(r"^  (--[\w-]+) [^\n]*\[([^]\n]+)\]$", text, re.MULTILINE))


def test_flags_and_variables_have_the_settings_name():
    assert len(ROWS) > 15
    for name, (flag, variable, *_) in ROWS.items():
        assert flag == "--" + name.replace("_", "-")
        assert variable == "CARILLON_" + name.upper()


def test_the_documented_defaults_are_those_of_the_help():
    shown = help_defaults()
    for flag, _, default, _ in ROWS.values():
        documented = default.strip("`")
        if flag in shown:
            assert documented == shown[flag], flag
        else:
            assert documented in ("", "0", "false"), flag


@pytest.mark.parametrize("name", BOUNDS)
def test_a_setting_has_the_documented_bounds(name):
    lowest, low_unit, highest, high_unit = BOUNDS[name]
    flag = ROWS[name][0]
    end = run_to_end("serve", flag, f"{int(highest) + 1}{high_unit}")
    assert end.returncode == 2
    low, high = map(int, re.search(r"out of range (\d+) to (\d+)", end.stderr).groups())
    assert low == int(lowest) * MILLISECONDS[low_unit]
    assert high == int(highest) * MILLISECONDS[high_unit]
