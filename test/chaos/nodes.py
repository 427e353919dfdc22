# SPDX-License-Identifier: MIT
"""The scenarios of a cluster: of its nodes, PostgreSQL, Redis and the links between them something
dies, stands still or is slow all the time, under load and edits through the load balancer; at last
the replica is promoted.
"""

from collections import Counter

from cluster_faults import (
    DATABASE_LINKS,
    EXECUTORS,
    NODES,
    OUTAGE_SECONDS,
    PAUSE_SECONDS,
    POOLERS,
    QUEUE,
    REDIS_LINKS,
    SERVERS,
    carry_out,
    draw,
)
from cluster_world import Editor


def promote(world):
    """The primary is cut off alive; its synchronous replica takes its place. When it comes back to
    life it is another's, and is stopped."""
    world.primary.freeze()
    world.replica.promote()
    if world.pooler:
        world.pooler.lead_to(world.replica)
    world.rest(OUTAGE_SECONDS)
    world.primary.kill()
    world.primary = world.replica


def told(count):
    return [f"{name}={n}" for name, n in sorted(count.items())]


def run(world, options, faults, between=None):
    """`between` is done after half of the faults, and answers with a count of what it did."""
    drawn = draw(world, faults, max(1, options.kills - 1))
    half = len(drawn) // 2
    world.create_load(share=0.5)
    with Editor(world) as editor:
        count = carry_out(world, drawn[:half])
        count += between(world, options) if between else Counter()
        count += carry_out(world, drawn[half:])
        promote(world)
        world.rest(PAUSE_SECONDS)
    world.settle()
    count["promote"] += 1
    return [f"faults={count.total()}", *told(count), f"edits={editor.answered}"]


def cluster(world, options):
    """Nodes, PostgreSQL, Redis and links fail in turn."""
    return run(world, options, NODES + SERVERS + DATABASE_LINKS + REDIS_LINKS)


def pooler(world, options):
    """The same behind a pooler in transaction mode, which dies as well."""
    return run(world, options, NODES + SERVERS + DATABASE_LINKS + POOLERS)


def queue(world, options):
    """Executors send what goes through Redis, and both die."""
    return run(world, options, NODES + EXECUTORS + QUEUE + REDIS_LINKS + DATABASE_LINKS)


def upgrade_all(world, options):
    """One node after the other is exchanged, each in an order or by a kill, in an order of chance;
    meanwhile nodes of both versions die."""
    nodes = world.random.sample(world.processes, len(world.processes))
    count = Counter()
    for node in nodes:
        world.check_alive()
        world.log(f"upgrade {node.name}")
        node.kill() if world.random.randrange(3) == 0 else node.stop()
        node.options["binary"] = world.new_binary
        node.start()
        count["upgrade"] += 1
        count += carry_out(world, draw(world, NODES + DATABASE_LINKS, 1))
        world.cluster.wait_until_shared()
    return count


def upgrade(world, options):
    """A rolling upgrade from the version before, with faults before it, during it, and after it."""
    return run(world, options, NODES + SERVERS + DATABASE_LINKS, between=upgrade_all)
