# SPDX-License-Identifier: MIT
"""The world of a cluster: nodes with a balancer, PostgreSQL with a replica, Redis, and between each
node and each of its servers a link of its own, which can break.

A client repeats each change until it is answered, with an Idempotency-Key or with If-Match, as one
should that loses answers. So what became of a change is always known, and each is made once.
"""

import json
import random
import time

import editor
from harness.cluster import Cluster, Node
from harness.ledger import BROKEN_PROMISES
from harness.pgbouncer import PgBouncer
from harness.postgres import Postgres, url
from harness.program import BINARY, Client, run_to_end
from harness.redis import Redis
from harness.times import now_ms, wall_text
from relay import Links
from verdict import ROWS, Ledger, judge
from world import SETTLE_SECONDS, World, preload

APIS = 2
WORKERS = 3
EXECUTORS = 2
TTL = "2s"
POSTGRES_SOCKET = ".s.PGSQL.5432"
POOLER_SOCKET = ".s.PGSQL.6432"
ANSWER_SECONDS_MAX = 120
LOOK_PAUSE_SECONDS = 0.1
LAST_LINES = 5
# Their wall clocks can be turned.
WITH_CLOCKS = ("api-1", "worker-1")
OPEN_ROWS = "SELECT count(*) FROM job_executions WHERE completed_at IS NULL"
ACTIVE_JOBS = (
    "SELECT count(*) FROM jobs WHERE is_active = 1 AND finished = 0 AND deleted_at IS NULL"
)


class Door(Client):
    """The balancer, as a client sees it that asks again until it is answered."""

    def ask(self, method, path, body=None, headers=None):
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            try:
                response = super().request(method, path, body, headers=headers)
            except editor.NO_ANSWER:
                response = None
            if response and response.status < 500 and response.status != 409:
                return response
            assert time.monotonic() < deadline, f"{method} {path}: {response}"
            time.sleep(LOOK_PAUSE_SECONDS)

    def request(self, method, path, body=None, headers=None, connection=None):
        if method == "POST":
            headers = {"Idempotency-Key": f"{random.getrandbits(64):x}", **(headers or {})}
        return self.ask(method, path, body, headers)


class Editor(editor.Editor):
    """The client that never rests, of which each request is repeated until it is answered."""

    def _create(self):
        self.mine.append(self.world.create("ok", schedule=self.random.choice(editor.SCHEDULES)))
        self.answered += 1

    def _act(self, job):
        super()._act(job)
        self.answered += 1

    def _change(self, job):
        self._edit(job, {"schedule": self.random.choice(editor.SCHEDULES)})

    def _pause(self, job):
        self._edit(job, {"is_active": False})

    def _resume(self, job):
        self._edit(job, {"is_active": True})

    def _edit(self, job, change):
        """412: an earlier copy of the request, whose answer was lost, has made it."""
        match = {"If-Match": f'"{job.number}"'}
        number = job.number
        answer = self.world.door.ask("PATCH", f"/jobs/{job.id}", change, match)
        if answer.status == 412:
            answer = self.world.door.ask("GET", f"/jobs/{job.id}")
        assert answer.status == 200, answer
        job.learn(answer.json)
        if job.number not in (number, number + 1):
            job.problems.append(f"twice: job {job.id} went from version {number} to {job.number}")

    def _trigger(self, job):
        answer = self.world.door.post(f"/jobs/{job.id}/trigger")
        assert answer.status == 202, answer
        job.triggered.append(answer.json["execution_id"])

    def _remove(self, job):
        asked_ms = self.world.wall_ms()
        answer = self.world.door.ask("DELETE", f"/jobs/{job.id}")
        assert answer.status in (204, 404), answer
        job.delete(asked_ms)
        self.mine.remove(job)


class SupervisedNode(Node):
    """A start that fails because the database cannot be reached in time is made again a moment
    later, as whatever starts a server does it."""

    def wait_until_listening(self):
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            try:
                return super().wait_until_listening()
            except AssertionError:
                if self.is_running or not self._was_cut_off() or time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_PAUSE_SECONDS)
                self.begin()

    def _was_cut_off(self):
        failed = self.events("server.start_failed")
        return failed and failed[0]["error"] == "the database cannot be reached"


class LinkedCluster(Cluster):
    """A cluster of which each node has links of its own to its servers."""

    def __init__(self, world):
        self.world = world
        super().__init__(world.database, apis=APIS, workers=WORKERS)

    def node(self, name, role, *more):
        arguments = (*self.world.link(name), "--lease-ttl", TTL, *self.world.settings, *more)
        return SupervisedNode(name, role, arguments, **self.world.options_of(name))


class ClusterWorld(World):
    """A world whose server is a cluster behind its balancer."""

    settings = ()  # Of every node but executors.
    has_pooler = False
    executor_count = 0
    binary = BINARY

    def __enter__(self):
        enter = self.cleanup.enter_context
        self.primary = enter(Postgres())
        self.replica = enter(self.primary.make_replica())
        servers = (self.primary, self.replica)
        self.redis = enter(Redis())
        self.pooler = enter(PgBouncer(self.primary)) if self.has_pooler else None
        self.links = enter(Links())
        self.database_links, self.redis_links = {}, {}  # {name of a node: its links}
        self.clocks = {}  # {name of a node: the file that says how far its wall clock is off}
        self.clocks_ms = {}  # And so far.
        self.story = []
        self.database = url(*servers)
        self.executors = self._start_executors()
        self.cluster = enter(LinkedCluster(self))
        self.server = self.listening = Door(self.cluster.balancer.port)
        return super().__enter__()

    def __exit__(self, *_):
        self.cleanup.close()

    # --- Its parts -------------------------------------------------------------------------------

    def link(self, name, with_database=True):
        """The settings by which a node of this name reaches its servers."""
        link = self.links.add(f"link-{name}", self.redis.socket)
        self.redis_links[name] = [link]
        if not with_database:
            return ("--redis", f"unix://{link.path}")
        servers = (self.primary, self.replica)
        ends = [server.folder / POSTGRES_SOCKET for server in servers]
        if self.pooler:
            ends = [self.pooler.folder / POOLER_SOCKET]
        ways = [self.links.add(f"link-{name}", end, POSTGRES_SOCKET) for end in ends]
        self.database_links[name] = ways
        return ("--redis", f"unix://{link.path}", "--db", url(*ways))

    def options_of(self, name):
        options = {"binary": self.binary}
        if name in WITH_CLOCKS:
            self.clocks[name] = self.folder / f"clock-{name}"
            self.turn_clock(name, 0)
            options["environment"] = preload("steps", STEP_FILE=self.clocks[name])
        return options

    def turn_clock(self, name, offset_ms):
        new = self.folder / "clock.new"
        new.write_text(f"{offset_ms}\n")
        new.rename(self.clocks[name])
        self.clocks_ms[name] = offset_ms

    def _start_executors(self):
        executors = []
        for n in range(1, self.executor_count + 1):
            name = f"executor-{n}"
            arguments = self.link(name, with_database=False)
            executors.append(Node(name, "executor", arguments, **self.options_of(name)))
            self.cleanup.callback(executors[-1].end)
            executors[-1].start()
        return executors

    @property
    def processes(self):
        return [*self.cluster.nodes, *self.executors]

    def check_alive(self):
        """A node that has ended without being told to is a failure, and is started again."""
        for node in self.processes:
            if not node.is_running:
                self.problems.append(f"it ended by itself: {node}\n{node.log_tail()}")
                node.start()

    def log(self, what):
        """What goes wrong next, for whoever looks for the cause of a problem."""
        self.story.append(f"{wall_text(now_ms())} {what}")

    def last_words(self):
        tails = [f"{node}\n" + "\n".join(node.lines[-LAST_LINES:]) for node in self.processes]
        return "\n".join([*tails, *self.story])

    def ask(self, sql):
        return self.primary.ask(sql)

    # --- The end ---------------------------------------------------------------------------------

    def _is_quiet(self):
        return self.ask(OPEN_ROWS) == [["0"]] and self.ask(ACTIVE_JOBS) == [["0"]]

    def settle(self):
        self.check_alive()
        self.cluster.wait_until_shared(seconds=SETTLE_SECONDS)
        self._let_jobs_end()
        for node in self.processes:
            node.stop()
            node.check_sanitizers()

    def judge(self):
        deleted = self._rows("SELECT id, deleted_at FROM jobs")
        for job in self.jobs.values():
            job.learn_end(dict(deleted))
        rows = Ledger(self._rows(ROWS))
        verdict = judge(self.jobs, rows, self.arrivals(), self.latest_wall_ms)
        for promise, query in BROKEN_PROMISES.items():
            verdict.problems += [f"{promise}: {row}" for row in self._rows(query)]
        verdict.problems += self.problems
        end = run_to_end("doctor", self.database)
        verdict.problems += [f"doctor: {end.stdout}{end.stderr}"] if end.returncode else []
        for job in self.jobs.values():
            verdict.problems += job.problems
        return verdict

    def _rows(self, query):
        lines = self.ask(f"SELECT row_to_json(t) FROM ({query}) AS t")
        return [tuple(json.loads("|".join(line)).values()) for line in lines]


class PooledWorld(ClusterWorld):
    """Between the nodes and PostgreSQL stands a pooler in transaction mode."""

    has_pooler = True


class UpgradedWorld(ClusterWorld):
    """Its nodes begin as those of the version before."""

    new_binary = BINARY

    def __init__(self, folder, seed, options):
        super().__init__(folder, seed, options)
        self.binary = options.old_binary


class QueueWorld(ClusterWorld):
    """Requests are sent by executors."""

    settings = ("--dispatch", "queue")
    executor_count = EXECUTORS
