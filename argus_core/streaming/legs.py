"""Who could bring a symbol: the route of its quotes, pool by pool, as requests go down it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from argus_core.market.kinds import kind_of
from argus_core.model.query import Query, QuotesQuery
from argus_core.model.symbol import Exchange, Kind, Symbol
from argus_core.routing.node import Node
from argus_core.routing.pool import Pool
from argus_core.streaming.lines import Leg, Line


class Finder(Protocol):
    """The routes, as the router knows them."""

    def split(self, query: Query) -> Iterable[tuple[tuple[Pool, ...], Query]]:
        """The query in parts, each with the pools to ask, best first."""
        ...


class Legs:
    """The legs of each symbol's route."""

    def __init__(self, routes: Finder) -> None:
        self._routes = routes

    def of(self, symbols: Iterable[Symbol]) -> dict[Symbol, tuple[Leg, ...]]:
        """The legs that may bring each symbol, best first, be they well just now or not."""
        found: dict[Symbol, tuple[Leg, ...]] = {}
        asked = tuple(symbols)
        if not asked:
            return found
        for pools, part in self._routes.split(QuotesQuery(symbols=asked)):
            # What a source covers, it says by exchange and kind.
            alike: dict[tuple[Exchange, Kind], tuple[Leg, ...]] = {}
            for key in part.keys:
                symbol = Symbol(key)
                group = (symbol.exchange, kind_of(symbol))
                legs = alike.get(group)
                if legs is None:
                    legs = alike[group] = tuple(_legs(pools, symbol))
                found[symbol] = legs
        return found


def chosen(
    legs: Sequence[Leg],
    line: Line,
    load: Mapping[str, int],
    now: float,
    below: float = math.inf,
) -> Leg | None:
    """The best leg, better than rank ``below``, that is well and has not failed lately.

    ``load`` says how many symbols each node pushes: of equal ones the idlest takes the next.
    """
    best: Leg | None = None
    for leg in legs:
        if leg.rank >= below or (best is not None and leg.rank > best.rank):
            break
        if line.failed.get(leg.key, 0.0) > now or not leg.well:
            continue
        if best is None or load.get(leg.name, 0) < load.get(best.name, 0):
            best = leg
    return best


def _legs(pools: Sequence[Pool], symbol: Symbol) -> Iterator[Leg]:
    """The ways in which pools can bring a symbol: of each its pushing nodes, then asking it."""
    for place, pool in enumerate(pools):
        able = [node for node in _nodes(pool) if node.covers(symbol)]
        for node in able:
            if node.source.pushes():
                members = frozenset({node.name})
                yield Leg(pool.name, "push", node, members, 2 * place, (node,))
        query = QuotesQuery(symbols=(symbol,))
        asked = [node for node in able if node.serves(query)]
        if asked:
            members = frozenset(node.name for node in asked)
            yield Leg(pool.name, "poll", None, members, 2 * place + 1, tuple(asked))


def _nodes(pool: Pool) -> list[Node]:
    """Those of its nodes that are there, and that no operator has switched off."""
    nodes = (member.node for member in pool.members)
    return [node for node in nodes if node.down is None and node.off is None]
