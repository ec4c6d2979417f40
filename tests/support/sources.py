"""A source whose every reply is written down by the test."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from argus_core import Clock, Quote, QuotesQuery, Source, Symbol
from argus_core.model.query import Query
from argus_core.routing.node import Node
from argus_core.routing.pool import Member, Pool

PRICES = {"600519.SH": 1700.0, "000001.SZ": 10.0, "600000.SH": 8.0}


def symbols(*texts: str) -> tuple[Symbol, ...]:
    """Canonical symbols, unchecked."""
    return tuple(Symbol(text) for text in texts)


class Scripted(Source):
    """Quotes by script: each call takes the next step, the last one repeats.

    A step is an exception to raise, a number of seconds to hang before answering, a set of
    symbols to leave out, or a function of the query.
    """

    def __init__(self, name: str, clock: Clock, *script: Any) -> None:
        super().__init__(name, None, clock)
        self.script = list(script)
        self.asked: list[tuple[str, ...]] = []

    async def quotes(self, query: QuotesQuery) -> Iterable[Quote]:
        self.asked.append(query.keys)
        step = self._next()
        if isinstance(step, Exception):
            raise step
        if isinstance(step, int | float):
            await asyncio.sleep(step)
        if isinstance(step, Callable):
            return step(query)
        left_out = step if isinstance(step, set) else set()
        return [self.quote(s) for s in query.symbols if s not in left_out]

    def quote(self, symbol: Symbol) -> Quote:
        return Quote(
            symbol=symbol, price=PRICES.get(symbol, 5.0), name=self.name, as_of=self.clock.now()
        )

    def _next(self) -> Any:
        if not self.script:
            return None
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


def node(source: Source) -> Node:
    """The source as a node."""
    return Node(source, plugin="scripted", clock=source.clock)


def lone(*nodes: Node) -> tuple[Pool, ...]:
    """A pool of one for each node, in failover order."""
    return tuple(Pool(n.name, (Member(n),)) for n in nodes)


class Fixed:
    """One route for every query: these pools, in failover order."""

    def __init__(self, pools: Iterable[Pool]) -> None:
        self.pools = tuple(pools)

    def split(self, query: Query) -> Iterator[tuple[tuple[Pool, ...], Query]]:
        yield self.pools, query
