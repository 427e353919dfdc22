#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds every mutant of test/mutants.toml, and has its test find the bug.

    tools/mutants.py [--seeds 2000] [NAME...]
    tools/mutants.py --check

A mutant is a build with one bug on purpose: its edits are applied to a copy of the files. Its test
is the simulator, which must break a promise within so many seeds (of the `world` that its arguments
describe), or the test that is named in `caught_by`, which runs alone and must fail. The same test
of the same code without the bug must find nothing in the same seeds, else it is the test that is
broken. Each is told with what caught it: the seed and the rule, or the name of the test. The last
line is `N passed, N failed`, and the exit code says the same. --check only looks whether every edit
still fits the code.
"""

import argparse
import os
import re
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TABLE = Path("test/mutants.toml")
BUILD = Path("build/release")
SIMULATOR = "sim/test_sim"
TEST_SECONDS_MAX = 280


class Survived(Exception):
    """The test did not find the bug, or could not look for it."""


def read_table():
    with open(TABLE, "rb") as table:
        return tomllib.load(table)


def misfits(table):
    """A sentence for each edit whose text does not stand exactly once in its file."""
    for name, row in table.items():
        for edit in row["edits"]:
            count = Path(edit["file"]).read_text().count(edit["was"])
            if count != 1:
                yield f"{TABLE}: {name}: its text stands {count} times in {edit['file']}"


def apply(name, row):
    """Writes the mutated copies. One that is right already keeps its time, so that make does not
    compile it again."""
    texts = {}
    for edit in row["edits"]:
        text = texts.get(edit["file"]) or Path(edit["file"]).read_text()
        texts[edit["file"]] = text.replace(edit["was"], edit["bug"])
    for file, text in texts.items():
        copy = Path("build/mutants", name, file)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists() or copy.read_text() != text:
            copy.write_text(text)
    for copy in Path("build/mutants", name, "src").rglob("*.c"):
        if str(copy.relative_to(Path("build/mutants", name))) not in texts:
            copy.unlink()  # Of an earlier state of the table.


def make(*arguments):
    code, text = run(["make", "-s", "V=1", *arguments])
    if code != 0:
        raise Survived(f"it cannot be built: {text.strip()[-300:]}")


def build(name, row):
    apply(name, row)
    program = f"build/mutants/{name}/test/{row['test']}"
    make(f"MUTANT={name}", program)
    return program


def run(command, **variables):
    """(exit code, output); the program is stopped when it takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TEST_SECONDS_MAX,
            check=False,
            env=os.environ | variables,
        )
    except subprocess.TimeoutExpired as reason:
        raise Survived(f"{command[0]} took more than {TEST_SECONDS_MAX} s") from reason
    return done.returncode, done.stdout.decode(errors="replace")


def simulate(program, seeds, arguments):
    """(seed, rule) of the first promise that is broken; (None, None) if all hold."""
    code, text = run([program, "--until-broken", "--seeds", str(seeds), *arguments])
    if code == 0:
        return None, None
    broken = re.search(r"^seed=(\d+) .*BROKEN: (.*)$", text, re.M)
    if not broken:
        raise Survived(f"{program} ended with {code}, which is no verdict: {text.strip()[-300:]}")
    return int(broken[1]), broken[2]


def world_of(row):
    """The simulator's arguments for this mutant, beside the seeds."""
    return tuple(row.get("world", "").split())


def catch_in_simulator(name, row, seeds):
    seed, rule = simulate(build(name, row), seeds, world_of(row))
    if seed is None:
        raise Survived(f"no promise was broken in {seeds} seeds")
    return seed, f"seed {seed}: {rule}"


def catch_in_test(name, row):
    test, only = row["test"], row["caught_by"]
    code, text = run([BUILD / "test" / test], CARILLON_TEST_ONLY=only)
    if code != 0 or not re.search(rf"^\[       OK \] (?:\S+: )?{only}$", text, re.M):
        raise Survived(f"{only} of {test} does not pass without the bug: {text.strip()[-600:]}")
    code, text = run([build(name, row)], CARILLON_TEST_ONLY=only)
    if code == 0 or not re.search(rf"^\[  FAILED  \] (?:\S+: )?{only}$", text, re.M):
        raise Survived(f"{only} of {test} did not fail (it ended with {code})")
    return f"{test}: {only}"


def catch(name, row, seeds):
    """(seed or None, how it was caught); Survived if it was not."""
    if row["test"] == SIMULATOR:
        return catch_in_simulator(name, row, seeds)
    return None, catch_in_test(name, row)


def try_mutant(name, row, seeds):
    start = time.monotonic()
    try:
        seed, how = catch(name, row, seeds)
        good, verdict = True, f"caught by {how}"
    except Survived as reason:
        seed, good, verdict = None, False, f"NOT CAUGHT: {reason}"
    seconds = time.monotonic() - start
    print(f"{name}: {row['incident']}\n    {verdict} ({seconds:.1f} s)", flush=True)
    return good, seed


def check_unmutated(world, seeds):
    """Whether the code as it is keeps its promises in the seeds that caught mutants."""
    words = " ".join(("without any bug", *world))
    seed, rule = simulate(BUILD / "test" / SIMULATOR, seeds, world)
    if seed is not None:
        print(f"{words}, seed {seed} breaks a promise too: {rule}")
    else:
        print(f"{words}, no promise is broken in the same {seeds} seeds")
    return seed is None


def read_arguments(table):
    """(names, seeds); ends with a message when something does not fit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these mutants")
    parser.add_argument("--seeds", type=int, default=2000, help="for each to be caught in")
    parser.add_argument("--check", action="store_true", help="only whether the edits fit")
    options = parser.parse_args()
    unknown = set(options.names) - set(table)
    if unknown:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    faults = list(misfits(table))
    if faults:
        sys.exit("\n".join(faults))
    if options.check:
        print(f"mutants: {len(table)} still fit the code")
        sys.exit(0)
    return options.names or list(table), options.seeds


def main():
    table = read_table()
    names, seeds = read_arguments(table)
    tests = {SIMULATOR} | {table[name]["test"] for name in names}
    os.environ.pop("MAKEFLAGS", None)  # Of a make that runs us; ours is another one.
    try:
        make(f"-j{os.cpu_count()}", *(str(BUILD / "test" / test) for test in sorted(tests)))
    except Survived as reason:
        sys.exit(f"without any bug, {reason}")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda name: try_mutant(name, table[name], seeds), names))
    seeds_used = {(): 1}
    for name, (_, seed) in zip(names, results):
        world = world_of(table[name])
        seeds_used[world] = max(seeds_used.get(world, 1), seed or 1)
    good = [caught for caught, _ in results]
    good += [check_unmutated(world, seeds) for world, seeds in seeds_used.items()]
    print(f"{sum(good)} passed, {len(good) - sum(good)} failed")
    return 0 if all(good) else 1


sys.exit(main())
