# SPDX-License-Identifier: MIT
"""tools/style.py: what the style asks for is found where it is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

STYLE = Path(__file__).resolve().parents[2] / "tools" / "style.py"
HEAD = "// SPDX-License-Identifier: MIT\n// bell.c: rings the hours.\n\n"


def complaints(folder, text):
    (folder / "src").mkdir()
    (folder / "src" / "bell.c").write_text(HEAD + text)
    end = subprocess.run(
        [sys.executable, STYLE], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert end.returncode == (1 if "src/bell.c:" in end.stdout else 0), end.stderr
    return end.stdout


@pytest.mark.parametrize(
    "line",
    [
        "int hour; // Of the bell.",
        "// They ring at noon.",
        'char *url = "http://a/"; // It is borrowed.',
        "char quote = '\\''; // One more.",
    ],
)
def test_a_comment_without_a_subject_is_found(tmp_path, line):
    assert "src/bell.c:4: a comment that begins with" in complaints(tmp_path, line + "\n")


@pytest.mark.parametrize(
    "lines",
    [
        "int hour; // The bell's hour.",
        "// The bells are rung at noon.\n// They are loud.",
        'char *text = "// It is no comment";',
        "int hours; // Often 12.",
    ],
)
def test_a_comment_with_a_subject_passes(tmp_path, lines):
    assert "src/bell.c" not in complaints(tmp_path, lines + "\n")
