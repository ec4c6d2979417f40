"""The house on trial: an edge, two agents, three vendors, Redis, and what lies between them.

::

    consumers → edge → [link a] → agent_a → [link one] → tushare "one"
                  │                        → [link two] → tushare "two"
                  │                        →              rqdata "three"
                  ├──→ [link b] → agent_b → (the same three)
                  └──→ redis
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.faultproxy import FaultProxy
from support.matrix.market import Market
from support.matrix.served import Served
from support.redis import RedisServer
from support.vendors import SECRETS, Vendor, vendor

AGENT = """
[server]
data_dir = "{name}"

{vendors}

[pools.tushares]
sources = ["one", "two"]
balancer = "round_robin"

[routes]
default = ["tushares", "three"]
"""
EDGE = """
[server]
data_dir = "edge"

[sources.agent_a]
plugin = "remote"
url = "{a}"

[sources.agent_b]
plugin = "remote"
url = "{b}"

[pools.agents]
sources = ["agent_a", "agent_b"]
balancer = "least_connections"

[routes]
default = ["agents"]

[caches.l1]
plugin = "memory"

[caches.l2]
plugin = "redis"
url = "redis://127.0.0.1:{redis}/0"
"""
DISK = """
[caches.l3]
plugin = "sqlite"
path = "{disk}/l3.db"

[history]
path = "{disk}/history"
"""
NAMES = ("one", "two", "three")


@dataclass
class House:
    """Everything that runs, for the faults to break."""

    edge: Served
    agent_a: Served
    agent_b: Served
    vendors: tuple[Vendor, ...]
    one: FaultProxy
    two: FaultProxy
    link_a: FaultProxy
    link_b: FaultProxy
    redis: RedisServer
    market: Market
    directory: Path
    disk: Path | None = None
    spoilt: bool = False
    """Whether the Tushare stand-ins misbehave."""
    p50: float = 0.01
    """Seconds that an uncached question takes while nothing is broken."""

    @property
    def served(self) -> tuple[Served, ...]:
        """The three processes of Argus."""
        return (self.edge, self.agent_a, self.agent_b)

    @property
    def clock_b(self) -> Path:
        """Where the clock of the second agent is set."""
        return self.directory / "clock_b"


@contextmanager
def vendors(data: Path) -> Generator[tuple[Vendor, ...]]:
    """The three stand-ins: two Tushare accounts and RQData."""
    with ExitStack() as stack, ThreadPoolExecutor() as at_once:
        contexts = [vendor(plugin, data) for plugin in ("tushare", "tushare", "rqdatac")]
        for context in contexts:
            stack.push(context.__exit__)
        yield tuple(at_once.map(lambda context: context.__enter__(), contexts))


@contextmanager
def house(
    directory: Path,
    stand_ins: tuple[Vendor, ...],
    *,
    disk: Path | None = None,
    listen: tuple[str, str] | None = None,
) -> Generator[House]:
    """A running house. ``disk`` is where the edge keeps a third tier and an archive.

    With ``listen``, a network namespace and an address in it, the first agent is reached there.
    """
    market = Market()
    with ExitStack() as stack:
        redis = RedisServer(directory)
        redis.start()
        stack.callback(redis.kill)
        ways = [stack.enter_context(FaultProxy(one.ports[0])) for one in stand_ins[:2]]
        env = market.surroundings()
        # The edge shares two cores with eleven processes: as topology.md has it for such a one.
        edge = Served("edge", directory, env | {"POLARS_MAX_THREADS": "1"})
        agent_a = Served("agent_a", directory, env)
        agent_b = Served("agent_b", directory, market.surroundings(directory / "clock_b"))
        if listen is None:
            link_a = stack.enter_context(FaultProxy(agent_a.port))
        else:
            link_a = stack.enter_context(
                FaultProxy(agent_a.port, namespace=listen[0], host=listen[1])
            )
        link_b = stack.enter_context(FaultProxy(agent_b.port))
        for agent in (agent_a, agent_b):
            agent.write(AGENT.format(name=agent.name, vendors=_tables(stand_ins, ways)))
        text = EDGE.format(a=link_a.url, b=link_b.url, redis=redis.port)
        edge.write(text if disk is None else text + DISK.format(disk=disk))
        built = House(
            edge, agent_a, agent_b, stand_ins, *ways, link_a, link_b, redis, market, directory, disk
        )
        for served in built.served:
            stack.callback(served.close)
        agent_a.start()
        agent_b.start()
        stack.enter_context(market.told(stand_ins))
        agent_a.ready()
        agent_b.ready()
        edge.start()
        edge.ready()
        yield built


def _tables(stand_ins: tuple[Vendor, ...], ways: list[FaultProxy]) -> str:
    """The sources of an agent; the Tushare accounts are reached through the links."""
    ports = [[way.port, 0] for way in ways] + [stand_ins[2].ports]
    shown = [
        Vendor(one.plugin, one.process, own) for one, own in zip(stand_ins, ports, strict=True)
    ]
    return "".join(one.table(name) for one, name in zip(shown, NAMES, strict=True))


def leaks(built: House) -> list[str]:
    """Logs in which a vendor's secret stands."""
    found = []
    for served in built.served:
        with contextlib.suppress(OSError):
            log = served.log.read_text(errors="replace")
            found += [served.name for secret in SECRETS.values() if secret in log]
    return found
