# SPDX-License-Identifier: MIT
"""What a group of processes costs, read from /proc: processor time and memory."""

import re
from pathlib import Path


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


def memory_mib(pids):
    """Resident memory; what several of the processes share counts once."""
    return sum(_proportional_kib(pid) for pid in family(pids)) / 1024


def _proportional_kib(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1])
