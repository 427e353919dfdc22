#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures what hostile clients of the API do to the jobs, to the memory and to /livez.

    bench/hostile.py [--jobs N] [--window SECONDS] [--folder FOLDER]

N jobs fire every second (default 1,000) on one server. It is watched quiet first, then under each
attack of the table ATTACKS, which one client address makes. The attackers run at a lower priority
than the server, since real ones have processors of their own. Per row: lateness of the jobs at the
target, the server's largest resident memory, and how long a fresh connection takes to ask /livez.
"""

import argparse
import os
import random
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from whole import YEARLY, create_many, formatted, percentile, print_row, server_on, target_in
from harness.jobs import create_job
from harness.times import EVERY_SECOND, now_ms
from harness.wait import wait_until_clock

SLOW_CONNECTIONS = 5_000
HOSTILE_REQUESTS = 20_000
IMPORTS = 100
IMPORT_BYTES = 1_000_000
SLOW_READERS = 500
LARGE_JOBS = 100  # What slow readers are given to read.
LARGE_BODY_BYTES = 50_000
ATTACK_SECONDS = 10
SECONDS_MIN = 3  # That are watched, however short the attack.
WARM_UP_MS = 4000
PROBE_SECONDS = 0.05
PROBE_SECONDS_MAX = 5
SEED = 1


# --- The attacks ---------------------------------------------------------------------------------


def connected(port):
    """A connection that blocks for nothing, or None when it was not to be had."""
    s = socket.socket()
    s.settimeout(1)
    try:
        s.connect(("127.0.0.1", port))
    except OSError:
        s.close()
        return None
    s.setblocking(False)
    return s


def send_some(s, data):
    """False when the other side has ended the connection."""
    try:
        s.send(data)
        return True
    except BlockingIOError:
        return True
    except OSError:
        s.close()
        return False


def slow_heads(port):
    """Heads of 3 KB that never end, one byte more from time to time; what is closed is opened
    again."""
    head = b"GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"a" * 3000
    held = []
    end = time.monotonic() + ATTACK_SECONDS
    while time.monotonic() < end:
        held = [s for s in held if send_some(s, b"a")]
        while len(held) < SLOW_CONNECTIONS and time.monotonic() < end:
            if s := connected(port):
                send_some(s, head)
                held.append(s)
    return f"{len(held)} connections held at the end"


GET = b"GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
MALFORMED = (
    b"GET /jobs HTTP/1.1\r\n\r\n",
    b"GET /jobs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /jobs HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /jobs\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /livez?" + b"a&" * 4000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    GET + b"X: " + b"a" * 17_000 + b"\r\n\r\n",
    GET + b"" + b"X: y\r\n" * 200 + b"\r\n",
    GET + b"Cookie: " + b"a=b;" * 3900 + b"\r\n\r\n",
    GET + b"X: a\r\n b\r\n\r\n",
    b"GET /jobs HTTP/1.1\nHost: 127.0.0.1\n\n",
    GET + b"X: \x00\r\n\r\n",
    POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    POST + b"Content-Length: -1\r\n\r\n",
    POST + b"Content-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /schedules/preview HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n" + (GET + b"\r\n") * 99,
    POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n",
    POST + b"Transfer-Encoding: gzip\r\n\r\n",
    POST + b"Content-Type: application/json\r\n"
    b"Content-Length: 2000000\r\n\r\n",
    POST + b"Content-Type: application/json\r\n"
    b"Content-Length: 66\r\n\r\n" + b"[" * 33 + b"]" * 33,
    b"GET /jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"POST /jobs/1/trigger HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n"
    b"Content-Length: 0\r\n\r\n",
    b"GET /jobs?limit=99999999999999999999 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /jobs?cursor=%00%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET http://evil.example/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
)


def damaged(generator, request):
    """The request with some of its bytes changed, or cut."""
    data = bytearray(request)
    for _ in range(generator.randrange(4)):
        data[generator.randrange(len(data))] = generator.randrange(256)
    whole = generator.random() < 0.9
    return data if whole else data[: generator.randrange(1, len(data) + 1)]


def send_malformed(port, request):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
    except OSError:
        pass  # Refused and reset: as it should be.


def hostile_requests(port):
    """Malformed requests, and well-formed ones with damaged bytes."""
    generator = random.Random(SEED)
    requests = [damaged(generator, generator.choice(MALFORMED)) for _ in range(HOSTILE_REQUESTS)]
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda request: send_malformed(port, request), requests))
    return f"{HOSTILE_REQUESTS} requests"


def import_bodies():
    numbers = b'{"jobs":[' + b"1," * (IMPORT_BYTES // 2 - 10) + b"1]}"
    line = b"* * * * * curl http://x/" + b"a" * 32_000 + b"\xff" + b"b" * 32_000 + b"\n"
    return (
        ("application/json", numbers),
        ("text/x-crontab", line * (IMPORT_BYTES // len(line))),
        ("application/json", b'{"jobs":[' + b"{}," * (IMPORT_BYTES // 3 - 10) + b"{}]}"),
    )


def post_import(port, kind, body):
    head = f"POST /import?dry_run=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {kind}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        s.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        first = s.recv(65536)
        while s.recv(65536):
            pass
    return first.split(b" ")[1].decode()


def parallel_imports(port):
    """As many imports of 1 MB at once as there are threads, of items that are no jobs."""
    bodies = import_bodies()

    def one(number):
        try:
            return post_import(port, *bodies[number % len(bodies)])
        except OSError as error:
            return type(error).__name__

    with ThreadPoolExecutor(IMPORTS) as pool:
        answers = list(pool.map(one, range(IMPORTS)))
    return ", ".join(f"{answers.count(a)} x {a}" for a in sorted(set(answers)))


def slow_readers(port):
    """Clients that ask for the largest answer there is and read a byte of it a second."""
    request = b"GET /jobs?limit=500 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    held = [s for _ in range(SLOW_READERS) if (s := connected(port))]
    reads = selectors.DefaultSelector()
    for s in held:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if send_some(s, request):
            reads.register(s, selectors.EVENT_READ)
    end = time.monotonic() + ATTACK_SECONDS
    while time.monotonic() < end:
        for key, _ in reads.select(1):
            try:
                if not key.fileobj.recv(1):
                    reads.unregister(key.fileobj)
            except OSError:
                reads.unregister(key.fileobj)
        time.sleep(1)
    return f"{len(reads.get_map())} connections held at the end"


ATTACKS = {
    f"{SLOW_CONNECTIONS} slow heads": slow_heads,
    f"{HOSTILE_REQUESTS} hostile requests": hostile_requests,
    f"{IMPORTS} imports of 1 MB at once": parallel_imports,
    f"{SLOW_READERS} slow readers": slow_readers,
}


def run_attack(name, port):
    """What the attacker says, a process of its own at a low priority."""
    command = [sys.executable, __file__, "--attack", name, str(port)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return run.stdout.strip()


def attack(name, port):
    os.nice(15)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(ATTACKS[name](int(port)))


# --- What is watched -----------------------------------------------------------------------------


class Probe:
    """Asks /livez by fresh connections, on a thread of its own, until it is stopped."""

    def __init__(self, port):
        self.took_ms = []
        self._port = port
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _ask(self):
        start = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", self._port), PROBE_SECONDS_MAX) as s:
                s.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                answered = s.recv(4096).startswith(b"HTTP/1.1 200")
        except OSError:
            answered = False
        return (time.monotonic() - start) * 1000 if answered else float("inf")

    def _run(self):
        while not self._stopped.wait(PROBE_SECONDS):
            self.took_ms.append(self._ask())

    def stop(self):
        self._stopped.set()
        self._thread.join()
        return sorted(self.took_ms)


def forget_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mib(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def watch(server, target, jobs, what, act):
    """One row: what happened while `act` ran."""
    forget_peak(server.process.pid)
    probe = Probe(server.port)
    first_ms = now_ms() // 1000 * 1000 + 1000
    said = act()
    last_ms = max(now_ms() // 1000 * 1000, first_ms + (SECONDS_MIN - 1) * 1000)
    wait_until_clock(last_ms + 1500)
    livez_ms = probe.stop()
    window = [a for a in target.read() if first_ms <= a[1] <= last_ms]
    late_ms = sorted(at_us / 1000 - instant_ms for _, instant_ms, at_us in window)
    seconds = (last_ms - first_ms) // 1000 + 1
    return {
        f"{'':30}": f"{what:30}",
        "seconds": seconds,
        "lost": jobs * seconds - len({a[:2] for a in window}),
        "late p50 ms": percentile(late_ms, 0.50),
        "p99": percentile(late_ms, 0.99),
        "max": late_ms[-1],
        "livez p50 ms": percentile(livez_ms, 0.50),
        "max ms": livez_ms[-1],
        "peak RSS MiB": peak_mib(server.process.pid),
        "the attacker says": said,
    }


def measure(folder, jobs, window_s):
    with target_in(folder) as target, server_on(folder / "carillon.db") as server:
        create_many(server, jobs, EVERY_SECOND, target.url("/ok"))
        for _ in range(LARGE_JOBS):
            create_job(server, target.url("/ok"), YEARLY, body="x" * LARGE_BODY_BYTES)
        wait_until_clock(now_ms() + WARM_UP_MS)
        quiet = watch(server, target, jobs, "quiet", lambda: time.sleep(window_s) or "-")
        print_row(quiet, quiet)
        print_row(quiet, ["---:"] * len(quiet))
        print_row(quiet, map(formatted, quiet.values()))
        for name in ATTACKS:
            row = watch(server, target, jobs, name, lambda: run_attack(name, server.port))
            print_row(row, map(formatted, row.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000, help="that fire every second")
    parser.add_argument("--window", type=int, default=10, help="quiet seconds (default 10)")
    parser.add_argument("--folder", help="where the database is written (default: TMPDIR)")
    parser.add_argument("--attack", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.attack:
        return attack(*arguments.attack)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        measure(Path(scratch), arguments.jobs, arguments.window)


if __name__ == "__main__":
    main()
