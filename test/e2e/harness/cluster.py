# SPDX-License-Identifier: MIT
"""A cluster: nodes on one database, and a load balancer in front of those that answer the API.

    with Cluster(primary.url("t1"), apis=2, workers=3) as cluster:
        job = create_job(cluster.door, ...)     through the balancer
        cluster.workers[0].kill()

A node keeps its port when it is started again, so that the balancer finds it.
"""

from .haproxy import HAProxy
from .jobs import expect
from .program import Client, Program
from .wait import wait_until

SETTLE_SECONDS = 60


class Node:
    """One node, which may be started more than once. What a Program can do, it can."""

    def __init__(self, name, role, arguments, **options):
        self.name = name
        self.options = options  # Of the Program at each start, unless the start says otherwise.
        self.role = role
        self._arguments = arguments
        self._port = 0
        self.runs = []  # Each a Program; the last one is the present one.

    def __getattr__(self, name):
        return getattr(self.runs[-1], name)

    def __repr__(self):
        return f"{self.name}: {self.runs[-1] if self.runs else 'not started'}"

    def begin(self, **options):
        """Starts the node, and waits for nothing."""
        listen = ("--listen", f"127.0.0.1:{self._port}", "--log-format", "json")
        what = ("--role", self.role, "--node-name", self.name)
        options = {**self.options, **options}
        self.runs.append(Program("serve", *listen, *what, *self._arguments, **options))
        return self

    def start(self, **options):
        return self.begin(**options).wait_until_listening()

    def wait_until_listening(self):
        self._port = self.runs[-1].wait_until_listening().port
        return self

    def end(self):
        """Ends whatever of the node still runs, now."""
        for program in self.runs:
            if program.is_running:
                program.kill()
        for program in self.runs:
            program.check_sanitizers()


class Cluster:
    """Use as a context manager. `arguments`: settings of every node; `prefix` as of a Program."""

    def __init__(
        self, url, apis=2, workers=3, alls=0, ttl="2s", arguments=(), balancer=True, prefix=()
    ):
        self.url = url
        self.prefix = prefix
        self.arguments = ("--db", url, "--lease-ttl", ttl, *arguments)
        self.alls = [self.node(f"all-{n}", "all") for n in range(1, alls + 1)]
        self.apis = [self.node(f"api-{n}", "api") for n in range(1, apis + 1)] + self.alls
        self.workers = [self.node(f"worker-{n}", "worker") for n in range(1, workers + 1)]
        self.workers += self.alls
        self.has_balancer = balancer
        self.balancer = None
        self.others = []  # Nodes that a test has added.

    def node(self, name, role, *more):
        return Node(name, role, (*self.arguments, *more), prefix=self.prefix)

    def add(self, name, role, *more, **options):
        """One node more, running."""
        self.others.append(self.node(name, role, *more))
        return self.others[-1].start(**options)

    @property
    def nodes(self):
        return list(dict.fromkeys([*self.apis, *self.workers, *self.others]))

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self):
        for node in self.nodes:
            node.begin()
        for node in self.nodes:
            node.wait_until_listening()
        if self.has_balancer and self.apis:
            self.balancer = HAProxy([f"127.0.0.1:{node.port}" for node in self.apis])
            self.balancer.__enter__()
        self.wait_until_shared()

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.balancer:
            self.balancer.close()
        for node in self.nodes:
            node.end()

    # --- What it is like -------------------------------------------------------------------------

    @property
    def door(self):
        """Where clients come in."""
        return Client(self.balancer.port) if self.balancer else self.apis[0].runs[-1]

    def seen_by(self, node):
        return expect(node.get("/cluster"), 200).json

    def look(self):
        """The cluster as the first API server that runs sees it."""
        return self.seen_by(next(node for node in self.apis if node.is_running))

    def wait_until(self, condition, what, seconds=SETTLE_SECONDS):
        """The cluster as it is when the condition holds of it."""

        def holds():
            cluster = self.look()
            return cluster if condition(cluster) else None

        return wait_until(holds, seconds, what)

    def wait_until_shared(self, workers=None, seconds=SETTLE_SECONDS):
        """Until these workers, by default those that run, have the shards between them."""
        if workers is None:
            workers = [node for node in self.workers + self.others if node.role != "api"]
            workers = [node for node in workers if node.runs and node.is_running]
        names = {node.name for node in workers}

        def is_shared(cluster):
            owners = {node["name"]: node["shards"] for node in cluster["nodes"] if node["works"]}
            fair = -(-cluster["shards"]["all"] // max(1, len(names)))
            spread = all(0 < owners.get(name, 0) <= fair for name in names)
            return spread and sum(owners.get(name, 0) for name in names) == cluster["shards"]["all"]

        return self.wait_until(is_shared, f"{sorted(names)} share the shards", seconds)

    def shards_of(self, name):
        return next((n["shards"] for n in self.look()["nodes"] if n["name"] == name), 0)
