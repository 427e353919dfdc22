#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts random small bugs into the code, one at a time, and sees whether a test notices.

    tools/random_mutants.py ROOM... [--count 20] [--seed 1] [--pick 3,7] [--jobs 2]
    tools/random_mutants.py --check

ROOM is a folder of src/, or `all`. A mutation flips a comparison, swaps && and ||, negates a
condition, is off by one, leaves a call out, or returns early (tools/mutations.py). Which ones are
drawn follows from the seed and the code. Each is built as a mutant of the Makefile, in a folder of
its own, and meets the tests of its room in stages: unit and contract tests; the simulator and tests
of faults; the unit and contract tests once more under ASan and UBSan; then end-to-end tests. The
first failure ends that, and so does a test that takes ten times as long as it should.

The last line counts. Survived: no test failed; the line before and after is shown. It is for a
person to write the test, or a row of test/equivalent_mutants.toml which says why no test can tell.
Equivalent: such a row is there, or the compiler makes the same code of both. Undecided: a test
failed without any mutation, as it may on a busy machine.
--check only looks whether the rows of that table still fit the code. The exit code is 1 if a mutant
survived.
"""

import argparse
import filecmp
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutations import KINDS, code_of, functions_of, mutations_of, squeezed

TABLE = Path("test/equivalent_mutants.toml")
MUTANTS = Path("build/mutants")
SIMULATOR = "sim/test_sim"
SIMULATOR_SEEDS = 300
END_TO_END = ".py"
BUILD_SECONDS_MAX = 3600
SECONDS_MIN = 30  # For a test to end in; more when it takes long without any mutation.
SLOWER_MAX = 10
MEMORY_BYTES_MAX = 8 << 30  # An endless loop must not take what the machine has.
FILE_BYTES_MAX = 1 << 30
ALONE = {"src/app/main.c"}  # Not in the library: no test can be linked with it.

# What looks at a room beside test/unit/ROOM: patterns below test/, without the ending of C files.
TESTS = {
    "agenda": [SIMULATOR],
    "alert": ["unit/engine/*", "e2e/test_observability.py"],
    "api": ["unit/routes/*", "e2e/test_jobs.py", "e2e/test_bad_input.py", "e2e/test_browse.py",
            "e2e/test_executions.py", "e2e/test_explain.py", "e2e/test_import.py",
            "e2e/test_hostile_clients.py"],
    "app": ["e2e/test_program.py", "e2e/test_start.py", "e2e/test_shutdown.py",
            "e2e/test_files.py"],
    "base": ["unit/api/*", "unit/config/*", "unit/store/test_writer", "contract/test_dispatch",
             "e2e/test_program.py"],
    "cli": ["e2e/test_commands.py", "e2e/test_doctor.py", "e2e/test_lint.py",
            "e2e/test_restore.py", "e2e/test_import.py", "e2e/test_import_shell.py",
            "e2e/test_explain.py"],
    "cluster": ["e2e/test_program.py"],
    "config": ["e2e/test_configuration.py"],
    "core": [SIMULATOR, "e2e/test_policies.py", "e2e/test_retries.py"],
    "cron": ["e2e/test_schedule_docs.py", "e2e/test_explain.py"],
    "crontab": ["e2e/test_import_calls.py", "e2e/test_import_shell.py", "e2e/test_lint.py"],
    "dispatch": ["contract/test_dispatch*", "faults/test_dispatch_faults", "e2e/test_targets.py",
                 "e2e/test_redirects.py"],
    "engine": ["faults/test_engine_faults", "e2e/test_observability.py", "e2e/test_shutdown.py",
               "e2e/test_executions.py"],
    "ledger": ["unit/core/*", "unit/service/*", "contract/test_store*", SIMULATOR],
    "observe": ["unit/routes/*", "e2e/test_observability.py"],
    "service": ["unit/routes/*", "e2e/test_jobs.py", "e2e/test_executions.py",
                "e2e/test_browse.py", "e2e/test_concurrent_changes.py",
                "e2e/test_idempotency.py"],
    "store": ["contract/test_store*", "faults/test_store_faults", "faults/test_writer_faults",
              "faults/test_power_loss", "faults/test_restore_faults", "e2e/test_doctor.py",
              "e2e/test_edited_rows.py", "e2e/test_retention.py"],
    "zones": ["unit/cron/*", "unit/engine/*", "e2e/test_schedules.py"],
}  # fmt: skip


def room_of(file):
    return Path(file).parts[1]


# --- Equivalent mutants ---------------------------------------------------------------------------


def read_table():
    with open(TABLE, "rb") as table:
        return tomllib.load(table).get("mutant", [])


def misfits(table):
    """A sentence for each row that is about code which is no longer there."""
    for row in table:
        path = Path(row["file"])
        text = path.read_text() if path.exists() else ""
        bodies = [f for f in functions_of(code_of(text)) if f.name == row["function"]]
        if not any(row["was"] in squeezed(text, f.start, f.end - 1) for f in bodies):
            yield f"{TABLE}: `{row['was']}` is not in {row['function']} of {row['file']}"
        if not row.get("reason"):
            yield f"{TABLE}: `{row['was']}` of {row['file']} has no reason"


def key_of(row):
    return row["file"], row["function"], row["was"], row["bug"]


# --- Drawing --------------------------------------------------------------------------------------


def draw(rooms, count, seed):
    """`count` mutations with their texts, in the order in which the seed draws them: first the
    kind, for some have many more places than others, then the place."""
    places = {kind: [] for kind in KINDS}
    texts = {}
    for room in rooms:
        for path in sorted(Path("src", room).rglob("*.c")):
            if str(path) not in ALONE:
                texts[str(path)] = path.read_text()
    for file, text in texts.items():
        for found in mutations_of(file, text):
            places[found.kind].append(found)

    dice = random.Random(seed)
    drawn = []
    while len(drawn) < count and any(places.values()):
        of_kind = places[dice.choice([kind for kind in KINDS if places[kind]])]
        drawn.append(of_kind.pop(dice.randrange(len(of_kind))))
    return [(found, texts[found.file]) for found in drawn]


# --- Running --------------------------------------------------------------------------------------


def run(command, seconds_max, environment=None):
    """(exit code or None when the time was up, output). The whole process group ends with it."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds_max)
        except BaseException as reason:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(reason, subprocess.TimeoutExpired):
                raise
            code = None
        output.seek(0)
        return code, output.read(1 << 20).decode(errors="replace")


def make(*arguments):
    """The output if that cannot be built, else None."""
    code, text = run(["make", "-s", *arguments], BUILD_SECONDS_MAX)
    return None if code == 0 else text


class Unsound(Exception):
    """A test fails, or does not end, without any mutation: nothing can be said by it."""


class Test:
    """A test of the tree as it is, and of any mutant of that. `name` is its path below test/."""

    def __init__(self, name, profile):
        self.name = name
        self.profile = profile
        self.end_to_end = name.endswith(END_TO_END)
        self.target = "carillon" if self.end_to_end else f"test/{name}"
        self.lock = threading.Lock()
        self.seconds = None  # That it takes without a mutation.

    def run(self, program, seconds_max):
        """(exit code or None, output)"""
        environment = dict(os.environ, ASAN_OPTIONS="hard_rss_limit_mb=4096")
        if self.end_to_end:
            environment["CARILLON_BIN"] = str(program.resolve())
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                       f"test/{self.name}"]  # fmt: skip
        elif self.name == SIMULATOR:
            command = [program, "--until-broken", "--seeds", str(SIMULATOR_SEEDS)]
        else:
            command = [program]
        bounds = [f"--fsize={FILE_BYTES_MAX}"]
        if self.profile == "release":
            bounds.append(f"--as={MEMORY_BYTES_MAX}")
        return run(["prlimit", *bounds, *command], seconds_max, environment)

    def seconds_max(self):
        """How long a mutant may take. The first to ask runs the test of the tree as it is."""
        with self.lock:
            if self.seconds is None:
                start = time.monotonic()
                code, text = self.run(Path("build", self.profile, self.target), 600)
                if code != 0:
                    raise Unsound(f"{self.name}: {failed_test(text)} without a mutation")
                self.seconds = time.monotonic() - start
        return max(SECONDS_MIN, SLOWER_MAX * self.seconds)


def failed_test(text):
    """The name of what failed first, by the output of cmocka, pytest or the simulator."""
    cmocka, pytest = r"^\[  FAILED  \] (?:\S+: )?(\D\w+)$", r"^FAILED \S+::(\w+)"
    found = re.search(rf"{cmocka}|{pytest}|BROKEN: (.*)$", text, re.M)
    return next(filter(None, found.groups())) if found else "a crash"


class Tests:
    """The tests of each room, each made once, so that what is known of it stays known."""

    def __init__(self):
        self.all = {}
        self.lock = threading.Lock()

    def named(self, name, profile):
        with self.lock:
            return self.all.setdefault((name, profile), Test(name, profile))

    def stages(self, room):
        """Lists of tests, the cheapest stage first."""
        names = []
        for pattern in [f"unit/{room}/*", *TESTS.get(room, [])]:
            folder, _, last = pattern.rpartition("/")
            ending = "" if last.endswith(END_TO_END) else ".c"
            for path in sorted(Path("test", folder).glob(last + ending)):
                if path.name.startswith("test_"):
                    names.append(str(path.relative_to("test")).removesuffix(".c"))
        quick = [name for name in names if name.startswith(("unit/", "contract/"))]
        end_to_end = [name for name in names if name.endswith(END_TO_END)]
        slow = [name for name in names if name not in quick + end_to_end]
        for profile, stage in (
            ("release", quick), ("release", slow), ("asan", quick), ("release", end_to_end)
        ):  # fmt: skip
            yield [self.named(name, profile) for name in dict.fromkeys(stage)]


# --- One mutant -----------------------------------------------------------------------------------


class Unbuilt(Exception):
    """What the compiler or the linker said."""


class Mutant:
    def __init__(self, found, text, number):
        self.found = found
        self.text = found.applied_to(text)
        self.name = f"random-{os.getpid()}-{number}"

    def folder(self, profile):
        """Has the mutated file below it; made when it is asked for first."""
        folder = MUTANTS / f"{self.name}-{profile}"
        copy = folder / self.found.file
        if not copy.exists():
            copy.parent.mkdir(parents=True)
            copy.write_text(self.text)
        return folder

    def build(self, profile, target):
        """The path of what was built."""
        built = self.folder(profile) / target
        trouble = make(f"PROFILE={profile}", f"MUTANT={self.name}-{profile}", str(built))
        if trouble:
            raise Unbuilt(trouble)
        return built

    def is_same_code(self, mutated):
        """Whether the compiler made the same of it, apart from what is there for a debugger."""
        plain = []
        for number, made in enumerate((mutated, Path("build/release", self.object()))):
            plain.append(mutated.with_suffix(f".{number}"))
            subprocess.run(["objcopy", "--strip-debug", made, plain[-1]], check=True)
        return filecmp.cmp(*plain, shallow=False)

    def object(self):
        return Path(self.found.file).with_suffix(".o")

    def remove(self):
        for folder in MUTANTS.glob(f"{self.name}-*"):
            shutil.rmtree(folder)


def meet(mutant, test):
    """How the test fails with the mutant; None if it passes."""
    seconds_max = test.seconds_max()
    code, text = test.run(mutant.build(test.profile, test.target), seconds_max)
    if code is None:
        return f"{test.name}, which did not end"
    under = "" if test.profile == "release" else f" under {test.profile}"
    return f"{test.name}: {failed_test(text)}{under}" if code else None


def judge(mutant, tests, rows):
    """(verdict, how)"""
    found = mutant.found
    reason = rows.get((found.file, found.function, found.was, found.bug))
    if reason:
        return "equivalent", reason
    if mutant.is_same_code(mutant.build("release", mutant.object())):
        return "equivalent", "the compiler makes the same code of it"
    for stage in tests.stages(room_of(found.file)):
        for test in stage:
            how = meet(mutant, test)
            if how:
                return "killed", f"by {how}"
    return "survived", ""


def try_mutant(number, found, text, tests, rows):
    mutant = Mutant(found, text, number)
    start = time.monotonic()
    try:
        verdict, how = judge(mutant, tests, rows)
    except Unbuilt as trouble:
        verdict, how = "did not compile", str(trouble).strip().rpartition("\n")[2]
    except Unsound as trouble:
        verdict, how = "undecided", str(trouble)
    finally:
        mutant.remove()
    line = f"{number}. {found.file}:{found.line}: {found.function}: {found.kind}: {verdict} {how}"
    if verdict != "killed":
        line += f"\n    - {found.was}\n    + {found.bug}"
    print(f"{line} ({time.monotonic() - start:.1f} s)", flush=True)
    return room_of(found.file), verdict


# --- All of them ----------------------------------------------------------------------------------


def build_tree():
    """Everything that a mutant is linked with, without any mutation."""
    jobs = f"-j{os.cpu_count()}"
    for arguments in (["build", "test-programs"], ["PROFILE=asan", "test-programs"]):
        trouble = make(jobs, *arguments)
        if trouble:
            raise SystemExit(f"without a mutation: {trouble[-3000:]}")


def report(results):
    """Prints what became of the mutants of each room, and of all. Returns how many survived."""
    verdicts = ("killed", "survived", "did not compile", "equivalent", "undecided")
    for room in sorted({room for room, _ in results}):
        of_room = Counter(verdict for other, verdict in results if other == room)
        print(f"{room}: " + ", ".join(f"{of_room[verdict]} {verdict}" for verdict in verdicts))
    total = Counter(verdict for _, verdict in results)
    print(", ".join(f"{total[verdict]} {verdict}" for verdict in verdicts))
    return total["survived"]


def read_arguments():
    known = sorted(path.name for path in Path("src").iterdir() if path.is_dir())
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"all, or {', '.join(known)}")
    parser.add_argument("--count", type=int, default=20, help="so many mutants (20)")
    parser.add_argument("--seed", type=int, default=1, help="which are drawn (1)")
    parser.add_argument("--pick", help="of these only some, by their numbers: 3,7")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="so many at a time")
    parser.add_argument("--list", action="store_true", help="only show which are drawn")
    parser.add_argument("--check", action="store_true", help="only check the table of equivalents")
    options = parser.parse_args()
    if not options.rooms and not options.check:
        parser.error("which room?")
    for room in options.rooms:
        if room not in [*known, "all"]:
            parser.error(f"there is no room {room}")
    options.rooms = known if "all" in options.rooms else sorted(set(options.rooms))
    return options


def check(table):
    faults = list(misfits(table))
    print("\n".join(faults) or f"equivalent mutants: {len(table)} still fit the code")
    return 1 if faults else 0


def main():
    options = read_arguments()
    table = read_table()
    if options.check:
        return check(table)
    drawn = list(enumerate(draw(options.rooms, options.count, options.seed), 1))
    if options.pick:
        wanted = {int(number) for number in options.pick.split(",")}
        drawn = [(number, what) for number, what in drawn if number in wanted]
    if options.list:
        for number, (found, _) in drawn:
            print(f"{number}. {found.file}:{found.line}: {found.kind}\n"
                  f"    - {found.was}\n    + {found.bug}")  # fmt: skip
        return 0

    os.environ.pop("MAKEFLAGS", None)  # Of a make that runs us; ours is another one.
    build_tree()
    tests, rows = Tests(), {key_of(row): row["reason"] for row in table}
    with ThreadPoolExecutor(options.jobs) as pool:
        tries = [pool.submit(try_mutant, n, *what, tests, rows) for n, what in drawn]
        results = [each.result() for each in tries]
    return 1 if report(results) else 0


sys.exit(main())
