"""A gateway with two file sources and a stand-in for the plugin of server nodes."""

import contextlib

from support.clock import TestClock
from support.sources import symbols

from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.model.ask import Ask, Deadline

(MAOTAI,) = symbols("600519.SH")

PLUGIN = """
    from argus_core import Quote, Settings, Source, hookimpl

    OPEN = {}

    class Peer(Source):
        class Settings(Settings):
            url: str = "here"
            address: str = ""
            max_connections: int = 100
            allow_http: bool = False

        async def open(self):
            OPEN[self.name] = OPEN.get(self.name, 0) + 1

        async def close(self):
            if OPEN.get(self.name):
                OPEN[self.name] -= 1

        async def ping(self):
            return None

        async def quotes(self, query):
            assert OPEN.get(self.name), f"{self.name} is asked while closed"
            return [Quote(symbol=s, price=1.0, name=self.name) for s in query.symbols]

    @hookimpl
    def register_source():
        return Peer
"""
TABLES = {
    "sources": {"one": {"plugin": "peer"}, "two": {"plugin": "peer"}, "sim": {"plugin": "demo"}},
    "pools": {"both": {"sources": ["one", "two"], "balancer": "random", "max_size": 9}},
    "routes": {"default": ["both"], "calendar": ["sim"]},
    "server_nodes": {"allow": ["10.0.0.0/24:8001-8009", "agent.lan:8001"]},
}
POOL = {"plugin": "peer", "balancer": "round_robin", "config": {}}


def node(last=1, port=8001, **more):
    """A node that the list allows."""
    return {"host": f"10.0.0.{last}", "port": port, **more}


def config(directory, **changes):
    """The tables above over a data directory, with some replaced."""
    return Config.parse({"server": {"data_dir": str(directory)}, **TABLES, **changes}, {})


@contextlib.asynccontextmanager
async def running(directory, **changes):
    """An open gateway."""
    async with Gateway(config(directory, **changes), clock=TestClock()) as argus:
        yield argus


async def source_of(argus, *, use_cache=False):
    """Which source answers a question for a quote."""
    deadline = Deadline.within(5, argus.clock)
    answer = await argus.quotes((MAOTAI,), Ask(deadline=deadline, use_cache=use_cache))
    return answer.provenance[MAOTAI].source


async def make(argus, name="p", *nodes, **changes):
    """A new pool with these nodes, or one, and with these settings changed."""
    given = {**POOL, **changes}
    return await argus.pools.create(name, server_nodes=list(nodes) or [node()], **given)
