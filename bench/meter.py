# SPDX-License-Identifier: MIT
"""What a group of processes costs, read from /proc: processor time and memory."""

import os
import re
from pathlib import Path

US_PER_TICK = 1_000_000 // os.sysconf("SC_CLK_TCK")


def family(pids):
    """These processes and all that descend from them."""
    found, waiting = set(), list(pids)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            waiting += map(int, task.read_text().split())
    return found


def cpu_us(pids):
    """Time on a processor so far, user and system, of all their threads that live. The scheduler
    counts it in nanoseconds; the ticks of /proc/PID/stat would be too coarse for a few seconds."""
    return sum(_thread_ns(pid) for pid in family(pids)) / 1000


def _thread_ns(pid):
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads)


def cpu_us_by_part(pid, names):
    """{"<name of a thread> user": us so far, "<name> kernel": us, ...}. In ticks of the system
    clock, which are fine enough for a busy thread and some seconds."""
    spent = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        name = (thread / "comm").read_text().strip()
        if name in names:
            fields = (thread / "stat").read_text().rpartition(")")[2].split()
            spent[f"{name} user"] = int(fields[11]) * US_PER_TICK
            spent[f"{name} kernel"] = int(fields[12]) * US_PER_TICK
    return spent


def memory_mib(pids):
    """Resident memory; what several of the processes share counts once."""
    return sum(_proportional_kib(pid) for pid in family(pids)) / 1024


def _proportional_kib(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1])
