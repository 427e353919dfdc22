#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures what a herd of failures does: to the people who are told, and to the other jobs.

    bench/alerts.py [--jobs N] [--herd N] [--folder FOLDER]

N jobs fire every second (default 1,000), while a herd of other jobs (default 10,000) fails at one
instant. Each row has a server of its own and channels of its own: none, one that answers, one where
nobody listens beside it, and one that takes requests and never answers beside it. Per row: lateness
of the jobs that fire every second, from the instant of the herd on; how many messages the channel
that answers got, after how long the first came, and how many alerts they tell of together.
"""

import argparse
import socket
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

from whole import create_many, formatted, percentile, print_row, server_on, target_in
from harness.jobs import expect
from harness.target import Target
from harness.times import EVERY_SECOND, now_ms, schedule_at
from harness.wait import wait_until, wait_until_clock

WATCHED_SECONDS = 20
AHEAD_MS = 8000  # The herd fails so long after it was made.


@contextmanager
def deaf_port():
    """Takes connections into its backlog, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@contextmanager
def dead_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield port


OTHERS = {
    "no channel": None,
    "a channel that answers": (),
    "beside a dead one": (dead_port,),
    "beside one that hangs": (deaf_port,),
}


def add_channel(server, name, url):
    channel = {"name": name, "kind": "webhook", "settings": {"url": url}}
    expect(server.post("/channels", channel), 201)


def add_channels(server, people, others, stack):
    if others is None:
        return
    add_channel(server, "people", people.url("/ok/people"))
    for number, other in enumerate(others):
        port = stack.enter_context(other())
        add_channel(server, f"other {number}", f"http://127.0.0.1:{port}/")


def wait_until_told(people, herd):
    def told():
        return sum(a.json["count"] for a in people.arrivals()) >= herd

    wait_until(told, 120, "people are told of the whole herd")


def lateness(target, first_ms):
    """Of the instants that were watched, at which the herd's own requests are left out."""
    last_ms = first_ms + (WATCHED_SECONDS - 1) * 1000
    return sorted(
        at_us / 1000 - instant_ms
        for _, instant_ms, at_us in target.read()
        if first_ms <= instant_ms <= last_ms
    )


def measure(folder, jobs, herd, name):
    others = OTHERS[name]
    with ExitStack() as stack:
        target = stack.enter_context(target_in(folder))
        (folder / "herd").mkdir()
        failing = stack.enter_context(target_in(folder / "herd"))
        people = stack.enter_context(Target())
        server = stack.enter_context(server_on(folder / "carillon.db"))
        add_channels(server, people, others, stack)
        create_many(server, jobs, EVERY_SECOND, target.url("/ok"))
        create_s = herd / 2000  # At most: a create is an fsync that it shares with others.
        at_ms = (now_ms() + AHEAD_MS + int(create_s * 1000)) // 1000 * 1000
        url = failing.url("/status/500")
        create_many(server, herd, schedule_at(at_ms), url, '"max_retries":0')
        wait_until_clock(at_ms + WATCHED_SECONDS * 1000 + 1500)
        if others is not None:
            wait_until_told(people, herd)
        late_ms = lateness(target, at_ms)
        told = people.arrivals()
        failed_ms = max(at_us for _, _, at_us in failing.read()) / 1000
        return {
            f"{'':24}": f"{name:24}",
            "lost": jobs * WATCHED_SECONDS - len(late_ms),
            "late p50 ms": percentile(late_ms, 0.50),
            "p99": percentile(late_ms, 0.99),
            "max": late_ms[-1],
            "herd failed in s": (failed_ms - at_ms) / 1000,
            "messages": len(told),
            "first after s": (told[0].at_ms - at_ms) / 1000 if told else "-",
            "alerts told": sum(a.json["count"] for a in told),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000, help="that fire every second")
    parser.add_argument("--herd", type=int, default=10_000, help="jobs that fail at once")
    parser.add_argument("--folder", help="where the databases are written (default: TMPDIR)")
    arguments = parser.parse_args()
    for number, name in enumerate(OTHERS):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
            row = measure(Path(scratch), arguments.jobs, arguments.herd, name)
        if number == 0:
            print_row(row, row)
            print_row(row, ["---:"] * len(row))
        print_row(row, map(formatted, row.values()))


if __name__ == "__main__":
    main()
