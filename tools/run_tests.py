#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests and counts them.

    tools/run_tests.py build/release [LAYER...]

The layers are unit, contract, sim, faults, fuzz (each target over its corpus), mutants (of the
release build only) and e2e; without any, all of them. The programs of all but the last, which `make
test-programs` has built, run several at a time, each with a time limit, so that nothing hangs for
ever; then pytest runs each file of end-to-end tests against the carillon of the same folder
(CARILLON_BIN), many files side by side: they mostly wait.
What a program prints is shown only when it fails, but for its lines that begin with `note:`. A
program which crashes, is too slow or runs no test at all counts as a failed test.
The last line is `N passed, N failed`, and the exit code says the same.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAM_SECONDS_MAX = 600
END_TO_END_SECONDS_MAX = 1200
END_TO_END_FILES_PER_CPU = 6


def run(command, seconds_max, output=None, environment=None):
    """The exit code, or None when the time was up. The whole process group ends with it."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment,
        start_new_session=True,
    )
    try:
        return process.wait(seconds_max)
    except BaseException as reason:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(reason, subprocess.TimeoutExpired):
            return None
        raise


def ending(code):
    if code is None:
        return "was stopped: too slow"
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


def count(text):
    """(passed, failed) by what cmocka prints, or by a last line like our own."""
    last = re.search(r"^(\d+) passed, (\d+) failed\n\Z", text, re.M)
    if last:
        return int(last[1]), int(last[2])
    groups = (
        re.findall(rf"^\[  {word}  \] (?:.*: )?(\d+) test\(s\)", text, re.M)
        for word in ("PASSED", "FAILED")
    )
    return tuple(sum(map(int, group)) for group in groups)


def run_program(command):
    """(passed, failed) of one program that counts its tests; prints its line."""
    name = command[0]
    if not name.exists():
        print(f"FAIL {name} was not built")
        return 0, 1
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        code = run(command, PROGRAM_SECONDS_MAX, output)
        seconds = time.monotonic() - start
        output.seek(0)
        text = output.read().decode(errors="replace")

    passed, failed = count(text)
    if failed == 0 and (code != 0 or passed == 0):
        failed = 1
        text += f"\n{name} {ending(code)} after {passed} passed tests\n"
    line = f"{name}: {passed} passed, {failed} failed, {seconds:.1f} s"
    notes = "".join(f"\n     {note}" for note in re.findall(r"^note: (.*)$", text, re.M))
    print(f"{text}\nFAIL {line}" if failed else f"ok   {line}{notes}", flush=True)
    return passed, failed


def report_of(path):
    """(passed, failed, skipped) by the report that pytest wrote."""
    suite = xml.etree.ElementTree.parse(path).getroot().find("testsuite")
    number = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    failed = number["failures"] + number["errors"]
    return max(0, number["tests"] - failed - number["skipped"]), failed, number["skipped"]


def run_end_to_end(build, file):
    """(passed, failed) of one file of pytest; a skipped test is neither, and pytest says why."""
    environment = dict(os.environ, CARILLON_BIN=str((build / "carillon").resolve()))
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as output:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-rs", f"--junitxml={report}", file]
        start = time.monotonic()
        code = run(command, END_TO_END_SECONDS_MAX, output, environment)
        seconds = time.monotonic() - start
        output.seek(0)
        text = output.read().decode(errors="replace")
        passed, failed, skipped = report_of(report) if report.exists() else (0, 0, 0)

    if failed == 0 and (code != 0 or passed + skipped == 0):
        failed = 1
        text += f"\npytest {ending(code)} after {passed} passed tests\n"
    line = f"{file}: {passed} passed, {failed} failed, {seconds:.1f} s"
    reasons = "".join(f"\n     {skip}" for skip in re.findall(r"^SKIPPED .*$", text, re.M))
    print(f"{text}\nFAIL {line}" if failed else f"ok   {line}{reasons}", flush=True)
    return passed, failed


def run_all_end_to_end(build):
    """These tests mostly wait, so many run side by side on few processors."""
    files = sorted(Path("test/e2e").glob("test_*.py"))
    with ThreadPoolExecutor(END_TO_END_FILES_PER_CPU * os.cpu_count()) as pool:
        return list(pool.map(lambda file: run_end_to_end(build, file), files))


def commands(build, layer):
    folder = Path("test", layer)
    if layer == "mutants":
        return [[Path("tools/mutants.py")]] if build.name == "release" else []
    if layer == "fuzz":
        names = [path.stem for path in sorted(folder.glob("*_fuzz.c"))]
        programs = [build / folder / name.replace("_fuzz", "_replay") for name in names]
        return [[program, folder / "corpus" / name] for program, name in zip(programs, names)]
    return [[build / path.with_suffix("")] for path in sorted(folder.rglob("test_*.c"))]


def main():
    build = Path(sys.argv[1])
    layers = sys.argv[2:] or ["faults", "unit", "contract", "sim", "fuzz", "mutants", "e2e"]
    programs = [command for layer in layers for command in commands(build, layer)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(run_program, programs))
    if "e2e" in layers:
        results += run_all_end_to_end(build)

    passed = sum(result[0] for result in results)
    failed = sum(result[1] for result in results)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
