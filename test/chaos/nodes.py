# SPDX-License-Identifier: MIT
"""The scenario of a cluster: of its nodes, PostgreSQL and Redis something dies or stands still all
the time, under load and edits through the load balancer.

A client repeats each change until it is answered, with an Idempotency-Key or with If-Match, as one
should that loses answers. So what became of a change is always known, and each is made once.
"""

import json
import random
import signal
import time
from collections import Counter

import editor
from harness.cluster import Cluster
from harness.ledger import BROKEN_PROMISES
from harness.postgres import Postgres, url
from harness.program import Client, run_to_end
from harness.redis import Redis
from verdict import ROWS, Ledger, judge
from world import SETTLE_SECONDS, World, run_for

APIS = 2
WORKERS = 3
TTL = "2s"
OUTAGE_SECONDS = (0.2, 6)  # Shorter than a lease, and much longer.
PAUSE_SECONDS = (0.5, 3)
ANSWER_SECONDS_MAX = 120
LOOK_PAUSE_SECONDS = 0.1
LAST_LINES = 5
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
        answer = self.world.server.ask("PATCH", f"/jobs/{job.id}", change, match)
        if answer.status == 412:
            answer = self.world.server.ask("GET", f"/jobs/{job.id}")
        assert answer.status == 200, answer
        job.learn(answer.json)
        if job.number not in (number, number + 1):
            job.problems.append(f"twice: job {job.id} went from version {number} to {job.number}")

    def _trigger(self, job):
        answer = self.world.server.post(f"/jobs/{job.id}/trigger")
        assert answer.status == 202, answer
        job.triggered.append(answer.json["execution_id"])

    def _remove(self, job):
        asked_ms = self.world.wall_ms()
        answer = self.world.server.ask("DELETE", f"/jobs/{job.id}")
        assert answer.status in (204, 404), answer
        job.delete(asked_ms)
        self.mine.remove(job)


class ClusterWorld(World):
    """A world whose server is a cluster behind its balancer."""

    def __enter__(self):
        enter = self.cleanup.enter_context
        self.primary = enter(Postgres())
        self.replica = enter(self.primary.make_replica())
        self.redis = enter(Redis())
        self.database = url(self.primary, self.replica)
        arguments = ("--redis", self.redis.url)
        self.cluster = enter(
            Cluster(self.database, apis=APIS, workers=WORKERS, ttl=TTL, arguments=arguments)
        )
        self.server = self.listening = Door(self.cluster.balancer.port)
        return super().__enter__()

    def __exit__(self, *_):
        self.cleanup.close()

    def last_words(self):
        tails = [f"{node}\n" + "\n".join(node.lines[-LAST_LINES:]) for node in self.cluster.nodes]
        return "\n".join(tails)

    def ask(self, sql):
        return self.primary.ask(sql)

    def rest(self, seconds):
        run_for(self.random.uniform(*seconds))

    def _is_quiet(self):
        return self.ask(OPEN_ROWS) == [["0"]] and self.ask(ACTIVE_JOBS) == [["0"]]

    def settle(self):
        self.cluster.wait_until_shared(seconds=SETTLE_SECONDS)
        self._let_jobs_end()
        for node in self.cluster.nodes:
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


# --- What goes wrong -----------------------------------------------------------------------------


def kill_node(world, node):
    """kill -9, and another start after a while."""
    node.kill()
    world.rest(OUTAGE_SECONDS)
    node.start()


def stop_node(world, node):
    """SIGTERM, as in a rolling restart."""
    node.stop()
    node.start()


def freeze_node(world, node):
    """SIGSTOP for less than a lease or more, and SIGCONT."""
    node.signal(signal.SIGSTOP)
    world.rest(OUTAGE_SECONDS)
    node.signal(signal.SIGCONT)


def some_worker(world):
    return world.random.choice(world.cluster.workers)


def kill_worker(world):
    kill_node(world, some_worker(world))


def kill_api(world):
    kill_node(world, world.random.choice(world.cluster.apis))


def freeze_worker(world):
    freeze_node(world, some_worker(world))


def freeze_api(world):
    freeze_node(world, world.random.choice(world.cluster.apis))


def restart_worker(world):
    stop_node(world, some_worker(world))


def restart_api(world):
    stop_node(world, world.random.choice(world.cluster.apis))


def kill_all_workers(world):
    for node in world.cluster.workers:
        node.kill()
    world.rest(OUTAGE_SECONDS)
    for node in world.cluster.workers:
        node.begin()
    for node in world.cluster.workers:
        node.wait_until_listening()


def kill_database(world):
    world.primary.kill()
    world.rest(OUTAGE_SECONDS)
    world.primary.start()


def restart_database(world):
    world.primary.stop()
    world.primary.start()


def freeze_database(world):
    world.primary.freeze()
    world.rest(OUTAGE_SECONDS)
    world.primary.thaw()


def freeze_replica(world):
    """Commits wait for it."""
    world.replica.freeze()
    world.rest(OUTAGE_SECONDS)
    world.replica.thaw()


def kill_redis(world):
    world.redis.kill()
    world.rest(OUTAGE_SECONDS)
    world.redis.start()


def flush_redis(world):
    world.redis.ask("FLUSHALL")


# How often each comes, of all.
FAULTS = (
    (8, kill_worker),
    (3, kill_api),
    (5, freeze_worker),
    (2, freeze_api),
    (4, restart_worker),
    (2, restart_api),
    (1, kill_all_workers),
    (2, kill_database),
    (1, restart_database),
    (2, freeze_database),
    (1, freeze_replica),
    (1, kill_redis),
    (1, flush_redis),
)


def promote(world):
    """The primary is cut off alive; its synchronous replica takes its place. When it comes back to
    life it is another's, and is stopped."""
    world.primary.freeze()
    world.replica.promote()
    world.rest(OUTAGE_SECONDS)
    world.primary.kill()
    world.primary = world.replica


def cluster(world, options):
    """Nodes, PostgreSQL and Redis fail in turn; at last the replica is promoted."""
    drawn = world.random.choices(
        [fault for _, fault in FAULTS], [often for often, _ in FAULTS], k=max(1, options.kills - 1)
    )
    world.create_load(share=0.5)
    count = Counter()
    with Editor(world) as editor:
        for fault in drawn:
            fault(world)
            count[fault.__name__] += 1
            world.rest(PAUSE_SECONDS)
        promote(world)
        world.rest(PAUSE_SECONDS)
    world.settle()
    told = [f"{name}={n}" for name, n in sorted(count.items())]
    return [f"faults={options.kills}", *told, "promote=1", f"edits={editor.answered}"]
