# SPDX-License-Identifier: MIT
"""A short run of `./dev chaos`: nothing is lost, whatever happens to the server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness.program import BINARY, clean_environment

COMMAND = Path(__file__).parents[1] / "chaos" / "chaos.py"
SECONDS_MAX = 300
# Two runs side by side, since most of the time is spent waiting for seconds to pass.
SCENARIOS = [
    ("kills", "nth-call", "back-300", "full-disk"),
    ("at-most-once", "target", "stop", "midnight", "ahead-600", "broken-disk", "edits"),
]
LINE = r"expected=(\d+) recorded=(\d+) delivered=(\d+) lost=0 repeated=\d+ \(all labelled\)"


def start(names):
    only = [word for name in names for word in ("--only", name)]
    return subprocess.Popen(
        [sys.executable, COMMAND, "--kills", "8", *only],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**clean_environment(), "CARILLON_BIN": str(BINARY)},
    )


@pytest.mark.slow
def test_nothing_is_lost_in_a_short_chaos():
    runs = [start(names) for names in SCENARIOS]
    try:
        outputs = [run.communicate(timeout=SECONDS_MAX)[0] for run in runs]
    finally:
        for run in runs:
            run.terminate()  # It ends what it has started.
            run.wait()
    print(*outputs, sep="\n")
    for run, names, output in zip(runs, SCENARIOS, outputs):
        assert run.returncode == 0, output
        for name in (*names, "total"):
            figures = re.search(rf"^{name} +{LINE}", output, re.M)
            assert figures, f"no line for {name}:\n{output}"
            expected, recorded, delivered = map(int, figures.groups())
            assert expected == recorded >= delivered > 0
