# SPDX-License-Identifier: MIT
"""What goes wrong in a cluster: tables of faults, of which a scenario draws.

A fault ends by itself: it breaks something, and mends it after a while. A row says how often its
fault comes, compared with others.
"""

import signal
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Callable

OUTAGE_SECONDS = (0.2, 6)  # Shorter than a lease, and much longer.
PAUSE_SECONDS = (0.5, 3)
SLOW_SECONDS = 0.3
CLOCKS_MS = (-300_000, 0, 300_000)


@dataclass(frozen=True)
class Fault:
    often: int
    name: str
    act: Callable  # Called with the world.


# --- Nodes ---------------------------------------------------------------------------------------


def some(world, kind):
    """One node of a kind: apis, workers or executors."""
    nodes = world.executors if kind == "executors" else getattr(world.cluster, kind)
    return world.random.choice(nodes)


def kill(kind, world):
    """kill -9, and another start after a while."""
    node = some(world, kind)
    node.kill()
    world.rest(OUTAGE_SECONDS)
    node.start()


def restart(kind, world):
    """SIGTERM, as in a rolling restart."""
    node = some(world, kind)
    node.stop()
    node.start()


def freeze(kind, world):
    """SIGSTOP for less than a lease or more, and SIGCONT."""
    node = some(world, kind)
    node.signal(signal.SIGSTOP)
    world.rest(OUTAGE_SECONDS)
    node.signal(signal.SIGCONT)


def kill_all(nodes, world):
    for node in nodes:
        node.kill()
    world.rest(OUTAGE_SECONDS)
    for node in nodes:
        node.begin()
    for node in nodes:
        node.wait_until_listening()


def kill_all_workers(world):
    kill_all(world.cluster.workers, world)


def kill_all_executors(world):
    kill_all(world.executors, world)


def restart_all(world):
    """Every node, one after the other, each once the one before has its share."""
    for node in world.processes:
        node.stop()
        node.start()
        world.cluster.wait_until_shared()


def turn_clock(world):
    """The wall clock of a node is five minutes off, or is right again."""
    name = world.random.choice(sorted(world.clocks))
    others = [ms for ms in CLOCKS_MS if ms != world.clocks_ms.get(name, 0)]
    world.turn_clock(name, world.random.choice(others))
    world.rest(OUTAGE_SECONDS)


NODES = (
    Fault(8, "kill_worker", partial(kill, "workers")),
    Fault(3, "kill_api", partial(kill, "apis")),
    Fault(5, "freeze_worker", partial(freeze, "workers")),
    Fault(2, "freeze_api", partial(freeze, "apis")),
    Fault(4, "restart_worker", partial(restart, "workers")),
    Fault(2, "restart_api", partial(restart, "apis")),
    Fault(1, "kill_all_workers", kill_all_workers),
    Fault(1, "restart_all", restart_all),
    Fault(2, "turn_clock", turn_clock),
)

EXECUTORS = (
    Fault(8, "kill_executor", partial(kill, "executors")),
    Fault(4, "freeze_executor", partial(freeze, "executors")),
    Fault(3, "restart_executor", partial(restart, "executors")),
    Fault(2, "kill_all_executors", kill_all_executors),
)


# --- Servers -------------------------------------------------------------------------------------


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


def freeze_redis(world):
    world.redis.process.signal(signal.SIGSTOP)
    world.rest(OUTAGE_SECONDS)
    world.redis.process.signal(signal.SIGCONT)


def flush_redis(world):
    world.redis.ask("FLUSHALL")


def destroy_group(world):
    """Somebody removes the group of the executors, while they hold what they took of it."""
    world.redis.ask("XGROUP", "DESTROY", "carillon:queue", "executors")


def kill_pooler(world):
    world.pooler.process.kill()
    world.rest(OUTAGE_SECONDS)
    world.pooler.start()


SERVERS = (
    Fault(2, "kill_database", kill_database),
    Fault(1, "restart_database", restart_database),
    Fault(2, "freeze_database", freeze_database),
    Fault(1, "freeze_replica", freeze_replica),
    Fault(1, "kill_redis", kill_redis),
    Fault(1, "flush_redis", flush_redis),
)

QUEUE = (
    Fault(2, "kill_redis", kill_redis),
    Fault(2, "freeze_redis", freeze_redis),
    Fault(3, "flush_redis", flush_redis),
    Fault(3, "destroy_group", destroy_group),
)

POOLERS = (Fault(6, "kill_pooler", kill_pooler),)


# --- Links ---------------------------------------------------------------------------------------


def some_links(world, server):
    """The links of one node to PostgreSQL or to Redis."""
    links = world.database_links if server == "database" else world.redis_links
    return links[world.random.choice(sorted(links))]


def all_links(world, server):
    links = world.database_links if server == "database" else world.redis_links
    return [link for of_node in links.values() for link in of_node]


def cut(which, server, world):
    for link in which(world, server):
        link.cut()


def lose_answers(which, server, world):
    for link in which(world, server):
        link.lose_answers()


def for_a_while(break_one, links, world):
    for link in links:
        break_one(link)
    world.rest(OUTAGE_SECONDS)
    for link in links:
        link.heal()


def hold(which, server, world):
    for_a_while(lambda link: link.hold(), which(world, server), world)


def slow(which, server, world):
    for_a_while(lambda link: link.slow(SLOW_SECONDS), which(world, server), world)


DATABASE_LINKS = (
    Fault(2, "cut_database_link", partial(cut, some_links, "database")),
    Fault(3, "lose_database_answers", partial(lose_answers, some_links, "database")),
    Fault(4, "hold_database_link", partial(hold, some_links, "database")),
    Fault(2, "slow_database_link", partial(slow, some_links, "database")),
    Fault(1, "cut_database_links", partial(cut, all_links, "database")),
    Fault(1, "lose_all_answers", partial(lose_answers, all_links, "database")),
    Fault(1, "hold_database_links", partial(hold, all_links, "database")),
    Fault(1, "slow_database_links", partial(slow, all_links, "database")),
)

REDIS_LINKS = (
    Fault(1, "cut_redis_link", partial(cut, some_links, "redis")),
    Fault(1, "lose_redis_answers", partial(lose_answers, some_links, "redis")),
    Fault(1, "hold_redis_link", partial(hold, some_links, "redis")),
    Fault(1, "slow_redis_link", partial(slow, some_links, "redis")),
    Fault(1, "hold_redis_links", partial(hold, all_links, "redis")),
)


# --- In turn -------------------------------------------------------------------------------------


def draw(world, faults, count):
    """`count` faults in an order of chance: each once, as far as that goes, and more by weight."""
    once = world.random.sample(faults, min(count, len(faults)))
    weights = [fault.often for fault in faults]
    drawn = once + world.random.choices(faults, weights, k=count - len(once))
    world.random.shuffle(drawn)
    return drawn


def carry_out(world, faults):
    """How many there were of each name."""
    for fault in faults:
        world.check_alive()
        world.log(fault.name)
        fault.act(world)
        world.rest(PAUSE_SECONDS)
    return Counter(fault.name for fault in faults)
