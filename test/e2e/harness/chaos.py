# SPDX-License-Identifier: MIT
"""Short runs of `./dev chaos`, side by side, since most of the time is spent waiting for seconds to
pass."""

import re
import subprocess
import sys
from pathlib import Path

from .program import BINARY, clean_environment

COMMAND = Path(__file__).parents[2] / "chaos" / "chaos.py"
LINE = r"expected=(\d+) recorded=(\d+) delivered=(\d+) lost=0 repeated=\d+ \(all labelled\)"


def _start(kills, names, arguments):
    only = [word for name in names for word in ("--only", name)]
    return subprocess.Popen(
        [sys.executable, COMMAND, "--kills", str(kills), *only, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**clean_environment(), "CARILLON_BIN": str(BINARY)},
    )


def run_side_by_side(kills, groups, seconds, arguments=()):
    """`groups`: of names of scenarios, which run one after the other in each group."""
    runs = [_start(kills, names, arguments) for names in groups]
    try:
        outputs = [run.communicate(timeout=seconds)[0] for run in runs]
    finally:
        for run in runs:
            run.terminate()  # It ends what it has started.
            run.wait()
    print(*outputs, sep="\n")
    for run, names, output in zip(runs, groups, outputs):
        assert run.returncode == 0, output
        for name in (*names, "total"):
            figures = re.search(rf"^{name} +{LINE}", output, re.M)
            assert figures, f"no line for {name}:\n{output}"
            expected, recorded, delivered = map(int, figures.groups())
            assert expected == recorded >= delivered > 0
