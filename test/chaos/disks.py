# SPDX-License-Identifier: MIT
"""Scenarios of disks: one that is full for a while, and one on which syncs fail."""

import errno
import os
import subprocess

from editor import Editor
from harness.jobs import expect
from harness.wait import wait_until
from world import preload, run_for

DISK_BYTES = 8 << 20
ENDINGS = ("store.lost", "server.start_failed")
EXIT_START = 1
EXIT_STORE_LOST = 74


class SmallDisk:
    """A small file system of its own, that can be filled: root only."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self.folder.mkdir()
        options = f"size={DISK_BYTES}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder]
        subprocess.run(command, check=True, capture_output=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.folder], check=True)

    def fill(self):
        with open(self.folder / "filler", "ab", buffering=0) as filler:
            for part in (65536, 4096, 1):
                self._fill_by(filler, bytes(part))

    @staticmethod
    def _fill_by(filler, part):
        try:
            while filler.write(part):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise

    def free(self):
        (self.folder / "filler").unlink()


class PretendedDisk:
    """Where nothing can be mounted: writes fail as on a full disk while a file exists."""

    def __init__(self, world):
        self.file = world.folder / "full"
        world.environment = preload(
            "faults", FAULT_FILE=world.database, FAULT_ACT="full", FAULT_WHILE=self.file
        )

    def fill(self):
        self.file.touch()

    def free(self):
        self.file.unlink()


def make_disk(world):
    if os.geteuid() != 0:
        return PretendedDisk(world)
    try:
        disk = world.cleanup.enter_context(SmallDisk(world.folder / "disk"))
    except (OSError, subprocess.CalledProcessError):
        return PretendedDisk(world)
    world.database = disk.folder / "carillon.db"
    return disk


def health(world):
    return world.server.get("/observability/health").status


def is_full_for_good(world, disk):
    """The server cuts its log when there is no room, and goes on with what that gives. It tries
    once a second, so what it finds has to be filled up as well."""
    disk.fill()
    if health(world) != 503:
        return False
    run_for(1.5)
    disk.fill()
    return health(world) == 503


def check_degraded(world, disk):
    """Writes are refused by name, and nothing new is sent."""
    wait_until(lambda: is_full_for_good(world, disk), 30, "health is 503")
    body = {"schedule": "@daily", "api": world.target.url("/ok/full")}
    answer = expect(world.server.post("/jobs", body), 507).json
    assert answer["type"] == "/problems/storage-full", answer
    run_for(1)  # What was on its way arrives.
    before = len(world.arrivals())
    run_for(2)
    if len(world.arrivals()) != before:
        world.problems.append("sent while nothing could be recorded")


def check_recovered(world):
    wait_until(lambda: health(world) == 200, 20, "health is 200 again")
    world.create("ok")


def check_start_says_so(world, disk):
    """On a full disk a server cannot begin a life, and its supervisor tries again; or it cuts its
    log, and what that gives is enough to begin, though not to go on."""
    world.launch()
    if world.lives_to_listen():
        check_degraded(world, disk)
        world.end_now()
        return
    code = world.wait_for_death(20)
    if code != EXIT_START or "the disk is full" not in world.last_words():
        world.problems.append(f"a start on a full disk: {world.last_words()}")


def full_disk(world, options):
    """The disk is full for seconds, also through a kill -9; the server recovers by itself."""
    disk = make_disk(world)
    world.start()
    world.create_load(share=0.5)
    times = max(1, options.kills // 25)
    with Editor(world) as editor:
        for _ in range(times):
            run_for(1 + world.random.random())
            check_degraded(world, disk)
            disk.free()
            check_recovered(world)
    check_degraded(world, disk)
    world.end_now()
    check_start_says_so(world, disk)
    disk.free()
    world.finish()
    return [f"full {times + 1} times", f"edits={editor.answered}", type(disk).__name__]


def end_by_error(world, fault):
    """Runs a server until its disk breaks: then it must end by itself, and say why."""
    server = world.launch(**preload("faults", FAULT_FILE=world.database, FAULT_ACT="eio", **fault))
    code = world.wait_for_death(20)
    if code is None:
        world.problems.append(f"it went on although the disk is broken: {fault}")
        return world.end_now()
    listened = bool(server.events("server.listening"))
    expected = EXIT_STORE_LOST if listened else EXIT_START
    events = [e["detail"] for e in server.events() if e["event"] in ENDINGS]
    said = any(words in detail for detail in events for words in ("Input/output error", "I/O"))
    if code not in (expected, EXIT_STORE_LOST) or not said:
        world.problems.append(f"not code {expected} and a reason: {world.last_words()}")
    return None


def broken_disk(world, options):
    """Writes or syncs fail with EIO: the server ends with a message, and a restart recovers."""
    world.start()
    world.create_load(share=0.5)
    times = max(2, options.kills // 10)
    for n in range(times):
        run_for(0.5)
        world.end_now()
        nth = world.random.randrange(1, 60)
        end_by_error(world, {"FAULT_NTH": nth, "FAULT_CALLS": ("sync", "any", "write")[n % 3]})
        world.start()
    world.finish()
    return [f"broken {times} times"]
