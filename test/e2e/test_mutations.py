# SPDX-License-Identifier: MIT
"""tools/mutations.py: where random mutants may be, and what they are."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from mutations import mutations_of  # noqa: E402

FILE = """// if (a < b) f();
#define MANY 3

static enum err check(int a, const char *b)
{
    assert(a < 1);
    char text[64];
    if (a >= 2 && *b)
        say("a < b", a,
            text);
    return a == 3;
}
"""


def bugs(kind, text=FILE):
    return [m.bug for m in mutations_of("a.c", text) if m.kind == kind]


CASES = {
    "comparison": ["if (a > 2 && *b)", "if (a < 2 && *b)", "return a != 3;"],
    "logic": ["if (a >= 2 || *b)"],
    "condition": ["if (!(a >= 2 && *b))"],
    "off by one": ["if (a >= 3 && *b)", "return a == 4;"],
    "call": ["(void)0 ;"],
    "return": [
        "return (enum err){0}; if (a >= 2 && *b)",
        "return (enum err){0}; return a == 3;",
    ],
}


@pytest.mark.parametrize("kind", CASES)
def test_mutations_leave_comments_strings_assertions_and_arrays_alone(kind):
    assert bugs(kind) == CASES[kind]


def test_mutations_keep_the_number_of_lines():
    for m in mutations_of("a.c", FILE):
        changed = m.applied_to(FILE)
        assert changed != FILE
        assert changed.count("\n") == FILE.count("\n")
        assert FILE.splitlines()[m.line - 1] != changed.splitlines()[m.line - 1]
