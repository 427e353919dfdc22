# SPDX-License-Identifier: MIT
"""Who is measured: Carillon and its peers, behind one interface.

A contender starts with `running()`, which makes the jobs, or loads them when its folder already has
them, and yields a Running once everything is scheduled. When the block ends it has been stopped in
order, and `running.counts` says how many executions it has a durable record of.
"""

import json
import os
import queue
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from harness.program import run_to_end
from harness.times import EVERY_SECOND, second_after, wall_text
from harness.wait import wait_until
from stores import ask_postgres, make_database, postgres_in, redis_in
from whole import YEARLY, create_many, server_on

PEERS = Path(__file__).parents[1] / "build" / "peers"  # bench/run puts them there.
READY_SECONDS = 60
STOP_SECONDS = 30
RUN_SECONDS_MAX = 600
JVM_PEERS = PEERS / "jvm"
CREATED_PER_MS = 5  # Of many jobs, with some reserve.


class Died(Exception):
    """A contender ended, or was not ready in time."""


@dataclass
class Running:
    pids: list
    port: int = None  # Of its API, if it has one.
    since_ms: int = 0  # The jobs do not fire before.
    counts: dict = field(default_factory=dict)  # {"records": n, "succeeded": m}, at the end.


@dataclass(frozen=True)
class Carillon:
    name: str
    arguments: tuple = ()
    fields: str = ""  # Further members of each job, as JSON.
    hint: int = 20_000  # Where the search for its highest rate begins.
    database: str = "carillon.db"
    threads: tuple = ("engine", "store")

    @contextmanager
    def running(self, folder, url, jobs=0, schedule=EVERY_SECOND, idle=0):
        database = folder / self.database
        is_new = not database.exists()
        with server_on(database, *self.arguments) as server:
            if is_new and idle:
                create_many(server, idle, YEARLY, f"{url}/idle")
            running = Running([server.process.pid], server.port)
            if is_new and jobs:
                running.since_ms = second_after(jobs // CREATED_PER_MS)
                create_many(server, jobs, schedule, url, self._fields(running.since_ms))
            yield running
        running.counts = self._counts(database)

    # Like the peers' jobs, these begin to fire once they are all there.
    def _fields(self, since_ms):
        start = f'"start_at":"{wall_text(since_ms)}"'
        return f"{start},{self.fields}" if self.fields else start

    @staticmethod
    def _counts(database):
        query = """SELECT count(*), coalesce(sum(status = 'SUCCESS'), 0) FROM job_executions
                   WHERE completed_at IS NOT NULL"""
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return dict(zip(("records", "succeeded"), connection.execute(query).fetchone()))


def owns_all(server):
    cluster = server.get("/cluster").json
    return sum(node["shards"] for node in cluster["nodes"]) == cluster["shards"]["all"]


@dataclass(frozen=True)
class CarillonOnPostgres(Carillon):
    """With a PostgreSQL of its own, whose processes count as the server's."""

    @contextmanager
    def running(self, folder, url, jobs=0, schedule=EVERY_SECOND, idle=0):
        with postgres_in(folder) as (socket, postgres):
            database = make_database(socket, "carillon")
            with server_on(database, *self.arguments) as server:
                wait_until(lambda: owns_all(server), READY_SECONDS, "the shards are all here")
                if idle:
                    create_many(server, idle, YEARLY, f"{url}/idle")
                running = Running([server.process.pid, postgres], server.port)
                if jobs:
                    running.since_ms = second_after(jobs // CREATED_PER_MS)
                    create_many(server, jobs, schedule, url, self._fields(running.since_ms))
                yield running
            running.counts = self._counts(database)

    @staticmethod
    def _counts(database):
        query = """SELECT count(*), count(*) FILTER (WHERE status = 'SUCCESS') FROM job_executions
                   WHERE completed_at IS NOT NULL"""
        counts = map(int, ask_postgres(database, query).split("|"))
        return dict(zip(("records", "succeeded"), counts))


@dataclass(frozen=True)
class Peer:
    name: str
    script: str
    hint: int
    store: object = None  # redis_in or postgres_in.
    warm_up_ms: int = 0  # At work for so long before it is watched.

    def command(self):
        return ["node", PEERS / self.script]

    @contextmanager
    def running(self, folder, url, jobs=0, schedule=EVERY_SECOND, idle=0):
        words = [str(jobs), url, str(folder), str(RUN_SECONDS_MAX)]
        words += ["--schedule", schedule, "--idle", str(idle)]
        with self.store(folder) if self.store else nullcontext((None, None)) as (socket, store):
            words += ["--store", str(socket)] if store else []
            process = PeerProcess([*self.command(), *words])
            try:
                port = process.line(READY_SECONDS).get("port")
                running = Running([process.pid, *([store] if store else [])], port)
                yield running
                running.counts = process.stop()
            finally:
                process.kill()


@dataclass(frozen=True)
class JvmPeer(Peer):
    """`script` is the name of its class. What a JVM has not compiled yet is slow."""

    warm_up_ms: int = 25_000

    def command(self):
        return ["java", "-Xmx1g", "-cp", f"{JVM_PEERS}/classes:{JVM_PEERS}/lib/*", self.script]


class PeerProcess:
    """A program that says one JSON line when it is ready and one at its end."""

    def __init__(self, command):
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "TZ": "UTC", "NODE_ENV": "production"},
        )
        self.pid = self._process.pid
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with self._process.stdout as stdout:
            for line in stdout:
                if line.startswith("{"):
                    self._lines.put(json.loads(line))
        self._lines.put(None)

    def line(self, seconds):
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            line = None
        if line is None:
            raise Died(f"not within {seconds} s" if self._process.poll() is None else "died")
        return line

    def stop(self):
        """What it says at its end."""
        self._process.send_signal(signal.SIGTERM)
        return self.line(STOP_SECONDS)

    def kill(self):
        self._process.kill()
        self._process.wait()


JVM_PEER_LIST = (
    JvmPeer("db-scheduler, PostgreSQL", "peers.DbScheduler", 3000, postgres_in),
    JvmPeer("Quartz clustered, PostgreSQL", "peers.Quartz", 200, postgres_in),
)
PEER_LIST = (
    Peer("Express, node-cron, better-sqlite3, axios", "seed.mjs", 500),
    Peer("croner, SQLite, undici", "croner.mjs", 1500),
    Peer("BullMQ, Redis", "bullmq.mjs", 500, redis_in),
    Peer("pg-boss, PostgreSQL", "pgboss.mjs", 1500, postgres_in),
    *(JVM_PEER_LIST if (JVM_PEERS / "classes").exists() else ()),
)
SEED = PEER_LIST[0]


def carillons():
    """Carillon, and where the program can choose, once for each way to send requests."""
    if "--dispatch" not in run_to_end("serve", "--help").stdout:
        return (Carillon("Carillon"),)
    return (
        Carillon("Carillon", ("--dispatch", "wire"), hint=30_000),
        Carillon("Carillon with libcurl", ("--dispatch", "curl"), hint=10_000),
    )


def seconds_since(start):
    return time.monotonic() - start
